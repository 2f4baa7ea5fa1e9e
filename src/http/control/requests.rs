//! Requests that a conversation carries out: start and end a session, send a text.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{Request, StatusCode};
use raconteur_actors::control::{self, Taken};
use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::keyword::HAS_STOPPED;
use raconteur_conversation::words::{OnOpen, SESSION_OPEN, SendText, StartSession, TAKEN_OVER, Within, Work};
use serde::Serialize;

use super::body::Fields;
use super::problem::Problem;
use super::{Admitted, Answer, Desk, Params, Receipt, admit, json};

const START: &str = r#"{"user": "+15550199", "user_data": {"case": 42}, "timeout_s": 600}"#;
const SEND: &str = r#"{"text": "Your order is ready."}"#;
const SEND_TO: &str = r#"{"user": "+15550199", "text": "Your order is ready."}"#;

/// What a caller is told of a session that was started.
#[derive(Serialize)]
struct Started {
    #[serde(flatten)]
    receipt: Receipt,
    user: String,
}

pub(super) async fn start(state: State<Arc<Desk>>, params: Params, request: Request<Body>) -> Response {
    admit((state, params), request, |desk, admitted| async move {
        let known = ["user", "user_data", "timeout_s", "text", "on_open"];
        let fields = Fields::read(&admitted.body, &known, START)?;
        let key = ConversationKey { tenant: admitted.tenant()?.clone(), user: fields.user()? };
        let on_open = match fields.word("on_open", &["replace", "refuse"])? {
            Some("refuse") => OnOpen::Refuse,
            Some(_) | None => OnOpen::Replace,
        };
        let start = StartSession {
            user_data: fields.verbatim("user_data")?,
            timeout: fields.seconds("timeout_s")?,
            text: fields.text()?,
            on_open,
        };
        let taken = desk.take(&admitted, &key, Work::Start(start)).await?;
        // The conversation decides, once it comes to it: until then a session may open or end, and the user may stop our texts.
        // Where that cannot be seen, the request is taken all the same.
        let view = desk.control.conversation(&key).await.unwrap_or_default();
        let is_barred =
            view.stopped_at.is_some() || view.taken_over.is_some_and(|taken| taken.holds(desk.control.now()));
        let may_be_refused = on_open == OnOpen::Refuse || is_barred;
        let refusal = if may_be_refused { desk.refusal(&admitted, &key, taken).await } else { None };
        refusal.map_or(Ok(()), Err)?;
        json(StatusCode::ACCEPTED, &Started { receipt: taken.into(), user: key.user.to_string() })
    })
    .await
}

pub(super) async fn end(state: State<Arc<Desk>>, params: Params, request: Request<Body>) -> Response {
    admit((state, params), request, |desk, admitted| async move {
        let key = admitted.conversation()?;
        desk.note(&admitted, ("end", None)).await?;
        let taken = desk.take(&admitted, &key, Work::End).await?;
        let ended = desk.outcome(&admitted, &key, taken).await;
        // A session that there was not has no page of its own to name it.
        match ended {
            Some(turn) if turn.session.is_none() => Err(Problem::no_session()),
            Some(_) => json(StatusCode::OK, &Receipt::from(taken)),
            None => json(StatusCode::ACCEPTED, &Receipt::from(taken)),
        }
    })
    .await
}

pub(super) async fn send_in_session(state: State<Arc<Desk>>, params: Params, request: Request<Body>) -> Response {
    admit((state, params), request, |desk, admitted| async move {
        let fields = Fields::read(&admitted.body, &["text", "media"], SEND)?;
        let key = admitted.conversation()?;
        desk.send(&admitted, &key, text_of(&fields, Within::Session)?).await
    })
    .await
}

pub(super) async fn send(state: State<Arc<Desk>>, params: Params, request: Request<Body>) -> Response {
    admit((state, params), request, |desk, admitted| async move {
        let fields = Fields::read(&admitted.body, &["user", "text", "media"], SEND_TO)?;
        let key = ConversationKey { tenant: admitted.tenant()?.clone(), user: fields.user()? };
        desk.send(&admitted, &key, text_of(&fields, Within::Anywhere)?).await
    })
    .await
}

/// The text that a body asks to send.
pub(super) fn text_of(fields: &Fields<'_>, within: Within) -> Result<SendText, Problem> {
    let (body, media) = (fields.text()?.unwrap_or_default(), fields.media()?);
    if body.is_empty() && media.is_empty() {
        return Err(Problem::invalid(format!("there is neither \"text\" nor \"media\": send {SEND}")));
    }
    Ok(SendText { body, media, within })
}

impl Desk {
    /// Makes a request durable, under the caller's idempotency key.
    pub(super) async fn take(&self, admitted: &Admitted, key: &ConversationKey, work: Work) -> Result<Taken, Problem> {
        let request = control::Request { key: key.clone(), id: admitted.id()?, content: admitted.content(), work };
        Ok(self.control.request(request).await?)
    }

    /// Why a conversation did not begin a session that it was asked for. Anything else that came of it is not the caller's mistake.
    async fn refusal(&self, admitted: &Admitted, key: &ConversationKey, taken: Taken) -> Option<Problem> {
        match self.outcome(admitted, key, taken).await?.error?.as_str() {
            SESSION_OPEN => Some(Problem::conflict("session_open", SESSION_OPEN)),
            HAS_STOPPED => Some(Problem::conflict("opted_out", HAS_STOPPED)),
            TAKEN_OVER => Some(Problem::conflict("taken_over", TAKEN_OVER)),
            _ => None,
        }
    }

    /// Has a text sent and says whether there was anything to send it in.
    pub(super) async fn send(&self, admitted: &Admitted, key: &ConversationKey, text: SendText) -> Answer {
        let within = text.within.clone();
        let taken = self.take(admitted, key, Work::Send(text)).await?;
        self.sent(admitted, key, (taken, within)).await
    }

    /// What became of a text that was taken, as far as anybody waits for that.
    pub(super) async fn sent(
        &self,
        admitted: &Admitted,
        key: &ConversationKey,
        (taken, within): (Taken, Within),
    ) -> Answer {
        let of_place = match within {
            Within::Pipe(_) => "no_pipe",
            Within::Session | Within::Anywhere => "no_session",
        };
        match self.outcome(admitted, key, taken).await.and_then(|turn| turn.error) {
            Some(reason) if reason == HAS_STOPPED => Err(Problem::conflict("opted_out", reason)),
            Some(reason) => Err(Problem::conflict(of_place, reason)),
            None => json(StatusCode::ACCEPTED, &Receipt::from(taken)),
        }
    }
}
