//! Everything that a conversation can order, in four kinds: questions, changes, acts and notes.

use std::sync::Arc;

use uuid::Uuid;

use crate::time::UnixMillis;
use crate::words::{
    Forward, OutboundId, OutboundMessage, OutboundRow, Question, RowState, Sequence, SessionEnd, Token, Work,
    WorkRecord,
};

/// One order.
#[derive(Debug)]
pub enum Effect {
    /// Ask the assistant.
    AskAssistant(Arc<Question>),
    /// Ask the transport which of these media it takes.
    CheckMedia {
        /// The attempt whose answer has them.
        token: Token,
        /// Their addresses.
        urls: Vec<String>,
    },
    /// Hand a user's text to the voice gateway that has opened a pipe.
    Forward(Box<Forward>),
    /// Ask the tenant's lane for room to send this text.
    RequestSlot {
        /// Which text.
        id: OutboundId,
        /// How many segments it takes.
        segments: u32,
    },
    /// Ask the provider's log whether this text was taken.
    ReadLog(Box<OutboundMessage>),

    /// The work record is answered: replace it by its outbound rows, and write its page of the transcript.
    Consume(Box<Consumed>),
    /// A row has a new state.
    Mark {
        /// Which.
        id: OutboundId,
        /// The state.
        state: RowState,
    },
    /// The snapshot has changed.
    Save,
    /// Put this work record on the list of dead letters. A [`Effect::Consume`] of the same record follows.
    SetAside {
        /// The record.
        record: Box<WorkRecord>,
        /// Why.
        reason: String,
    },

    /// Delete what is kept of this conversation. What was ordered before it in the same step goes with it; what follows belongs to a
    /// new life.
    Erase(Erasure),

    /// The conversation tells itself something: keep this record with the step, as if it had been accepted.
    Enqueue(Box<WorkRecord>),

    /// Hand this text to the provider.
    Send(Box<OutboundMessage>),
    /// Tell the assistant and the world that a session is over.
    EndSession(Box<SessionEnd>),

    /// Something that an operator may want to know.
    Report(Notice),
}

/// What is to be done with an [`Effect`], and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// May leave at once.
    Question,
    /// Must be durable before any act of the same step.
    Change,
    /// Only after the changes.
    Act,
    /// For logs and metrics.
    Note,
}

impl Effect {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::AskAssistant(_)
            | Self::CheckMedia { .. }
            | Self::Forward(_)
            | Self::RequestSlot { .. }
            | Self::ReadLog(_) => Kind::Question,
            Self::Consume(_)
            | Self::Mark { .. }
            | Self::Save
            | Self::SetAside { .. }
            | Self::Erase(_)
            | Self::Enqueue(_) => Kind::Change,
            Self::Send(_) | Self::EndSession(_) => Kind::Act,
            Self::Report(_) => Kind::Note,
        }
    }
}

/// An answered work record.
#[derive(Clone, Debug)]
pub struct Consumed {
    /// The record.
    pub record: WorkRecord,
    /// The session it belonged to.
    pub session: Option<Uuid>,
    /// When the assistant, or a voice gateway, was first asked for it; `None` where nobody was.
    pub asked_at: Option<UnixMillis>,
    /// When it was answered.
    pub answered_at: UnixMillis,
    /// How often the assistant was asked for it.
    pub asks: u32,
    /// What the assistant has ordered in its answer, by name, known or not.
    pub commands: Vec<String>,
    /// Why it failed; `None` when it did not.
    pub error: Option<String>,
    /// The turn that it was gathered into and is answered with; `None` where it is a turn of its own.
    pub answered_with: Option<Sequence>,
    /// What is to be sent for it, in order.
    pub rows: Vec<OutboundRow>,
}

/// What is to be deleted, and what stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// Everything that was accepted up to this number goes, and what came of it.
    pub upto: Sequence,
    /// What stays.
    pub remains: Remains,
}

/// What stays of a conversation that was erased. It names nobody and quotes nothing, and is kept where only those find it who know the
/// numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remains {
    /// A snapshot for [`crate::Conversation::restore`].
    pub snapshot: Vec<u8>,
    /// How long it is kept.
    pub kept: Kept,
}

/// How long remains are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// As long as the ids by which repeated texts are recognised.
    ForAWhile,
    /// Until the user comes back: he has stopped our texts.
    Lastingly,
}

