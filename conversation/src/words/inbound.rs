//! What comes in: texts, control requests, receipts, and the record that keeps each until it is answered.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::address::ConversationKey;
use crate::keyword::Keyword;
use crate::time::UnixMillis;
use crate::words::{OutboundId, Receipt};

/// The place of one accepted input in the order of acceptance. Drawn from one counter per store, never reused.
///
/// Only every [`Sequence::STRIDE`]th number is drawn. Those between belong to what a conversation tells itself because of that
/// input: so it stands behind what caused it, ahead of all that was accepted later, and its number is known before it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequence(pub u64);

impl Sequence {
    /// How far drawn numbers lie apart.
    pub const STRIDE: u64 = 8;

    /// The next number in the chain of what a conversation tells itself; `None` at its end. The last number of a stride is not in
    /// the chain: see [`Sequence::of_timeout`].
    #[must_use]
    pub fn chained(self) -> Option<Self> {
        let next = self.0.checked_add(1)?;
        (next % Self::STRIDE < Self::STRIDE - 1 && next % Self::STRIDE > 0).then_some(Self(next))
    }

    /// The number before this one in such a chain; `None` for what nothing of the conversation's own has caused.
    #[must_use]
    pub fn cause(self) -> Option<Self> {
        let is_chained = (1..Self::STRIDE - 1).contains(&(self.0 % Self::STRIDE));
        is_chained.then(|| Self(self.0 - 1))
    }

    /// The number at the beginning of its chain.
    #[must_use]
    pub fn origin(self) -> Self {
        self.cause().map_or(self, |_| Self(self.0 - self.0 % Self::STRIDE))
    }

    /// The number for the turn that tells the assistant of a silent user, after the turn that has this number.
    #[must_use]
    pub fn of_timeout(self) -> Self {
        Self((self.0 / Self::STRIDE).saturating_mul(Self::STRIDE).saturating_add(Self::STRIDE - 1))
    }
}

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
    /// No webhook has brought it: it was found in the provider's log, and its place in the order of acceptance says nothing of when
    /// it was said.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub from_log: bool,
}

/// A request to open a session from our side: with a text of ours, or else with a turn in which the assistant speaks first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StartSession {
    /// Any JSON, handed to the assistant verbatim as `smsUserData`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data: Option<Box<RawValue>>,
    /// Replaces the tenant's session timeout in this session, and is told to the assistant as `smsSessionTimeoutCount`.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "humantime_serde::option")]
    pub timeout: Option<Duration>,
    /// What the user is sent first. With it the assistant is not asked before the user answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What if a session is open already.
    #[serde(default)]
    pub on_open: OnOpen,
}

/// What becomes of a session that is open when another is to be started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnOpen {
    /// It ends.
    #[default]
    Replace,
    /// It stays, and the request has no effect.
    Refuse,
}

/// Why a request to open a session had no effect, as the transcript shows it.
pub const SESSION_OPEN: &str = "a session is open, and on_open is refuse";

/// Where a text of ours may be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Within {
    /// At any time.
    Anywhere,
    /// Only while a session is open.
    Session,
    /// Only while this pipe is open.
    Pipe(Uuid),
}

/// A text of ours that no assistant wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendText {
    /// The text; may be empty when there are media.
    pub body: String,
    /// Public addresses of media to send along.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<String>,
    /// When it may be sent.
    pub within: Within,
}

/// A pipe: while it is open, the user's texts go to a voice gateway instead of the assistant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pipe {
    /// Names it.
    pub id: Uuid,
    /// Where the user's texts are posted.
    pub webhook: String,
    /// When it closes by itself; `None` never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<UnixMillis>,
}

impl Pipe {
    /// It has not closed by itself.
    #[must_use]
    pub fn is_open(&self, now: UnixMillis) -> bool {
        self.expires_at.is_none_or(|at| now < at)
    }
}

/// A person of ours who answers the user in place of the assistant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakeOver {
    /// Who, for those who look.
    pub by: String,
    /// When the assistant answers again by itself, should nobody hand the user back.
    pub until: UnixMillis,
}

impl TakeOver {
    /// It has not ended by itself.
    #[must_use]
    pub fn holds(&self, now: UnixMillis) -> bool {
        now < self.until
    }
}

/// Why a request to open a session had no effect while a person of ours answers the user, as the transcript shows it.
pub const TAKEN_OVER: &str = "a person has taken over, and the assistant is silent";

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
    /// Someone has a text sent. Consumed even while a turn is open, once the outbox has room.
    Send(SendText),
    /// A voice gateway takes over the user's texts. Consumed even while a turn is open.
    OpenPipe(Pipe),
    /// A voice gateway is through. Consumed even while a turn is open.
    ClosePipe {
        /// Which pipe.
        id: Uuid,
    },
    /// The provider says that the user has stopped our texts or wants them again, and has answered him itself. Consumed even while a
    /// turn is open.
    Preference(Keyword),
    /// Someone asks that everything be deleted that is kept of this person. Consumed even while a turn is open.
    Erase,
    /// A person of ours answers the user from now on, and the assistant is silent. Consumed even while a turn is open.
    TakeOver(TakeOver),
    /// The assistant is to answer again. Consumed even while a turn is open.
    HandBack,
    /// The conversation tells itself: the assistant ordered a turn without waiting for the user (`smsActForceNoInputTurn`).
    NoInput {
        /// In this session.
        session: Uuid,
    },
    /// The conversation tells itself: the user was silent for too long, and the assistant is told before the session ends.
    TimedOut {
        /// In this session.
        session: Uuid,
    },
}

/// In which order work is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precedence {
    /// In order of acceptance, one turn at a time.
    InTurn,
    /// As `InTurn`, but ahead of everything that was accepted.
    Own,
    /// At once, also while a turn is open.
    Control,
}

impl Work {
    /// In which order it is taken. A text that stops our texts goes first as well: that depends on the tenant's rules and is the
    /// conversation's own affair.
    #[must_use]
    pub fn precedence(&self) -> Precedence {
        match self {
            Self::Message(_) | Self::Start(_) => Precedence::InTurn,
            Self::NoInput { .. } | Self::TimedOut { .. } => Precedence::Own,
            Self::End
            | Self::DeliveryFailed(_)
            | Self::Send(_)
            | Self::OpenPipe(_)
            | Self::ClosePipe { .. }
            | Self::Preference(_)
            | Self::TakeOver(_)
            | Self::HandBack
            | Self::Erase => Precedence::Control,
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_leads_back_to_where_it_began_and_a_timeout_to_nothing() {
        let first = Sequence(80);
        let second = first.chained().unwrap();
        let third = second.chained().unwrap();
        assert_eq!((first.cause(), second.cause(), third.cause()), (None, Some(first), Some(second)));
        assert_eq!([first, second, third].map(Sequence::origin), [first; 3]);
        let silence = third.of_timeout();
        assert_eq!((silence.cause(), silence.origin()), (None, silence));
    }
}
