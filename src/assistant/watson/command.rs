//! Finds the commands in an answer. They may stand in several places, under two names, as one object or as a list.
//!
//! A *site* is one object that may hold `smsAction` and `smsActionSequence`. A skill that writes the same order to two sites of one
//! answer means it once; a sequence that names a command twice means it twice. What a command means is the core's business.

use raconteur_conversation::words::{AskError, CommandCall};
use serde_json::Value;

use super::json::{Object, Place};

/// The names under which a site holds commands.
pub(super) const NAMES: [&str; 2] = ["smsAction", "smsActionSequence"];

/// More than any skill means; a list without end must not keep a core busy with comparing.
const COMMANDS_MAX: usize = 64;

/// The commands of one answer, in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Commands(Vec<CommandCall>);

impl Commands {
    /// Takes over what a site orders and no earlier site did.
    pub(super) fn add_site(&mut self, site: &Object<'_>) -> Result<(), AskError> {
        for name in NAMES {
            if let Some(place) = site.get(name) {
                let ordered = read(&place)?;
                self.add(ordered);
            }
        }
        Ok(())
    }

    /// All of them.
    pub(super) fn into_calls(self) -> Vec<CommandCall> {
        self.0
    }

    /// A call is new when this place names it more often than all earlier ones together did.
    fn add(&mut self, ordered: Vec<CommandCall>) {
        let mut known = self.0.clone();
        for call in ordered {
            if let Some(at) = known.iter().position(|earlier| *earlier == call) {
                known.swap_remove(at);
            } else if self.0.len() < COMMANDS_MAX {
                self.0.push(call);
            } else {
                tracing::warn!("left out all commands of one answer after the first {COMMANDS_MAX}");
                return;
            }
        }
    }
}

/// An object is one command, an array several. Bots clear a variable with an empty string or object, so these are none.
/// Anything else is left alone with a warning: a wrong command must not cost the user the words that came with it.
fn read(place: &Place<'_>) -> Result<Vec<CommandCall>, AskError> {
    let value = place.value()?;
    let entries = if let Value::Array(entries) = value { entries } else { vec![value] };
    let mut calls = Vec::new();
    for entry in entries.into_iter().filter(|entry| !is_cleared(entry)) {
        match call(entry) {
            Some(call) => calls.push(call),
            None => tracing::warn!(place = place.path(), "left out what is not a command: it needs a \"command\" name"),
        }
    }
    Ok(calls)
}

fn is_cleared(entry: &Value) -> bool {
    match entry {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => false,
    }
}

/// IBM's prose calls the arguments `parameter`, its examples `parameters`: both are taken.
fn call(entry: Value) -> Option<CommandCall> {
    let Value::Object(mut members) = entry else { return None };
    let Some(Value::String(name)) = members.remove("command") else { return None };
    let mut argument = |key| members.remove(key).filter(|value| !value.is_null());
    let parameters = argument("parameters").or_else(|| argument("parameter")).unwrap_or(Value::Null);
    Some(CommandCall { name, parameters })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::json::body;
    use super::*;

    fn read_sites(sites: &[Value]) -> Vec<(String, Value)> {
        let mut commands = Commands::default();
        for site in sites {
            let text = site.to_string();
            commands.add_site(&body(text.as_bytes()).unwrap()).unwrap();
        }
        commands.into_calls().into_iter().map(|call| (call.name, call.parameters)).collect()
    }

    #[test]
    fn both_spellings_of_the_arguments_are_taken() {
        for key in ["parameter", "parameters"] {
            let site = json!({"smsAction": {"command": "setSessionTimeoutCount", key: {"count": 200}}});
            assert_eq!(read_sites(&[site]), [("setSessionTimeoutCount".to_owned(), json!({"count": 200}))]);
        }
        let both = json!({"smsAction": {"command": "c", "parameters": null, "parameter": 1}});
        assert_eq!(read_sites(&[both]), [("c".to_owned(), json!(1))]);
    }

    #[test]
    fn the_same_order_at_several_sites_is_one_order() {
        let once = json!({"smsAction": {"command": "a", "parameters": {"x": 1, "y": 2}}});
        let again = json!({"smsAction": {"command": "a", "parameter": {"y": 2, "x": 1}}});
        let other = json!({"smsAction": {"command": "a", "parameters": {"x": 1}}});
        let expected = [("a".to_owned(), json!({"x": 1, "y": 2})), ("a".to_owned(), json!({"x": 1}))];
        assert_eq!(read_sites(&[once, again, other]), expected);
    }

    #[test]
    fn a_sequence_keeps_its_order_and_its_repetitions() {
        let (a, b) = (json!({"command": "a"}), json!({"command": "b"}));
        let names = |sites: &[Value]| read_sites(sites).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        let sequence = json!({"smsActionSequence": [b, a, b]});
        assert_eq!(names(std::slice::from_ref(&sequence)), ["b", "a", "b"]);
        assert_eq!(names(&[json!({"smsAction": a}), sequence.clone()]), ["a", "b", "b"]);
        assert_eq!(names(&[sequence.clone(), sequence]), ["b", "a", "b"]);
    }

    #[test]
    fn a_list_without_end_is_cut() {
        let endless: Vec<Value> = (0..30_000).map(|n| json!({"command": n.to_string()})).collect();
        let found = read_sites(&[json!({"smsActionSequence": endless}), json!({"smsActionSequence": endless})]);
        assert_eq!(found.len(), COMMANDS_MAX);
        assert_eq!((found[0].0.as_str(), found[63].0.as_str()), ("0", "63"));
    }

    #[test]
    fn what_is_cleared_or_no_command_orders_nothing() {
        for nothing in [json!(null), json!(""), json!({}), json!([]), json!("terminateSession"), json!(7), json!([[]])]
        {
            assert_eq!(read_sites(&[json!({"smsAction": nothing})]), []);
        }
        let partly = json!({"smsActionSequence": [{"command": 1}, {"command": "a"}, null]});
        assert_eq!(read_sites(&[partly]), [("a".to_owned(), Value::Null)]);
    }
}
