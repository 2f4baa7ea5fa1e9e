//! What Twilio's own message log says of texts to one of our numbers, so that those are found that no webhook has brought.
//!
//! The log is asked by `To` alone and read, newest first, until it is older than `since`. A text counts once Twilio has received it
//! whole. It gets the id that its webhook would have had. The log tells how many media a text has, and a list of its own has them; the
//! addresses of both are made here, from ids, and none is followed that the log gives.
//!
//! Twilio does not log whether it has taken a text for STOP or START by itself (`OptOutType`): what counts is what the text says.

use raconteur_conversation::address::{Address, ConversationKey};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{InboundMessage, LogPage, LogUnreadable, LoggedText, Media, Received};
use serde::Deserialize;

use super::MEDIA_MAX;
use super::log::{self, Reached};
use super::rest::Rest;

#[derive(Deserialize)]
struct Entry {
    sid: String,
    #[serde(default)]
    body: Option<String>,
    from: Option<String>,
    to: Option<String>,
    direction: String,
    status: String,
    #[serde(default)]
    num_media: Option<String>,
    date_created: String,
}

#[derive(Deserialize)]
struct MediaList {
    media_list: Vec<Medium>,
}

#[derive(Deserialize)]
struct Medium {
    sid: String,
    #[serde(default)]
    content_type: Option<String>,
}

/// Reads one page of the log back to `since`.
pub(super) async fn received(rest: &Rest, number: &Address, since: UnixMillis, page: Option<&LogPage>) -> Received {
    match read(rest, number, since, page).await {
        Ok(read) => read,
        Err(why) => Received::Unreadable(why),
    }
}

async fn read(
    rest: &Rest,
    number: &Address,
    since: UnixMillis,
    page: Option<&LogPage>,
) -> Result<Received, LogUnreadable> {
    let path = match page {
        Some(LogPage(path)) => log::same_log(rest, path.clone())?,
        None => log::first(rest, &[("To", number.as_str())]),
    };
    let mut page = log::page::<Entry>(rest, &path).await?;
    let (mut texts, mut reached) = (Vec::new(), Reached::Not);
    for entry in std::mem::take(&mut page.messages) {
        let created = log::created(&entry.date_created)?;
        if created < since.0 / 1_000 {
            reached = Reached::Since;
        } else {
            texts.extend(text(rest, entry, UnixMillis(created.saturating_mul(1_000))));
        }
    }
    Ok(Received::Readable { texts, next: page.next(rest, reached)?.map(LogPage) })
}

/// The text that a webhook would have brought; `None` for what none would have, or which would have been refused.
fn text(rest: &Rest, entry: Entry, at: UnixMillis) -> Option<LoggedText> {
    if entry.direction != "inbound" || entry.status != "received" || !is_sid(&entry.sid) {
        return None;
    }
    let address = |text: Option<String>| Address::parse(&text?).ok();
    let key = ConversationKey { tenant: address(entry.to)?, user: address(entry.from)? };
    let unlisted_media = entry.num_media.and_then(|count| count.parse().ok()).unwrap_or(0_usize).min(MEDIA_MAX);
    let message = InboundMessage { body: entry.body.unwrap_or_default(), ..InboundMessage::default() };
    Some(LoggedText { at, key, id: format!("{}:{}", rest.account(), entry.sid), message, unlisted_media })
}

/// The media of a logged text. One that Twilio has no more is a text without media.
pub(super) async fn media(rest: &Rest, text: &LoggedText) -> Result<Vec<Media>, LogUnreadable> {
    let Some(sid) = text.id.rsplit(':').next().filter(|sid| is_sid(sid)) else { return Ok(Vec::new()) };
    let place = format!("{}/{sid}/Media", rest.path().trim_end_matches(".json"));
    let Some(body) = log::body(rest, &format!("{place}.json")).await? else { return Ok(Vec::new()) };
    let foreign = |_| log::unreadable("the list of a text's media is not what Twilio sends");
    let MediaList { media_list } = serde_json::from_slice(&body).map_err(foreign)?;
    let medium = |medium: Medium| Media {
        url: rest.url(&format!("{place}/{}", medium.sid)),
        content_type: medium.content_type.unwrap_or_default(),
    };
    Ok(media_list.into_iter().filter(|medium| is_sid(&medium.sid)).take(MEDIA_MAX).map(medium).collect())
}

/// Letters and digits: it becomes part of an address.
fn is_sid(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
