//! Secrets: read from an environment variable or a file, never written in the configuration itself, never printed.

use std::fmt;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de};
use subtle::ConstantTimeEq;

/// By this name a [`Secret`] makes itself known to the configuration's reader, which then looks variables up in the environment
/// it was given. Any other deserializer passes the name over, and the process's environment is asked.
pub(super) const NAME: &str = "$raconteur::Secret";

/// What to write for a secret.
pub(super) const HOW_TO: &str =
    "a secret is not written here but read from elsewhere: write { env = \"NAME\" } or { file = \"PATH\" }";

/// A secret. In TOML: `{ env = "TWILIO_AUTH_TOKEN" }` or `{ file = "/run/secrets/twilio" }`.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// A secret that an embedding program already holds.
    #[must_use]
    pub fn new(value: &str) -> Self {
        Self(SecretString::from(value.to_owned()))
    }

    /// The secret itself. Never log what this returns.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether it can be a key or a token: a stray line break or space is the usual fault of a copy.
    pub(crate) fn can_be_key(&self) -> bool {
        !self.expose().is_empty() && self.expose().bytes().all(|byte| byte.is_ascii_graphic())
    }
}

/// In a time that does not tell how much of them is the same.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose().as_bytes().ct_eq(other.expose().as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(NAME, SecretVisitor)
    }
}

struct SecretVisitor;

impl<'de> de::Visitor<'de> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{ env = \"NAME\" } or { file = \"PATH\" }")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Secret, D::Error> {
        let source = Source::deserialize(deserializer).map_err(|_| de::Error::custom(HOW_TO))?;
        let value = source.fetch(|name| std::env::var(name).ok()).map_err(de::Error::custom)?;
        Ok(Secret::new(&value))
    }

    /// The configuration's reader has fetched it already. Bytes, since a plain string must never pass for a secret.
    fn visit_byte_buf<E: de::Error>(self, value: Vec<u8>) -> Result<Secret, E> {
        String::from_utf8(value).map(|value| Secret(value.into())).map_err(|_| E::custom("the secret is not UTF-8"))
    }
}

/// Where a secret is read from.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub(super) enum Source {
    /// The name of an environment variable.
    Env(String),
    /// A file, of which surrounding white space is not part of the secret.
    File(PathBuf),
}

impl Source {
    /// Reads the secret, without the white space around it.
    pub(super) fn fetch(&self, variable: impl Fn(&str) -> Option<String>) -> Result<String, String> {
        let value = match self {
            Self::Env(name) => variable(name)
                .ok_or_else(|| format!("the environment variable {name} is not set: set it to the secret"))?,
            Self::File(path) => std::fs::read_to_string(path)
                .map_err(|error| format!("cannot read the secret file {}: {error}", path.display()))?,
        };
        match value.trim() {
            "" => Err(match self {
                Self::Env(name) => format!("the environment variable {name} is empty: set it to the secret"),
                Self::File(path) => format!("the secret file {} is empty: write the secret into it", path.display()),
            }),
            value => Ok(value.to_owned()),
        }
    }
}
