//! A stand-in for IBM's identity service on a free local port: it exchanges an API key for `token-1`, `token-2`, ...
//!
//! It checks the key and the form of the exchange as the real one does. Faults are queued and spent one by one; exchanges can be held at a
//! gate that the test opens. It counts what it was asked.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::json;
use tokio::sync::{Notify, Semaphore};

/// A test that waits longer waits in vain.
const PATIENCE: Duration = Duration::from_secs(20);

struct Shared {
    key: &'static str,
    inner: Mutex<Inner>,
    arrived: Notify,
    gate: Semaphore,
}

#[derive(Default)]
struct Inner {
    exchanges: usize,
    tokens: usize,
    faults: VecDeque<(u16, String)>,
    held: bool,
}

/// The running stand-in. Its server ends with the test's runtime.
pub(crate) struct Iam {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Iam {
    /// Its tokens live for an hour.
    pub(crate) async fn start(key: &'static str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a local port is free");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared { key, inner: Mutex::default(), arrived: Notify::new(), gate: Semaphore::new(0) });
        let app = Router::new().route("/identity/token", post(exchange)).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next exchange is answered like this.
    pub(crate) fn fault(&self, code: u16, body: &str) {
        self.shared.inner.lock().expect("no handler panics").faults.push_back((code, body.to_owned()));
    }

    /// From now on exchanges wait until they are let through.
    pub(crate) fn hold(&self) {
        self.shared.inner.lock().expect("no handler panics").held = true;
    }

    pub(crate) fn let_through(&self, count: usize) {
        self.shared.gate.add_permits(count);
    }

    /// How many exchanges were asked for.
    pub(crate) fn exchanges(&self) -> usize {
        self.shared.inner.lock().expect("no handler panics").exchanges
    }

    pub(crate) async fn until_exchanges(&self, count: usize) {
        let coming = async {
            while self.exchanges() < count {
                self.shared.arrived.notified().await;
            }
        };
        tokio::time::timeout(PATIENCE, coming).await.expect("it comes in time");
    }
}

async fn exchange(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: String) -> Response {
    let held = {
        let mut inner = shared.inner.lock().expect("no handler panics");
        inner.exchanges += 1;
        inner.held
    };
    shared.arrived.notify_one();
    if held {
        shared.gate.acquire().await.expect("the gate is never closed").forget();
    }
    let mut inner = shared.inner.lock().expect("no handler panics");
    if let Some((code, body)) = inner.faults.pop_front() {
        return (StatusCode::from_u16(code).expect("a test's status is one"), body).into_response();
    }
    let form = format!(
        "grant_type=urn%3Aibm%3Aparams%3Aoauth%3Agrant-type%3Aapikey&apikey={}&response_type=cloud_iam",
        shared.key
    );
    let is_form = headers.get("content-type").is_some_and(|kind| kind == "application/x-www-form-urlencoded");
    if !is_form || body != form {
        let refusal = json!({"errorCode": "BXNIM0415E", "errorMessage": format!("Provided API key {body} is unknown")});
        return (StatusCode::BAD_REQUEST, axum::Json(refusal)).into_response();
    }
    inner.tokens += 1;
    let token = json!({
        "access_token": format!("token-{}", inner.tokens), "refresh_token": "not_supported", "token_type": "Bearer",
        "expires_in": 3_600, "expiration": 1, "scope": "ibm openid",
    });
    axum::Json(token).into_response()
}
