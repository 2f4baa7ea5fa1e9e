//! Requests that make no sense: each has its status and says what is wrong, none harms the gateway, none loses a text.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once};

use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::caller::{Answered, INBOUND, answered, encoded, header, signed_with, text_fields, with};
use crate::scene::{ADA, BOB, Keys, Scene, TENANT, echo, soon};
use crate::twilio::TOKEN;

const SMALL: Keys = Keys {
    server: "body_max_bytes = 4096\nrequest_timeout = \"20s\"",
    store: "inbox_max = 2",
    ask: "",
    send: "timeout = \"20s\"",
    tenant: "",
    channel: "",
};

static PANICS: AtomicUsize = AtomicUsize::new(0);
static WHERE: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Counts panics in the gateway's code from now on; failed assertions of tests are not among them.
fn watch_for_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if panic.location().is_some_and(|location| !location.file().starts_with("tests/")) {
                PANICS.fetch_add(1, Ordering::Relaxed);
                WHERE.lock().expect("it is only pushed to").push(panic.to_string());
            }
            usual(panic);
        }));
    });
}

/// A gateway with small limits, and a text of Bob's on its way through the assistant all the time.
async fn busy() -> Scene {
    busy_with(SMALL).await
}

async fn busy_with(keys: Keys) -> Scene {
    watch_for_panics();
    let scene = Scene::with(keys, echo).await;
    scene.watson.hold("before");
    scene.text(BOB, "before").await;
    soon("the question", scene.watson.until_asked("before", 1)).await;
    scene
}

/// Nothing was lost and nothing has broken.
async fn is_unharmed(scene: &Scene) {
    scene.watson.let_through(1);
    scene.creates(1).await;
    scene.echoes(BOB, "after").await;
    scene.echoes(ADA, "hi").await;
    assert_eq!(scene.sent_to(BOB), ["echo before", "echo after"]);
    assert_eq!(scene.watson.asked(), ["before", "after", "hi"]);
    assert_eq!(PANICS.load(Ordering::Relaxed), 0, "{:?}", WHERE.lock());
}

