//! The port to whoever takes reports, and what goes through it. `http.rs` has the two kinds that are built in; a program that
//! embeds the gateway may bring its own.

use std::time::Duration;

use async_trait::async_trait;
use raconteur_conversation::time::UnixMillis;
use serde_json::value::RawValue;
use uuid::Uuid;

/// Takes reports. It needs no retries and no timeout of its own: the caller has both.
#[async_trait]
pub trait Sink: Send + Sync + 'static {
    /// Hands over some events of one tenant. After a crash or a lost answer the same events may come again, with the same ids.
    ///
    /// # Errors
    /// By what the caller can do.
    async fn post(&self, batch: &Batch) -> Result<(), PostError>;
}

/// Some events of one tenant, in the order in which they happened.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The process that hands them over. It need not be the one that saw them.
    pub instance: Uuid,
    /// Our number.
    pub tenant: String,
    /// The events; never none.
    pub events: Vec<Line>,
    /// Where they stand in the spool.
    pub(super) place: Place,
}

/// One event as it is kept.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its `type`.
    pub kind: String,
    /// When it happened.
    pub at: UnixMillis,
    /// All of it, as one line of JSON.
    pub json: Box<RawValue>,
}

/// A stretch of the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// In which segment.
    pub(super) segment: u64,
    /// How many of the segment's events come before it.
    pub(super) start: usize,
    /// How many of the segment's events are behind it once it is done.
    pub(super) end: usize,
}

/// Why a batch was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// The sink is away, busy or not set up: the same batch may be taken later.
    #[error("{reason}")]
    Retry {
        /// How long the sink asked us to wait, if it did.
        after: Option<Duration>,
        /// What happened, without a word of the events.
        reason: String,
    },
    /// This batch will never be taken.
    #[error("{reason}")]
    Refused {
        /// What the sink said, without a word of the events.
        reason: String,
    },
}
