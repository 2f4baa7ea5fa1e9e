//! The ports: the traits that an edge of the gateway implements, and nothing else. Their words are the core's.

use std::time::Duration;

use async_trait::async_trait;
use raconteur_conversation::address::{Address, ConversationKey};
use raconteur_conversation::effect::{Consumed, Notice};
use raconteur_conversation::policy::{LoopGuard, MediaCheck, Switchable};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{
    Answer, AskError, Forward, LogPage, LogUnreadable, LoggedText, Lookup, Media, MediaVerdict, OutboundId,
    OutboundMessage, ProviderId, Question, Receipt, Received, Repeat, RowState, SendError, Sequence, SessionEnd, Work,
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

    /// Whether [`Transport::received_since`] has anything to say.
    fn logs_received(&self) -> LogsReceived {
        LogsReceived::No
    }

    /// Reads the provider's own log of what users have sent to one of our numbers, newest first, back to `since`, one page at a time.
    /// A page that is asked for once more must have what it had. Pages follow each other without a pause.
    async fn received_since(&self, number: &Address, since: UnixMillis, page: Option<&LogPage>) -> Received {
        let _ = (number, since, page);
        Received::Unsupported
    }

    /// The media of a logged text that the log does not list.
    ///
    /// # Errors
    /// When they cannot be read just now. What is not there any more is no error.
    async fn media_of(&self, text: &LoggedText) -> Result<Vec<Media>, LogUnreadable> {
        let _ = text;
        Ok(Vec::new())
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

/// Whether a provider keeps a log of what users send to us that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogsReceived {
    /// It does not, or nobody wants it to be read.
    No,
    /// It does.
    Yes,
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
    /// Something was accepted, and waits.
    Accepted(Sequence, &'a Work),
    /// A work record is answered; its rows are on their way.
    Answered(&'a Consumed),
    /// A text of ours has come to its end.
    Settled(OutboundId, &'a RowState),
    /// The provider has said how far a text of ours has come.
    Receipt(&'a Receipt),
    /// A session is over.
    SessionEnded(&'a SessionEnd),
    /// Something that an operator may want to know.
    Noted(&'a Notice),
}

/// Something that has happened to the gateway as a whole, or to one of its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incident {
    /// A provider's request was turned away with what it brought.
    TurnedAway(TurnedAway),
    /// The provider's log of one number was read for texts that are missing.
    CaughtUp(CaughtUp),
    /// A message was put on the list of dead letters.
    SetAside,
}

/// Something that takes its time, with what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timed<'a> {
    /// A provider's request, answered with this status of HTTP.
    Request(u16),
    /// One question to an assistant.
    Ask(Result<(), &'a AskError>),
    /// One text for the provider.
    Send(Result<(), &'a SendError>),
    /// What one step of a conversation changes, until it is durable.
    Commit,
}

/// Why a provider's request was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnedAway {
    /// Its conversation has `inbox_max` unread texts.
    Inbox,
    /// There are `backlog_max` unread texts.
    Backlog,
    /// The disk has less than `min_free_bytes` left.
    Disk,
    /// There were too many requests or connections at once.
    Requests,
    /// It was not kept in time.
    TooSlow,
    /// The store has failed.
    Store,
}

impl TurnedAway {
    /// Every reason, as counters name it.
    pub const NAMES: [&'static str; 6] = ["inbox", "backlog", "disk", "requests", "too_slow", "store"];

    /// The reason in one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Backlog => "backlog",
            Self::Disk => "disk",
            Self::Requests => "requests",
            Self::TooSlow => "too_slow",
            Self::Store => "store",
        }
    }
}

/// What one reading of a provider's log has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaughtUp {
    /// Texts that were missing and are accepted now.
    pub taken: u64,
    /// Texts that had been accepted before.
    pub known: u64,
    /// Texts for which there is no room yet, or whose media cannot be read: they are looked for again.
    pub left: u64,
    /// Whether the log was read to its end.
    pub outcome: Reading,
}

/// How a reading of a provider's log ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// Nothing is missing any more.
    #[default]
    Complete,
    /// Something is left for the next one.
    Partial,
    /// The log could not be read.
    Unreadable,
}

impl Reading {
    /// Every outcome, as counters name it.
    pub const NAMES: [&'static str; 3] = ["complete", "partial", "unreadable"];

    /// The outcome in one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Is told of everything that happens. It must not wait: it is called by the conversations themselves.
pub trait Observer: Send + Sync + 'static {
    /// One thing that has happened in a conversation.
    fn observe(&self, key: &ConversationKey, event: &Event<'_>);

    /// One thing that has happened beside the conversations.
    fn observe_incident(&self, incident: &Incident) {
        let _ = incident;
    }

    /// How long something has taken. Of an ask or a send it is the call alone, without the wait for a place in the lane.
    fn observe_time(&self, what: Timed<'_>, took: Duration) {
        let _ = (what, took);
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
    /// Read the provider's log of what users have sent, as [`Transport::received_since`]; one that lists no media has none.
    ReceivedSince(Address, UnixMillis, Option<LogPage>, RpcReplyPort<Received>),
}
