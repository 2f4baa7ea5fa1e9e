//! Webhooks around an assistant, through the public door: against a stand-in for the webhooks on a local port, and around an assistant
//! that only writes down what it was asked.
//!
//! One module per side of it: what a pre webhook sees and may do, what a post webhook may, what their failures come to, what log
//! webhooks are told, and the configuration.

#[path = "webhooks/config.rs"]
mod config;
#[path = "webhooks/failing.rs"]
mod failing;
#[path = "support/hooks.rs"]
mod hooks;
#[path = "webhooks/log.rs"]
mod log;
#[path = "webhooks/post.rs"]
mod post;
#[path = "webhooks/pre.rs"]
mod pre;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use hooks::{Called, Hooks, Reply};
use raconteur::assistant::webhooks::{HookSettings, OnError, Settings, wrap};
use raconteur::config::secret::Secret;
use raconteur_actors::port::Assistant;
use raconteur_conversation::address::{Address, ConversationKey};
use raconteur_conversation::policy::Switchable;
use raconteur_conversation::words::{
    Answer, AskError, AskInput, AssistantState, Choice, CommandCall, EndReason, Item, Media, Question, SessionEnd,
    Signal,
};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use uuid::Uuid;

const TENANT: &str = "+15550100";
const USER: &str = "+15550199";

/// Answers always the same and writes down what it is asked.
#[derive(Default)]
struct Recorder {
    answer: Answer,
    asked: Mutex<Vec<Question>>,
    ended: Mutex<Vec<SessionEnd>>,
}

#[async_trait]
impl Assistant for Recorder {
    async fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        self.asked.lock().expect("nobody panics with it in hand").push(question.clone());
        Ok(self.answer.clone())
    }

    fn allowance(&self) -> Duration {
        Duration::from_secs(3)
    }

    fn switchable(&self) -> Switchable {
        Switchable::Yes
    }

    async fn end(&self, end: &SessionEnd) {
        self.ended.lock().expect("nobody panics with it in hand").push(end.clone());
    }
}

impl Recorder {
    fn saying(text: &str) -> Arc<Self> {
        Self::answering(Answer { items: vec![said(text)], ..Answer::default() })
    }

    fn answering(answer: Answer) -> Arc<Self> {
        Arc::new(Self { answer, ..Self::default() })
    }

    /// The only question that was asked.
    fn question(&self) -> Question {
        let [question] =
            self.asked.lock().expect("nobody panics with it in hand").clone().try_into().expect("it was asked once");
        question
    }

    fn times_asked(&self) -> usize {
        self.asked.lock().expect("nobody panics with it in hand").len()
    }
}

fn around(inner: &Arc<Recorder>, settings: &Settings) -> Arc<dyn Assistant> {
    let inner: Arc<dyn Assistant> = Arc::clone(inner) as Arc<dyn Assistant>;
    wrap("care", inner, settings).expect("the settings are right")
}

fn pre(hooks: &Hooks) -> Settings {
    Settings { pre: Some(HookSettings::at(&hooks.url("/pre"))), ..Settings::default() }
}

fn post(hooks: &Hooks) -> Settings {
    Settings { post: Some(HookSettings::at(&hooks.url("/post"))), ..Settings::default() }
}

fn said(text: &str) -> Item {
    Item::Text(text.into())
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.into()).expect("it is JSON")
}

fn state(data: &str) -> AssistantState {
    AssistantState { assistant: "care".into(), data: raw(data) }
}

fn question(input: AskInput) -> Question {
    let [tenant, user] = [TENANT, USER].map(|number| Address::parse(number).expect("it is a number"));
    let mut question = Question::trial(&tenant, Uuid::from_u128(7), Duration::from_secs(30));
    question.variables.user = user.clone();
    question.key = ConversationKey { tenant, user };
    question.input = input;
    question
}

fn says(text: &str) -> Question {
    question(AskInput::Text(text.into()))
}
