//! What an erasure writes, in bytes: its own mark, which hides what is not deleted yet, and what remains of the conversation, under a
//! keyed hash of its numbers.
//!
//! ```text
//! erasure    upto u64 | letters u64
//! remains    1 | kept u8 | version u64 | at u64 | hash u64 | snapshot
//! ```
//!
//! Whoever has the whole store can find out by trying whether a number is among the remains: the key lies in the store as well. Nobody
//! can read one out of them.

use hmac::{Hmac, KeyInit, Mac};
use raconteur_conversation::effect::{Erasure, Kept, Remains};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::Sequence;
use sha2::Sha256;
use uuid::Uuid;

use crate::chunks::{self, Damage};
use crate::fetch::{FetchError, Values};
use crate::keys::{self, Place};
use crate::{DeadLetter, StoreError, Version};

/// Everything that is kept of a conversation is deleted with the step: at once out of everybody's sight, and then in bounded batches by
/// [`crate::Store::remove_erased`]. Where the step has a snapshot as well, that is the beginning of a new life, and nothing else remains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erase {
    /// What goes and what remains. A number that was not drawn yet counts as the latest that was.
    pub erasure: Erasure,
    /// Now.
    pub at: UnixMillis,
}

/// The version of how remains are laid out.
const FORMAT: u8 = 1;

/// Bytes before the snapshot.
const HEAD: usize = 1 + 1 + 8 + 8 + 8;

/// How far an erasure reaches that is not carried out to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Pages up to this number go, and letters about records up to it.
    pub(crate) upto: Sequence,
    /// Letters about what was damaged have numbers of their own: those below this go.
    pub(crate) letters: Sequence,
}

impl Reach {
    pub(crate) fn write(self) -> Vec<u8> {
        [self.upto.0.to_be_bytes(), self.letters.0.to_be_bytes()].concat()
    }

    pub(crate) fn read(value: &[u8]) -> Option<Self> {
        let (upto, letters) = value.split_first_chunk()?;
        let letters = u64::from_be_bytes(letters.try_into().ok()?);
        Some(Self { upto: Sequence(u64::from_be_bytes(*upto)), letters: Sequence(letters) })
    }

    /// Whether a letter about this conversation goes.
    pub(crate) fn covers(self, letter: &DeadLetter) -> bool {
        if letter.work.is_some() { letter.sequence <= self.upto } else { letter.sequence < self.letters }
    }
}

/// How far an erasure of this conversation reaches that is under way.
pub(crate) fn under_way(values: &impl Values, place: &Place) -> Result<Option<Reach>, StoreError> {
    Ok(values.value(&keys::erasure(place))?.as_deref().and_then(Reach::read))
}

/// What the store has under a keyed hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) version: Version,
    pub(crate) at: UnixMillis,
    pub(crate) remains: Remains,
}

impl Left {
    pub(crate) fn of(erase: &Erase, version: Version) -> Self {
        Self { version, at: erase.at, remains: erase.erasure.remains.clone() }
    }

    /// # Errors
    /// When the snapshot is longer than anything that names nobody and quotes nothing could be.
    pub(crate) fn write(&self) -> Result<Vec<u8>, StoreError> {
        let snapshot = &self.remains.snapshot;
        if HEAD + snapshot.len() > chunks::VALUE_MAX {
            return Err(StoreError::Unusable(format!("{} bytes are too many to remain", snapshot.len())));
        }
        let kept = match self.remains.kept {
            Kept::ForAWhile => 0,
            Kept::Lastingly => 1,
        };
        let numbers = [self.version.0, self.at.0, chunks::hash(snapshot)].map(u64::to_be_bytes).concat();
        Ok([&[FORMAT, kept][..], &numbers, snapshot].concat())
    }

