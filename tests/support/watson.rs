//! A stand-in for watsonx Assistant v2 on a free local port: sessions, messages without them, both address schemes, and a script in place
//! of the skills.
//!
//! It is as strict as the real one where that matters to a client: it checks the credentials, the version, the ids and the text, and keeps
//! each session's context, into which every request is merged variable by variable and in which a skill's variables stay until
//! something overwrites them. A new session knows nothing but what is passed in. Where the dialog stands is in `system.state`,
//! which counts the turns since the dialog began (`state-1`, `state-2`, ...) and is shown only to who asks for an export.
//! Faults are queued per operation and spent one by one. Messages can be held at a gate that the test opens. It keeps every
//! request for inspection.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

pub(crate) const KEY: &str = "open-sesame";
pub(crate) const ASSISTANT: &str = "assistant-1";
pub(crate) const ENVIRONMENT: &str = "environment-1";

const PREFIX: &str = "/instances/test/v2/assistants/";
const BASIC: &str = "Basic YXBpa2V5Om9wZW4tc2VzYW1l";

/// What the script sees of a message.
pub(crate) struct Turn {
    /// The text.
    pub(crate) text: String,
    /// Counts all messages that reached the script, from 1.
    pub(crate) number: usize,
    /// All that the assistant knows, what came with this message included.
    pub(crate) context: Value,
}

impl Turn {
    /// A variable of the dialog skill; empty where it is not set.
    pub(crate) fn variable(&self, name: &str) -> &str {
        self.context["skills"]["main skill"]["user_defined"][name].as_str().unwrap_or_default()
    }

    /// Where the dialog stood before this turn; empty at its beginning.
    pub(crate) fn state(&self) -> &str {
        self.context["skills"]["main skill"]["system"]["state"].as_str().unwrap_or_default()
    }
}

/// What the script answers, and what its skills set in the context.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) output: Value,
    pub(crate) user_defined: Value,
    pub(crate) skill_variables: Value,
}

impl Reply {
    pub(crate) fn text(text: &str) -> Self {
        Self::generic(&json!([{"response_type": "text", "text": text}]))
    }

    pub(crate) fn generic(generic: &Value) -> Self {
        Self { output: json!({"generic": generic, "intents": [], "entities": []}), ..Self::default() }
    }
}

/// Which calls a fault is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Message,
    Delete,
}

/// What happens in place of an answer.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// A status, headers and a body.
    Status(u16, Vec<(&'static str, &'static str)>, String),
    /// The status is right and the body is this.
    Body(Vec<u8>),
    /// Headers come, and then the connection breaks.
    Break,
    /// Nothing comes, ever.
    Hang,
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) authorization: String,
    /// Of which trace it says to be; empty where it does not.
    pub(crate) traceparent: String,
    pub(crate) raw: String,
    pub(crate) body: Value,
}

type Script = dyn Fn(&Turn) -> Reply + Send + Sync;

struct Shared {
    script: Box<Script>,
    inner: Mutex<Inner>,
    arrived: tokio::sync::Notify,
    /// A permit for each held message that may go on.
    gate: Semaphore,
}

#[derive(Default)]
struct Inner {
    sessions: BTreeMap<String, Value>,
    created: usize,
    messages: usize,
    seen: Vec<Seen>,
    faults: VecDeque<(Operation, Fault)>,
    /// Messages that begin like this are held.
    held: Option<String>,
    /// The `Authorization` that is taken in place of the key's.
    accepted: Option<String>,
}

/// The running stand-in. Its server ends with the test's runtime.
pub(crate) struct StandIn {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl StandIn {
    pub(crate) async fn start(script: impl Fn(&Turn) -> Reply + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a local port is free");
        let address = listener.local_addr().expect("a bound listener has an address");
        let (arrived, gate) = (tokio::sync::Notify::new(), Semaphore::new(0));
        let shared = Arc::new(Shared { script: Box::new(script), inner: Mutex::default(), arrived, gate });
        let app = Router::new().fallback(handle).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/instances/test", self.address)
    }

    /// From now on this `Authorization` is taken and no other.
    pub(crate) fn accept(&self, authorization: &str) {
        self.shared.lock().accepted = Some(authorization.to_owned());
    }

    pub(crate) fn fault(&self, operation: Operation, fault: Fault) {
        self.shared.lock().faults.push_back((operation, fault));
    }

    /// From now on messages that begin like this wait until they are let through.
    pub(crate) fn hold(&self, beginning: &str) {
        self.shared.lock().held = Some(beginning.to_owned());
    }

    /// Opens the gate for so many held messages, in the order in which they came.
    pub(crate) fn let_through(&self, count: usize) {
        self.shared.gate.add_permits(count);
    }

