//! The REST interface by which a business controls its sessions: start, look, end, send a text, try the configuration, and the pipes
//! of a voice gateway. Everything is below `/v1/tenants/{tenant}` and wants that tenant's credentials.
//!
//! ```text
//! POST   /sessions                   start a session: the assistant speaks first, or a text of ours is sent
//! GET    /sessions                   open sessions, in pages
//! GET    /sessions/{user}            one of them
//! DELETE /sessions/{user}            end it
//! POST   /sessions/{user}/texts      send a text in it
//! GET    /sessions/{user}/transcript what was said, in pages
//! POST   /texts                      send a text, session or not
//! POST   /pipes                      open a pipe: the user's texts go to a voice gateway
//! GET    /pipes/{pipe}               look at it       DELETE: close it       POST .../texts: send a text through it
//! GET    /users/{user}/export        everything that is kept of a person
//! DELETE /users/{user}               erase it
//! GET    /usage                      what was used, by day
//! POST   /test/provider              send a test text and say what became of it       /test/assistant  ask the assistant
//! ```
//!
//! This file has the routes and what all requests share; what each does is in the file that has its name. Errors are
//! `application/problem+json` with a stable `code`: see [`problem`].

mod access;
mod body;
mod operator;
mod people;
mod pipes;
mod problem;
mod reading;
mod requests;
mod trying;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Request, StatusCode, header};
use raconteur_actors::control::{Control, Taken};
use raconteur_conversation::address::{Address, ConversationKey};
use raconteur_conversation::words::Sequence;
use raconteur_storage::TranscriptTurn;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::caller::Caller;
use super::refusals::{Allowance, Refusals};
use super::{Limits, webhook};
use crate::config::ControlConfig;
use crate::pipe::PipeIds;
use access::{Access, Who};
pub use operator::Operating;
use operator::Staff;
use problem::Problem;

/// How long a request that is carried out at once is waited for. After that it is answered as accepted.
const OUTCOME_WITHIN: Duration = Duration::from_secs(5);

/// How often the store is asked meanwhile; doubled each time.
const FIRST_LOOK: Duration = Duration::from_millis(2);

/// No test of a provider or an assistant takes longer.
const TRIAL_WITHIN: Duration = Duration::from_secs(60);

/// The longest `Idempotency-Key`, in bytes.
const ID_MAX: usize = 128;

/// Answers requests of those who control sessions.
pub(super) struct Desk {
    control: Control,
    gate: Gate,
    pipes: PipeIds,
    limits: Limits,
    room: Arc<Semaphore>,
    refusals: Arc<Refusals>,
}

/// Whom a desk serves.
enum Gate {
    /// Those who control one number's sessions.
    Tenants(Access),
    /// Those who look after all of them.
    Operators(Box<Staff>),
}

/// The routes, below `/v1/tenants`.
pub(super) fn router(control: Control, tenants: BTreeMap<Address, ControlConfig>, shared: Shared) -> Router {
    let Shared { limits, room, refusals } = shared;
    let pipes = PipeIds::new(control.salt());
    let gate = Gate::Tenants(Access::new(tenants));
    let desk = Arc::new(Desk { control, gate, pipes, limits, room, refusals });
    Router::new()
        .route("/{tenant}/sessions", post(requests::start).get(reading::sessions))
        .route("/{tenant}/sessions/{user}", get(reading::session).delete(requests::end))
        .route("/{tenant}/sessions/{user}/texts", post(requests::send_in_session))
        .route("/{tenant}/sessions/{user}/transcript", get(reading::transcript))
        .route("/{tenant}/texts", post(requests::send))
        .route("/{tenant}/pipes", post(pipes::open))
        .route("/{tenant}/pipes/{pipe}", get(pipes::look).delete(pipes::close))
        .route("/{tenant}/pipes/{pipe}/texts", post(pipes::send))
        .route("/{tenant}/users/{user}", delete(people::erase))
        .route("/{tenant}/users/{user}/export", get(people::export))
        .route("/{tenant}/usage", get(reading::usage))
        .route("/{tenant}/test/provider", post(trying::provider))
        .route("/{tenant}/test/assistant", post(trying::assistant))
        .method_not_allowed_fallback(wrong_method)
        .fallback(nothing_here)
        .with_state(desk)
}

