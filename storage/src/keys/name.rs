//! What any key says: the key table read backwards, for tools that go through the whole store.

use raconteur_conversation::address::{Address, Shard};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::Sequence;

use super::id::id_of;
use super::{
    AUDIT, CONVERSATION, DEAD_LETTER, DEADLINE, DUPLICATE, ERASURE, HEARD, MARKS, Place, REMAINS, SHARD, TRANSCRIPT,
    USAGE, WORK, read_deadline, read_erasure, read_heard, read_marks, read_numbers, read_remains, read_shard,
    split_address,
};
use crate::usage::Day;

/// A key, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Conversation(Place, u16),
    /// The id, or the beginning and the hash of a long one.
    Duplicate(Address, Vec<u8>),
    Page(Place, Sequence, u16),
    /// The first number of a page of duplicate marks.
    Marks(Sequence),
    Heard(Address),
    Claim(Shard),
    Deadline(UnixMillis, Place),
    Erasure(Place),
    Remains([u8; 32]),
    Usage(Address, Day),
    Work(Place, Sequence, u16),
    DeadLetter(Sequence, u16),
    Audit(Sequence, u16),
}

impl Name {
    /// Takes a key apart; `None` for what is not in the table, and for meta.
    pub(crate) fn read(key: &[u8]) -> Option<Self> {
        let (kind, tail) = key.split_first()?;
        match *kind {
            CONVERSATION => {
                let (place, chunk) = Place::split(tail)?;
                Some(Self::Conversation(known(place)?, u16::from_be_bytes(chunk.try_into().ok()?)))
            }
            DUPLICATE => {
                let (tenant, id) = split_address(tail)?;
                Some(Self::Duplicate(tenant, id_of(id)?))
            }
            TRANSCRIPT => placed(tail).map(|(place, sequence, chunk)| Self::Page(place, sequence, chunk)),
            MARKS => read_marks(key).map(Self::Marks),
            HEARD => read_heard(key).map(Self::Heard),
            SHARD => read_shard(key).map(Self::Claim),
            DEADLINE => {
                let (at, place) = read_deadline(key)?;
                Some(Self::Deadline(at, known(place)?))
            }
            ERASURE => Some(Self::Erasure(known(read_erasure(key)?)?)),
            REMAINS => read_remains(key).map(Self::Remains),
            USAGE => {
                let (tenant, day) = split_address(tail)?;
                Some(Self::Usage(tenant, Day(u32::from_be_bytes(day.try_into().ok()?))))
            }
            WORK => placed(tail).map(|(place, sequence, chunk)| Self::Work(place, sequence, chunk)),
            DEAD_LETTER => read_numbers(tail).map(|(sequence, chunk)| Self::DeadLetter(sequence, chunk)),
            AUDIT => read_numbers(tail).map(|(sequence, chunk)| Self::Audit(sequence, chunk)),
            _ => None,
        }
    }

    /// The chunk, where the record may have several.
    pub(crate) fn chunk(&self) -> Option<u16> {
        match self {
            Self::Conversation(_, chunk)
            | Self::Page(_, _, chunk)
            | Self::Work(_, _, chunk)
            | Self::DeadLetter(_, chunk)
            | Self::Audit(_, chunk) => Some(*chunk),
            Self::Duplicate(..)
            | Self::Marks(_)
            | Self::Heard(_)
            | Self::Claim(_)
            | Self::Deadline(..)
            | Self::Erasure(_)
            | Self::Remains(_)
            | Self::Usage(..) => None,
        }
    }
}

fn placed(tail: &[u8]) -> Option<(Place, Sequence, u16)> {
    let (place, rest) = Place::split(tail)?;
    let (sequence, chunk) = read_numbers(rest)?;
    Some((known(place)?, sequence, chunk))
}

/// A place whose addresses can be read and whose shard is theirs.
fn known(place: Place) -> Option<Place> {
    let key = place.key()?;
    (Place::of(&key) == place).then_some(place)
}

#[cfg(test)]
mod tests {
    use raconteur_conversation::address::ConversationKey;

    use super::super::{Ids, META_SALT, RecordKey, deadline, erasure, heard, marks, remains, shard, usage};
    use super::*;

    #[test]
    fn every_kind_of_key_is_taken_apart_and_nothing_else_is() {
        let tenant = Address::parse("12345").unwrap();
        let place = Place::of(&ConversationKey { tenant: tenant.clone(), user: Address::parse("+15550100").unwrap() });
        let table = [
            (RecordKey::conversation(&place).chunk(2), Name::Conversation(place.clone(), 2)),
            (Ids::Packed.duplicate(&tenant, "SM1"), Name::Duplicate(tenant.clone(), b"SM1".to_vec())),
            (RecordKey::transcript(&place, Sequence(8)).chunk(1), Name::Page(place.clone(), Sequence(8), 1)),
            (heard(&tenant), Name::Heard(tenant.clone())),
            (marks(Sequence(8)), Name::Marks(Sequence(8))),
            (shard(Shard(7)), Name::Claim(Shard(7))),
            (deadline(UnixMillis(9), &place), Name::Deadline(UnixMillis(9), place.clone())),
            (erasure(&place), Name::Erasure(place.clone())),
            (remains(&[5; 32]), Name::Remains([5; 32])),
            (usage(&tenant, Day(3)), Name::Usage(tenant, Day(3))),
            (RecordKey::work(&place, Sequence(8)).chunk(0), Name::Work(place.clone(), Sequence(8), 0)),
            (RecordKey::dead_letter(Sequence(8)).chunk(0), Name::DeadLetter(Sequence(8), 0)),
        ];
        for (key, name) in table {
            assert_eq!(Name::read(&key), Some(name));
            assert_eq!(Name::read(&key[..key.len() - 1]).filter(|_| key[0] != DUPLICATE), None);
        }
        assert_eq!(Name::read(META_SALT), None);
        assert_eq!(Name::read(b"?"), None);
        assert_eq!(Name::read(b""), None);
        let mut elsewhere = RecordKey::conversation(&place).chunk(0);
        elsewhere[1] ^= 1;
        assert_eq!(Name::read(&elsewhere), None, "another shard than that of its addresses");
    }
}
