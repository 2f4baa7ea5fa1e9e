//! Reads the answer to a v2 message into the core's neutral words.
//!
//! To show another response type, give [`item`] an arm. A type that nobody has written an arm for is reported as unsupported and does not
//! spoil the turn; an item of a known type that lacks what it needs does, since nobody can say what it was meant to be.

use raconteur_conversation::words::{AgentRequest, Answer, AskError, Choice, Item, MediaItem};
use serde_json::Value;

use super::super::command::Commands;
use super::super::json::{self, Object};

/// What IBM calls the SMS channel where an item is meant for some channels only.
const CHANNEL: &str = "text_messaging";

/// Where the two kinds of skill keep what they set.
const CONTEXTS: [[&str; 4]; 2] =
    [["context", "skills", "main skill", "user_defined"], ["context", "skills", "actions skill", "skill_variables"]];

/// The longest foreign name that is passed on in a report.
const NAME_MAX: usize = 64;

/// Reads a body. The answer's state is left to the caller.
///
/// # Errors
/// [`AskError::Malformed`], saying where.
pub(crate) fn read(body: &[u8]) -> Result<Answer, AskError> {
    let body = json::body(body)?;
    let output = body.need("output")?.object()?;
    let shown = shown(&output)?;
    let (mut commands, mut response_timeout) = (Commands::default(), None);
    for way in CONTEXTS {
        let Some(context) = body.descend(&way)? else { continue };
        commands.add_site(&context)?;
        response_timeout = response_timeout.or(timeout(&context)?);
    }
    if let Some(site) = carrier(&output) {
        commands.add_site(&site)?;
    }
    let mut items = Vec::new();
    for (response_type, entry) in &shown {
        if response_type == "user_defined"
            && let Some(site) = carrier(entry)
        {
            commands.add_site(&site)?;
        }
        items.extend(item(response_type, entry)?);
    }
    Ok(Answer { items, commands: commands.into_calls(), response_timeout, state: None })
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
fn carrier<'a>(holder: &Object<'a>) -> Option<Object<'a>> {
    holder.get("user_defined")?.object().ok()
}

fn timeout(context: &Object<'_>) -> Result<Option<Value>, AskError> {
    context.get("smsConversationResponseTimeout").map(|place| place.value()).transpose()
}

/// What one item shows here, if anything.
fn item(response_type: &str, entry: &Object<'_>) -> Result<Option<Item>, AskError> {
    Ok(match response_type {
        "text" => Some(Item::Text(entry.need("text")?.string()?)),
        "option" => Some(list(entry, "options")?),
        "suggestion" => Some(suggestions(list(entry, "suggestions")?)),
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
fn list(entry: &Object<'_>, name: &str) -> Result<Item, AskError> {
    let title = entry.get("title").map(|place| place.string()).transpose()?.unwrap_or_default();
    let mut choices = Vec::new();
    for place in entry.need(name)?.array()? {
        let option = place.object()?;
        let input = option.need("value")?.object()?.need("input")?.raw_object()?;
        choices.push(Choice { label: option.need("label")?.string()?, input });
    }
    Ok(Item::Options { title, choices })
}