    pub(crate) fn expire_sessions(&self) {
        self.shared.lock().sessions.clear();
    }

    pub(crate) fn open_sessions(&self) -> Vec<String> {
        self.shared.lock().sessions.keys().cloned().collect()
    }

    /// The context of the only open session.
    pub(crate) fn context(&self) -> Value {
        let inner = self.shared.lock();
        assert_eq!(inner.sessions.len(), 1, "one session is open");
        inner.sessions.values().next().cloned().unwrap_or_default()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.lock().seen.clone()
    }

    /// Waits until this many requests have come in all.
    pub(crate) async fn until_seen(&self, count: usize) {
        while self.shared.lock().seen.len() < count {
            self.shared.arrived.notified().await;
        }
    }

    /// Waits until this text has been asked so many times.
    pub(crate) async fn until_asked(&self, text: &str, times: usize) {
        while self.asked().iter().filter(|asked| *asked == text).count() < times {
            self.shared.arrived.notified().await;
        }
    }

    /// The texts of all messages.
    pub(crate) fn asked(&self) -> Vec<String> {
        let text = |body: &Value| body["input"]["text"].as_str().unwrap_or_default().to_owned();
        self.messages().iter().map(text).collect()
    }

    /// What the gateway told with the latest message of this text.
    pub(crate) fn told_with(&self, text: &str) -> Value {
        let messages = self.messages();
        let message = messages.iter().rfind(|body| body["input"]["text"] == text).expect("it was asked");
        message["context"]["skills"]["main skill"]["user_defined"].clone()
    }

    /// What came, as `POST /sessions/session-1/message`: method, and path behind the ids.
    pub(crate) fn calls(&self) -> Vec<String> {
        let short = |seen: &Seen| {
            let path = seen.target.split('?').next().unwrap_or_default();
            format!("{} {}", seen.method, path.find("/sessions").map_or(path, |at| &path[at..]))
        };
        self.seen().iter().map(short).collect()
    }

    /// The bodies of all messages.
    pub(crate) fn messages(&self) -> Vec<Value> {
        let is_message = |seen: &Seen| seen.target.contains("/message?");
        self.seen().into_iter().filter(is_message).map(|seen| seen.body).collect()
    }
}

impl Inner {
    fn accepts(&self, authorization: &str) -> bool {
        authorization == self.accepted.as_deref().unwrap_or(BASIC)
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
    let header = |name| parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let (authorization, traceparent) = (header("authorization"), header("traceparent"));
    let body = serde_json::from_str(&raw).unwrap_or_default();
    let seen = Seen { method: parts.method, target: parts.uri.to_string(), authorization, traceparent, raw, body };
    shared.lock().seen.push(seen.clone());
    shared.arrived.notify_one();
    let Some((operation, session)) = route(&seen) else { return error(404, "Resource not found") };
    let fault = take_fault(&mut shared.lock(), operation);
    if let Some(fault) = fault {
        return play(operation, fault).await;
    }
    if !shared.lock().accepts(&seen.authorization) {
        return error(401, "Unauthorized");
    }
    if !parts.uri.query().unwrap_or_default().contains("version=20") {
        return error(400, "The version parameter is missing");
    }
    match operation {
        Operation::Create => create(&mut shared.lock()),
        Operation::Message => {
            let text = seen.body["input"]["text"].as_str().unwrap_or_default();
            let is_held = shared.lock().held.as_deref().is_some_and(|beginning| text.starts_with(beginning));
            if is_held {
                shared.gate.acquire().await.expect("the gate is never closed").forget();
            }
            match session.as_str() {
                "" => stateless_message(&shared, &seen.body),
                session => message(&shared, session, &seen.body),
            }
        }
        Operation::Delete => match shared.lock().sessions.remove(&session) {
            Some(_) => axum::Json(json!({})).into_response(),
            None => error(404, "Invalid Session"),
        },
    }
}

/// The operation and the session of an address in either scheme.
fn route(seen: &Seen) -> Option<(Operation, String)> {
    let path = seen.target.split('?').next()?.strip_prefix(PREFIX)?.strip_prefix(ASSISTANT)?;
    let environment = format!("/environments/{ENVIRONMENT}");
    let path = path.strip_prefix(&environment).unwrap_or(path);
    let steps: Vec<&str> = path.split('/').skip(1).collect();
    match (seen.method.as_str(), &steps[..]) {
        ("POST", ["sessions"]) => Some((Operation::Create, String::new())),
        ("POST", ["sessions", id, "message"]) => Some((Operation::Message, (*id).to_owned())),
        ("POST", ["message"]) => Some((Operation::Message, String::new())),
        ("DELETE", ["sessions", id]) => Some((Operation::Delete, (*id).to_owned())),
        _ => None,
    }
}

fn take_fault(inner: &mut Inner, operation: Operation) -> Option<Fault> {
    let at = inner.faults.iter().position(|(meant, _)| *meant == operation)?;
    inner.faults.remove(at).map(|(_, fault)| fault)
}

async fn play(operation: Operation, fault: Fault) -> Response {
    match fault {
        Fault::Status(code, headers, body) => {
            let mut response = (status(code), body).into_response();
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().expect("a test's header is one"));
            }
            response
        }
        Fault::Body(body) => (status(if operation == Operation::Create { 201 } else { 200 }), body).into_response(),
        Fault::Break => {
            let pieces = [Ok("{\"output\":"), Err(std::io::Error::other("broken on purpose"))];
            Body::from_stream(futures_util::stream::iter(pieces)).into_response()
        }
        Fault::Hang => std::future::pending().await,
    }
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).expect("a test's status is one")
}

