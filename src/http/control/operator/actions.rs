//! What operators do with one conversation that nobody else does: take it over, hand it back, text in it, send a failed text once more.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{Request, StatusCode};
use raconteur_actors::control;
use raconteur_conversation::words::{OutboundId, SendText, Sequence, TakeOver, Within, Work};

use super::shown;
use crate::http::control::body::Fields;
use crate::http::control::problem::Problem;
use crate::http::control::requests::text_of;
use crate::http::control::{Desk, Params, Receipt, admit, json};

const SEND: &str = r#"{"text": "This is Ada. How can I help?"}"#;
const TAKE_OVER: &str = r#"{"for_s": 43200}"#;

/// How long a user is taken over where the request does not say.
const TAKEN_FOR: Duration = Duration::from_secs(12 * 3_600);

/// And the longest that it may say.
const TAKEN_FOR_MAX: Duration = Duration::from_secs(30 * 86_400);

pub(super) async fn take_over(state: State<Arc<Desk>>, params: Params, request: Request<Body>) -> Response {
    admit((state, params), request, |desk, admitted| async move {
        let fields = Fields::read(&admitted.body, &["for_s"], TAKE_OVER)?;
        let span = fields.seconds("for_s")?.unwrap_or(TAKEN_FOR);
        if span > TAKEN_FOR_MAX {
            let days = TAKEN_FOR_MAX.as_secs() / 86_400;
            return Err(Problem::invalid(format!("\"for_s\" is more than {days} days: send {TAKE_OVER}")));
        }
        let key = admitted.conversation()?;
        desk.note(&admitted, ("take_over", None)).await?;
        let (by, until) = (admitted.who.name.chars().take(100).collect(), desk.control.now().plus(span));
        let taken = desk.take(&admitted, &key, Work::TakeOver(TakeOver { by, until })).await?;
        let done = desk.outcome(&admitted, &key, taken).await.is_some();
        json(if done { StatusCode::OK } else { StatusCode::ACCEPTED }, &Receipt::from(taken))
    })
    .await
}

pub(super) async fn hand_back(state: State<Arc<Desk>>, params: Params, request: Request<Body>) -> Response {
    admit((state, params), request, |desk, admitted| async move {
        let key = admitted.conversation()?;
        desk.note(&admitted, ("hand_back", None)).await?;
        let taken = desk.take(&admitted, &key, Work::HandBack).await?;
        match desk.outcome(&admitted, &key, taken).await {
            Some(turn) if turn.error.is_some() => {
                Err(Problem::conflict("not_taken_over", "nobody has taken this user over"))
            }
            Some(_) => json(StatusCode::OK, &Receipt::from(taken)),
            None => json(StatusCode::ACCEPTED, &Receipt::from(taken)),
        }
    })
    .await
}

/// Whether or not the user is taken over, and a session is open.
pub(super) async fn send(state: State<Arc<Desk>>, params: Params, request: Request<Body>) -> Response {
    admit((state, params), request, |desk, admitted| async move {
        let fields = Fields::read(&admitted.body, &["text", "media"], SEND)?;
        let (key, text) = (admitted.conversation()?, text_of(&fields, Within::Anywhere)?);
        desk.note(&admitted, ("send", None)).await?;
        desk.send(&admitted, &key, text).await
    })
    .await
}

/// As a new text: what became of the failed one stays as it is. Once only; what fails again may be sent again itself.
pub(super) async fn resend(state: State<Arc<Desk>>, params: Params, request: Request<Body>) -> Response {
    admit((state, params), request, |desk, admitted| async move {
        let key = admitted.conversation()?;
        let id: OutboundId = admitted
            .param("text")
            .parse()
            .map_err(|error| Problem::invalid(format!("the text in the path: {error}")))?;
        let page = desk.control.transcript(&key, Some(Sequence(id.turn.0.saturating_add(1))), 1).await?;
        let rows = page.into_iter().filter(|turn| turn.sequence == id.turn).flat_map(|turn| turn.rows);
        let found = rows.into_iter().find(|row| row.row.id == id);
        let failed = found.ok_or_else(|| Problem::not_found("there is no such text in this conversation"))?;
        if !shown::has_failed(&failed) {
            let detail = "the text has arrived, or may still: only one that has failed is sent once more";
            return Err(Problem::conflict("not_failed", detail));
        }
        desk.note(&admitted, ("resend", Some(id.to_string()))).await?;
        let work = Work::Send(SendText { body: failed.row.body, media: failed.row.media, within: Within::Anywhere });
        let id = Some(format!("resend:{}:{id}", desk.control.log_id(&key)));
        let request = control::Request { key: key.clone(), id, content: 0, work };
        let taken = desk.control.request(request).await?;
        desk.sent(&admitted, &key, (taken, Within::Anywhere)).await
    })
    .await
}