/// The operators' routes, below `/v1/operator`.
pub(super) fn operators(control: Control, operating: Operating, shared: Shared) -> Router {
    let Shared { limits, room, refusals } = shared;
    let pipes = PipeIds::new(control.salt());
    let gate = Gate::Operators(Box::new(Staff::new(operating)));
    operator::router(Arc::new(Desk { control, gate, pipes, limits, room, refusals }))
        .method_not_allowed_fallback(wrong_method)
        .fallback(nothing_here)
}

/// What all of a gateway's requests share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) limits: Limits,
    pub(super) room: Arc<Semaphore>,
    pub(super) refusals: Arc<Refusals>,
}

async fn wrong_method() -> Response {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", "this resource does not know that method")
        .into_response()
}

async fn nothing_here() -> Response {
    Problem::not_found("there is no such resource: docs/rest-api.md lists them").into_response()
}

type Answer = Result<Response, Problem>;

/// What the path names, unless it is no text.
type Params = Result<RawPathParams, RawPathParamsRejection>;

/// A request whose sender has proved that he may.
pub(super) struct Admitted {
    /// For which number, where the path names one.
    tenant: Option<Address>,
    /// Who asks.
    who: Who,
    params: Vec<(String, String)>,
    parts: Parts,
    body: Bytes,
    /// When it must have been answered.
    until: Instant,
}

/// Lets a request in, bounded in number, size and time, and answers it.
async fn admit<F>(
    (State(desk), params): (State<Arc<Desk>>, Params),
    request: Request<Body>,
    answer: impl FnOnce(Arc<Desk>, Admitted) -> F,
) -> Response
where
    F: Future<Output = Answer>,
{
    let within = if request.uri().path().contains("/test/") { TRIAL_WITHIN } else { desk.limits.request_timeout };
    let until = Instant::now() + within;
    let Ok(_room) = desk.room.try_acquire() else { return Problem::busy("too many requests at once").into_response() };
    let answering = async {
        let params = params.map_err(|_| Problem::invalid("the path is not UTF-8"))?;
        let admitted = desk.admitted(&params, request, until).await?;
        answer(Arc::clone(&desk), admitted).await
    };
    match tokio::time::timeout_at(until, answering).await {
        Ok(answered) => answered.unwrap_or_else(IntoResponse::into_response),
        Err(_elapsed) => Problem::busy("the request took too long").into_response(),
    }
}

impl Desk {
    async fn admitted(
        &self,
        params: &RawPathParams,
        request: Request<Body>,
        until: Instant,
    ) -> Result<Admitted, Problem> {
        let params: Vec<(String, String)> =
            params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let tenant = params.iter().find(|(name, _)| name == "tenant").map(|(_, value)| Address::parse(value).ok());
        let (tenant, who) = self.proved(tenant, &request)?;
        let (parts, body) = request.into_parts();
        let body = webhook::read(body, self.limits.body_max_bytes).await.map_err(Problem::from)?;
        Ok(Admitted { tenant, who, params, parts, body, until })
    }

    /// The tenant, if the path names one, and who asks, if the request proves that he may do what he wants. Who was refused too often is
    /// not even looked at.
    fn proved(
        &self,
        tenant: Option<Option<Address>>,
        request: &Request<Body>,
    ) -> Result<(Option<Address>, Who), Problem> {
        let caller = Caller::noted(request.extensions());
        if let Allowance::Spent(wait) = self.refusals.left(caller.address) {
            return Err(Problem::slow_down(wait));
        }
        let needed = access::needed(request.method(), request.uri().path());
        let checked = match &self.gate {
            Gate::Tenants(access) => {
                let checked = access.check(tenant.flatten(), request.headers(), needed);
                checked.map(|(tenant, who)| (Some(tenant), who))
            }
            Gate::Operators(staff) => {
                staff.check(caller.place, request.headers(), needed).and_then(|who| match tenant {
                    None => Ok((None, who)),
                    Some(Some(tenant)) if self.control.is_ours(&tenant) => Ok((Some(tenant), who)),
                    Some(_) => Err(Problem::not_found("that is no number of ours")),
                })
            }
        };
        checked.inspect_err(|problem| {
            if problem.is_unauthorized() {
                self.refusals.note(caller.address);
                tracing::warn!("a request to the REST interface was refused: it shows no credentials, or wrong ones");
            }
        })
    }

