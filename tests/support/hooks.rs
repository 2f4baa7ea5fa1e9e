//! A stand-in for webhooks on a free local port. It keeps every call, answers each path with what is queued for it, else with nothing,
//! and can hold a path's calls at a gate that the test opens.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};

/// How to reply.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// A status without a body.
    Status(u16),
    /// 200 with this body.
    Body(String),
    /// The same, as an answer in the assistant's stead.
    Instead(String),
    /// The head and the beginning of a body.
    Half,
    /// Nothing, ever.
    Hang,
}

impl Reply {
    /// A reply of a payload.
    pub(crate) fn payload(payload: &Value) -> Self {
        Self::Body(json!({ "payload": payload }).to_string())
    }
}

/// One call as it came.
#[derive(Clone, Debug)]
pub(crate) struct Called {
    pub(crate) path: String,
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) raw: String,
    pub(crate) body: Value,
}

#[derive(Default)]
struct Inner {
    calls: Vec<Called>,
    replies: BTreeMap<String, VecDeque<Reply>>,
    held: Option<String>,
}

struct Shared {
    inner: Mutex<Inner>,
    arrived: Notify,
    /// A permit for each held call that may go on.
    gate: Semaphore,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nobody panics with the lock held")
    }
}

/// The running stand-in. Its server ends with the test's runtime.
pub(crate) struct Hooks {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Hooks {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a local port is free");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared { inner: Mutex::default(), arrived: Notify::new(), gate: Semaphore::new(0) });
        let app = Router::new().fallback(handle).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, shared }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How to reply to the next call of a path that has no reply planned yet.
    pub(crate) fn reply(&self, path: &str, reply: Reply) {
        self.shared.lock().replies.entry(path.to_owned()).or_default().push_back(reply);
    }

    /// From now on calls of this path wait until they are let through.
    pub(crate) fn hold(&self, path: &str) {
        self.shared.lock().held = Some(path.to_owned());
    }

    /// Opens the gate for so many held calls.
    pub(crate) fn let_through(&self, count: usize) {
        self.shared.gate.add_permits(count);
    }

    /// All calls of a path.
    pub(crate) fn calls(&self, path: &str) -> Vec<Called> {
        self.shared.lock().calls.iter().filter(|call| call.path == path).cloned().collect()
    }

    /// The only call of a path.
    pub(crate) fn call(&self, path: &str) -> Called {
        let [call] = self.calls(path).try_into().expect("it was called once");
        call
    }

    /// Waits until a path has been called so many times in all.
    pub(crate) async fn until_called(&self, path: &str, count: usize) -> Vec<Called> {
        loop {
            let arrived = self.shared.arrived.notified();
            let so_far = self.shared.lock().calls.iter().filter(|call| call.path == path).count();
            if so_far >= count {
                return self.calls(path);
            }
            arrived.await;
        }
    }
}

async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let raw = to_bytes(body, 1 << 24).await.expect("a client sends its body whole");
    let raw = String::from_utf8(raw.to_vec()).expect("JSON is UTF-8");
    let path = parts.uri.path().to_owned();
    let body = serde_json::from_str(&raw).unwrap_or_default();
    let called = Called { path: path.clone(), method: parts.method, headers: parts.headers, raw, body };
    let (reply, is_held) = {
        let mut inner = shared.lock();
        inner.calls.push(called);
        let reply = inner.replies.get_mut(&path).and_then(VecDeque::pop_front).unwrap_or(Reply::Status(200));
        (reply, inner.held.as_deref() == Some(path.as_str()))
    };
    shared.arrived.notify_waiters();
    if is_held {
        shared.gate.acquire().await.expect("the gate is never closed").forget();
    }
    match reply {
        Reply::Status(code) => StatusCode::from_u16(code).expect("a test's status is one").into_response(),
        Reply::Body(body) => body.into_response(),
        Reply::Instead(body) => ([("x-watson-assistant-webhook-return", "")], body).into_response(),
        Reply::Half => {
            let pieces = [Ok("{\"payload\":"), Err(std::io::Error::other("broken on purpose"))];
            Body::from_stream(futures_util::stream::iter(pieces)).into_response()
        }
        Reply::Hang => std::future::pending().await,
    }
}
