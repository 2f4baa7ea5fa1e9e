//! A neutral answer as a v2 response: what the post and log webhooks see of it.
//!
//! The opposite of what the Watson assistant reads: whatever is written here is read back as the same answer (a test proves it), but
//! for the state, which is nobody else's business.

use raconteur_conversation::words::{AgentRequest, Answer, Choice, CommandCall, Item, MediaItem};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::json;
use super::request::Request;

/// Where the response timeout is told, as dialogs set it.
const VARIABLES: [&str; 3] = ["skills", "main skill", "user_defined"];

/// A response, in its parts.
#[derive(Serialize)]
pub(super) struct Response {
    /// What is said and ordered.
    pub(super) output: Box<RawValue>,
    /// Under what the user is counted.
    pub(super) user_id: String,
    /// The context of the request, with the response timeout that the assistant has set.
    pub(super) context: Box<RawValue>,
}

impl Response {
    /// The response that answers a request.
    pub(super) fn of(answer: &Answer, request: &Request) -> Self {
        let output = json::raw(&Output {
            generic: answer.items.iter().map(generic).collect(),
            user_defined: orders(&answer.commands),
        });
        let context = match &answer.response_timeout {
            None => request.context.clone(),
            Some(timeout) => json::edit(&request.context, &VARIABLES, &|members| {
                members.insert("smsConversationResponseTimeout".into(), json::raw(timeout));
            }),
        };
        Self { output, user_id: request.user_id.clone(), context }
    }
}

#[derive(Serialize)]
struct Output<'a> {
    generic: Vec<Generic<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_defined: Option<Orders<'a>>,
}

/// Commands stand beside the items, so that a webhook that writes other items does not lose them.
#[derive(Serialize)]
enum Orders<'a> {
    #[serde(rename = "smsAction")]
    One(Order<'a>),
    #[serde(rename = "smsActionSequence")]
    Several(Vec<Order<'a>>),
}

#[derive(Serialize)]
struct Order<'a> {
    command: &'a str,
    #[serde(skip_serializing_if = "Value::is_null")]
    parameters: &'a Value,
}

fn orders(commands: &[CommandCall]) -> Option<Orders<'_>> {
    match commands {
        [] => None,
        [one] => Some(Orders::One(order(one))),
        several => Some(Orders::Several(several.iter().map(order).collect())),
    }
}

fn order(CommandCall { name, parameters }: &CommandCall) -> Order<'_> {
    Order { command: name, parameters }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Generic<'a> {
    Known(Known<'a>),
    Unknown { response_type: &'a str },
}

#[derive(Serialize)]
#[serde(tag = "response_type", rename_all = "snake_case")]
enum Known<'a> {
    Text { text: &'a str },
    Option { title: &'a str, options: Vec<Entry<'a>> },
    Suggestion { title: &'a str, suggestions: Vec<Entry<'a>> },
    Image(Shown<'a>),
    Audio(Shown<'a>),
    Video(Shown<'a>),
    Search { header: &'a str, primary_results: Vec<Found<'a>>, additional_results: [(); 0] },
    ChannelTransfer { message_to_user: &'a str, transfer_info: Transfer<'a> },
    ConnectToAgent { message_to_human_agent: &'a str, agent_available: Said<'a>, agent_unavailable: Said<'a> },
    EndSession,
}

#[derive(Serialize)]
struct Entry<'a> {
    label: &'a str,
    value: Chosen<'a>,
}

#[derive(Serialize)]
struct Chosen<'a> {
    input: &'a RawValue,
}

#[derive(Serialize)]
struct Shown<'a> {
    source: &'a str,
    title: &'a str,
    description: &'a str,
}

#[derive(Serialize)]
struct Found<'a> {
    body: &'a str,
}

#[derive(Serialize)]
struct Transfer<'a> {
    target: Target<'a>,
}

#[derive(Serialize)]
struct Target<'a> {
    chat: Chat<'a>,
}

#[derive(Serialize)]
struct Chat<'a> {
    url: &'a str,
}

#[derive(Serialize)]
struct Said<'a> {
    message: &'a str,
}

