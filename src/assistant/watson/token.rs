//! Tokens that IBM's identity service gives for an API key, fetched once and used by all.
//!
//! A token is renewed in the background from four fifths of its life on, while the old one goes on being used; ten seconds before its
//! end it counts as expired, and whoever needs one waits. One request is under way at a time, and all who waited for it share
//! what came of it. A failed renewal keeps the old token and rests for a minute. Nothing here logs or quotes a token or a key.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use raconteur_conversation::words::AskError;
use reqwest::Url;
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use super::{address, exchange, json};
use crate::client::{self, Ask, Outbound};
use crate::config::secret::Secret;

/// The path of the exchange below the identity service's address.
const EXCHANGE: [&str; 2] = ["identity", "token"];

/// By how much a token is taken to expire early: clocks differ, and requests take their time.
const EARLY: Duration = Duration::from_secs(10);

/// How long a failed renewal is not tried again while the old token holds.
const REST: Duration = Duration::from_secs(60);

/// How long one exchange may take.
const FETCH_WITHIN: Duration = Duration::from_secs(15);

/// The longest life that is believed.
const LIFE_MAX: Duration = Duration::from_secs(24 * 3_600);

/// Where the exchange is: the address itself when it ends in `/token`, otherwise `/identity/token` below it. `None` when it is no
/// address of that kind.
pub(super) fn endpoint(text: &str) -> Option<Url> {
    let url = address::explicit(text).ok().filter(|url| url.query().is_none())?;
    let is_whole = url.path_segments().and_then(|mut steps| steps.next_back()) == Some("token");
    Some(if is_whole { url } else { address::below(&url, EXCHANGE) })
}

/// The tokens of one key.
pub(super) struct Tokens {
    out: Outbound,
    url: Url,
    apikey: Secret,
    held: Mutex<Held>,
    /// Held by whoever exchanges.
    flight: Arc<tokio::sync::Mutex<()>>,
}

/// What is known.
#[derive(Default)]
struct Held {
    token: Option<Token>,
    /// How many exchanges have come to an end.
    exchanges: u64,
    /// Why the latest one failed, if it did.
    failure: Option<AskError>,
    /// No renewal before.
    rests_until: Option<Instant>,
}

/// A token.
#[derive(Clone)]
pub(super) struct Token {
    authorization: HeaderValue,
    /// Tells it from its successors.
    number: u64,
    renew_at: Instant,
    expires_at: Instant,
}

impl Token {
    /// The header.
    pub(super) fn authorization(&self) -> HeaderValue {
        self.authorization.clone()
    }
}

impl Tokens {
    /// Exchanges nothing before the first token is needed.
    pub(super) fn new(out: Outbound, url: Url, apikey: Secret) -> Self {
        Self { out, url, apikey, held: Mutex::default(), flight: Arc::default() }
    }

    /// A token that holds.
    ///
    /// # Errors
    /// When there is none and none can be had.
    pub(super) async fn token(self: &Arc<Self>) -> Result<Token, AskError> {
        let seen = match self.valid() {
            Ok(token) => {
                self.renew_aside(&token);
                return Ok(token);
            }
            Err(exchanges) => exchanges,
        };
        let flight = Arc::clone(&self.flight).lock_owned().await;
        match self.outcome_since(seen) {
            Some(outcome) => outcome,
            None => Box::pin(self.exchange(flight)).await,
        }
    }

    /// The service does not take this one, whatever its life.
    pub(super) fn refused(&self, token: &Token) {
        let mut held = self.held();
        held.token.take_if(|held| held.number == token.number);
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().expect("nobody panics with the token in hand")
    }

    /// The token, or how many exchanges there have been without leaving one that holds.
    fn valid(&self) -> Result<Token, u64> {
        let held = self.held();
        held.token.clone().filter(|token| Instant::now() < token.expires_at).ok_or(held.exchanges)
    }

    /// What the exchange has brought for which somebody waited; `None` when there was none, or its token is gone already.
    fn outcome_since(&self, seen: u64) -> Option<Result<Token, AskError>> {
        if let Ok(token) = self.valid() {
            return Some(Ok(token));
        }
        let held = self.held();
        held.failure.clone().filter(|_| held.exchanges != seen).map(Err)
    }

