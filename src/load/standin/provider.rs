//! A stand-in for Twilio's REST API: it takes texts after a while, hands them to the texters, can be told to refuse some, and shows a
//! log of the latest to each number, so that a gateway in doubt can look.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use serde::Serialize;
use tokio::sync::mpsc::{Sender, error::TrySendError};

use super::super::books::{Books, texter};
use super::super::{Receipts, StandIns};
use super::{Shared, Throttle, happens, pause};

/// How many texts to one number the log has at most.
const LOGGED: usize = 20;

/// A text that is to be reported as delivered: where to, and under which id.
pub(in crate::load) struct Delivered {
    pub(in crate::load) url: String,
    pub(in crate::load) sid: String,
    pub(in crate::load) to: String,
    pub(in crate::load) from: String,
}

/// What the stand-in is told.
pub(in crate::load) struct Provider {
    /// Whom it tells.
    pub(in crate::load) books: Arc<Books>,
    /// How it behaves.
    pub(in crate::load) rules: StandIns,
    /// Who posts receipts.
    pub(in crate::load) receipts: Sender<Delivered>,
}

struct Desk {
    provider: Provider,
    throttle: Option<Throttle>,
    log: Mutex<HashMap<String, VecDeque<Message>>>,
}

impl Desk {
    fn log(&self) -> MutexGuard<'_, HashMap<String, VecDeque<Message>>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As Twilio shows one.
#[derive(Clone, Serialize)]
struct Message {
    sid: String,
    to: String,
    from: String,
    body: String,
    status: &'static str,
    direction: &'static str,
    date_created: String,
    date_sent: Option<String>,
    num_media: &'static str,
    error_code: Option<u32>,
}

/// Its routes.
pub(in crate::load) fn provider(provider: Provider) -> Router {
    let throttle = provider.rules.provider_limit.map(Throttle::new);
    let desk = Arc::new(Desk { provider, throttle, log: Mutex::default() });
    Router::new().route("/2010-04-01/Accounts/{account}/Messages.json", get(list).post(create)).with_state(desk)
}

#[derive(Default)]
struct Form {
    to: String,
    from: String,
    body: String,
    callback: Option<String>,
}

fn read(body: &[u8]) -> Form {
    let mut form = Form::default();
    for (name, value) in form_urlencoded::parse(body) {
        match &*name {
            "To" => form.to = value.into_owned(),
            "From" => form.from = value.into_owned(),
            "Body" => form.body = value.into_owned(),
            "StatusCallback" => form.callback = Some(value.into_owned()),
            _ => {}
        }
    }
    form
}

async fn create(State(desk): Shared<Desk>, body: Bytes) -> Response {
    let Provider { books, rules, receipts } = &desk.provider;
    pause(rules.provider_latency.draw(&mut fastrand::Rng::with_seed(fastrand::u64(..)))).await;
    if desk.throttle.as_ref().is_some_and(|throttle| !throttle.lets_through()) {
        return error(StatusCode::TOO_MANY_REQUESTS, 20_429);
    }
    if happens(rules.provider_errors_percent) {
        return match fastrand::bool() {
            true => error(StatusCode::TOO_MANY_REQUESTS, 20_429),
            false => error(StatusCode::INTERNAL_SERVER_ERROR, 20_500),
        };
    }
    let Form { to, from, body, callback } = read(&body);
    let sid = format!("SM{:032x}", fastrand::u128(..));
    match texter(&to) {
        Some(texter) => books.heard(texter, &body),
        None => books.heard(u32::MAX, &body),
    }
    if let (Receipts::Sent, Some(url)) = (rules.receipts, callback) {
        let delivered = Delivered { url, sid: sid.clone(), to: to.clone(), from: from.clone() };
        if let Err(TrySendError::Full(_)) = receipts.try_send(delivered) {
            tracing::debug!("a receipt was left out: too many wait");
        }
    }
    let date_created = httpdate::fmt_http_date(SystemTime::now());
    let message = Message {
        sid,
        to: to.clone(),
        from,
        body,
        status: "queued",
        direction: "outbound-api",
        date_created,
        date_sent: None,
        num_media: "0",
        error_code: None,
    };
    let answer = serde_json::to_string(&message).expect("a message can be written as JSON");
    let mut log = desk.log();
    let latest = log.entry(to).or_default();
    latest.truncate(LOGGED - 1);
    latest.push_front(message);
    (StatusCode::CREATED, [(header::CONTENT_TYPE, "application/json")], answer).into_response()
}

async fn list(State(desk): Shared<Desk>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let to = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "To").map(|(_, to)| to.into_owned());
    let messages: Vec<Message> = to.and_then(|to| desk.log().get(&to).cloned()).into_iter().flatten().collect();
    let page = serde_json::json!({
        "messages": messages, "page": 0, "page_size": LOGGED, "next_page_uri": null, "previous_page_uri": null,
    });
    ([(header::CONTENT_TYPE, "application/json")], page.to_string()).into_response()
}

fn error(status: StatusCode, code: u32) -> Response {
    let body = serde_json::json!({"code": code, "message": "by request", "status": status.as_u16()}).to_string();
    let retry_after = (status == StatusCode::TOO_MANY_REQUESTS).then_some([(header::RETRY_AFTER, "1")]);
    let answer = (status, [(header::CONTENT_TYPE, "application/json")], body);
    match retry_after {
        Some(headers) => (headers, answer).into_response(),
        None => answer.into_response(),
    }
}