    /// # Errors
    /// When it is not what was written.
    pub(crate) fn read(value: &[u8]) -> Result<Self, Damage> {
        let cut = || Damage::garbage("it is cut off");
        let (head, snapshot) = value.split_at_checked(HEAD).ok_or_else(cut)?;
        let number = |at: usize| u64::from_be_bytes(head[at..at + 8].try_into().expect("eight bytes"));
        chunks::check_format(head[0])?;
        let kept = match head[1] {
            0 => Kept::ForAWhile,
            1 => Kept::Lastingly,
            other => return Err(Damage::garbage(format_args!("{other} is no way to be kept"))),
        };
        if number(18) != chunks::hash(snapshot) {
            return Err(Damage::garbage("its bytes have changed"));
        }
        let remains = Remains { snapshot: snapshot.to_vec(), kept };
        Ok(Self { version: Version(number(2)), at: UnixMillis(number(10)), remains })
    }
}

/// Finds remains by the numbers they belong to.
#[derive(Clone, Copy)]
pub(crate) struct Veil([u8; 32]);

impl Veil {
    /// The key follows from the store's own random value.
    pub(crate) fn new(salt: Uuid) -> Self {
        Self(mac(salt.as_bytes(), b"raconteur: what remains of an erased conversation"))
    }

    pub(crate) fn key(&self, place: &Place) -> Vec<u8> {
        keys::remains(&mac(&self.0, place.bytes()))
    }

    /// What remains of a conversation; what is damaged is passed over and told.
    pub(crate) fn left(&self, values: &impl Values, place: &Place) -> Result<Option<Left>, StoreError> {
        let Some(value) = values.value(&self.key(place))? else { return Ok(None) };
        crate::fetch::skip_garbage(Left::read(&value).map(Some).map_err(FetchError::from))
    }
}

fn mac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left() -> Left {
        let remains = Remains { snapshot: b"{}".to_vec(), kept: Kept::Lastingly };
        Left { version: Version(7), at: UnixMillis(9), remains }
    }

    #[test]
    fn golden_remains_and_garbage() {
        let bytes = left().write().unwrap();
        let expected =
            [&b"\x01\x01\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x09"[..], &chunks::hash(b"{}").to_be_bytes(), b"{}"].concat();
        assert_eq!(bytes, expected);
        assert_eq!(Left::read(&bytes), Ok(left()));
        for length in 0..bytes.len() {
            assert!(matches!(Left::read(&bytes[..length]), Err(Damage::Garbage(_))), "{length}");
        }
        let mut newer = bytes.clone();
        newer[0] = 2;
        assert_eq!(Left::read(&newer), Err(Damage::Newer(2)));
        newer[..2].copy_from_slice(&[1, 9]);
        assert!(matches!(Left::read(&newer), Err(Damage::Garbage(_))));
    }

    #[test]
    fn what_remains_must_be_short() {
        let mut long = left();
        long.remains.snapshot = vec![b' '; chunks::VALUE_MAX];
        assert!(matches!(long.write(), Err(StoreError::Unusable(_))));
    }

    #[test]
    fn a_reach_is_read_back() {
        let reach = Reach { upto: Sequence(8), letters: Sequence(16) };
        assert_eq!(Reach::read(&reach.write()), Some(reach));
        assert_eq!(Reach::read(&reach.write()[1..]), None);
    }

    #[test]
    fn remains_are_found_by_the_same_numbers_in_the_same_store_only() {
        let place = |user: &str| {
            let address = |text: &str| raconteur_conversation::address::Address::parse(text).unwrap();
            let key =
                raconteur_conversation::address::ConversationKey { tenant: address("12345"), user: address(user) };
            Place::of(&key)
        };
        let veil = Veil::new(Uuid::from_u128(1));
        assert_eq!(veil.key(&place("+15550100")), Veil::new(Uuid::from_u128(1)).key(&place("+15550100")));
        assert_ne!(veil.key(&place("+15550100")), veil.key(&place("+15550101")));
        assert_ne!(veil.key(&place("+15550100")), Veil::new(Uuid::from_u128(2)).key(&place("+15550100")));
        assert!(!veil.key(&place("+15550100")).windows(5).any(|window| window == b"55501"));
    }
}
