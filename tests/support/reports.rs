//! Stand-ins for whoever takes reports: one in process, which a test scripts batch by batch, and one behind a free local port. And
//! what a gateway would observe, made by hand.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response};
use raconteur::Clock;
use raconteur::actors::port::{Event, Observer};
use raconteur::conversation::address::{Address, ConversationKey};
use raconteur::conversation::effect::Consumed;
use raconteur::conversation::time::UnixMillis;
use raconteur::conversation::words::{InboundMessage, OutboundId, OutboundRow, RowState, Sequence, Work, WorkRecord};
use raconteur::metrics::Metrics;
use raconteur::reporting::{Batch, Origin, PostError, Report, Reporting, Rules, Sink};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

pub(crate) const A: &str = "+15550100";
pub(crate) const B: &str = "+15550101";
pub(crate) const ADA: &str = "+15550111";

/// The process that reports in these tests, where a test does not say otherwise.
pub(crate) const INSTANCE: Uuid = Uuid::from_u128(7);

/// Nothing waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(3_600 * 24);

pub(crate) fn number(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// A clock that stands still, with dice that always show nothing.
pub(crate) struct Still;

impl Clock for Still {
    fn now(&self) -> UnixMillis {
        UnixMillis(10_000)
    }

    fn seed(&self) -> u128 {
        0
    }
}

/// What becomes of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Taken,
    Away(Option<Duration>),
    Refused,
    Hangs,
}

/// A sink in process.
pub(crate) struct StandIn {
    script: Mutex<VecDeque<Fate>>,
    otherwise: Mutex<Fate>,
    seen: Mutex<Vec<(Instant, Fate, Vec<Value>)>>,
    moved: Notify,
}

impl StandIn {
    /// The first batches have these fates, all further ones that.
    pub(crate) fn new(script: impl IntoIterator<Item = Fate>, otherwise: Fate) -> Arc<Self> {
        let (script, otherwise) = (Mutex::new(script.into_iter().collect()), Mutex::new(otherwise));
        Arc::new(Self { script, otherwise, seen: Mutex::default(), moved: Notify::new() })
    }

    /// From now on.
    pub(crate) fn becomes(&self, fate: Fate) {
        *self.otherwise.lock().unwrap() = fate;
    }

    /// When each batch came, in seconds since `start`, whatever its fate.
    pub(crate) fn seconds(&self, start: Instant) -> Vec<u64> {
        self.seen.lock().unwrap().iter().map(|(at, ..)| (*at - start).as_secs()).collect()
    }

    /// Every event that was taken, in order.
    pub(crate) fn taken(&self) -> Vec<Value> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(_, fate, _)| *fate == Fate::Taken).flat_map(|(.., events)| events.clone()).collect()
    }

    /// How many events each batch had that was taken.
    pub(crate) fn sizes(&self) -> Vec<usize> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(_, fate, _)| *fate == Fate::Taken).map(|(.., events)| events.len()).collect()
    }

    /// Waits until so many batches have come, whatever their fate.
    pub(crate) async fn batches(&self, count: usize) {
        self.until(|stand_in| stand_in.seen.lock().unwrap().len() >= count).await;
    }

    /// Waits until so many events were taken, and returns them.
    pub(crate) async fn events(&self, count: usize) -> Vec<Value> {
        self.until(|stand_in| stand_in.taken().len() >= count).await;
        self.taken()
    }

    async fn until(&self, holds: impl Fn(&Self) -> bool) {
        let holding = async {
            loop {
                let moved = self.moved.notified();
                if holds(self) {
                    return;
                }
                moved.await;
            }
        };
        tokio::time::timeout(PATIENCE, holding).await.expect("this never came");
    }
}