fn generic(item: &Item) -> Generic<'_> {
    Generic::Known(match item {
        Item::Text(text) => Known::Text { text },
        Item::Options { title, choices } => Known::Option { title, options: entries(choices) },
        Item::Suggestions { title, choices } => Known::Suggestion { title, suggestions: entries(choices) },
        Item::Media(media) => shown(media),
        Item::Search { header, body } => {
            let primary_results = if body.is_empty() { Vec::new() } else { vec![Found { body }] };
            Known::Search { header, primary_results, additional_results: [] }
        }
        Item::ChannelTransfer { message, url } => {
            let transfer_info = Transfer { target: Target { chat: Chat { url } } };
            Known::ChannelTransfer { message_to_user: message, transfer_info }
        }
        Item::ConnectToAgent(AgentRequest { unavailable, available, note }) => Known::ConnectToAgent {
            message_to_human_agent: note,
            agent_available: Said { message: available },
            agent_unavailable: Said { message: unavailable },
        },
        Item::EndSession => Known::EndSession,
        Item::Unsupported { response_type } => return Generic::Unknown { response_type },
    })
}

fn entries(choices: &[Choice]) -> Vec<Entry<'_>> {
    choices.iter().map(|Choice { label, input }| Entry { label, value: Chosen { input } }).collect()
}

/// A neutral medium does not say what it is; its address usually does.
fn shown(media: &MediaItem) -> Known<'_> {
    let MediaItem { source, title, description } = media;
    let path = source.split(['?', '#']).next().unwrap_or_default();
    let extension = path.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default();
    let shown = Shown { source, title, description };
    match extension.as_str() {
        "mp3" | "m4a" | "ogg" | "oga" | "wav" | "amr" | "aac" => Known::Audio(shown),
        "mp4" | "mov" | "webm" | "3gp" | "3g2" | "mpg" | "mpeg" => Known::Video(shown),
        _ => Known::Image(shown),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use raconteur_conversation::address::Address;
    use raconteur_conversation::words::Question;
    use serde_json::json;
    use uuid::Uuid;

    use super::super::after;
    use super::*;

    fn written(answer: &Answer) -> Box<RawValue> {
        let question = Question::trial(&Address::parse("+15550100").unwrap(), Uuid::nil(), Duration::ZERO);
        json::raw(&Response::of(answer, &Request::of(&question)))
    }

    fn choices() -> Vec<Choice> {
        let input = RawValue::from_string(r#"{"text":"a", "z":12345678901234567890123, "e":1e400}"#.into()).unwrap();
        vec![Choice { label: "A".into(), input }]
    }

    fn media(source: &str) -> Item {
        Item::Media(MediaItem { source: source.into(), title: "t".into(), description: "d".into() })
    }

    fn everything() -> Answer {
        let command = |name: &str, parameters| CommandCall { name: name.into(), parameters };
        Answer {
            items: vec![
                Item::Text("<b>hi</b>\n".into()),
                Item::Options { title: "Which?".into(), choices: choices() },
                Item::Suggestions { title: "Did you mean?".into(), choices: choices() },
                media("https://m.example/1"),
                media("https://m.example/a.MP4?x=.png"),
                media("https://m.example/a.mp3#t"),
                Item::Search { header: "Found".into(), body: "this".into() },
                Item::Search { header: "Nothing".into(), body: String::new() },
                Item::ChannelTransfer { message: "Go on".into(), url: "https://chat.example".into() },
                Item::ConnectToAgent(AgentRequest {
                    unavailable: "Closed.".into(),
                    available: "Wait.".into(),
                    note: "Angry".into(),
                }),
                Item::EndSession,
                Item::Unsupported { response_type: "grid".into() },
            ],
            commands: vec![
                command("smsActSendMedia", json!({"mediaURL": ["https://m.example/2"]})),
                command("terminateSession", Value::Null),
            ],
            response_timeout: Some(json!("20000")),
            state: None,
        }
    }

    #[test]
    fn what_is_written_is_read_back_as_the_same_answer() {
        let nothing = Answer::default();
        let one = Answer { commands: everything().commands[..1].to_vec(), ..Answer::default() };
        for answer in [everything(), nothing, one] {
            let read = after::response(written(&answer).get().as_bytes()).unwrap();
            assert_eq!(read, answer);
        }
    }

    #[test]
    fn media_are_called_what_their_address_says() {
        let output = json::members(&written(&everything())).unwrap().remove("output").unwrap();
        for (kind, source) in [("image", "1"), ("video", "a.MP4?x=.png"), ("audio", "a.mp3#t")] {
            let expected = format!(r#""response_type":"{kind}","source":"https://m.example/{source}""#);
            assert!(output.get().contains(&expected), "{output}");
        }
    }
}
