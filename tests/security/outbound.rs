//! Addresses that others write: what is not on the public internet is not asked for them.

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::operator::{post, request, told};
use crate::scene::{ADA, Keys, SORRY, Scene, echo, soon};
use crate::voice::VoiceGateway;

async fn pipe_to(scene: &Scene, webhook: &str) {
    let opened = post(&scene.caller, "/pipes", &json!({"user": ADA, "webhook": webhook})).await;
    assert_eq!(opened.status, 201, "{opened:?}");
}

#[tokio::test]
async fn a_pipe_leads_to_no_address_that_is_not_public_and_says_what_to_do() {
    let elsewhere = Keys { server: "outbound_allow = [\"192.0.2.1\"]", ..Keys::default() };
    let (scene, voice) = (Scene::with(elsewhere, echo).await, VoiceGateway::start().await);
    for (number, webhook) in [voice.url.clone(), voice.url.replace("127.0.0.1", "localhost")].iter().enumerate() {
        pipe_to(&scene, webhook).await;
        scene.text(ADA, "secret words").await;
        assert_eq!(scene.creates(number + 1).await[number].body, SORRY);
        let turns =
            scene.until(ADA, |turns| turns.iter().filter(|turn| turn.error.is_some()).count() == number + 1).await;
        let error = turns.iter().rev().find_map(|turn| turn.error.as_deref()).expect("it failed");
        assert!(error.contains("[server] outbound_allow") && !error.contains("127.0.0.1"), "{error}");
    }
    assert!(voice.heard(0).await.is_empty());
}

#[tokio::test]
async fn what_the_operator_excepts_is_asked() {
    let excepted = Keys { server: "outbound_allow = [\"localhost\"]", ..Keys::default() };
    let (scene, voice) = (Scene::with(excepted, echo).await, VoiceGateway::start().await);
    pipe_to(&scene, &voice.url.replace("127.0.0.1", "localhost")).await;
    scene.text(ADA, "hello").await;
    assert_eq!(soon("the text", voice.heard(1)).await[0].1["message"], "hello");
}

#[tokio::test]
async fn an_address_with_a_line_break_is_refused_at_the_door() {
    let scene = Scene::start().await;
    for webhook in ["http://voice.example/a\r\nX: y", "http://voice.example/ a", "file:///etc/passwd", "gopher://x"] {
        let body = json!({"user": ADA, "webhook": webhook}).to_string();
        assert_eq!(told(request(&scene.caller, Method::POST, "/pipes").body(body)).await.problem(), (400, "invalid"));
    }
}

#[tokio::test]
async fn nothing_that_a_request_says_becomes_a_header_of_the_answer() {
    let scene = Scene::start().await;
    let url = scene.caller.url("");
    for path in [
        "/%0d%0aX-Injected:%20yes",
        "/v1/tenants/%0d%0aX-Injected:%20yes/sessions",
        "/channels/twilio/%0d%0aX-Injected:%20yes",
        "/channels/phone/%0d%0aX-Injected:%20yes",
        "/channels/phone/events?user=%2B15550111%0d%0aX-Injected:%20yes&tenant=%2B15550101",
    ] {
        let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await.expect("the gateway listens");
        let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nIdempotency-Key: a%0d%0ab\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("it can be written to");
        let mut answer = String::new();
        soon("the answer", stream.read_to_string(&mut answer)).await.expect("it is text");
        let head = answer.split("\r\n\r\n").next().unwrap_or_default().to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 4") && !head.contains("injected"), "{path}: {answer}");
    }
}
