//! v2 with sessions: `POST .../sessions/{id}/message`. Watson keeps the context, we keep its session's id.
//!
//! Watson drops a session after a while, and with it all that the user has told. So every answer brings the whole context along, which is
//! kept too: when the session is gone, a new one is opened and the same text sent to it, once, with the kept context under
//! this turn's variables. The new id is what is kept, or every later turn would open another. The same restores a session in
//! a second place, and, where it is wanted, under a question that is put again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Uri};
use raconteur_actors::port::Assistant;
use raconteur_conversation::words::{Answer, AskError, Question, SessionEnd};

use super::super::address::Below;
use super::super::context::Tree;
use super::super::exchange::{Call, Failure, Service};
use super::super::message::{self, Returns};
use super::super::{json, text};
use super::kept::{Kept, SessionId};
use super::settings::Keeps;

/// How long the farewell to a session may take. Watson drops idle sessions by itself, so nothing is lost when it fails.
const END_WITHIN: Duration = Duration::from_secs(5);

pub(super) struct Sessions {
    pub(super) name: String,
    /// `.../sessions?version=...`, where they are opened.
    pub(super) sessions: Uri,
    /// What is below it: each session.
    pub(super) session: Below,
    /// By which a kept session is known to be of this place.
    pub(super) mark: String,
    pub(super) service: Arc<Service>,
    pub(super) keeps: Keeps,
    pub(super) cuts: text::Cuts,
}

#[async_trait]
impl Assistant for Sessions {
    async fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        let kept = Kept::of(question.state.as_ref());
        let old = kept.session_in(&self.mark);
        let restarts = self.keeps == Keeps::ContextAndRestarts && kept.can_restart(question);
        let (mut session, context) = match old.filter(|_| !restarts) {
            Some(session) => (session.clone(), Tree::default()),
            // Boxed, as all that is seldom done: each question would have to carry its room along.
            None => (Box::pin(self.create_session()).await?, kept.restored()),
        };
        let mut reply = self.message(&session, question, context).await;
        if let Err(Failure::SessionGone) = reply {
            tracing::info!(assistant = self.name, turn = %question.token, "the session was gone: opening another");
            session = Box::pin(self.create_session()).await?;
            reply = Box::pin(self.message(&session, question, kept.restored())).await;
        }
        let body = reply.map_err(|failure| match failure {
            Failure::Ask(error) => error,
            Failure::SessionGone => {
                AskError::Unavailable { after: None, reason: "watson lost a session that it had just opened".into() }
            }
        })?;
        let answer = self.read(session, &kept, &body)?;
        if let Some(old) = old.filter(|_| restarts) {
            tokio::spawn(delete(Arc::clone(&self.service), self.below([old.as_str()])?, self.name.clone()));
        }
        Ok(answer)
    }

    async fn end(&self, end: &SessionEnd) {
        let kept = Kept::of(end.state.as_ref());
        let Some(session) = kept.session_in(&self.mark) else { return };
        let Ok(uri) = self.below([session.as_str()]) else { return };
        delete(Arc::clone(&self.service), uri, self.name.clone()).await;
    }
}

impl Sessions {
    async fn create_session(&self) -> Result<SessionId, AskError> {
        let call = Call { method: Method::POST, uri: self.sessions.clone(), body: Bytes::from_static(b"{}") };
        let body = self.service.ask(call).await?;
        let id = json::body(&body)?.need("session_id")?.string()?;
        SessionId::try_from(id).map_err(|_| AskError::Malformed { reason: "session_id is not a session id".into() })
    }

    async fn message(&self, id: &SessionId, question: &Question, context: Tree<'_>) -> Result<Bytes, Failure> {
        let written = match self.keeps {
            Keeps::Session => message::write(question),
            Keeps::Context | Keeps::ContextAndRestarts => message::write_over(context, question, Returns::State),
        };
        self.cuts.note(&self.name, written.lost);
        let uri = self.below([id.as_str(), "message"]).map_err(Failure::Ask)?;
        self.service.call(Call { method: Method::POST, uri, body: written.body }).await
    }

    fn read(&self, session: SessionId, before: &Kept<'_>, body: &[u8]) -> Result<Answer, AskError> {
        let (answer, context) = match self.keeps {
            Keeps::Session => (message::read(body)?, None),
            Keeps::Context | Keeps::ContextAndRestarts => {
                let body = json::body(body)?;
                let returned = body.get("context").map(|context| context.raw_object()).transpose()?;
                // An answer that brings none has changed nothing that could be read.
                (message::read_object(&body)?, returned.or(before.context))
            }
        };
        let kept = Kept { session_id: Some(session), place: Some(self.mark.clone()), context };
        Ok(Answer { state: Some(kept.state(&self.name)), ..answer })
    }

    /// An address of a session's. Its id stands for itself in one, so that nothing but its length could make it none.
    fn below<const N: usize>(&self, steps: [&str; N]) -> Result<Uri, AskError> {
        let wrong = || AskError::Malformed { reason: "session_id makes no address".into() };
        self.session.at(steps).ok_or_else(wrong)
    }
}

/// Ends a session that nobody needs any more, as well as it goes.
async fn delete(service: Arc<Service>, uri: Uri, assistant: String) {
    let call = Call { method: Method::DELETE, uri, body: Bytes::new() };
    match tokio::time::timeout(END_WITHIN, service.call(call)).await {
        Ok(Ok(_)) | Ok(Err(Failure::SessionGone)) => {}
        Ok(Err(Failure::Ask(error))) => tracing::debug!(assistant, %error, "could not end a session"),
        Err(_) => tracing::debug!(assistant, "could not end a session within {END_WITHIN:?}"),
    }
}
