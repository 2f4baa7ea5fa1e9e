//! Reporting: transcripts and usage, batched, to a sink of the operator's. docs/reporting.md has the schema and what is promised.
//!
//! ```text
//! conversations --observe--> queue (bounded) --> courier --> spool (on disk) --> sink
//! ```
//!
//! It stands beside the gateway and never in its way: [`Reporting::observe`](Observer::observe) neither waits nor fails. What comes
//! faster than it can be written down is dropped and counted, and so is the oldest of a full spool. `courier.rs` is the task behind
//! each sink, `spool.rs` its memory, `http.rs` the kinds that are built in, `event.rs` what is reported.

mod notice;

mod aside;
mod courier;
mod desk;
mod event;
mod http;
mod loss;
mod segment;
mod settings;
mod sink;
mod spool;
mod tally;
mod texts;
mod webhook;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use raconteur_actors::clock::SystemClock;
use raconteur_actors::port::{Clock, Event, Observer};
use raconteur_conversation::address::{Address, ConversationKey};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

pub use self::event::SCHEMA;
pub use self::settings::{Rules, Settings};
pub use self::sink::{Batch, Line, PostError, Sink};
pub use self::texts::Texts;

use self::courier::Courier;
use self::desk::Desk;
use self::event::EventId;
use self::http::{Frame, HttpSink};
use self::spool::{Shelf, Spool};
use self::tally::Tally;
use self::webhook::WebhookSink;
use crate::check::Verdict;
use crate::config::{Config, Problem, Section};
use crate::metrics::Losses;

/// How much longer than it was given a courier may take to put its spool down.
const LAST_WRITES_WITHIN: Duration = Duration::from_secs(2);

/// A kind of sink that is built in.
pub struct Kind {
    /// What `kind` says in the configuration.
    pub name: &'static str,
    /// Says what is wrong with a section, or what its operator should know.
    pub check: fn(&Section) -> Verdict,
    /// Opens the sink of a section.
    pub open: fn(&Section) -> Opened,
}

/// A sink and its settings, or all that is wrong with its section.
pub type Opened = Result<(Settings, Arc<dyn Sink>), Vec<Problem>>;

/// Every kind of sink that is built in.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "json",
        check: |section| check_as(section, Frame::Json),
        open: |section| open_as(section, Frame::Json),
    },
    Kind {
        name: "splunk_hec",
        check: |section| check_as(section, Frame::SplunkHec),
        open: |section| open_as(section, Frame::SplunkHec),
    },
    Kind {
        name: "webhook",
        check: |section| check_as(section, Frame::Webhook),
        open: |section| open_as(section, Frame::Webhook),
    },
];

/// The kind of a section.
///
/// # Errors
/// When there is no such kind.
pub fn kind(section: &Section) -> Result<&'static Kind, Problem> {
    let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    KINDS.iter().find(|kind| kind.name == section.kind).ok_or_else(|| section.unknown_kind(&names))
}

/// Says what is wrong with a section, or what its operator should know.
///
/// # Errors
/// All that is wrong with it.
pub fn check(section: &Section) -> Verdict {
    (kind(section).map_err(|problem| vec![problem])?.check)(section)
}

fn check_as(section: &Section, frame: Frame) -> Verdict {
    read(section, frame).map(|settings| settings.advice(frame))
}

fn open_as(section: &Section, frame: Frame) -> Opened {
    let mut settings = read(section, frame)?;
    for advice in settings.advice(frame) {
        tracing::warn!(report = section.name, "{advice}");
    }
    let wrong = |problem| vec![section.problem(problem)];
    let sink: Arc<dyn Sink> = match frame {
        Frame::Json | Frame::SplunkHec => Arc::new(HttpSink::new(&settings, frame).map_err(wrong)?),
        Frame::Webhook => {
            settings.tell_each();
            Arc::new(WebhookSink::new(&settings).map_err(wrong)?)
        }
    };
    Ok((settings, sink))
}

fn read(section: &Section, frame: Frame) -> Result<Settings, Vec<Problem>> {
    let settings: Settings = section.read()?;
    let problems = settings.problems(frame);
    if problems.is_empty() { Ok(settings) } else { Err(section.problems(problems)) }
}

/// One sink, and whose events it gets.
pub struct Report {
    /// Names it in the log.
    pub name: String,
    /// Takes the events.
    pub sink: Arc<dyn Sink>,
    /// By which rules.
    pub rules: Rules,
    /// Whose conversations are reported to it.
    pub tenants: Vec<Address>,
}

/// Who reports.
pub struct Origin {
    /// Names this process: usage is per process, and a reader adds it up.
    pub instance: Uuid,
    /// Where times and jitter come from.
    pub clock: Arc<dyn Clock>,
    /// Counts what never reaches a sink.
    pub losses: Losses,
    events: AtomicU64,
}

impl Origin {
    /// A process of its own, by the system's clock.
    #[must_use]
    pub fn new(losses: Losses) -> Self {
        Self { instance: Uuid::new_v4(), clock: Arc::new(SystemClock::default()), losses, events: AtomicU64::new(0) }
    }

