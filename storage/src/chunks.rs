//! How a record of any size lies in values of at most [`VALUE_MAX`] bytes: bigger values end up in files that the embedded
//! engine never syncs.
//!
//! A *framed* record (work, transcript page, dead letter) is written whole. A conversation's record is written often and may be
//! big, so its first chunk holds the hashes of the others, and a commit writes only those that changed. What is inside a record
//! is the business of [`crate::record`].

use std::fmt;

use crate::StoreError;

/// No value is longer.
pub(crate) const VALUE_MAX: usize = 4_096;

/// The version of every record's layout, and its first byte.
pub(crate) const FORMAT: u8 = 1;

/// Bytes before a framed record's fixed part: format, number of chunks, hash of the payload.
const FRAME: usize = 1 + 2 + 8;

/// Bytes before the hashes of a conversation's record: format, version, indexed deadline, number of chunks.
const HEAD: usize = 1 + 8 + 8 + 2;

/// The longest snapshot, in bytes: beyond it the hashes of its chunks would not fit into the first one.
pub const SNAPSHOT_MAX: usize = (VALUE_MAX - HEAD) / 8 * VALUE_MAX;

/// Why bytes are not a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// A later version wrote it: it may be perfectly well.
    Newer(u8),
    /// It is not what was written.
    Garbage(String),
}

impl Damage {
    pub(crate) fn garbage(reason: impl fmt::Display) -> Self {
        Self::Garbage(format!("{reason}"))
    }
}

pub(crate) fn check_format(found: u8) -> Result<(), Damage> {
    // Formats begin at 1 and grow by one: what is far away was never a format.
    match found {
        FORMAT => Ok(()),
        newer if newer > FORMAT && newer < FORMAT + 32 => Err(Damage::Newer(newer)),
        other => Err(Damage::garbage(format_args!("it begins with {other:#04x}, which is no format"))),
    }
}

/// A 64-bit hash, the same in every version: it is kept on disk. Not for use against people who choose the input.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let fold = |state: u64, word: u64| {
        let product = u128::from(state ^ word) * u128::from(FACTOR);
        // Both halves, and the state once more, so that a word equal to the state does not wipe it out.
        let [low, high] = [product as u64, (product >> 64) as u64];
        low ^ high ^ state.rotate_left(23)
    };
    let mut words = bytes.chunks_exact(8);
    let mut state = fold(0x51ed_270b_a49c_1dd3, bytes.len() as u64);
    for word in words.by_ref() {
        state = fold(state, u64::from_le_bytes(word.try_into().expect("chunks of eight")));
    }
    let mut last = [0; 8];
    last[..words.remainder().len()].copy_from_slice(words.remainder());
    fold(fold(state, u64::from_le_bytes(last)), FACTOR)
}

/// Begins a framed record; the caller appends its fixed part and its payload, then calls [`finish`].
pub(crate) fn begin() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    bytes.resize(FRAME, 0);
    bytes[0] = FORMAT;
    bytes
}

/// Ends a framed record whose fixed part has `fixed` bytes, and cuts it into values.
///
/// # Errors
/// When it is so long that its chunks cannot be numbered.
pub(crate) fn finish(mut bytes: Vec<u8>, fixed: usize) -> Result<Vec<Vec<u8>>, StoreError> {
    let count = bytes.len().div_ceil(VALUE_MAX);
    let Ok(short) = u16::try_from(count) else {
        return Err(too_long(bytes.len(), usize::from(u16::MAX) * VALUE_MAX));
    };
    let check = hash(&bytes[FRAME + fixed..]);
    bytes[1..3].copy_from_slice(&short.to_be_bytes());
    bytes[3..FRAME].copy_from_slice(&check.to_be_bytes());
    if count == 1 {
        return Ok(vec![bytes]);
    }
    Ok(bytes.chunks(VALUE_MAX).map(<[u8]>::to_vec).collect())
}

fn too_long(length: usize, limit: usize) -> StoreError {
    StoreError::Unusable(format!("a record of {length} bytes is longer than the {limit} that can be kept"))
}

/// How many chunks the framed record has whose first value this is.
///
/// # Errors
/// When it is not the first value of a framed record.
pub(crate) fn frame_count(first: &[u8]) -> Result<u16, Damage> {
    let format = first.first().ok_or_else(|| Damage::garbage("it is empty"))?;
    check_format(*format)?;
    let count = first.get(1..3).and_then(|bytes| bytes.try_into().ok()).map_or(0, u16::from_be_bytes);
    if count == 0 || first.len() < FRAME {
        return Err(Damage::garbage("its first chunk is cut off"));
    }
    Ok(count)
}

/// The fixed part of a framed record, from its first value alone.
///
/// # Errors
/// When it is not the first value of a framed record.
pub(crate) fn frame_fixed<const N: usize>(first: &[u8]) -> Result<[u8; N], Damage> {
    frame_count(first)?;
    let fixed = first.get(FRAME..FRAME + N).and_then(|bytes| bytes.try_into().ok());
    fixed.ok_or_else(|| Damage::garbage("its first chunk is cut off"))
}

