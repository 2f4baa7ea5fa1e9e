//! Everything that is kept of one person in one conversation, as JSON lines: what `GET …/users/{user}/export` and
//! `raconteur store person export` write. docs/privacy.md has the schema.
//!
//! It is read in pages, one after another, while the conversation goes on: what changes meanwhile may be seen either way. Memory holds
//! one page, however long the transcript is. Credentials that an assistant has put into the session are left out.

use std::sync::Arc;

use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::session::Session;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{OutboundRow, Sequence, Work};
use raconteur_conversation::{Conversation, View};
use raconteur_storage::{DeadLetter, Pending, Store, StoreError, TranscriptTurn};
use serde_json::{Value, json};

/// The version of the schema, which stands in the first line.
pub const SCHEMA: u32 = 1;

/// How many records are read at once: each may be large.
const PAGE: usize = 20;

/// An export under way.
pub struct Export {
    store: Arc<dyn Store>,
    key: ConversationKey,
    now: UnixMillis,
    stage: Stage,
    lines: u64,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Head,
    State,
    /// Newest first, from before this one on.
    Turns(Option<Sequence>),
    Pending(Option<Sequence>),
    Letters(Option<Sequence>),
    End,
    Done,
}

impl Export {
    /// Begins an export of one conversation, at `now`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, key: ConversationKey, now: UnixMillis) -> Self {
        Self { store, key, now, stage: Stage::Head, lines: 0 }
    }

    /// The next lines, each with its newline; `None` at the end. An export without an `end` line was cut off.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let lines = match self.stage {
            Stage::Head => {
                self.stage = Stage::State;
                let ConversationKey { tenant, user } = &self.key;
                vec![json!({"raconteur_person": SCHEMA, "tenant": tenant, "user": user, "exported_at_ms": self.now})]
            }
            Stage::State => {
                self.stage = Stage::Turns(None);
                let snapshot = self.store.snapshot(&self.key).await?;
                let view = snapshot.and_then(|snapshot| Conversation::view(&snapshot).ok());
                vec![json!({"state": state(view.unwrap_or_default())})]
            }
            Stage::Turns(before) => {
                let turns = self.store.transcript(&self.key, before, PAGE).await?;
                self.stage = turns.last().map_or(Stage::Pending(None), |turn| Stage::Turns(Some(turn.sequence)));
                turns.iter().map(|turn| json!({"turn": whole_turn(turn)})).collect()
            }
            Stage::Pending(after) => {
                let pending = self.store.pending(&self.key, after, PAGE).await?;
                self.stage = pending.last().map_or(Stage::Letters(None), |last| Stage::Pending(Some(last.sequence())));
                pending.iter().map(waiting).collect()
            }
            Stage::Letters(after) => {
                let letters = self.store.dead_letters(after, PAGE).await?;
                self.stage = letters.last().map_or(Stage::End, |last| Stage::Letters(Some(last.sequence)));
                let own = letters.iter().filter(|letter| letter.key.as_ref() == Some(&self.key));
                own.map(|letter| json!({"dead_letter": dead_letter(letter)})).collect()
            }
            Stage::End => {
                self.stage = Stage::Done;
                vec![json!({"end": {"lines": self.lines + 1}})]
            }
            Stage::Done => return Ok(None),
        };
        self.lines += lines.len() as u64;
        Ok(Some(lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect()))
    }
}

fn state(view: View) -> Value {
    let View { session, pipe, stopped_at, taken_over } = view;
    let taken_over = taken_over.map(|taken| json!({"by": taken.by, "until_ms": taken.until}));
    let pipe = pipe.map(|pipe| json!({"id": pipe.id, "expires_at_ms": pipe.expires_at}));
    json!({"stopped_at_ms": stopped_at, "session": session.map(open_session), "pipe": pipe,
        "taken_over": taken_over})
}

fn open_session(session: Session) -> Value {
    let error = session.error.map(|error| json!({"code": error.code, "message": error.message, "at_ms": error.at}));
    let list: Vec<&str> = session.list.iter().map(|choice| choice.label.as_str()).collect();
    json!({
        "session_id": session.id, "opened_at_ms": session.opened_at, "active_at_ms": session.clock_from,
        "turns": session.turns, "user_data": session.user_data, "list": list, "error": error,
        "switched": session.config.is_some(),
        "assistant": session.state.as_ref().map(|state| &state.assistant),
        "context": session.state.as_ref().map(|state| &state.data),
    })
}

