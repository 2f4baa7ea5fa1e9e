//! Whether the process lives, and whether it takes texts. For load balancers and supervisors.

use axum::response::Response;
use http::StatusCode;
use raconteur_actors::gateway::Readiness;

use super::text;
use super::webhook::busy;

/// The process runs.
pub(super) fn live() -> std::future::Ready<Response> {
    std::future::ready(text(StatusCode::OK, "live"))
}

/// Texts are taken.
pub(super) fn ready(readiness: &Readiness) -> Response {
    if readiness.is_ready() {
        text(StatusCode::OK, "ready")
    } else {
        busy("not ready: the gateway is starting or stopping")
    }
}
