//! What the scripted assistant says: a pure function of what it hears and of how many turns it has counted, so that the reference
//! can say what each phone must see. Every text has a number, so that no two are alike.

use raconteur_conversation::words::{Answer, AssistantState, Choice, CommandCall, Item};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::dice::Dice;

/// The name of the scripted assistant.
pub(super) const NAME: &str = "script";

/// What a menu offers.
const COLOURS: &[&str] = &["red", "blue", "green"];

/// What an assistant says and orders in one answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Speech {
    pub(super) text: String,
    pub(super) choices: &'static [&'static str],
    pub(super) picture: Option<String>,
    /// The session ends with it.
    pub(super) ends: bool,
    /// Another turn follows without the user.
    pub(super) again: bool,
    /// The session times out after so many seconds from now on.
    pub(super) timeout: Option<u64>,
    /// It is to be asked with a short timeout from now on.
    hurries: bool,
}

/// What is said to `said` in the `n`th turn of a session.
pub(super) fn speech(said: &str, n: u32) -> Speech {
    let text = format!("{n}:{said}");
    // What follows on further lines was said in further texts.
    let first = said.split_once('\n').map_or(said, |(first, _)| first);
    let (word, number) = first.split_once(' ').unwrap_or((first, "0"));
    let plain = Speech { text, ..Speech::default() };
    match word {
        "bye" => Speech { ends: true, ..plain },
        "more" => Speech { again: true, ..plain },
        // Every other forced turn orders the next.
        "smsNoInputTurn" => Speech { again: n.is_multiple_of(2), ..plain },
        "menu" => Speech { choices: COLOURS, ..plain },
        "pic" => Speech { picture: Some(format!("https://m.example/{number}")), ..plain },
        "wait" => Speech { timeout: number.parse().ok().map(|number: u64| 20 + number % 40), ..plain },
        "hurry" => Speech { hurries: true, ..plain },
        "long" => Speech { text: format!("{}{}", plain.text, " and so on".repeat(20)), ..plain },
        "mute" => Speech { text: String::new(), ..plain },
        _ => plain,
    }
}

/// A medium that the provider would not take.
pub(super) fn goes_as_link(url: &str) -> bool {
    url.ends_with(['1', '4', '7'])
}

/// A medium of which the provider never says whether it would take it.
pub(super) fn is_never_judged(url: &str) -> bool {
    url.ends_with('9')
}

/// Something that a user may say.
pub(super) fn phrase(dice: &mut Dice, number: u64, poisons: u64) -> String {
    if dice.chance(poisons) {
        return format!("poison {number}");
    }
    let word = dice.pick(&[
        "hi", "hi", "hi", "hi", "bye", "more", "more", "menu", "menu", "pic", "wait", "hurry", "long", "mute", "1",
        "2.", "two", "blue",
    ]);
    // What picks from a menu must stand alone.
    if word.starts_with(|c: char| c.is_ascii_digit()) || ["two", "blue"].contains(&word) {
        return word.into();
    }
    format!("{word} {number}")
}

/// Whether a text picks from these choices.
pub(super) fn picks(body: &str, choices: &[&str]) -> bool {
    meant(body, choices) != body || choices.contains(&body)
}

/// What a user means who has just been shown these choices.
pub(super) fn meant(body: &str, choices: &[&str]) -> String {
    let picked = match body {
        "1" => choices.first(),
        "2." | "two" => choices.get(1),
        _ => None,
    };
    picked.map_or(body, |picked| picked).to_owned()
}

impl Speech {
    /// The same as an answer that leaves `n` to be kept.
    pub(super) fn answer(self, n: u32) -> Answer {
        let order = |name: &str, parameters: Value| CommandCall { name: name.into(), parameters };
        let mut commands = Vec::new();
        if self.ends {
            commands.push(order("terminateSession", Value::Null));
        }
        if self.again {
            commands.push(order("smsActForceNoInputTurn", Value::Null));
        }
        commands.extend(self.picture.map(|url| order("smsActSendMedia", json!({ "mediaURL": [url] }))));
        commands.extend(self.timeout.map(|count| order("setSessionTimeoutCount", json!({ "count": count }))));
        let item = if self.choices.is_empty() {
            Item::Text(self.text)
        } else {
            Item::Options { title: self.text, choices: self.choices.iter().map(|label| choice(label)).collect() }
        };
        let data = RawValue::from_string(n.to_string()).ok();
        let state = data.map(|data| AssistantState { assistant: NAME.into(), data });
        let response_timeout = self.hurries.then(|| json!(700));
        Answer { items: vec![item], commands, response_timeout, state }
    }
}

fn choice(label: &str) -> Choice {
    let input = RawValue::from_string(format!("{{\"text\":\"{label}\"}}")).expect("labels hold nothing to be escaped");
    Choice { label: label.into(), input }
}
