//! A transport in one file, as it stands in `src/transport/pager.rs` once it is built in: its settings, the half that sends, the half that
//! reads requests, and its line for `KINDS`. Built in, `raconteur::` is `crate::`, and `main` is left out: it plays the provider, lets a
//! text come and go, and shows that a repeat is known as one.
//!
//! `cargo run --example transport_in_one_file`

#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use raconteur::check::Verdict;
use raconteur::config::secret::Secret;
use raconteur::config::{self, Problem, Section};
use raconteur::conversation::address::{Address, ConversationKey};
use raconteur::conversation::words::{Arrival, InboundMessage, OutboundMessage, ProviderId, Repeat, SendError, Work};
use raconteur::transport::{Channel, Kind, Reply, Webhook, WebhookError};
use raconteur::{Inbox, Server, Transport, client};
use serde::Deserialize;

/// The line for `KINDS`.
const KIND: Kind = Kind { name: "pager", check, open };

/// A section with `kind = "pager"`. A key that is not here is refused, with its place in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Where texts are posted to.
    url: String,
    /// What proves us to the provider, and the provider to us.
    token: Secret,
}

/// What `raconteur check` says: everything that is wrong, or what to do at the provider's.
fn check(section: &Section) -> Verdict {
    read(section)?;
    Ok(vec![format!("have the provider post texts to /channels/{}/inbound", section.name)])
}

/// A transport that receives by itself, over a connection of its own, keeps the inbox; this one is called.
fn open(section: &Section, _inbox: Inbox) -> Result<Channel, Vec<Problem>> {
    let Settings { url, token } = read(section)?;
    let client = client::client(Duration::from_secs(5)).map_err(|error| section.problems(vec![error.to_string()]))?;
    let webhook = PagerWebhook { token: token.clone() };
    Ok(Channel { transport: Arc::new(Pager { client, url, token }), webhook: Some(Arc::new(webhook)), routes: None })
}

fn read(section: &Section) -> Result<Settings, Vec<Problem>> {
    let settings: Settings = section.read()?;
    if settings.url.starts_with("http") {
        Ok(settings)
    } else {
        Err(vec![section.problem_at("url", "this is no URL: write it like https://pager.example.com/texts")])
    }
}

/// Sends. It keeps nothing and tries nothing twice: waits, retries and what is in doubt are the gateway's business.
struct Pager {
    client: reqwest::Client,
    url: String,
    token: Secret,
}

#[async_trait]
impl Transport for Pager {
    async fn send(&self, message: &OutboundMessage) -> Result<ProviderId, SendError> {
        let OutboundMessage { id, key, body, .. } = message;
        let text = serde_json::json!({ "id": id.to_string(), "from": key.tenant, "to": key.user, "text": body });
        let request = self.client.post(&self.url).bearer_auth(self.token.expose()).body(text.to_string());
        let answer = request.send().await.map_err(|error| {
            let reason = "no answer".to_owned();
            // Whom nobody has heard may speak again. Anything else may have happened after the provider took the text.
            if error.is_connect() { SendError::Retry { after: None, reason } } else { SendError::Unknown { reason } }
        })?;
        let status = answer.status().as_u16();
        let (code, reason) = (status.to_string(), format!("the provider answered {status}"));
        match status {
            200 => Ok(ProviderId(format!("pager-{id}"))),
            429 => Err(SendError::Pause { after: None, reason }),
            401 | 403 => Err(SendError::Misconfigured { code, reason }),
            400..=499 => Err(SendError::Rejected { code, reason }),
            _ => Err(SendError::Unknown { reason }),
        }
    }

    /// This provider takes a text with an id that it knows for the same text.
    fn repeat(&self) -> Repeat {
        Repeat::Safe
    }

    fn text_max(&self) -> usize {
        500
    }
}

/// Reads what the provider posts. Pure: whether a text is new is for the store to say.
struct PagerWebhook {
    token: Secret,
}

/// A text as the provider writes it.
#[derive(Deserialize)]
struct Posted {
    id: String,
    from: String,
    to: String,
    text: String,
}

