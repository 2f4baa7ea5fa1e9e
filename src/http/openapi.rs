//! What the HTTP interface is, for machines: OpenAPI 3.1 at `/v1/openapi.json`, put together from one row for each operation
//! (`openapi/operations.rs`), one line for each shape (`openapi/shapes.rs`) and what may be wrong (`openapi/problems.rs`); and a page at
//! `/v1/docs` that reads it to people.
//!
//! A test walks the routes in the sources: none is left out here, and none is here that is not there (`tests/security/routes.rs`). Another
//! generates a client from it and works with that (`tests/client.rs`).

mod document;
mod operations;
mod problems;
mod shapes;

use std::sync::LazyLock;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue, header};

use super::console;

static DOCUMENT: LazyLock<String> = LazyLock::new(|| document::document().to_string());

pub(super) fn router() -> Router {
    let page = |headers: HeaderMap| std::future::ready(console::show("docs.html", &headers));
    Router::new().route("/v1/openapi.json", get(|| std::future::ready(shown()))).route("/v1/docs", get(page))
}

fn shown() -> Response {
    let mut response = DOCUMENT.as_str().into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