/// A turn as the REST interface shows it, and what that leaves out.
pub(crate) fn whole_turn(turn: &TranscriptTurn) -> Value {
    let mut shown = shown_turn(turn);
    shown["media"] = json!([]);
    said(&mut shown, &turn.work);
    shown
}

/// One turn: what came in, what went out and what became of it. Media that came in are only counted.
pub(crate) fn shown_turn(turn: &TranscriptTurn) -> Value {
    let (text, media) = if let Work::Message(message) = &turn.work {
        (Some(message.body.as_str()), message.media.len())
    } else {
        (None, 0)
    };
    let texts: Vec<Value> = turn
        .rows
        .iter()
        .map(|row| {
            let mut shown = shown_row(&row.row);
            shown["delivery"] = row.delivery.as_ref().map(|delivery| json!(delivery.status)).into();
            shown
        })
        .collect();
    let mut shown = json!({
        "id": turn.sequence.to_string(), "kind": kind(&turn.work), "text": text, "media": media, "session_id": turn.session,
        "accepted_at_ms": turn.accepted_at.0, "answered_at_ms": turn.answered_at.0, "asks": turn.asks,
        "error": turn.error, "texts": texts,
    });
    if let Some(turn) = turn.answered_with {
        shown["answered_with"] = turn.to_string().into();
    }
    shown
}

fn shown_row(row: &OutboundRow) -> Value {
    let mut shown = json!({"id": row.id, "text": row.body, "media": row.media});
    // The state writes itself with what belongs to it: a code, a provider's id.
    if let (Value::Object(shown), Ok(Value::Object(state))) = (&mut shown, serde_json::to_value(&row.state)) {
        shown.extend(state);
    }
    shown
}

fn kind(work: &Work) -> &'static str {
    match work {
        Work::Message(_) => "text",
        Work::Start(_) => "start",
        Work::End => "end",
        Work::DeliveryFailed(_) => "delivery_failed",
        Work::Send(_) => "send",
        Work::OpenPipe(_) => "open_pipe",
        Work::ClosePipe { .. } => "close_pipe",
        Work::Erase => "erase",
        Work::Preference(_) => "preference",
        Work::TakeOver(_) => "take_over",
        Work::HandBack => "hand_back",
        Work::NoInput { .. } => "no_input",
        Work::TimedOut { .. } => "timeout",
    }
}

/// Adds what was asked for, word by word.
fn said(shown: &mut Value, work: &Work) {
    shown["kind"] = kind(work).into();
    match work {
        Work::Message(message) => {
            shown["text"] = message.body.as_str().into();
            shown["media"] = json!(message.media);
        }
        Work::Start(start) => {
            shown["text"] = json!(start.text);
            shown["user_data"] = json!(start.user_data);
        }
        Work::Send(send) => {
            shown["text"] = send.body.as_str().into();
            shown["media"] = json!(send.media);
        }
        Work::DeliveryFailed(failure) => {
            shown["failed_text"] = json!({"id": failure.outbound, "code": failure.code, "reason": failure.reason});
        }
        Work::Preference(keyword) => shown["preference"] = json!(keyword),
        Work::TakeOver(wanted) => shown["by"] = wanted.by.as_str().into(),
        Work::End
        | Work::OpenPipe(_)
        | Work::ClosePipe { .. }
        | Work::Erase
        | Work::HandBack
        | Work::NoInput { .. }
        | Work::TimedOut { .. } => {}
    }
}

pub(crate) fn waiting(pending: &Pending) -> Value {
    match pending {
        Pending::Unread(record) => {
            let mut shown = json!({"id": record.sequence.to_string(), "accepted_at_ms": record.accepted_at});
            said(&mut shown, &record.work);
            json!({"unread": shown})
        }
        Pending::Unsettled { sequence, rows } => {
            let texts: Vec<Value> = rows.iter().map(shown_row).collect();
            json!({"unsent": {"id": sequence.to_string(), "texts": texts}})
        }
    }
}

pub(crate) fn dead_letter(letter: &DeadLetter) -> Value {
    let id = letter.sequence.to_string();
    let mut shown = json!({"id": id, "at_ms": letter.at, "reason": letter.reason, "bytes": letter.bytes});
    if let Some(work) = &letter.work {
        said(&mut shown, work);
    }
    shown
}
