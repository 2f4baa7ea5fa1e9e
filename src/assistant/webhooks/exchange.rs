//! One POST to a webhook: an event goes out with our token, a reply of bounded size comes back in bounded time, and every failure is
//! told by what can be done about it.
//!
//! It neither retries nor decides what a failure means for the turn. It logs nothing, and what it says quotes neither addresses nor
//! bodies.

use std::fmt::Display;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use reqwest::Url;
use serde::Serialize;
use uuid::Uuid;

use super::settings::{HookSettings, OnError};
use super::token::{Claims, token};
use crate::client::{self, Ask, End, Outbound, Unanswered};
use crate::config::secret::Secret;

/// The largest reply that is read. An answer has a few kB, a context at most 100.
const REPLY_MAX: usize = 1024 * 1024;

/// By this header, whatever its value, a reply says that it is the answer itself.
const RETURN: &str = "x-watson-assistant-webhook-return";

/// How much longer than the request a token is good: clocks differ.
const TOKEN_MARGIN: Duration = Duration::from_secs(60);

/// One webhook, ready to be called.
pub(super) struct Hook {
    /// Which of an assistant's webhooks it is.
    pub(super) what: &'static str,
    /// How long it may take.
    pub(super) timeout: Duration,
    /// What its failure means.
    pub(super) on_error: OnError,
    out: Outbound,
    uri: Uri,
    headers: HeaderMap,
    secret: Option<Secret>,
}

/// What a webhook replied.
pub(super) struct Reply {
    /// The body.
    pub(super) body: Bytes,
    /// The body is the answer, in the assistant's stead.
    pub(super) answers: bool,
}

impl Reply {
    /// It has nothing to say.
    pub(super) fn is_empty(&self) -> bool {
        self.body.trim_ascii().is_empty()
    }
}

/// Why a webhook was of no use. The words go on after "the webhook".
#[derive(Debug, thiserror::Error)]
pub(super) enum HookError {
    /// Not reached, too slow, or broken just now: worth another attempt.
    #[error("{0}")]
    Unavailable(String),
    /// Refused, or replied what makes no sense: an operator must act.
    #[error("{0}")]
    Wrong(String),
}

impl HookError {
    /// The reply makes no sense; `fault` says where.
    pub(super) fn nonsense(fault: impl Display) -> Self {
        Self::Wrong(format!("replied what makes no sense: {fault}"))
    }
}

/// The frame of a request that wants a reply.
#[derive(Serialize)]
struct Event<'a, P> {
    event: Name<'a>,
    options: Options,
    payload: &'a P,
}

#[derive(Serialize)]
struct Name<'a> {
    name: &'a str,
}

/// IBM's frame has this member, and nothing in it.
#[derive(Serialize)]
struct Options {}

/// The body of an event that wants a reply.
pub(super) fn event<P: Serialize>(name: &str, payload: &P) -> Bytes {
    let event = Event { event: Name { name }, options: Options {}, payload };
    serde_json::to_vec(&event).expect("JSON values with string keys can be written").into()
}

