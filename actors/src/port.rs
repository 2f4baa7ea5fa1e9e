//! The ports: the traits that an edge of the gateway implements, and nothing else. Their words are the core's.

use std::time::Duration;

use async_trait::async_trait;
use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::effect::{Consumed, Notice};
use raconteur_conversation::policy::{LoopGuard, MediaCheck, Switchable};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{
    Answer, AskError, Forward, Lookup, MediaVerdict, OutboundId, OutboundMessage, ProviderId, Question, Repeat,
    RowState, SendError, SessionEnd,
};
use ractor::RpcReplyPort;

/// Who carries texts. Stateless: what must be remembered is in the store.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Hands one text to the provider. It needs no retries and no timeout of its own: the caller has both.
    ///
    /// # Errors
    /// By what the caller can do; only an error that proves that the provider did not take the text may be anything but
    /// [`SendError::Unknown`].
    async fn send(&self, message: &OutboundMessage) -> Result<ProviderId, SendError>;

    /// Reads the provider's own log of what went from our number to the user, newest first, back to `since`.
    async fn find(&self, message: &OutboundMessage, since: UnixMillis) -> Lookup {
        let _ = (message, since);
        Lookup::Unsupported
    }

    /// Whether a send of unknown outcome may be repeated.
    fn repeat(&self) -> Repeat {
        Repeat::Never
    }

    /// The longest text it takes, in UTF-16 code units.
    fn text_max(&self) -> usize {
        1_600
    }

    /// How many media it takes with one text.
    fn media_max(&self) -> usize {
        10
    }

    /// Whether the provider itself answers a user who stops our texts or wants them again: then the gateway does not.
    fn answers_keywords(&self) -> bool {
        false
    }

    /// How many texts to one user its provider takes before it takes them for a loop and fails those that follow; `None` where it does not
    /// look. The gateway stays below.
    fn loop_guard(&self) -> Option<LoopGuard> {
        None
    }

    /// Whether [`Transport::judge_media`] has anything to say.
    fn media_check(&self) -> MediaCheck {
        MediaCheck::No
    }

    /// Whether the provider would take a medium; asked before the text is committed. It may look at what lies at the address, and need
    /// not be right: what the provider then refuses fails as a text.
    async fn judge_media(&self, url: &str) -> MediaVerdict {
        let _ = url;
        MediaVerdict::AsMedia
    }
}

/// Who answers. Stateless: what it must remember between turns it returns as [`Answer::state`] and gets back with the next question.
#[async_trait]
pub trait Assistant: Send + Sync + 'static {
    /// Answers one question. It needs no retries and no timeout of its own: the caller drops the future at `question.timeout`.
    ///
    /// # Errors
    /// By what the caller can do.
    async fn ask(&self, question: &Question) -> Result<Answer, AskError>;

    /// How much longer than `question.timeout` one ask may take, for what surrounds the assistant's own work, such as webhooks. An
    /// assistant that says so keeps to `question.timeout` by itself where it is the assistant that is waited for.
    fn allowance(&self) -> Duration {
        Duration::ZERO
    }

    /// Whether it follows [`Question::config`].
    fn switchable(&self) -> Switchable {
        Switchable::No
    }

    /// Is told that a session is over. Best effort; an error is of no interest to anybody.
    async fn end(&self, end: &SessionEnd) {
        let _ = end;
    }
}

/// Who hands users' texts to the voice gateways that have opened pipes.
#[async_trait]
pub trait Forwarder: Send + Sync + 'static {
    /// Hands over one text. It needs no retries and no timeout of its own.
    ///
    /// # Errors
    /// By what the caller can do.
    async fn forward(&self, forward: &Forward) -> Result<(), AskError>;
}

/// Something that has happened in a conversation, and is durable where it had to be.
#[derive(Debug)]
pub enum Event<'a> {
    /// A work record is answered; its rows are on their way.
    Answered(&'a Consumed),
    /// A text of ours has come to its end.
    Settled(OutboundId, &'a RowState),
    /// A session is over.
    SessionEnded(&'a SessionEnd),
    /// Something that an operator may want to know.
    Noted(&'a Notice),
}

/// Is told of everything that happens. It must not wait: it is called by the conversations themselves.
pub trait Observer: Send + Sync + 'static {
    /// One thing.
    fn observe(&self, key: &ConversationKey, event: &Event<'_>);
}

/// Where time and randomness come from.
pub trait Clock: Send + Sync + 'static {
    /// The wall-clock time. It may go back.
    fn now(&self) -> UnixMillis;

    /// Fresh random bits.
    fn seed(&self) -> u128;
}

/// What a transport that is an actor of the user's own understands.
#[derive(Debug)]
pub enum TransportMsg {
    /// Send this text and say what became of it.
    Send(OutboundMessage, RpcReplyPort<Result<ProviderId, SendError>>),
    /// Read the provider's log, as [`Transport::find`].
    Find(OutboundMessage, UnixMillis, RpcReplyPort<Lookup>),
}