fn error(code: u16, message: &str) -> Response {
    (status(code), axum::Json(json!({"error": message, "code": code}))).into_response()
}

fn create(inner: &mut Inner) -> Response {
    inner.created += 1;
    let id = format!("session-{}", inner.created);
    inner.sessions.insert(id.clone(), json!({"global": {"session_id": id}}));
    (StatusCode::CREATED, axum::Json(json!({"session_id": id}))).into_response()
}

fn message(shared: &Shared, session: &str, body: &Value) -> Response {
    let mut inner = shared.lock();
    let Some(context) = inner.sessions.get(session).cloned() else { return error(404, "Invalid Session") };
    let named = &body["context"]["global"]["session_id"];
    if !named.is_null() && *named != json!(session) {
        return error(400, "context.global.session_id names another session");
    }
    let (context, mut answer) = match turn(shared, &mut inner, context, body) {
        Ok(done) => done,
        Err(refused) => return error(400, refused),
    };
    let options = &body["input"]["options"];
    if options["return_context"] == json!(true) || options["export"] == json!(true) {
        answer["context"] = context.clone();
        if options["export"] != json!(true) {
            let system = answer["context"]["skills"]["main skill"]["system"].as_object_mut();
            system.expect("every turn leaves a state").remove("state");
        }
    }
    inner.sessions.insert(session.to_owned(), context);
    axum::Json(answer).into_response()
}

/// Knows only what comes along, and gives all of it back.
fn stateless_message(shared: &Shared, body: &Value) -> Response {
    let options = &body["input"]["options"];
    if !options["return_context"].is_null() || !options["export"].is_null() {
        return error(400, "input.options has properties that a stateless message has not");
    }
    match turn(shared, &mut shared.lock(), json!({"global": {"session_id": "stateless"}}), body) {
        Ok((context, mut answer)) => {
            answer["context"] = context;
            axum::Json(answer).into_response()
        }
        Err(refused) => error(400, refused),
    }
}

/// One turn of the assistant: the context after it, and the answer without one; or why it is refused.
fn turn(shared: &Shared, inner: &mut Inner, mut context: Value, body: &Value) -> Result<(Value, Value), &'static str> {
    let text = body["input"]["text"].as_str().unwrap_or_default();
    if text.contains(['\r', '\n', '\t']) || text.encode_utf16().count() > 2_048 {
        return Err("input.text contains invalid characters or is too long");
    }
    inner.messages += 1;
    merge(&mut context, &body["context"], 3);
    let turn = Turn { text: text.to_owned(), number: inner.messages, context: context.clone() };
    let so_far: u32 = turn.state().strip_prefix("state-").and_then(|count| count.parse().ok()).unwrap_or_default();
    let reply = (shared.script)(&turn);
    let skills = json!({
        "main skill": {"user_defined": reply.user_defined, "system": {"state": format!("state-{}", so_far + 1)}},
        "actions skill": {"skill_variables": reply.skill_variables},
    });
    merge(&mut context, &json!({"skills": skills}), 3);
    Ok((context, json!({"output": reply.output, "user_id": body["user_id"]})))
}

/// Objects are merged down to `levels` below the context, which is where the variables are; a variable is replaced whole.
fn merge(into: &mut Value, from: &Value, levels: u8) {
    let Value::Object(from) = from else { return };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    for (name, value) in from {
        if levels > 0 && (value.is_object() || value.is_null()) {
            merge(&mut into[name.as_str()], value, levels - 1);
        } else {
            into[name.as_str()] = value.clone();
        }
    }
}