impl Webhook for PagerWebhook {
    fn parse(&self, request: &http::Request<Bytes>) -> Result<Vec<Arrival>, WebhookError> {
        let shown = request.headers().get("x-pager-token").and_then(|token| token.to_str().ok()).map(Secret::new);
        // Secrets are compared in a time that tells nothing of them.
        if shown.as_ref() != Some(&self.token) {
            return Err(WebhookError::Forbidden("the token is missing or wrong".into()));
        }
        let posted: Posted = serde_json::from_slice(request.body())
            .map_err(|_| WebhookError::Malformed("this is no text as the provider writes it".into()))?;
        let number = |text: &str| Address::parse(text).map_err(|error| WebhookError::Malformed(error.to_string()));
        let key = ConversationKey { tenant: number(&posted.to)?, user: number(&posted.from)? };
        let work = Work::Message(InboundMessage { body: posted.text, ..InboundMessage::default() });
        Ok(vec![Arrival::Work { key, id: posted.id, work }])
    }

    /// What the provider is told once the text is on disk.
    fn acknowledge(&self) -> Reply {
        Reply { content_type: "application/json", body: "{}" }
    }
}

const TOKEN: &str = "a token that both know";

/// The provider: takes texts at its URL and hands them to `main`.
async fn provider() -> anyhow::Result<(String, tokio::sync::mpsc::UnboundedReceiver<String>)> {
    let (taken, texts) = tokio::sync::mpsc::unbounded_channel();
    let take = move |body: String| async move { taken.send(body).map_err(|_| http::StatusCode::GONE) };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/texts", listener.local_addr()?);
    let app = axum::Router::new().route("/texts", axum::routing::post(take));
    tokio::spawn(axum::serve(listener, app).into_future());
    Ok((url, texts))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (url, mut texts) = provider().await?;
    let home = tempfile::tempdir()?;
    let file = home.path().join("raconteur.toml");
    let channel = format!("[channels.pager]\nkind = \"pager\"\nurl = \"{url}\"\ntoken = {{ env = \"PAGER_TOKEN\" }}\n");
    let rest = "[server]\nlisten = \"127.0.0.1:0\"\n[store]\nkind = \"memory\"\n[assistants.demo]\nkind = \"script\"\n\
                [[tenants]]\nnumber = \"+15550100\"\nchannel = \"pager\"\nassistant = \"demo\"\n";
    std::fs::write(&file, channel + rest)?;
    let secrets = [("PAGER_TOKEN".to_owned(), TOKEN.to_owned())];
    let wrong = |problems: Vec<Problem>| anyhow::anyhow!("{problems:?}");
    let mut config = config::load(Some(&file), secrets.into_iter()).map_err(wrong)?;

    // What the gateway does with a kind that is among `KINDS`.
    let section = config.channels.remove(0);
    println!("{}: {}", section.name, (KIND.check)(&section).map_err(wrong)?.concat());
    let (opened, webhook) = std::sync::mpsc::channel();
    let server = Server::start_with(config, |builder| {
        builder.try_channel("pager", move |inbox| {
            let channel = (KIND.open)(&section, inbox).map_err(|problems| format!("{problems:?}"))?;
            let _ = opened.send(channel.webhook);
            Ok(channel.transport)
        })
    })
    .await?;
    let webhook = webhook.recv()?.ok_or_else(|| anyhow::anyhow!("it has a webhook"))?;

    let inbox = server.gateway().inbox("pager");
    let post = |token: &str| {
        let text = r#"{"id": "p-1", "from": "+15550199", "to": "+15550100", "text": "my name is Ada"}"#;
        http::Request::post("/channels/pager/inbound").header("x-pager-token", token).body(Bytes::from(text))
    };
    println!("with a wrong token: {:?}", webhook.parse(&post("guessed")?).err());
    for _ in 0..2 {
        for arrival in webhook.parse(&post(TOKEN)?)? {
            println!("> my name is Ada: {:?}", inbox.accept(arrival).await?);
        }
    }
    println!("< {}", texts.recv().await.unwrap_or_default());
    server.stop().await?;
    println!("and {} more", texts.len());
    Ok(())
}
