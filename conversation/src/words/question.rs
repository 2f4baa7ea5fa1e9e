//! What an assistant is asked.

use std::fmt;
use std::time::Duration;

use serde_json::value::RawValue;
use uuid::Uuid;

use crate::address::ConversationKey;
use crate::variable::Variables;
use crate::words::{AssistantState, Sequence};

/// Recognises the answer to one attempt at one turn; a late answer carries an older one and is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    /// The turn: the sequence of the work record that opened it.
    pub turn: Sequence,
    /// Counts the asks of this turn in this process, from 1.
    pub attempt: u32,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.turn, self.attempt)
    }
}

/// What the user said, or did not say.
#[derive(Clone, Debug)]
pub enum AskInput {
    /// The user's words.
    Text(String),
    /// The user chose from a list: the chosen entry's `value.input`, whole and unmodified.
    Choice {
        /// The `text` inside it, or the label where it has none.
        text: String,
        /// The whole JSON object.
        input: Box<RawValue>,
    },
    /// Nobody said anything: the session was started from our side and the assistant speaks first.
    Start,
}

impl AskInput {
    /// The words for an assistant that knows only text; empty at a start.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Choice { text, .. } => text,
            Self::Start => "",
        }
    }
}

/// One question to an assistant.
#[derive(Clone, Debug)]
pub struct Question {
    /// Which attempt at which turn.
    pub token: Token,
    /// The same for every attempt at this turn, in this process and after a crash: an idempotency key for the assistant.
    pub turn_id: Uuid,
    /// Who talks to whom.
    pub key: ConversationKey,
    /// What was said.
    pub input: AskInput,
    /// The gateway's variables; among them the session's GUID and the media that came with the text.
    pub variables: Variables,
    /// What this assistant asked us to keep for it; `None` in the first turn of a session, or when another assistant wrote it.
    pub state: Option<AssistantState>,
    /// How long to wait before asking, because an earlier attempt failed.
    pub delay: Duration,
    /// How long the assistant may take from the moment the request is written.
    pub timeout: Duration,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The user was silent for the session timeout.
    Timeout,
    /// The assistant ordered `terminateSession`.
    Terminated,
    /// Someone asked for it through the control interface.
    Requested,
    /// A start request replaced it.
    Replaced,
}

/// Tells an assistant that a session is over, so that it can free what it holds.
#[derive(Clone, Debug)]
pub struct SessionEnd {
    /// Who talked to whom.
    pub key: ConversationKey,
    /// The session's GUID.
    pub session: Uuid,
    /// Why.
    pub reason: EndReason,
    /// What the assistant had asked us to keep.
    pub state: Option<AssistantState>,
}
