//! One thing that has happened, as operators are told: its kind and what it concerns, and no word of what was said.

use raconteur_actors::port::Event;
use raconteur_conversation::effect::{Consumed, Notice, OptedOutBy};
use raconteur_conversation::words::{DeliveryStatus, EndReason, Precedence, Receipt, RowState, Work};
use serde_json::{Value, json};

/// What has happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    /// In a word, such as `turn.completed`.
    pub kind: &'static str,
    /// What belongs to it.
    pub data: Value,
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
                Self { kind, data: json!({"turn": sequence.to_string()}) }
            }
            Event::Answered(consumed) => answered(consumed),
            Event::Settled(id, state) => {
                let (kind, data) = match state {
                    RowState::Sent { .. } => ("message.sent", json!({"text": id})),
                    RowState::Failed { code, .. } => ("message.failed", json!({"text": id, "code": code})),
                    RowState::GivenUp => ("message.unknown", json!({"text": id})),
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
                let data = json!({"session_id": end.session, "reason": reason(end.reason)});
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
    let data = json!({
        "turn": record.sequence.to_string(), "session_id": consumed.session, "texts": consumed.rows.len(),
        "took_ms": u64::try_from(took).unwrap_or(u64::MAX),
    });
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
    Happening { kind, data: json!({"text": receipt.outbound, "status": receipt.status, "code": receipt.code}) }
}

/// What stands in another event already is not told twice.
fn noted(notice: &Notice) -> Option<Happening> {
    let (kind, data) = match notice {
        Notice::SessionStarted { session, .. } => ("session.started", json!({"session_id": session})),
        Notice::OptedOut { by: OptedOutBy::User } => ("user.opted_out", json!({"by": "user"})),
        Notice::OptedOut { by: OptedOutBy::Provider } => ("user.opted_out", json!({"by": "provider"})),
        Notice::OptedIn => ("user.opted_in", json!({})),
        Notice::Erased { .. } => ("user.erased", json!({})),
        Notice::TakenOver { .. } => ("conversation.taken_over", json!({})),
        Notice::HandedBack { .. } => ("conversation.handed_back", json!({})),
        Notice::AgentWanted { .. } => ("agent.wanted", json!({})),
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
        | Notice::TextInDoubt { .. } => ("notice", json!({"notice": notice.kind()})),
    };
    Some(Happening { kind, data })
}

fn reason(reason: EndReason) -> &'static str {
    crate::metrics::end_reason(reason)
}