    fn next_event(&self) -> EventId {
        EventId { instance: self.instance, number: self.events.fetch_add(1, Ordering::Relaxed) + 1 }
    }
}

/// Why reporting could not begin.
#[derive(Debug, thiserror::Error)]
#[error("the spool of the report {name} cannot be used: {error}")]
pub struct SpoolError {
    /// Which sink's.
    pub name: String,
    /// Why not.
    pub error: std::io::Error,
}

/// Reports what is observed. Closed with [`Reporting::close`], it writes everything down first; dropped, it does so as well, but nobody
/// waits for it.
pub struct Reporting {
    desks: BTreeMap<Address, Vec<Desk>>,
    couriers: Mutex<Vec<Running>>,
}

struct Running {
    close: oneshot::Sender<Instant>,
    task: JoinHandle<()>,
}

impl Reporting {
    /// Opens what a configuration describes, for the tenants that name it.
    ///
    /// # Errors
    /// Everything that is wrong, with its place.
    pub fn of(config: &Config, losses: Losses) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut reports = Vec::new();
        for section in &config.reports {
            let is_ours = |sink: &Option<String>| sink.as_ref() == Some(&section.name);
            let ours = config.tenants.iter().filter(|tenant| is_ours(&tenant.report) || is_ours(&tenant.events));
            let tenants: Vec<Address> = ours.map(|tenant| tenant.number.clone()).collect();
            if tenants.is_empty() {
                continue;
            }
            match kind(section).map_err(|problem| vec![problem]).and_then(|kind| (kind.open)(section)) {
                Ok((settings, sink)) => {
                    let rules = settings.rules(beside_the_store(config, &section.name));
                    reports.push(Report { name: section.name.clone(), sink, rules, tenants });
                }
                Err(more) => problems.extend(more),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Self::open(reports, Origin::new(losses)).map_err(|failed| {
            let section = config.reports.iter().find(|section| section.name == failed.name);
            let message = format!("spool cannot be used: {}", failed.error);
            vec![section.expect("every report comes from a section").problem_at("spool", message)]
        })
    }

    /// Begins to report to these sinks. What an earlier process left in their spools is sent first. Needs a tokio runtime.
    ///
    /// # Errors
    /// When a spool cannot be used.
    pub fn open(reports: Vec<Report>, origin: Origin) -> Result<Self, SpoolError> {
        let origin = Arc::new(origin);
        let (mut desks, mut couriers) = (BTreeMap::<Address, Vec<Desk>>::new(), Vec::new());
        for Report { name, sink, rules, tenants } in reports {
            let shelf = Shelf {
                name: name.clone(),
                instance: origin.instance,
                directory: rules.spool.clone(),
                spool_max_bytes: rules.spool_max_bytes,
                segment_max_bytes: rules.segment_max_bytes,
            };
            let spool = match Spool::open(shelf) {
                Ok(spool) => Some(spool),
                Err(error) => return Err(SpoolError { name, error }),
            };
            let (queue, queued) = mpsc::channel(rules.queue_max.max(1));
            let tally = |tenant: Address| (tenant, Arc::new(Tally::default()));
            let tallies: BTreeMap<Address, Arc<Tally>> = tenants.into_iter().map(tally).collect();
            for tenant in &tallies {
                desks.entry(tenant.0.clone()).or_default().push(Desk::new(tenant, &origin, &queue, &rules));
            }
            let (counted_from, origin) = (origin.clock.now(), Arc::clone(&origin));
            let courier = Courier { name, sink, rules, origin, tallies, spool, failures: 0, counted_from };
            let (close, closing) = oneshot::channel();
            couriers.push(Running { close, task: tokio::spawn(courier.run(queued, closing)) });
        }
        Ok(Self { desks, couriers: Mutex::new(couriers) })
    }

    /// Writes everything down that was observed, tries for at most `patience` to hand it over, and frees the spools. What could not be
    /// handed over is sent after the next start.
    pub async fn close(&self, patience: Duration) {
        let couriers = std::mem::take(&mut *self.couriers.lock().unwrap_or_else(PoisonError::into_inner));
        let until = Instant::now() + patience;
        let closing = couriers.into_iter().map(|Running { close, mut task }| async move {
            let _ = close.send(until);
            if timeout(patience + LAST_WRITES_WITHIN, &mut task).await.is_err() {
                task.abort();
            }
        });
        futures_util::future::join_all(closing).await;
    }
}

fn beside_the_store(config: &Config, name: &str) -> PathBuf {
    let mut directory = config.store.path.clone().into_os_string();
    directory.push(".reports");
    PathBuf::from(directory).join(name)
}

impl Observer for Reporting {
    fn observe(&self, key: &ConversationKey, event: &Event<'_>) {
        self.desks.get(&key.tenant).into_iter().flatten().for_each(|desk| desk.observe(&key.user, event));
    }
}
