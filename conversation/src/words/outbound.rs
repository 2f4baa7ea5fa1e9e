//! What goes out: texts, the durable row behind each, and the provider's words on them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::address::ConversationKey;
use crate::time::UnixMillis;
use crate::words::Sequence;

/// The provider's own id of a message, such as Twilio's `SM…`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProviderId(pub String);

/// Names one outbound text for ever: the work record it answers, and its place in that answer. Written `123-0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct OutboundId {
    /// The sequence of the work record whose answer this is.
    pub turn: Sequence,
    /// Its place in the answer, from 0.
    pub part: u16,
}

/// A string is not an outbound id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an outbound id: expected two numbers such as 123-0")]
pub struct OutboundIdError;

impl fmt::Display for OutboundId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.turn, self.part)
    }
}

impl FromStr for OutboundId {
    type Err = OutboundIdError;

    fn from_str(text: &str) -> Result<Self, OutboundIdError> {
        let (turn, part) = text.split_once('-').ok_or(OutboundIdError)?;
        let turn = turn.parse().map_err(|_| OutboundIdError)?;
        let part = part.parse().map_err(|_| OutboundIdError)?;
        Ok(Self { turn: Sequence(turn), part })
    }
}

impl From<OutboundId> for String {
    fn from(id: OutboundId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for OutboundId {
    type Error = OutboundIdError;

    fn try_from(text: String) -> Result<Self, OutboundIdError> {
        text.parse()
    }
}

/// One text to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundMessage {
    /// Our id of it.
    pub id: OutboundId,
    /// From `key.tenant` to `key.user`.
    pub key: ConversationKey,
    /// The text; empty when only media are sent.
    pub body: String,
    /// Public addresses of media to send along.
    pub media: Vec<String>,
    /// After this it is no longer worth delivering.
    pub expires_at: UnixMillis,
    /// When this attempt to send it began.
    pub began_at: UnixMillis,
}

/// What has become of an outbound text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum RowState {
    /// Never tried.
    Queued,
    /// Nobody has asked for it, and it is quiet: it waits until then, or until an answer goes that the user waits for.
    Held {
        /// When the quiet hours end.
        until: UnixMillis,
        /// How many attempts have failed.
        #[serde(default, skip_serializing_if = "is_zero")]
        tries: u32,
    },
    /// A call to the provider may be under way since then. After a crash this is in doubt.
    Sending {
        /// When the call began.
        since: UnixMillis,
    },
    /// Surely not taken; to be tried again.
    Retry {
        /// Not before then.
        at: UnixMillis,
        /// How many attempts have failed.
        tries: u32,
    },
    /// The provider may or may not have taken it; its log is asked.
    Unknown {
        /// When the call began whose outcome is unknown.
        since: UnixMillis,
    },
    /// The provider took it.
    Sent {
        /// The provider's id of it.
        provider_id: ProviderId,
    },
    /// It was not and will not be sent.
    Failed {
        /// The provider's error code, or ours in lower case (`expired`, `part_failed`).
        code: String,
        /// In plain words.
        reason: String,
    },
    /// Whether it was sent could not be found out, and the tenant's policy was not to risk sending it twice.
    GivenUp,
}

impl RowState {
    /// Nothing further will happen to the row.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        match self {
            Self::Sent { .. } | Self::Failed { .. } | Self::GivenUp => true,
            Self::Queued | Self::Held { .. } | Self::Sending { .. } | Self::Retry { .. } | Self::Unknown { .. } => {
                false
            }
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// An outbound text as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboundRow {
    /// Our id of it.
    pub id: OutboundId,
    /// The text.
    pub body: String,
    /// Media that go along.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<String>,
    /// After this it is no longer worth delivering.
    pub expires_at: UnixMillis,
    /// It is no answer to what the user has said: it keeps to quiet hours.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unasked: bool,
    /// What has become of it.
    #[serde(flatten)]
    pub state: RowState,
}

