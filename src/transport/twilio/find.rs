//! What Twilio's own message log says of what went from our number to one user.
//!
//! The log is asked by `To` and `From` alone and read, newest first, until it is older than `since`. Twilio could narrow it by
//! `DateSent`, but a message that still waits in its queue has no such date yet, and what such a filter does with it is not
//! documented: a waiting text that the filter hid would be sent twice. Without the filter the first page nearly always
//! suffices, since one conversation rarely has a hundred texts within the time asked for.

use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{LogUnreadable, LoggedMessage, Lookup, ProviderId};
use serde::Deserialize;

use super::log::{self, Reached};
use super::rest::Rest;

/// Pages read before the look-up is given up.
const PAGES_MAX: usize = 20;

#[derive(Deserialize)]
struct Entry {
    sid: String,
    #[serde(default)]
    body: Option<String>,
    direction: String,
    date_created: String,
}

/// Reads the log back to `since`.
pub(super) async fn find(rest: &Rest, key: &ConversationKey, since: UnixMillis) -> Lookup {
    match read(rest, key, since).await {
        Ok(found) => Lookup::Readable(found),
        Err(LogUnreadable { reason, after: _ }) => Lookup::Unreadable { reason },
    }
}

async fn read(rest: &Rest, key: &ConversationKey, since: UnixMillis) -> Result<Vec<LoggedMessage>, LogUnreadable> {
    let mut path = log::first(rest, &[("To", key.user.as_str()), ("From", key.tenant.as_str())]);
    let mut found = Vec::new();
    for _ in 0..PAGES_MAX {
        let mut page = log::page(rest, &path).await?;
        let reached = take(std::mem::take(&mut page.messages), since, &mut found)?;
        let Some(next) = page.next(rest, reached)? else { return Ok(found) };
        path = next;
    }
    Err(log::unreadable(&format!("{PAGES_MAX} pages of the log did not reach back far enough")))
}

/// Takes a page's outbound messages that are not older than `since`. Whole pages, since the order within one need not be strict.
fn take(entries: Vec<Entry>, since: UnixMillis, found: &mut Vec<LoggedMessage>) -> Result<Reached, LogUnreadable> {
    let since_seconds = since.0 / 1_000;
    let mut reached = Reached::Not;
    for entry in entries {
        if log::created(&entry.date_created)? < since_seconds {
            reached = Reached::Since;
        } else if entry.direction.starts_with("outbound") {
            found.push(LoggedMessage { provider_id: ProviderId(entry.sid), body: entry.body.unwrap_or_default() });
        }
    }
    Ok(reached)
}
