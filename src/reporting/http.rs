//! The sinks that are built in: one POST for each batch, framed as our own JSON or as Splunk's HTTP Event Collector has it.
//!
//! It neither retries nor watches the time: its caller does. No event and no answer is ever quoted.

use async_trait::async_trait;
use base64::prelude::{BASE64_STANDARD, Engine};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::event::SCHEMA;
use super::settings::Settings;
use super::sink::{Batch, PostError, Sink};
use crate::client;

/// As much of an answer is read, so that its connection can be used again.
const ANSWER_MAX: usize = 64 * 1024;

/// How a batch is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// One object: our schema.
    Json,
    /// One object for each event, one behind the other.
    SplunkHec,
    /// One signed POST for each event: see `webhook.rs`.
    Webhook,
}

/// A sink behind an address.
pub(super) struct HttpSink {
    client: reqwest::Client,
    url: String,
    authorization: Option<HeaderValue>,
    frame: Frame,
    source: Option<String>,
    index: Option<String>,
    host: Option<String>,
}

impl HttpSink {
    /// A sink with a connection pool of its own. The settings have been found good.
    ///
    /// # Errors
    /// In words, when TLS cannot be set up.
    pub(super) fn new(settings: &Settings, frame: Frame) -> Result<Self, String> {
        Ok(Self {
            client: client::client(settings.connect_timeout).map_err(|error| error.to_string())?,
            url: settings.url.clone(),
            authorization: authorization(settings, frame),
            frame,
            source: settings.source.clone(),
            index: settings.index.clone(),
            host: settings.host.clone(),
        })
    }

    fn body(&self, batch: &Batch) -> Vec<u8> {
        let mut body = Vec::new();
        match self.frame {
            Frame::Json | Frame::Webhook => write(
                &mut body,
                &Envelope {
                    schema: SCHEMA,
                    source: self.source.as_deref(),
                    instance: batch.instance,
                    tenant: &batch.tenant,
                    events: batch.events.iter().map(|line| &*line.json).collect(),
                },
            ),
            Frame::SplunkHec => {
                for line in &batch.events {
                    let millis = line.at.0;
                    let time = RawValue::from_string(format!("{}.{:03}", millis / 1_000, millis % 1_000));
                    write(
                        &mut body,
                        &Collected {
                            time: time.expect("digits around a point are a number"),
                            host: self.host.as_deref(),
                            source: self.source.as_deref().unwrap_or("raconteur"),
                            sourcetype: format!("raconteur:{}", line.kind),
                            index: self.index.as_deref(),
                            event: &line.json,
                        },
                    );
                }
            }
        }
        body
    }
}

fn write(body: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(body, value).expect("an event is JSON, and memory takes everything");
}

/// What a JSON sink gets.
#[derive(Serialize)]
struct Envelope<'a> {
    schema: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    instance: Uuid,
    tenant: &'a str,
    events: Vec<&'a RawValue>,
}

/// One event as Splunk's collector takes it: <https://docs.splunk.com/Documentation/Splunk/latest/Data/FormateventsforHTTPEventCollector>.
#[derive(Serialize)]
struct Collected<'a> {
    time: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    source: &'a str,
    sourcetype: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<&'a str>,
    event: &'a RawValue,
}

#[async_trait]
impl Sink for HttpSink {
    async fn post(&self, batch: &Batch) -> Result<(), PostError> {
        let mut request = self.client.post(&self.url).header(CONTENT_TYPE, "application/json").body(self.body(batch));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let sent = request.send().await;
        let mut response = sent.map_err(|error| PostError::Retry { after: None, reason: client::words(error) })?;
        drain(&mut response).await;
        verdict(response.status(), response.headers())
    }
}

/// Reads an answer, so that its connection can be used again, and no more of it than anybody should send.
pub(super) async fn drain(response: &mut reqwest::Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read > ANSWER_MAX {
            break;
        }
    }
}

fn authorization(settings: &Settings, frame: Frame) -> Option<HeaderValue> {
    let text = match (&settings.token, &settings.username, &settings.password) {
        (Some(token), _, _) if frame == Frame::SplunkHec => format!("Splunk {}", token.expose()),
        (Some(token), _, _) => format!("Bearer {}", token.expose()),
        (None, Some(name), Some(password)) => {
            format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{}", password.expose())))
        }
        (None, None, _) | (None, _, None) => return None,
    };
    let mut value = HeaderValue::try_from(text).expect("the settings take only tokens that may stand in a header");
    value.set_sensitive(true);
    Some(value)
}

