//! Writes a question as a v2 message request.
//!
//! The variables go to both kinds of skill, since the gateway cannot know which one answers. Watson *merges* what it gets into a context
//! that lives as long as its session. So what must not outlive its turn is overwritten in every request: `smsError` with
//! `null` when there is none, and the commands always. Thereby a command that comes back was ordered in this very turn,
//! also when it is the same as in the turn before, and nothing needs to be remembered about it.

use std::collections::BTreeMap;

use bytes::Bytes;
use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::variable::Variables;
use raconteur_conversation::words::{AskInput, Media, Question};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::super::{command, text};

/// Watson takes no more attachments with one message.
const ATTACHMENTS_MAX: usize = 5;

/// The name space of the ids under which Watson counts users.
const USERS: Uuid = Uuid::from_u128(0x6d1f_52c8_9a0e_4f57_8b33_1e7c_04d2_a96b);

/// A request, ready to be sent.
pub(crate) struct Written {
    /// The JSON.
    pub(crate) body: Bytes,
    /// How many UTF-16 code units of the text did not fit.
    pub(crate) lost: usize,
}

#[derive(Serialize)]
struct Message<'a> {
    input: Input,
    context: Context<'a>,
    user_id: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Input {
    Plain(Value),
    Chosen(BTreeMap<String, Box<RawValue>>),
}

#[derive(Serialize)]
struct Context<'a> {
    skills: Skills<'a>,
    integrations: Value,
}

#[derive(Serialize)]
struct Skills<'a> {
    #[serde(rename = "main skill")]
    main: MainSkill<'a>,
    #[serde(rename = "actions skill")]
    actions: ActionsSkill<'a>,
}

#[derive(Serialize)]
struct MainSkill<'a> {
    user_defined: &'a Map<String, Value>,
}

#[derive(Serialize)]
struct ActionsSkill<'a> {
    skill_variables: &'a Map<String, Value>,
}

/// Writes a question.
pub(crate) fn write(question: &Question) -> Written {
    let (input, lost) = input(&question.input, &question.variables.media);
    let variables = variables(&question.variables, &question.extra);
    let message = Message {
        input,
        context: Context {
            skills: Skills {
                main: MainSkill { user_defined: &variables },
                actions: ActionsSkill { skill_variables: &variables },
            },
            integrations: integrations(question),
        },
        user_id: user_id(&question.key),
    };
    let body = serde_json::to_vec(&message).expect("JSON values with string keys can be written");
    Written { body: body.into(), lost }
}

fn input(input: &AskInput, media: &[Media]) -> (Input, usize) {
    if let AskInput::Choice { input, .. } = input
        && let Some(chosen) = chosen(input)
    {
        return (Input::Chosen(chosen), 0);
    }
    let fitted = text::fit(input.text());
    let mut plain = json!({"message_type": "text", "text": fitted.text, "options": {"return_context": true}});
    if !media.is_empty() {
        plain["attachments"] = media.iter().take(ATTACHMENTS_MAX).map(attachment).collect();
    }
    (Input::Plain(plain), fitted.lost)
}

/// A chosen entry goes back as Watson gave it, with all it needs to recognise it; only what makes it a message of ours is added. `None`
/// when it is no object, as another assistant of this conversation may have left it: then its text must do.
fn chosen(input: &RawValue) -> Option<BTreeMap<String, Box<RawValue>>> {
    let mut members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(input.get()).ok()?;
    let options = members.get("options").and_then(|raw| serde_json::from_str(raw.get()).ok());
    let mut options: BTreeMap<String, Box<RawValue>> = options.unwrap_or_default();
    options.insert("return_context".into(), raw(&true));
    members.insert("options".into(), raw(&options));
    members.entry("message_type".into()).or_insert_with(|| raw("text"));
    Some(members)
}

fn raw<T: Serialize + ?Sized>(value: &T) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("JSON values with string keys can be written")
}

fn attachment(media: &Media) -> Value {
    match media.content_type.as_str() {
        "" => json!({"url": media.url}),
        content_type => json!({"url": media.url, "media_type": content_type}),
    }
}

fn variables(variables: &Variables, extra: &Map<String, Value>) -> Map<String, Value> {
    let mut object = variables.to_json();
    object.extend(extra.clone());
    object.entry("smsError").or_insert(Value::Null);
    object.extend(command::NAMES.map(|name| (name.to_owned(), Value::Null)));
    object
}

/// What IBM's own SMS channel tells, so that skills written for it find it.
fn integrations(question: &Question) -> Value {
    let user = question.variables.user.as_str();
    json!({
        "text_messaging": {
            "assistant_phone_number": question.variables.tenant.as_str(),
            "private": {"user_phone_number": user, "request_id": question.turn_id},
        },
        "channel": {"name": "SMS", "private": {"user": {"id": user, "phone_number": user}}},
    })
}

/// Under what Watson bills and logs the user: 32 hexadecimal digits, the same in every session of a conversation. The number itself would
/// stand in IBM's logs. Numbers can be enumerated, so this hides one from a reader, not from a searcher.
fn user_id(key: &ConversationKey) -> String {
    let name = format!("{}\0{}", key.tenant.as_str(), key.user.as_str());
    Uuid::new_v5(&USERS, name.as_bytes()).simple().to_string()
}
