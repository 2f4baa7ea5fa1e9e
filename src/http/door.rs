//! Doors of what asks nobody who he is: open to this machine, and to others only when the operator says so.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Request, StatusCode, header};

use super::caller::{Caller, Place};
use super::refusals::{Allowance, Refusals};
use super::{slow_down, text};
use crate::config::secret::Secret;
use crate::config::token::TokenHash;

/// Who may come in.
#[derive(Clone)]
pub enum Door {
    /// Anybody.
    Open,
    /// This machine.
    Here,
    /// Whoever has the token.
    Token(Secret),
}

/// Puts a door before routes.
pub(super) fn behind(routes: Router, door: Door, refusals: Arc<Refusals>) -> Router {
    routes.layer(from_fn(move |request: Request<Body>, next: Next| {
        let refused = refusal(&door, &refusals, &request);
        async move {
            match refused {
                Some(refusal) => refusal,
                None => next.run(request).await,
            }
        }
    }))
}

fn refusal(door: &Door, refusals: &Refusals, request: &Request<Body>) -> Option<Response> {
    let caller = Caller::noted(request.extensions());
    match door {
        Door::Open => None,
        Door::Here if caller.place == Place::Here => None,
        Door::Here => Some(match refusals.note(caller.address) {
            Allowance::Left => {
                tracing::warn!("a client beyond this machine was refused: see open_beyond_loopback and metrics_token");
                text(StatusCode::FORBIDDEN, "this is for this machine only: see docs/security.md")
            }
            Allowance::Spent(wait) => slow_down(wait),
        }),
        Door::Token(token) => match refusals.left(caller.address) {
            Allowance::Spent(wait) => Some(slow_down(wait)),
            Allowance::Left if shows(token, request) => None,
            Allowance::Left => {
                refusals.note(caller.address);
                tracing::warn!("a request for the metrics was refused: it shows no token, or a wrong one");
                let challenge = [(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))];
                Some((challenge, text(StatusCode::UNAUTHORIZED, "send the metrics_token as Bearer")).into_response())
            }
        },
    }
}

/// In a time that does not tell how much of the token is right.
fn shows(token: &Secret, request: &Request<Body>) -> bool {
    let value = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some((scheme, shown)) = value.and_then(|value| value.split_once(' ')) else { return false };
    scheme.eq_ignore_ascii_case("bearer") && TokenHash::of(shown.trim()) == TokenHash::of(token.expose())
}
