//! Turns another product's configuration into ours: text in; TOML, secrets and notes out.
//!
//! What cannot be carried over is a [`Note`], never silence. Secrets never get into the TOML, which only names the variables
//! that they are read from. Nothing here prints or asks the network; the files of the command line are `run.rs`'s business.

mod env_file;
pub mod ibm;
mod note;
#[cfg(feature = "cli")]
mod run;

pub use env_file::{Variable, read as read_env_file, write as write_env_file};
pub use note::{Note, Outcome, listed};
#[cfg(feature = "cli")]
pub use run::{Done, run};

use crate::config::secret::Secret;

/// A configuration of ours that was made from another product's.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The configuration.
    pub toml: String,
    /// What the configuration reads from variables.
    pub secrets: Vec<SecretVariable>,
    /// What was changed, what was lost and what is to be done.
    pub notes: Vec<Note>,
    /// How many tenants are in the configuration.
    pub carried: usize,
    /// How many could not be carried over.
    pub left_out: usize,
}

/// One variable that the configuration reads a secret from.
#[derive(Clone, Debug, PartialEq)]
pub struct SecretVariable {
    /// Its name.
    pub name: String,
    /// Where its value stands in the old configuration, or would.
    pub place: String,
    /// The value; `None` where the old configuration has none.
    pub value: Option<Secret>,
}
