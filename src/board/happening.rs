//! One thing that has happened, as operators are told: its kind and what it concerns, and no word of what was said.

use raconteur_actors::port::Event;
use raconteur_conversation::effect::{Consumed, Notice, OptedOutBy};
use raconteur_conversation::words::{DeliveryStatus, OutboundId, Precedence, Receipt, RowState, Sequence, Work};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::metrics::end_reason;

/// What has happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    /// In a word, such as `turn.completed`.
    pub kind: &'static str,
    /// What belongs to it.
    pub data: Details,
}

/// What belongs to something that has happened. It becomes JSON where somebody hears of it, and not for every turn.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Details {
    /// Nothing more.
    Nothing {},
    /// A record was accepted.
    Accepted {
        /// Its number.
        #[serde(serialize_with = "as_text")]
        turn: Sequence,
    },
    /// A record was answered, well or not.
    Answered {
        /// The session that it belonged to.
        session_id: Option<Uuid>,
        /// How many texts answer it.
        texts: usize,
        /// How long that took since it was accepted.
        took_ms: u64,
        /// Its number.
        #[serde(serialize_with = "as_text")]
        turn: Sequence,
    },
    /// A text of ours is where it can be.
    Text {
        /// Which.
        text: OutboundId,
    },
    /// A text of ours was not sent.
    Failed {
        /// Why, by the provider's code.
        code: String,
        /// Which.
        text: OutboundId,
    },
    /// A provider's word on a text of ours.
    Receipt {
        /// Its code.
        code: String,
        /// The word.
        status: DeliveryStatus,
        /// On which.
        text: OutboundId,
    },
    /// A session is open.
    Started {
        /// Which.
        session_id: Uuid,
    },
    /// A session is over.
    Ended {
        /// Why.
        reason: &'static str,
        /// Which.
        session_id: Uuid,
    },
    /// Somebody wants no more of our texts.
    OptedOut {
        /// By whom we were told.
        by: &'static str,
    },
    /// A notice of the conversation's.
    Noticed {
        /// Its kind.
        notice: &'static str,
    },
}

fn as_text<S: Serializer>(turn: &Sequence, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(turn)
}

impl Happening {
    /// Every kind.
    pub const KINDS: [&'static str; 20] = [
        "text.received",
        "request.received",
        "turn.completed",
        "turn.failed",
        "request.completed",
        "message.sent",
        "message.failed",
        "message.unknown",
        "message.delivered",
        "message.undelivered",
        "message.status",
        "session.started",
        "session.ended",
        "user.opted_out",
        "user.opted_in",
        "user.erased",
        "conversation.taken_over",
        "conversation.handed_back",
        "agent.wanted",
        "notice",
    ];

    /// What an event is to operators; `None` where it is nothing.
    pub(crate) fn of(event: &Event<'_>) -> Option<Self> {
        let happening = match event {
            Event::Accepted(sequence, work) => {
                let kind = if matches!(work, Work::Message(_)) { "text.received" } else { "request.received" };
                Self { kind, data: Details::Accepted { turn: *sequence } }
            }
            Event::Answered(consumed) => answered(consumed),
            Event::Settled(id, state) => {
                let (kind, data) = match state {
                    RowState::Sent { .. } => ("message.sent", Details::Text { text: *id }),
                    RowState::Failed { code, .. } => {
                        ("message.failed", Details::Failed { code: code.clone(), text: *id })
                    }
                    RowState::GivenUp => ("message.unknown", Details::Text { text: *id }),
                    RowState::Queued
                    | RowState::Held { .. }
                    | RowState::Sending { .. }
                    | RowState::Retry { .. }
                    | RowState::Unknown { .. } => return None,
                };
                Self { kind, data }
            }
            Event::Receipt(receipt) => received(receipt),
            Event::SessionEnded(end) => {
                let data = Details::Ended { reason: end_reason(end.reason), session_id: end.session };
                Self { kind: "session.ended", data }
            }
            Event::Noted(notice) => return noted(notice),
        };
        Some(happening)
    }
}

fn answered(consumed: &Consumed) -> Happening {
    let record = &consumed.record;
    let took = consumed.answered_at.since(record.accepted_at).as_millis();
    let data = Details::Answered {
        session_id: consumed.session,
        texts: consumed.rows.len(),
        took_ms: u64::try_from(took).unwrap_or(u64::MAX),
        turn: record.sequence,
    };
    let kind = match (record.work.precedence(), &consumed.error) {
        (Precedence::Control, _) => "request.completed",
        (Precedence::InTurn | Precedence::Own, None) => "turn.completed",
        (Precedence::InTurn | Precedence::Own, Some(_)) => "turn.failed",
    };
    Happening { kind, data }
}

fn received(receipt: &Receipt) -> Happening {
    let kind = match receipt.status {
        DeliveryStatus::Delivered | DeliveryStatus::Read => "message.delivered",
        DeliveryStatus::Undelivered | DeliveryStatus::Failed => "message.undelivered",
        DeliveryStatus::Accepted | DeliveryStatus::Queued | DeliveryStatus::Sending | DeliveryStatus::Sent => {
            "message.status"
        }
    };
    let Receipt { outbound: text, status, code, .. } = receipt;
    Happening { kind, data: Details::Receipt { code: code.clone(), status: *status, text: *text } }
}

/// What stands in another event already is not told twice.
fn noted(notice: &Notice) -> Option<Happening> {
    let (kind, data) = match notice {
        Notice::SessionStarted { session, .. } => ("session.started", Details::Started { session_id: *session }),
        Notice::OptedOut { by: OptedOutBy::User } => ("user.opted_out", Details::OptedOut { by: "user" }),
        Notice::OptedOut { by: OptedOutBy::Provider } => ("user.opted_out", Details::OptedOut { by: "provider" }),
        Notice::OptedIn => ("user.opted_in", Details::Nothing {}),
        Notice::Erased { .. } => ("user.erased", Details::Nothing {}),
        Notice::TakenOver { .. } => ("conversation.taken_over", Details::Nothing {}),
        Notice::HandedBack { .. } => ("conversation.handed_back", Details::Nothing {}),
        Notice::AgentWanted { .. } => ("agent.wanted", Details::Nothing {}),
        Notice::TurnFailed { .. } | Notice::TextFailed { .. } => return None,
        Notice::UnknownCommand { .. }
        | Notice::MalformedCommand { .. }
        | Notice::BadResponseTimeout { .. }
        | Notice::UnsupportedItem { .. }
        | Notice::MediaAsLink { .. }
        | Notice::TooManyChainedTurns
        | Notice::CannotSwitch
        | Notice::NoSession { .. }
        | Notice::SlowedDown { .. }
        | Notice::HasStopped { .. }
        | Notice::NothingToActIn { .. }
        | Notice::TimeoutTurnSkipped
        | Notice::Switched
        | Notice::LateAnswer { .. }
        | Notice::AskAgain { .. }
        | Notice::TextInDoubt { .. } => ("notice", Details::Noticed { notice: notice.kind() }),
    };
    Some(Happening { kind, data })
}
