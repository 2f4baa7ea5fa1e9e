//! The phone's HTTP: one post for each text, one stream of server-sent events for what comes. Errors are sentences for the user.

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use eventsource_stream::{EventStreamError, Eventsource};
use futures_util::stream::{self, BoxStream, StreamExt};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::OutboundId;
use serde::Deserialize;

use super::ChatOptions;
use super::model::Outgoing;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REPLY_TIMEOUT: Duration = Duration::from_secs(15);

/// The gateway says every 15 s that the line is up; after three misses it is not.
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// What the gateway tells a phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A text.
    Text { id: OutboundId, body: String, at: UnixMillis },
    /// What this number said in the past.
    Inbound { body: String, at: UnixMillis },
    /// The past is complete.
    Live,
}

/// From where on events are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// The latest turns, both sides.
    Latest,
    /// Texts after this one.
    After(OutboundId),
}

/// Events, until the line is lost: then one error and the end.
pub(super) type Events = BoxStream<'static, anyhow::Result<Event>>;

/// How to reach the gateway.
#[derive(Clone)]
pub(super) struct Wire {
    client: reqwest::Client,
    url: String,
    channel: String,
    tenant: String,
    user: String,
}

impl Wire {
    pub(super) fn new(options: &ChatOptions) -> anyhow::Result<Self> {
        Ok(Self {
            client: crate::client::client(CONNECT_TIMEOUT)?,
            url: options.url.trim_end_matches('/').to_owned(),
            channel: options.channel.clone(),
            tenant: options.tenant.to_string(),
            user: options.user.to_string(),
        })
    }

    /// Posts one text. When it returns `Ok`, the gateway has it on disk.
    pub(super) async fn post(&self, outgoing: &Outgoing) -> Result<(), String> {
        let body = serde_json::json!({
            "from": self.user, "to": self.tenant, "text": outgoing.text, "id": outgoing.ticket.to_string(),
        });
        let request = self
            .client
            .post(self.below_channel("inbound"))
            .header("content-type", "application/json")
            .body(body.to_string())
            .timeout(REPLY_TIMEOUT);
        let response = request.send().await.map_err(|error| self.unreachable(&error).to_string())?;
        self.checked(response).await.map(drop).map_err(|error| error.to_string())
    }

    /// Opens the stream of events.
    pub(super) async fn events(&self, from: Since) -> anyhow::Result<Events> {
        let request = self.client.get(self.below_channel(&self.events_query(from))).send();
        let response = tokio::time::timeout(REPLY_TIMEOUT, request)
            .await
            .map_err(|_| anyhow!("the gateway at {} does not answer", self.url))?
            .map_err(|error| self.unreachable(&error))?;
        let bytes = alive(self.checked(response).await?.bytes_stream().boxed());
        let events = bytes.eventsource().filter_map(async |event| match event {
            Ok(event) => read(&event.event, &event.data).transpose(),
            Err(EventStreamError::Transport(error)) => Some(Err(error)),
            Err(error) => Some(Err(anyhow!("the gateway's events make no sense: {error}"))),
        });
        Ok(events.boxed())
    }

    fn events_query(&self, from: Since) -> String {
        let mut query = form_urlencoded::Serializer::for_suffix(String::from("events?"), "events?".len());
        query.append_pair("tenant", &self.tenant).append_pair("user", &self.user);
        if let Since::After(id) = from {
            query.append_pair("after", &id.to_string());
        }
        query.finish()
    }

    fn below_channel(&self, rest: &str) -> String {
        format!("{}/channels/{}/{rest}", self.url, self.channel)
    }

    fn unreachable(&self, error: &reqwest::Error) -> anyhow::Error {
        if error.is_builder() {
            return anyhow!("{} is no address of a gateway: give one such as http://127.0.0.1:8080", self.url);
        }
        if error.is_timeout() && !error.is_connect() {
            return anyhow!("the gateway at {} does not answer", self.url);
        }
        anyhow!("no gateway at {}: start one with `raconteur serve`", self.url)
    }