impl OutboundRow {
    /// When it may go at the earliest, where it rests in quiet hours.
    #[must_use]
    pub fn held_until(&self) -> Option<UnixMillis> {
        if let RowState::Held { until, .. } = self.state { Some(until) } else { None }
    }
}

/// Why a text was not sent, by what can be done about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Surely not taken; this text may be tried again.
    #[error("not taken, worth another attempt: {reason}")]
    Retry {
        /// How long the provider asked us to wait, if it did: the whole number waits.
        after: Option<Duration>,
        /// What happened.
        reason: String,
    },
    /// Surely not taken, and nothing else from this number will be for a while (its queue is full, the account is throttled).
    #[error("not taken, the number must pause: {reason}")]
    Pause {
        /// How long, if the provider said.
        after: Option<Duration>,
        /// What happened.
        reason: String,
    },
    /// It will never be taken.
    #[error("rejected ({code}): {reason}")]
    Rejected {
        /// The provider's error code, or the HTTP status.
        code: String,
        /// What it said.
        reason: String,
    },
    /// The user does not want our texts.
    #[error("the user has opted out")]
    OptedOut,
    /// Credentials, numbers or addresses are wrong: an operator must act, and until then nothing from this number goes out.
    #[error("the transport is misconfigured ({code}): {reason}")]
    Misconfigured {
        /// The provider's error code, or the HTTP status.
        code: String,
        /// What to mend.
        reason: String,
    },
    /// It may or may not have been taken.
    #[error("it is unknown whether it was taken: {reason}")]
    Unknown {
        /// What happened.
        reason: String,
    },
}

/// Whether a send whose outcome is unknown may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Yes: the other side recognises our outbound id.
    Safe,
    /// Only after its log was asked.
    AskLog,
    /// Never: the tenant's policy decides at once.
    Never,
}

/// One outbound message in the provider's own log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedMessage {
    /// The provider's id of it.
    pub provider_id: ProviderId,
    /// Its text as the provider kept it.
    pub body: String,
}

/// What the provider's log says of what we sent to one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The log could be read back to the time asked for: everything from our number to the user, newest first.
    Readable(Vec<LoggedMessage>),
    /// It could not be read now.
    Unreadable {
        /// Why not.
        reason: String,
    },
    /// This provider keeps no log that we could read.
    Unsupported,
}

/// What a look into a provider's log must not take for the text that is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// The provider's ids of other texts of the same conversation.
    pub known: Vec<ProviderId>,
    /// The words of its texts of which nobody knows whether they were taken: they may be in the log under an id that nobody knows.
    pub given_up: Vec<String>,
}

/// How far a text has come, by the provider's word. Ordered: a later word with a lower rank changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// The provider has it.
    Accepted,
    /// It waits in the provider's queue.
    Queued,
    /// The provider is handing it to the carrier.
    Sending,
    /// The carrier has it.
    Sent,
    /// The user's phone has it.
    Delivered,
    /// The carrier could not deliver it.
    Undelivered,
    /// The provider could not send it.
    Failed,
    /// The user has read it.
    Read,
}

impl DeliveryStatus {
    /// Its rank: a receipt counts only when it ranks higher than what is known.
    #[must_use]
    pub fn rank(self) -> u8 {
        match self {
            Self::Accepted => 0,
            Self::Queued => 1,
            Self::Sending => 2,
            Self::Sent => 3,
            Self::Delivered | Self::Undelivered | Self::Failed => 4,
            Self::Read => 5,
        }
    }

    /// It will not arrive.
    #[must_use]
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Undelivered | Self::Failed)
    }
}

/// A provider's word on one outbound text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Which text.
    pub outbound: OutboundId,
    /// The provider's id of it.
    pub provider_id: ProviderId,
    /// How far it has come.
    pub status: DeliveryStatus,
    /// The provider's error code; empty when there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// What the provider said; empty when it said nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}
