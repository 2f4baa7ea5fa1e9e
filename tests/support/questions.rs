//! Settings that reach the Watson stand-in, and the questions that tests put to it.

use std::sync::Arc;
use std::time::Duration;

use raconteur::assistant::watson::v2::{Mode, Reask, Settings, open};
use raconteur::config::secret::Secret;
use raconteur_actors::port::Assistant;
use raconteur_conversation::address::{Address, ConversationKey};
use raconteur_conversation::variable::Variables;
use raconteur_conversation::words::{
    Answer, AskError, AskInput, AssistantState, EndReason, Question, Sequence, SessionEnd, Token,
};
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::watson::{ASSISTANT, KEY, StandIn};

pub(crate) const TENANT: &str = "+15550100";
pub(crate) const USER: &str = "+15550199";
pub(crate) const SESSION: Uuid = Uuid::from_u128(7);
pub(crate) const TURN: Uuid = Uuid::from_u128(9);

/// What a status with `Retry-After: 7` comes to, whichever API it is: see [`class`].
pub(crate) const STATUSES: [(u16, &str, Option<u64>); 9] = [
    (301, "misconfigured", None),
    (400, "rejected", None),
    (401, "misconfigured", None),
    (403, "misconfigured", None),
    (404, "misconfigured", None),
    (422, "rejected", None),
    (429, "unavailable", Some(7)),
    (500, "unavailable", Some(7)),
    (503, "unavailable", Some(7)),
];

pub(crate) fn reaching(url: String) -> Settings {
    Settings {
        url,
        assistant_id: ASSISTANT.into(),
        environment_id: None,
        version: "2024-08-25".into(),
        apikey: Some(Secret::new(KEY)),
        iam_url: None,
        username: None,
        password: None,
        bearer_token: None,
        connect_timeout: Duration::from_secs(5),
        mode: Mode::Stateful,
        keep_context: true,
        reask: Reask::Same,
        backup: None,
    }
}

pub(crate) fn assistant(watson: &StandIn) -> Arc<dyn Assistant> {
    open("care", &reaching(watson.url())).expect("the settings are right")
}

pub(crate) fn question(input: AskInput, state: Option<AssistantState>) -> Question {
    let (tenant, user) = (Address::parse(TENANT), Address::parse(USER));
    let (tenant, user) = (tenant.expect("it is a number"), user.expect("it is a number"));
    let variables = Variables {
        tenant: tenant.clone(),
        user: user.clone(),
        session: SESSION,
        user_data: None,
        session_timeout: None,
        error: None,
        media: Vec::new(),
    };
    Question {
        token: Token { turn: Sequence(3), attempt: 1 },
        turn_id: TURN,
        key: ConversationKey { tenant, user },
        input,
        variables,
        state,
        repeated: false,
        config: None,
        extra: serde_json::Map::new(),
        delay: Duration::ZERO,
        timeout: Duration::from_secs(30),
    }
}

pub(crate) fn says(text: &str, state: Option<&AssistantState>) -> Question {
    question(AskInput::Text(text.into()), state.cloned())
}

pub(crate) fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.into()).expect("it is JSON")
}

pub(crate) fn state(data: &str) -> AssistantState {
    AssistantState { assistant: "care".into(), data: raw(data) }
}

pub(crate) fn session_end(state: Option<AssistantState>) -> SessionEnd {
    SessionEnd { key: says("", None).key, session: SESSION, reason: EndReason::Timeout, state }
}

/// What an answer wants kept, decoded.
pub(crate) fn kept(answer: &Answer) -> Value {
    let state = answer.state.as_ref().expect("the answer leaves a state");
    serde_json::from_str(state.data.get()).expect("a state is JSON")
}

/// An error's class, and the wait it asks for.
pub(crate) fn class(error: &AskError) -> (&'static str, Option<u64>) {
    match error {
        AskError::Timeout(_) => ("timeout", None),
        AskError::Unavailable { after, .. } => ("unavailable", after.map(|after| after.as_secs())),
        AskError::Rejected { .. } => ("rejected", None),
        AskError::Misconfigured { .. } => ("misconfigured", None),
        AskError::Malformed { .. } => ("malformed", None),
        AskError::Panicked => ("panicked", None),
    }
}

/// Lets time pass, without waiting for it: what happens on sockets meanwhile takes the time that it takes.
pub(crate) async fn pass(span: Duration) {
    tokio::time::pause();
    tokio::time::advance(span).await;
    tokio::time::resume();
}
