//! A stand-in for Twilio's REST API on 127.0.0.1: messages are created and listed, with Basic auth, paging and the real field
//! shapes. It keeps a log of every create that reached it, and can be told how to answer the next ones. It delivers nothing
//! and posts nothing by itself: texts and receipts are signed with [`signature`], and posted by the caller in `caller.rs`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::prelude::{BASE64_STANDARD, Engine};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha1::Sha1;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// The account that the stand-in serves.
pub(crate) const ACCOUNT: &str = "AC11111111111111111111111111111111";

/// That account's auth token.
pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// One create, as it reached the stand-in.
#[derive(Clone, Debug)]
pub(crate) struct Create {
    /// When it arrived.
    pub(crate) time: SystemTime,
    pub(crate) to: String,
    pub(crate) from: String,
    pub(crate) body: String,
    pub(crate) media: Vec<String>,
    pub(crate) status_callback: Option<String>,
    pub(crate) validity_period: Option<String>,
    /// The id it got; `None` if it was not taken.
    pub(crate) sid: Option<String>,
    /// How often the log had been read by then.
    pub(crate) lists_before: usize,
    /// Of which trace it said to be; empty where it did not.
    pub(crate) traceparent: String,
}

/// One message in the log that `GET Messages.json` reads.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) sid: String,
    pub(crate) to: String,
    pub(crate) from: String,
    pub(crate) body: String,
    pub(crate) direction: &'static str,
    /// Milliseconds since 1970.
    pub(crate) created: u64,
    /// `queued` ones have no `date_sent`, and a filter by `DateSent` does not find them.
    pub(crate) status: &'static str,
}

/// Whether a create that is answered in a special way is taken all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Yes,
    No,
}

