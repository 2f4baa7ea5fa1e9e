//! The one door: an arrival is durable when [`Inbox::accept`] returns.

use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::words::{Arrival, Sequence};
use raconteur_storage::{StoreError, TranscriptTurn};

/// The door through which a transport hands in what it received.
#[derive(Clone)]
pub struct Inbox {}

/// What became of an arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipted {
    /// It is durable.
    Accepted(Sequence),
    /// It was accepted before.
    Duplicate(Sequence),
    /// A receipt; it was noted.
    Noted,
}

/// Why an arrival was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No tenant of this channel has that number.
    #[error("no tenant of this channel has the number that was texted")]
    UnknownTenant,
    /// Not now; the provider should come again.
    #[error("not accepted now: {0}")]
    Busy(String),
}

impl Inbox {
    /// Takes an arrival.
    ///
    /// # Errors
    /// [`Refused`].
    #[allow(clippy::unused_async, reason = "filled in by the gateway")]
    pub async fn accept(&self, arrival: Arrival) -> Result<Receipted, Refused> {
        let _ = arrival;
        Err(Refused::UnknownTenant)
    }

    /// Pages of a conversation's transcript, newest first, from before `before` on.
    ///
    /// # Errors
    /// When the store cannot be read.
    #[allow(clippy::unused_async, reason = "filled in by the gateway")]
    pub async fn transcript(
        &self,
        key: &ConversationKey,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Vec<TranscriptTurn>, StoreError> {
        let _ = (key, before, limit);
        Ok(Vec::new())
    }
}
