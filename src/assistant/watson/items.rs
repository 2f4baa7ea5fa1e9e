//! Reads what `output.generic` shows, which all generations of IBM's assistants write alike, into the core's neutral words.
//!
//! To show another response type, give [`item`] an arm. A type that nobody has written an arm for is reported as unsupported and does not
//! spoil the turn; an item of a known type that lacks what it needs does, since nobody can say what it was meant to be.

use raconteur_conversation::words::{AgentRequest, AskError, Choice, Item, MediaItem};
use serde_json::Value;

use super::command::Commands;
use super::json::Object;

/// What IBM calls the SMS channel where an item is meant for some channels only.
const CHANNEL: &str = "text_messaging";

/// The longest foreign name that is passed on in a report.
const NAME_MAX: usize = 64;

/// What must go back when the user chooses an entry of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChoiceIs {
    /// v2: the entry's `value.input`.
    Input,
    /// v1: its whole `value`, since `intents` and `entities` stand beside the input.
    Value,
}

/// What an answer's `output.generic` shows here, in order. The commands that its carriers hold are added to the others.
///
/// # Errors
/// [`AskError::Malformed`], saying where.
pub(super) fn read(output: &Object<'_>, choice: ChoiceIs, commands: &mut Commands) -> Result<Vec<Item>, AskError> {
    let mut items = Vec::new();
    for (response_type, entry) in &shown(output)? {
        if response_type == "user_defined"
            && let Some(site) = carrier(entry)
        {
            commands.add_site(&site)?;
        }
        items.extend(item(response_type, entry, choice)?);
    }
    Ok(items)
}

/// The items that are meant for this channel, each with its response type.
fn shown<'a>(output: &Object<'a>) -> Result<Vec<(String, Object<'a>)>, AskError> {
    let Some(generic) = output.get("generic") else { return Ok(Vec::new()) };
    let mut shown = Vec::new();
    for place in generic.array()? {
        let entry = place.object()?;
        if is_for_us(&entry)? {
            shown.push((entry.need("response_type")?.string()?, entry));
        }
    }
    Ok(shown)
}

/// An item without `channels` is for everybody. So is one with an empty list, which is not legal and names nobody to prefer.
fn is_for_us(entry: &Object<'_>) -> Result<bool, AskError> {
    let Some(channels) = entry.get("channels") else { return Ok(true) };
    let channels = channels.array()?;
    for place in &channels {
        let channel = place.clone().object()?;
        if channel.need("channel")?.string()? == CHANNEL {
            return Ok(true);
        }
    }
    Ok(channels.is_empty())
}

/// What the author of a skill put into `user_defined`. It may be any JSON; only in an object can there be a command.
pub(super) fn carrier<'a>(holder: &Object<'a>) -> Option<Object<'a>> {
    holder.get("user_defined")?.object().ok()
}

/// The variable by which an assistant says how long it may take.
pub(super) const TIMEOUT: &str = "smsConversationResponseTimeout";

/// Its value, where the variables of a context are.
pub(super) fn timeout(variables: &Object<'_>) -> Result<Option<Value>, AskError> {
    variables.get(TIMEOUT).map(|place| place.value()).transpose()
}

/// What one item shows here, if anything.
fn item(response_type: &str, entry: &Object<'_>, choice: ChoiceIs) -> Result<Option<Item>, AskError> {
    Ok(match response_type {
        "text" => Some(Item::Text(entry.need("text")?.string()?)),
        "option" => Some(list(entry, "options", choice)?),
        "suggestion" => Some(suggestions(list(entry, "suggestions", choice)?)),
        "image" | "audio" | "video" => Some(Item::Media(MediaItem {
            source: entry.need("source")?.string()?,
            title: words(entry, "title")?,
            description: words(entry, "description")?,
        })),
        "search" => Some(Item::Search { header: words(entry, "header")?, body: first_result(entry)? }),
        "conversational_search" | "conversation_search" => Some(Item::Text(entry.need("text")?.string()?)),
        "channel_transfer" => Some(Item::ChannelTransfer {
            message: words(entry, "message_to_user")?,
            url: match entry.descend(&["transfer_info", "target", "chat"])? {
                Some(chat) => words(&chat, "url")?,
                None => String::new(),
            },
        }),
        "connect_to_agent" => Some(Item::ConnectToAgent(AgentRequest {
            unavailable: message(entry, "agent_unavailable")?,
            available: message(entry, "agent_available")?,
            note: words(entry, "message_to_human_agent")?,
        })),
        "end_session" => Some(Item::EndSession),
        // A carrier of commands, and a rhythm that texts do not have: they show nothing and nothing is missing.
        "user_defined" | "pause" => None,
        other => Some(Item::Unsupported { response_type: other.chars().take(NAME_MAX).collect() }),
    })
}

/// Words that may be left out.
fn words(entry: &Object<'_>, name: &str) -> Result<String, AskError> {
    Ok(entry.get(name).map(|place| place.string()).transpose()?.unwrap_or_default())
}

fn message(entry: &Object<'_>, name: &str) -> Result<String, AskError> {
    match entry.get(name) {
        Some(place) => words(&place.object()?, "message"),
        None => Ok(String::new()),
    }
}

/// The body of the first result that has one, as IBM's channel sends it; its title where it has no body.
fn first_result(entry: &Object<'_>) -> Result<String, AskError> {
    let Some(results) = entry.get("primary_results") else { return Ok(String::new()) };
    let Some(first) = results.array()?.into_iter().next() else { return Ok(String::new()) };
    let first = first.object()?;
    let body = words(&first, "body")?;
    if body.trim().is_empty() { words(&first, "title") } else { Ok(body) }
}

fn suggestions(list: Item) -> Item {
    if let Item::Options { title, choices } = list { Item::Suggestions { title, choices } } else { list }
}

/// A list to choose from. Its `description` and `preference` are about buttons and menus, which a text has not.
fn list(entry: &Object<'_>, name: &str, choice: ChoiceIs) -> Result<Item, AskError> {
    let title = entry.get("title").map(|place| place.string()).transpose()?.unwrap_or_default();
    let mut choices = Vec::new();
    for place in entry.need(name)?.array()? {
        let option = place.object()?;
        let value = option.need("value")?;
        let input = value.clone().object()?.need("input")?.raw_object()?;
        let kept = match choice {
            ChoiceIs::Input => input,
            ChoiceIs::Value => value.raw_object()?,
        };
        choices.push(Choice { label: option.need("label")?.string()?, input: kept.to_owned() });
    }
    Ok(Item::Options { title, choices })
}