/// What a status means. What would be the same for every batch is no reason to give this one up: an operator sets it right, and the
/// events wait for that in the spool.
pub(super) fn verdict(status: StatusCode, headers: &HeaderMap) -> Result<(), PostError> {
    let code = status.as_u16();
    let retry = |reason: String| Err(PostError::Retry { after: client::retry_after(headers), reason });
    match code {
        200..=299 => Ok(()),
        300..=399 => retry(format!("the sink has moved ({code}): check url")),
        401 | 403 | 407 => retry(format!("the sink refuses our credentials ({code}): check them")),
        404 => retry("there is no sink at its address (404): check url".into()),
        408 | 429 => retry(format!("the sink answered {code}")),
        400..=499 => Err(PostError::Refused { reason: format!("the sink answered {code}") }),
        _ => retry(format!("the sink answered {code}")),
    }
}

#[cfg(test)]
mod tests {
    use raconteur_conversation::time::UnixMillis;

    use super::super::settings::tests::settings;
    use super::super::sink::{Line, Place};
    use super::*;
    use crate::config::secret::Secret;

    fn batch() -> Batch {
        let line = |kind: &str, at| Line {
            kind: kind.into(),
            at: UnixMillis(at),
            json: RawValue::from_string(format!("{{\"type\":\"{kind}\"}}")).unwrap(),
        };
        Batch {
            instance: Uuid::nil(),
            tenant: "+15550100".into(),
            events: vec![line("transcription", 1_700_000_000_007), line("usage", 999)],
            place: Place { segment: 1, start: 0, end: 2 },
        }
    }

    fn body(settings: &Settings, frame: Frame) -> String {
        String::from_utf8(HttpSink::new(settings, frame).unwrap().body(&batch())).unwrap()
    }

    #[test]
    fn json_is_one_object_with_the_schema_and_the_events_as_they_were_kept() {
        let plain = settings("https://r.example/in");
        let expected = r#"{"schema":1,"instance":"00000000-0000-0000-0000-000000000000","tenant":"+15550100","events":[{"type":"transcription"},{"type":"usage"}]}"#;
        assert_eq!(body(&plain, Frame::Json), expected);
        let named = Settings { source: Some("east".into()), ..plain };
        assert!(body(&named, Frame::Json).starts_with(r#"{"schema":1,"source":"east","instance":"#));
    }

    #[test]
    fn a_collector_gets_one_object_for_each_event() {
        let plain = settings("https://s.example/services/collector/event");
        let expected = concat!(
            r#"{"time":1700000000.007,"source":"raconteur","sourcetype":"raconteur:transcription","event":{"type":"transcription"}}"#,
            r#"{"time":0.999,"source":"raconteur","sourcetype":"raconteur:usage","event":{"type":"usage"}}"#,
        );
        assert_eq!(body(&plain, Frame::SplunkHec), expected);
        let some = |text: &str| Some(text.to_owned());
        let named = Settings { source: some("east"), index: some("sms"), host: some("gw-1"), ..plain };
        let head = r#"{"time":1700000000.007,"host":"gw-1","source":"east","sourcetype":"raconteur:transcription","index":"sms","event":"#;
        assert!(body(&named, Frame::SplunkHec).starts_with(head));
    }

    #[test]
    fn credentials_go_as_the_kind_wants_them_and_are_never_printed() {
        let plain = settings("https://r.example/in");
        let token = Settings { token: Some(Secret::new("t-1")), ..plain.clone() };
        let (username, password) = (Some("ada".to_owned()), Some(Secret::new("sesame")));
        let basic = Settings { username, password, ..plain.clone() };
        let shown = |settings: &Settings, frame| {
            authorization(settings, frame).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
        };
        assert_eq!(shown(&plain, Frame::Json), "");
        assert_eq!(shown(&token, Frame::Json), "Bearer t-1");
        assert_eq!(shown(&token, Frame::SplunkHec), "Splunk t-1");
        assert_eq!(shown(&basic, Frame::Json), "Basic YWRhOnNlc2FtZQ==");
        assert_eq!(format!("{:?}", authorization(&basic, Frame::Json)), "Some(Sensitive)");
    }

    #[test]
    fn a_status_becomes_what_can_be_done_about_it() {
        let outcome = |code: u16| match verdict(StatusCode::from_u16(code).unwrap(), &HeaderMap::new()) {
            Ok(()) => "taken",
            Err(PostError::Retry { .. }) => "retry",
            Err(PostError::Refused { .. }) => "refused",
        };
        for code in [200, 201, 204] {
            assert_eq!(outcome(code), "taken", "{code}");
        }
        for code in [302, 401, 403, 404, 407, 408, 429, 500, 502, 503] {
            assert_eq!(outcome(code), "retry", "{code}");
        }
        for code in [400, 405, 410, 413, 415, 422] {
            assert_eq!(outcome(code), "refused", "{code}");
        }
    }
}
