//! A turn while it is open, and how a user's reply picks from a list.

use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use crate::session::Session;
use crate::time::UnixMillis;
use crate::words::{
    Answer, AskInput, Choice, Forward, InboundMessage, Item, Question, Sequence, Token, Work, WorkRecord,
};

/// One question to the assistant that is not yet answered, or a text that is being forwarded.
#[derive(Debug)]
pub struct Turn {
    /// What opened it; the last of the texts that were gathered into it.
    pub record: WorkRecord,
    /// The texts before it that were gathered into it, in order.
    pub joined: Vec<WorkRecord>,
    /// The question, kept for another attempt.
    pub asked: Asked,
    /// The attempts before this one belonged to earlier questions of the same turn.
    pub attempts_before: u32,
    /// How many questions of this turn were answered already.
    pub questions: u8,
    /// How many of them were put because the session had been switched to another assistant.
    pub switches: u8,
    /// What earlier answers of this turn have said: it goes out with the last one.
    pub held: Held,
    /// What is asked next in the same turn.
    pub next: Option<AskInput>,
    /// The session as it was before the first answer of a turn that goes on: what is kept as long as the turn is not answered, since
    /// after a crash it is taken again from its beginning.
    pub before: Option<Box<Session>>,
    /// An answer whose media are being looked at.
    pub checking: Option<Box<Answer>>,
}

/// What a transcript has to say of a question, beside its answer.
#[derive(Debug)]
pub struct Asking {
    /// For which record.
    pub sequence: Sequence,
    /// When first.
    pub at: UnixMillis,
    /// What the answers have ordered, by name.
    pub commands: Vec<String>,
}

impl Asking {
    /// So many commands of one turn are told.
    pub const COMMANDS_MAX: usize = 16;

    /// A question that is put now.
    #[must_use]
    pub fn new(sequence: Sequence, at: UnixMillis) -> Self {
        Self { sequence, at, commands: Vec::new() }
    }
}

/// Whom a turn has asked.
#[derive(Debug)]
pub enum Asked {
    /// The assistant.
    Assistant(Arc<Question>),
    /// A voice gateway, by a pipe.
    Pipe(Box<Forward>),
}

/// What a turn has to say and has not said yet.
#[derive(Debug, Default)]
pub struct Held {
    /// Items, in order.
    pub items: Vec<Item>,
    /// Media that were ordered, in order.
    pub media: Vec<String>,
    /// Media that go as links.
    pub links: Vec<String>,
    /// The session ends with this turn.
    pub ends: bool,
    /// Another turn follows without the user.
    pub no_input: bool,
}

impl Turn {
    /// A turn that asks its first question.
    #[must_use]
    pub fn new((record, joined): (WorkRecord, Vec<WorkRecord>), asked: Asked, next: Option<AskInput>) -> Self {
        let held = Held::default();
        Self {
            record,
            joined,
            asked,
            attempts_before: 0,
            questions: 0,
            switches: 0,
            held,
            next,
            checking: None,
            before: None,
        }
    }

    /// The attempt that is under way.
    #[must_use]
    pub fn token(&self) -> Token {
        self.asked.token()
    }
}

impl Asked {
    /// The attempt that is under way.
    #[must_use]
    pub fn token(&self) -> Token {
        match self {
            Self::Assistant(question) => question.token,
            Self::Pipe(forward) => forward.token,
        }
    }
}

/// The same for every attempt at a turn, and for no other set of texts.
#[must_use]
pub fn id(record: &WorkRecord, joined: &[WorkRecord]) -> Uuid {
    let name: Vec<u8> = b"turn".iter().copied().chain(joined.iter().flat_map(|text| text.seed.to_be_bytes())).collect();
    Uuid::new_v5(&Uuid::from_u128(record.seed), &name)
}

