//! What is remembered of accepted ids, in bytes. Many marks lie in one page, in the order in which they came: so a text adds little to what
//! is written with it, and nothing of its own.
//!
//! ```text
//! page       1 | hash u64 of what follows | mark, mark, ...                  its key has the first number
//! mark       flags u8 | sequence varint | at varint | tenant, if it is another one | content u64, if any | length varint | id
//! tenant     length u8 | bytes
//!
//! sequence   since the mark before; for the first, since the number in the key
//! at         since the mark before or since 1970, in zigzag, for clocks are set back
//! id         as in `keys/id.rs`, digits packed
//! varint     seven bits a byte, the lowest first; a byte that is not the last has its highest bit set
//! ```

use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::Sequence;

use crate::chunks::{self, Damage};

/// What is remembered of an accepted id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) sequence: Sequence,
    pub(crate) at: UnixMillis,
    pub(crate) content: Option<u64>,
}

impl Mark {
    /// The value of a mark that has a key of its own: its number, its time and its content, if any, eight bytes each.
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut bytes = [self.sequence.0.to_be_bytes(), self.at.0.to_be_bytes()].concat();
        bytes.extend(self.content.into_iter().flat_map(u64::to_be_bytes));
        bytes
    }

    /// Reads it; `None` where it has another length.
    pub(crate) fn read(value: &[u8]) -> Option<Self> {
        let (sequence, rest) = value.split_first_chunk()?;
        let (at, rest) = rest.split_first_chunk()?;
        let content = if rest.is_empty() { None } else { Some(u64::from_be_bytes(rest.try_into().ok()?)) };
        Some(Self {
            sequence: Sequence(u64::from_be_bytes(*sequence)),
            at: UnixMillis(u64::from_be_bytes(*at)),
            content,
        })
    }
}

/// A mark in a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) tenant: &'a str,
    /// As it is kept.
    pub(crate) id: &'a [u8],
    pub(crate) mark: Mark,
}

/// The version of a page, and its first byte.
const FORMAT: u8 = 1;

/// Bytes before the first mark.
const HEAD: usize = 1 + 8;

/// What follows in a mark.
const TENANT: u8 = 1;
const CONTENT: u8 = 2;

/// A page that is being written.
#[derive(Debug)]
pub(crate) struct Page {
    first: Sequence,
    bytes: Vec<u8>,
    tenant: String,
    before: (Sequence, UnixMillis),
}

impl Page {
    /// One with this number in its key.
    pub(crate) fn new(first: Sequence) -> Self {
        let before = (first, UnixMillis(0));
        Self { first, bytes: vec![0; HEAD], tenant: String::new(), before }
    }

    pub(crate) fn first(&self) -> Sequence {
        self.first
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.len() == HEAD
    }

    /// How long its value is.
    pub(crate) fn length(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a mark. They take least in the order of their numbers.
    pub(crate) fn push(&mut self, entry: &Entry<'_>) {
        let Mark { sequence, at, content } = entry.mark;
        let same = entry.tenant == self.tenant;
        self.bytes.push((u8::from(!same) * TENANT) | (u8::from(content.is_some()) * CONTENT));
        push_varint(&mut self.bytes, sequence.0.wrapping_sub(self.before.0.0));
        push_varint(&mut self.bytes, zigzag(at.0.wrapping_sub(self.before.1.0)));
        if !same {
            self.bytes.push(u8::try_from(entry.tenant.len()).expect("addresses have at most 120 bytes"));
            self.bytes.extend_from_slice(entry.tenant.as_bytes());
            entry.tenant.clone_into(&mut self.tenant);
        }
        self.bytes.extend(content.into_iter().flat_map(u64::to_be_bytes));
        push_varint(&mut self.bytes, entry.id.len() as u64);
        self.bytes.extend_from_slice(entry.id);
        self.before = (sequence, at);
    }

    /// The marks that were added.
    pub(crate) fn entries(&self) -> Entries<'_> {
        Entries::new(self.first, &self.bytes[HEAD..])
    }

    /// What is kept of it.
    pub(crate) fn value(&self) -> Vec<u8> {
        let mut value = self.bytes.clone();
        value[0] = FORMAT;
        value[1..HEAD].copy_from_slice(&chunks::hash(&self.bytes[HEAD..]).to_be_bytes());
        value
    }
}

/// The marks of a page with this number in its key.
///
/// # Errors
/// When it is not what was written. That it is, in whole marks, is checked mark for mark by [`Entries`].
pub(crate) fn read(first: Sequence, value: &[u8]) -> Result<Entries<'_>, Damage> {
    let cut = || Damage::garbage("it is cut off");
    let (format, rest) = value.split_first().ok_or_else(cut)?;
    chunks::check_format(*format)?;
    let (hash, marks) = rest.split_first_chunk().ok_or_else(cut)?;
    if u64::from_be_bytes(*hash) != chunks::hash(marks) {
        return Err(Damage::garbage("its bytes have changed"));
    }
    Ok(Entries::new(first, marks))
}

/// Goes through the marks of a page. Ends behind the first that makes no sense, which is told.
#[derive(Clone, Debug)]
pub(crate) struct Entries<'a> {
    rest: &'a [u8],
    tenant: &'a str,
    before: (Sequence, UnixMillis),
}

impl<'a> Entries<'a> {
    fn new(first: Sequence, rest: &'a [u8]) -> Self {
        Self { rest, tenant: "", before: (first, UnixMillis(0)) }
    }

