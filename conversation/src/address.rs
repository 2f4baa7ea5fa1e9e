//! Addresses and the key of a conversation.
//!
//! An address is what a provider calls `From` or `To`: an E.164 number, a short code, an alphanumeric sender, or one of
//! these behind a channel prefix (`whatsapp:+15550100`). It is kept exactly as the provider writes it, since the prefix is
//! part of who is talking. Nothing here knows regions or numbering plans.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How many shards all conversations are spread over. Fixed for ever: stored keys depend on it.
pub const SHARDS: u16 = 1024;

/// The longest address that is accepted, in bytes.
pub const ADDRESS_MAX: usize = 120;

/// A party's address as the provider writes it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address(Arc<str>);

/// Why a string is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing was given.
    #[error("the address is empty: give a number such as +15550100")]
    Empty,
    /// More than [`ADDRESS_MAX`] bytes.
    #[error("the address has {0} bytes, more than the {ADDRESS_MAX} allowed")]
    TooLong(usize),
    /// A character that no address has.
    #[error(
        "the address has a character that no number, short code or sender name has: use +15550100, 12345, or prefix:+15550100"
    )]
    Malformed,
}

impl Address {
    /// Reads an address. Surrounding white space is not tolerated: what is signed and what is keyed must be the same bytes.
    ///
    /// # Errors
    /// When the text is empty, over [`ADDRESS_MAX`] bytes, or not `[prefix:]` followed by an E.164 number, a short code, or a
    /// name of letters, digits, spaces and `._-&@`.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if text.len() > ADDRESS_MAX {
            return Err(AddressError::TooLong(text.len()));
        }
        let (prefix, rest) = match text.split_once(':') {
            Some((prefix, rest)) => (Some(prefix), rest),
            None => (None, text),
        };
        let prefix_ok = prefix.is_none_or(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_lowercase()));
        if !prefix_ok || !is_party(rest) {
            return Err(AddressError::Malformed);
        }
        Ok(Self(text.into()))
    }

    /// The address as the provider writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last two characters behind an ellipsis: enough to tell configured numbers apart in a log, too little to call one.
    #[must_use]
    pub fn last_digits(&self) -> String {
        let tail: Vec<char> = self.0.chars().rev().take(2).collect();
        format!("…{}", tail.into_iter().rev().collect::<String>())
    }
}

fn is_party(text: &str) -> bool {
    if let Some(digits) = text.strip_prefix('+') {
        return (5..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    }
    let starts_well = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    starts_well && text.bytes().all(|b| b.is_ascii_alphanumeric() || b" ._-&@".contains(&b))
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        Self::parse(&text)
    }
}

impl std::str::FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.0.as_ref().to_owned()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Masked: a `{:?}` in a log line must not spell a number out.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.last_digits())
    }
}

/// Names one conversation: one of our numbers and one person's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConversationKey {
    /// Our number.
    pub tenant: Address,
    /// The person's number.
    pub user: Address,
}

impl ConversationKey {
    /// The shard that this conversation belongs to, the same in every process and every version (FNV-1a over both addresses).
    #[must_use]
    pub fn shard(&self) -> Shard {
        const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0000_0100_0000_01b3;
        let bytes = self.tenant.as_str().bytes().chain([0]).chain(self.user.as_str().bytes());
        let hash = bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
        let folded = (hash ^ (hash >> 32) ^ (hash >> 16)) % u64::from(SHARDS);
        Shard(u16::try_from(folded).expect("a remainder of 1024 fits in 16 bits"))
    }

    /// A name for logs that does not give the numbers away to those who do not have the store's `salt`.
    #[must_use]
    pub fn log_id(&self, salt: Uuid) -> ConversationId {
        let name = format!("{}\0{}", self.tenant.as_str(), self.user.as_str());
        ConversationId(Uuid::new_v5(&salt, name.as_bytes()))
    }
}

/// A conversation's name in logs: twelve hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConversationId(Uuid);

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0.as_bytes();
        bytes[..6].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One 1/1024 of all conversations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Shard(pub u16);

#[cfg(test)]
mod tests {
    use super::*;

    fn key(tenant: &str, user: &str) -> ConversationKey {
        ConversationKey { tenant: Address::parse(tenant).unwrap(), user: Address::parse(user).unwrap() }
    }

    #[test]
    fn numbers_short_codes_names_and_prefixes_are_addresses() {
        for good in ["+15550100", "12345", "ACME Inc", "whatsapp:+15550100", "rcs:acme_agent", "messenger:123456789"] {
            assert_eq!(Address::parse(good).map(|a| a.to_string()), Ok(good.to_owned()));
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_to_do() {
        assert_eq!(Address::parse(""), Err(AddressError::Empty));
        assert_eq!(Address::parse(&"1".repeat(121)), Err(AddressError::TooLong(121)));
        for bad in
            ["+1555 0100", " +15550100", "+", "+1234", "+1234567890123456", "a\nb", "WhatsApp:+15550100", ":+1", "é"]
        {
            assert_eq!(Address::parse(bad), Err(AddressError::Malformed), "{bad:?}");
        }
    }

    #[test]
    fn debug_output_masks_the_number() {
        let shown = format!("{:?}", key("+15550100", "+15550199"));
        assert!(!shown.contains("5550") && shown.contains("…99"), "{shown}");
    }

    #[test]
    fn shards_are_fixed_for_ever_and_spread_evenly() {
        assert_eq!(key("+15550100", "+15550199").shard(), key("+15550100", "+15550199").shard());
        let mut counts = vec![0_u32; usize::from(SHARDS)];
        for n in 0..102_400 {
            counts[usize::from(key("+15550100", &format!("+1555{n:07}")).shard().0)] += 1;
        }
        let (low, high) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(*low > 50 && *high < 160, "{low}..{high}");
    }
}
