//! A stand-in for Twilio that can be sent millions of texts: of each user it keeps what he still waits for and the latest few texts, and
//! judges every text when it comes. What it was not told to expect, expected earlier or has had before is a problem.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use raconteur_conversation::words::OutboundId;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::ground::Ground;
use crate::support::twilio::ACCOUNT;

/// How many texts of each user its log shows.
const LOG_KEPT: usize = 20;

/// More problems than this are counted, not kept.
const PROBLEMS_KEPT: usize = 20;

/// Twilio takes this long for a create.
const TAKES: Duration = Duration::from_millis(5);

/// A text that the provider has taken, for which there are receipts to come.
pub(crate) struct Took {
    pub(crate) sid: String,
    pub(crate) user: String,
    pub(crate) callback: String,
}

/// What there is about one user.
#[derive(Default)]
struct Ledger {
    /// Answers to come, in order.
    answers: VecDeque<String>,
    /// Texts to come that a business asked for, in any order.
    requested: BTreeSet<String>,
    latest_answer: Option<OutboundId>,
    rows: VecDeque<OutboundId>,
    log: VecDeque<Value>,
}

#[derive(Default)]
pub(crate) struct Books {
    ledgers: BTreeMap<String, Ledger>,
    problems: Vec<String>,
    pub(crate) wrong: usize,
    pub(crate) creates: u64,
    pub(crate) lists: u64,
    pub(crate) answered: u64,
    sids: u64,
}

struct Shared {
    tenant: String,
    books: Mutex<Books>,
    took: mpsc::UnboundedSender<Took>,
}

/// A running stand-in. It ends, and hangs up, when it is dropped.
pub(crate) struct Provider {
    pub(crate) base_url: String,
    shared: Arc<Shared>,
    _ground: Ground,
}

impl Provider {
    /// Starts one for our number; what it takes is told.
    pub(crate) fn start(tenant: &str) -> (Self, mpsc::UnboundedReceiver<Took>) {
        let (took, taken) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared { tenant: tenant.into(), books: Mutex::default(), took });
        let app = Router::new()
            .route(&format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json"), get(list).post(create))
            .with_state(Arc::clone(&shared));
        let (base_url, ground) = Ground::serve(app);
        (Self { base_url, shared, _ground: ground }, taken)
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        lock(&self.shared)
    }

    /// This user's next answer will be this.
    pub(crate) fn expect_answer(&self, user: &str, answer: &str) {
        self.books().ledger(user).answers.push_back(answer.into());
    }

    /// This user will get this text of ours.
    pub(crate) fn expect_request(&self, user: &str, text: &str) {
        self.books().ledger(user).requested.insert(text.into());
    }

    /// Whether a user has got everything that he is to get.
    pub(crate) fn has_all(&self, user: &str) -> bool {
        let mut books = self.books();
        let ledger = books.ledger(user);
        ledger.answers.is_empty() && ledger.requested.is_empty()
    }

    /// Notes what somebody else has found wrong.
    pub(crate) fn complain(&self, problem: String) {
        self.books().wrong(problem);
    }

    /// What is still to come.
    pub(crate) fn missing(&self) -> usize {
        self.books().ledgers.values().map(|ledger| ledger.answers.len() + ledger.requested.len()).sum()
    }