    /// Renews in the background where it is time to and nobody does.
    fn renew_aside(self: &Arc<Self>, token: &Token) {
        let now = Instant::now();
        let rests = self.held().rests_until.is_some_and(|until| now < until);
        if now < token.renew_at || rests {
            return;
        }
        let Ok(flight) = Arc::clone(&self.flight).try_lock_owned() else { return };
        let tokens = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = tokens.exchange(flight).await {
                tracing::warn!(%error, "could not renew a token: the old one is used until it expires");
            }
        });
    }

    /// Exchanges the key. The guard proves that nobody else does.
    async fn exchange(&self, flight: OwnedMutexGuard<()>) -> Result<Token, AskError> {
        let began = Instant::now();
        let outcome = tokio::time::timeout(FETCH_WITHIN, self.request()).await.unwrap_or_else(|_| {
            let reason = format!("the token service did not answer within {FETCH_WITHIN:?}");
            Err(AskError::Unavailable { after: None, reason })
        });
        let mut held = self.held();
        held.exchanges += 1;
        let outcome = outcome.map(|(authorization, life)| Token {
            authorization,
            number: held.exchanges,
            renew_at: began + life.mul_f64(0.8),
            expires_at: began + life.saturating_sub(EARLY),
        });
        match &outcome {
            Ok(token) => (held.token, held.failure, held.rests_until) = (Some(token.clone()), None, None),
            Err(error) => (held.failure, held.rests_until) = (Some(error.clone()), Some(Instant::now() + REST)),
        }
        drop(held);
        drop(flight);
        outcome
    }

    async fn request(&self) -> Result<(HeaderValue, Duration), AskError> {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "urn:ibm:params:oauth:grant-type:apikey")
            .append_pair("apikey", self.apikey.expose())
            .append_pair("response_type", "cloud_iam")
            .finish();
        let headers = HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")),
            (ACCEPT, HeaderValue::from_static("application/json")),
        ]);
        let uri = client::to_uri(&self.url)
            .ok_or_else(|| AskError::Misconfigured { reason: "iam_url cannot be asked by HTTP".into() })?;
        let ask = Ask { method: Method::POST, uri, headers, body: form.into() };
        let reply = self.out.ask(ask, exchange::BODY_MAX).await.map_err(exchange::unanswered)?;
        let (status, after) = (reply.status, client::retry_after(&reply.headers));
        match status.as_u16() {
            200..=299 => read(&exchange::whole(reply)?),
            code @ (408 | 429 | 500..) => {
                Err(AskError::Unavailable { after, reason: format!("the token service answered {code}") })
            }
            code => {
                let reason = format!("the token service refused the API key ({code}): check apikey and iam_url");
                Err(AskError::Misconfigured { reason })
            }
        }
    }
}

/// Reads a token and its life.
pub(super) fn read(body: &[u8]) -> Result<(HeaderValue, Duration), AskError> {
    let body = json::body(body)?;
    let token = body.need("access_token")?.string()?;
    let malformed = |reason: &str| AskError::Malformed { reason: reason.to_owned() };
    let mut authorization = HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| malformed("access_token has characters that no header can carry"))?;
    authorization.set_sensitive(true);
    let number = |name| body.get(name).and_then(|place| place.value().ok()?.as_u64());
    let remaining = |expiration: u64| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Duration::from_secs(expiration).saturating_sub(now)
    };
    let life = number("expires_in").map(Duration::from_secs).or_else(|| number("expiration").map(remaining));
    let life = life.ok_or_else(|| malformed("the token has neither expires_in nor expiration"))?;
    Ok((authorization, life.min(LIFE_MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exchange_lies_below_the_service_unless_it_is_named_itself() {
        let shown = |text: &str| endpoint(text).map(|url| url.to_string());
        let table = [
            ("https://iam.example", "https://iam.example/identity/token"),
            ("https://iam.example/", "https://iam.example/identity/token"),
            ("https://proxy.example/iam", "https://proxy.example/iam/identity/token"),
            ("https://iam.example/identity/token", "https://iam.example/identity/token"),
            ("https://w.example/authorization/api/v1/token", "https://w.example/authorization/api/v1/token"),
        ];
        for (given, expected) in table {
            assert_eq!(shown(given).as_deref(), Some(expected));
        }
        for none in ["iam.example", "ftp://iam.example", "https://a:b@iam.example", "https://iam.example?x"] {
            assert_eq!(shown(none), None, "{none}");
        }
    }

    #[test]
    fn a_life_is_read_from_either_member_and_bounded() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let life = |rest: &str| read(format!(r#"{{"access_token":"t",{rest}}}"#).as_bytes()).unwrap().1.as_secs();
        assert_eq!(life(r#""expires_in":3600,"expiration":1"#), 3_600);
        assert!((3_590..=3_600).contains(&life(&format!(r#""expiration":{}"#, now + 3_600))));
        assert_eq!((life(r#""expiration":1"#), life(r#""expires_in":18446744073709551615"#)), (0, 86_400));
    }

    #[test]
    fn a_token_goes_as_bearer_and_is_never_printed() {
        let (header, _) = read(br#"{"access_token":"sesame","expires_in":60}"#).unwrap();
        assert_eq!((header.to_str().unwrap(), format!("{header:?}").as_str()), ("Bearer sesame", "Sensitive"));
    }

    #[test]
    fn an_answer_without_a_token_is_malformed_and_not_quoted() {
        for body in ["<html>sesame", "[]", "{}", r#"{"access_token":7}"#, r#"{"access_token":"sesame"}"#] {
            let error = read(body.as_bytes()).unwrap_err();
            assert!(matches!(&error, AskError::Malformed { reason } if !reason.contains("sesame")), "{error}");
        }
        assert!(read(b"{\"access_token\":\"se\\nsame\",\"expires_in\":1}").is_err());
    }
}
