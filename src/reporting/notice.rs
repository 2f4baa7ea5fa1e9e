//! What the core's notes have to tell beside their kind, by the names of the schema.

use raconteur_conversation::effect::{Notice, OptedOutBy, StartedBy};
use serde_json::{Map, Value};

use super::texts::Texts;

/// What else is to be said of a note, by the names of the schema. What an assistant or a provider wrote freely is shown as `texts` says.
pub(super) fn details(notice: &Notice, texts: Texts) -> Map<String, Value> {
    let mut details = Details { texts, fields: Map::new() };
    match notice {
        Notice::UnknownCommand { name } => details.word("command", name),
        Notice::MalformedCommand { name, reason } => {
            details.word("command", name);
            details.free("reason", reason);
        }
        Notice::BadResponseTimeout { value } => details.free("value", value),
        Notice::UnsupportedItem { response_type } => details.word("response_type", response_type),
        Notice::AgentWanted { note } => details.free("note", note),
        Notice::MediaAsLink { reason } => details.free("reason", reason),
        Notice::OptedOut { by } => details.word("by", opted_out_by(*by)),
        Notice::NoSession { sequence }
        | Notice::HasStopped { sequence }
        | Notice::SlowedDown { sequence }
        | Notice::TakenOver { sequence }
        | Notice::HandedBack { sequence }
        | Notice::Erased { sequence } => {
            details.number("turn", sequence.0);
        }
        Notice::NothingToActIn { sequence, reason } => {
            details.number("turn", sequence.0);
            details.word("reason", reason);
        }
        Notice::LateAnswer { token } => {
            details.number("turn", token.turn.0);
            details.number("attempt", token.attempt.into());
        }
        Notice::AskAgain { token, reason } | Notice::TurnFailed { token, reason } => {
            details.number("turn", token.turn.0);
            details.number("attempt", token.attempt.into());
            details.free("reason", reason);
        }
        Notice::TextFailed { id, code, reason } => {
            details.word("text_id", &id.to_string());
            details.word("code", code);
            details.free("reason", reason);
        }
        Notice::TextInDoubt { id, reason } => {
            details.word("text_id", &id.to_string());
            details.free("reason", reason);
        }
        Notice::SessionStarted { session, by } => {
            details.word("session", &session.to_string());
            details.word("started_by", started_by(*by));
        }
        Notice::TooManyChainedTurns
        | Notice::CannotSwitch
        | Notice::TimeoutTurnSkipped
        | Notice::Switched
        | Notice::OptedIn => {}
    }
    details.fields
}

fn opted_out_by(by: OptedOutBy) -> &'static str {
    match by {
        OptedOutBy::User => "user",
        OptedOutBy::Provider => "provider",
    }
}

fn started_by(by: StartedBy) -> &'static str {
    match by {
        StartedBy::User => "user",
        StartedBy::Request => "request",
    }
}

struct Details {
    texts: Texts,
    fields: Map<String, Value>,
}

impl Details {
    fn number(&mut self, name: &str, value: u64) {
        self.fields.insert(name.to_owned(), value.into());
    }

    /// A word of some closed set, or a name that an author chose.
    fn word(&mut self, name: &str, value: &str) {
        self.fields.insert(name.to_owned(), value.into());
    }

    /// Something that may quote what was said.
    fn free(&mut self, name: &str, value: &str) {
        if let Some(value) = self.texts.shown(value) {
            self.fields.insert(name.to_owned(), value.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use raconteur_conversation::words::{OutboundId, Sequence, Token};
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn all() -> Vec<(Notice, Value)> {
        let token = Token { turn: Sequence(8), attempt: 2 };
        let id = OutboundId { turn: Sequence(8), part: 1 };
        let reason = || "call 5550199".to_owned();
        let (session, by) = (Uuid::nil(), StartedBy::User);
        vec![
            (Notice::UnknownCommand { name: "fly".into() }, json!({"command": "fly"})),
            (
                Notice::MalformedCommand { name: "fly".into(), reason: reason() },
                json!({"command": "fly", "reason": "call #######"}),
            ),
            (Notice::BadResponseTimeout { value: "99".into() }, json!({"value": "99"})),
            (Notice::UnsupportedItem { response_type: "iframe".into() }, json!({"response_type": "iframe"})),
            (Notice::AgentWanted { note: "card 12345".into() }, json!({"note": "card #####"})),
            (Notice::MediaAsLink { reason: reason() }, json!({"reason": "call #######"})),
            (Notice::TooManyChainedTurns, json!({})),
            (Notice::CannotSwitch, json!({})),
            (Notice::NoSession { sequence: Sequence(8) }, json!({"turn": 8})),
            (
                Notice::NothingToActIn { sequence: Sequence(8), reason: "no session is open" },
                json!({"turn": 8, "reason": "no session is open"}),
            ),
            (Notice::TimeoutTurnSkipped, json!({})),
            (Notice::Erased { sequence: Sequence(8) }, json!({"turn": 8})),
            (Notice::TakenOver { sequence: Sequence(8) }, json!({"turn": 8})),
            (Notice::HandedBack { sequence: Sequence(8) }, json!({"turn": 8})),
            (Notice::Switched, json!({})),
            (Notice::SlowedDown { sequence: Sequence(8) }, json!({"turn": 8})),
            (Notice::OptedOut { by: OptedOutBy::User }, json!({"by": "user"})),
            (Notice::OptedIn, json!({})),
            (Notice::HasStopped { sequence: Sequence(8) }, json!({"turn": 8})),
            (Notice::LateAnswer { token }, json!({"turn": 8, "attempt": 2})),
            (Notice::AskAgain { token, reason: reason() }, json!({"turn": 8, "attempt": 2, "reason": "call #######"})),
            (
                Notice::TurnFailed { token, reason: reason() },
                json!({"turn": 8, "attempt": 2, "reason": "call #######"}),
            ),
            (
                Notice::TextFailed { id, code: "30003".into(), reason: reason() },
                json!({"text_id": "8-1", "code": "30003", "reason": "call #######"}),
            ),
            (Notice::TextInDoubt { id, reason: reason() }, json!({"text_id": "8-1", "reason": "call #######"})),
            (
                Notice::SessionStarted { session, by },
                json!({"session": "00000000-0000-0000-0000-000000000000", "started_by": "user"}),
            ),
        ]
    }

    #[test]
    fn every_note_has_a_word_of_its_own() {
        let words: Vec<&str> = all().iter().map(|(notice, _)| notice.kind()).collect();
        assert_eq!(words, Notice::KINDS);
    }

    #[test]
    fn details_are_told_by_the_names_of_the_schema() {
        for (notice, expected) in all() {
            assert_eq!(Value::Object(details(&notice, Texts::Masked)), expected, "{notice:?}");
        }
    }

    #[test]
    fn without_texts_nothing_free_is_told() {
        for (notice, _) in all() {
            let shown = Value::Object(details(&notice, Texts::None)).to_string();
            assert!(!shown.contains("call") && !shown.contains("card") && !shown.contains("99"), "{shown}");
        }
    }
}
