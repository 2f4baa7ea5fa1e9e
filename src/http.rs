//! The HTTP side: who answers what comes in, a channel's desk or the router (`app.rs`). `webhook.rs` alone owns the providers' routes,
//! limits and status codes; a transport only reads requests.
//!
//! ```text
//! ANY  /channels/{name}/{place}  a provider's webhook, or a route of the channel's own
//! ...  /v1/operator/...          what operators see and do, over all numbers
//! ...  /v1/tenants/{number}/...  the REST interface: sessions, texts, pipes, usage, tests
//! GET  /health/live              200 while the process runs
//! GET  /health/ready             200 while texts are taken, else 503
//! GET  /metrics                  counters for Prometheus, by `metrics`
//! GET  /v1/openapi.json  /v1/docs  what all of this is, for machines and for people
//! GET  /  /console/{part}        the console: a page that asks the operators' interface
//! ```
//!
//! What asks nobody who he is stands behind a `door`. `listener.rs` has the connections, `caller.rs` says who is at the other end.

mod alias;
mod app;
mod caller;
mod console;
mod control;
mod door;
mod health;
mod listener;
mod metrics;
mod openapi;
mod refusals;
mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use futures_util::StreamExt;
use http::{HeaderValue, StatusCode, header};
use raconteur_actors::control::Control;
use raconteur_actors::gateway::Readiness;
use raconteur_actors::inbox::Inbox;
use raconteur_conversation::address::Address;
use tokio::sync::Semaphore;

pub use self::app::App;
pub use self::control::Operating;
pub use self::door::Door;
pub use self::listener::{Connections, Crowded, serve};
pub use self::metrics::metrics;
pub use self::refusals::Refusals;
use crate::config::ControlConfig;
use crate::transport::{Callers, Webhook};

/// A channel's HTTP side.
pub struct Mount {
    /// The channel's name, which is a part of its URLs.
    pub name: String,
    /// Reads the provider's requests; `None` where the channel takes none.
    pub webhook: Option<Arc<dyn Webhook>>,
    /// Further routes of the channel's own.
    pub routes: Option<Router>,
    /// Its door.
    pub inbox: Inbox,
}

/// What one request may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest body that is read, in bytes; a larger one gets 413.
    pub body_max_bytes: usize,
    /// A request that is not answered after this long gets 503.
    pub request_timeout: Duration,
    /// How many requests of providers are worked on at once; one more gets 503.
    pub requests_max: usize,
    /// How many requests to the REST interface are worked on at once; one more gets 503.
    pub control_requests_max: usize,
}

/// Everything that a gateway shows by HTTP.
pub struct Surface {
    /// The channels.
    pub mounts: Vec<Mount>,
    /// How the gateway is.
    pub readiness: Readiness,
    /// What one request may cost.
    pub limits: Limits,
    /// How often a client may be refused.
    pub refusals: Arc<Refusals>,
    /// Who may come to channels that ask nobody who he is.
    pub unproven: Door,
    /// The way in for requests from our side.
    pub control: Control,
    /// What operators see and who they are; `None` shows nothing to anybody.
    pub operating: Option<Operating>,
    /// Who may control which number.
    pub access: BTreeMap<Address, ControlConfig>,
    /// Further paths under which something of ours is found.
    pub aliases: BTreeMap<String, String>,
}

/// The whole HTTP side of a gateway.
pub fn app(surface: Surface) -> App {
    let Surface { mounts, readiness, limits, refusals, unproven, control, operating, access, aliases } = surface;
    let room = |most: usize| Arc::new(Semaphore::new(most.clamp(1, Semaphore::MAX_PERMITS)));
    // Two rooms: whoever asks a slow assistant by REST, or sends a slow body there, must not shut providers out.
    let (webhooks, callers) = (room(limits.requests_max), room(limits.control_requests_max));
    let asked = readiness.clone();
    let mut app = Router::new()
        .merge(console::router())
        .merge(openapi::router())
        .route("/health/live", get(health::live))
        .route("/health/ready", get(move || std::future::ready(health::ready(&asked))));
    let mut direct = BTreeMap::new();
    for Mount { name, webhook, routes, inbox } in mounts {
        let path = format!("/channels/{name}");
        let has_routes = routes.is_some();
        let mut channel = routes.unwrap_or_default();
        if let Some(webhook) = webhook {
            let proven = webhook.callers();
            let (room, refusals) = (Arc::clone(&webhooks), Arc::clone(&refusals));
            let desk = Arc::new(webhook::Desk { webhook, inbox, limits, room, refusals: Arc::clone(&refusals) });
            if proven == Callers::Proven && !has_routes {
                direct.insert(name, desk);
                continue;
            }
            channel = channel.merge(Router::new().route("/{place}", any(webhook::receive).with_state(desk)));
            if proven == Callers::Anybody {
                channel = door::behind(channel, unproven.clone(), refusals);
            }
        }
        app = app.nest(&path, channel);
    }
    let shared = control::Shared { limits, room: callers, refusals };
    if let Some(operating) = operating {
        app = app.nest("/v1/operator", control::operators(control.clone(), operating, shared.clone()));
    }
    app = app.nest("/v1/tenants", control::router(control, access, shared));
    app = app.fallback(nothing_here).layer(map_response(move |response| end_with(readiness.clone(), response)));
    App::new(app, direct, aliases)
}

/// A stream of events ends with the gateway; otherwise it would stay open for as long as anybody looks.
#[expect(clippy::unused_async, reason = "a layer is made of futures")]
async fn end_with(readiness: Readiness, response: Response) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_none_or(|kind| !kind.as_bytes().starts_with(b"text/event-stream")) {
        return response;
    }
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(readiness.ended())))
}

async fn nothing_here() -> Response {
    text(
        StatusCode::NOT_FOUND,
        "there is nothing here: a webhook is at /channels/{name}/inbound, the REST interface at /v1/tenants/{number}",
    )
}

/// The answer to a client that has been refused too often, with the time after which it may come again.
fn slow_down(wait: Duration) -> Response {
    let mut response = text(StatusCode::TOO_MANY_REQUESTS, "too many requests of yours were refused: come again later");
    response.headers_mut().insert(header::RETRY_AFTER, whole_seconds(wait));
    response
}

/// A wait as `Retry-After` says it: never shorter, at least a second.
fn whole_seconds(wait: Duration) -> HeaderValue {
    HeaderValue::from(wait.as_secs_f64().ceil().clamp(1.0, 3_600.0) as u64)
}

/// A short answer for people. Never sent where a provider would pass it on as a text.
fn text(status: StatusCode, words: &str) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], format!("{words}\n")).into_response()
}
