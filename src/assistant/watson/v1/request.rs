//! Writes a question as a v1 message request.
//!
//! The gateway's variables stand at the top of the context, where every turn overwrites them. Commands never go back: v1 returns what it is
//! sent, and an old command would run again.

use bytes::Bytes;
use raconteur_conversation::words::{AskInput, Question};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::super::context::{self, Tree};
use super::super::{command, text};

/// A request, ready to be sent.
pub(in super::super) struct Written {
    /// The JSON.
    pub(in super::super) body: Bytes,
    /// How many UTF-16 code units of the text did not fit.
    pub(in super::super) lost: usize,
}

#[derive(Serialize)]
struct Message<'a> {
    input: Input<'a>,
    context: &'a Tree<'a>,
    alternate_intents: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    intents: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entities: Option<&'a RawValue>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Input<'a> {
    Text { text: String },
    Chosen(&'a RawValue),
}

/// The `value` of a list's entry.
#[derive(Deserialize)]
struct Chosen<'a> {
    #[serde(borrow)]
    input: &'a RawValue,
    #[serde(borrow, default)]
    intents: Option<&'a RawValue>,
    #[serde(borrow, default)]
    entities: Option<&'a RawValue>,
}

/// What the gateway tells with a question.
pub(in super::super) fn variables(question: &Question) -> Map<String, Value> {
    let mut object = question.variables.to_json();
    object.extend(question.extra.clone());
    object.entry("smsError").or_insert(Value::Null);
    object.retain(|name, _| !command::NAMES.contains(&name.as_str()));
    object
}

/// Writes a question. The context holds the variables already.
pub(in super::super) fn write(question: &Question, context: &Tree<'_>) -> Written {
    let (mut lost, mut intents, mut entities) = (0, None, None);
    let input = match chosen(&question.input) {
        Some(chosen) => {
            (intents, entities) = (chosen.intents, chosen.entities);
            Input::Chosen(chosen.input)
        }
        None => {
            let fitted = text::fit(question.input.text());
            lost = fitted.lost;
            Input::Text { text: fitted.text }
        }
    };
    let message = Message { input, context, alternate_intents: false, intents, entities };
    Written { body: context::written(&message).into(), lost }
}

/// A chosen entry goes back as it came, with what stands beside its input. `None` when it is no entry of v1, as another kind of assistant
/// may have left it: then its text must do.
fn chosen(input: &AskInput) -> Option<Chosen<'_>> {
    let AskInput::Choice { input, .. } = input else { return None };
    let chosen: Chosen<'_> = serde_json::from_str(input.get()).ok()?;
    chosen.input.get().starts_with('{').then_some(chosen)
}
