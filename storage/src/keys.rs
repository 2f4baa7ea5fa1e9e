//! The key table. One ordered map holds everything; the first byte of a key says what it is. Numbers are big-endian, so that
//! the order of bytes is the order of numbers.
//!
//! ```text
//! a | sequence | chunk              audit entry           JSON
//! c | place | chunk                 conversation record   chunk 0: version, indexed deadline, hashes of the other chunks
//! d | tenant | id                   duplicate mark        in stores of format 3 and before; see `marks.rs` and `id.rs`
//! e | place                         erasure               upto u64, letters u64; there until everything below is deleted
//! h | place | sequence | chunk      transcript page       JSON
//! k | sequence                      duplicate marks       a page of them, see `marks.rs`; its first number
//! l | tenant                        heard                 at u64: until then nothing is missing of what was sent to the number
//! m | name                          meta                  format, clean, salt, sequence; importing while an import is not complete
//! o | keyed hash of a place         remains               of an erased conversation, see `erasure.rs`
//! s | shard u16                     claim                 epoch u64
//! t | at u64 | place                deadline index        (empty); one per conversation, named by its record
//! u | tenant | day u32              usage                 counters u64
//! w | place | sequence | chunk      work record           unread, or answered with rows that are not settled
//! x | sequence | chunk              dead letter           JSON
//!
//! 0xff and what follows it is the engine's own, and no record.
//!
//! place    = shard u16 | length u8 | tenant | length u8 | user      no place is the beginning of another
//! tenant   = length u8 | bytes        sequence = u64        chunk = u16
//! ```

mod erasure;
mod id;
mod name;

use std::ops::{Range, RangeInclusive};

use raconteur_conversation::address::{Address, ConversationKey, Shard};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::Sequence;

pub(crate) use erasure::*;
pub(crate) use id::{Ids, duplicates, id_of};
pub(crate) use name::Name;

use crate::usage::Day;

/// Version of everything in the store: see `format` in meta.
pub(crate) const META_FORMAT: &[u8] = b"mformat";
/// 1 after a clean close, else 0.
pub(crate) const META_CLEAN: &[u8] = b"mclean";
/// The store's own random value.
pub(crate) const META_SALT: &[u8] = b"msalt";
/// Sequences below this are spent or reserved.
pub(crate) const META_SEQUENCE: &[u8] = b"msequence";

/// There while an import has not brought everything.
pub(crate) const META_IMPORTING: &[u8] = b"mimporting";

const AUDIT: u8 = b'a';
const CONVERSATION: u8 = b'c';
const DUPLICATE: u8 = b'd';
const ERASURE: u8 = b'e';
const TRANSCRIPT: u8 = b'h';
const MARKS: u8 = b'k';
const HEARD: u8 = b'l';
const REMAINS: u8 = b'o';
const SHARD: u8 = b's';
const DEADLINE: u8 = b't';
const USAGE: u8 = b'u';
const WORK: u8 = b'w';
const DEAD_LETTER: u8 = b'x';

/// Shard and key of a conversation as they stand inside keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place(Box<[u8]>);

impl Place {
    pub(crate) fn of(key: &ConversationKey) -> Self {
        let mut bytes = Vec::with_capacity(4 + key.tenant.as_str().len() + key.user.as_str().len());
        bytes.extend_from_slice(&key.shard().0.to_be_bytes());
        push_address(&mut bytes, &key.tenant);
        push_address(&mut bytes, &key.user);
        Self(bytes.into_boxed_slice())
    }

    pub(crate) fn key(&self) -> Option<ConversationKey> {
        let (_, rest) = self.0.split_at_checked(2)?;
        let (tenant, rest) = split_address(rest)?;
        let (user, rest) = split_address(rest)?;
        rest.is_empty().then_some(ConversationKey { tenant, user })
    }

    /// As it stands inside keys.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Takes a place off the front of a key's tail.
    fn split(tail: &[u8]) -> Option<(Self, &[u8])> {
        let tenant = usize::from(*tail.get(2)?);
        let user = usize::from(*tail.get(3 + tenant)?);
        let (place, rest) = tail.split_at_checked(4 + tenant + user)?;
        Some((Self(place.into()), rest))
    }
}

