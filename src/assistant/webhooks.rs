//! Webhooks around each message, as IBM's assistants have them: `pre` before the assistant is asked, `post` before its answer counts,
//! `log` after it.
//!
//! They stand around any kind of assistant, since they speak of neutral questions and answers in the words of Watson's v2 messages:
//! `request` and `response` write those, `before` and `after` read what a webhook made of them, `exchange` carries them, `token` proves
//! that they are ours, `log` tells without waiting. A webhook changes what is asked and said; what the assistant keeps, it never changes.

mod after;
mod before;
mod exchange;
mod json;
mod log;
#[doc(hidden)]
pub mod readers;
mod request;
mod response;
mod settings;
mod token;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use raconteur_actors::port::Assistant;
use raconteur_conversation::policy::Switchable;
use raconteur_conversation::words::{Answer, AskError, Question, SessionEnd};

use self::exchange::{Hook, HookError};
use self::log::Log;
use self::request::Request;
use self::response::Response;
pub use self::settings::{HookSettings, OnError, Settings};
use super::Opened;
use crate::client::Outbound;
use crate::config::Section;

/// The key under which an assistant's section has its webhooks.
pub(super) const KEY: &str = "webhooks";

/// How long a connection to a webhook may take to come about; its own timeout may be shorter.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Puts the webhooks of a section around an assistant; what is wrong with either is told together.
pub(super) fn open_around(section: &Section, opened: Opened) -> Opened {
    match (opened, section.read::<Settings>()) {
        (Ok(inner), Ok(settings)) => wrap(&section.name, inner, &settings).map_err(|found| section.problems(found)),
        (Ok(_), Err(problems)) => Err(problems),
        (Err(mut problems), Ok(settings)) => {
            problems.extend(section.problems(settings.problems()));
            Err(problems)
        }
        (Err(mut problems), Err(more)) => {
            problems.extend(more);
            Err(problems)
        }
    }
}

/// Puts webhooks around an assistant; `name` is what the log calls it.
///
/// # Errors
/// Everything that is wrong with the settings, each beginning with the dotted key that it is about.
pub fn wrap(name: &str, inner: Arc<dyn Assistant>, settings: &Settings) -> Result<Arc<dyn Assistant>, Vec<String>> {
    let problems = settings.problems();
    if !problems.is_empty() {
        return Err(problems);
    }
    let out = Outbound::ours(CONNECT_TIMEOUT).map_err(|error| vec![error.to_string()])?;
    let hook = |what, settings: &HookSettings| Hook::new(what, out.clone(), settings).map_err(|found| vec![found]);
    let pre = settings.pre.as_ref().map(|settings| hook("pre", settings)).transpose()?;
    let post = settings.post.as_ref().map(|settings| hook("post", settings)).transpose()?;
    let told = settings.log.iter().map(|settings| hook("log", settings)).collect::<Result<Vec<_>, _>>()?;
    Ok(Arc::new(Hooked { name: name.to_owned(), inner, pre, post, log: Log::new(name, told) }))
}

/// An assistant with webhooks around it.
struct Hooked {
    name: String,
    inner: Arc<dyn Assistant>,
    pre: Option<Hook>,
    post: Option<Hook>,
    log: Log,
}

/// What a pre webhook leaves to be done.
enum Next {
    /// The assistant is asked as it was.
    Unchanged,
    /// The assistant is asked this.
    Changed(Box<Question>),
    /// The webhook has answered in its stead.
    Answered(Answer),
}

#[async_trait]
impl Assistant for Hooked {
    async fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        let (changed, answer) = match self.before(question).await? {
            Next::Unchanged => (None, self.ask_inner(question).await?),
            Next::Changed(changed) => {
                let answer = self.ask_inner(&changed).await?;
                (Some(changed), answer)
            }
            Next::Answered(answer) => (None, answer),
        };
        let question = changed.as_deref().unwrap_or(question);
        if self.post.is_none() && self.log.is_empty() {
            return Ok(answer);
        }
        let request = Request::of(question);
        let answer = self.after(question, &request, answer).await?;
        self.log.tell(question, &request, &answer);
        Ok(answer)
    }

    fn allowance(&self) -> Duration {
        let hooks = [&self.pre, &self.post];
        let own = hooks.into_iter().flatten().fold(Duration::ZERO, |sum, hook| sum.saturating_add(hook.timeout));
        own.saturating_add(self.inner.allowance())
    }

    fn switchable(&self) -> Switchable {
        self.inner.switchable()
    }

    async fn end(&self, end: &SessionEnd) {
        self.inner.end(end).await;
    }
}

impl Hooked {
    /// Lets the pre webhook see the question, change it or answer it.
    async fn before(&self, question: &Question) -> Result<Next, AskError> {
        let Some(hook) = &self.pre else { return Ok(Next::Unchanged) };
        match self.pre_reply(hook, question).await {
            Ok(next) => Ok(next),
            Err(error) => self.judge(hook, &error).map(|()| Next::Unchanged),
        }
    }

    async fn pre_reply(&self, hook: &Hook, question: &Question) -> Result<Next, HookError> {
        let request = Request::of(question);
        let reply = hook.post(exchange::event("message_received", &request), question.turn_id).await?;
        if reply.answers {
            let answer = after::response(&reply.body)?;
            return Ok(Next::Answered(Answer { state: question.state.clone(), ..answer }));
        }
        if reply.is_empty() {
            return Ok(Next::Unchanged);
        }
        let edits = before::edits(question, &request, &reply.body)?;
        if !edits.refused.is_empty() {
            let variables = &edits.refused;
            tracing::debug!(
                assistant = self.name,
                ?variables,
                "the pre webhook cannot change what is the gateway's own"
            );
        }
        Ok(edits.apply(question).map_or(Next::Unchanged, |changed| Next::Changed(Box::new(changed))))
    }

    /// Asks the assistant within the question's time, which is its own: what the webhooks take is not counted.
    async fn ask_inner(&self, question: &Question) -> Result<Answer, AskError> {
        let within = question.timeout.saturating_add(self.inner.allowance());
        let asked = tokio::time::timeout(within, self.inner.ask(question)).await;
        asked.unwrap_or(Err(AskError::Timeout(question.timeout)))
    }

    /// Lets the post webhook see the answer and change it.
    async fn after(&self, question: &Question, request: &Request, answer: Answer) -> Result<Answer, AskError> {
        let Some(hook) = &self.post else { return Ok(answer) };
        let response = Response::of(&answer, request);
        let posted = hook.post(exchange::event("message_processed", &response), question.turn_id).await;
        let edited = posted.and_then(|reply| match reply.is_empty() {
            true => Ok(None),
            false => after::edited(&answer, &response, &reply.body),
        });
        match edited {
            Ok(edited) => Ok(edited.unwrap_or(answer)),
            Err(error) => self.judge(hook, &error).map(|()| answer),
        }
    }

    /// What a webhook's failure means for the turn.
    fn judge(&self, hook: &Hook, error: &HookError) -> Result<(), AskError> {
        match hook.on_error {
            OnError::Continue => {
                let (assistant, webhook) = (&self.name, hook.what);
                tracing::warn!(assistant, webhook, "the webhook {error}: the turn goes on without it");
                Ok(())
            }
            OnError::Fail => {
                let reason = format!("the {} webhook {error}", hook.what);
                Err(match error {
                    HookError::Unavailable(_) => AskError::Unavailable { after: None, reason },
                    HookError::Wrong(_) => AskError::Rejected { reason },
                })
            }
        }
    }
}
