//! How operators are shown sessions and turns: what others are shown, with times, segments and what is to be done by whom.

use raconteur_actors::control::OpenSession;
use raconteur_conversation::segment;
use raconteur_conversation::words::{RowState, TakeOver};
use raconteur_storage::{TranscriptRow, TranscriptTurn};
use serde_json::{Value, json};

use crate::http::control::reading::SessionShown;
use crate::person;

/// A session in a list.
pub(super) fn brief(open: &OpenSession) -> Value {
    let (id, opened_at) = (open.session.id, open.session.opened_at);
    json!({"session_id": id, "opened_at_ms": opened_at, "ends_at_ms": open.ends_at, "turns": open.session.turns})
}

/// A session by itself.
pub(super) fn whole(open: OpenSession) -> Value {
    let list: Vec<String> = open.session.list.iter().map(|choice| choice.label.clone()).collect();
    let mut shown = serde_json::to_value(SessionShown::from(open)).unwrap_or_default();
    shown["list"] = json!(list);
    shown
}

/// Who has taken a user over.
pub(super) fn taken_over(taken: &TakeOver) -> Value {
    json!({"by": taken.by, "until_ms": taken.until})
}

/// One turn with everything that the store has of it.
pub(super) fn turn(turn: &TranscriptTurn) -> Value {
    let mut shown = person::whole_turn(turn);
    shown["asked_at_ms"] = json!(turn.asked_at);
    shown["commands"] = json!(turn.commands);
    shown["texts"] = turn.rows.iter().map(text).collect();
    shown
}

fn text(shown: &TranscriptRow) -> Value {
    let TranscriptRow { row, delivery, sent_at } = shown;
    let counted = segment::segments(&row.body);
    let delivery = delivery.as_ref().map(|word| json!({"status": word.status, "at_ms": word.at, "code": word.code}));
    let mut text = json!({
        "id": row.id, "text": row.body, "media": row.media, "segments": counted.count(), "expires_at_ms": row.expires_at,
        "sent_at_ms": sent_at, "delivery": delivery, "can_be_resent": has_failed(shown),
    });
    if let (Value::Object(text), Ok(Value::Object(state))) = (&mut text, serde_json::to_value(&row.state)) {
        text.extend(state);
    }
    text
}

/// Whether a text has surely or perhaps not reached the user, so that it makes sense to send it once more.
pub(super) fn has_failed(shown: &TranscriptRow) -> bool {
    match &shown.row.state {
        RowState::Failed { .. } | RowState::GivenUp => true,
        RowState::Sent { .. } => shown.delivery.as_ref().is_some_and(|delivery| delivery.status.is_failure()),
        RowState::Queued
        | RowState::Held { .. }
        | RowState::Sending { .. }
        | RowState::Retry { .. }
        | RowState::Unknown { .. } => false,
    }
}
