//! The whole store at once, over any [`Engine`]: looked through, written as JSON lines, read back from them, copied. The way back
//! from damage, and from a file that never shrinks. For tools, while nobody else uses the store.
//!
//! An export begins with a header and ends with a count, so that one that was cut off is told from a whole one. Between them is
//! one record a line, in the order of their keys. A record that reads well is JSON, word by word; one that does not is kept as
//! hexadecimal digits, and comes back as it was. Everything goes through in pages: memory does not grow with the store.
//!
//! ```text
//! {"raconteur_store":1,"format":1,"salt":"…","sequence":32768,"clean":false}
//! {"conversation":{"tenant":"+15550100","user":"+15550199","version":3,"indexed":1700000000000,"snapshot":{…}}}
//! {"duplicate":{…}}  {"duplicates":{…}}  {"page":{…}}  {"heard":{…}}  {"claim":{…}}  {"deadline":{…}}  {"usage":{…}}  {"unread":{…}}  {"answered":{…}}  {"dead_letter":{…}}  {"audit":{…}}
//! {"erasure":{…}}  {"remains":{…}}
//! {"damaged":{"kind":"unread","reason":"its bytes have changed","pairs":[["77…","01…"]]}}
//! {"end":{"records":8}}
//! ```

mod check;
mod copy;
mod export;
mod import;
mod kind;
mod line;
mod marks;
mod places;
#[cfg(test)]
mod tests;
mod walk;

use std::io;

use crate::StoreError;

pub use check::{Findings, Tally, check};
pub use copy::{Copied, copy, same};
pub use export::export;
pub use import::{import, validate};
pub use kind::Kind;
pub use places::{Places, places};

#[cfg(doc)]
use crate::engine::Engine;

/// Why a store was not exported or imported.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// The store did not do what it was asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing was ever kept there.
    #[error("there is nothing in the store at {path}: name another directory")]
    Empty {
        /// Where it lies.
        path: String,
    },
    /// The export cannot be written.
    #[error("the export cannot be written: {0}")]
    Output(io::Error),
    /// The export cannot be read.
    #[error("the export cannot be read: {0}")]
    Input(io::Error),
    /// A line of the export is not what it should be.
    #[error("line {number}: {reason}")]
    Line {
        /// Counted from 1.
        number: u64,
        /// What is wrong, and what belongs there.
        reason: String,
    },
}