#[async_trait]
impl Sink for StandIn {
    async fn post(&self, batch: &Batch) -> Result<(), PostError> {
        let scripted = self.script.lock().unwrap().pop_front();
        let fate = scripted.unwrap_or_else(|| self.otherwise.lock().unwrap().clone());
        let events: Vec<Value> =
            batch.events.iter().map(|line| serde_json::from_str(line.json.get()).unwrap()).collect();
        assert!(events.iter().all(|event| event["tenant"] == batch.tenant), "a batch is of one tenant");
        self.seen.lock().unwrap().push((Instant::now(), fate.clone(), events));
        self.moved.notify_waiters();
        match fate {
            Fate::Taken => Ok(()),
            Fate::Away(after) => Err(PostError::Retry { after, reason: "the sink answered 503".into() }),
            Fate::Refused => Err(PostError::Refused { reason: "the sink answered 400".into() }),
            Fate::Hangs => std::future::pending().await,
        }
    }
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

#[derive(Default)]
struct Inner {
    answers: VecDeque<(u16, Vec<(&'static str, &'static str)>)>,
    seen: Vec<Seen>,
}

/// A sink behind a free local port. It answers 204, unless a test has queued something else.
#[derive(Clone)]
pub(crate) struct Collector {
    address: SocketAddr,
    inner: Arc<(Mutex<Inner>, Notify)>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, inner) = (listener.local_addr().unwrap(), Arc::<(Mutex<Inner>, Notify)>::default());
        let app = axum::Router::new().fallback(take).with_state(Arc::clone(&inner));
        tokio::spawn(axum::serve(listener, app).into_future());
        Self { address, inner }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next request that has no answer yet gets this one.
    pub(crate) fn answers(&self, status: u16, headers: &[(&'static str, &'static str)]) {
        self.inner.0.lock().unwrap().answers.push_back((status, headers.to_vec()));
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.inner.0.lock().unwrap().seen.clone()
    }

    /// Waits until so many requests have come.
    pub(crate) async fn requests(&self, count: usize) -> Vec<Seen> {
        loop {
            let arrived = self.inner.1.notified();
            let seen = self.seen();
            if seen.len() >= count {
                return seen;
            }
            tokio::time::timeout(Duration::from_secs(60), arrived).await.expect("a request never came");
        }
    }
}

async fn take(State(inner): State<Arc<(Mutex<Inner>, Notify)>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap();
    let seen = Seen { path: parts.uri.to_string(), headers: parts.headers, body };
    let (status, headers) = {
        let mut held = inner.0.lock().unwrap();
        held.seen.push(seen);
        held.answers.pop_front().unwrap_or((204, Vec::new()))
    };
    inner.1.notify_waiters();
    let answer = headers
        .into_iter()
        .fold(Response::builder().status(status), |answer, (name, value)| answer.header(name, value));
    answer.body(Body::empty()).unwrap()
}

/// Rules that report every second.
pub(crate) fn rules(spool: &Path) -> Rules {
    Rules { interval: Duration::from_secs(1), ..Rules::new(spool.join("spool")) }
}

/// Reports the conversations of [`A`] and [`B`].
pub(crate) fn open(sink: Arc<dyn Sink>, rules: Rules) -> (Reporting, Metrics) {
    let metrics = Metrics::new();
    let mut origin = Origin::new(metrics.losses());
    (origin.instance, origin.clock) = (INSTANCE, Arc::new(Still));
    let report = Report { name: "audit".into(), sink, rules, tenants: vec![number(A), number(B)] };
    (Reporting::open(vec![report], origin).unwrap(), metrics)
}

/// A user's text to a tenant and its answer, if it is not empty; the turn's number is `turn`.
pub(crate) fn turn(reporting: &Reporting, (tenant, turn): (&str, u64), (said, answered): (&str, &str)) {
    let key = ConversationKey { tenant: number(tenant), user: number(ADA) };
    let row = OutboundRow {
        id: OutboundId { turn: Sequence(turn), part: 0 },
        body: answered.into(),
        media: Vec::new(),
        expires_at: UnixMillis(99_000),
        unasked: false,
        state: RowState::Queued,
    };
    let consumed = Consumed {
        record: WorkRecord {
            sequence: Sequence(turn),
            accepted_at: UnixMillis(1_000 + turn),
            seed: 0,
            attempts: 0,
            alone: false,
            work: Work::Message(InboundMessage { body: said.into(), ..InboundMessage::default() }),
        },
        session: Some(Uuid::from_u128(1)),
        asked_at: None,
        commands: Vec::new(),
        answered_at: UnixMillis(2_000 + turn),
        asks: 1,
        error: None,
        answered_with: None,
        rows: if answered.is_empty() { Vec::new() } else { vec![row] },
    };
    reporting.observe(&key, &Event::Answered(&consumed));
}

/// A user's text of which nothing came.
pub(crate) fn text(reporting: &Reporting, tenant: &str, number: u64) {
    turn(reporting, (tenant, number), ("hi", ""));
}

/// The turns that events of texts tell of, in order.
pub(crate) fn turns(events: &[Value]) -> Vec<u64> {
    events.iter().filter_map(|event| event["turn"].as_u64()).collect()
}

/// The latest usage event.
pub(crate) fn usage(events: &[Value]) -> &Value {
    events.iter().rev().find(|event| event["type"] == "usage").expect("there is one")
}
