//! Stand-ins for three ways in which IBM's authors have written the same bot, on a free local port: a v1 dialog, a v2 dialog skill and
//! a v2 actions skill. The bot makes an appointment; [`Bot::turn`] is its script, and each dialect says the same in its own wire format.
//!
//! They are as strict as the real ones where a gateway could be wrong: the v1 dialog keeps nothing, all it knows is the context that
//! comes back; the v2 skills keep each session's context, in which a command stays until something overwrites it, and a chosen
//! suggestion must come back with all that came with it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// In which words the bot speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    V1Dialog,
    V2Dialog,
    V2Actions,
}

/// What the bot says in one turn, in no dialect.
#[derive(Default)]
struct Said {
    generic: Vec<Value>,
    command: Option<Value>,
    step: u64,
}

struct Shared {
    dialect: Dialect,
    map_url: String,
    /// The context of each v2 session, and where its script stands.
    sessions: Mutex<BTreeMap<String, Value>>,
    seen: Mutex<Vec<Value>>,
}

/// The running stand-in. Its server ends with the test's runtime.
pub(crate) struct Skills {
    pub(crate) base: String,
    /// The picture that the bot shows.
    pub(crate) map_url: String,
    shared: Arc<Shared>,
}

impl Skills {
    pub(crate) async fn start(dialect: Dialect) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let base = format!("http://{}", listener.local_addr().expect("a bound listener has an address"));
        let map_url = format!("{base}/map.png");
        let (sessions, seen) = (Mutex::default(), Mutex::default());
        let shared = Arc::new(Shared { dialect, map_url: map_url.clone(), sessions, seen });
        let app = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { base, map_url, shared }
    }

    /// Every message as it came.
    pub(crate) fn seen(&self) -> Vec<Value> {
        lock(&self.shared.seen).clone()
    }

    /// How many v2 sessions are open.
    pub(crate) fn open_sessions(&self) -> usize {
        lock(&self.shared.sessions).len()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let body = to_bytes(body, 1 << 20).await.map(|bytes| bytes.to_vec()).unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    if path == "/map.png" {
        return ([("content-type", "image/png"), ("content-length", "68")], vec![0_u8; 68]).into_response();
    }
    if path.ends_with("/message") {
        lock(&shared.seen).push(body.clone());
    }
    match (shared.dialect, parts.method, path.split('/').collect::<Vec<_>>().as_slice()) {
        (Dialect::V1Dialog, Method::POST, ["", "v1", "workspaces", "w-1", "message"]) => v1(&shared, &body),
        (_, Method::POST, ["", "v2", "assistants", "a-1", "sessions"]) => {
            let mut sessions = lock(&shared.sessions);
            let id = format!("session-{}", sessions.len() + 1);
            sessions.insert(id.clone(), json!({}));
            (StatusCode::CREATED, axum::Json(json!({"session_id": id}))).into_response()
        }
        (_, Method::POST, ["", "v2", "assistants", "a-1", "sessions", id, "message"]) => v2(&shared, id, &body),
        (_, Method::DELETE, ["", "v2", "assistants", "a-1", "sessions", id]) => {
            lock(&shared.sessions).remove(*id);
            axum::Json(json!({})).into_response()
        }
        (_, method, _) => (StatusCode::NOT_FOUND, format!("{method} {path}")).into_response(),
    }
}

/// All that this dialog knows comes with the request.
fn v1(shared: &Shared, body: &Value) -> Response {
    let step = body["context"]["step"].as_u64().unwrap_or(0);
    // What stands beside an entry's input must come back with it.
    let proof = body["intents"][0]["intent"] == json!("afternoon");
    let said = shared.turn(step, body["input"]["text"].as_str().unwrap_or_default(), proof);
    let mut context = body["context"].clone();
    context["step"] = json!(said.step);
    context["conversation_id"] = json!("c-1");
    let mut output = json!({"generic": said.generic, "text": [], "log_messages": [], "nodes_visited": []});
    if let Some(command) = said.command {
        output["smsAction"] = command;
    }
    axum::Json(json!({"input": body["input"], "intents": [], "entities": [], "output": output, "context": context}))
        .into_response()
}

