//! Twilio's own message log, a page at a time: what `find` and `received` have in common. Who reads what out of it is theirs.
//!
//! Only pages of the same log are followed: our credentials go nowhere else.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use form_urlencoded::Serializer;
use raconteur_conversation::words::LogUnreadable;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::rest::{NoAnswer, Rest};

/// Messages on one page.
const PAGE_SIZE: &str = "100";

/// How long Twilio is left alone when it says that we ask too often, and not for how long.
const TOO_MANY_REQUESTS: Duration = Duration::from_secs(30);

/// One page.
#[derive(Deserialize)]
pub(super) struct Page<T> {
    pub(super) messages: Vec<T>,
    next_page_uri: Option<String>,
}

/// Whether a page went back far enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// It did.
    Since,
    /// It did not.
    Not,
}

impl<T> Page<T> {
    /// Where the next page is, if there is one and it is wanted.
    ///
    /// # Errors
    /// When it is not one of the same log.
    pub(super) fn next(self, rest: &Rest, reached: Reached) -> Result<Option<String>, LogUnreadable> {
        match (reached, self.next_page_uri) {
            (Reached::Not, Some(next)) => same_log(rest, next).map(Some),
            (Reached::Since, _) | (Reached::Not, None) => Ok(None),
        }
    }
}

/// Where the first page is of what has these fields.
pub(super) fn first(rest: &Rest, fields: &[(&str, &str)]) -> String {
    let mut query = Serializer::new(String::new());
    query.extend_pairs(fields).append_pair("PageSize", PAGE_SIZE);
    format!("{}?{}", rest.path(), query.finish())
}

/// Reads a page.
///
/// # Errors
/// In words without numbers and texts.
pub(super) async fn page<T: DeserializeOwned>(rest: &Rest, path: &str) -> Result<Page<T>, LogUnreadable> {
    let body = body(rest, path).await?.ok_or_else(|| unreadable("the log was answered with http 404"))?;
    // The parser's own words may quote what it read, and that is texts and numbers.
    serde_json::from_slice(&body).map_err(|_| unreadable("the log's page is not what Twilio sends"))
}

/// Reads whatever is there; `None` where there is nothing.
///
/// # Errors
/// As [`page`].
pub(super) async fn body(rest: &Rest, path: &str) -> Result<Option<Bytes>, LogUnreadable> {
    let answer = rest.read(path).await.map_err(|error| match error {
        NoAnswer::NotConnected(reason) | NoAnswer::Lost(reason) => unreadable(&reason),
    })?;
    match answer.status {
        200 => Ok(Some(answer.body)),
        404 => Ok(None),
        status => {
            let after = if status == 429 { answer.retry_after.or(Some(TOO_MANY_REQUESTS)) } else { answer.retry_after };
            Err(LogUnreadable { after, ..unreadable(&format!("the log was answered with http {status}")) })
        }
    }
}

/// A log that cannot be read for this reason.
pub(super) fn unreadable(reason: &str) -> LogUnreadable {
    LogUnreadable { reason: reason.to_owned(), after: None }
}

/// The next page must be of the same log: our credentials go nowhere else.
pub(super) fn same_log(rest: &Rest, next: String) -> Result<String, LogUnreadable> {
    let same = next.strip_prefix(rest.path()).is_some_and(|query| query.starts_with('?'));
    if same { Ok(next) } else { Err(unreadable("the log's next page is not a page of this log")) }
}

/// When a message was created, in seconds since 1970.
///
/// # Errors
/// When nobody can tell.
pub(super) fn created(date: &str) -> Result<u64, LogUnreadable> {
    seconds(date).ok_or_else(|| unreadable("a message in the log has no readable date"))
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
        let rest = Rest::new(crate::client::Outbound::ours(settings.connect_timeout).unwrap(), &settings);
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
