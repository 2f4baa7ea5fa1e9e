//! Dead letters: what was set aside, and why; to be given to its conversation once more, or discarded.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{Request, StatusCode};
use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::words::{Sequence, Work};
use raconteur_storage::DeadLetter;
use serde_json::{Value, json};

use crate::http::control::problem::Problem;
use crate::http::control::{Admitted, Desk, Params, Receipt, admit, json, next_of};
use crate::person;

pub(super) async fn list(state: State<Arc<Desk>>, params: Params, request: Request<Body>) -> Response {
    admit((state, params), request, |desk, admitted| async move {
        let (limit, after) = (admitted.limit(50, 200)?, admitted.sequence("after")?);
        let letters = desk.control.store().dead_letters(after, limit).await.map_err(Problem::unreadable)?;
        let next = next_of(&letters, limit, |letter| letter.sequence);
        let shown: Vec<Value> = letters.iter().map(shown).collect();
        json(StatusCode::OK, &json!({"dead_letters": shown, "next": next}))
    })
    .await
}

fn shown(letter: &DeadLetter) -> Value {
    let mut shown = person::dead_letter(letter);
    shown["tenant"] = json!(letter.key.as_ref().map(|key| &key.tenant));
    shown["user"] = json!(letter.key.as_ref().map(|key| &key.user));
    shown["retriable"] = retriable(letter).is_some().into();
    shown
}

/// Whose it is and what it was, where it can be given once more. What a conversation has told itself belongs to a moment that is over, and
/// a receipt is noted already.
fn retriable(letter: &DeadLetter) -> Option<(ConversationKey, Work)> {
    let (key, work) = letter.key.clone().zip(letter.work.clone())?;
    match work {
        Work::Message(_)
        | Work::Start(_)
        | Work::End
        | Work::Send(_)
        | Work::OpenPipe(_)
        | Work::ClosePipe { .. }
        | Work::Preference(_)
        | Work::TakeOver(_)
        | Work::HandBack
        | Work::Erase => Some((key, work)),
        Work::DeliveryFailed(_) | Work::NoInput { .. } | Work::TimedOut { .. } => None,
    }
}

impl Desk {
    async fn letter(&self, admitted: &Admitted) -> Result<DeadLetter, Problem> {
        let missing = || Problem::not_found("there is no such dead letter");
        let number: u64 = admitted.param("letter").parse().map_err(|_| missing())?;
        let before = number.checked_sub(1).map(Sequence).ok_or_else(missing)?;
        let found = self.control.store().dead_letters(Some(before), 1).await.map_err(Problem::unreadable)?;
        found.into_iter().find(|letter| letter.sequence.0 == number).ok_or_else(missing)
    }
}

pub(super) async fn retry(state: State<Arc<Desk>>, params: Params, request: Request<Body>) -> Response {
    admit((state, params), request, |desk, admitted| async move {
        let letter = desk.letter(&admitted).await?;
        let detail =
            "only a text or a request of a number that is ours can be given to its conversation again: discard it";
        let retriable = retriable(&letter).filter(|(key, _)| desk.control.is_ours(&key.tenant));
        let (key, work) = retriable.ok_or_else(|| Problem::conflict("not_retriable", detail))?;
        desk.write_down_of(&admitted, Some(&key), ("retry", Some(letter.sequence.to_string()))).await?;
        let taken = desk.control.retry(&letter, key, work).await?;
        json(StatusCode::ACCEPTED, &Receipt::from(taken))
    })
    .await
}

pub(super) async fn discard(state: State<Arc<Desk>>, params: Params, request: Request<Body>) -> Response {
    admit((state, params), request, |desk, admitted| async move {
        let letter = desk.letter(&admitted).await?;
        let subject = Some(letter.sequence.to_string());
        desk.write_down_of(&admitted, letter.key.as_ref(), ("discard", subject)).await?;
        let gone = desk.control.store().discard(letter.sequence).await.map_err(Problem::unreadable)?;
        json(StatusCode::OK, &json!({"id": letter.sequence.to_string(), "discarded": gone}))
    })
    .await
}
