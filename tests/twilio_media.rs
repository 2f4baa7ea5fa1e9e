//! Which media the Twilio transport would send: judged against a file server on a local port.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use raconteur::config::secret::Secret;
use raconteur::guard::{Exception, Exceptions};
use raconteur::transport::twilio::{Settings, open};
use raconteur_actors::port::Transport;
use raconteur_conversation::policy::MediaCheck;
use raconteur_conversation::words::MediaVerdict;

/// A server of files, by what it says of them. It keeps what it was asked, with the names of the headers.
struct Files {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Files {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a local port is free");
        let (address, seen) = (listener.local_addr().expect("a bound listener has an address"), Arc::default());
        let app = Router::new().fallback(serve).with_state(Arc::clone(&seen));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, seen }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("nobody panics with it in hand").clone()
    }
}

async fn serve(State(seen): State<Arc<Mutex<Vec<String>>>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let secret = if request.headers().contains_key("authorization") { " with credentials" } else { "" };
    seen.lock().expect("nobody panics with it in hand").push(format!("{} {path}{secret}", request.method()));
    let file = |headers: &[(HeaderName, &str)]| {
        let mut response = Response::new(Body::empty());
        for (name, value) in headers {
            response.headers_mut().insert(name, value.parse().expect("a test's header is one"));
        }
        response
    };
    let moved = |to: &str| (StatusCode::FOUND, [(LOCATION, to.to_owned())]).into_response();
    match path.as_str() {
        "/small.png" => file(&[(CONTENT_TYPE, "image/png"), (CONTENT_LENGTH, "700000")]),
        "/full" => file(&[(CONTENT_TYPE, "Image/JPEG"), (CONTENT_LENGTH, "5000000")]),
        "/large" => file(&[(CONTENT_TYPE, "image/gif"), (CONTENT_LENGTH, "5000001")]),
        "/film" => file(&[(CONTENT_TYPE, "video/mp4; codecs=x"), (CONTENT_LENGTH, "600001")]),
        "/page.png" => file(&[(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_LENGTH, "5")]),
        "/endless" => file(&[(CONTENT_TYPE, "audio/mpeg")]),
        "/untyped.zip" | "/untyped.pdf" | "/untyped" => file(&[(CONTENT_LENGTH, "600001")]),
        "/hop/1" => moved("/hop/2"),
        "/hop/2" => moved("hop3"),
        "/hop/hop3" => moved("/page.png"),
        "/round.png" | "/round.svg" => moved(&path),
        "/away.svg" => moved("file:///etc/hosts"),
        "/to-the-number" => {
            let host = request.headers()["host"].to_str().expect("it is text").replace("localhost", "127.0.0.1");
            moved(&format!("http://{host}/page.png"))
        }
        "/lost.png" => StatusCode::FOUND.into_response(),
        "/silent.svg" => std::future::pending().await,
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

fn settings() -> Settings {
    Settings {
        account_sid: "AC11111111111111111111111111111111".into(),
        auth_token: Secret::new("0123456789abcdef0123456789abcdef"),
        previous_auth_token: None,
        api_key_sid: None,
        api_key_secret: None,
        public_url: "https://sms.example.com".into(),
        base_url: "https://api.twilio.com".into(),
        connect_timeout: Duration::from_secs(5),
        media_check: true,
        catch_up: true,
        loop_guard_texts: 15,
        loop_guard_within: Duration::from_secs(30),
        outbound: Exceptions::new(Exception::parse("127.0.0.0/8")),
    }
}

fn transport(settings: &Settings) -> Arc<dyn Transport> {
    open("main", settings).unwrap_or_else(|problems| panic!("{problems:?}")).transport
}

async fn judged(files: &Files, path: &str) -> Option<String> {
    match transport(&settings()).judge_media(&files.url(path)).await {
        MediaVerdict::AsMedia => None,
        MediaVerdict::AsLink { reason } => Some(reason),
    }
}

#[tokio::test]
async fn type_and_size_are_judged_as_the_server_tells_them() {
    let files = Files::start().await;
    for path in ["/small.png", "/full", "/endless"] {
        assert_eq!(judged(&files, path).await, None, "{path}");
    }
    for (path, reason) in [
        ("/large", "it has 5000001 bytes, and twilio takes image/gif media of at most 5000000"),
        ("/film", "it has 600001 bytes, and twilio takes video/mp4 media of at most 600000"),
        ("/page.png", "twilio takes no media of type text/html"),
    ] {
        assert_eq!(judged(&files, path).await.as_deref(), Some(reason), "{path}");
    }
    assert_eq!(files.seen().len(), 6);
    assert!(files.seen().iter().all(|seen| seen.starts_with("HEAD /")), "{:?}", files.seen());
}

#[tokio::test]
async fn where_the_server_does_not_say_the_extension_tells_the_type() {
    let files = Files::start().await;
    for (path, reason) in [
        ("/refused.png", None),
        ("/refused.WEBP", Some("twilio takes no media of type image/webp")),
        ("/refused", None),
        ("/untyped", None),
        ("/untyped.zip", Some("twilio takes no media of type application/zip")),
        ("/untyped.pdf", Some("it has 600001 bytes, and twilio takes application/pdf media of at most 600000")),
    ] {
        assert_eq!(judged(&files, path).await.as_deref(), reason, "{path}");
    }
}

#[tokio::test]
async fn a_few_redirects_are_followed_and_only_on_the_web() {
    let files = Files::start().await;
    assert_eq!(judged(&files, "/hop/1").await.as_deref(), Some("twilio takes no media of type text/html"));
    assert_eq!(files.seen(), ["HEAD /hop/1", "HEAD /hop/2", "HEAD /hop/hop3", "HEAD /page.png"]);
    assert_eq!(judged(&files, "/round.png").await, None);
    assert!(judged(&files, "/round.svg").await.is_some());
    assert!(judged(&files, "/away.svg").await.is_some());
    assert_eq!(judged(&files, "/lost.png").await, None);
    assert_eq!(files.seen().len(), 4 + 4 + 4 + 1 + 1, "the first and three more");
}

#[tokio::test]
async fn what_cannot_be_reached_is_judged_by_its_name() {
    // Bound but not listening: the port stays ours, and every connection to it is refused.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nowhere = format!("http://{}", socket.local_addr().unwrap());
    let transport = transport(&settings());
    for path in ["/a.png", "/a"] {
        assert_eq!(transport.judge_media(&format!("{nowhere}{path}")).await, MediaVerdict::AsMedia, "{path}");
    }
    let refused = transport.judge_media(&format!("{nowhere}/a.svg")).await;
    assert!(matches!(refused, MediaVerdict::AsLink { .. }), "{refused:?}");
    assert_eq!(transport.judge_media("no address").await, MediaVerdict::AsMedia);
}

// A clock that stands still leaps to the next deadline when nothing else is left to do.
#[tokio::test(start_paused = true)]
async fn a_silent_server_is_waited_for_three_seconds() {
    let files = Files::start().await;
    let began = tokio::time::Instant::now();
    assert_eq!(judged(&files, "/silent.svg").await.as_deref(), Some("twilio takes no media of type image/svg+xml"));
    let took = began.elapsed();
    assert!((Duration::from_secs(3)..Duration::from_millis(3_010)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn nobody_is_told_credentials_that_stand_in_an_address() {
    let files = Files::start().await;
    let url = files.url("/small.png").replace("http://", "http://user:sesame@");
    assert_eq!(transport(&settings()).judge_media(&url).await, MediaVerdict::AsMedia);
    assert_eq!(files.seen(), ["HEAD /small.png"]);
}

#[tokio::test]
async fn the_check_can_be_switched_off() {
    let files = Files::start().await;
    let off = transport(&Settings { media_check: false, ..settings() });
    assert_eq!((transport(&settings()).media_check(), off.media_check()), (MediaCheck::Ask, MediaCheck::No));
    assert_eq!(off.judge_media(&files.url("/page.png")).await, MediaVerdict::AsMedia);
    assert!(files.seen().is_empty());
}

#[tokio::test]
async fn what_is_not_on_the_public_internet_is_not_looked_at() {
    let files = Files::start().await;
    let guarded = transport(&Settings { outbound: Exceptions::default(), ..settings() });
    for url in [files.url("/page.png"), files.url("/page.png").replace("127.0.0.1", "localhost")] {
        assert_eq!(guarded.judge_media(&url).await, MediaVerdict::AsMedia, "its name must do");
    }
    assert_eq!(files.seen(), [""; 0]);
}

#[tokio::test]
async fn a_redirect_to_what_is_not_on_the_public_internet_is_not_followed() {
    let files = Files::start().await;
    let outbound = Exceptions::new(Exception::parse("localhost"));
    let guarded = transport(&Settings { outbound, ..settings() });
    let url = files.url("/to-the-number").replace("127.0.0.1", "localhost");
    assert_eq!(guarded.judge_media(&url).await, MediaVerdict::AsMedia);
    assert_eq!(files.seen(), ["HEAD /to-the-number"]);
}
