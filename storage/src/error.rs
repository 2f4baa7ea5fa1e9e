//! Why a store did not do what it was asked.

use raconteur_conversation::address::Shard;

/// Why the store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The claim was lost to a later one: stop running this shard.
    #[error("the claim on shard {} was lost", .0.0)]
    Fenced(Shard),
    /// The conversation has moved on: load it again.
    #[error("the conversation was changed by someone else")]
    Stale,
    /// Another process has the store open.
    #[error(
        "the store at {path} is in use by another process: stop that one first, or give this one a store of its own"
    )]
    Locked {
        /// Where it lies.
        path: String,
    },
    /// The store was written by a newer version.
    #[error(
        "the store was written in format {found}, this version knows formats up to {supported}: run the version that wrote it"
    )]
    Newer {
        /// What was found.
        found: u32,
        /// The newest that is known.
        supported: u32,
    },
    /// The store's files are damaged.
    #[error("the store at {path} is damaged ({reason}): keep a copy of the directory, then restore it from a backup")]
    Corrupt {
        /// Where it lies.
        path: String,
        /// What was found.
        reason: String,
    },
    /// Records that were acknowledged are gone from the end of it.
    #[error(
        "the store at {path} has lost its latest {missing} write(s), though they were acknowledged: its data file was damaged, or is \
         older than the file `watermark` beside it; put the whole directory back from a backup, or go on with what is there: \
         raconteur store accept-loss --store {path}"
    )]
    Behind {
        /// Where it lies.
        path: String,
        /// How many batches.
        missing: u64,
    },
    /// An import has not brought everything.
    #[error("an import into the store at {path} did not come to its end: remove the directory and import again")]
    Incomplete {
        /// Where it lies.
        path: String,
    },
    /// The directory is not one that can be used for this.
    #[error("{path} {reason}")]
    WrongPlace {
        /// The directory.
        path: String,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// Reading or writing failed; after a failed write the store takes nothing more.
    #[error("the store cannot be used: {0}")]
    Unusable(String),
}
