//! The simulated phone: texts go out as JSON, and each texter listens to his own stream of events.

use std::sync::Arc;

use eventsource_stream::Eventsource;
use futures_util::StreamExt;
use reqwest::{Client, RequestBuilder};
use serde::Deserialize;

use super::super::books::{Books, number};
use super::super::figures::Fault;
use super::Parts;

pub(super) fn request(client: &Client, url: &str, parts: &Parts<'_>) -> RequestBuilder {
    let Parts { from, to, body, id } = parts;
    let body = serde_json::json!({"from": from, "to": to, "text": body, "id": format!("{id:x}")}).to_string();
    client.post(url).header("Content-Type", "application/json").body(body)
}

#[derive(Deserialize)]
struct Heard {
    body: String,
}

/// Where a texter's texts are heard.
pub(in crate::load) struct Ear {
    /// How to ask.
    pub(in crate::load) client: Client,
    /// The gateway's channel.
    pub(in crate::load) url: String,
    /// The number that is listened to.
    pub(in crate::load) tenant: String,
    /// Who is told.
    pub(in crate::load) books: Arc<Books>,
}

impl Ear {
    /// Listens for one texter until the line ends; `ready` is told when it is up. A line that breaks is opened again.
    pub(in crate::load) async fn listen(&self, texter: u32, ready: tokio::sync::oneshot::Sender<()>) {
        let mut ready = Some(ready);
        let mut last = None;
        loop {
            if self.hear(texter, (&mut ready, &mut last)).await.is_none() {
                self.books.figures.fault(Fault::NoConnection);
                tokio::time::sleep(super::WAIT).await;
            }
        }
    }

    async fn hear(
        &self,
        texter: u32,
        (ready, last): (&mut Option<tokio::sync::oneshot::Sender<()>>, &mut Option<String>),
    ) -> Option<()> {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("tenant", &self.tenant)
            .append_pair("user", &number(texter))
            .finish();
        let mut request = self.client.get(format!("{}/events?{query}", self.url));
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last.as_str());
        }
        let answer = request.send().await.ok()?.error_for_status().ok()?;
        let mut events = answer.bytes_stream().eventsource();
        let mut is_past = last.is_none();
        while let Some(Ok(event)) = events.next().await {
            match event.event.as_str() {
                "live" => {
                    is_past = false;
                    ready.take().map(|ready| ready.send(()));
                }
                "text" => {
                    *last = Some(event.id);
                    if !is_past && let Ok(heard) = serde_json::from_str::<Heard>(&event.data) {
                        self.books.heard(texter, &heard.body);
                    }
                }
                _ => {}
            }
        }
        None
    }
}
