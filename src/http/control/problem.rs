//! What a caller is told when something is wrong: `application/problem+json` (RFC 9457) with a `code` that stays the same for ever.
//!
//! | code | status | when |
//! |---|---|---|
//! | `unauthorized` | 401 | no credentials, wrong ones, or none are configured for this number |
//! | `forbidden` | 403 | these credentials may not do that: their scopes lack it |
//! | `invalid` | 400 | the path, the query, a header or the body makes no sense |
//! | `not_found` | 404 | there is no such resource |
//! | `no_session` | 404, 409 | no session is open for this user |
//! | `session_open` | 409 | a session is open and the request was not to replace it |
//! | `opted_out` | 409 | the user has stopped our texts |
//! | `taken_over` | 409 | a person has taken the user over, and the assistant is silent |
//! | `not_taken_over` | 409 | there is nothing to hand back |
//! | `not_failed` | 409 | the text has not failed, and is not sent once more |
//! | `not_retriable` | 409 | the dead letter cannot be given to its conversation again |
//! | `no_pipe` | 404, 409 | there is no such pipe, or it is closed |
//! | `wrong_method` | 405 | the resource does not know that method |
//! | `too_large` | 413 | the body is larger than `body_max_bytes` |
//! | `id_reused` | 422 | the idempotency key was used before for something else |
//! | `slow_down` | 429 | too many requests of this client were refused; `Retry-After` says when to come again |
//! | `not_erased` | 500 | an erasure failed for good and was set aside; the log says why |
//! | `assistant_failed`, `provider_failed` | 502 | a test failed; `detail` says why |
//! | `busy` | 503 | a limit is reached, or the gateway starts or stops; `Retry-After` says when to come again |

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use raconteur_actors::inbox::{Refused, words};
use raconteur_storage::StoreError;
use serde_json::json;

use crate::config::token::Scope;
use crate::http::webhook::Unread;
use crate::http::whole_seconds;

/// How long a caller is asked to wait before he comes again when a limit is reached.
const BUSY: Duration = Duration::from_secs(2);

/// How the owner of a number says who he is.
const BASIC: &str = "Basic realm=\"raconteur\", charset=\"UTF-8\"";

/// An error answer.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    /// After how long it is worth coming again.
    wait: Option<Duration>,
    /// By which scheme whoever asks may say who he is, where that is what is wrong.
    challenge: Option<&'static str>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), wait: None, challenge: None }
    }

    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", detail)
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// There is no session to look at or to end.
    pub(super) fn no_session() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no_session", "no session is open for this user")
    }

    pub(super) fn unauthorized() -> Self {
        let detail = "send the name and password or the token of this number's [tenants.control]; where none is configured, \
                      nobody may";
        Self { challenge: Some(BASIC), ..Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail) }
    }

    /// It is for operators, and this is none for all that is known. A browser that asks for a name and a password would only be in the way
    /// of the console's own page for that.
    pub(super) fn stranger() -> Self {
        let detail = "send an operator's token as Bearer; where no [[server.operators]] are configured, this is for this machine only";
        Self { challenge: Some("Bearer"), ..Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail) }
    }

    /// The store does not do what it is asked.
    pub(super) fn unreadable(error: StoreError) -> Self {
        Self::from(Refused::Store(error))
    }

    /// Whether whoever asks is not known.
    pub(super) fn is_unauthorized(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
    }

    /// The credentials are right, and not good for this.
    pub(super) fn forbidden(needed: Scope) -> Self {
        let detail = format!("these credentials lack the scope \"{}\": use others, or add it to them", needed.name());
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// The client was refused too often.
    pub(super) fn slow_down(wait: Duration) -> Self {
        let detail = "too many requests of yours were refused: mend the credentials and come again after Retry-After";
        Self { wait: Some(wait), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "slow_down", detail) }
    }

    pub(super) fn busy(detail: impl Into<String>) -> Self {
        Self { wait: Some(BUSY), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail) }
    }

    /// Nothing is there to act in: what the conversation itself has found out.
    pub(super) fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::UnknownTenant { .. } => Self::unauthorized(),
            Refused::Conflict => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "id_reused",
                "this Idempotency-Key was used before for another request: use a new one",
            ),
            Refused::Full(limit) => Self::busy(words(limit)),
            Refused::NotRunning => Self::busy("the gateway is starting or stopping"),
            Refused::Store(error) => {
                tracing::error!(%error, "a request could not be kept");
                Self::busy("the request could not be kept")
            }
        }
    }
}

impl From<Unread> for Problem {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::TooLarge(most) => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                format!("the body is larger than body_max_bytes ({most})"),
            ),
            Unread::Broken => Self::invalid("the body could not be read"),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, code, detail, wait, challenge } = self;
        let title = status.canonical_reason().unwrap_or("error");
        let body = json!({"status": status.as_u16(), "code": code, "title": title, "detail": detail}).to_string();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(wait) = wait {
            headers.insert(header::RETRY_AFTER, whole_seconds(wait));
        }
        if let Some(challenge) = challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}
