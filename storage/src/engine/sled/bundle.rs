//! Several values of neighbouring keys in one of sled's: a conversation's pages that reach sled together. Each value that sled gets
//! costs it a search, a piece of a page and an entry in memory, whatever its size; and pages of one conversation pack better together.
//!
//! ```text
//! bundle     ff 'b' 'd' 1 | the last suffix | packed or plain: suffix, length u16, value; suffix, ...
//! suffix     the last ten bytes of a key: number and chunk
//! ```
//!
//! **A value belongs to the greatest of sled's keys that is not greater than its own.** So what a bundle holds beyond sled's next key is no
//! more part of it, and each change of sled's leaves a whole map: a bundle that has grown is parted from its end.

use super::packed::{pack, unpack};

/// What tells apart the keys of one conversation's pages.
pub(super) type Suffix = [u8; 10];

/// A value and the end of its key.
pub(super) type Entry = (Suffix, Vec<u8>);

const MAGIC: [u8; 4] = *b"\xffbd\x01";

/// Bytes before the values.
const HEAD: usize = MAGIC.len() + size_of::<Suffix>();

/// Bytes before each value.
const ENTRY: usize = size_of::<Suffix>() + 2;

/// How much room an entry takes in a bundle before that is packed.
pub(super) fn room((_, value): &Entry) -> usize {
    ENTRY + value.len()
}

/// What sled has under a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// The value of that key.
    Plain(Vec<u8>),
    /// Values of keys from that one on, in their order.
    Bundle(Vec<Entry>),
}

impl Stored {
    /// What does not make sense as a bundle is a value, and whoever reads that finds the damage.
    pub(super) fn read(stored: &[u8]) -> Self {
        match bundle(stored) {
            Some(entries) => Self::Bundle(entries),
            None => Self::Plain(unpack(stored).unwrap_or_else(|| stored.to_vec())),
        }
    }

    /// All of it as entries, of a key with this suffix.
    pub(super) fn into_entries(self, suffix: Suffix) -> Vec<Entry> {
        match self {
            Self::Plain(value) => vec![(suffix, value)],
            Self::Bundle(entries) => entries,
        }
    }
}

/// The last suffix in a bundle; `None` for what is none.
pub(super) fn last(stored: &[u8]) -> Option<Suffix> {
    stored.strip_prefix(&MAGIC)?.first_chunk().copied()
}

fn bundle(stored: &[u8]) -> Option<Vec<Entry>> {
    let (last, packed) = stored.strip_prefix(&MAGIC)?.split_first_chunk::<10>()?;
    let unpacked = unpack(packed);
    let mut rest = unpacked.as_deref().unwrap_or(packed);
    let mut entries: Vec<Entry> = Vec::new();
    while !rest.is_empty() {
        let (suffix, behind) = rest.split_first_chunk::<10>()?;
        let (length, behind) = behind.split_first_chunk()?;
        let (value, behind) = behind.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        if entries.last().is_some_and(|(before, _)| before >= suffix) {
            return None;
        }
        entries.push((*suffix, value.to_vec()));
        rest = behind;
    }
    (entries.last().map(|(suffix, _)| suffix) == Some(last)).then_some(entries)
}

/// What sled gets under the key with this suffix, which is not behind that of the first of these entries. There is at least one, and none is
/// longer than 64 KiB. A page alone is packed only where that is allowed; where there may be bundles it is.
pub(super) fn write(suffix: Suffix, entries: &[Entry], packs: bool) -> Vec<u8> {
    if let [(only, value)] = entries
        && *only == suffix
        && !value.starts_with(&MAGIC)
    {
        return packs.then(|| pack(value)).flatten().unwrap_or_else(|| value.clone());
    }
    let mut values = Vec::with_capacity(entries.iter().map(room).sum());
    for (suffix, value) in entries {
        values.extend_from_slice(suffix);
        values.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        values.extend_from_slice(value);
    }
    let values = pack(&values).unwrap_or(values);
    let mut stored = Vec::with_capacity(HEAD + values.len());
    stored.extend_from_slice(&MAGIC);
    stored.extend_from_slice(entries.last().map_or(&suffix, |(last, _)| last));
    stored.extend_from_slice(&values);
    stored
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u8, value: &[u8]) -> Entry {
        ([0, 0, 0, 0, 0, 0, 0, number, 0, 0], value.to_vec())
    }

    #[test]
    fn a_golden_bundle() {
        let entries = vec![entry(1, b"one"), entry(2, b"")];
        let stored = write(entries[0].0, &entries, true);
        let expected = [
            &b"\xffbd\x01"[..],
            &[0, 0, 0, 0, 0, 0, 0, 2, 0, 0],
            &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 3],
            b"one",
            &[0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0],
        ];
        assert_eq!(stored, expected.concat());
        assert_eq!(last(&stored), Some(entries[1].0));
        assert_eq!(Stored::read(&stored), Stored::Bundle(entries));
    }

    #[test]
    fn longer_ones_are_packed_together_and_one_alone_is_none() {
        let value = b"{\"sequence\":1,\"work\":".repeat(20);
        let entries: Vec<Entry> = (0..5).map(|number| entry(number, &value)).collect();
        let stored = write(entries[0].0, &entries, true);
        assert!(stored.len() < value.len(), "{}", stored.len());
        assert_eq!(Stored::read(&stored).into_entries(entries[0].0), entries);
        let alone = write(entries[0].0, &entries[..1], true);
        assert_eq!((last(&alone), Stored::read(&alone)), (None, Stored::Plain(value.clone())));
        // Under the key of one that has gone, it must say which it is.
        let behind = write(entries[0].0, &entries[1..2], true);
        assert_eq!(Stored::read(&behind).into_entries(entries[0].0), entries[1..2]);
    }

    #[test]
    fn what_makes_no_sense_is_a_value() {
        let entries = vec![entry(1, b"one"), entry(2, b"two")];
        let stored = write(entries[0].0, &entries, true);
        let turned = write(entries[0].0, &[entries[1].clone(), entries[0].clone()], true);
        let mut other_last = stored.clone();
        other_last[11] = 3;
        for length in 0..stored.len() {
            assert_eq!(Stored::read(&stored[..length]), Stored::Plain(stored[..length].to_vec()), "{length}");
        }
        for value in [turned, other_last] {
            assert_eq!(Stored::read(&value), Stored::Plain(value.clone()));
        }
    }
}
