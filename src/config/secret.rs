//! Secrets: read from an environment variable or a file, never written in the configuration itself, never printed.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de};

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
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
enum Source {
    Env(String),
    File(std::path::PathBuf),
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let source = Source::deserialize(deserializer).map_err(|_| {
            de::Error::custom("a secret is read from elsewhere: write { env = \"NAME\" } or { file = \"PATH\" }")
        })?;
        let value = match source {
            Source::Env(name) => std::env::var(&name)
                .map_err(|_| de::Error::custom(format!("the environment variable {name} is not set")))?,
            Source::File(path) => std::fs::read_to_string(&path).map_err(|error| {
                de::Error::custom(format!("cannot read the secret file {}: {error}", path.display()))
            })?,
        };
        let value = value.trim();
        if value.is_empty() {
            return Err(de::Error::custom("the secret is empty"));
        }
        Ok(Self::new(value))
    }
}
