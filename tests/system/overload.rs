//! Rooms of their own: whoever takes up all of one shuts nobody out of another.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::operator;
use crate::scene::{ADA, CONTROL_TOKEN, Keys, Scene, TENANT, echo, soon};

/// One request at a time on either side.
const NARROW: Keys = Keys {
    server: "requests_max = 1\ncontrol_requests_max = 1\nrequest_timeout = \"20s\"",
    store: "",
    ask: "",
    send: "timeout = \"20s\"",
    tenant: "",
    channel: "",
};

/// A request whose body never comes to its end.
async fn slow(scene: &Scene, head: &str) -> TcpStream {
    let address = scene.caller.url("").replace("http://", "");
    let mut stream = TcpStream::connect(&address).await.expect("there is room for a connection");
    let head = format!("{head}\r\nHost: {address}\r\nContent-Length: 100\r\n\r\n{{");
    stream.write_all(head.as_bytes()).await.expect("it is read");
    stream
}

#[tokio::test]
async fn slow_callers_of_the_rest_interface_shut_each_other_out_and_no_provider() {
    let scene = Scene::with(NARROW, echo).await;
    let head = format!("POST /v1/tenants/{TENANT}/texts HTTP/1.1\r\nAuthorization: Bearer {CONTROL_TOKEN}");
    let stream = slow(&scene, &head).await;
    let text = json!({"user": ADA, "text": "news"});
    let refused = soon("a refusal", async {
        loop {
            let told = operator::post(&scene.caller, "/texts", &text).await;
            if told.status == 503 {
                return told;
            }
        }
    })
    .await;
    assert_eq!((refused.problem(), refused.retry_after.as_deref()), ((503, "busy"), Some("2")));
    scene.echoes(ADA, "hi").await;
    drop(stream);
    let told = soon("room", async {
        loop {
            let told = operator::post(&scene.caller, "/texts", &text).await;
            if told.status != 503 {
                return told;
            }
        }
    })
    .await;
    assert!((200..300).contains(&told.status), "{told:?}");
}

#[tokio::test]
async fn slow_requests_to_a_webhook_shut_out_no_caller_of_the_rest_interface() {
    let scene = Scene::with(NARROW, echo).await;
    let _stream = slow(&scene, "POST /channels/twilio/inbound HTTP/1.1").await;
    soon("a refusal", async {
        while scene.caller.post("/channels/twilio/inbound", &Vec::new(), "no").await.status != 503 {}
    })
    .await;
    let told = tokio::time::timeout(Duration::from_secs(10), operator::get(&scene.caller, "/sessions")).await;
    assert_eq!(told.expect("it is answered").status, 200);
}
