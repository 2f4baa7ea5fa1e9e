//! The configuration.

pub mod secret;

/// One thing that is wrong with the configuration, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: `raconteur.toml:12`, or the name of an environment variable.
    pub place: String,
    /// What is wrong and what to do.
    pub message: String,
}