    async fn checked(&self, response: reqwest::Response) -> anyhow::Result<reqwest::Response> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if status == http::StatusCode::NOT_FOUND {
            bail!(
                "{} answers, but has no channel {:?} of simulated phones: configure one, or name the right one",
                self.url,
                self.channel
            );
        }
        let body = tokio::time::timeout(REPLY_TIMEOUT, response.text()).await.ok().and_then(Result::ok);
        bail!("the gateway answered {status}: {}", reason(&body.unwrap_or_default()))
    }
}

/// What an error's body says: its `error` where it is JSON, else its beginning.
fn reason(body: &str) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    let text = serde_json::from_str::<Refusal>(body).map_or_else(|_| body.trim().to_owned(), |refusal| refusal.error);
    text.chars().take(200).collect()
}

/// Ends with an error where the gateway says nothing for too long, or hangs up.
fn alive(bytes: BoxStream<'static, reqwest::Result<Bytes>>) -> BoxStream<'static, anyhow::Result<Bytes>> {
    let next = async |state: Option<BoxStream<'static, reqwest::Result<Bytes>>>| {
        let mut bytes = state?;
        match tokio::time::timeout(SILENCE_MAX, bytes.next()).await {
            Ok(Some(Ok(chunk))) => Some((Ok(chunk), Some(bytes))),
            Ok(Some(Err(_)) | None) => Some((Err(anyhow!("the gateway hung up")), None)),
            Err(_) => Some((Err(anyhow!("the gateway fell silent")), None)),
        }
    };
    stream::unfold(Some(bytes), next).boxed()
}

/// Reads one event; `None` for kinds that this phone does not know.
fn read(kind: &str, data: &str) -> anyhow::Result<Option<Event>> {
    #[derive(Deserialize)]
    struct Text {
        id: OutboundId,
        #[serde(flatten)]
        said: Said,
    }
    #[derive(Deserialize)]
    struct Said {
        body: String,
        #[serde(default)]
        media: Vec<Medium>,
        at: UnixMillis,
    }
    /// The gateway's media are addresses; the user's have a type as well.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Medium {
        Url(String),
        Received { url: String },
    }
    impl Said {
        fn words(self) -> (String, UnixMillis) {
            let urls = self.media.into_iter().map(|medium| match medium {
                Medium::Url(url) | Medium::Received { url } => format!("[{url}]"),
            });
            let lines: Vec<String> = Some(self.body).filter(|body| !body.is_empty()).into_iter().chain(urls).collect();
            (lines.join("\n"), self.at)
        }
    }
    let wrong = || format!("the gateway sent an event {kind:?} that makes no sense");
    Ok(match kind {
        "text" => {
            let Text { id, said } = serde_json::from_str(data).with_context(wrong)?;
            let (body, at) = said.words();
            Some(Event::Text { id, body, at })
        }
        "inbound" => {
            let (body, at) = serde_json::from_str::<Said>(data).with_context(wrong)?.words();
            Some(Event::Inbound { body, at })
        }
        "live" => Some(Event::Live),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_with_their_media_as_lines() {
        let text = r#"{"id":"3-1","body":"hi","media":["http://x/1","http://x/2"],"at":7}"#;
        let (id, at) = ("3-1".parse().unwrap(), UnixMillis(7));
        let body = "hi\n[http://x/1]\n[http://x/2]".to_owned();
        assert_eq!(read("text", text).unwrap(), Some(Event::Text { id, body, at }));
        let inbound = r#"{"turn":3,"body":"","media":[{"url":"http://x/1","content_type":"image/png"}],"at":7}"#;
        assert_eq!(read("inbound", inbound).unwrap(), Some(Event::Inbound { body: "[http://x/1]".into(), at }));
        assert_eq!(read("live", "{}").unwrap(), Some(Event::Live));
        assert_eq!(read("weather", "rain").unwrap(), None);
        assert!(read("text", "rain").unwrap_err().to_string().contains("makes no sense"));
    }

    #[test]
    fn a_refusal_is_shown_in_the_gateways_words() {
        assert_eq!(reason(r#"{"error":"no such number"}"#), "no such number");
        assert_eq!(reason(" busy \n"), "busy");
        assert_eq!(reason(&"x".repeat(1_000)).len(), 200);
    }
}
