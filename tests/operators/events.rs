//! What happens, as it happens.

use futures_util::StreamExt;
use reqwest::{Method, Response};
use serde_json::Value;

use crate::operator::told;
use crate::scene::{ADA, Scene, TENANT, soon};
use crate::{ask, of, post};

/// A line that is up, and what has come over it.
struct Line {
    response: Response,
    read: String,
}

impl Line {
    async fn open(scene: &Scene, last: Option<&str>) -> Self {
        let request = ask(scene, Method::GET, "/stream");
        let request =
            last.map_or(request.try_clone().expect("it has no body"), |last| request.header("last-event-id", last));
        let response = request.send().await.expect("the gateway answers");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, read: String::new() }
    }

    /// The next event: its kind, its id and its data.
    async fn next(&mut self) -> (String, String, Value) {
        soon("an event", async {
            loop {
                if let Some((event, rest)) = self.read.split_once("\n\n") {
                    let field = |name: &str| {
                        let line = event.lines().find_map(|line| line.strip_prefix(name));
                        line.unwrap_or_default().trim().to_owned()
                    };
                    let (kind, id, data) = (field("event:"), field("id:"), field("data:"));
                    self.read = rest.to_owned();
                    if !kind.is_empty() {
                        return (kind, id, serde_json::from_str(&data).expect("it is JSON"));
                    }
                    continue;
                }
                let more = self.response.chunk().await.expect("the line is up").expect("the line is up");
                self.read += std::str::from_utf8(&more).expect("it is text");
            }
        })
        .await
    }

    /// The types of all that happens until this does.
    async fn until(&mut self, last: &str) -> Vec<(String, String)> {
        let mut seen = Vec::new();
        loop {
            let (_, id, data) = self.next().await;
            assert_eq!((&data["tenant"], &data["user"]), (&TENANT.into(), &ADA.into()));
            let kind = data["type"].as_str().expect("it has a type").to_owned();
            seen.push((kind.clone(), id));
            if kind == last {
                return seen;
            }
        }
    }
}

fn kinds(seen: &[(String, String)]) -> Vec<&str> {
    seen.iter().map(|(kind, _)| kind.as_str()).collect()
}

#[tokio::test]
async fn an_operator_hears_of_everything_and_goes_on_where_he_was() {
    let scene = Scene::start().await;
    let mut line = Line::open(&scene, None).await;
    assert_eq!(line.next().await.0, "hello");
    let create = scene.echoes(ADA, "hi").await;
    let seen = line.until("message.sent").await;
    // Who accepts a text and who answers it tell what they know each for himself.
    let mut first = kinds(&seen)[..2].to_vec();
    first.sort_unstable();
    assert_eq!(
        (first, &kinds(&seen)[2..]),
        (vec!["session.started", "text.received"], &["turn.completed", "message.sent"][..])
    );
    drop(line);
    scene.caller.receipt(&create, "delivered", "").await;
    post(&scene, &format!("{}/takeover", of(ADA)), &Value::Null).await;
    scene.text(ADA, "STOP").await;
    let mut line = Line::open(&scene, Some(&seen[3].1)).await;
    let seen = line.until("user.opted_out").await;
    assert_eq!(seen[0].0, "message.delivered");
    assert!(kinds(&seen).contains(&"conversation.taken_over"), "{seen:?}");
}

#[tokio::test]
async fn whoever_comes_back_after_a_restart_is_told_to_look_anew() {
    let scene = Scene::start().await;
    let mut line = Line::open(&scene, None).await;
    let (_, id, _) = line.next().await;
    let scene = scene.restart().await;
    let mut line = Line::open(&scene, Some(&id)).await;
    assert_eq!(line.next().await.0, "gap");
    let wrong = told(ask(&scene, Method::GET, "/stream").header("last-event-id", "seven")).await;
    assert_eq!(wrong.problem(), (400, "invalid"));
}

#[tokio::test]
async fn a_line_ends_with_the_gateway() {
    let scene = Scene::start().await;
    let line = Line::open(&scene, None).await;
    soon("the end", scene.stop()).await;
    let mut rest = line.response.bytes_stream();
    soon("the end of the line", async { while rest.next().await.is_some_and(|part| part.is_ok()) {} }).await;
}
