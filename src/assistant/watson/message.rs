//! v2 messages, for all who speak them: with sessions, without, and webhooks that see a message on its way.
//!
//! The variables go to both kinds of skill, since the gateway cannot know which one answers. Watson *merges* what it gets into a context
//! that lives as long as its session. So what must not outlive its turn is overwritten in every request: `smsError` with
//! `null` when there is none, and the commands always. Thereby a command that comes back was ordered in this very turn,
//! also when it is the same as in the turn before, and nothing needs to be remembered about it.

use std::collections::BTreeMap;

use bytes::Bytes;
use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::variable::Variable;
use raconteur_conversation::words::{Answer, AskError, AskInput, Media, Question};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::command::{self, Commands};
use super::context::{self, Ours, Tree, raw};
use super::items::{self, ChoiceIs};
use super::json::{self, Object};
use super::text;

/// Watson takes no more attachments with one message.
const ATTACHMENTS_MAX: usize = 5;

/// The name space of the ids under which Watson counts users.
const USERS: Uuid = Uuid::from_u128(0x6d1f_52c8_9a0e_4f57_8b33_1e7c_04d2_a96b);

/// Where the two kinds of skill keep what they set: the skill, and its variables.
const PLACES: [[&str; 2]; 2] = [["main skill", "user_defined"], ["actions skill", "skill_variables"]];

/// Which of those variables mean anything to us.
const WANTED: [&str; 3] = [command::NAMES[0], command::NAMES[1], items::TIMEOUT];

/// A request, ready to be sent.
pub(crate) struct Written {
    /// The JSON.
    pub(crate) body: Bytes,
    /// How many UTF-16 code units of the text did not fit.
    pub(crate) lost: usize,
}

/// How much of the context a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Returns {
    /// What skills may see.
    Context,
    /// All of it, with the state that a later session can go on from.
    State,
    /// Nothing, since without sessions all of it comes unasked.
    Unasked,
}

impl Returns {
    /// The options of a message that ask for it.
    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Context => &["return_context"],
            Self::State => &["export", "return_context"],
            Self::Unasked => &[],
        }
    }
}

#[derive(Serialize)]
struct Message<'a> {
    input: Input,
    context: &'a Tree<'a>,
    user_id: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Input {
    Plain(Plain),
    Chosen(BTreeMap<String, Box<RawValue>>),
}

/// A text.
#[derive(Serialize)]
struct Plain {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<Value>,
    message_type: &'static str,
    #[serde(skip_serializing_if = "Options::is_empty")]
    options: Options,
    text: String,
}

/// Options that are switched on.
struct Options(&'static [&'static str]);

impl Options {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Options {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|name| (name, true)))
    }
}

/// Writes a question that asks for the context, as IBM's own channels do.
pub(crate) fn write(question: &Question) -> Written {
    write_over(Tree::default(), question, Returns::Context)
}

