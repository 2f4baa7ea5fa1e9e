//! A stand-in for Watson Assistant v1 and for engines that speak it, on a free local port, with a script in place of the dialog.
//!
//! It keeps nothing, as the real one: a conversation begins where a request's context names none, and everything else is in the context,
//! which goes back with what the script sets laid over it. It checks credentials, version and text. Workspaces are at
//! `/api/v1/workspaces/{id}/message`, an engine is at `/engine`. Faults are queued and spent one by one. It keeps every request
//! for inspection.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use raconteur::assistant::watson::v1::Settings;
use raconteur::config::secret::Secret;
use raconteur::guard::Exceptions;
use serde_json::{Value, json};
use tokio::sync::Notify;

pub(crate) const WORKSPACE: &str = "workspace-1";
pub(crate) const KEY: &str = "open-sesame";

/// Settings that reach the stand-in's workspace.
pub(crate) fn reaching(url: String) -> Settings {
    Settings {
        url,
        workspace_id: WORKSPACE.into(),
        version: "2021-11-27".into(),
        apikey: Some(Secret::new(KEY)),
        iam_url: None,
        username: None,
        password: None,
        bearer_token: None,
        connect_timeout: Duration::from_secs(5),
        backup: None,
        outbound: Exceptions::default(),
    }
}

/// What the script sees of a request.
pub(crate) struct Turn {
    pub(crate) text: String,
    pub(crate) context: Value,
    /// Counts the turns of the conversation, from 1.
    pub(crate) number: u64,
}

/// What the script answers, and what it sets in the context.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) output: Value,
    pub(crate) context: Value,
}

impl Reply {
    pub(crate) fn text(text: &str) -> Self {
        Self::output(json!({"generic": [{"response_type": "text", "text": text}], "text": [text]}))
    }

    pub(crate) fn output(output: Value) -> Self {
        Self { output, context: json!({}) }
    }
}

/// What happens in place of an answer.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    Status(u16, &'static str),
    Body(String),
    Hang,
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Path and query.
    pub(crate) target: String,
    /// Empty where there was none.
    pub(crate) authorization: String,
    pub(crate) raw: String,
    pub(crate) body: Value,
}

/// A test that waits longer waits in vain.
const PATIENCE: Duration = Duration::from_secs(20);

type Script = dyn Fn(&Turn) -> Reply + Send + Sync;

struct Shared {
    script: Box<Script>,
    inner: Mutex<Inner>,
    arrived: Notify,
}

#[derive(Default)]
struct Inner {
    /// The only `Authorization` that is taken; any, where there is none.
    accepted: Option<String>,
    conversations: usize,
    seen: Vec<Seen>,
    faults: VecDeque<Fault>,
}

/// The running stand-in. Its server ends with the test's runtime.
pub(crate) struct Classic {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Classic {
    pub(crate) async fn start(script: impl Fn(&Turn) -> Reply + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a local port is free");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared { script: Box::new(script), inner: Mutex::default(), arrived: Notify::new() });
        let app = Router::new().fallback(handle).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, shared }
    }

    /// The service's address, below which the workspaces are.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/api", self.address)
    }

    /// The engine's address.
    pub(crate) fn engine(&self) -> String {
        format!("http://{}/engine", self.address)
    }

    pub(crate) fn accept(&self, authorization: &str) {
        self.shared.lock().accepted = Some(authorization.to_owned());
    }

    pub(crate) fn fault(&self, fault: Fault) {
        self.shared.lock().faults.push_back(fault);
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.lock().seen.clone()
    }

    /// The latest request.
    pub(crate) fn last(&self) -> Seen {
        self.shared.lock().seen.last().cloned().expect("it was asked")
    }

    pub(crate) async fn until_seen(&self, count: usize) {
        let coming = async {
            while self.shared.lock().seen.len() < count {
                self.shared.arrived.notified().await;
            }
        };
        tokio::time::timeout(PATIENCE, coming).await.expect("it comes in time");
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no script panics with the lock held")
    }
}

async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let raw =
        to_bytes(body, 1 << 20).await.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let authorization = parts.headers.get("authorization").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let body: Value = serde_json::from_str(&raw).unwrap_or_default();
    let seen = Seen { target: parts.uri.to_string(), authorization, raw, body };
    let fault = {
        let mut inner = shared.lock();
        inner.seen.push(seen.clone());
        inner.faults.pop_front()
    };
    shared.arrived.notify_one();
    match fault {
        None => answer(&shared, &parts.method, &seen),
        Some(Fault::Status(code, body)) => {
            let status = StatusCode::from_u16(code).expect("a test's status is one");
            (status, [("retry-after", "7")], body).into_response()
        }
        Some(Fault::Body(body)) => body.into_response(),
        Some(Fault::Hang) => std::future::pending().await,
    }
}

fn error(code: u16, message: &str) -> Response {
    let status = StatusCode::from_u16(code).expect("a test's status is one");
    (status, axum::Json(json!({"error": message, "code": code}))).into_response()
}

fn answer(shared: &Shared, method: &axum::http::Method, seen: &Seen) -> Response {
    let mut inner = shared.lock();
    if inner.accepted.as_ref().is_some_and(|accepted| *accepted != seen.authorization) {
        return error(401, "Unauthorized");
    }
    let (path, query) = seen.target.split_once('?').unwrap_or((&seen.target, ""));
    let workspace = path.strip_prefix("/api/v1/workspaces/").and_then(|rest| rest.strip_suffix("/message"));
    match workspace {
        Some(id) if id.starts_with("workspace-") && !query.starts_with("version=20") => {
            return error(400, "The version parameter is missing");
        }
        Some(id) if id.starts_with("workspace-") => {}
        None if path.starts_with("/engine") => {}
        Some(_) | None => return error(404, "Resource not found"),
    }
    let text = seen.body["input"]["text"].as_str().unwrap_or_default();
    if method != "POST" || text.contains(['\r', '\n', '\t']) || text.encode_utf16().count() > 2_048 {
        return error(400, "input.text contains invalid characters or is too long");
    }
    let mut context = seen.body["context"].clone();
    if context["conversation_id"].is_null() {
        inner.conversations += 1;
        context["conversation_id"] = json!(format!("conversation-{}", inner.conversations));
    }
    let number = context["system"]["dialog_turn_counter"].as_u64().unwrap_or_default() + 1;
    context["system"] = json!({"dialog_turn_counter": number, "dialog_stack": [{"dialog_node": "root"}]});
    let reply = (shared.script)(&Turn { text: text.to_owned(), context: context.clone(), number });
    if let (Value::Object(context), Value::Object(set)) = (&mut context, reply.context) {
        context.extend(set);
    }
    let body =
        json!({"input": seen.body["input"], "intents": [], "entities": [], "output": reply.output, "context": context});
    axum::Json(body).into_response()
}