fn v2(shared: &Shared, session: &str, body: &Value) -> Response {
    let mut sessions = lock(&shared.sessions);
    let Some(context) = sessions.get_mut(session) else {
        return (StatusCode::NOT_FOUND, axum::Json(json!({"error": "Invalid Session", "code": 404}))).into_response();
    };
    let (skill, variables) = match shared.dialect {
        Dialect::V2Actions => ("actions skill", "skill_variables"),
        Dialect::V1Dialog | Dialect::V2Dialog => ("main skill", "user_defined"),
    };
    if !context[skill].is_object() {
        context[skill] = json!({});
    }
    let mut kept: Map<String, Value> = context[skill].as_object().cloned().unwrap_or_default();
    kept.extend(body["context"]["skills"][skill][variables].as_object().cloned().unwrap_or_default());
    let step = kept.get("step").and_then(Value::as_u64).unwrap_or(0);
    let proof = body["input"]["suggestion_id"] == json!("s-2");
    let mut said = shared.turn(step, body["input"]["text"].as_str().unwrap_or_default(), proof);
    kept.insert("step".into(), json!(said.step));
    if let Some(command) = said.command {
        match shared.dialect {
            Dialect::V2Actions => {
                said.generic.push(json!({"response_type": "user_defined", "user_defined": {"smsAction": command}}))
            }
            Dialect::V1Dialog | Dialect::V2Dialog => {
                kept.insert("smsAction".into(), command);
            }
        }
    }
    context[skill] = Value::Object(kept.clone());
    let mut answer =
        json!({"output": {"generic": said.generic, "intents": [], "entities": []}, "user_id": body["user_id"]});
    if body["input"]["options"]["return_context"] == json!(true) {
        answer["context"] = json!({"skills": {skill: {variables: kept}}});
    }
    axum::Json(answer).into_response()
}

impl Shared {
    /// The script. `proof` says that a chosen suggestion came back whole.
    fn turn(&self, step: u64, text: &str, proof: bool) -> Said {
        let command = |name: &str, parameters: Value| Some(json!({"command": name, "parameters": parameters}));
        match (step, text) {
            (0, _) => Said {
                generic: vec![words("Hello! I can make an appointment for you."), self.days()],
                step: 1,
                ..Said::default()
            },
            (1, "tuesday") => Said {
                generic: vec![self.times()],
                command: command("smsActSetDisambiguationConfig", json!({"prefixText": "Enter %s for:"})),
                step: 2,
            },
            (2, "afternoon") if proof => Said {
                generic: vec![words("Let me look.")],
                command: command("smsActForceNoInputTurn", Value::Null),
                step: 3,
            },
            (3, "smsNoInputTurn") => Said {
                generic: vec![
                    words("Tuesday afternoon is <b>free</b>."),
                    json!({"response_type": "image", "source": self.map_url, "title": "This is the way."}),
                    json!({"response_type": "pause", "time": 500}),
                ],
                step: 4,
                ..Said::default()
            },
            (4, _) => {
                Said { generic: vec![words("See you!")], command: command("terminateSession", Value::Null), step: 5 }
            }
            (step, text) => Said { generic: vec![words(&format!("lost at {step} with {text}"))], step, command: None },
        }
    }

    fn days(&self) -> Value {
        let day = |label: &str, text: &str| json!({"label": label, "value": {"input": {"text": text}}});
        json!({"response_type": "option", "title": "Which day?", "options": [day("Monday", "monday"), day("Tuesday", "tuesday")]})
    }

    fn times(&self) -> Value {
        let time = |label: &str, text: &str, id: &str| match self.dialect {
            Dialect::V1Dialog => json!({"label": label, "value": {
                "input": {"text": text}, "intents": [{"intent": text, "confidence": 0.7}], "entities": [],
            }}),
            Dialect::V2Dialog | Dialect::V2Actions => {
                json!({"label": label, "value": {"input": {"text": text, "suggestion_id": id}}})
            }
        };
        json!({"response_type": "suggestion", "title": "Did you mean:", "suggestions": [
            time("In the morning", "morning", "s-1"), time("In the afternoon", "afternoon", "s-2"),
            time("None of the above", "none", "s-3"),
        ]})
    }
}

fn words(text: &str) -> Value {
    json!({"response_type": "text", "text": text})
}
