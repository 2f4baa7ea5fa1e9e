//! `GET /metrics`: the gateway's counters, for Prometheus. It tells how much happens and nothing of whom, and asks nobody
//! who he is: the door says who may.

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header;

use super::door::{self, Door};
use super::refusals::Refusals;
use crate::metrics::{CONTENT_TYPE, Metrics};

/// The route of these counters.
pub fn metrics(metrics: Arc<Metrics>, door: Door, refusals: Arc<Refusals>) -> Router {
    let route = Router::new().route("/metrics", get(move || std::future::ready(shown(&metrics))));
    door::behind(route, door, refusals)
}

fn shown(metrics: &Metrics) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], metrics.exposition()).into_response()
}
