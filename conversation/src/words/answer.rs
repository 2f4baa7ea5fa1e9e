//! What an assistant answers, in neutral words: items to say, commands to carry out, variables to take over, state to keep.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// What an assistant wants kept between turns. Opaque to everybody else; committed with the turn.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AssistantState {
    /// The configured name of the assistant that wrote it: no other may read it.
    pub assistant: String,
    /// Its own JSON.
    pub data: Box<RawValue>,
}

impl PartialEq for AssistantState {
    fn eq(&self, other: &Self) -> bool {
        self.assistant == other.assistant && self.data.get() == other.data.get()
    }
}

/// One entry of a list that the user may choose from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Choice {
    /// What the user reads.
    pub label: String,
    /// What the assistant gets when the user chooses it: the entry's whole `value.input` object.
    pub input: Box<RawValue>,
}

impl PartialEq for Choice {
    fn eq(&self, other: &Self) -> bool {
        self.label == other.label && self.input.get() == other.input.get()
    }
}

/// One piece of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// Words. May hold HTML, which is reduced to readable text.
    Text(String),
    /// A list to choose from by number.
    Options {
        /// The question above the list.
        title: String,
        /// The entries, in order.
        choices: Vec<Choice>,
    },
    /// What the assistant thinks the user may have meant, to choose from by number. The chosen entry goes back whole.
    Suggestions {
        /// The question above the list.
        title: String,
        /// The entries, in order; "none of the above" may be one of them.
        choices: Vec<Choice>,
    },
    /// A picture, sound or video: sent along with the text, or as a link where the provider does not take it.
    Media(MediaItem),
    /// What a search has found.
    Search {
        /// The words above the results.
        header: String,
        /// The body of the first result; empty where there was none.
        body: String,
    },
    /// The user is sent elsewhere.
    ChannelTransfer {
        /// What to say.
        message: String,
        /// Where to go on; empty where the assistant named no place that a link could lead to.
        url: String,
    },
    /// A person is asked for.
    ConnectToAgent(AgentRequest),
    /// The session ends after this answer, as with `terminateSession`.
    EndSession,
    /// Something this channel cannot show. It is reported and does not spoil the turn.
    Unsupported {
        /// The assistant's name for it.
        response_type: String,
    },
}

/// A picture, sound or video that an assistant shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaItem {
    /// Its public address.
    pub source: String,
    /// What stands above it; may be empty.
    pub title: String,
    /// What is said about it; may be empty.
    pub description: String,
}

/// An assistant's wish that a person take over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentRequest {
    /// What the user is told when nobody can; may be empty.
    pub unavailable: String,
    /// What the user is told when somebody can; may be empty.
    pub available: String,
    /// What the person should know; may be empty.
    pub note: String,
}

/// A command as it stood on the wire: a name and parameters, not yet understood.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandCall {
    /// Such as `smsActSendMedia`.
    pub name: String,
    /// Its arguments; `null` where it had none.
    pub parameters: Value,
}

/// An assistant's whole answer to one question.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// What to say, in order.
    pub items: Vec<Item>,
    /// What to do, in order.
    pub commands: Vec<CommandCall>,
    /// `smsConversationResponseTimeout` as the assistant's context holds it, not yet checked; `None` where it is not set.
    pub response_timeout: Option<Value>,
    /// What to keep for the next turn; `None` keeps nothing.
    pub state: Option<AssistantState>,
}

/// Why an assistant gave no answer, by what can be done about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// Busy, unreachable or broken just now: worth another attempt.
    #[error("the assistant is not available: {reason}")]
    Unavailable {
        /// How long it asked us to wait, if it did.
        after: Option<Duration>,
        /// What happened.
        reason: String,
    },
    /// It will not answer this question, now or later.
    #[error("the assistant refused the question: {reason}")]
    Rejected {
        /// What it said.
        reason: String,
    },
    /// Our credentials, address or ids are wrong: an operator must act.
    #[error("the assistant is misconfigured: {reason}")]
    Misconfigured {
        /// What to mend.
        reason: String,
    },
    /// What it answered could not be understood.
    #[error("the assistant's answer makes no sense: {reason}")]
    Malformed {
        /// Where it stopped making sense.
        reason: String,
    },
    /// Its code panicked.
    #[error("the assistant panicked")]
    Panicked,
}
