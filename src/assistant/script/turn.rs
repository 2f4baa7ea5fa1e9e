//! One run of a script: what it was asked, and what it has answered so far.
//!
//! The functions in [`super::api`] fill it and refuse what goes over a limit, in the author's words; when the script is through,
//! it becomes an [`Answer`]. It lives for one turn and is reached through the call's tag, never through a global.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use raconteur_conversation::words::{
    Answer, AskInput, AssistantState, Choice, CommandCall, Item, MediaItem, Question, Signal,
};
use rhai::{Dynamic, Map};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Settings;
use super::json;
use super::memory::{Kept, Memory};

/// The turn that a script is running, as its functions reach it.
#[derive(Clone)]
pub(super) struct Running(Arc<Mutex<Turn>>);

/// What the script has said and ordered so far.
pub(super) struct Turn {
    /// What the script remembers.
    pub(super) memory: Memory,
    /// How long to wait before the answer is given.
    pub(super) wait: Duration,
    /// Why the script refused the question, if it did.
    pub(super) refusal: Option<String>,
    /// What the script has set as `smsConversationResponseTimeout`, in this turn or before.
    pub(super) response_timeout: Option<i64>,
    settings: Settings,
    turns: u32,
    items: Vec<Item>,
    commands: Vec<CommandCall>,
    bytes: usize,
}

impl Running {
    /// A turn that has said nothing yet, with what `assistant` kept for it.
    pub(super) fn new(question: &Question, assistant: &str, settings: &Settings) -> Self {
        let ours = question.state.as_ref().filter(|state| state.assistant == assistant);
        let kept = ours.map(|state| Kept::read(&state.data)).unwrap_or_default();
        Self(Arc::new(Mutex::new(Turn {
            memory: Memory::new(&kept.memory, settings.max_memory_bytes),
            wait: Duration::ZERO,
            refusal: None,
            response_timeout: kept.response_timeout,
            settings: settings.clone(),
            turns: kept.turns.saturating_add(1),
            items: Vec::new(),
            commands: Vec::new(),
            bytes: 0,
        })))
    }

    /// The turn itself. Held only inside one function of ours, never while the script runs.
    pub(super) fn lock(&self) -> MutexGuard<'_, Turn> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// What the script gets as its `message`.
    pub(super) fn message(&self, question: &Question) -> Map {
        let variables = &question.variables;
        let media: Vec<Value> =
            variables.media.iter().map(|media| json!({"url": media.url, "type": media.content_type})).collect();
        let choice = match &question.input {
            AskInput::Choice { input, .. } => parsed(Some(input)),
            AskInput::Text(_) | AskInput::Start | AskInput::Signal(_) => Value::Null,
        };
        let signal = match &question.input {
            AskInput::Signal(Signal::NoInput) => json!("no_input"),
            AskInput::Signal(Signal::SessionTimeout) => json!("timeout"),
            AskInput::Text(_) | AskInput::Choice { .. } | AskInput::Start => Value::Null,
        };
        let fields = [
            ("text", json!(question.input.text())),
            ("start", json!(matches!(question.input, AskInput::Start))),
            ("choice", choice),
            ("signal", signal),
            ("media", Value::Array(media)),
            ("session", json!(variables.session)),
            ("tenant", json!(variables.tenant.as_str())),
            ("user", json!(variables.user.as_str())),
            ("turn", json!(self.turns)),
            ("turn_id", json!(question.turn_id)),
            ("user_data", parsed(variables.user_data.as_deref())),
            ("error", json!(variables.error)),
            ("extra", json!(question.extra)),
        ];
        fields.iter().map(|(name, value)| ((*name).into(), json::to_script(value))).collect()
    }

    /// Says `text`.
    pub(super) fn reply(&mut self, text: &str) -> Result<(), String> {
        if text.trim().is_empty() {
            return Err("reply() needs a text".into());
        }
        self.item(Item::Text(text.to_owned()), text.len())
    }

    /// Shows a picture, sound or video.
    pub(super) fn show(&mut self, url: &str, title: &str, description: &str) -> Result<(), String> {
        if !url.starts_with("https://") && !url.starts_with("http://") {
            return Err("show() needs an address that begins with https:// or http://".into());
        }
        let media = MediaItem { source: url.to_owned(), title: title.to_owned(), description: description.to_owned() };
        self.item(Item::Media(media), url.len() + title.len() + description.len())
    }

