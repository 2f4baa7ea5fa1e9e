//! Answers of IBM's assistants and of whatever speaks as they do, and the next question over the state that an answer has left.
//!
//! The input is a letter (`2` and `s` for v2 with and without sessions, `1` for v1, `e` for an error, `t` for a token) and a body.

use raconteur::assistant::watson::readers;
use raconteur::conversation::address::Address;
use raconteur::conversation::command::Command;
use raconteur::conversation::render::{Prefixes, render};
use raconteur::conversation::words::{Answer, AskError, AskInput, Item, Question};
use serde_json::Value;
use serde_json::value::RawValue;
use std::time::Duration;
use uuid::Uuid;

use super::input::{is_fit_to_be_told, rewritten};

/// The longest reason why an answer makes no sense: the way to a place, and what belongs there.
const REASON_MAX: usize = 300;

/// How much is passed on of the words of an error.
const QUOTE_MAX: usize = 201;

type Read = fn(&[u8]) -> Result<Answer, AskError>;
type Ask = fn(&Question) -> bytes::Bytes;

pub(super) fn run(data: &[u8]) {
    let Some((kind, body)) = data.split_first() else { return };
    match kind {
        b'2' => judge(body, readers::v2, None),
        b's' => judge(body, readers::v2_stateless, Some(readers::v2_question)),
        b'1' => judge(body, readers::v1, Some(readers::v1_question)),
        b'e' => {
            if let Some(words) = readers::refusal(body) {
                assert!(words.chars().count() <= QUOTE_MAX && !words.contains(char::is_control), "{words:?}");
            }
        }
        b't' => match readers::token(body) {
            Ok(life) => assert!(life <= Duration::from_secs(86_400)),
            Err(error) => is_fit_to_be_told(&error.to_string(), REASON_MAX),
        },
        _ => {}
    }
}

fn judge(body: &[u8], read: Read, ask: Option<Ask>) {
    let found = read(body);
    if let Some(same) = rewritten(body) {
        assert!(is_same(&found, &read(&same)), "it depends on how the JSON is written: {found:?}");
    }
    match found {
        Ok(answer) => {
            is_within_its_limits(&answer, body);
            if let Some(ask) = ask {
                goes_on(&answer, ask);
            }
            says_something(answer);
        }
        Err(error) => {
            assert!(matches!(error, AskError::Malformed { .. }), "{error}");
            is_fit_to_be_told(&error.to_string(), REASON_MAX);
        }
    }
}

/// Whether two readings are the same, but for the bytes of what goes back as it came.
fn is_same(one: &Result<Answer, AskError>, other: &Result<Answer, AskError>) -> bool {
    let (one, other) = match (one, other) {
        (Ok(one), Ok(other)) => (one, other),
        (Err(one), Err(other)) => return one == other,
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => return false,
    };
    let decoded = |item: &Item| match item {
        Item::Options { title, choices } | Item::Suggestions { title, choices } => {
            let entry = |input: &str| serde_json::from_str::<Value>(input).ok();
            let choices = choices.iter().map(|choice| (choice.label.clone(), entry(choice.input.get()))).collect();
            (None, Some((title.clone(), choices)))
        }
        other => (Some(other.clone()), None::<(String, Vec<(String, Option<Value>)>)>),
    };
    one.items.iter().map(decoded).eq(other.items.iter().map(decoded))
        && one.commands == other.commands
        && one.response_timeout == other.response_timeout
}

/// Nothing grows beyond what was sent, and what goes back is what came.
fn is_within_its_limits(answer: &Answer, body: &[u8]) {
    assert!(answer.commands.len() <= 64, "{} commands", answer.commands.len());
    for item in &answer.items {
        match item {
            Item::Options { choices, .. } | Item::Suggestions { choices, .. } => {
                for choice in choices {
                    let input = choice.input.get().as_bytes();
                    assert!(body.windows(input.len()).any(|window| window == input), "other bytes go back");
                    assert!(input.starts_with(b"{"), "a choice is an object");
                }
            }
            Item::Unsupported { response_type } => assert!(response_type.chars().count() <= 64),
            Item::Text(_)
            | Item::Media(_)
            | Item::Search { .. }
            | Item::ChannelTransfer { .. }
            | Item::ConnectToAgent(_)
            | Item::EndSession => {}
        }
    }
}

/// The next question is JSON, orders nothing by itself, and says what the user said.
fn goes_on(answer: &Answer, ask: Ask) {
    let number = Address::parse("+15550100").expect("a number");
    let mut question = Question::trial(&number, Uuid::nil(), Duration::from_secs(1));
    question.state.clone_from(&answer.state);
    question.input = AskInput::Text("go\ton".into());
    let written = ask(&question);
    serde_json::from_slice::<&RawValue>(&written).expect("a question is JSON");
    // What goes back as it came may have a number that we could not count up to.
    let Ok(written) = serde_json::from_slice::<Value>(&written) else { return };
    assert_eq!(written["input"]["text"], "go on");
    let skills = &written["context"]["skills"];
    let places =
        [&written["context"], &skills["main skill"]["user_defined"], &skills["actions skill"]["skill_variables"]];
    for place in places {
        assert!(place["smsAction"].is_null() && place["smsActionSequence"].is_null(), "a command goes back");
    }
}

fn says_something(answer: Answer) {
    for call in &answer.commands {
        if let Err(error) = Command::parse(&call.name, &call.parameters) {
            is_fit_to_be_told(&error.to_string(), REASON_MAX);
        }
    }
    let _ = render(answer.items, Prefixes { options: "%s. ", suggestions: "%s. " }, &[]);
}