impl Hook {
    /// A webhook whose settings have no problems.
    ///
    /// # Errors
    /// In words, when they have after all.
    pub(super) fn new(what: &'static str, out: Outbound, settings: &HookSettings) -> Result<Self, String> {
        let wrong = |key: &str| format!("{what}.{key} cannot be used: mend it");
        let url = Url::parse(&settings.url).ok().and_then(|url| client::to_uri(&url));
        let uri = url.ok_or_else(|| wrong("url"))?;
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        for (name, value) in &settings.headers {
            let name = HeaderName::try_from(name).map_err(|_| wrong("headers"))?;
            let mut value = HeaderValue::from_str(value.expose()).map_err(|_| wrong("headers"))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let (timeout, secret) = (settings.timeout, settings.secret.clone());
        let on_error = settings.on_error.unwrap_or(OnError::Continue);
        Ok(Self { what, timeout, on_error, out, uri, headers, secret })
    }

    /// Sends an event of a turn and reads the reply.
    pub(super) async fn post(&self, event: Bytes, turn: Uuid) -> Result<Reply, HookError> {
        self.in_time(async {
            let reply = self.send(event, turn, REPLY_MAX).await?;
            let answers = reply.headers.contains_key(RETURN);
            match reply.end {
                End::Whole => Ok(Reply { body: reply.body, answers }),
                End::TooLong => Err(HookError::Wrong(format!("replied more than {REPLY_MAX} bytes"))),
                End::Broken(words) => Err(unreachable(&words)),
            }
        })
        .await
    }

    /// Sends an event of a turn; what comes back is not read.
    pub(super) async fn tell(&self, event: Bytes, turn: Uuid) -> Result<(), HookError> {
        self.in_time(async { self.send(event, turn, 0).await.map(|_| ()) }).await
    }

    async fn in_time<T>(&self, call: impl Future<Output = Result<T, HookError>>) -> Result<T, HookError> {
        let late = || Err(HookError::Unavailable(format!("did not answer within {:?}", self.timeout)));
        tokio::time::timeout(self.timeout, call).await.unwrap_or_else(|_| late())
    }

    /// Sends an event and reads so many bytes of what comes back.
    async fn send(&self, event: Bytes, turn: Uuid, most: usize) -> Result<client::Reply, HookError> {
        let mut headers = self.headers.clone();
        if let Some(secret) = &self.secret {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            headers.append(AUTHORIZATION, self.authorization(secret, now, turn));
        }
        let ask = Ask { method: Method::POST, uri: self.uri.clone(), headers, body: event };
        let reply = self.out.ask(ask, most).await.map_err(|error| match error {
            Unanswered::Refused(refused) => HookError::Wrong(format!("cannot be asked: {refused}")),
            Unanswered::NotConnected(words) | Unanswered::Lost(words) => unreachable(&words),
        })?;
        if reply.status.is_success() { Ok(reply) } else { Err(refusal(reply.status.as_u16())) }
    }

    fn authorization(&self, secret: &Secret, now: Duration, turn: Uuid) -> HeaderValue {
        let exp = (now + self.timeout + TOKEN_MARGIN).as_secs();
        let token = token(secret, &Claims { iss: "raconteur", iat: now.as_secs(), exp, jti: turn });
        let mut value = HeaderValue::try_from(token).expect("base64 and dots are header characters");
        value.set_sensitive(true);
        value
    }
}

fn unreachable(words: &str) -> HookError {
    HookError::Unavailable(format!("is not reachable: {words}"))
}

/// What an error status means.
fn refusal(code: u16) -> HookError {
    match code {
        408 | 429 | 500.. => HookError::Unavailable(format!("answered {code}")),
        401 | 403 => HookError::Wrong(format!("refused us ({code}): check its secret and headers")),
        _ => HookError::Wrong(format!("answered {code}: check its url")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_told_by_what_can_be_done_about_it() {
        for code in [408, 429, 500, 502, 503] {
            assert!(matches!(refusal(code), HookError::Unavailable(_)), "{code}");
        }
        for code in [301, 304, 400, 401, 403, 404, 422] {
            assert!(matches!(refusal(code), HookError::Wrong(_)), "{code}");
        }
    }

    #[test]
    fn what_goes_into_headers_is_never_printed() {
        let (secret, key) = (Secret::new("sesame"), Secret::new("open"));
        let settings = HookSettings {
            secret: Some(secret.clone()),
            headers: [("x-key".to_owned(), key)].into(),
            ..HookSettings::at("https://hooks.example/pre")
        };
        let out = Outbound::ours(Duration::from_secs(1)).unwrap();
        let hook = Hook::new("pre", out, &settings).unwrap();
        let token = hook.authorization(&secret, Duration::from_secs(100), Uuid::nil());
        let shown = [&token, &hook.headers["x-key"]].map(|value| format!("{value:?}"));
        assert_eq!(shown, ["Sensitive", "Sensitive"]);
    }

    #[test]
    fn the_frame_is_ibms() {
        let frame = event("message_received", &serde_json::json!({"input": {}}));
        assert_eq!(frame, r#"{"event":{"name":"message_received"},"options":{},"payload":{"input":{}}}"#);
    }
}
