//! What comes in: texts, control requests, receipts, and the record that keeps each until it is answered.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::address::ConversationKey;
use crate::time::UnixMillis;
use crate::words::{OutboundId, Receipt};

/// The place of one accepted input in the order of acceptance. Drawn from one counter per store, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequence(pub u64);

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A picture, sound or video that came with a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// Where the provider keeps it.
    pub url: String,
    /// Its MIME type as the provider says; empty when it does not.
    pub content_type: String,
}

/// One text from a user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboundMessage {
    /// The text, as it was typed.
    pub body: String,
    /// Media that came with it, in the provider's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<Media>,
}

/// A request to open a session in which the assistant speaks first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StartSession {
    /// Any JSON, handed to the assistant verbatim as `smsUserData`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data: Option<Box<RawValue>>,
    /// Replaces the tenant's session timeout in this session, and is told to the assistant as `smsSessionTimeoutCount`.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "humantime_serde::option")]
    pub timeout: Option<Duration>,
}

/// A text of ours that surely did not reach the user, as a receipt told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryFailure {
    /// Which text.
    pub outbound: OutboundId,
    /// The provider's error code; empty when it gave none.
    pub code: String,
    /// What the provider said, in its words.
    pub reason: String,
}

/// One accepted input. Everything that a conversation acts on comes through one door as one of these.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// The user texted.
    Message(InboundMessage),
    /// Someone asks that a session be opened and the assistant speak first.
    Start(StartSession),
    /// Someone asks that the open session end. Consumed even while a turn is open.
    End,
    /// A receipt said that a text of ours failed. Consumed even while a turn is open.
    DeliveryFailed(DeliveryFailure),
}

/// Accepted work as the store keeps it until it is answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WorkRecord {
    /// Its place in the order of acceptance; also the number of the turn it opens.
    pub sequence: Sequence,
    /// When it was accepted.
    pub accepted_at: UnixMillis,
    /// Random bits drawn at acceptance, from which session GUID, turn id and jitter are derived, so that a repeat has the same.
    pub seed: u128,
    /// How often it was begun again after its conversation failed. Zero for the first, free attempt.
    #[serde(default)]
    pub attempts: u8,
    /// It was running alone when this was written: if the process died then, it may be to blame.
    #[serde(default)]
    pub alone: bool,
    /// What is to be done.
    pub work: Work,
}

/// What a webhook found in one request, or a transport of the user's own received.
#[derive(Clone, Debug)]
pub enum Arrival {
    /// Something for the inbox.
    Work {
        /// Whose conversation.
        key: ConversationKey,
        /// The provider's id of it, or the caller's idempotency key: a repeat with the same id takes no effect.
        id: String,
        /// What it is.
        work: Work,
    },
    /// A provider's word on one of our texts.
    Receipt {
        /// Whose conversation.
        key: ConversationKey,
        /// The word.
        receipt: Receipt,
    },
}