fn push_address(bytes: &mut Vec<u8>, address: &Address) {
    let text = address.as_str().as_bytes();
    bytes.push(u8::try_from(text.len()).expect("addresses have at most 120 bytes"));
    bytes.extend_from_slice(text);
}

fn split_address(bytes: &[u8]) -> Option<(Address, &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(*length))?;
    Some((Address::parse(std::str::from_utf8(text).ok()?).ok()?, rest))
}

/// The key of a record without its chunk number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordKey(Vec<u8>);

impl RecordKey {
    pub(crate) fn conversation(place: &Place) -> Self {
        Self(join(CONVERSATION, &[&place.0], 2))
    }

    pub(crate) fn work(place: &Place, sequence: Sequence) -> Self {
        Self(join(WORK, &[&place.0, &sequence.0.to_be_bytes()], 2))
    }

    pub(crate) fn transcript(place: &Place, sequence: Sequence) -> Self {
        Self(join(TRANSCRIPT, &[&place.0, &sequence.0.to_be_bytes()], 2))
    }

    pub(crate) fn dead_letter(sequence: Sequence) -> Self {
        Self(join(DEAD_LETTER, &[&sequence.0.to_be_bytes()], 2))
    }

    pub(crate) fn audit(sequence: Sequence) -> Self {
        Self(join(AUDIT, &[&sequence.0.to_be_bytes()], 2))
    }

    pub(crate) fn chunk(&self, index: u16) -> Vec<u8> {
        let mut key = Vec::with_capacity(self.0.len() + 2);
        key.extend_from_slice(&self.0);
        key.extend_from_slice(&index.to_be_bytes());
        key
    }

    /// All its chunks.
    pub(crate) fn range(&self) -> Range<Vec<u8>> {
        self.chunk(0)..after_prefix(self.0.clone())
    }
}

/// Room is left for what the caller appends.
fn join(prefix: u8, parts: &[&[u8]], spare: usize) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut key = Vec::with_capacity(1 + length + spare);
    key.push(prefix);
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

/// The least key that does not begin with `prefix` and is greater.
fn after_prefix(mut prefix: Vec<u8>) -> Vec<u8> {
    while let Some(last) = prefix.pop() {
        if last < u8::MAX {
            prefix.push(last + 1);
            break;
        }
    }
    prefix
}

/// Everything that is a record.
pub(crate) fn everything() -> Range<Vec<u8>> {
    Vec::new()..vec![u8::MAX]
}

fn all(prefix: u8) -> Range<Vec<u8>> {
    vec![prefix]..vec![prefix + 1]
}

/// A page of duplicate marks, by its first number.
pub(crate) fn marks(first: Sequence) -> Vec<u8> {
    join(MARKS, &[&first.0.to_be_bytes()], 0)
}

pub(crate) fn all_marks() -> Range<Vec<u8>> {
    all(MARKS)
}

pub(crate) fn read_marks(key: &[u8]) -> Option<Sequence> {
    Some(Sequence(u64::from_be_bytes(key.strip_prefix(&[MARKS])?.try_into().ok()?)))
}

/// Until when nothing is missing of what was sent to a number.
pub(crate) fn heard(tenant: &Address) -> Vec<u8> {
    let mut key = vec![HEARD];
    push_address(&mut key, tenant);
    key
}

pub(crate) fn all_heard() -> Range<Vec<u8>> {
    all(HEARD)
}

pub(crate) fn read_heard(key: &[u8]) -> Option<Address> {
    let (tenant, rest) = split_address(key.strip_prefix(&[HEARD])?)?;
    rest.is_empty().then_some(tenant)
}

/// What one tenant has used on one day.
pub(crate) fn usage(tenant: &Address, day: Day) -> Vec<u8> {
    let mut key = Vec::with_capacity(2 + tenant.as_str().len() + size_of::<u32>());
    key.push(USAGE);
    push_address(&mut key, tenant);
    key.extend_from_slice(&day.0.to_be_bytes());
    key
}