/// What the user has said in all texts of a turn: one below the other, media together.
#[must_use]
pub fn message(record: &WorkRecord, joined: &[WorkRecord]) -> InboundMessage {
    let mut whole = InboundMessage::default();
    for text in joined.iter().chain([record]) {
        let Work::Message(message) = &text.work else { continue };
        if !whole.body.is_empty() && !message.body.is_empty() {
            whole.body.push('\n');
        }
        whole.body.push_str(&message.body);
        whole.media.extend(message.media.iter().cloned());
    }
    whole
}

const NUMBER_WORDS: [&str; 20] = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
];

/// What the user means: an entry of the list when the reply is its number (`2`, `2.`, `2)`, `#2`, `two`) or its label in any
/// case; otherwise the words themselves, also for a number that is out of range.
#[must_use]
pub fn interpret(text: &str, list: &[Choice]) -> AskInput {
    match chosen(text.trim(), list) {
        Some(choice) => {
            let input: Option<Value> = serde_json::from_str(choice.input.get()).ok();
            // A v1 entry is kept with what stands beside its input.
            let own = input.as_ref().and_then(|input| input.get("text").or_else(|| input.get("input")?.get("text")));
            let words = own.and_then(Value::as_str);
            AskInput::Choice { text: words.unwrap_or(&choice.label).to_owned(), input: choice.input.clone() }
        }
        None => AskInput::Text(text.to_owned()),
    }
}

fn chosen<'a>(reply: &str, list: &'a [Choice]) -> Option<&'a Choice> {
    let by_label = || {
        let reply = reply.to_lowercase();
        list.iter().find(|choice| choice.label.trim().to_lowercase() == reply)
    };
    match number(reply) {
        Some(n) => n.checked_sub(1).and_then(|index| list.get(index)).or_else(by_label),
        None => by_label(),
    }
}

fn number(reply: &str) -> Option<usize> {
    let bare = reply.strip_prefix('#').unwrap_or(reply);
    let bare = bare.strip_suffix(['.', ')']).unwrap_or(bare).trim();
    if !bare.is_empty() && bare.bytes().all(|b| b.is_ascii_digit()) {
        return bare.parse().ok();
    }
    NUMBER_WORDS.iter().position(|word| bare.eq_ignore_ascii_case(word)).map(|index| index + 1)
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn list() -> Vec<Choice> {
        let choice = |label: &str, input: &str| Choice {
            label: label.into(),
            input: RawValue::from_string(input.into()).unwrap(),
        };
        vec![choice("Boat", r#"{"text":"boat trip"}"#), choice("Car", r#"{"text":"car","suggestion_id":"s1"}"#)]
    }

    fn picked(reply: &str) -> Option<String> {
        match interpret(reply, &list()) {
            AskInput::Choice { input, .. } => Some(input.get().to_owned()),
            AskInput::Text(_) | AskInput::Start | AskInput::Signal(_) => None,
        }
    }

    #[test]
    fn a_number_in_any_usual_shape_picks_the_entry_whole() {
        for reply in ["2", "2.", "2)", "#2", " 2 ", "two", "TWO", "car", " Car "] {
            assert_eq!(picked(reply).as_deref(), Some(r#"{"text":"car","suggestion_id":"s1"}"#), "{reply:?}");
        }
    }

    #[test]
    fn anything_else_passes_through_as_text() {
        for reply in ["0", "3", "99999999999999999999999", "two boats", "", "#", ".", "2 cars", "-1", "1.5"] {
            assert_eq!(picked(reply), None, "{reply:?}");
        }
    }

    #[test]
    fn the_words_of_a_choice_are_its_input_text() {
        assert_eq!(interpret("1", &list()).text(), "boat trip");
    }

    #[test]
    fn the_words_of_a_v1_choice_lie_one_level_deeper() {
        let input = RawValue::from_string(r#"{"input":{"text":"van"},"intents":[]}"#.into()).unwrap();
        assert_eq!(interpret("1", &[Choice { label: "Van".into(), input }]).text(), "van");
    }

    #[test]
    fn without_a_list_a_number_is_text() {
        assert_eq!(interpret("1", &[]).text(), "1");
    }
}
