//! JSON requests, by the router itself: what a simulated phone posts, and what a business asks for by REST.
//!
//! The input is a method and a target on one line, an idempotency key on the next (an empty one is none), then the body. Each request shows
//! the right token, so that what lies behind the door is reached.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use http::{Method, Request, Response, StatusCode, Uri, header};
use http_body_util::BodyExt;
use raconteur::conversation::words::{Pipe, SendText, StartSession, TakeOver, Work};
use raconteur::storage::NewWork;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use super::input::{SESAME, is_fit_to_be_told, line};
use super::shelf::{Gate, TENANT};

/// The longest explanation of what is wrong.
const DETAIL_MAX: usize = 400;

/// The longest id under which something is offered: a user's number, and what the caller chose.
const ID_MAX: usize = 120 + 1 + 128;

/// The codes of `docs/rest-api.md` that a store which is full leaves.
const CODES: [(&str, u16); 10] = [
    ("invalid", 400),
    ("unauthorized", 401),
    ("forbidden", 403),
    ("not_found", 404),
    ("no_session", 404),
    ("no_pipe", 404),
    ("wrong_method", 405),
    ("too_large", 413),
    ("assistant_failed", 502),
    ("busy", 503),
];

static WORLD: LazyLock<Mutex<(Runtime, Gate)>> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    let gate = runtime.block_on(Gate::open());
    Mutex::new((runtime, gate))
});

pub(super) fn run(data: &[u8]) {
    let Some(request) = request(data) else { return };
    let is_rest = request.uri().path().strip_prefix("/v1/tenants/").is_some_and(|rest| !rest.is_empty());
    let world = WORLD.lock().unwrap_or_else(PoisonError::into_inner);
    let (runtime, gate) = &*world;
    let answered = runtime.block_on(async {
        let response = gate.app.answer(request).await;
        // A stream of events has no end.
        let is_stream = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
        if is_stream { None } else { Some(whole(response).await) }
    });
    let offered = gate.shelf.offered();
    let Some(response) = answered else { return };
    assert!(offered.len() <= 1, "one request asks for one thing");
    assert_eq!(offered.is_empty(), response.status() != StatusCode::SERVICE_UNAVAILABLE, "{}", response.status());
    offered.iter().for_each(judge);
    let echoes_us = data.windows(SESAME.len()).any(|window| window == SESAME.as_bytes());
    assert!(echoes_us || !String::from_utf8_lossy(response.body()).contains(SESAME), "a secret is told");
    if response.status().is_client_error() || response.status().is_server_error() {
        is_explained(&response, is_rest && !echoes_us);
    }
}

fn request(data: &[u8]) -> Option<Request<Body>> {
    let (first, rest) = line(data);
    let (id, body) = line(rest);
    let (method, target) = std::str::from_utf8(first).ok()?.split_once(' ')?;
    let method: Method = method.parse().ok()?;
    let mut request = Request::builder().method(method).uri(target.parse::<Uri>().ok()?);
    request = request.header(header::AUTHORIZATION, format!("Bearer {SESAME}"));
    if !id.is_empty() {
        request = request.header("idempotency-key", id);
    }
    request.body(Body::from(body.to_vec())).ok()
}

async fn whole(response: Response<Body>) -> Response<Vec<u8>> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("it is all there").to_bytes().to_vec();
    Response::from_parts(parts, body)
}

/// An error says which it is, in words of a bounded length.
fn is_explained(response: &Response<Vec<u8>>, is_rest: bool) {
    let status = response.status().as_u16();
    assert!(status < 500 || [502, 503].contains(&status), "{status}: {}", String::from_utf8_lossy(response.body()));
    if !is_rest {
        assert!(response.body().len() <= DETAIL_MAX * 4);
        return;
    }
    let problem: Value = serde_json::from_slice(response.body()).expect("a problem is JSON");
    assert_eq!(problem["status"], status);
    let code = problem["code"].as_str().expect("a problem has a code");
    assert!(CODES.contains(&(code, status)), "{problem}");
    is_fit_to_be_told(problem["detail"].as_str().expect("a problem has a detail"), DETAIL_MAX);
    assert_eq!(status == 503, response.headers().contains_key(header::RETRY_AFTER), "{problem}");
}

/// What was to be kept is within the limits that docs/rest-api.md names.
fn judge(new: &NewWork) {
    assert_eq!(new.key.tenant.as_str(), TENANT);
    assert!((1..=ID_MAX).contains(&new.id.len()), "{}", new.id);
    match &new.work {
        Work::Message(message) => assert!(!message.body.trim().is_empty() || !message.media.is_empty()),
        Work::Start(StartSession { user_data, timeout, text, on_open: _ }) => {
            if let Some(data) = user_data {
                assert!(data.get().len() <= 100_000 && serde_json::from_str::<Value>(data.get()).is_ok());
            }
            assert!(timeout.is_none_or(|timeout| timeout >= Duration::from_secs(1)));
            assert!(text.as_ref().is_none_or(|text| is_text(text)));
        }
        Work::Send(SendText { body, media, within: _ }) => {
            assert!(body.is_empty() && !media.is_empty() || is_text(body), "{body:?}");
            assert!(media.len() <= 10 && media.iter().all(|url| is_address(url)), "{media:?}");
        }
        Work::OpenPipe(Pipe { webhook, .. }) => assert!(is_address(webhook), "{webhook:?}"),
        Work::End | Work::ClosePipe { .. } | Work::Erase | Work::HandBack => {}
        Work::TakeOver(TakeOver { by, until: _ }) => assert!(by.chars().count() <= 100, "{by:?}"),
        Work::DeliveryFailed(_) | Work::Preference(_) | Work::NoInput { .. } | Work::TimedOut { .. } => {
            panic!("nobody may ask for {:?}", new.work)
        }
    }
}

fn is_text(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= 16_000
}

fn is_address(url: &str) -> bool {
    url.len() <= 2_048 && url.starts_with("http") && !url.contains(|c: char| c.is_whitespace() || c.is_control())
}
