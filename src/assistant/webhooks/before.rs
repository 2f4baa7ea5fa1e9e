//! What a pre webhook made of a question.
//!
//! It may change what was said and set variables. What came back as it went is left alone, so that a webhook that only looks costs a
//! question nothing: not the line breaks that Watson does not take, not the bytes of a chosen entry.

use raconteur_conversation::words::{AskInput, Question};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::exchange::HookError;
use super::json::{self, Members};
use super::request::Request;

/// The gateway's own variables, and the commands, which a question clears.
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

/// Where the two kinds of skill have their variables.
const VARIABLES: [[&str; 4]; 2] =
    [["context", "skills", "main skill", "user_defined"], ["context", "skills", "actions skill", "skill_variables"]];

/// What a webhook changed.
#[derive(Debug, Default)]
pub(super) struct Edits {
    input: Option<AskInput>,
    variables: Map<String, Value>,
    /// The variables that it may not change.
    pub(super) refused: Vec<&'static str>,
}

/// Reads a reply to the request of a question.
///
/// # Errors
/// When it makes no sense, saying where.
pub(super) fn edits(question: &Question, sent: &Request, body: &[u8]) -> Result<Edits, HookError> {
    let payload = json::payload(body)?;
    let mut edits = Edits::default();
    if let Some(raw) = json::member(&payload, "input") {
        edits.input = input(&question.input, &sent.input, raw)?;
    }
    for way in VARIABLES {
        let now = json::below(&payload, "payload", &way)?.unwrap_or_default();
        let [_, below @ ..] = way;
        let before = json::members(&sent.context).unwrap_or_default();
        let before = json::below(&before, "context", &below)?.unwrap_or_default();
        edits.set(&before, now)?;
    }
    Ok(edits)
}

impl Edits {
    /// The changed question; `None` when nothing is to be changed.
    pub(super) fn apply(self, question: &Question) -> Option<Question> {
        if self.input.is_none() && self.variables.is_empty() {
            return None;
        }
        let mut changed = question.clone();
        changed.input = self.input.unwrap_or(changed.input);
        changed.extra.extend(self.variables);
        Some(changed)
    }

    /// Takes over the variables that are new or changed. One that is gone stays: no skill forgets a variable because it is not told again.
    fn set(&mut self, before: &Members, now: Members) -> Result<(), HookError> {
        for (name, raw) in now {
            if before.get(&name).is_some_and(|before| json::same(before, &raw)) {
                continue;
            }
            match OWN.iter().find(|own| **own == name) {
                Some(own) => self.refused.push(own),
                None => {
                    let value = json::value(&raw, "a variable in payload.context")?;
                    self.variables.insert(name, value);
                }
            }
        }
        Ok(())
    }
}

/// What is said now; `None` when that is what was said before. An input with more to it than other words goes to the assistant whole.
fn input(was: &AskInput, sent: &RawValue, now: &RawValue) -> Result<Option<AskInput>, HookError> {
    if json::same(sent, now) {
        return Ok(None);
    }
    json::value(now, "payload.input")?;
    let members = json::members(now).ok_or_else(|| HookError::nonsense("payload.input is not an object"))?;
    let before = json::members(sent).unwrap_or_default();
    let said = |members: &Members| -> Result<Option<String>, HookError> {
        let text = json::member(members, "text").map(|raw| serde_json::from_str(raw.get())).transpose();
        text.map_err(|_| HookError::nonsense("payload.input.text is not a string"))
    };
    let (text, text_before) = (said(&members)?, said(&before)?);
    // Attachments are told in `smsMedia` as well, which is the gateway's own.
    let is_known = |name: &String, raw: &RawValue| {
        ["text", "attachments"].contains(&name.as_str()) || before.get(name).is_some_and(|was| json::same(was, raw))
    };
    let only_words = members.iter().all(|(name, raw)| is_known(name, raw));
    match (text, was) {
        (Some(text), AskInput::Text(_) | AskInput::Start | AskInput::Signal(_)) if only_words => {
            Ok((text_before.as_ref() != Some(&text)).then_some(AskInput::Text(text)))
        }
        (None, AskInput::Text(_) | AskInput::Start | AskInput::Signal(_)) if only_words => Ok(None),
        (text, _) => {
            let text = text.unwrap_or_else(|| was.text().to_owned());
            Ok(Some(AskInput::Choice { text, input: now.to_owned() }))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use raconteur_conversation::address::Address;
    use raconteur_conversation::time::UnixMillis;
    use raconteur_conversation::variable::SmsError;
    use raconteur_conversation::words::{OutboundId, Sequence};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn every_variable_that_the_gateway_sets_is_its_own() {
        let number = Address::parse("+15550100").unwrap();
        let mut variables = Question::trial(&number, Uuid::nil(), Duration::ZERO).variables;
        variables.user_data = Some(RawValue::from_string("{}".into()).unwrap());
        variables.session_timeout = Some(Duration::from_secs(1));
        let outbound = OutboundId { turn: Sequence(1), part: 0 };
        variables.error = Some(SmsError { code: String::new(), message: String::new(), outbound, at: UnixMillis(0) });
        let told = variables.to_json();
        assert_eq!(told.len(), 7);
        assert!(told.keys().all(|name| OWN.contains(&name.as_str())), "{told:?}");
    }
}
