//! `GET /metrics`: the gateway's counters, for Prometheus. It tells how much happens and nothing of whom, and asks nobody who he is.

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header;

use crate::metrics::{CONTENT_TYPE, Metrics};

/// The route of these counters.
pub fn metrics(metrics: Arc<Metrics>) -> Router {
    Router::new().route("/metrics", get(move || std::future::ready(shown(&metrics))))
}

fn shown(metrics: &Metrics) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], metrics.exposition()).into_response()
}
