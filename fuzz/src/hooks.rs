//! Replies of the webhooks around an assistant.
//!
//! The input is a letter (`t` and `c` for the reply of a pre webhook to a text and to a choice, `r` for its answer in the assistant's stead,
//! `p` for the reply of a post webhook) and a body.

use std::time::Duration;

use raconteur::assistant::webhooks::readers;
use raconteur::conversation::address::Address;
use raconteur::conversation::words::{Answer, AskInput, AssistantState, Choice, CommandCall, Item, Question};
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use super::input::{is_fit_to_be_told, rewritten};

/// The longest reason why a reply makes no sense.
const REASON_MAX: usize = 300;

/// What a webhook may not change.
const OWN: [&str; 9] = [
    "smsTenantPhoneNumber",
    "smsUserPhoneNumber",
    "smsSessionID",
    "smsUserData",
    "smsSessionTimeoutCount",
    "smsError",
    "smsMedia",
    "smsAction",
    "smsActionSequence",
];

pub(super) fn run(data: &[u8]) {
    let Some((kind, reply)) = data.split_first() else { return };
    match kind {
        b't' => judge_pre(&question(AskInput::Text("two\nlines".into())), reply),
        b'c' => {
            let input = RawValue::from_string(r#"{"text":"boat", "suggestion_id":"s1"}"#.into()).expect("it is JSON");
            judge_pre(&question(AskInput::Choice { text: "boat".into(), input }), reply);
        }
        b'r' => match readers::pre_answer(reply) {
            Ok(answer) => is_told_as_it_is(&answer),
            Err(reason) => is_fit_to_be_told(&reason, REASON_MAX),
        },
        b'p' => judge_post(reply),
        _ => {}
    }
}

fn question(input: AskInput) -> Question {
    let number = Address::parse("+15550100").expect("a number");
    let mut question = Question::trial(&number, Uuid::nil(), Duration::from_secs(1));
    question.input = input;
    question.state = Some(state());
    question.extra.insert("tier".into(), json!("gold"));
    question
}

fn state() -> AssistantState {
    AssistantState { assistant: "fuzz".into(), data: to_raw_value(&json!({"context": {"a": 1}})).expect("JSON") }
}

/// What is the gateway's own stays; and what a webhook changes does not depend on how it writes JSON.
fn judge_pre(question: &Question, reply: &[u8]) {
    assert!(matches!(readers::pre(question, &readers::received(question)), Ok(None)), "an echo changes something");
    let found = readers::pre(question, reply);
    if let Some(same) = rewritten(reply) {
        let again = readers::pre(question, &same);
        let summary = |found: &Result<Option<Question>, String>| match found {
            Ok(changed) => Ok(changed.as_ref().map(|changed| (changed.input.text().to_owned(), changed.extra.clone()))),
            Err(reason) => Err(reason.clone()),
        };
        assert_eq!(summary(&found), summary(&again), "it depends on how the JSON is written");
    }
    match found {
        Ok(None) => {}
        Ok(Some(changed)) => {
            assert_eq!(
                (changed.token, changed.turn_id, &changed.key),
                (question.token, question.turn_id, &question.key)
            );
            assert_eq!((&changed.state, changed.timeout), (&question.state, question.timeout));
            assert_eq!(changed.variables.to_json(), question.variables.to_json());
            assert!(OWN.iter().all(|name| !changed.extra.contains_key(*name)), "what is ours was changed");
            // It can be asked.
            serde_json::from_slice::<serde_json::Value>(&readers::received(&changed)).expect("a question is JSON");
        }
        Err(reason) => is_fit_to_be_told(&reason, REASON_MAX),
    }
}

fn judge_post(reply: &[u8]) {
    let input = RawValue::from_string(r#"{"text" : "boat"}"#.into()).expect("it is JSON");
    let call = CommandCall { name: "setSessionTimeoutCount".into(), parameters: json!({"count": 200}) };
    let answer = Answer {
        items: vec![
            Item::Text("Which?".into()),
            Item::Options { title: "One of".into(), choices: vec![Choice { label: "Boat".into(), input }] },
        ],
        commands: vec![call],
        response_timeout: Some(json!(500)),
        state: Some(state()),
    };
    is_told_as_it_is(&answer);
    match readers::post(&question(AskInput::Start), &answer, reply) {
        Ok(None) => {}
        Ok(Some(edited)) => {
            assert_eq!(edited.state, answer.state, "what the assistant keeps was changed");
            is_told_as_it_is(&edited);
        }
        Err(reason) => is_fit_to_be_told(&reason, REASON_MAX),
    }
}

/// Any answer that was read can be told to a webhook, which sends it back as it came: then nothing is changed by it.
fn is_told_as_it_is(answer: &Answer) {
    let question = question(AskInput::Start);
    let told = readers::processed(&question, answer);
    assert_eq!(readers::post(&question, answer, &told), Ok(None), "an echo changes something");
    let payload = serde_json::from_slice::<std::collections::BTreeMap<String, Box<RawValue>>>(&told);
    let payload = payload.expect("an event is an object").remove("payload").expect("it has a payload");
    let read = readers::pre_answer(payload.get().as_bytes()).expect("what is told can be read");
    assert_eq!((&read.items, &read.commands), (&answer.items, &answer.commands), "it was told differently");
}
