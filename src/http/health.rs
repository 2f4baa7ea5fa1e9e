//! Whether the process lives, and whether it takes texts. For load balancers and supervisors.

use axum::response::Response;
use http::StatusCode;
use raconteur_actors::gateway::Readiness;

use super::text;

/// The process runs.
#[expect(clippy::unused_async, reason = "a handler is a future")]
pub(super) async fn live() -> Response {
    text(StatusCode::OK, "live")
}

/// Texts are taken.
#[expect(clippy::unused_async, reason = "a handler is a future")]
pub(super) async fn ready(readiness: Readiness) -> Response {
    if readiness.is_ready() {
        text(StatusCode::OK, "ready")
    } else {
        text(StatusCode::SERVICE_UNAVAILABLE, "not ready: the gateway is starting or stopping")
    }
}