    /// Asks whether the user meant one of these.
    pub(super) fn suggest(&mut self, title: &str, entries: &[Dynamic]) -> Result<(), String> {
        if entries.is_empty() {
            return Err("suggest() needs at least one entry".into());
        }
        self.choose(title, entries)?;
        if let Some(Item::Options { title, choices }) = self.items.pop() {
            self.items.push(Item::Suggestions { title, choices });
        }
        Ok(())
    }

    /// Offers a list.
    pub(super) fn choose(&mut self, title: &str, entries: &[Dynamic]) -> Result<(), String> {
        if entries.is_empty() {
            return Err("choose() needs at least one entry".into());
        }
        let choices = entries.iter().map(choice).collect::<Result<Vec<_>, _>>()?;
        let bytes: usize = choices.iter().map(|choice| choice.label.len() + choice.input.get().len()).sum();
        self.item(Item::Options { title: title.to_owned(), choices }, title.len() + bytes)
    }

    /// Orders a command.
    pub(super) fn command(&mut self, name: &str, parameters: Value) -> Result<(), String> {
        if name.is_empty() {
            return Err("command() needs the name of a command".into());
        }
        self.count(name.len() + parameters.to_string().len())?;
        self.commands.push(CommandCall { name: name.to_owned(), parameters });
        Ok(())
    }

    /// Delays the answer.
    pub(super) fn answer_after(&mut self, text: &str) -> Result<(), String> {
        let wait = humantime::parse_duration(text)
            .map_err(|error| format!("answer_after(\"{text}\"): {error}: write it like \"3s\" or \"500ms\""))?;
        let max = self.settings.max_wait;
        if wait > max {
            let max = humantime::format_duration(max);
            return Err(format!("answer_after(\"{text}\") is longer than the {max} of max_wait"));
        }
        self.wait = wait;
        Ok(())
    }

    /// The answer and how long to wait before it is given.
    ///
    /// # Errors
    /// Only if the encoder fails, which it has no reason to.
    pub(super) fn finish(&mut self, assistant: &str) -> Result<(Answer, Duration), serde_json::Error> {
        let data = self.memory.write(self.turns, self.response_timeout)?;
        let answer = Answer {
            items: std::mem::take(&mut self.items),
            commands: std::mem::take(&mut self.commands),
            response_timeout: self.response_timeout.map(Value::from),
            state: Some(AssistantState { assistant: assistant.to_owned(), data }),
        };
        Ok((answer, self.wait))
    }

    fn item(&mut self, item: Item, bytes: usize) -> Result<(), String> {
        self.count(bytes)?;
        self.items.push(item);
        Ok(())
    }

    fn count(&mut self, bytes: usize) -> Result<(), String> {
        let (max_items, max_bytes) = (self.settings.max_answer_items, self.settings.max_answer_bytes);
        if self.items.len() + self.commands.len() >= max_items {
            return Err(format!("the answer has more than the {max_items} pieces of max_answer_items: say less"));
        }
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > max_bytes {
            return Err(format!("the answer takes more than the {max_bytes} bytes of max_answer_bytes: say less"));
        }
        Ok(())
    }
}

/// JSON of somebody else's; what cannot be read, such as a number beyond all floats, is nothing.
fn parsed(raw: Option<&RawValue>) -> Value {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

/// An entry of a list: a label, or a map with a label and perhaps a value.
fn choice(entry: &Dynamic) -> Result<Choice, String> {
    const FORM: &str = "an entry of choose() is a text, or a map such as #{label: \"Boat\", value: 1}";
    let (label, value) = match json::from_script(entry)? {
        Value::String(label) => (label, None),
        Value::Object(mut fields) => {
            let label = fields.remove("label").and_then(|label| label.as_str().map(str::to_owned)).ok_or(FORM)?;
            let value = fields.remove("value");
            if let Some(unknown) = fields.keys().next() {
                return Err(format!("an entry of choose() has label and value, but no {unknown}"));
            }
            (label, value)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => return Err(FORM.into()),
    };
    if label.trim().is_empty() {
        return Err("an entry of choose() needs a label".into());
    }
    let input = match value {
        Some(Value::String(text)) => json!({"text": text, "value": text}),
        Some(value) => json!({"text": label, "value": value}),
        None => json!({"text": label}),
    };
    let input = serde_json::value::to_raw_value(&input).map_err(|error| error.to_string())?;
    Ok(Choice { label, input })
}
