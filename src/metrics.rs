//! What is counted for Prometheus, one set per gateway: nothing is global, so several gateways in one process count by themselves.
//!
//! Every label is one of a closed set of words. Numbers of tenants and users, names and texts are never labels: they would
//! make series without end, and give away who talks. Every series is there from the start, so that the first thing that
//! happens is seen as a rise. `http/metrics.rs` shows them; a gateway tells of everything by [`Observer`]; what is not counted but
//! asked for is in `gauges.rs`.

mod gauges;
mod process;
mod words;

use std::time::Duration;

use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use raconteur_actors::port::{CaughtUp, Event, Incident, Observer, Reading, Timed, TurnedAway};
use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::effect::{Consumed, Notice};
use raconteur_conversation::words::Work;

use self::gauges::Gauges;
use self::process::Process;
use self::words::{ASKED, CLASSES, DELIVERIES, END_REASONS, OUTCOMES, SENT, STATES};

pub use self::gauges::{Ceilings, Sources, Spans};
pub(crate) use self::words::{end_reason, settled};

/// The `Content-Type` of what [`Metrics::exposition`] returns.
pub(crate) const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// The upper bounds of what may take an assistant's time, in seconds. One may be given two minutes.
const LONG: [f64; 12] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0];

/// The upper bounds of what waits for the disk, in seconds. Ten is what a request may take where nothing else is configured.
const SHORT: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// The upper bounds of one call to a provider, in seconds.
const CALL: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

type Labels = [(&'static str, &'static str); 1];

type Counters = Family<Labels, Counter>;

/// The counters of one gateway.
pub struct Metrics {
    registry: Registry,
    process: Registry,
    gauges: Gauges,
    happened: Happened,
    took: Took,
    losses: Losses,
}

/// How often.
struct Happened {
    received: Counter,
    turns: Counters,
    texts: Counters,
    receipts: Counters,
    sessions_ended: Counters,
    notices: Counters,
    turned_away: Counters,
    dead_letters: Counter,
    catch_ups: Counters,
    caught_up: Counters,
    asks: Counters,
    sends: Counters,
}

/// For how long.
struct Took {
    turn: Histogram,
    webhook: Family<Labels, Histogram, fn() -> Histogram>,
    ask: Histogram,
    send: Histogram,
    commit: Histogram,
}

/// How many events of the reports never reached their sink, by what became of them.
#[derive(Clone, Debug, Default)]
pub struct Losses {
    /// They came faster than they could be written down.
    pub(crate) queue_full: Counter,
    /// They were the oldest in a spool that had reached its limit.
    pub(crate) spool_full: Counter,
    /// They could not be written to the spool, or not be read from it.
    pub(crate) spool_failed: Counter,
    /// The sink refused them for good; they are kept aside.
    pub(crate) refused: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Counters that stand at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("raconteur");
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "Which version runs", version);
        let happened = Happened::new(&mut registry);
        let took = Took::new(&mut registry);
        let losses = Losses::new(&mut registry);
        let gauges = Gauges::default();
        registry.register_collector(Box::new(gauges.clone()));
        let mut process = Registry::default();
        process.register_collector(Box::new(Process));
        Self { registry, process, gauges, happened, took, losses }
    }

    /// The counters of lost events, for whoever reports.
    #[must_use]
    pub fn losses(&self) -> Losses {
        self.losses.clone()
    }

    /// Whom to ask what is going on; until then nothing is. Said once, when the gateway runs.
    pub fn watch(&self, sources: Sources) {
        let _ = self.gauges.sources.set(sources);
    }

    /// The counters of whoever exports traces. Said once.
    pub fn watch_spans(&self, spans: &Spans) {
        let _ = self.gauges.spans.set(spans.clone());
    }

    /// All counters in Prometheus' text format, version 0.0.4.
    #[must_use]
    pub fn exposition(&self) -> String {
        let mut text = String::new();
        for registry in [&self.registry, &self.process] {
            prometheus_text::encode(&mut text, registry).expect("a string takes everything");
        }
        text
    }

    fn count_turn(&self, consumed: &Consumed) {
        let Some(outcome) = words::outcome(consumed) else { return };
        self.happened.turns.get_or_create(&[("outcome", outcome)]).inc();
        if consumed.asks > 0 {
            let took = consumed.answered_at.since(consumed.record.accepted_at);
            self.took.turn.observe(took.as_secs_f64());
        }
    }
}

