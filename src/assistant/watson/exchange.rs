//! One HTTP exchange with one of IBM's assistants: the credentials go out, a body of bounded size comes back, and every failure becomes
//! what the caller can do about it.
//!
//! It repeats nothing but a request whose token was refused, once and with a new one, and does not watch the time: its callers do.
//! It logs statuses and IBM's transaction ids, which their support asks for, and never a body, a number or a secret.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use raconteur_conversation::words::AskError;

use super::credentials::{Again, Credentials, Given, Ticket};
use super::{json, text};
use crate::client::{self, Ask, End, NotPublic, Outbound, Reply, Unanswered};

/// The largest body that is read. Watson's context is at most 250 kB and an answer a few kB.
pub(super) const BODY_MAX: usize = 1024 * 1024;

/// How many headers a request has, with those that every request of ours has.
const HEADERS: usize = 6;

/// A service as one set of credentials sees it.
pub(super) struct Service {
    out: Outbound,
    credentials: Credentials,
    /// The keys that name what is asked there: they are wrong when nobody knows it.
    names: &'static str,
}

/// By which ways a service and its tokens are reached.
pub(super) struct Ways {
    /// The service itself.
    pub(super) messages: Outbound,
    /// Where its tokens are fetched.
    pub(super) tokens: Outbound,
}

/// One request.
#[derive(Debug)]
pub(super) struct Call {
    /// How.
    pub(super) method: Method,
    /// Where.
    pub(super) uri: Uri,
    /// A JSON body, or nothing.
    pub(super) body: Bytes,
}

/// Why an exchange brought no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The assistant session expired, was deleted, or never was.
    SessionGone,
    /// Anything else.
    Ask(AskError),
}

impl Service {
    /// A service that is reached by this way. `names` are the keys that say what is asked there.
    ///
    /// # Errors
    /// In words, when the credentials cannot be sent.
    pub(super) fn new(out: Outbound, given: &Given, names: &'static str) -> Result<Self, String> {
        Self::by(Ways { tokens: out.clone(), messages: out }, given, names)
    }

    /// As [`Service::new`], where not all addresses are the configuration's.
    ///
    /// # Errors
    /// In words, when the credentials cannot be sent.
    pub(super) fn by(ways: Ways, given: &Given, names: &'static str) -> Result<Self, String> {
        let credentials = Credentials::new(given, &ways.tokens)?;
        Ok(Self { out: ways.messages, credentials, names })
    }

    /// Makes one call and reads its body.
    pub(super) async fn call(&self, call: Call) -> Result<Bytes, Failure> {
        let ticket = self.credentials.ticket().await.map_err(Failure::Ask)?;
        let mut reply = self.exchange(&call, &ticket).await.map_err(Failure::Ask)?;
        if reply.status == StatusCode::UNAUTHORIZED && self.credentials.refused(&ticket) == Again::Yes {
            tracing::info!("a token was refused: fetching another");
            let ticket = self.credentials.ticket().await.map_err(Failure::Ask)?;
            reply = Box::pin(self.exchange(&call, &ticket)).await.map_err(Failure::Ask)?;
        }
        if reply.status.is_success() {
            return whole(reply).map_err(Failure::Ask);
        }
        // The status says enough where its body cannot be read.
        let (status, headers) = (reply.status, std::mem::take(&mut reply.headers));
        Err(self.failure(status, &headers, &whole(reply).unwrap_or_default()))
    }

    /// Makes one call where there are no sessions that could be gone.
    pub(super) async fn ask(&self, call: Call) -> Result<Bytes, AskError> {
        self.call(call).await.map_err(|failure| match failure {
            Failure::Ask(error) => error,
            Failure::SessionGone => self.unknown(),
        })
    }

    async fn exchange(&self, call: &Call, ticket: &Ticket) -> Result<Reply, AskError> {
        let mut headers = HeaderMap::with_capacity(HEADERS);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(authorization) = ticket.header() {
            headers.insert(AUTHORIZATION, authorization);
        }
        let ask = Ask { method: call.method.clone(), uri: call.uri.clone(), headers, body: call.body.clone() };
        let reply = self.out.ask(ask, BODY_MAX).await.map_err(unanswered)?;
        let transaction = reply.headers.get("x-global-transaction-id").and_then(|id| id.to_str().ok());
        tracing::debug!(method = %call.method, status = %reply.status, transaction, "watson answered");
        Ok(reply)
    }

