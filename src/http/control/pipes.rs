//! The pipes of a voice gateway, as its `vgwActSendSMS` needs them: while one is open, the user's texts are posted to the voice
//! gateway's webhook instead of the assistant. A pipe's id holds the numbers it belongs to, encrypted: see `src/pipe.rs`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{Request, StatusCode};
use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::words::{Pipe, Within, Work};
use serde::Serialize;
use uuid::Uuid;

use super::body::Fields;
use super::problem::Problem;
use super::{Admitted, Desk, Params, Receipt, admit, json, requests};

const OPEN: &str = r#"{"user": "+15550199", "webhook": "https://voice.example.com/sms", "expires_in_s": 600}"#;
const SEND: &str = r#"{"text": "Here is the address."}"#;

/// A pipe as callers see it.
#[derive(Serialize)]
struct PipeShown {
    pipe: String,
    user: String,
    open: bool,
    /// When it closes by itself, in Unix milliseconds.
    expires_at_ms: Option<u64>,
}

/// What a caller is told of a pipe that he has opened.
#[derive(Serialize)]
struct Opened {
    #[serde(flatten)]
    receipt: Receipt,
    #[serde(flatten)]
    pipe: PipeShown,
}

pub(super) async fn open(state: State<Arc<Desk>>, params: Params, request: Request<Body>) -> Response {
    admit((state, params), request, |desk, admitted| async move {
        let fields = Fields::read(&admitted.body, &["user", "webhook", "expires_in_s"], OPEN)?;
        let key = ConversationKey { tenant: admitted.tenant()?.clone(), user: fields.user()? };
        let expires_at = fields.seconds("expires_in_s")?.map(|span| desk.control.now().plus(span));
        // A repeat gets the same id without anything being remembered for it.
        let id = match admitted.id()? {
            Some(id) => desk.pipes.repeatable(&key, &id),
            None => Uuid::new_v4(),
        };
        let pipe = Pipe { id, webhook: fields.webhook()?, expires_at };
        let taken = desk.take(&admitted, &key, Work::OpenPipe(pipe)).await?;
        let opened = desk.outcome(&admitted, &key, taken).await;
        let status = if opened.is_some() { StatusCode::CREATED } else { StatusCode::ACCEPTED };
        let expires_at = match opened.map(|turn| turn.work) {
            Some(Work::OpenPipe(pipe)) => pipe.expires_at,
            Some(_) | None => expires_at,
        };
        let shown = PipeShown {
            pipe: desk.pipes.write(id, &key),
            user: key.user.to_string(),
            open: desk.control.pipe(&key).await.ok().flatten().is_some_and(|pipe| pipe.id == id),
            expires_at_ms: expires_at.map(|at| at.0),
        };
        json(status, &Opened { receipt: taken.into(), pipe: shown })
    })
    .await
}

pub(super) async fn look(state: State<Arc<Desk>>, params: Params, request: Request<Body>) -> Response {
    admit((state, params), request, |desk, admitted| async move {
        let (id, key) = desk.named(&admitted)?;
        let pipe = desk.control.pipe(&key).await?.filter(|pipe| pipe.id == id);
        let shown = PipeShown {
            pipe: admitted.param("pipe").to_owned(),
            user: key.user.to_string(),
            open: pipe.is_some(),
            expires_at_ms: pipe.and_then(|pipe| pipe.expires_at).map(|at| at.0),
        };
        json(StatusCode::OK, &shown)
    })
    .await
}

pub(super) async fn close(state: State<Arc<Desk>>, params: Params, request: Request<Body>) -> Response {
    admit((state, params), request, |desk, admitted| async move {
        let (id, key) = desk.named(&admitted)?;
        let taken = desk.take(&admitted, &key, Work::ClosePipe { id }).await?;
        let closed = desk.outcome(&admitted, &key, taken).await;
        let status = if closed.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
        json(status, &Receipt::from(taken))
    })
    .await
}

pub(super) async fn send(state: State<Arc<Desk>>, params: Params, request: Request<Body>) -> Response {
    admit((state, params), request, |desk, admitted| async move {
        let (id, key) = desk.named(&admitted)?;
        let fields = Fields::read(&admitted.body, &["text", "media"], SEND)?;
        let text = requests::text_of(&fields, Within::Pipe(id))?;
        desk.send(&admitted, &key, text).await
    })
    .await
}

impl Desk {
    /// The pipe that the path names, if it is one of this tenant's.
    fn named(&self, admitted: &Admitted) -> Result<(Uuid, ConversationKey), Problem> {
        let named =
            self.pipes.read(admitted.param("pipe")).filter(|(_, key)| Some(&key.tenant) == admitted.tenant.as_ref());
        named.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "no_pipe", "there is no such pipe"))
    }
}