    fn entry(&mut self) -> Option<Entry<'a>> {
        let flags = self.byte()?;
        if flags & !(TENANT | CONTENT) != 0 {
            return None;
        }
        let sequence = Sequence(self.before.0.0.wrapping_add(self.varint()?));
        let at = UnixMillis(self.before.1.0.wrapping_add(unzigzag(self.varint()?)));
        if flags & TENANT != 0 {
            let length = usize::from(self.byte()?);
            self.tenant = std::str::from_utf8(self.take(length)?).ok()?;
        }
        let content = match flags & CONTENT {
            0 => None,
            _ => Some(u64::from_be_bytes(self.take(8)?.try_into().ok()?)),
        };
        let length = usize::try_from(self.varint()?).ok()?;
        let id = self.take(length)?;
        self.before = (sequence, at);
        Some(Entry { tenant: self.tenant, id, mark: Mark { sequence, at, content } })
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let entry = self.entry().ok_or_else(|| {
            self.rest = &[];
            Damage::garbage("a mark in it makes no sense")
        });
        Some(entry)
    }
}

fn push_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// A difference of either sign as a small number where it is near zero.
fn zigzag(difference: u64) -> u64 {
    difference << 1 ^ (difference as i64 >> 63) as u64
}

fn unzigzag(number: u64) -> u64 {
    number >> 1 ^ (number & 1).wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry<'a>(tenant: &'a str, id: &'a [u8], (sequence, at): (u64, u64), content: Option<u64>) -> Entry<'a> {
        Entry { tenant, id, mark: Mark { sequence: Sequence(sequence), at: UnixMillis(at), content } }
    }

    fn entries() -> Vec<Entry<'static>> {
        vec![
            entry("12345", b"SM\xff\x04\x01\x23\x45\x67", (800, 1_700_000_000_000), None),
            entry("12345", b"SM2", (808, 1_700_000_000_003), Some(5)),
            entry("+15550100", b"", (1_000_000, 1_600_000_000_000), None),
            entry("12345", &[b'a'; 256], (1_000_008, u64::MAX), Some(u64::MAX)),
            entry("12345", b"SM2", (u64::MAX, 0), None),
            entry("12345", b"SM3", (7, 9), None),
        ]
    }

    fn page(entries: &[Entry<'_>]) -> Page {
        let mut page = Page::new(Sequence(800));
        for entry in entries {
            page.push(entry);
        }
        page
    }

    fn all(value: &[u8]) -> Result<Vec<Entry<'_>>, Damage> {
        read(Sequence(800), value)?.collect()
    }

    #[test]
    fn a_golden_page() {
        let value = page(&entries()[..2]).value();
        let marks = b"\x01\x00\x80\xa0\xab\xfe\xf9\x62\x0512345\x08SM\xff\x04\x01\x23\x45\x67\x02\x08\x06\0\0\0\0\0\0\0\x05\x03SM2";
        assert_eq!(value[HEAD..], marks[..]);
        assert_eq!(value[..HEAD], [&[1][..], &chunks::hash(marks).to_be_bytes()].concat());
    }

    #[test]
    fn what_was_written_is_read_back() {
        for count in 0..=entries().len() {
            let (entries, page) = (&entries()[..count], page(&entries()[..count]));
            assert_eq!(all(&page.value()).as_deref(), Ok(entries));
            assert_eq!(page.entries().collect::<Result<Vec<_>, _>>().as_deref(), Ok(entries));
            assert_eq!((page.is_empty(), page.length()), (count == 0, page.value().len()));
        }
    }

    #[test]
    fn damage_is_told() {
        let value = page(&entries()).value();
        for length in 0..value.len() {
            assert!(all(&value[..length]).is_err(), "{length}");
        }
        for at in 1..value.len() {
            let mut changed = value.clone();
            changed[at] ^= 0x10;
            assert!(all(&changed).is_err(), "{at}");
        }
        let mut newer = value;
        newer[0] = 2;
        assert_eq!(all(&newer), Err(Damage::Newer(2)));
    }

    #[test]
    fn marks_that_make_no_sense_are_told_and_end_it() {
        let cut_off: Vec<Vec<u8>> = {
            let marks = page(&entries()).bytes.split_off(HEAD);
            (1..marks.len()).map(|length| marks[..length].to_vec()).collect()
        };
        let long = [&[0][..], &[0xff; 9], &[2]].concat();
        let no_text = b"\x01\0\0\x01\xff\0".to_vec();
        for marks in cut_off.into_iter().chain([long, no_text, vec![4, 0, 0, 0]]) {
            let found: Vec<_> = Entries::new(Sequence(800), &marks).collect();
            let whole = found.iter().take_while(|entry| entry.is_ok()).count();
            assert!(whole == found.len() || whole + 1 == found.len(), "{marks:?}");
        }
        let strange = |marks: &[u8]| Entries::new(Sequence(800), marks).next().is_some_and(|entry| entry.is_err());
        assert!([&b"\x04\0\0\0"[..], b"\x01\0\0\x01\xff\0", b"\0\0\0\x02a"].into_iter().all(strange));
    }

    #[test]
    fn numbers_of_any_size_and_sign() {
        for number in [0, 1, 127, 128, 16_383, 16_384, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            push_varint(&mut bytes, number);
            assert_eq!(Entries::new(Sequence(0), &bytes).varint(), Some(number));
            assert_eq!((unzigzag(zigzag(number)), zigzag(unzigzag(number))), (number, number));
        }
        assert_eq!([zigzag(0), zigzag(1), zigzag(u64::MAX), zigzag(2)], [0, 2, 1, 4]);
    }
}
