//! v2 without sessions: `POST .../message`. The whole context comes with every answer and goes back with the next question, `private_*`
//! members and state included; nothing has to be opened, expires or is ended.

use async_trait::async_trait;
use http::{Method, Uri};
use raconteur_actors::port::Assistant;
use raconteur_conversation::words::{Answer, AskError, Question};

use super::super::exchange::{Call, Service};
use super::super::message::{self, Returns, Written};
use super::super::{json, text};
use super::kept::Kept;

pub(super) struct Stateless {
    pub(super) name: String,
    /// `.../message?version=...`.
    pub(super) messages: Uri,
    /// By which a kept context is known to be of this place.
    pub(super) mark: String,
    pub(super) service: Service,
    pub(super) cuts: text::Cuts,
}

#[async_trait]
impl Assistant for Stateless {
    async fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        let written = write(question);
        self.cuts.note(&self.name, written.lost);
        let call = Call { method: Method::POST, uri: self.messages.clone(), body: written.body };
        let body = self.service.ask(call).await?;
        read(&body, (&self.name, &self.mark))
    }
}

/// Writes a question over the context that was kept.
pub(in super::super) fn write(question: &Question) -> Written {
    let kept = Kept::of(question.state.as_ref());
    // A context that a session has left behind names it; without sessions Watson gives one of its own.
    let context = if kept.session_id.is_some() { kept.restored() } else { kept.echoed() };
    message::write_over(context, question, Returns::Unasked)
}

/// Reads an answer, with what is kept of it under this name as of the place of this mark.
pub(in super::super) fn read(body: &[u8], (name, mark): (&str, &str)) -> Result<Answer, AskError> {
    let body = json::body(body)?;
    let answer = message::read_object(&body)?;
    let context = body.need("context")?.raw_object()?;
    let kept = Kept { session_id: None, place: Some(mark.to_owned()), context: Some(context) };
    Ok(Answer { state: Some(kept.state(name)), ..answer })
}