impl Happened {
    fn new(registry: &mut Registry) -> Self {
        let received = counter(registry, "texts_received", "Texts of users that were accepted");
        let turns = counters(registry, "turns", "Turns that were taken", ("outcome", &OUTCOMES));
        let texts = counters(registry, "texts", "Texts of ours that came to their end", ("state", &STATES));
        let help = "What the provider said of texts of ours";
        let receipts = counters(registry, "receipts", help, ("status", &DELIVERIES));
        let help = "Sessions that are over";
        let sessions_ended = counters(registry, "sessions_ended", help, ("reason", &END_REASONS));
        let help = "What an operator may want to know";
        let notices = counters(registry, "notices", help, ("kind", &Notice::KINDS));
        let help = "Requests of providers that were turned away with 503";
        let turned_away = counters(registry, "turned_away", help, ("reason", &TurnedAway::NAMES));
        let dead_letters = counter(registry, "dead_letters", "Messages that were set aside as dead letters");
        let help = "Readings of providers' logs for texts that are missing";
        let catch_ups = counters(registry, "catch_ups", help, ("outcome", &Reading::NAMES));
        let help = "Texts that were found in providers' logs";
        let caught_up = counters(registry, "caught_up_texts", help, ("outcome", &["taken", "known", "left"]));
        let asks = counters(registry, "asks", "Questions to assistants", ("outcome", &ASKED));
        let sends = counters(registry, "sends", "Attempts to hand a text to a provider", ("outcome", &SENT));
        Self {
            received,
            turns,
            texts,
            receipts,
            sessions_ended,
            notices,
            turned_away,
            dead_letters,
            catch_ups,
            caught_up,
            asks,
            sends,
        }
    }
}

impl Took {
    fn new(registry: &mut Registry) -> Self {
        let mut histogram = |name: &str, help: &str, bounds: &[f64]| {
            let histogram = Histogram::new(bounds.iter().copied());
            registry.register(name, help, histogram.clone());
            histogram
        };
        let turn = histogram("turn_seconds", "From the acceptance of a text to the commit of its answer", &LONG);
        let ask = histogram("ask_seconds", "One question to an assistant", &LONG);
        let send = histogram("send_seconds", "One attempt to hand a text to a provider", &CALL);
        let commit = histogram("commit_seconds", "From the end of a step to its being durable", &SHORT);
        let webhook: Family<Labels, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(SHORT));
        CLASSES.iter().for_each(|class| drop(webhook.get_or_create(&[("status", *class)])));
        registry.register("webhook_seconds", "Requests of providers, until they were answered", webhook.clone());
        Self { turn, webhook, ask, send, commit }
    }
}

impl Losses {
    fn new(registry: &mut Registry) -> Self {
        let help = "Events of the reports that never reached their sink";
        let reasons = ["queue_full", "spool_full", "spool_failed", "refused"];
        let lost = counters(registry, "report_events_dropped", help, ("reason", &reasons));
        let [queue_full, spool_full, spool_failed, refused] =
            reasons.map(|reason| lost.get_or_create_owned(&[("reason", reason)]));
        Self { queue_full, spool_full, spool_failed, refused }
    }
}

impl Observer for Metrics {
    fn observe(&self, _key: &ConversationKey, event: &Event<'_>) {
        let happened = &self.happened;
        match event {
            Event::Accepted(_, Work::Message(_)) => {
                happened.received.inc();
            }
            Event::Accepted(..) => {}
            Event::Receipt(receipt) => {
                happened.receipts.get_or_create(&[("status", words::delivery(receipt.status))]).inc();
            }
            Event::Answered(consumed) => self.count_turn(consumed),
            Event::Settled(_, state) => {
                if let Some(state) = settled(state) {
                    happened.texts.get_or_create(&[("state", state)]).inc();
                }
            }
            Event::SessionEnded(end) => {
                happened.sessions_ended.get_or_create(&[("reason", end_reason(end.reason))]).inc();
            }
            Event::Noted(noted) => {
                happened.notices.get_or_create(&[("kind", noted.kind())]).inc();
            }
        }
    }

    fn observe_incident(&self, incident: &Incident) {
        let happened = &self.happened;
        match incident {
            Incident::TurnedAway(why) => {
                happened.turned_away.get_or_create(&[("reason", why.name())]).inc();
            }
            Incident::CaughtUp(CaughtUp { taken, known, left, outcome }) => {
                happened.catch_ups.get_or_create(&[("outcome", outcome.name())]).inc();
                for (outcome, texts) in [("taken", taken), ("known", known), ("left", left)] {
                    happened.caught_up.get_or_create(&[("outcome", outcome)]).inc_by(*texts);
                }
            }
            Incident::SetAside => {
                happened.dead_letters.inc();
            }
        }
    }

    fn observe_time(&self, what: Timed<'_>, took: Duration) {
        let seconds = took.as_secs_f64();
        match what {
            Timed::Request(status) => {
                self.took.webhook.get_or_create(&[("status", words::class(status))]).observe(seconds);
            }
            Timed::Ask(result) => {
                self.happened.asks.get_or_create(&[("outcome", words::asked(result))]).inc();
                self.took.ask.observe(seconds);
            }
            Timed::Send(result) => {
                self.happened.sends.get_or_create(&[("outcome", words::sent(result))]).inc();
                self.took.send.observe(seconds);
            }
            Timed::Commit => self.took.commit.observe(seconds),
        }
    }
}

fn counter(registry: &mut Registry, name: &str, help: &str) -> Counter {
    let counter = Counter::default();
    registry.register(name, help, counter.clone());
    counter
}

/// Counters that differ in one label, each of them there from the start.
fn counters(
    registry: &mut Registry,
    name: &str,
    help: &str,
    (label, values): (&'static str, &[&'static str]),
) -> Counters {
    let counters = Counters::default();
    for value in values {
        drop(counters.get_or_create(&[(label, *value)]));
    }
    registry.register(name, help, counters.clone());
    counters
}

#[cfg(test)]
mod tests;
