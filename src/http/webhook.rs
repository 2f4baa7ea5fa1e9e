//! A provider's request: read within limits, parsed by its transport, handed to the inbox, and acknowledged only when every
//! arrival in it is durable.
//!
//! | what | status |
//! |---|---|
//! | taken, or taken before | 200 and the transport's own acknowledgement |
//! | not proven to come from the provider; a number that is not ours | 403; 429 when the client was refused too often |
//! | makes no sense | 400 |
//! | nothing is received at this path | 404 |
//! | body too large | 413 |
//! | a limit is reached, the store failed, the gateway stops, no answer in time | 503 with `Retry-After` |

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use raconteur_actors::inbox::{Inbox, Outcome, Refused, words};
use raconteur_actors::port::TurnedAway;
use raconteur_conversation::words::Arrival;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::{Instrument, field};

use super::caller::Caller;
use super::refusals::{Allowance, Refusals};
use super::{Limits, slow_down, text};
use crate::transport::{Webhook, WebhookError};

/// How many seconds a provider is asked to wait before it comes again.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("2");

/// Where one channel's requests are received.
pub(super) struct Desk {
    pub(super) webhook: Arc<dyn Webhook>,
    pub(super) inbox: Inbox,
    pub(super) limits: Limits,
    pub(super) room: Arc<Semaphore>,
    pub(super) refusals: Arc<Refusals>,
}

/// Answers one request of a provider that the router has brought.
pub(super) async fn receive(
    State(desk): State<Arc<Desk>>,
    OriginalUri(uri): OriginalUri,
    mut request: Request<Body>,
) -> Response {
    *request.uri_mut() = uri;
    desk.receive(request).await
}

impl Desk {
    /// Answers one request, whose address is the one it came by.
    pub(super) async fn receive(&self, request: Request<Body>) -> Response {
        let began = Instant::now();
        let span = tracing::debug_span!("webhook", channel = self.inbox.channel(), status = field::Empty);
        // On the way here this future moves several times, and what it waits for is large.
        let response = Box::pin(self.answer(request)).instrument(span.clone()).await;
        let status = response.status().as_u16();
        span.record("status", status);
        self.inbox.answered(status, began.elapsed());
        response
    }

    async fn answer(&self, request: Request<Body>) -> Response {
        let until = Instant::now() + self.limits.request_timeout;
        let Ok(_room) = self.room.try_acquire() else {
            self.inbox.turned_away(TurnedAway::Requests);
            return busy("too many requests at once");
        };
        let caller = Caller::noted(request.extensions());
        let arrivals = match tokio::time::timeout_at(until, self.read(request, caller)).await {
            Ok(Ok(arrivals)) => arrivals,
            Ok(Err(refusal)) => return refusal,
            // Nobody has proved anything yet.
            Err(_elapsed) => return busy("the request took too long"),
        };
        let kept = tokio::time::timeout_at(until, self.keep(arrivals, caller)).await;
        kept.unwrap_or_else(|_elapsed| {
            self.inbox.turned_away(TurnedAway::TooSlow);
            busy("the text could not be kept in time")
        })
    }

    /// What a request brings, once it has proved where it comes from.
    async fn read(&self, request: Request<Body>, caller: Caller) -> Result<Vec<Arrival>, Response> {
        let (parts, body) = request.into_parts();
        let body = read(body, self.limits.body_max_bytes).await.map_err(|unread| match unread {
            Unread::TooLarge(most) => {
                let words = format!("the body is larger than body_max_bytes ({most})");
                text(StatusCode::PAYLOAD_TOO_LARGE, &words)
            }
            Unread::Broken => text(StatusCode::BAD_REQUEST, "the body could not be read"),
        })?;
        self.webhook.parse(&Request::from_parts(parts, body)).map_err(|error| self.refuse(&error, caller))
    }

    async fn keep(&self, arrivals: Vec<Arrival>, caller: Caller) -> Response {
        for arrival in arrivals {
            match self.inbox.accept(arrival).await {
                Ok(Outcome::Accepted(_) | Outcome::Duplicate(_) | Outcome::Noted) => {}
                Ok(Outcome::Unknown) => {
                    tracing::info!(channel = self.inbox.channel(), "a receipt for a text that is not known");
                }
                Err(refused) => return self.turn_away(&refused, caller),
            }
        }
        let reply = self.webhook.acknowledge();
        if reply.content_type.is_empty() {
            return StatusCode::NO_CONTENT.into_response();
        }
        ([(header::CONTENT_TYPE, reply.content_type)], reply.body).into_response()
    }

    fn refuse(&self, error: &WebhookError, caller: Caller) -> Response {
        let channel = self.inbox.channel();
        match error {
            WebhookError::Forbidden(why) => self.forbid(caller, || {
                let why = why.as_str();
                tracing::warn!(channel, why, "a request was refused: it does not prove where it comes from");
            }),
            WebhookError::NotFound(why) => text(StatusCode::NOT_FOUND, why),
            WebhookError::Malformed(why) => {
                tracing::warn!(channel, why = why.as_str(), "a request makes no sense");
                text(StatusCode::BAD_REQUEST, why)
            }
        }
    }

    /// What proves itself goes through however often others with the same address were refused; what does not is logged only so often.
    fn forbid(&self, caller: Caller, log: impl FnOnce()) -> Response {
        match self.refusals.note(caller.address) {
            Allowance::Left => {
                log();
                text(StatusCode::FORBIDDEN, "Forbidden")
            }
            Allowance::Spent(wait) => slow_down(wait),
        }
    }

    fn turn_away(&self, refused: &Refused, caller: Caller) -> Response {
        match refused {
            Refused::UnknownTenant { .. } => {
                self.forbid(caller, || tracing::warn!(channel = self.inbox.channel(), "{refused}"))
            }
            Refused::Conflict => text(StatusCode::UNPROCESSABLE_ENTITY, "this id was used before for another request"),
            Refused::Full(limit) => busy(words(*limit)),
            Refused::NotRunning => busy("the gateway is starting or stopping"),
            Refused::Store(error) => {
                tracing::error!(channel = self.inbox.channel(), %error, "a text could not be kept");
                busy("the text could not be kept")
            }
        }
    }
}

/// Why a body was not read.
pub(super) enum Unread {
    /// It has more bytes than this.
    TooLarge(usize),
    /// The connection broke.
    Broken,
}

/// Reads at most `most` bytes.
pub(super) async fn read(body: Body, most: usize) -> Result<Bytes, Unread> {
    match Limited::new(body, most).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Unread::TooLarge(most)),
        Err(_) => Err(Unread::Broken),
    }
}

/// 503, with the time after which it is worth coming again.
pub(super) fn busy(why: &str) -> Response {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, why);
    response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS);
    response
}
