//! What the store keeps beside snapshots and work: pages of the transcript and dead letters; and how records are versioned.

use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{DeliveryStatus, OutboundRow, Sequence, Work};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One page of a transcript: one work record and what came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TranscriptTurn {
    /// The work record's sequence.
    pub sequence: Sequence,
    /// The session it belongs to; `None` when there was none (an end request without a session).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Uuid>,
    /// What came in.
    pub work: Work,
    /// When it was accepted.
    pub accepted_at: UnixMillis,
    /// When its answer was committed.
    pub answered_at: UnixMillis,
    /// How often the assistant was asked.
    pub asks: u32,
    /// Why the turn failed, in plain words; `None` when it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What went out for it, each with its latest state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<TranscriptRow>,
}

/// One outbound text in a transcript.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TranscriptRow {
    /// The text and what became of it on our side.
    #[serde(flatten)]
    pub row: OutboundRow,
    /// The provider's latest word on it, and when it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
}

/// A provider's latest word on a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// How far it has come.
    pub status: DeliveryStatus,
    /// When we were told.
    pub at: UnixMillis,
    /// The provider's error code; empty when there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
}

/// Something that was set aside, with the reason.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The sequence of the work record, or a fresh one for a damaged record.
    pub sequence: Sequence,
    /// Whose conversation; `None` when the record was too damaged to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<ConversationKey>,
    /// When it was set aside.
    pub at: UnixMillis,
    /// Why, in plain words.
    pub reason: String,
    /// What it was; `None` for a damaged record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<Work>,
    /// The bytes of a damaged record, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
}
