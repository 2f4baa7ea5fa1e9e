//! What Twilio's own message log says of what went from our number to one user.
//!
//! The log is asked by `To` and `From` alone and read, newest first, until it is older than `since`. Twilio could narrow it by
//! `DateSent`, but a message that still waits in its queue has no such date yet, and what such a filter does with it is not
//! documented: a waiting text that the filter hid would be sent twice. Without the filter the first page nearly always
//! suffices, since one conversation rarely has a hundred texts within the time asked for.

use std::time::UNIX_EPOCH;

use form_urlencoded::Serializer;
use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{LoggedMessage, Lookup, ProviderId};
use serde::Deserialize;

use super::rest::{NoAnswer, Rest};

/// Messages on one page.
const PAGE_SIZE: &str = "100";

/// Pages read before the look-up is given up.
const PAGES_MAX: usize = 20;

#[derive(Deserialize)]
struct Page {
    messages: Vec<Entry>,
    next_page_uri: Option<String>,
}

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
        Err(reason) => Lookup::Unreadable { reason },
    }
}

async fn read(rest: &Rest, key: &ConversationKey, since: UnixMillis) -> Result<Vec<LoggedMessage>, String> {
    let query = Serializer::new(String::new())
        .extend_pairs([("To", key.user.as_str()), ("From", key.tenant.as_str()), ("PageSize", PAGE_SIZE)])
        .finish();
    let mut path = format!("{}?{query}", rest.path());
    let mut found = Vec::new();
    for _ in 0..PAGES_MAX {
        let page = read_page(rest, &path).await?;
        let reached = take(page.messages, since, &mut found)?;
        let (Reached::Not, Some(next)) = (reached, page.next_page_uri) else {
            return Ok(found);
        };
        path = same_log(rest, next)?;
    }
    Err(format!("{PAGES_MAX} pages of the log did not reach back far enough"))
}

async fn read_page(rest: &Rest, path: &str) -> Result<Page, String> {
    let answer = rest.read(path).await.map_err(|error| match error {
        NoAnswer::NotConnected(reason) | NoAnswer::Lost(reason) => reason,
    })?;
    if answer.status != 200 {
        return Err(format!("the log was answered with http {}", answer.status));
    }
    // The parser's own words may quote what it read, and that is texts and numbers.
    serde_json::from_slice(&answer.body).map_err(|_| "the log's page is not what Twilio sends".to_owned())
}

/// Whether a page went back to `since`.
enum Reached {
    Since,
    Not,
}

/// Takes a page's outbound messages that are not older than `since`. Whole pages, since the order within one need not be strict.
fn take(entries: Vec<Entry>, since: UnixMillis, found: &mut Vec<LoggedMessage>) -> Result<Reached, String> {
    let since_seconds = since.0 / 1_000;
    let mut reached = Reached::Not;
    for entry in entries {
        let created = seconds(&entry.date_created).ok_or("a message in the log has no readable date")?;
        if created < since_seconds {
            reached = Reached::Since;
        } else if entry.direction.starts_with("outbound") {
            found.push(LoggedMessage { provider_id: ProviderId(entry.sid), body: entry.body.unwrap_or_default() });
        }
    }
    Ok(reached)
}

/// The next page must be of the same log: our credentials go nowhere else.
fn same_log(rest: &Rest, next: String) -> Result<String, String> {
    let same = next.strip_prefix(rest.path()).is_some_and(|query| query.starts_with('?'));
    if same { Ok(next) } else { Err("the log's next page is not a page of this log".into()) }
}

/// Seconds since 1970 from `Thu, 24 Aug 2023 05:01:45 +0000`, which is an HTTP date but for its zone.
fn seconds(date: &str) -> Option<u64> {
    let date = httpdate::parse_http_date(&date.replace("+0000", "GMT")).ok()?;
    Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::settings;
    use super::*;

    #[test]
    fn dates_are_read_as_twilio_writes_them() {
        assert_eq!(seconds("Thu, 24 Aug 2023 05:01:45 +0000"), Some(1_692_853_305));
        for bad in ["", "2023-08-24", "Thu, 24 Aug 2023 05:01:45 +0200", "Thu, 99 Aug 2023 05:01:45 +0000"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn only_a_page_of_the_same_log_is_followed() {
        let settings = settings();
        let rest = Rest::new(crate::client::client(settings.connect_timeout).unwrap(), &settings);
        let own = format!("{}?PageSize=100&Page=1&PageToken=PASM1", rest.path());
        assert_eq!(same_log(&rest, own.clone()), Ok(own.clone()));
        let elsewhere = [
            format!("https://evil.example{own}"),
            format!("@evil.example{own}"),
            own.replace("AC1", "AC2"),
            String::new(),
        ];
        for next in elsewhere {
            assert!(same_log(&rest, next.clone()).is_err(), "{next}");
        }
        assert!(same_log(&rest, format!("{}.evil.example/?x", rest.path())).is_err());
    }
}
