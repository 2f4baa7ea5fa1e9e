//! Keys of what an erasure leaves: its own mark until everything is deleted, and what remains under a keyed hash; and the ranges
//! that are deleted from.

use std::ops::Range;

use raconteur_conversation::address::{Address, Shard};
use raconteur_conversation::words::Sequence;

use super::{
    CONVERSATION, ERASURE, Place, REMAINS, RecordKey, TRANSCRIPT, after_prefix, all, join, push_address, read_numbers,
};

/// The mark of an erasure that is not carried out to its end.
pub(crate) fn erasure(place: &Place) -> Vec<u8> {
    join(ERASURE, &[&place.0], 0)
}

pub(crate) fn erasures() -> Range<Vec<u8>> {
    all(ERASURE)
}

pub(crate) fn read_erasure(key: &[u8]) -> Option<Place> {
    let (place, rest) = Place::split(key.strip_prefix(&[ERASURE])?)?;
    rest.is_empty().then_some(place)
}

/// What remains of a conversation whose place has this hash.
pub(crate) fn remains(hash: &[u8; 32]) -> Vec<u8> {
    join(REMAINS, &[hash], 0)
}

pub(crate) fn all_remains() -> Range<Vec<u8>> {
    all(REMAINS)
}

pub(crate) fn read_remains(key: &[u8]) -> Option<[u8; 32]> {
    key.strip_prefix(&[REMAINS])?.try_into().ok()
}

/// Pages of one conversation up to and with this number, and none before another.
pub(crate) fn transcript_between(place: &Place, behind: Option<Sequence>, upto: Sequence) -> Range<Vec<u8>> {
    let whole = super::transcript(place, None);
    let from = behind.map_or(whole.start, |behind| after_prefix(RecordKey::transcript(place, behind).0));
    from..after_prefix(RecordKey::transcript(place, upto).0)
}

/// Work of one conversation behind a number.
pub(crate) fn works_behind(place: &Place, after: Option<Sequence>) -> Range<Vec<u8>> {
    let whole = super::works_of(place);
    after.map_or(whole.start, |after| after_prefix(RecordKey::work(place, after).0))..whole.end
}

/// All pages of a tenant's conversations in one shard.
pub(crate) fn pages_of(shard: Shard, tenant: &Address) -> Range<Vec<u8>> {
    of_tenant(TRANSCRIPT, shard, tenant)
}

/// All records of a tenant's conversations in one shard.
pub(crate) fn records_of(shard: Shard, tenant: &Address) -> Range<Vec<u8>> {
    of_tenant(CONVERSATION, shard, tenant)
}

fn of_tenant(prefix: u8, shard: Shard, tenant: &Address) -> Range<Vec<u8>> {
    let mut from = join(prefix, &[&shard.0.to_be_bytes()], 0);
    push_address(&mut from, tenant);
    from.clone()..after_prefix(from)
}

/// The conversation, the number and the chunk of a page's value.
pub(crate) fn read_page(key: &[u8]) -> Option<(Place, Sequence, u16)> {
    let (place, rest) = Place::split(key.strip_prefix(&[TRANSCRIPT])?)?;
    let (sequence, chunk) = read_numbers(rest)?;
    Some((place, sequence, chunk))
}

#[cfg(test)]
mod tests {
    use raconteur_conversation::address::ConversationKey;

    use super::*;

    fn place(user: &str) -> Place {
        let address = |text| Address::parse(text).unwrap();
        Place::of(&ConversationKey { tenant: address("12345"), user: address(user) })
    }

    #[test]
    fn keys_are_read_back_and_garbage_is_none() {
        let place = place("+15550100");
        assert_eq!(read_erasure(&erasure(&place)), Some(place.clone()));
        assert_eq!(read_remains(&remains(&[3; 32])), Some([3; 32]));
        let page = RecordKey::transcript(&place, Sequence(9)).chunk(2);
        assert_eq!(read_page(&page), Some((place, Sequence(9), 2)));
        for garbage in [&b""[..], b"e", b"o", b"h", b"e\0\0\x09", b"oabc"] {
            assert!(read_erasure(garbage).is_none() && read_remains(garbage).is_none());
            assert!(read_page(garbage).is_none());
        }
    }

    #[test]
    fn a_range_of_pages_holds_the_last_one_whole_and_nothing_behind_it() {
        let place = place("+15550100");
        let page = |number, chunk| RecordKey::transcript(&place, Sequence(number)).chunk(chunk);
        let range = transcript_between(&place, Some(Sequence(3)), Sequence(8));
        assert!(range.contains(&page(8, u16::MAX)) && !range.contains(&page(9, 0)));
        assert!(range.contains(&page(4, 0)) && !range.contains(&page(3, u16::MAX)));
        assert!(transcript_between(&place, None, Sequence(8)).contains(&page(0, 0)));
        assert!(transcript_between(&place, None, Sequence(u64::MAX)).contains(&page(u64::MAX, 7)));
        let key = place.key().unwrap();
        assert!(pages_of(key.shard(), &key.tenant).contains(&page(1, 0)));
    }
}