/// How to answer.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// As Twilio does when all is well.
    Usual,
    /// As Twilio does when all is well, but only after this long.
    Late(Duration),
    /// With this status, these headers and this body.
    Literally(u16, Vec<(&'static str, String)>, String),
    /// Never.
    Silence,
    /// By closing the connection without a byte.
    Close,
    /// By closing the connection after the head and the beginning of the body.
    Half,
}

/// An error answer as Twilio writes it; its message quotes a number, as Twilio's do.
pub(crate) fn error(status: u16, code: u32) -> Answer {
    Answer::Literally(status, Vec::new(), error_body(status, code))
}

/// What Twilio would put into `X-Twilio-Signature` for a POST of `fields` to `url`, if `token` is its auth token.
pub(crate) fn signature(token: &str, url: &str, fields: &[(&str, &str)]) -> String {
    let fields: Vec<(&[u8], &[u8])> = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    signature_of_bytes(token, url, &fields)
}

/// As [`signature`], for fields that need not be text.
pub(crate) fn signature_of_bytes(token: &str, url: &str, fields: &[(&[u8], &[u8])]) -> String {
    let mut sorted = fields.to_vec();
    sorted.sort_unstable();
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(url.as_bytes());
    sorted.iter().flat_map(|(name, value)| [name, value]).for_each(|part| mac.update(part));
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}

#[derive(Default)]
struct Books {
    creates: Vec<Create>,
    log: Vec<Message>,
    /// How to answer the next creates, and whether they are taken.
    next_creates: VecDeque<(Answer, Taken)>,
    next_lists: VecDeque<Answer>,
    /// The query of every list.
    lists: Vec<String>,
    sids: u64,
    /// Who the creates are to that have arrived and are not taken yet.
    in_hand: Vec<String>,
    early_lists: usize,
    /// The types of the media of users' texts.
    media: BTreeMap<String, Vec<String>>,
    media_asked: Vec<String>,
}

/// How long the next create waits before it is taken, and then before it is answered.
pub(crate) type Pace = Box<dyn Fn() -> (Duration, Duration) + Send + Sync>;

struct Shared {
    books: Mutex<Books>,
    arrived: Notify,
    pace: Pace,
}

impl Shared {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running stand-in. It ends when it is dropped.
pub(crate) struct Twilio {
    base_url: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl Drop for Twilio {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Twilio {
    /// Starts one on a free port.
    pub(crate) async fn start() -> Self {
        Self::start_at(Box::new(|| (Duration::ZERO, Duration::ZERO))).await
    }

    /// Starts one that takes its time.
    pub(crate) async fn start_at(pace: Pace) -> Self {
        let shared = Arc::new(Shared { books: Mutex::default(), arrived: Notify::new(), pace });
        let app = Router::new()
            .route("/2010-04-01/Accounts/{account}/Messages.json", get(list).post(create))
            .route("/2010-04-01/Accounts/{account}/Messages/{sid}/Media.json", get(media))
            .with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, app).await;
        });
        Self { base_url: format!("http://{address}"), shared, server }
    }

    /// What `base_url` is to be set to.
    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// How to answer the next create that has no answer planned yet.
    pub(crate) fn answer_create(&self, answer: Answer, taken: Taken) {
        self.shared.books().next_creates.push_back((answer, taken));
    }

    /// How to answer the next page of the log that has no answer planned yet.
    pub(crate) fn answer_list(&self, answer: Answer) {
        self.shared.books().next_lists.push_back(answer);
    }

    /// A user's text, as the log has it from the moment in which Twilio got it; its webhook is the caller's business. Media are their
    /// types.
    pub(crate) fn receive(&self, sid: &str, (from, to): (&str, &str), body: &str, media: &[&str]) {
        let created = millis(SystemTime::now());
        let (from, to, body) = (from.to_owned(), to.to_owned(), body.to_owned());
        let message = Message { sid: sid.into(), to, from, body, direction: "inbound", created, status: "received" };
        let media = media.iter().map(|kind| (*kind).to_owned()).collect();
        let mut books = self.shared.books();
        books.media.insert(sid.into(), media);
        books.log.push(message);
    }

    /// Whose media were asked for so far.
    pub(crate) fn media_asked(&self) -> Vec<String> {
        self.shared.books().media_asked.clone()
    }

    /// Puts a message into the log that did not come through a create.
    pub(crate) fn add(&self, message: Message) {
        self.shared.books().log.push(message);
    }

    /// Every create so far, in order of arrival.
    pub(crate) fn creates(&self) -> Vec<Create> {
        self.shared.books().creates.clone()
    }

    /// The query of every list so far.
    pub(crate) fn lists(&self) -> Vec<String> {
        self.shared.books().lists.clone()
    }

    /// The creates from the `from`th on; waits until there are some.
    pub(crate) async fn creates_from(&self, from: usize) -> Vec<Create> {
        loop {
            let arrived = self.shared.arrived.notified();
            if let Some(creates) = self.shared.books().creates.get(from..).filter(|creates| !creates.is_empty()) {
                return creates.to_vec();
            }
            arrived.await;
        }
    }

    /// How often the log was read while a create to the same number had arrived and was not in the log yet.
    pub(crate) fn early_lists(&self) -> usize {
        self.shared.books().early_lists
    }

    /// Waits until `count` creates have arrived.
    pub(crate) async fn creates_arrived(&self, count: usize) -> Vec<Create> {
        loop {
            let arrived = self.shared.arrived.notified();
            let creates = self.creates();
            if creates.len() >= count {
                return creates;
            }
            arrived.await;
        }
    }
}

type Form = Vec<(String, String)>;

fn all(form: &Form, name: &str) -> Vec<String> {
    form.iter().filter(|(found, _)| found == name).map(|(_, value)| value.clone()).collect()
}

fn first(form: &Form, name: &str) -> Option<String> {
    form.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone())
}

async fn create(
    State(shared): State<Arc<Shared>>,
    Path(account): Path<String>,
    headers: HeaderMap,
    body: String,
) -> Response {
    if let Some(refusal) = refuse(&account, &headers) {
        return refusal;
    }
    let form: Form = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let (answer, taken) = shared.books().next_creates.pop_front().unwrap_or((Answer::Usual, Taken::Yes));
    let traceparent = headers.get("traceparent").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let invalid = invalid(&form);
    let taken = if invalid.is_some() { Taken::No } else { taken };
    let (before, after) = (shared.pace)();
    shared.books().in_hand.extend(first(&form, "To"));
    // In a task of its own: what has arrived is taken, even if its client dies meanwhile.
    let taking = tokio::spawn(async move {
        pause(before).await;
        let created = book(&shared, (&form, traceparent), taken);
        shared.arrived.notify_waiters();
        created
    });
    let created = taking.await.expect("taking a create does not fail");
    pause(after).await;
    if let Some(code) = invalid {
        return json_answer(400, error_body(400, code));
    }
    let usual = created.map_or_else(
        || json_answer(400, error_body(400, 21619)),
        |(message, callback)| json_answer(201, resource(&message, callback).to_string()),
    );
    give(answer, usual).await
}

async fn pause(span: Duration) {
    if !span.is_zero() {
        tokio::time::sleep(span).await;
    }
}