    /// What an error status means. What Watson said is passed on only where it is about the question; about anything else our own words
    /// are clearer and quote nobody.
    fn failure(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
        let said = said(body).unwrap_or_default();
        let code = status.as_u16();
        let misconfigured = |reason| Failure::Ask(AskError::Misconfigured { reason });
        match code {
            401 | 403 => {
                let (what, keys) = self.credentials.refusal();
                misconfigured(format!("watson refused {what} ({code}): check {keys} and url"))
            }
            404 if said.to_ascii_lowercase().contains("invalid session") => Failure::SessionGone,
            404 => Failure::Ask(self.unknown()),
            300..=399 => misconfigured(format!("watson's address has moved ({code}): check url")),
            408 | 429 => Failure::Ask(unavailable(code, headers)),
            400..=499 => Failure::Ask(AskError::Rejected { reason: rejection(code, &said) }),
            _ => Failure::Ask(unavailable(code, headers)),
        }
    }

    fn unknown(&self) -> AskError {
        AskError::Misconfigured { reason: format!("watson knows no such assistant (404): check {}", self.names) }
    }
}

/// The body of a reply, which was read up to [`BODY_MAX`] bytes.
pub(super) fn whole(reply: Reply) -> Result<Bytes, AskError> {
    match reply.end {
        End::Whole => Ok(reply.body),
        End::TooLong => Err(AskError::Malformed { reason: format!("the body has more than {BODY_MAX} bytes") }),
        End::Broken(reason) => Err(AskError::Unavailable { after: None, reason }),
    }
}

/// The causes tell a wrong host name from a bad certificate; the address is left out, since it holds the session.
pub(super) fn unanswered(error: Unanswered) -> AskError {
    match error {
        Unanswered::Refused(refused) => kept_in(refused),
        Unanswered::NotConnected(reason) | Unanswered::Lost(reason) => AskError::Unavailable { after: None, reason },
    }
}

/// The guard keeps us from asking where a session was switched to.
fn kept_in(refused: NotPublic) -> AskError {
    AskError::Misconfigured { reason: format!("smsActSetConversationConfig: {refused}") }
}

fn rejection(code: u16, said: &str) -> String {
    if said.is_empty() { format!("watson answered {code}") } else { format!("watson answered {code}: {said}") }
}

fn unavailable(code: u16, headers: &HeaderMap) -> AskError {
    AskError::Unavailable { after: client::retry_after(headers), reason: format!("watson answered {code}") }
}

/// The message in an error body, fit to be passed on. Watson writes `error`, the platform before it `errors[].message` or `message`.
pub(super) fn said(body: &[u8]) -> Option<String> {
    let body = json::body(body).ok()?;
    let listed = || body.get("errors")?.array().ok()?.into_iter().next()?.object().ok()?.get("message");
    let place = body.get("error").or_else(listed).or_else(|| body.get("message"))?;
    place.string().ok().map(|message| text::quote(&message))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::secret::Secret;

    fn shown(code: u16, body: &str) -> String {
        let out = Outbound::ours(Duration::from_secs(1)).unwrap();
        let given = Given { apikey: Some(Secret::new("key")), ..Given::default() };
        let service = Service::new(out, &given, "url, assistant_id").unwrap();
        match service.failure(StatusCode::from_u16(code).unwrap(), &HeaderMap::new(), body.as_bytes()) {
            Failure::SessionGone => "gone".into(),
            Failure::Ask(error) => error.to_string(),
        }
    }

    #[test]
    fn a_status_becomes_what_the_caller_can_do_about_it() {
        let table = [
            (302, "", "the assistant is misconfigured: watson's address has moved (302): check url"),
            (400, r#"{"error":"bad"}"#, "the assistant refused the question: watson answered 400: bad"),
            (408, "", "the assistant is not available: watson answered 408"),
            (409, "<html>", "the assistant refused the question: watson answered 409"),
            (422, r#"{"errors":[{"message":"m"}]}"#, "the assistant refused the question: watson answered 422: m"),
            (404, r#"{"error":"Invalid Session","code":404}"#, "gone"),
            (500, r#"{"error":"Invalid Session"}"#, "the assistant is not available: watson answered 500"),
        ];
        for (code, body, expected) in table {
            assert_eq!(shown(code, body), expected);
        }
        for code in [401, 403] {
            assert!(!shown(code, r#"{"error":"key sesame"}"#).contains("sesame"));
        }
        assert!(shown(404, r#"{"error":"Resource not found"}"#).contains("check url, assistant_id"));
    }
}
