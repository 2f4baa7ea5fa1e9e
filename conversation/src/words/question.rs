//! What an assistant is asked.

use std::fmt;
use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::address::{Address, ConversationKey};
use crate::command::ConversationConfig;
use crate::time::UnixMillis;
use crate::variable::Variables;
use crate::words::{AssistantState, Media, Pipe, Sequence};

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
    /// Nobody said anything: the gateway has something to tell, by a text that authors know.
    Signal(Signal),
}

/// What the gateway tells an assistant in place of a user's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The assistant ordered `smsActForceNoInputTurn`.
    NoInput,
    /// The user was silent for the session timeout; the session ends after this turn.
    SessionTimeout,
}

impl Signal {
    /// The reserved `input.text` by which IBM's gateways tell it.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::NoInput => "smsNoInputTurn",
            Self::SessionTimeout => "smsResponseTimeout",
        }
    }
}

impl AskInput {
    /// The words for an assistant that knows only text; empty at a start.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Choice { text, .. } => text,
            Self::Start => "",
            Self::Signal(signal) => signal.text(),
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
    /// This turn may have been asked before, in this process or in one that died.
    pub repeated: bool,
    /// Where the session has been switched to with `smsActSetConversationConfig`.
    pub config: Option<ConversationConfig>,
    /// Variables that a premessage webhook has set: they go where the gateway's own go.
    pub extra: Map<String, Value>,
    /// How long to wait before asking, because an earlier attempt failed.
    pub delay: Duration,
    /// How long the assistant may take from the moment the request is written.
    pub timeout: Duration,
}

impl Question {
    /// A question that belongs to no conversation: the assistant speaks first, to nobody. Our own number stands for the user's, so
    /// that nobody's is told.
    #[must_use]
    pub fn trial(number: &Address, seed: Uuid, timeout: Duration) -> Self {
        let variables = Variables {
            tenant: number.clone(),
            user: number.clone(),
            session: Uuid::new_v5(&seed, b"session"),
            user_data: None,
            session_timeout: None,
            error: None,
            media: Vec::new(),
        };
        Self {
            token: Token { turn: Sequence(0), attempt: 1 },
            turn_id: Uuid::new_v5(&seed, b"turn"),
            key: ConversationKey { tenant: number.clone(), user: number.clone() },
            input: AskInput::Start,
            variables,
            state: None,
            repeated: false,
            config: None,
            extra: Map::new(),
            delay: Duration::ZERO,
            timeout,
        }
    }
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

/// A user's text on its way to a voice gateway, through an open pipe.
#[derive(Clone, Debug)]
pub struct Forward {
    /// Which attempt at which turn.
    pub token: Token,
    /// The same for every attempt: an idempotency key for the voice gateway.
    pub turn_id: Uuid,
    /// Who texted whom.
    pub key: ConversationKey,
    /// The pipe.
    pub pipe: Pipe,
    /// The text, as it was typed.
    pub body: String,
    /// Media that came with it.
    pub media: Vec<Media>,
    /// When it was accepted.
    pub accepted_at: UnixMillis,
    /// How long to wait before trying, because an earlier attempt failed.
    pub delay: Duration,
    /// How long one attempt may take.
    pub timeout: Duration,
}

/// How a medium can be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaVerdict {
    /// The provider takes it.
    AsMedia,
    /// The provider would not take it: its address goes into the text.
    AsLink {
        /// Why.
        reason: String,
    },
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