/// Writes the create down, and the message into the log if it is taken.
fn book(shared: &Shared, (form, traceparent): (&Form, String), taken: Taken) -> Option<(Message, usize)> {
    let mut books = shared.books();
    let time = SystemTime::now();
    let text = |name| first(form, name).unwrap_or_default();
    let media = all(form, "MediaUrl");
    let sid = (taken == Taken::Yes).then(|| {
        books.sids += 1;
        format!("{}{:032x}", if media.is_empty() { "SM" } else { "MM" }, books.sids)
    });
    let (to, from, body) = (text("To"), text("From"), text("Body"));
    if let Some(place) = books.in_hand.iter().position(|number| *number == to) {
        books.in_hand.swap_remove(place);
    }
    let message = sid.clone().map(|sid| Message {
        sid,
        to: to.clone(),
        from: from.clone(),
        body: body.clone(),
        direction: "outbound-api",
        created: millis(time),
        status: "queued",
    });
    books.log.extend(message.clone());
    let media_count = media.len();
    let (status_callback, validity_period) = (first(form, "StatusCallback"), first(form, "ValidityPeriod"));
    let lists_before = books.lists.len();
    let create =
        Create { time, to, from, body, media, status_callback, validity_period, sid, lists_before, traceparent };
    books.creates.push(create);
    message.map(|message| (message, media_count))
}

/// The error that Twilio answers such a form with.
fn invalid(form: &Form) -> Option<u32> {
    let media = all(form, "MediaUrl").len();
    let body = first(form, "Body").unwrap_or_default();
    let host = first(form, "StatusCallback").and_then(|url| url.split('/').nth(2).map(str::to_owned));
    let validity = first(form, "ValidityPeriod").map(|text| text.parse::<u32>().unwrap_or(0));
    match () {
        () if first(form, "To").is_none_or(|to| to.is_empty()) => Some(21604),
        () if first(form, "From").is_none_or(|from| from.is_empty()) => Some(21603),
        () if body.is_empty() && media == 0 => Some(21602),
        () if body.chars().count() > 1_600 => Some(21617),
        () if media > 10 => Some(21623),
        () if host.is_some_and(|host| host.contains('_')) => Some(21609),
        () if validity.is_some_and(|seconds| !(1..=36_000).contains(&seconds)) => Some(21624),
        () => None,
    }
}

async fn list(
    State(shared): State<Arc<Shared>>,
    Path(account): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if let Some(refusal) = refuse(&account, &headers) {
        return refusal;
    }
    let query = query.unwrap_or_default();
    let answer = {
        let mut books = shared.books();
        let to = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "To").map(|(_, number)| number);
        books.early_lists += usize::from(to.is_some_and(|to| books.in_hand.iter().any(|number| *number == to)));
        books.lists.push(query.clone());
        books.next_lists.pop_front().unwrap_or(Answer::Usual)
    };
    let usual = json_answer(200, page(&shared, &account, &query).to_string());
    give(answer, usual).await
}

fn page(shared: &Shared, account: &str, query: &str) -> Value {
    let form: Form = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let number = |name, default| first(&form, name).and_then(|text| text.parse::<usize>().ok()).unwrap_or(default);
    let (size, page) = (number("PageSize", 50).clamp(1, 1_000), number("Page", 0));
    let mut found: Vec<Message> =
        shared.books().log.iter().filter(|message| matches(message, &form)).cloned().collect();
    found.reverse();
    found.sort_by_key(|message| std::cmp::Reverse(message.created));
    // A page token names the last message of the page before: new messages in front change nothing of what is behind.
    let token = first(&form, "PageToken");
    let behind = token.and_then(|token| found.iter().position(|message| token == format!("PA{}", message.sid)));
    let from = behind.map_or(page * size, |last| last + 1).min(found.len());
    let to = (from + size).min(found.len());
    let uri = |page: usize| {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        pairs.extend_pairs(form.iter().filter(|(name, _)| name != "Page" && name != "PageToken"));
        pairs.append_pair("Page", &page.to_string());
        if let Some(last) = found[..to].last().filter(|_| page > 0) {
            pairs.append_pair("PageToken", &format!("PA{}", last.sid));
        }
        format!("/2010-04-01/Accounts/{account}/Messages.json?{}", pairs.finish())
    };
    let media = shared.books().media.clone();
    let count = |message: &Message| media.get(&message.sid).map_or(0, Vec::len);
    let messages: Vec<Value> = found[from..to].iter().map(|message| resource(message, count(message))).collect();
    json!({
        "messages": messages, "start": from, "end": to.saturating_sub(1), "page": page, "page_size": size,
        "uri": uri(page), "first_page_uri": uri(0),
        "next_page_uri": (to < found.len()).then(|| uri(page + 1)),
        "previous_page_uri": page.checked_sub(1).map(uri),
    })
}