    /// What came of something that a conversation carries out at once; `None` when it takes longer than anybody should wait, or cannot
    /// be seen: what was taken is never answered as if it had not been.
    async fn outcome(&self, admitted: &Admitted, key: &ConversationKey, taken: Taken) -> Option<TranscriptTurn> {
        let mut pause = FIRST_LOOK;
        let looking = async {
            loop {
                match self.control.outcome(key, taken).await {
                    Ok(Some(turn)) => return Some(turn),
                    Ok(None) => tokio::time::sleep(pause).await,
                    Err(error) => {
                        tracing::warn!(%error, "what came of a request cannot be seen");
                        return None;
                    }
                }
                pause = (pause * 2).min(Duration::from_millis(200));
            }
        };
        // Half of what is left: the answer takes its time as well.
        let within = OUTCOME_WITHIN.min(admitted.until.saturating_duration_since(Instant::now()) / 2);
        tokio::time::timeout(within, looking).await.ok().flatten()
    }
}

impl Admitted {
    fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }

    /// The number that the path names.
    fn tenant(&self) -> Result<&Address, Problem> {
        self.tenant.as_ref().ok_or_else(|| Problem::invalid("the path names no number of ours"))
    }

    /// The conversation that the path names.
    fn conversation(&self) -> Result<ConversationKey, Problem> {
        let user = Address::parse(self.param("user"))
            .map_err(|error| Problem::invalid(format!("the user in the path: {error}")))?;
        Ok(ConversationKey { tenant: self.tenant()?.clone(), user })
    }

    /// The caller's idempotency key.
    fn id(&self) -> Result<Option<String>, Problem> {
        let Some(value) = self.parts.headers.get("idempotency-key") else { return Ok(None) };
        let id = value.to_str().ok().map(str::trim).filter(|id| (1..=ID_MAX).contains(&id.len()));
        match id {
            Some(id) => Ok(Some(id.to_owned())),
            None => Err(Problem::invalid(format!(
                "Idempotency-Key must be 1 to {ID_MAX} plain characters, new with each request"
            ))),
        }
    }

    /// What the idempotency key stands for.
    fn content(&self) -> u64 {
        let mut hash = Sha256::new();
        hash.update(self.parts.method.as_str());
        hash.update([0]);
        hash.update(self.parts.uri.path());
        hash.update([0]);
        hash.update(&self.body);
        let hash = hash.finalize();
        hash.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
    }

    /// A value of the query string, decoded.
    fn query(&self, name: &str) -> Option<String> {
        let query = self.parts.uri.query().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes()).find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
    }

    /// A number of the query string within limits.
    fn limit(&self, default: usize, most: usize) -> Result<usize, Problem> {
        let Some(text) = self.query("limit") else { return Ok(default) };
        let limit = text.parse().ok().filter(|limit| (1..=most).contains(limit));
        limit.ok_or_else(|| Problem::invalid(format!("limit must be a whole number from 1 to {most}")))
    }
}

/// Where the next page begins; a page that is not full was the last.
fn next_of<T>(page: &[T], limit: usize, number: impl Fn(&T) -> Sequence) -> Option<String> {
    page.last().filter(|_| page.len() == limit).map(|last| number(last).to_string())
}

/// What a caller is told of a request that was taken.
#[derive(Serialize)]
struct Receipt {
    /// Names the request: the turn in the transcript.
    id: String,
    /// It was taken before, under the same idempotency key.
    repeated: bool,
}

impl From<Taken> for Receipt {
    fn from(taken: Taken) -> Self {
        Self { id: taken.sequence.to_string(), repeated: taken.repeated }
    }
}

/// A JSON answer.
fn json<T: Serialize>(status: StatusCode, value: &T) -> Answer {
    let body = serde_json::to_vec(value)
        .map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the answer cannot be written"))?;
    let mut response = (status, body).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
