//! Ids of what was accepted, as they stand in duplicate marks. Providers' ids are mostly hexadecimal digits, two of which take
//! one byte here: what tells two such keys apart is short enough to lie inside of the pages that are searched, where it would be somewhere
//! else.
//!
//! ```text
//! AC0123456789abcdef:SM01      41 43 ff 08 01 23 45 67 89 ab cd ef 3a 53 4d 30 31
//! ```
//!
//! `ff` is in no text, so what follows it is a number of bytes and the bytes of twice as many digits.

use std::ops::Range;

use raconteur_conversation::address::Address;
use uuid::Uuid;

use super::{DUPLICATE, all, push_address};

/// An id of more bytes than this is kept by its beginning and a hash.
const ID_MAX: usize = 255;

/// Bytes of the hash.
const HASH: usize = 16;

/// Comes before packed digits.
const PACKED: u8 = 0xff;

/// Fewer digits than this in a row stay as they are.
const DIGITS_MIN: usize = 8;

/// How a store writes ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ids {
    /// As they are: in stores that were begun by versions which knew nothing else.
    Plain,
    /// Hexadecimal digits packed.
    Packed,
}

impl Ids {
    /// The key of the mark of an id.
    pub(crate) fn duplicate(self, tenant: &Address, id: &str) -> Vec<u8> {
        let mut key = begin(tenant, id.len().min(ID_MAX + 1));
        self.keep(&mut key, id.as_bytes());
        key
    }

    /// The key of the mark of what [`id_of`] has read.
    pub(crate) fn duplicate_as_kept(self, tenant: &Address, id: &[u8]) -> Vec<u8> {
        let mut key = begin(tenant, id.len());
        self.keep_as_kept(&mut key, id);
        key
    }

    /// The id as it is kept.
    pub(crate) fn kept(self, id: &str) -> Vec<u8> {
        let mut kept = Vec::with_capacity(id.len().min(ID_MAX + 1));
        self.keep(&mut kept, id.as_bytes());
        kept
    }

    /// What [`id_of`] has read, as it was kept.
    pub(crate) fn kept_again(self, id: &[u8]) -> Vec<u8> {
        let mut kept = Vec::with_capacity(id.len());
        self.keep_as_kept(&mut kept, id);
        kept
    }

    fn keep(self, kept: &mut Vec<u8>, id: &[u8]) {
        if id.len() <= ID_MAX {
            return self.keep_as_kept(kept, id);
        }
        // One byte longer than any id that is kept whole, so the two kinds cannot be taken for each other.
        kept.extend_from_slice(&id[..ID_MAX + 1 - HASH]);
        kept.extend_from_slice(Uuid::new_v5(&Uuid::NAMESPACE_OID, id).as_bytes());
    }

    fn keep_as_kept(self, kept: &mut Vec<u8>, id: &[u8]) {
        match self {
            Self::Packed if id.len() <= ID_MAX => pack(kept, id),
            Self::Packed | Self::Plain => kept.extend_from_slice(id),
        }
    }
}

/// The keys of all marks.
pub(crate) fn duplicates() -> Range<Vec<u8>> {
    all(DUPLICATE)
}

/// The id that stands in a key, or the beginning and the hash of a long one; `None` where it makes no sense.
pub(crate) fn id_of(kept: &[u8]) -> Option<Vec<u8>> {
    if kept.len() > ID_MAX { Some(kept.to_vec()) } else { unpack(kept) }
}

fn begin(tenant: &Address, room: usize) -> Vec<u8> {
    let mut key = Vec::with_capacity(2 + tenant.as_str().len() + room);
    key.push(DUPLICATE);
    push_address(&mut key, tenant);
    key
}

fn pack(key: &mut Vec<u8>, mut id: &[u8]) {
    while !id.is_empty() {
        let digits = id.iter().take_while(|byte| digit(**byte).is_some()).count();
        if digits < DIGITS_MIN {
            // Those few, and what has ended them.
            let (plain, rest) = id.split_at(id.len().min(digits + 1));
            key.extend_from_slice(plain);
            id = rest;
            continue;
        }
        let (pairs, rest) = id.split_at(digits & !1);
        key.push(PACKED);
        key.push(u8::try_from(pairs.len() / 2).expect("an id that is packed has at most 255 bytes"));
        key.extend(pairs.chunks_exact(2).filter_map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)));
        id = rest;
    }
}