pub(crate) fn usages(tenant: &Address, days: &RangeInclusive<Day>) -> Range<Vec<u8>> {
    usage(tenant, *days.start())..successor(usage(tenant, *days.end()))
}

pub(crate) fn read_usage(key: &[u8]) -> Option<Day> {
    let day = key.strip_prefix(&[USAGE])?.last_chunk()?;
    Some(Day(u32::from_be_bytes(*day)))
}

/// The records of one tenant's conversations in one shard, from behind one of them on.
pub(crate) fn conversations(shard: Shard, tenant: &Address, after: Option<&Place>) -> Range<Vec<u8>> {
    let mut from = join(CONVERSATION, &[&shard.0.to_be_bytes()], 0);
    push_address(&mut from, tenant);
    let to = after_prefix(from.clone());
    after.map_or(from, |place| RecordKey::conversation(place).range().end)..to
}

/// The conversation of a record's first value.
pub(crate) fn read_conversation(key: &[u8]) -> Option<Place> {
    let (place, rest) = Place::split(key.strip_prefix(&[CONVERSATION])?)?;
    (rest == [0, 0]).then_some(place)
}

pub(crate) fn shard(shard: Shard) -> Vec<u8> {
    join(SHARD, &[&shard.0.to_be_bytes()], 0)
}

pub(crate) fn shards() -> Range<Vec<u8>> {
    all(SHARD)
}

pub(crate) fn read_shard(key: &[u8]) -> Option<Shard> {
    Some(Shard(u16::from_be_bytes(key.strip_prefix(&[SHARD])?.try_into().ok()?)))
}

pub(crate) fn deadline(at: UnixMillis, place: &Place) -> Vec<u8> {
    join(DEADLINE, &[&at.0.to_be_bytes(), &place.0], 0)
}

/// Entries before `until`, from just behind `after` on.
pub(crate) fn deadlines(until: UnixMillis, after: Option<(UnixMillis, &Place)>) -> Range<Vec<u8>> {
    let from = after.map_or_else(|| vec![DEADLINE], |(at, place)| successor(deadline(at, place)));
    from..join(DEADLINE, &[&until.0.to_be_bytes()], 0)
}

pub(crate) fn read_deadline(key: &[u8]) -> Option<(UnixMillis, Place)> {
    let (at, tail) = key.strip_prefix(&[DEADLINE])?.split_first_chunk()?;
    let (place, rest) = Place::split(tail)?;
    rest.is_empty().then_some((UnixMillis(u64::from_be_bytes(*at)), place))
}

