//! The simulated phone from end to end: texts go in by POST, answers come out as server-sent events.

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use crate::caller::{Answered, answered};
use crate::scene::{ADA, BOB, PHONE, Scene, TENANT, soon};

type Chunk = Result<bytes::Bytes, reqwest::Error>;

/// A phone that listens.
struct Line {
    stream: std::pin::Pin<Box<dyn futures_util::Stream<Item = Chunk>>>,
    unread: String,
}

/// One event: its name, its id, its data.
type Event = (String, String, Value);

impl Line {
    async fn open(scene: &Scene, (tenant, user): (&str, &str), more: &str) -> Self {
        let path = format!("/channels/phone/events?tenant={tenant}&user={user}{more}");
        let response = scene.caller.request(Method::GET, &path).send().await.expect("the gateway answers");
        assert_eq!(response.status(), 200);
        assert!(response.headers()["content-type"].to_str().expect("it is text").starts_with("text/event-stream"));
        Self { stream: Box::pin(response.bytes_stream()), unread: String::new() }
    }

    async fn next(&mut self) -> Event {
        loop {
            if let Some((event, rest)) = self.unread.split_once("\n\n") {
                let field = |name: &str| {
                    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(':').map(|v| v.trim().to_owned());
                    event.lines().find_map(value).unwrap_or_default()
                };
                let read = (field("event"), field("id"), serde_json::from_str(&field("data")).unwrap_or_default());
                self.unread = rest.to_owned();
                if !read.0.is_empty() {
                    return read;
                }
                continue;
            }
            let chunk = soon("an event", self.stream.next()).await.expect("the line is open").expect("it is whole");
            self.unread += std::str::from_utf8(&chunk).expect("events are text");
        }
    }

    /// The next event, which must be a text of ours: its id and body.
    async fn text(&mut self) -> (String, String) {
        let (event, id, data) = self.next().await;
        assert_eq!((event.as_str(), data["id"].as_str()), ("text", Some(id.as_str())), "{data}");
        (id, data["body"].as_str().expect("a text has a body").to_owned())
    }

    async fn is_live(&mut self) {
        assert_eq!(self.next().await.0, "live");
    }
}

async fn says(scene: &Scene, body: &Value) -> Answered {
    let request = scene.caller.request(Method::POST, "/channels/phone/inbound");
    answered(request.header("Content-Type", "application/json").body(body.to_string())).await
}

async fn ada_says(scene: &Scene, id: &str, text: &str) {
    let said = says(scene, &json!({"from": ADA, "to": PHONE, "id": id, "text": text})).await;
    assert_eq!((said.status, said.body.as_str()), (200, r#"{"accepted":true}"#));
}

#[tokio::test]
async fn a_text_from_the_phone_is_answered_on_its_line_and_on_no_other() {
    let scene = Scene::start().await;
    let mut ada = Line::open(&scene, (PHONE, ADA), "").await;
    let mut bob = Line::open(&scene, (PHONE, BOB), "").await;
    ada.is_live().await;
    bob.is_live().await;
    ada_says(&scene, "1", "hi").await;
    assert_eq!(ada.text().await.1, "echo hi");
    ada_says(&scene, "1", "hi").await;
    ada_says(&scene, "2", "more").await;
    assert_eq!(ada.text().await.1, "echo more", "the repeated text made no second turn");
    says(&scene, &json!({"from": BOB, "to": PHONE, "text": "me too"})).await;
    assert_eq!(bob.text().await.1, "echo me too");
    assert!(scene.twilio.creates().is_empty());
}

#[tokio::test]
async fn a_phone_that_comes_back_is_told_what_it_missed_and_nothing_twice() {
    let scene = Scene::start().await;
    let mut line = Line::open(&scene, (PHONE, ADA), "").await;
    line.is_live().await;
    ada_says(&scene, "1", "one").await;
    let (first, _) = line.text().await;
    drop(line);
    for (id, text) in [("2", "two"), ("3", "three")] {
        ada_says(&scene, id, text).await;
    }
    let mut line = Line::open(&scene, (PHONE, ADA), &format!("&after={first}")).await;
    let mut bodies = Vec::new();
    while bodies.len() < 2 {
        // Answers that come meanwhile come behind `live`.
        let (event, _, data) = line.next().await;
        if event == "text" {
            bodies.push(data["body"].as_str().expect("a text has a body").to_owned());
        }
    }
    assert_eq!(bodies, ["echo two", "echo three"]);

    let scene = scene.restart().await;
    let mut line = Line::open(&scene, (PHONE, ADA), &format!("&after={first}")).await;
    assert_eq!((line.text().await.1, line.text().await.1), ("echo two".into(), "echo three".into()));
    line.is_live().await;
    ada_says(&scene, "4", "four").await;
    assert_eq!(line.text().await.1, "echo four");
}

#[tokio::test]
async fn a_new_phone_is_shown_the_whole_conversation() {
    let scene = Scene::start().await;
    let mut line = Line::open(&scene, (PHONE, ADA), "").await;
    line.is_live().await;
    ada_says(&scene, "1", "one").await;
    line.text().await;
    let mut line = Line::open(&scene, (PHONE, ADA), "").await;
    let (event, _, data) = line.next().await;
    assert_eq!((event.as_str(), &data["body"]), ("inbound", &json!("one")));
    assert_eq!(line.text().await.1, "echo one");
    line.is_live().await;
}

#[tokio::test]
async fn what_a_phone_cannot_mean_is_explained() {
    let scene = Scene::start().await;
    let words = says(&scene, &json!({"from": ADA, "to": PHONE})).await;
    assert!(words.status == 400 && words.body.starts_with("\"text\" is missing or empty"), "{words:?}");
    let foreign = says(&scene, &json!({"from": ADA, "to": TENANT, "text": "hi"})).await;
    assert_eq!(foreign, Answered::words(403, "Forbidden"), "that number is not this channel's");
    for query in ["", "?tenant=x", "?tenant=%2B15550101", "?tenant=%2B15550101&user=%2B15550111&after=x", "?a=b"] {
        let path = format!("/channels/phone/events{query}");
        let answered = answered(scene.caller.request(Method::GET, &path)).await;
        assert!(answered.status == 400 && answered.body.contains("error"), "{query}: {answered:?}");
    }
    assert!(scene.watson.asked().is_empty());
}
