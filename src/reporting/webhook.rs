//! The sink that tells an integrator's server of each thing that happens, one signed POST for each, as <https://www.standardwebhooks.com>
//! has it: `webhook-id` names the event for ever, `webhook-timestamp` says when it is told, and `webhook-signature` is the HMAC-SHA256 of
//! both and the body, so that nobody else can tell the server anything and nothing can be told again much later.
//!
//! It neither retries nor watches the time: its caller does. No event and no answer is ever quoted.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use base64::prelude::{BASE64_STANDARD, Engine};
use hmac::{Hmac, KeyInit, Mac};
use http::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::Sha256;

use super::http::{drain, verdict};
use super::settings::Settings;
use super::sink::{Batch, Line, PostError, Sink};
use crate::client;
use crate::config::secret::Secret;

/// What a secret begins with.
const PREFIX: &str = "whsec_";

/// How many bytes it has.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A server that is told of what happens.
pub(super) struct WebhookSink {
    client: reqwest::Client,
    url: String,
    key: Vec<u8>,
}

/// The bytes of a secret; `None` where it is none.
pub(super) fn key(secret: &Secret) -> Option<Vec<u8>> {
    let text = secret.expose();
    let key = BASE64_STANDARD.decode(text.strip_prefix(PREFIX).unwrap_or(text)).ok()?;
    KEY_BYTES.contains(&key.len()).then_some(key)
}

/// An event as it is kept.
#[derive(Deserialize)]
struct Kept<'a> {
    event_id: &'a str,
    happening: &'a str,
    at_ms: u64,
    tenant: &'a str,
    user: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// The same as it is told.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    timestamp: String,
    data: Value,
}

impl WebhookSink {
    /// A sink with a connection pool of its own. The settings have been found good.
    ///
    /// # Errors
    /// In words, when TLS cannot be set up.
    pub(super) fn new(settings: &Settings) -> Result<Self, String> {
        Ok(Self {
            client: client::client(settings.connect_timeout).map_err(|error| error.to_string())?,
            url: settings.url.clone(),
            key: settings.secret.as_ref().and_then(key).unwrap_or_default(),
        })
    }

    async fn tell(&self, line: &Line) -> Result<(), PostError> {
        let Some((id, body)) = told(line) else { return Ok(()) };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let request = self.client.post(&self.url).header(CONTENT_TYPE, "application/json");
        let request = request.header("webhook-id", &id).header("webhook-timestamp", now);
        let request = request.header("webhook-signature", signature(&self.key, (&id, now), &body)).body(body);
        let sent = request.send().await;
        let mut response = sent.map_err(|error| PostError::Retry { after: None, reason: client::words(error) })?;
        drain(&mut response).await;
        verdict(response.status(), response.headers())
    }
}

/// The id and the body of an event; `None` for what is none, such as a count of what was lost.
fn told(line: &Line) -> Option<(String, Vec<u8>)> {
    let kept: Kept<'_> = serde_json::from_str(line.json.get()).ok()?;
    let mut data: Value = serde_json::from_str(kept.data.get()).ok()?;
    data["tenant"] = kept.tenant.into();
    data["user"] = kept.user.into();
    let at = UNIX_EPOCH + Duration::from_millis(kept.at_ms);
    let timestamp = humantime::format_rfc3339_millis(at).to_string();
    let body = serde_json::to_vec(&Told { kind: kept.happening, timestamp, data }).ok()?;
    Some((kept.event_id.to_owned(), body))
}

fn signature(key: &[u8], (id, timestamp): (&str, u64), body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
}

#[async_trait]
impl Sink for WebhookSink {
    async fn post(&self, batch: &Batch) -> Result<(), PostError> {
        for line in &batch.events {
            self.tell(line).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use raconteur_conversation::time::UnixMillis;

    use super::*;

    #[test]
    fn an_event_is_signed_as_the_standard_has_it() {
        // The example of the Standard Webhooks' own libraries.
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let body = br#"{"test": 2432232314}"#;
        let signed = signature(&key(&secret).unwrap(), ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330), body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_is_long_enough_and_base64() {
        for bad in ["", "whsec_", "whsec_short", "whsec_!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!", "c2hvcnQ="] {
            assert_eq!(key(&Secret::new(bad)), None, "{bad}");
        }
        assert!(key(&Secret::new("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).is_some(), "the prefix may be left out");
    }

    #[test]
    fn an_event_is_told_by_its_own_name_with_its_time_and_whose_it_is() {
        let json = r#"{"type":"happened","user":"+15550199","happening":"turn.completed","data":{"turn":"8"},"event_id":"i-1","tenant":"+15550100","at_ms":1700000000123}"#;
        let line = |json: &str| Line {
            kind: "happened".into(),
            at: UnixMillis(5),
            json: RawValue::from_string(json.into()).unwrap(),
        };
        let (id, body) = told(&line(json)).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let expected = serde_json::json!({
            "type": "turn.completed", "timestamp": "2023-11-14T22:13:20.123Z",
            "data": {"turn": "8", "tenant": "+15550100", "user": "+15550199"},
        });
        assert_eq!((id.as_str(), body), ("i-1", expected));
        assert_eq!(told(&line(r#"{"type":"usage","event_id":"i-2"}"#)), None);
    }
}
