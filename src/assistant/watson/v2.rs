//! watsonx Assistant, v2, with sessions: `POST .../sessions/{id}/message`.
//!
//! Watson keeps the context; we keep its session id as the assistant's state, and nothing else. When Watson has dropped the session,
//! a new one is opened and the same text is sent to it once; the new id is what is kept, or every later turn would open
//! another. `request` writes a question, `answer` reads what comes back, `settings` checks the configuration. This file does
//! not time or repeat anything else: the caller does.

pub(crate) mod answer;
pub(crate) mod request;
mod settings;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use raconteur_actors::port::Assistant;
use raconteur_conversation::words::{Answer, AskError, AssistantState, Question, SessionEnd};
use reqwest::{Method, Url};
use serde::{Deserialize, Serialize};

pub use self::settings::Settings;
use super::exchange::{Call, Failure, Service};
use super::json;

/// How long the farewell to a session may take. Watson drops idle sessions by itself, so nothing is lost when it fails.
const END_WITHIN: Duration = Duration::from_secs(5);

/// Makes an assistant out of its settings; `name` is the one that its state is kept under.
///
/// # Errors
/// Everything that is wrong with the settings, each with what to do.
pub fn open(name: &str, settings: &Settings) -> Result<Arc<dyn Assistant>, Vec<String>> {
    let sessions = settings.sessions_url()?;
    if settings::is_readable_on_the_way(&sessions) {
        tracing::warn!(assistant = name, "the url is http: the API key and every text can be read on the way");
    }
    let service = Service::new(&settings.apikey, settings.connect_timeout).map_err(|problem| vec![problem])?;
    Ok(Arc::new(Watson { name: name.to_owned(), sessions, service, has_cut: AtomicBool::new(false) }))
}

struct Watson {
    name: String,
    /// `.../sessions?version=...`: what every address is made from.
    sessions: Url,
    service: Service,
    /// A text was too long before: the next one is no news.
    has_cut: AtomicBool,
}

/// What is kept between turns.
#[derive(Serialize, Deserialize)]
struct Kept {
    session_id: SessionId,
}

/// Names a session to Watson. Made only of characters that cannot change the meaning of an address.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String")]
struct SessionId(String);

impl TryFrom<String> for SessionId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if settings::is_id(&text) { Ok(Self(text)) } else { Err("not a session id") }
    }
}

#[async_trait]
impl Assistant for Watson {
    async fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        let message = self.write(question);
        let mut session = match kept_session(question.state.as_ref()) {
            Some(session) => session,
            None => self.create_session().await?,
        };
        let mut reply = self.message(&session, message.clone()).await;
        if let Err(Failure::SessionGone) = reply {
            tracing::info!(assistant = self.name, turn = %question.token, "the session was gone: opening another");
            session = self.create_session().await?;
            reply = self.message(&session, message).await;
        }
        let body = reply.map_err(|failure| match failure {
            Failure::Ask(error) => error,
            Failure::SessionGone => {
                AskError::Unavailable { after: None, reason: "watson lost a session that it had just opened".into() }
            }
        })?;
        self.read(&session, &body)
    }

    async fn end(&self, end: &SessionEnd) {
        let Some(session) = kept_session(end.state.as_ref()) else { return };
        let call = Call { method: Method::DELETE, url: self.session_url(&[&session.0]), body: Bytes::new() };
        match tokio::time::timeout(END_WITHIN, self.service.call(call)).await {
            Ok(Ok(_)) | Ok(Err(Failure::SessionGone)) => {}
            Ok(Err(Failure::Ask(error))) => tracing::debug!(assistant = self.name, %error, "could not end a session"),
            Err(_) => tracing::debug!(assistant = self.name, "could not end a session within {END_WITHIN:?}"),
        }
    }
}

impl Watson {
    fn write(&self, question: &Question) -> Bytes {
        let message = request::write(question);
        if message.lost > 0 && !self.has_cut.swap(true, Ordering::Relaxed) {
            tracing::warn!(assistant = self.name, "cut a text to the 2048 characters watson takes (said once)");
        }
        message.body
    }

    async fn create_session(&self) -> Result<SessionId, AskError> {
        let call = Call { method: Method::POST, url: self.sessions.clone(), body: Bytes::from_static(b"{}") };
        let body = self.service.call(call).await.map_err(|failure| match failure {
            Failure::Ask(error) => error,
            Failure::SessionGone => {
                let reason = "watson took the opening of a session for a message: check url".into();
                AskError::Misconfigured { reason }
            }
        })?;
        let id = json::body(&body)?.need("session_id")?.string()?;
        SessionId::try_from(id).map_err(|_| AskError::Malformed { reason: "session_id is not a session id".into() })
    }

    async fn message(&self, session: &SessionId, body: Bytes) -> Result<Vec<u8>, Failure> {
        let url = self.session_url(&[&session.0, "message"]);
        self.service.call(Call { method: Method::POST, url, body }).await
    }

    fn read(&self, session: &SessionId, body: &[u8]) -> Result<Answer, AskError> {
        let kept = Kept { session_id: session.clone() };
        let data = serde_json::value::to_raw_value(&kept).expect("a struct of strings can be written");
        let state = Some(AssistantState { assistant: self.name.clone(), data });
        Ok(Answer { state, ..answer::read(body)? })
    }

    fn session_url(&self, below: &[&str]) -> Url {
        let mut url = self.sessions.clone();
        url.path_segments_mut().expect("settings take only http and https addresses").extend(below);
        url
    }
}

/// The session that an earlier turn left. What cannot be read counts as none: a new session answers the user all the same.
fn kept_session(state: Option<&AssistantState>) -> Option<SessionId> {
    let state = state?;
    match serde_json::from_str::<Kept>(state.data.get()) {
        Ok(kept) => Some(kept.session_id),
        Err(_) => {
            tracing::warn!(assistant = state.assistant, "the kept session cannot be read: it counts as none");
            None
        }
    }
}