/// The media of one message, as a list of their own.
async fn media(
    State(shared): State<Arc<Shared>>,
    Path((account, sid)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if let Some(refusal) = refuse(&account, &headers) {
        return refusal;
    }
    shared.books().media_asked.push(sid.clone());
    let kinds = shared.books().media.get(&sid).cloned();
    let Some(kinds) = kinds else { return json_answer(404, error_body(404, 20404)) };
    let medium = |(number, kind): (usize, &String)| json!({ "account_sid": ACCOUNT, "content_type": kind, "parent_sid": sid, "sid": format!("ME{number:032x}") });
    let list: Vec<Value> = kinds.iter().enumerate().map(medium).collect();
    let usual = json!({ "media_list": list, "next_page_uri": null, "page": 0, "page_size": 50, "start": 0 });
    json_answer(200, usual.to_string())
}

fn matches(message: &Message, form: &Form) -> bool {
    let same = |name, value: &str| first(form, name).is_none_or(|wanted| wanted == value);
    let since = |day: String| {
        let date = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(message.created)).to_string();
        message.status != "queued" && date >= day
    };
    same("To", &message.to) && same("From", &message.from) && first(form, "DateSent>").is_none_or(since)
}

fn refuse(account: &str, headers: &HeaderMap) -> Option<Response> {
    let expected = format!("Basic {}", BASE64_STANDARD.encode(format!("{ACCOUNT}:{TOKEN}")));
    if headers.get(header::AUTHORIZATION).is_none_or(|given| given.as_bytes() != expected.as_bytes()) {
        return Some(json_answer(401, error_body(401, 20003)));
    }
    (account != ACCOUNT).then(|| json_answer(404, error_body(404, 20404)))
}

async fn give(answer: Answer, usual: Response) -> Response {
    match answer {
        Answer::Usual => usual,
        Answer::Late(after) => {
            tokio::time::sleep(after).await;
            usual
        }
        Answer::Literally(status, headers, body) => {
            let mut response = json_answer(status, body);
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().expect("a test's header is a header"));
            }
            response
        }
        Answer::Silence => std::future::pending().await,
        // Unwinds the connection's task past hyper, without the panic hook's noise.
        Answer::Close => std::panic::resume_unwind(Box::new("the stand-in closes the connection")),
        Answer::Half => {
            let parts = [Ok("{\"sid\":"), Err(std::io::Error::other("the stand-in breaks off"))];
            (StatusCode::CREATED, Body::from_stream(futures_util::stream::iter(parts))).into_response()
        }
    }
}

fn json_answer(status: u16, body: String) -> Response {
    let status = StatusCode::from_u16(status).expect("a test's status is a status");
    (status, [(header::CONTENT_TYPE, "application/json;charset=utf-8")], body).into_response()
}

fn error_body(status: u16, code: u32) -> String {
    let message = format!("The 'To' number +15550199 could not be used (error {code})");
    let more_info = format!("https://www.twilio.com/docs/errors/{code}");
    json!({ "code": code, "message": message, "more_info": more_info, "status": status }).to_string()
}

/// A message as Twilio writes it: every value a string or null, but for `error_code`.
fn resource(message: &Message, media: usize) -> Value {
    let date = twilio_date(message.created);
    let sent = (message.status != "queued").then(|| date.clone());
    let uri = format!("/2010-04-01/Accounts/{ACCOUNT}/Messages/{}", message.sid);
    json!({
        "account_sid": ACCOUNT, "api_version": "2010-04-01", "body": message.body, "date_created": date,
        "date_sent": sent, "date_updated": date, "direction": message.direction, "error_code": null,
        "error_message": null, "from": message.from, "messaging_service_sid": null, "num_media": media.to_string(),
        "num_segments": "1", "price": null, "price_unit": "USD", "sid": message.sid, "status": message.status,
        "subresource_uris": { "media": format!("{uri}/Media.json") }, "to": message.to, "uri": format!("{uri}.json"),
    })
}

fn twilio_date(millis: u64) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(millis)).replace("GMT", "+0000")
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    u64::try_from(since.as_millis()).expect("the clock is before the year 500,000,000")
}
