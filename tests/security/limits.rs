//! How many requests are worked on at once, and how long the REST interface waits for one.

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::caller::{INBOUND, encoded, header, text_fields};
use crate::operator::{get, post, request, told};
use crate::scene::{ADA, BOB, CONTROL_TOKEN, Keys, Scene, TENANT, echo, soon};

#[tokio::test]
async fn one_request_more_than_may_be_worked_on_gets_503_until_another_is_answered() {
    let keys = Keys { server: "requests_max = 1\ncontrol_requests_max = 1", ..Keys::default() };
    let scene = Scene::with(keys, echo).await;
    scene.watson.hold("");
    let first = tokio::spawn(told(request(&scene.caller, Method::POST, "/test/assistant")));
    soon("the question", scene.watson.until_asked("", 1)).await;

    let busy = get(&scene.caller, "/sessions").await;
    assert_eq!((busy.problem(), busy.retry_after.is_some()), ((503, "busy"), true));
    let url = scene.caller.url("");
    let mut slow = TcpStream::connect(url.trim_start_matches("http://")).await.expect("the gateway listens");
    let head = format!("POST {INBOUND} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nB");
    slow.write_all(head.as_bytes()).await.expect("it can be written to");
    let fields = text_fields(&scene.caller.fresh_sid(), (ADA, TENANT), "hi");
    // Until the slow one has come in, there is room, and the signature is found to be wrong.
    let refused = soon("a refusal", async {
        loop {
            let webhook = scene
                .caller
                .request(Method::POST, INBOUND)
                .header("Content-Type", "application/x-www-form-urlencoded")
                .header("X-Twilio-Signature", "no")
                .body(encoded(&fields));
            let answer = webhook.send().await.expect("the gateway answers");
            if answer.status().as_u16() != 403 {
                return answer;
            }
        }
    })
    .await;
    assert_eq!((refused.status().as_u16(), header(&refused, "retry-after").as_str()), (503, "2"));
    assert!(scene.transcript(ADA).await.is_empty());
    slow.write_all(b"=").await.expect("it can be written to");
    let mut answer = String::new();
    soon("the answer", slow.read_to_string(&mut answer)).await.expect("it is text");
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");

    scene.watson.let_through(2);
    assert_eq!(first.await.expect("it is answered").status, 200);
    assert_eq!(get(&scene.caller, "/sessions").await.status, 200);
    scene.echoes(BOB, "hi").await;
}

#[tokio::test]
async fn a_caller_who_stops_in_the_middle_of_his_body_gets_503_after_the_request_timeout() {
    let scene = Scene::with(Keys { server: "request_timeout = \"1s\"", ..Keys::default() }, echo).await;
    let url = scene.caller.url("");
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await.expect("the gateway listens");
    let half = format!(
        "POST /v1/tenants/{TENANT}/texts HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Authorization: Bearer {CONTROL_TOKEN}\r\nContent-Length: 100\r\n\r\n{{\"user\": \"{ADA}\", "
    );
    stream.write_all(half.as_bytes()).await.expect("it can be written to");
    let mut answer = String::new();
    soon("the answer", stream.read_to_string(&mut answer)).await.expect("it is text");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("the request took too long"), "{answer}");
    assert_eq!(post(&scene.caller, "/texts", &json!({"user": BOB, "text": "hello"})).await.status, 202);
    assert!(scene.sent_to(ADA).is_empty());
}
