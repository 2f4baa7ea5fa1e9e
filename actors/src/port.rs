//! The ports: the traits that an edge of the gateway implements, and nothing else. Their words are the core's.

use async_trait::async_trait;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{
    Answer, AskError, Lookup, OutboundMessage, ProviderId, Question, Repeat, SendError, SessionEnd,
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
}

/// Who answers. Stateless: what it must remember between turns it returns as [`Answer::state`] and gets back with the next question.
#[async_trait]
pub trait Assistant: Send + Sync + 'static {
    /// Answers one question. It needs no retries and no timeout of its own: the caller drops the future at `question.timeout`.
    ///
    /// # Errors
    /// By what the caller can do.
    async fn ask(&self, question: &Question) -> Result<Answer, AskError>;

    /// Is told that a session is over. Best effort; an error is of no interest to anybody.
    async fn end(&self, end: &SessionEnd) {
        let _ = end;
    }
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
