//! Tokens for the REST interface, kept as hashes, and what each may do.
//!
//! A hash without salt is enough, since these are tokens that [`fresh`] has made: nobody finds 256 random bits by trying. Words that
//! people choose do not belong here.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Deserializer, de};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::checks::Checks;

/// The SHA-256 of a token.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of a token.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// Reads 64 hexadecimal digits; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits: Option<Vec<u8>> =
            text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
        let digits: [u8; 64] = digits?.try_into().ok()?;
        Some(Self(std::array::from_fn(|at| (digits[2 * at] << 4) | digits[2 * at + 1])))
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// In a time that does not tell how much of them is the same.
impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// As it is written in the configuration.
impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || de::Error::custom("expected a SHA-256 of 64 hexadecimal digits, as `raconteur token` prints it");
        Self::parse(&String::deserialize(deserializer)?).ok_or_else(wrong)
    }
}

/// What a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Look at sessions, transcripts, pipes and usage.
    Read,
    /// Send texts, in a session, through a pipe or without either.
    Send,
    /// Everything, what the others may included.
    Control,
}

impl Scope {
    /// Whether it is enough where `needed` is asked for.
    #[must_use]
    pub fn covers(self, needed: Self) -> bool {
        self == needed || self == Self::Control
    }

    /// As it is written in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Send => "send",
            Self::Control => "control",
        }
    }
}

/// One of `[[tenants.control.tokens]]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// Who has it; for people.
    pub name: String,
    /// The hash of the token.
    pub sha256: TokenHash,
    /// What it may do.
    pub scopes: Vec<Scope>,
}

/// Checks a list of tokens, given with its dotted key.
pub(super) fn check(checks: &mut Checks<'_>, list: &str, tokens: &[Credential]) {
    for (index, credential) in tokens.iter().enumerate() {
        let key = |name| format!("{list}.{index}.{name}");
        if credential.name.trim().is_empty() || tokens[..index].iter().any(|other| other.name == credential.name) {
            checks.fail(&key("name"), "`name` is empty or another token's too: give each its own");
        }
        if credential.scopes.is_empty() {
            checks.fail(&key("scopes"), "`scopes` is empty: list some of \"read\", \"send\" and \"control\"");
        }
    }
}

/// A new token of 256 random bits.
///
/// # Errors
/// In words, when the system has no random bits.
pub fn fresh() -> Result<String, String> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| "the system gives no random numbers: try again".to_owned())?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_written_and_read_as_hexadecimal_digits_and_never_printed_aside() {
        // FIPS 180-2: the hash of "abc".
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(TokenHash::of("abc").to_string(), abc);
        assert_eq!(TokenHash::parse(&abc.to_uppercase()), Some(TokenHash::of("abc")));
        for bad in ["", &abc[1..], &abc.replace('b', "g"), &format!("{abc}0"), &"é".repeat(32)] {
            assert_eq!(TokenHash::parse(bad), None, "{bad}");
        }
        assert!(!format!("{:?}", TokenHash::of("abc")).contains("ba78"));
    }

    #[test]
    fn fresh_tokens_are_long_and_all_different() {
        let (one, two) = (fresh().unwrap(), fresh().unwrap());
        assert_eq!(one.len(), 43);
        assert_ne!(one, two);
    }

    #[test]
    fn control_covers_all_and_the_others_only_themselves() {
        let all = [Scope::Read, Scope::Send, Scope::Control];
        assert!(all.iter().all(|needed| Scope::Control.covers(*needed)));
        for scope in [Scope::Read, Scope::Send] {
            assert_eq!(all.map(|needed| scope.covers(needed)), all.map(|needed| needed == scope));
        }
    }
}