/// Writes bytes to the gateway and reads until it closes the connection.
async fn raw(scene: &Scene, bytes: &[u8]) -> String {
    let mut stream = connected(scene).await;
    // A gateway that has seen enough may close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = soon("the end of the answer", stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

async fn connected(scene: &Scene) -> TcpStream {
    let url = scene.caller.url("");
    TcpStream::connect(url.trim_start_matches("http://")).await.expect("the gateway listens")
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}

#[tokio::test]
async fn a_body_that_is_too_large_gets_413() {
    let scene = busy().await;
    let fields = text_fields(&scene.caller.fresh_sid(), (ADA, TENANT), &"x".repeat(5_000));
    let refused = Answered::words(413, "the body is larger than body_max_bytes (4096)");
    assert_eq!(scene.caller.signed(INBOUND, &fields).await, refused);
    let chunks = futures_util::stream::iter((0..8).map(|_| Ok::<_, std::io::Error>("x".repeat(1_000))));
    let chunked = scene.caller.request(Method::POST, INBOUND).body(reqwest::Body::wrap_stream(chunks));
    assert_eq!(answered(chunked).await, refused, "a body whose length is not told");
    is_unharmed(&scene).await;
}

#[tokio::test]
async fn missing_and_senseless_fields_get_400_and_are_named() {
    let scene = busy().await;
    let fields = || text_fields(&scene.caller.fresh_sid(), (ADA, TENANT), "hi");
    let table = [
        ("From", None, "From is missing"),
        ("From", Some(""), "From is missing"),
        ("To", None, "To is missing"),
        ("MessageSid", None, "MessageSid is missing"),
        ("AccountSid", None, "AccountSid is missing"),
        ("NumMedia", Some("many"), "NumMedia is not a number from 0 to 10"),
        ("NumMedia", Some("4000000000"), "NumMedia is not a number from 0 to 10"),
        ("NumMedia", Some("-1"), "NumMedia is not a number from 0 to 10"),
        ("NumMedia", Some("1"), "MediaUrl0 is missing"),
    ];
    for (name, value, words) in table {
        let answered = scene.caller.signed(INBOUND, &with(fields(), name, value)).await;
        assert_eq!(answered, Answered::words(400, words), "{name} {value:?}");
    }
    for from in ["+", "+1 555", "\u{0}", "+15550111\r\nX: y", &"9".repeat(500)] {
        let answered = scene.caller.signed(INBOUND, &with(fields(), "From", Some(from))).await;
        assert!(answered.status == 400 && answered.body.starts_with("From: "), "{from:?}: {answered:?}");
        assert!(!answered.body.contains("+15550111"), "{answered:?}");
    }
    let mut twice = fields();
    twice.push(("To".into(), "+15550199".into()));
    let words = "To is given twice with different values";
    assert_eq!(scene.caller.signed(INBOUND, &twice).await, Answered::words(400, words));
    is_unharmed(&scene).await;
}

#[tokio::test]
async fn what_is_not_utf_8_gets_400() {
    let scene = busy().await;
    let refused = Answered::words(400, "a field is not UTF-8: send UTF-8");
    for bytes in [&b"\xff"[..], b"\xc3\x28", b"\xed\xa0\x80", b"hi \xf0\x9f\x98"] {
        assert_eq!(scene.caller.signed_bytes(INBOUND, "Body", bytes).await, refused, "{bytes:?}");
    }
    is_unharmed(&scene).await;
}

#[tokio::test]
async fn garbage_in_the_body_proves_nothing_and_gets_403() {
    let scene = busy().await;
    let forbidden = Answered::words(403, "Forbidden");
    let garbage: Vec<u8> = (0..=255).cycle().take(4_000).collect();
    let bodies = [b"".to_vec(), b"%".to_vec(), b"&&&===%%%".to_vec(), b"[[[[{\"".to_vec(), garbage];
    let kinds = [
        "application/x-www-form-urlencoded",
        "application/json",
        "multipart/form-data; boundary=x",
        "text/plain",
        "",
        ";;;",
    ];
    for body in bodies {
        for kind in kinds {
            let request = scene.caller.request(Method::POST, INBOUND).header("Content-Type", kind);
            let request = request.header("X-Twilio-Signature", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=").body(body.clone());
            assert_eq!(answered(request).await, forbidden, "{kind}: {body:?}");
        }
    }
    let fields = text_fields(&scene.caller.fresh_sid(), (ADA, TENANT), "hi");
    let right = signed_with(TOKEN, INBOUND, &fields);
    let as_text = scene
        .caller
        .request(Method::POST, INBOUND)
        .header("Content-Type", "text/plain")
        .header("X-Twilio-Signature", right)
        .body(encoded(&fields));
    assert_eq!(answered(as_text).await, forbidden, "its signature does not cover a body of that kind");
    is_unharmed(&scene).await;
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there_are_told_apart() {
    let scene = busy().await;
    let nothing = Answered::words(
        404,
        "there is nothing here: a webhook is at /channels/{name}/inbound, the REST interface at /v1/tenants/{number}",
    );
    let outside = [
        "/nothing",
        "/channels",
        "/channels/other/inbound",
        "/channels/twilio",
        "/channels/twilio/",
        "//",
        "/%00",
        "/..%2f..%2fetc",
    ];
    let too_deep = [
        "/channels/phone//inbound",
        "/channels/phone/x/inbound",
        "/channels/twilio//inbound",
        "/channels/twilio/x/inbound",
        "/channels/twilio/inbound/",
    ];
    for path in outside.into_iter().chain(too_deep) {
        for method in [Method::GET, Method::POST] {
            assert_eq!(answered(scene.caller.request(method, path)).await, nothing, "{path}");
        }
    }
    let elsewhere = answered(scene.caller.request(Method::POST, "/channels/twilio/inbox")).await;
    assert_eq!(elsewhere, Answered::words(400, "the path must end in /inbound or /status"));
    for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        let answered = answered(scene.caller.request(method.clone(), INBOUND)).await;
        assert_eq!(answered, Answered::words(400, "the method must be POST or GET"), "{method}");
    }
    let unsigned = answered(scene.caller.request(Method::GET, INBOUND)).await;
    assert_eq!(unsigned, Answered::words(403, "Forbidden"));
    assert_eq!(answered(scene.caller.request(Method::POST, "/health/live")).await.status, 405);
    is_unharmed(&scene).await;
}

#[tokio::test]
async fn too_many_too_long_and_broken_headers_are_refused() {
    let scene = busy().await;
    let post = format!("POST {INBOUND} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    let many: String = (0..10_000).map(|n| format!("X-{n}: y\r\n")).collect();
    let table = [
        (format!("{post}{many}\r\n"), "431"),
        (format!("{post}X: {}\r\n\r\n", "y".repeat(2_000_000)), "431"),
        (format!("{post}{}: y\r\n\r\n", "X".repeat(100_000)), "431"),
        (format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(70_000)), "431"),
        (format!("{post}Content-Length: -1\r\n\r\n"), "400"),
        (format!("{post}Content-Length: 99999999999999999999\r\n\r\n"), "400"),
        (format!("{post}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"), "400"),
        (format!("{post}Transfer-Encoding: chunked\r\n\r\nzz\r\n"), "400"),
        (format!("{post}no header\r\n\r\n"), "400"),
        ("\u{1}\u{2}\u{3}\r\n\r\n".into(), "400"),
        ("GET / HTTP/9.9\r\n\r\n".into(), "400"),
    ];
    for (request, expected) in table {
        let answer = raw(&scene, request.as_bytes()).await;
        let shown: String = request.chars().take(150).collect();
        assert_eq!(status(&answer), expected, "{shown}: {answer}");
    }
    is_unharmed(&scene).await;
}

#[tokio::test]
async fn a_client_that_stops_in_the_middle_of_its_body_gets_503_after_the_request_timeout() {
    // Long enough for a text to reach a busy disk.
    let scene = busy_with(Keys { server: "request_timeout = \"1s\"", ..SMALL }).await;
    let half = format!(
        "POST {INBOUND} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: 100\r\n\r\nBody=half"
    );
    let answer = raw(&scene, half.as_bytes()).await;
    assert_eq!(status(&answer), "503", "{answer}");
    assert!(answer.to_ascii_lowercase().contains("\r\nretry-after: 2\r\n"), "{answer}");
    assert!(answer.ends_with("the request took too long\n"), "{answer}");
    is_unharmed(&scene).await;
}

#[tokio::test]
async fn a_client_that_goes_away_in_the_middle_of_its_body_leaves_nothing_behind() {
    let scene = busy().await;
    for sent in ["POST ", "POST /channels/twilio/inbound HTTP/1.1\r\nHost: x\r\n", "\r\n"] {
        let mut stream = connected(&scene).await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        drop(stream);
    }
    let mut stream = connected(&scene).await;
    let half = format!("POST {INBOUND} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nBody=half");
    stream.write_all(half.as_bytes()).await.unwrap();
    drop(stream);
    is_unharmed(&scene).await;
}

#[tokio::test]
async fn a_full_inbox_is_refused_with_503_and_takes_texts_again_when_there_is_room() {
    let scene = Scene::with(SMALL, echo).await;
    scene.watson.hold("text");
    for n in 0..2 {
        scene.text(ADA, &format!("text {n}")).await;
    }
    let third = text_fields(&scene.caller.fresh_sid(), (ADA, TENANT), "text 2");
    let signature = signed_with(TOKEN, INBOUND, &third);
    let request = scene.caller.request(Method::POST, INBOUND);
    let request = request.header("Content-Type", "application/x-www-form-urlencoded");
    let response = request.header("X-Twilio-Signature", signature).body(encoded(&third)).send().await.unwrap();
    assert_eq!((response.status().as_u16(), header(&response, "retry-after").as_str()), (503, "2"));
    assert_eq!(response.text().await.unwrap(), "the conversation has inbox_max unread texts\n");
    scene.watson.let_through(3);
    scene.creates(2).await;
    assert_eq!(scene.caller.signed(INBOUND, &third).await.status, 200);
    scene.creates(3).await;
    assert_eq!(scene.sent_to(ADA), ["echo text 0", "echo text 1", "echo text 2"]);
}