/// The least key after this one.
pub(crate) fn successor(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

/// Work of all conversations.
pub(crate) fn works() -> Range<Vec<u8>> {
    all(WORK)
}

/// Work of one conversation.
pub(crate) fn works_of(place: &Place) -> Range<Vec<u8>> {
    let from = join(WORK, &[&place.0], 0);
    from.clone()..after_prefix(from)
}

pub(crate) fn read_work(key: &[u8]) -> Option<(Place, Sequence, u16)> {
    let (place, rest) = Place::split(key.strip_prefix(&[WORK])?)?;
    let (sequence, chunk) = read_numbers(rest)?;
    Some((place, sequence, chunk))
}

/// Pages of one conversation before `before`.
pub(crate) fn transcript(place: &Place, before: Option<Sequence>) -> Range<Vec<u8>> {
    let from = join(TRANSCRIPT, &[&place.0], 0);
    let to = match before {
        Some(before) => RecordKey::transcript(place, before).0,
        None => after_prefix(from.clone()),
    };
    from..to
}

/// A page's key, taken apart into what the keys of all of its conversation's pages share and what tells it from them.
#[cfg(feature = "sled")]
pub(crate) fn split_page(key: &[u8]) -> Option<(&[u8], [u8; 10])> {
    let (shared, own) = key.split_at_checked(shared_by_pages(key)?.len())?;
    Some((shared, own.try_into().ok()?))
}

/// What the keys of a conversation's pages share, if this begins with it.
#[cfg(feature = "sled")]
pub(crate) fn shared_by_pages(key: &[u8]) -> Option<&[u8]> {
    let tail = key.strip_prefix(&[TRANSCRIPT])?;
    let tenant = usize::from(*tail.get(2)?);
    let user = usize::from(*tail.get(3 + tenant)?);
    key.get(..1 + 4 + tenant + user)
}

/// Whether a range of keys may have pages in it.
#[cfg(feature = "sled")]
pub(crate) fn may_have_pages(range: &Range<Vec<u8>>) -> bool {
    let pages = all(TRANSCRIPT);
    range.start < pages.end && range.end > pages.start
}

/// Dead letters after `after`.
pub(crate) fn dead_letters(after: Option<Sequence>) -> Range<Vec<u8>> {
    let mut range = all(DEAD_LETTER);
    if let Some(after) = after {
        range.start = after_prefix(RecordKey::dead_letter(after).0);
    }
    range
}

/// Audit entries before `before`.
pub(crate) fn audits(before: Option<Sequence>) -> Range<Vec<u8>> {
    let mut range = all(AUDIT);
    if let Some(before) = before {
        range.end = RecordKey::audit(before).0;
    }
    range
}

/// Records of all conversations, from behind one of them on.
pub(crate) fn conversations_behind(after: Option<&Place>) -> Range<Vec<u8>> {
    let whole = all(CONVERSATION);
    after.map_or(whole.start, |place| RecordKey::conversation(place).range().end)..whole.end
}

/// Sequence and chunk number at the end of any record's key that has both.
pub(crate) fn read_tail(key: &[u8]) -> Option<(Sequence, u16)> {
    read_numbers(key.split_at_checked(key.len().checked_sub(10)?)?.1)
}

fn read_numbers(bytes: &[u8]) -> Option<(Sequence, u16)> {
    let (sequence, chunk) = bytes.split_first_chunk()?;
    Some((Sequence(u64::from_be_bytes(*sequence)), u16::from_be_bytes(chunk.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(tenant: &str, user: &str) -> ConversationKey {
        ConversationKey { tenant: Address::parse(tenant).unwrap(), user: Address::parse(user).unwrap() }
    }

    fn place(user: &str) -> Place {
        Place::of(&key("12345", user))
    }

    #[test]
    fn keys_sort_by_kind_then_place_then_number() {
        let (one, two) = (place("+15550100"), place("+15550101"));
        let (one, two) = if one < two { (one, two) } else { (two, one) };
        let listed = [
            RecordKey::conversation(&one).chunk(0),
            RecordKey::conversation(&one).chunk(256),
            RecordKey::conversation(&two).chunk(0),
            Ids::Packed.duplicate(&key("12345", "1").tenant, "id"),
            erasure(&one),
            erasure(&two),
            RecordKey::transcript(&one, Sequence(255)).chunk(0),
            RecordKey::transcript(&one, Sequence(256)).chunk(0),
            marks(Sequence(255)),
            marks(Sequence(256)),
            heard(&key("12345", "1").tenant),
            META_CLEAN.to_vec(),
            META_FORMAT.to_vec(),
            remains(&[7; 32]),
            shard(Shard(1)),
            shard(Shard(256)),
            deadline(UnixMillis(255), &two),
            deadline(UnixMillis(256), &one),
            usage(&key("12345", "1").tenant, Day(255)),
            usage(&key("12345", "1").tenant, Day(256)),
            RecordKey::work(&one, Sequence(255)).chunk(1),
            RecordKey::work(&one, Sequence(256)).chunk(0),
            RecordKey::work(&two, Sequence(1)).chunk(0),
            RecordKey::dead_letter(Sequence(255)).chunk(0),
            RecordKey::dead_letter(Sequence(256)).chunk(0),
        ];
        assert!(listed.is_sorted(), "{listed:?}");
    }

    #[test]
    fn golden_keys() {
        let place = place("+15550100");
        let shard = key("12345", "+15550100").shard().0.to_be_bytes();
        let expected = [&b"w"[..], &shard, &b"\x0512345\x09+15550100\0\0\0\0\0\0\x01\x02\0\x03"[..]].concat();
        assert_eq!(RecordKey::work(&place, Sequence(258)).chunk(3), expected);
    }

    #[test]
    fn no_place_is_the_beginning_of_another() {
        let users = ["1", "12", "123", "+15550100", "+155501001"];
        for one in users {
            for other in users.iter().filter(|other| **other != one) {
                assert!(!place(other).0.starts_with(&place(one).0));
            }
        }
    }

    #[test]
    fn keys_are_read_back() {
        let place = place("whatsapp:+15550100");
        assert_eq!(place.key(), Some(key("12345", "whatsapp:+15550100")));
        let work = RecordKey::work(&place, Sequence(7)).chunk(2);
        assert_eq!(read_work(&work), Some((place.clone(), Sequence(7), 2)));
        assert_eq!(read_tail(&work), Some((Sequence(7), 2)));
        assert_eq!(read_deadline(&deadline(UnixMillis(9), &place)), Some((UnixMillis(9), place.clone())));
        assert_eq!(read_shard(&shard(Shard(1023))), Some(Shard(1023)));
        assert_eq!(read_usage(&usage(&key("12345", "1").tenant, Day(9))), Some(Day(9)));
        assert_eq!(read_marks(&marks(Sequence(9))), Some(Sequence(9)));
        assert_eq!(read_heard(&heard(&key("12345", "1").tenant)), Some(key("12345", "1").tenant));
        let record = RecordKey::conversation(&place);
        assert_eq!(read_conversation(&record.chunk(0)), Some(place.clone()));
        assert_eq!(read_conversation(&record.chunk(1)), None);
    }

    #[test]
    fn a_tenants_conversations_are_listed_from_behind_one_of_them_on() {
        let (one, two) = (place("+15550100"), place("+15550101"));
        let tenant = key("12345", "1").tenant;
        let shard_of = |place: &Place| place.key().map(|key| key.shard()).unwrap();
        let all = conversations(shard_of(&one), &tenant, None);
        assert!(all.contains(&RecordKey::conversation(&one).chunk(0)));
        let rest = conversations(shard_of(&one), &tenant, Some(&one));
        assert!(!rest.contains(&RecordKey::conversation(&one).chunk(7)));
        let other = key("123456", "1").tenant;
        assert!(!conversations(shard_of(&two), &other, None).contains(&RecordKey::conversation(&two).chunk(0)));
        let days = usages(&tenant, &(Day(3)..=Day(4)));
        assert!(days.contains(&usage(&tenant, Day(4))) && !days.contains(&usage(&tenant, Day(5))));
    }

    #[test]
    fn garbage_is_no_key() {
        for garbage in [&b""[..], b"w", b"w\0\0\x09", b"t\0\0", b"s\0", b"w\0\0\x01a\x01b\0"] {
            assert_eq!(read_work(garbage), None);
            assert_eq!(read_deadline(garbage), None);
            assert_eq!(read_shard(garbage), None);
            assert_eq!(read_tail(garbage), None);
        }
        assert_eq!(Place(b"\0\0\x01\n\x01b"[..].into()).key(), None);
    }

    #[test]
    fn a_range_holds_its_conversation_and_no_other() {
        let (short, long) = (place("123"), place("1234"));
        let range = works_of(&short);
        assert!(range.contains(&RecordKey::work(&short, Sequence(u64::MAX)).chunk(u16::MAX)));
        assert!(!range.contains(&RecordKey::work(&long, Sequence(0)).chunk(0)));
        let record = RecordKey::work(&short, Sequence(u64::MAX));
        assert!(record.range().contains(&record.chunk(u16::MAX)));
        assert!(!dead_letters(Some(Sequence(3))).contains(&RecordKey::dead_letter(Sequence(3)).chunk(9)));
        assert!(dead_letters(Some(Sequence(3))).contains(&RecordKey::dead_letter(Sequence(4)).chunk(0)));
    }
}
