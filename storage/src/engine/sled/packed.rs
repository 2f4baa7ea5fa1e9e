//! Values as they lie in sled. All but the shortest are packed (LZ4) where that makes them shorter by an eighth at least. They are mostly
//! JSON, and its names are in a dictionary that every value is packed with, so that even a short page of a transcript takes half. The
//! file is smaller for it, and so is what a start has to read; sled copies less each time that it writes a page of its own anew. A
//! value is packed once for each time that it reaches sled, which the journal keeps rare, and not by the writer.
//!
//! ```text
//! ff 'l' 'z' 1 | length u16 | LZ4 block       so many bytes, packed with the first dictionary
//! anything else                               as it is
//! ```
//!
//! How a value begins says what it is, so packed and plain ones lie side by side. What begins like a packed one and does not unpack to
//! that length is given back as it is: records have hashes of their own, and whoever reads one finds the damage there.

use lz4_flex::block::{compress_into_with_dict, decompress_into_with_dict, get_maximum_output_size};

/// The version of the store from which on values may be packed.
pub(super) const SINCE: u32 = 4;

/// No text begins with the first of these bytes, and no record of any version. The last one is the dictionary's number.
const MAGIC: [u8; 4] = *b"\xfflz\x01";

/// What is in it was packed into stores: it never changes. Another one gets another number.
const DICTIONARY: &[u8] = include_bytes!("packed.dictionary");

/// Bytes before the block.
const HEAD: usize = MAGIC.len() + 2;

/// Shorter values stay as they are.
const LENGTH_MIN: usize = 128;

/// The value packed; `None` where it should stay as it is.
pub(super) fn pack(value: &[u8]) -> Option<Vec<u8>> {
    // One that looks as if it were packed would be taken for that.
    let must = value.starts_with(&MAGIC);
    if !must && value.len() < LENGTH_MIN {
        return None;
    }
    let length = u16::try_from(value.len()).ok()?;
    let mut packed = vec![0; HEAD + get_maximum_output_size(value.len())];
    packed[..MAGIC.len()].copy_from_slice(&MAGIC);
    packed[MAGIC.len()..HEAD].copy_from_slice(&length.to_be_bytes());
    let block = compress_into_with_dict(value, &mut packed[HEAD..], DICTIONARY).ok()?;
    packed.truncate(HEAD + block);
    (must || packed.len() <= value.len() / 8 * 7).then_some(packed)
}