fn unpack(mut kept: &[u8]) -> Option<Vec<u8>> {
    let mut id = Vec::with_capacity(2 * kept.len());
    while let Some((first, rest)) = kept.split_first() {
        if *first != PACKED {
            id.push(*first);
            kept = rest;
            continue;
        }
        let (count, rest) = rest.split_first()?;
        let (bytes, rest) = rest.split_at_checked(usize::from(*count))?;
        id.extend(crate::record::hexadecimal(bytes).into_bytes());
        kept = rest;
    }
    Some(id)
}

/// The value of a digit. Capital letters are none, so that what is packed is read back as it was.
fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant() -> Address {
        Address::parse("12345").unwrap()
    }

    fn kept(id: &str) -> Vec<u8> {
        Ids::Packed.duplicate(&tenant(), id).split_off(7)
    }

    #[test]
    fn golden_ids() {
        assert_eq!(Ids::Plain.duplicate(&tenant(), "SM1"), b"d\x0512345SM1");
        assert_eq!(Ids::Packed.duplicate(&tenant(), "SM1"), b"d\x0512345SM1");
        assert_eq!(Ids::Plain.duplicate(&tenant(), "SM0123456789"), b"d\x0512345SM0123456789");
        assert_eq!(Ids::Packed.duplicate(&tenant(), "SM0123456789"), b"d\x0512345SM\xff\x05\x01\x23\x45\x67\x89");
        assert_eq!(kept("AC0123456789abcdef:SM01"), b"AC\xff\x08\x01\x23\x45\x67\x89\xab\xcd\xef:SM01");
        assert_eq!(kept("SM012345678"), b"SM\xff\x04\x01\x23\x45\x678", "an odd digit is left over");
        assert_eq!(kept("SM0123456"), b"SM0123456", "seven are too few");
        assert_eq!(kept("SM0123456G"), b"SM0123456G");
        assert_eq!(kept("SM01234567AB"), b"SM\xff\x04\x01\x23\x45\x67AB", "capital letters stay");
        assert_eq!(kept(""), b"");
    }

    #[test]
    fn every_id_is_read_back_and_takes_no_more_room_than_before() {
        let alphabet: Vec<char> = "0123456789abcdef0123456789abcdefAG:-é".chars().collect();
        for length in (0..120).chain([200, 254, 255]) {
            for seed in 0..20 {
                let drawn = |at: u64| crate::chunks::hash(&[seed, length, at].map(u64::to_le_bytes).concat());
                let id: String = (0..length).map(|at| alphabet[drawn(at) as usize % alphabet.len()]).collect();
                let kept = kept(&id);
                if id.len() <= ID_MAX {
                    assert!(kept.len() <= id.len(), "{id}");
                    assert_eq!(id_of(&kept).as_deref(), Some(id.as_bytes()));
                } else {
                    assert_eq!(id_of(&kept), Some(kept));
                }
            }
        }
        let digits = "0123456789abcdef".repeat(15) + "0123456789abcde";
        assert_eq!(id_of(&kept(&digits)).as_deref(), Some(digits.as_bytes()), "127 bytes, and a digit");
    }

    #[test]
    fn what_was_not_packed_is_read_as_it_is() {
        for id in ["SM0123456789", "Ümläut", ""] {
            let key = Ids::Plain.duplicate(&tenant(), id);
            assert_eq!(id_of(&key[7..]).as_deref(), Some(id.as_bytes()));
        }
    }

    #[test]
    fn digits_that_are_cut_off_are_no_id() {
        let kept = kept("SM0123456789");
        for length in 3..kept.len() {
            assert_eq!(id_of(&kept[..length]), None);
        }
    }

    #[test]
    fn long_ids_stay_apart_and_short() {
        for ids in [Ids::Plain, Ids::Packed] {
            let (one, other) = ("a".repeat(5_000), "a".repeat(5_001));
            assert_ne!(ids.duplicate(&tenant(), &one), ids.duplicate(&tenant(), &other));
            let long = ids.duplicate(&tenant(), &one);
            assert_eq!(long.len(), 7 + 256);
            assert_eq!(ids.duplicate_as_kept(&tenant(), &id_of(&long[7..]).unwrap()), long);
            assert_eq!(ids.duplicate(&tenant(), &"x".repeat(255)).len(), 7 + 255);
        }
    }
}