    /// Everything that was wrong, and some of what never came.
    pub(crate) fn problems(&self) -> Vec<String> {
        let books = self.books();
        let waiting = |(user, ledger): (&String, &Ledger)| {
            let (answers, requested) = (&ledger.answers, &ledger.requested);
            let waits = !answers.is_empty() || !requested.is_empty();
            waits.then(|| format!("{user} waits for {answers:?} and {requested:?}"))
        };
        books.problems.iter().cloned().chain(books.ledgers.iter().filter_map(waiting).take(PROBLEMS_KEPT)).collect()
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, Books> {
    shared.books.lock().unwrap_or_else(PoisonError::into_inner)
}

type Form = BTreeMap<String, String>;

fn form(encoded: &str) -> Form {
    form_urlencoded::parse(encoded.as_bytes()).into_owned().collect()
}

async fn create(State(shared): State<Arc<Shared>>, body: String) -> Response {
    let form = form(&body);
    let text = |name: &str| form.get(name).cloned().unwrap_or_default();
    let (user, callback) = (text("To"), text("StatusCallback"));
    tokio::time::sleep(TAKES).await;
    let resource = lock(&shared).book(&shared.tenant, (&user, &callback), &text("Body"));
    let sid = resource["sid"].as_str().unwrap_or_default().to_owned();
    let _ = shared.took.send(Took { sid, user, callback });
    (StatusCode::CREATED, axum::Json(resource)).into_response()
}

async fn list(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Response {
    let to = form(&query.unwrap_or_default()).remove("To").unwrap_or_default();
    let mut books = lock(&shared);
    books.lists += 1;
    let messages: Vec<Value> = books.ledger(&to).log.iter().rev().cloned().collect();
    axum::Json(json!({"messages": messages, "page": 0, "page_size": 50, "next_page_uri": null})).into_response()
}

impl Books {
    fn ledger(&mut self, user: &str) -> &mut Ledger {
        self.ledgers.entry(user.to_owned()).or_default()
    }

    fn wrong(&mut self, problem: String) {
        self.wrong += 1;
        if self.problems.len() < PROBLEMS_KEPT {
            self.problems.push(problem);
        }
    }

    /// Writes a text down and judges it.
    fn book(&mut self, tenant: &str, (user, callback): (&str, &str), body: &str) -> Value {
        self.sids += 1;
        self.creates += 1;
        let row = callback.split_once("?outbound=").and_then(|(_, row)| row.parse::<OutboundId>().ok());
        match row {
            Some(row) => {
                if let Err(problem) = self.ledger(user).judge(row, body) {
                    self.wrong(format!("{user}: {row} {:?}: {problem}", body.chars().take(60).collect::<String>()));
                } else if row.part == 0 {
                    self.answered += 1;
                }
            }
            None => self.wrong(format!("{user}: {body:?} does not say which row it is")),
        }
        let date = httpdate::fmt_http_date(SystemTime::now()).replace("GMT", "+0000");
        let sid = format!("SM{:032x}", self.sids);
        let resource = json!({
            "account_sid": ACCOUNT, "body": body, "date_created": date, "date_sent": null, "date_updated": date,
            "direction": "outbound-api", "error_code": null, "error_message": null, "from": tenant, "sid": sid,
            "status": "queued", "to": user,
        });
        let log = &mut self.ledger(user).log;
        log.push_back(resource.clone());
        if log.len() > LOG_KEPT {
            log.pop_front();
        }
        resource
    }
}

impl Ledger {
    fn judge(&mut self, row: OutboundId, body: &str) -> Result<(), &'static str> {
        if self.rows.contains(&row) {
            return Err("it has come before");
        }
        self.rows.push_back(row);
        if self.rows.len() > LOG_KEPT {
            self.rows.pop_front();
        }
        if row.part > 0 {
            let goes_on =
                self.latest_answer.is_some_and(|latest| latest.turn == row.turn && latest.part + 1 == row.part);
            self.latest_answer = Some(row);
            return if goes_on { Ok(()) } else { Err("it goes on with nothing") };
        }
        if self.requested.remove(body) {
            return Ok(());
        }
        let is_late = self.latest_answer.is_some_and(|latest| latest > row);
        self.latest_answer = Some(row);
        match self.answers.pop_front() {
            Some(_) if is_late => Err("it comes after a later answer"),
            Some(answer) if body == answer || body.starts_with(&format!("{answer} and so on")) => Ok(()),
            Some(_) => Err("it is not the answer that is due"),
            None => Err("nobody waits for it"),
        }
    }
}