/// What was packed; `None` where it was not.
pub(super) fn unpack(stored: &[u8]) -> Option<Vec<u8>> {
    let (length, block) = stored.strip_prefix(&MAGIC)?.split_first_chunk()?;
    let mut value = vec![0; usize::from(u16::from_be_bytes(*length))];
    let unpacked = decompress_into_with_dict(block, &mut value, DICTIONARY).ok()?;
    (unpacked == value.len()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(length: usize) -> Vec<u8> {
        br#"{"name":"Ada","order":17},"#.iter().copied().cycle().take(length).collect()
    }

    /// Nothing in it comes twice.
    fn noise(length: usize) -> Vec<u8> {
        let words = (0..length as u64).map(|at| crate::chunks::hash(&at.to_le_bytes()).to_le_bytes());
        words.flatten().take(length).collect()
    }

    #[test]
    fn what_is_packed_is_shorter_and_comes_back() {
        for length in [LENGTH_MIN, 1_000, 4_096, usize::from(u16::MAX)] {
            let value = json(length);
            let stored = pack(&value).expect("it repeats itself");
            assert!(stored.len() < length / 2, "{length}: {}", stored.len());
            assert_eq!(unpack(&stored), Some(value));
        }
    }

    #[test]
    fn the_dictionary_never_changes() {
        assert_eq!((DICTIONARY.len(), crate::chunks::hash(DICTIONARY)), (1_582, 11_270_078_298_060_855_022));
    }

    /// Text that repeats itself here and there, and the dictionary.
    #[test]
    fn whatever_is_packed_comes_back() {
        for seed in 0..20_000_u64 {
            let mut drawn = 0;
            let mut draw = |below: u64| {
                drawn += 1;
                (crate::chunks::hash(&[seed, drawn].map(u64::to_le_bytes).concat()) % below) as usize
            };
            let (length, mut value) = (draw(5_000), Vec::new());
            while value.len() < length {
                let (at, count) = match draw(3) {
                    0 => (draw(DICTIONARY.len() as u64), draw(60)),
                    1 => (value.len().saturating_sub(1 + draw(200)), draw(300)),
                    _ => (0, 0),
                };
                match count {
                    0 => value.extend((0..draw(30)).map(|_| draw(256) as u8)),
                    _ if at < value.len() && draw(2) == 0 => {
                        value.extend_from_within(at..(at + count).min(value.len()))
                    }
                    _ => value
                        .extend_from_slice(&DICTIONARY[at.min(DICTIONARY.len())..(at + count).min(DICTIONARY.len())]),
                }
            }
            if let Some(stored) = pack(&value) {
                assert!(unpack(&stored) == Some(value), "seed {seed}");
            }
        }
    }

    #[test]
    fn golden_values() {
        // One 'a' as it is, 594 times what stands one byte before, and five more as they are.
        assert_eq!(unpack(b"\xfflz\x01\x02\x58\x1fa\x01\0\xff\xff\x41\x50aaaaa"), Some(vec![b'a'; 600]));
        // The first twelve bytes of the dictionary, and six as they are.
        let reach = u16::try_from(DICTIONARY.len()).unwrap().to_le_bytes();
        let stored = [&b"\xfflz\x01\0\x12\x08"[..], &reach, b"\x60: true"].concat();
        assert_eq!(unpack(&stored), Some(b"{\"intents\":[: true".to_vec()));
    }

    #[test]
    fn a_page_of_a_transcript_takes_half() {
        let page = br#"{"sequence":240,"session":"b28083ce-40af-5c86-973e-098f07723144","work":{"message":{"body":"what do you say?"}},"accepted_at":1695787444921,"asked_at":1695787444921,"answered_at":1695787444922,"asks":1,"rows":[{"id":"240-0","body":"I say so.","expires_at":1695801844922,"state":"sent","provider_id":"SM76d20c2ae568e6bfff189e240bd77a75","delivery":{"status":"delivered","at":1695787444923},"sent_at":1695787444922}]}"#;
        let stored = pack(page).expect("its names are in the dictionary");
        assert!(stored.len() < page.len() * 11 / 20, "{} of {}", stored.len(), page.len());
        assert_eq!(unpack(&stored).as_deref(), Some(&page[..]));
    }

    #[test]
    fn what_is_short_or_has_nothing_to_be_won_stays() {
        assert_eq!(pack(&json(LENGTH_MIN - 1)), None);
        assert_eq!(pack(&noise(4_096)), None);
        assert_eq!(pack(&json(usize::from(u16::MAX) + 1)), None);
        assert_eq!(pack(b""), None);
    }

    #[test]
    fn what_looks_as_if_it_were_packed_is_packed() {
        for value in [pack(&json(600)).unwrap(), MAGIC.to_vec(), [&MAGIC[..], &noise(4_000)].concat()] {
            assert_eq!(unpack(&pack(&value).unwrap()), Some(value));
        }
    }

    #[test]
    fn what_does_not_unpack_is_as_it_is() {
        let stored = pack(&json(600)).unwrap();
        let mut longer = stored.clone();
        longer[5] += 1;
        let mut ended = stored.clone();
        ended.truncate(stored.len() - 1);
        for value in [&longer[..], &ended, &MAGIC, b"\xfflz\x01\0", b"\xfflz\x01\xff\xff", b"\xfflz\x02", b"", b"{}"] {
            assert_eq!(unpack(value), None, "{value:?}");
        }
    }
}
