//! One assistant in two places: when the first is unavailable, questions go to the second, until the first answers again.
//!
//! It wraps two assistants that read each other's state, and knows nothing else about them. A question that finds the first place
//! unavailable goes to the second at once. After so many failures in a row everything goes there, and from time to time one
//! question tries the first. A caller that gives a question up at its timeout counts as a failure too. A session
//! that was switched to another place (`smsActSetConversationConfig`) has no second one. Each change is logged once.

mod health;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use raconteur_actors::port::Assistant;
use raconteur_conversation::command::ConversationConfig;
use raconteur_conversation::policy::Switchable;
use raconteur_conversation::words::{Answer, AskError, Question, SessionEnd};

use self::health::{Health, Route};
pub use self::settings::Backup;
pub(super) use self::settings::{all_problems, none_of};

/// An assistant in two places.
pub(super) struct Backed {
    first: Arc<dyn Assistant>,
    second: Arc<dyn Assistant>,
    health: Health,
}

impl Backed {
    /// `name` is the assistant's, for the log.
    pub(super) fn new(name: &str, [first, second]: [Arc<dyn Assistant>; 2], rules: &Backup) -> Self {
        Self { first, second, health: Health::new(name, rules.fail_over_after, rules.fail_back_after) }
    }

    /// Asks the first place and remembers how it went.
    async fn ask_first(&self, question: &Question) -> Result<Answer, AskError> {
        let watch = self.health.watch(question.timeout);
        let answer = self.first.ask(question).await;
        match &answer {
            Ok(_) | Err(AskError::Rejected { .. }) => watch.answered(),
            Err(AskError::Unavailable { .. } | AskError::Timeout(_)) => watch.failed(),
            // It is there, but whether it is fit for questions nobody can say.
            Err(AskError::Misconfigured { .. } | AskError::Malformed { .. } | AskError::Panicked) => watch.settle(),
        }
        answer
    }

    async fn first_then_second(&self, question: &Question, route: Route) -> Result<Answer, AskError> {
        let error = match self.ask_first(question).await {
            Err(error) if goes_on(&error, route) => error,
            done => return done,
        };
        tracing::debug!(%error, "asking the backup as well");
        match self.second.ask(question).await {
            Err(_) if is_unavailable(&error) => Err(error),
            done => done,
        }
    }

    async fn second_then_first(&self, question: &Question) -> Result<Answer, AskError> {
        match self.second.ask(question).await {
            Err(error) if is_unavailable(&error) => self.ask_first(question).await,
            done => done,
        }
    }
}

#[async_trait]
impl Assistant for Backed {
    async fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        if question.config.as_ref().is_some_and(asks_elsewhere) {
            return self.first.ask(question).await;
        }
        match self.health.route() {
            Route::Second => self.second_then_first(question).await,
            route @ (Route::First | Route::Trial) => self.first_then_second(question, route).await,
        }
    }

    fn allowance(&self) -> Duration {
        self.first.allowance().max(self.second.allowance())
    }

    fn switchable(&self) -> Switchable {
        self.first.switchable()
    }

    /// A session is in one of the two places; the state says in which, and the other leaves it alone.
    async fn end(&self, end: &SessionEnd) {
        tokio::join!(self.first.end(end), self.second.end(end));
    }
}

/// Whether a question goes from the first place to the second. While the second does the work anyway, everything that is not an answer
/// is a reason.
fn goes_on(error: &AskError, route: Route) -> bool {
    match error {
        AskError::Unavailable { .. } | AskError::Timeout(_) => true,
        AskError::Misconfigured { .. } | AskError::Malformed { .. } | AskError::Panicked => route == Route::Trial,
        AskError::Rejected { .. } => false,
    }
}

fn is_unavailable(error: &AskError) -> bool {
    match error {
        AskError::Unavailable { .. } | AskError::Timeout(_) => true,
        AskError::Misconfigured { .. }
        | AskError::Malformed { .. }
        | AskError::Panicked
        | AskError::Rejected { .. } => false,
    }
}

/// Whether a switched session leaves the two places: another address, workspace or version, or other credentials.
fn asks_elsewhere(config: &ConversationConfig) -> bool {
    let identifies = config.apikey.is_some() || config.username.is_some() || config.api_version.is_some();
    identifies || config.names_a_target()
}

#[cfg(test)]
mod tests;