/// Where the fixed part lies in the first value, to change it in place: the hash does not cover it.
pub(crate) fn frame_fixed_mut(first: &mut [u8]) -> &mut [u8] {
    first.get_mut(FRAME..).unwrap_or_default()
}

/// The payload of a framed record whose values were put together again.
///
/// # Errors
/// When it is not what was written.
pub(crate) fn frame_payload(whole: &[u8], fixed: usize) -> Result<&[u8], Damage> {
    frame_count(whole)?;
    let payload = whole.get(FRAME + fixed..).ok_or_else(|| Damage::garbage("its first chunk is cut off"))?;
    let check = whole.get(3..FRAME).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
    if check == Some(hash(payload)) { Ok(payload) } else { Err(Damage::garbage("its bytes have changed")) }
}

/// The first value of a conversation's record, without a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Of the snapshot.
    pub(crate) version: u64,
    /// Where the deadline index has this conversation; `u64::MAX` nowhere.
    pub(crate) indexed: u64,
    /// One for each further chunk. Empty: the whole snapshot is in the first value.
    pub(crate) hashes: Vec<u64>,
}

/// In place of an indexed deadline: there is none.
pub(crate) const NOT_INDEXED: u64 = u64::MAX;

impl Head {
    /// Reads the first value, and returns what of the snapshot lies in it.
    ///
    /// # Errors
    /// When it is not the first value of a conversation's record.
    pub(crate) fn read(first: &[u8]) -> Result<(Self, &[u8]), Damage> {
        let format = first.first().ok_or_else(|| Damage::garbage("it is empty"))?;
        check_format(*format)?;
        let cut = || Damage::garbage("its first chunk is cut off");
        let (version, rest) = first[1..].split_first_chunk().ok_or_else(cut)?;
        let (indexed, rest) = rest.split_first_chunk().ok_or_else(cut)?;
        let (count, rest) = rest.split_first_chunk().ok_or_else(cut)?;
        let further = usize::from(u16::from_be_bytes(*count)).checked_sub(1).ok_or_else(cut)?;
        let (hashes, inline) = rest.split_at_checked(further * 8).ok_or_else(cut)?;
        let number = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().expect("chunks of eight"));
        let head = Self {
            version: u64::from_be_bytes(*version),
            indexed: u64::from_be_bytes(*indexed),
            hashes: hashes.chunks_exact(8).map(number).collect(),
        };
        Ok((head, inline))
    }

    fn write(&self, inline: &[u8]) -> Vec<u8> {
        let count = u16::try_from(self.hashes.len() + 1).expect("the snapshot's length was checked");
        let mut value = Vec::with_capacity(HEAD + self.hashes.len() * 8 + inline.len());
        value.push(FORMAT);
        value.extend_from_slice(&self.version.to_be_bytes());
        value.extend_from_slice(&self.indexed.to_be_bytes());
        value.extend_from_slice(&count.to_be_bytes());
        for hash in &self.hashes {
            value.extend_from_slice(&hash.to_be_bytes());
        }
        value.extend_from_slice(inline);
        value
    }
}

/// One chunk's number and its new value; `None` where it goes.
pub(crate) type Change = (u16, Option<Vec<u8>>);

