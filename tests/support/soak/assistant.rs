//! A stand-in for an assistant: a service orchestration engine that echoes, sometimes after a while, sometimes at length. It keeps nothing;
//! its context counts the turns of a session, and goes to and fro.

use std::time::Duration;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};

use super::ground::Ground;

/// How long it takes to answer what it is slow at.
const SLOW: Duration = Duration::from_millis(250);

/// A running stand-in. It ends, and hangs up, when it is dropped.
pub(crate) struct Assistant {
    pub(crate) url: String,
    _ground: Ground,
}

impl Assistant {
    pub(crate) fn start() -> Self {
        let app = Router::new().route("/message", post(answer));
        let (base_url, ground) = Ground::serve(app);
        Self { url: format!("{base_url}/message"), _ground: ground }
    }
}

async fn answer(body: String) -> Response {
    let mut question: Value = serde_json::from_str(&body).expect("a question is JSON");
    let text = question["input"]["text"].as_str().unwrap_or_default().to_owned();
    if text.ends_with("slow") {
        tokio::time::sleep(SLOW).await;
    }
    let rest = if text.ends_with("long") { " and so on and on".repeat(120) } else { String::new() };
    let mut context = question["context"].take();
    context["count"] = json!(context["count"].as_u64().unwrap_or_default() + 1);
    axum::Json(json!({"output": {"text": [format!("re {text}{rest}")]}, "context": context})).into_response()
}
