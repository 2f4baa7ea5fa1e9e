//! A stand-in for watsonx Assistant v2 with sessions: it repeats what it is told, after a while, and now and then fails.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, post};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::StandIns;
use super::super::books::{Books, Text};
use super::{Shared, happens, pause};

/// About as much context as an assistant with a few variables returns.
const CONTEXT: &str = r#"{"global":{"system":{"user_id":"00000000000000000000000000000000","turn_count":7,"skill_reference_id":"main skill","locale":"en-us","timezone":"GMT"},"session_id":"00000000-0000-0000-0000-000000000000"},"skills":{"main skill":{"user_defined":{"name":"Ada Lovelace","account":"0000-0000-0000","topic":"an order","order":{"id":"A-1043","state":"packed","items":[{"name":"engine","count":1},{"name":"card","count":24}]},"language":"en"},"system":{"state":"eyJzZXNzaW9uX2lkIjoiMDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwIiwic2tpbGxfcmVmZXJlbmNlX2lkIjoibWFpbiBza2lsbCIsImRpYWxvZ19zdGFjayI6W3siZGlhbG9nX25vZGUiOiJyb290In1dfQ=="}},"actions skill":{"skill_variables":{"step":"3","confirmed":true},"system":{"state":"eyJhY3Rpb25zIjp7InN0YWNrIjpbImFjdGlvbl8xMDQzIiwic3RlcF8zIl19fQ=="}}}}"#;

struct Desk {
    books: Arc<Books>,
    rules: StandIns,
    context: Box<RawValue>,
}

/// Its routes.
pub(in crate::load) fn assistant(books: Arc<Books>, rules: StandIns) -> Router {
    let context = RawValue::from_string(CONTEXT.into()).expect("it is JSON");
    Router::new()
        .route("/v2/assistants/{assistant}/environments/{environment}/sessions", post(open))
        .route("/v2/assistants/{assistant}/environments/{environment}/sessions/{session}", delete(close))
        .route("/v2/assistants/{assistant}/environments/{environment}/sessions/{session}/message", post(answer))
        .route("/v2/assistants/{assistant}/sessions", post(open))
        .route("/v2/assistants/{assistant}/sessions/{session}", delete(close))
        .route("/v2/assistants/{assistant}/sessions/{session}/message", post(answer))
        .with_state(Arc::new(Desk { books, rules, context }))
}

#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow, default)]
    input: Input<'a>,
}

#[derive(Default, Deserialize)]
struct Input<'a> {
    #[serde(borrow, default)]
    text: std::borrow::Cow<'a, str>,
}

#[derive(Serialize)]
struct Said<'a> {
    output: Output<'a>,
    context: &'a RawValue,
}

#[derive(Serialize)]
struct Output<'a> {
    generic: [Generic<'a>; 1],
}

#[derive(Serialize)]
struct Generic<'a> {
    response_type: &'static str,
    text: &'a str,
}

async fn open() -> Response {
    let session = format!(r#"{{"session_id":"{:032x}"}}"#, fastrand::u128(..));
    (StatusCode::CREATED, [(header::CONTENT_TYPE, "application/json")], session).into_response()
}

async fn close() -> Response {
    json("{}".into())
}

async fn answer(State(desk): Shared<Desk>, body: Bytes) -> Response {
    let Ok(asked) = serde_json::from_slice::<Asked<'_>>(&body) else { return StatusCode::BAD_REQUEST.into_response() };
    let text = Text::read(&asked.input.text);
    text.inspect(|text| desk.books.asked(*text));
    let span = desk.rules.assistant_latency.draw(&mut fastrand::Rng::with_seed(fastrand::u64(..)));
    pause(span).await;
    if happens(desk.rules.assistant_errors_percent) {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let output = Output { generic: [Generic { response_type: "text", text: &asked.input.text }] };
    let said = Said { output, context: &desk.context };
    let said = serde_json::to_string(&said).expect("a text can be written as JSON");
    text.inspect(|text| desk.books.replied(*text));
    json(said)
}

fn json(body: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