/// What has to be written so that a conversation's record holds `snapshot`. The first chunk is always among them; of the others only what differs from `old`.
///
/// # Errors
/// When the snapshot is longer than [`SNAPSHOT_MAX`].
pub(crate) fn rewrite(old: &[u64], version: u64, indexed: u64, snapshot: &[u8]) -> Result<Vec<Change>, StoreError> {
    if snapshot.len() > SNAPSHOT_MAX {
        return Err(too_long(snapshot.len(), SNAPSHOT_MAX));
    }
    let mut head = Head { version, indexed, hashes: Vec::new() };
    let mut changes = Vec::new();
    if HEAD + snapshot.len() <= VALUE_MAX {
        changes.push((0, Some(head.write(snapshot))));
    } else {
        // Nothing of it in the first chunk: then the others begin at the same places whatever the number of hashes.
        for (index, chunk) in (1..).zip(snapshot.chunks(VALUE_MAX)) {
            let hash = hash(chunk);
            if old.get(head.hashes.len()) != Some(&hash) {
                changes.push((index, Some(chunk.to_vec())));
            }
            head.hashes.push(hash);
        }
        changes.push((0, Some(head.write(&[]))));
    }
    changes.extend((1..).zip(old).skip(head.hashes.len()).map(|(index, _)| (index, None)));
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(payload: &[u8]) -> Vec<Vec<u8>> {
        let mut bytes = begin();
        bytes.extend_from_slice(b"fixed");
        bytes.extend_from_slice(payload);
        finish(bytes, 5).unwrap()
    }

    fn numbers(changes: &[Change]) -> Vec<(u16, bool)> {
        let mut numbers: Vec<_> = changes.iter().map(|(index, value)| (*index, value.is_some())).collect();
        numbers.sort_unstable();
        numbers
    }

    fn hashes(changes: &[Change]) -> Vec<u64> {
        let first = changes.iter().find(|(index, _)| *index == 0).and_then(|(_, value)| value.clone()).unwrap();
        Head::read(&first).unwrap().0.hashes
    }

    #[test]
    fn the_hash_is_fixed_for_ever_and_tells_small_changes_apart() {
        let golden = [0x787f_e278_f5ec_fcc1, 0x9cd0_d00a_a779_f06b, 0x8baf_bc79_980c_e511];
        assert_eq!([hash(b""), hash(b"a"), hash(b"abcdefgh")], golden);
        assert_ne!(hash(b"a"), hash(b"a\0"));
        let mut seen: Vec<u64> = (0..64).map(|at| hash(&[&[0; 64][..at], &[1], &[0; 63][at..]].concat())).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 64);
    }

    #[test]
    fn a_framed_record_of_any_length_is_read_back() {
        for length in [0, 1, 4_080, 4_081, 8_176, 8_177, 30_000] {
            let payload: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            let values = framed(&payload);
            assert_eq!(values.len(), (FRAME + 5 + length).div_ceil(VALUE_MAX).max(1));
            assert!(values.iter().all(|value| value.len() <= VALUE_MAX));
            assert_eq!(frame_count(&values[0]), Ok(values.len() as u16));
            assert_eq!(frame_fixed(&values[0]), Ok(*b"fixed"));
            assert_eq!(frame_payload(&values.concat(), 5), Ok(&payload[..]));
        }
    }

    #[test]
    fn a_changed_payload_is_garbage_and_a_changed_fixed_part_is_not() {
        let mut whole = framed(&[7; 9_000]).concat();
        frame_fixed_mut(&mut whole)[0] = b'F';
        assert_eq!(frame_fixed(&whole), Ok(*b"Fixed"));
        assert!(frame_payload(&whole, 5).is_ok());
        whole[8_000] = 8;
        assert_eq!(frame_payload(&whole, 5), Err(Damage::garbage("its bytes have changed")));
    }

    #[test]
    fn a_newer_format_is_told_apart_from_garbage() {
        let mut first = framed(b"x").concat();
        first[0] = FORMAT + 1;
        assert_eq!(frame_count(&first), Err(Damage::Newer(FORMAT + 1)));
        assert_eq!(Head::read(&first), Err(Damage::Newer(FORMAT + 1)));
        for garbage in [&b""[..], b"\0", b"{", b"\x01", b"\x01\0\0", b"\x01\0\x01short", b"\xff\xff"] {
            assert!(matches!(frame_count(garbage), Err(Damage::Garbage(_))), "{garbage:?}");
            assert!(matches!(Head::read(garbage), Err(Damage::Garbage(_))), "{garbage:?}");
        }
    }

    #[test]
    fn a_small_snapshot_is_one_value() {
        let changes = rewrite(&[], 3, 9, b"hello").unwrap();
        assert_eq!(numbers(&changes), [(0, true)]);
        let value = changes[0].1.as_deref().unwrap();
        assert_eq!(value, b"\x01\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x09\0\x01hello");
        let head = Head { version: 3, indexed: 9, hashes: Vec::new() };
        assert_eq!(Head::read(value), Ok((head, &b"hello"[..])));
    }

    #[test]
    fn only_changed_chunks_are_written_and_surplus_ones_removed() {
        let mut snapshot = vec![1; 3 * VALUE_MAX];
        let first = rewrite(&[], 1, NOT_INDEXED, &snapshot).unwrap();
        assert_eq!(numbers(&first), [(0, true), (1, true), (2, true), (3, true)]);
        snapshot[VALUE_MAX] = 2;
        let second = rewrite(&hashes(&first), 2, NOT_INDEXED, &snapshot).unwrap();
        assert_eq!(numbers(&second), [(0, true), (2, true)]);
        let third = rewrite(&hashes(&second), 3, NOT_INDEXED, &snapshot[..2 * VALUE_MAX]).unwrap();
        assert_eq!(numbers(&third), [(0, true), (3, false)]);
        let fourth = rewrite(&hashes(&third), 4, NOT_INDEXED, b"small").unwrap();
        assert_eq!(numbers(&fourth), [(0, true), (1, false), (2, false)]);
        let fifth = rewrite(&hashes(&fourth), 5, NOT_INDEXED, &snapshot).unwrap();
        assert_eq!(numbers(&fifth), [(0, true), (1, true), (2, true), (3, true)]);
    }

    #[test]
    fn the_longest_snapshot_fits_and_a_longer_one_is_refused() {
        let changes = rewrite(&[], 1, NOT_INDEXED, &vec![0; SNAPSHOT_MAX]).unwrap();
        assert!(changes.iter().all(|(_, value)| value.as_ref().is_some_and(|value| value.len() <= VALUE_MAX)));
        assert!(rewrite(&[], 1, NOT_INDEXED, &vec![0; SNAPSHOT_MAX + 1]).is_err());
    }
}