/// Writes a question whose variables are laid over a context.
pub(super) fn write_over(context: Tree<'_>, question: &Question, returns: Returns) -> Written {
    let (input, lost) = input(&question.input, &question.variables.media, returns);
    let variables: Vec<(&str, Variable<'_>)> = question.variables.each().collect();
    let user = Ours::Text(question.variables.user.as_str());
    let private = [("request_id", Ours::Id(question.turn_id)), ("user_phone_number", user)];
    let tenant = Ours::Text(question.variables.tenant.as_str());
    let messaging = [("assistant_phone_number", tenant), ("private", Ours::Object(&private))];
    let person = [("id", user), ("phone_number", user)];
    let private = [("user", Ours::Object(&person))];
    let channel = [("name", Ours::Text("SMS")), ("private", Ours::Object(&private))];
    let mut context = context;
    context.within("skills", |skills| {
        for [skill, place] in PLACES {
            skills.within(skill, |skill| skill.within(place, |here| lay(here, &variables, &question.extra)));
        }
    });
    // What IBM's own SMS channel tells, so that skills written for it find it.
    context.within("integrations", |integrations| {
        integrations.set("text_messaging", Ours::Object(&messaging));
        integrations.set("channel", Ours::Object(&channel));
    });
    let message = Message { input, context: &context, user_id: user_id(&question.key) };
    Written { body: context::written(&message).into(), lost }
}

/// Reads an answer. Its state is left to the caller.
///
/// # Errors
/// [`AskError::Malformed`], saying where.
pub(crate) fn read(body: &[u8]) -> Result<Answer, AskError> {
    read_object(&json::body(body)?)
}

/// Reads an answer whose outermost object is open already.
pub(super) fn read_object(body: &Object<'_>) -> Result<Answer, AskError> {
    let output = body.need("output")?.object()?;
    let (mut commands, mut response_timeout) = (Commands::default(), None);
    let ways = PLACES.map(|[skill, place]| ["skills", skill, place]);
    let context = body.get("context").map(|context| context.look(&[&ways[0], &ways[1]], &WANTED)).transpose()?;
    for variables in context.into_iter().flatten() {
        commands.add_site(&variables)?;
        response_timeout = response_timeout.or(items::timeout(&variables)?);
    }
    if let Some(site) = items::carrier(&output) {
        commands.add_site(&site)?;
    }
    let items = items::read(&output, ChoiceIs::Input, &mut commands)?;
    Ok(Answer { items, commands: commands.into_calls(), response_timeout, state: None })
}

fn input(input: &AskInput, media: &[Media], returns: Returns) -> (Input, usize) {
    if let AskInput::Choice { input, .. } = input
        && let Some(chosen) = chosen(input, returns)
    {
        return (Input::Chosen(chosen), 0);
    }
    let fitted = text::fit(input.text());
    let plain = Plain {
        attachments: media.iter().take(ATTACHMENTS_MAX).map(attachment).collect(),
        message_type: "text",
        options: Options(returns.options()),
        text: fitted.text,
    };
    (Input::Plain(plain), fitted.lost)
}

/// A chosen entry goes back as Watson gave it, with all it needs to recognise it; only what makes it a message of ours is added. `None`
/// when it is no v2 input, as another assistant of this conversation may have left it: then its text must do.
fn chosen(input: &RawValue, returns: Returns) -> Option<BTreeMap<String, Box<RawValue>>> {
    let mut members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(input.get()).ok()?;
    if members.contains_key("input") {
        return None;
    }
    let options = members.get("options").and_then(|raw| serde_json::from_str(raw.get()).ok());
    let mut options: BTreeMap<String, Box<RawValue>> = options.unwrap_or_default();
    for name in returns.options() {
        options.insert((*name).into(), raw(&true));
    }
    if options.is_empty() {
        members.remove("options");
    } else {
        members.insert("options".into(), raw(&options));
    }
    members.entry("message_type".into()).or_insert_with(|| raw("text"));
    Some(members)
}

fn attachment(media: &Media) -> Value {
    match media.content_type.as_str() {
        "" => json!({"url": media.url}),
        content_type => json!({"url": media.url, "media_type": content_type}),
    }
}

/// Lays the variables where a skill's are: the gateway's, then what else a question has, and what must not outlive its turn.
fn lay<'a>(here: &mut Tree<'a>, variables: &'a [(&'a str, Variable<'a>)], extra: &'a Map<String, Value>) {
    let error = [("smsError", Ours::Null)];
    let variables = variables.iter().map(|(name, variable)| (*name, Ours::Variable(variable)));
    let extra = extra.iter().map(|(name, value)| (name.as_str(), Ours::Value(value)));
    let commands = command::NAMES.map(|name| (name, Ours::Null));
    here.lay(error.into_iter().chain(variables).chain(extra).chain(commands));
}

/// Under what Watson bills and logs the user: 32 hexadecimal digits, the same in every session of a conversation. The number itself would
/// stand in IBM's logs. Numbers can be enumerated, so this hides one from a reader, not from a searcher.
fn user_id(key: &ConversationKey) -> String {
    let name = [key.tenant.as_str(), "\0", key.user.as_str()].concat();
    Uuid::new_v5(&USERS, name.as_bytes()).simple().to_string()
}