/// Something an operator may want to know. None of these spoils a turn.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// The assistant ordered something that nobody knows.
    UnknownCommand {
        /// Its name.
        name: String,
    },
    /// The assistant ordered something known in a way that makes no sense.
    MalformedCommand {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `smsConversationResponseTimeout` is not a number of milliseconds between 100 and 120,000; it is ignored.
    BadResponseTimeout {
        /// What it was.
        value: String,
    },
    /// An item that a text message cannot show.
    UnsupportedItem {
        /// The assistant's name for it.
        response_type: String,
    },
    /// An assistant wants a person to take over, and nobody can: the user was told so.
    AgentWanted {
        /// What the person should know.
        note: String,
    },
    /// A medium goes as a link, since the provider would not take it.
    MediaAsLink {
        /// Why.
        reason: String,
    },
    /// The assistant ordered one turn without the user after another, more often than `max_chained_turns`.
    TooManyChainedTurns,
    /// `smsActSetConversationConfig` was ordered from an assistant that cannot be switched.
    CannotSwitch,
    /// A text came while no session was open, and texts open none.
    NoSession {
        /// Which.
        sequence: Sequence,
    },
    /// The user texts faster than one user may: this text waits for its turn.
    SlowedDown {
        /// Which.
        sequence: Sequence,
    },
    /// The user wants none of our texts from now on.
    OptedOut {
        /// Who says so.
        by: OptedOutBy,
    },
    /// The user wants our texts again.
    OptedIn,
    /// Nothing is asked and nothing is sent for this, since the user wants none of our texts.
    HasStopped {
        /// For which record.
        sequence: Sequence,
    },
    /// A request of ours found no session or no pipe to act in.
    NothingToActIn {
        /// Which.
        sequence: Sequence,
        /// Why.
        reason: &'static str,
    },
    /// A timeout turn would have come so late that it was left out, or had no number that is surely free.
    TimeoutTurnSkipped,
    /// Everything that was kept of the user was deleted, as a request wanted.
    Erased {
        /// Which.
        sequence: Sequence,
    },
    /// A person of ours answers the user from now on.
    TakenOver {
        /// By which request.
        sequence: Sequence,
    },
    /// The assistant answers the user again.
    HandedBack {
        /// By which request.
        sequence: Sequence,
    },
    /// The session has another assistant from now on.
    Switched,
    /// An answer came after it was no longer asked for.
    LateAnswer {
        /// Which.
        token: Token,
    },
    /// An attempt at a turn failed; another follows.
    AskAgain {
        /// The failed attempt.
        token: Token,
        /// Why it failed.
        reason: String,
    },
    /// A turn failed; the user gets the failure message.
    TurnFailed {
        /// Which.
        token: Token,
        /// Why.
        reason: String,
    },
    /// A text will not reach the user.
    TextFailed {
        /// Which.
        id: OutboundId,
        /// The provider's code or ours.
        code: String,
        /// In plain words.
        reason: String,
    },
    /// A text is in doubt: the provider's log is asked.
    TextInDoubt {
        /// Which.
        id: OutboundId,
        /// Why.
        reason: String,
    },
    /// A session was opened.
    SessionStarted {
        /// Its GUID.
        session: Uuid,
        /// What opened it.
        by: StartedBy,
    },
}

impl Notice {
    /// Every kind of notice.
    pub const KINDS: [&str; 25] = [
        "unknown_command",
        "malformed_command",
        "bad_response_timeout",
        "unsupported_item",
        "agent_wanted",
        "media_as_link",
        "too_many_chained_turns",
        "cannot_switch",
        "no_session",
        "nothing_to_act_in",
        "timeout_turn_skipped",
        "erased",
        "taken_over",
        "handed_back",
        "switched",
        "slowed_down",
        "opted_out",
        "opted_in",
        "has_stopped",
        "late_answer",
        "ask_again",
        "turn_failed",
        "text_failed",
        "text_in_doubt",
        "session_started",
    ];

    /// One word for it, for reports and metrics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::UnknownCommand { .. } => "unknown_command",
            Self::MalformedCommand { .. } => "malformed_command",
            Self::BadResponseTimeout { .. } => "bad_response_timeout",
            Self::UnsupportedItem { .. } => "unsupported_item",
            Self::AgentWanted { .. } => "agent_wanted",
            Self::MediaAsLink { .. } => "media_as_link",
            Self::TooManyChainedTurns => "too_many_chained_turns",
            Self::CannotSwitch => "cannot_switch",
            Self::NoSession { .. } => "no_session",
            Self::NothingToActIn { .. } => "nothing_to_act_in",
            Self::TimeoutTurnSkipped => "timeout_turn_skipped",
            Self::Erased { .. } => "erased",
            Self::TakenOver { .. } => "taken_over",
            Self::HandedBack { .. } => "handed_back",
            Self::Switched => "switched",
            Self::SlowedDown { .. } => "slowed_down",
            Self::OptedOut { .. } => "opted_out",
            Self::OptedIn => "opted_in",
            Self::HasStopped { .. } => "has_stopped",
            Self::LateAnswer { .. } => "late_answer",
            Self::AskAgain { .. } => "ask_again",
            Self::TurnFailed { .. } => "turn_failed",
            Self::TextFailed { .. } => "text_failed",
            Self::TextInDoubt { .. } => "text_in_doubt",
            Self::SessionStarted { .. } => "session_started",
        }
    }
}

/// Who says that a user wants none of our texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptedOutBy {
    /// He himself, by a keyword.
    User,
    /// The provider, which has heard it from him.
    Provider,
}

/// As much of a word that an assistant has made up as a notice has room for.
pub(crate) fn in_short(word: &str) -> String {
    word.trim().chars().take(80).collect()
}

/// What opened a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartedBy {
    /// A text from the user.
    User,
    /// A request from our side.
    Request,
}

impl From<&Work> for StartedBy {
    fn from(work: &Work) -> Self {
        match work {
            Work::Message(_) => Self::User,
            Work::Start(_)
            | Work::End
            | Work::DeliveryFailed(_)
            | Work::Send(_)
            | Work::OpenPipe(_)
            | Work::ClosePipe { .. }
            | Work::Preference(_)
            | Work::TakeOver(_)
            | Work::HandBack
            | Work::Erase
            | Work::NoInput { .. }
            | Work::TimedOut { .. } => Self::Request,
        }
    }
}
