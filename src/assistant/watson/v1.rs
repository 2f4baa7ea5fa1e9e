//! Watson Assistant, v1: `POST .../v1/workspaces/{id}/message`, and whatever else speaks it (`soe`).
//!
//! v1 keeps nothing: the whole context comes with every answer and goes back with the next question. A session may be switched to
//! another workspace or engine (`smsActSetConversationConfig`); `target` says where a question goes then and with which
//! credentials. `request` writes a question, `answer` reads what comes back, `settings` checks the configuration of the kind
//! `watson_v1`. Nothing here times or repeats a question: the caller does.

mod answer;
pub(super) mod request;
mod settings;
pub(super) mod target;

use std::sync::Arc;

use async_trait::async_trait;
use http::Method;
use raconteur_actors::port::Assistant;
use raconteur_conversation::command::ConversationConfig;
use raconteur_conversation::policy::Switchable;
use raconteur_conversation::words::{Answer, AskError, AskInput, AssistantState, Question};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

pub use self::settings::Settings;
use self::target::{Home, Target, Targets};
use super::backup::{self, Backed, Backup};
use super::context::{Tree, raw};
use super::exchange::Call;
use super::{command, json, text};
use crate::client;

/// What belongs to one workspace alone: which conversation it is, and where in its dialog the user stands.
const PLACE_IN_DIALOG: [&str; 2] = ["conversation_id", "system"];

/// Makes an assistant out of its settings; `name` is the one that its state is kept under.
///
/// # Errors
/// Everything that is wrong with the settings, each with what to do.
pub fn open(name: &str, settings: &Settings) -> Result<Arc<dyn Assistant>, Vec<String>> {
    let Some(rules) = &settings.backup else {
        backup::none_of(settings.problems())?;
        return Ok(Arc::new(Classic::new(name, settings.home())?));
    };
    let there = settings.at_backup(rules);
    backup::none_of(backup::all_problems(settings.problems(), there.problems(), rules.problems(&["workspace_id"])))?;
    backed(name, [settings.home(), there.home()], rules)
}

/// An assistant in two places.
pub(super) fn backed(
    name: &str,
    [first, second]: [Result<Home, String>; 2],
    rules: &Backup,
) -> Result<Arc<dyn Assistant>, Vec<String>> {
    let (first, mut second) = (Classic::new(name, first)?, Classic::new(name, second)?);
    // Both are the same assistant: where a user stands in the dialog of one, they stand in the other's.
    second.mark.clone_from(&first.mark);
    Ok(Arc::new(Backed::new(name, [Arc::new(first), Arc::new(second)], rules)))
}

/// Whoever speaks v1.
pub(super) struct Classic {
    name: String,
    home: Home,
    own: Arc<Target>,
    /// By which a kept context is known to be home's.
    mark: String,
    elsewhere: Targets,
    cuts: text::Cuts,
}

/// What is kept between turns. An unknown member tells that another kind of assistant has written it, before its section was given this kind.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept<'a> {
    #[serde(borrow)]
    context: &'a RawValue,
    /// The target that gave it.
    #[serde(default)]
    target: Option<String>,
}

/// The same on its way into the store.
#[derive(Serialize)]
struct Keeping<'a> {
    context: &'a Tree<'a>,
    target: &'a str,
}

impl Classic {
    /// Reaches nothing before the first question.
    ///
    /// # Errors
    /// When the address is none, or TLS or the credentials cannot be set up.
    pub(super) fn new(name: &str, home: Result<Home, String>) -> Result<Self, Vec<String>> {
        let home = home.map_err(|problem| vec![problem])?;
        if client::is_readable_on_the_way(&home.url) {
            tracing::warn!(assistant = name, "the url is http: credentials and every text can be read on the way");
        }
        let own = Arc::new(Target::new(home.aim(), None).map_err(|problem| vec![problem])?);
        let (mark, cuts) = (own.mark().to_owned(), text::Cuts::default());
        Ok(Self { name: name.to_owned(), home, own, mark, elsewhere: Targets::default(), cuts })
    }

    /// Where a question goes, and the mark of that place.
    fn target(&self, config: Option<&ConversationConfig>) -> Result<(Arc<Target>, String), AskError> {
        let aim = config.map(|config| self.home.switched(config)).transpose()?;
        match aim.filter(|aim| !self.own.is(aim)) {
            None => Ok((Arc::clone(&self.own), self.mark.clone())),
            Some(aim) => {
                let target = self.elsewhere.get(aim, &self.own)?;
                let is_home = target.mark() == self.own.mark();
                let mark = if is_home { self.mark.clone() } else { target.mark().to_owned() };
                Ok((target, mark))
            }
        }
    }
}

#[async_trait]
impl Assistant for Classic {
    async fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        let (target, mark) = self.target(question.config.as_ref())?;
        let variables = request::variables(question);
        let context = context(question, &variables, &mark);
        let written = request::write(question, &context);
        self.cuts.note(&self.name, written.lost);
        let call = Call { method: Method::POST, uri: target.uri(), body: written.body };
        let body = target.service.ask(call).await?;
        read(&body, context, (&self.name, &mark))
    }

    fn switchable(&self) -> Switchable {
        Switchable::Yes
    }
}

/// Reads an answer to a question with this context, with what is kept of it under this name as of the target of this mark.
pub(super) fn read(body: &[u8], asked: Tree<'_>, (name, mark): (&str, &str)) -> Result<Answer, AskError> {
    let body = json::body(body)?;
    let answer = answer::read(&body)?;
    let mut context = match body.get("context") {
        Some(returned) => Tree::kept(returned.raw_object()?),
        // Who returns no context has not changed it.
        None => asked,
    };
    // A command that stayed in the context would run again in every turn.
    command::NAMES.iter().for_each(|name| context.remove(name));
    let data = raw(&Keeping { context: &context, target: mark });
    Ok(Answer { state: Some(AssistantState { assistant: name.to_owned(), data }), ..answer })
}

/// The context of a question: what was kept, with the gateway's variables laid over it.
pub(super) fn context<'a>(question: &'a Question, variables: &'a Map<String, Value>, mark: &str) -> Tree<'a> {
    let mut context = kept_context(question, mark);
    context.lay(variables.iter().map(|(name, value)| (name.as_str(), value.into())));
    context
}

/// The context that an earlier turn has left. What another target gave it keeps only what its authors have set; and who is to speak first
/// is nowhere in a dialog yet.
fn kept_context<'a>(question: &'a Question, mark: &str) -> Tree<'a> {
    let Some(state) = &question.state else { return Tree::default() };
    let Ok(kept) = serde_json::from_str::<Kept<'_>>(state.data.get()) else {
        tracing::warn!(assistant = state.assistant, "the kept context cannot be read: it counts as none");
        return Tree::default();
    };
    let mut context = Tree::kept(kept.context);
    if kept.target.as_deref() != Some(mark) || matches!(question.input, AskInput::Start) {
        PLACE_IN_DIALOG.iter().for_each(|name| context.remove(name));
    }
    context
}
