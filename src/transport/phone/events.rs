//! `GET /events?tenant=+15550100&user=+15550199[&after=12-0]`: a phone's texts as server-sent events.
//!
//! `event: text` has the text's id as its `id` and `{"id", "body", "media", "at"}` as its data; `event: inbound` (only without
//! `after`) tells what the user said: `{"turn", "body", "media", "at"}`; `event: live` tells that the past is complete. Times are
//! milliseconds since 1970. A browser that comes back says where it was in `Last-Event-ID`, which wins over `after`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing};
use futures_util::stream;
use raconteur_actors::inbox::Refused;
use raconteur_conversation::address::{Address, ConversationKey};
use raconteur_conversation::words::OutboundId;

use super::feed::{Feed, Log, PhoneEvent, Since};
use super::live::Live;

/// How often a phone that hears nothing is told that the line is up.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What the routes work on.
#[derive(Clone)]
pub(super) struct Exchange {
    pub(super) live: Arc<Live>,
    pub(super) log: Arc<dyn Log>,
    pub(super) history_max: usize,
}

pub(super) fn router(exchange: Exchange) -> Router {
    Router::new().route("/events", routing::get(events)).with_state(exchange)
}

async fn events(State(exchange): State<Exchange>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty());
    match asked(query.as_deref().unwrap_or_default(), last) {
        Ok((key, from)) => connect(exchange, key, from).await,
        Err(problem) => refuse(StatusCode::BAD_REQUEST, &problem),
    }
}

async fn connect(exchange: Exchange, key: ConversationKey, from: Since) -> Response {
    let listener = match Live::listen(&exchange.live, &key) {
        Ok(listener) => listener,
        Err(no_line) => return refuse(StatusCode::SERVICE_UNAVAILABLE, &no_line.to_string()),
    };
    let feed = match Feed::open(key, from, listener, (exchange.log, exchange.history_max)).await {
        Ok(feed) => feed,
        Err(Refused::UnknownTenant { .. }) => {
            return refuse(
                StatusCode::NOT_FOUND,
                "tenant is not a number of this channel: ask for one that is configured",
            );
        }
        Err(error) => {
            tracing::warn!("a phone got no line because the transcript cannot be read: {error}");
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "the transcript cannot be read now: come again");
        }
    };
    let events = stream::unfold(feed, |mut feed| async move {
        let event = feed.next().await?;
        Some((Ok::<_, Infallible>(on_the_wire(&event)), feed))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

fn refuse(status: StatusCode, problem: &str) -> Response {
    let mut response = (status, Json(serde_json::json!({ "error": problem }))).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
    }
    response
}

fn on_the_wire(event: &PhoneEvent) -> Event {
    let (event, data) = match event {
        PhoneEvent::Text(text) => {
            (Event::default().event("text").id(text.id.to_string()), serde_json::to_string(&**text))
        }
        PhoneEvent::Inbound(said) => (Event::default().event("inbound"), serde_json::to_string(said)),
        PhoneEvent::Live => (Event::default().event("live"), Ok("{}".to_owned())),
    };
    event.data(data.expect("strings and numbers can always be written as JSON"))
}

/// What the query and `Last-Event-ID` ask for.
fn asked(query: &str, last: Option<&str>) -> Result<(ConversationKey, Since), String> {
    let (mut tenant, mut user, mut after) = (None, None, None);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "tenant" => tenant = Some(number("tenant", &value)?),
            "user" => user = Some(number("user", &value)?),
            "after" => after = Some(value.into_owned()),
            _ => {
                let name: String = name.chars().take(40).collect();
                return Err(format!("there is no parameter {name:?}: there are tenant, user and after"));
            }
        }
    }
    let missing = |name| format!("the parameter {name} is missing: ask for ?tenant=+15550100&user=+15550199");
    let key = ConversationKey {
        tenant: tenant.ok_or_else(|| missing("tenant"))?,
        user: user.ok_or_else(|| missing("user"))?,
    };
    let from = match last.or(after.as_deref()) {
        None => Since::Latest,
        Some(id) => {
            Since::After(id.parse().map_err(|error: <OutboundId as std::str::FromStr>::Err| error.to_string())?)
        }
    };
    Ok((key, from))
}

/// In a query a `+` that is not written `%2B` means a space; no number begins with one, so here it is a `+` again.
fn number(name: &str, value: &str) -> Result<Address, String> {
    let (prefix, party) = value.split_once(':').map_or((None, value), |(prefix, party)| (Some(prefix), party));
    let party = party.strip_prefix(' ').map_or(party.to_owned(), |digits| format!("+{digits}"));
    let text = prefix.map_or(party.clone(), |prefix| format!("{prefix}:{party}"));
    Address::parse(&text).map_err(|error| format!("{name}: {error}"))
}

#[cfg(test)]
mod tests;
