//! Counters for Prometheus, and who is in memory, one set per gateway: nothing is global, so several gateways in one process count by themselves.
//!
//! Every label is one of a closed set of words. Numbers of tenants and users, names and texts are never labels: they would
//! make series without end, and give away who talks. Every series is there from the start, so that the first thing that
//! happens is seen as a rise. `http/metrics.rs` shows them; a gateway tells of everything by [`Observer`].

use std::sync::OnceLock;

use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use raconteur_actors::Headcount;
use raconteur_actors::port::{CaughtUp, Event, Incident, Observer, Reading, TurnedAway};
use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::effect::{Consumed, Notice};
use raconteur_conversation::words::{EndReason, Precedence, RowState, Work};

/// The `Content-Type` of what [`Metrics::exposition`] returns.
pub(crate) const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// The upper bounds of the turns' histogram, in seconds. An assistant may be given two minutes.
const TURN_SECONDS: [f64; 12] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0];

type Labels = [(&'static str, &'static str); 1];

type Counters = Family<Labels, Counter>;

/// The counters of one gateway.
pub struct Metrics {
    registry: Registry,
    turns: Counters,
    turn_seconds: Histogram,
    texts: Counters,
    sessions_ended: Counters,
    notices: Counters,
    conversations: Family<Labels, Gauge>,
    headcount: OnceLock<Headcount>,
    turned_away: Counters,
    catch_ups: Counters,
    caught_up: Counters,
    losses: Losses,
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
        let turns = counters(&mut registry, "turns", "Turns that were taken", ("outcome", &OUTCOMES));
        let turn_seconds = Histogram::new(TURN_SECONDS);
        let help = "From the acceptance of a text to the commit of its answer";
        registry.register("turn_seconds", help, turn_seconds.clone());
        let texts = counters(&mut registry, "texts", "Texts of ours that came to their end", ("state", &STATES));
        let help = "Sessions that are over";
        let sessions_ended = counters(&mut registry, "sessions_ended", help, ("reason", &END_REASONS));
        let help = "What an operator may want to know";
        let notices = counters(&mut registry, "notices", help, ("kind", &Notice::KINDS));
        let conversations = Family::<Labels, Gauge>::default();
        PLACES.iter().for_each(|place| drop(conversations.get_or_create(&[("place", *place)])));
        let help = "Conversations that are in memory, or wait for room there";
        registry.register("conversations", help, conversations.clone());
        let help = "Requests of providers that were turned away with 503";
        let turned_away = counters(&mut registry, "turned_away", help, ("reason", &TurnedAway::NAMES));
        let help = "Readings of providers' logs for texts that are missing";
        let catch_ups = counters(&mut registry, "catch_ups", help, ("outcome", &Reading::NAMES));
        let help = "Texts that were found in providers' logs";
        let caught_up = counters(&mut registry, "caught_up_texts", help, ("outcome", &["taken", "known", "left"]));
        let help = "Events of the reports that never reached their sink";
        let reasons = ["queue_full", "spool_full", "spool_failed", "refused"];
        let lost = counters(&mut registry, "report_events_dropped", help, ("reason", &reasons));
        let [queue_full, spool_full, spool_failed, refused] =
            reasons.map(|reason| lost.get_or_create_owned(&[("reason", reason)]));
        let losses = Losses { queue_full, spool_full, spool_failed, refused };
        Self {
            registry,
            turns,
            turn_seconds,
            texts,
            sessions_ended,
            notices,
            conversations,
            headcount: OnceLock::new(),
            turned_away,
            catch_ups,
            caught_up,
            losses,
        }
    }

    /// The counters of lost events, for whoever reports.
    #[must_use]
    pub fn losses(&self) -> Losses {
        self.losses.clone()
    }

    /// From whom it is known how many conversations are in memory; until then none is. Said once, when the gateway runs.
    pub fn heads(&self, headcount: Headcount) {
        let _ = self.headcount.set(headcount);
    }

    /// All counters in Prometheus' text format, version 0.0.4.
    #[must_use]
    pub fn exposition(&self) -> String {
        if let Some(headcount) = self.headcount.get() {
            for (place, count) in PLACES.iter().zip([headcount.inside(), headcount.waiting()]) {
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                self.conversations.get_or_create(&[("place", *place)]).set(count);
            }
        }
        let mut text = String::new();
        prometheus_text::encode(&mut text, &self.registry).expect("a string takes everything");
        text
    }

    fn count_turn(&self, consumed: &Consumed) {
        let Some(outcome) = outcome(consumed) else { return };
        self.turns.get_or_create(&[("outcome", outcome)]).inc();
        if consumed.asks > 0 {
            let took = consumed.answered_at.since(consumed.record.accepted_at);
            self.turn_seconds.observe(took.as_secs_f64());
        }
    }
}

impl Observer for Metrics {
    fn observe(&self, _key: &ConversationKey, event: &Event<'_>) {
        match event {
            Event::Accepted(..) | Event::Receipt(_) => {}
            Event::Answered(consumed) => self.count_turn(consumed),
            Event::Settled(_, state) => {
                if let Some(state) = settled(state) {
                    self.texts.get_or_create(&[("state", state)]).inc();
                }
            }
            Event::SessionEnded(end) => {
                self.sessions_ended.get_or_create(&[("reason", end_reason(end.reason))]).inc();
            }
            Event::Noted(noted) => {
                self.notices.get_or_create(&[("kind", noted.kind())]).inc();
            }
        }
    }

    fn observe_incident(&self, incident: &Incident) {
        match incident {
            Incident::TurnedAway(why) => {
                self.turned_away.get_or_create(&[("reason", why.name())]).inc();
            }
            Incident::CaughtUp(CaughtUp { taken, known, left, outcome }) => {
                self.catch_ups.get_or_create(&[("outcome", outcome.name())]).inc();
                for (outcome, texts) in [("taken", taken), ("known", known), ("left", left)] {
                    self.caught_up.get_or_create(&[("outcome", outcome)]).inc_by(*texts);
                }
            }
        }
    }
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

const PLACES: [&str; 2] = ["memory", "line"];

const OUTCOMES: [&str; 3] = ["answered", "failed", "dropped"];

/// What became of a turn; `None` for what is none, such as a request to end a session.
fn outcome(consumed: &Consumed) -> Option<&'static str> {
    match consumed.record.work.precedence() {
        Precedence::Control => return None,
        Precedence::InTurn | Precedence::Own => {}
    }
    let is_text = matches!(consumed.record.work, Work::Message(_));
    match &consumed.error {
        None => Some("answered"),
        // Nobody was asked and nobody was told: a text that may open no session.
        Some(_) if is_text && consumed.asks == 0 && consumed.rows.is_empty() => Some("dropped"),
        Some(_) => Some("failed"),
    }
}

const STATES: [&str; 3] = ["sent", "failed", "given_up"];

/// How a text of ours ended; `None` while it has not.
pub(crate) fn settled(state: &RowState) -> Option<&'static str> {
    match state {
        RowState::Sent { .. } => Some("sent"),
        RowState::Failed { .. } => Some("failed"),
        RowState::GivenUp => Some("given_up"),
        RowState::Queued
        | RowState::Held { .. }
        | RowState::Sending { .. }
        | RowState::Retry { .. }
        | RowState::Unknown { .. } => None,
    }
}

const END_REASONS: [&str; 4] = ["timeout", "terminated", "requested", "replaced"];

/// Why a session ended, in one word.
pub(crate) fn end_reason(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Timeout => "timeout",
        EndReason::Terminated => "terminated",
        EndReason::Requested => "requested",
        EndReason::Replaced => "replaced",
    }
}

#[cfg(test)]
mod tests {
    use raconteur_conversation::address::Address;
    use raconteur_conversation::time::UnixMillis;
    use raconteur_conversation::words::{
        InboundMessage, OutboundId, OutboundRow, ProviderId, Sequence, SessionEnd, WorkRecord,
    };
    use uuid::Uuid;

    use super::*;

    fn key() -> ConversationKey {
        let number = |text| Address::parse(text).unwrap();
        ConversationKey { tenant: number("+15550100"), user: number("+15550199") }
    }

    fn consumed(work: Work, asks: u32, error: Option<&str>) -> Consumed {
        let (sequence, accepted_at) = (Sequence(8), UnixMillis(1_000));
        let record = WorkRecord { sequence, accepted_at, seed: 0, attempts: 0, alone: false, work };
        let error = error.map(str::to_owned);
        Consumed {
            record,
            session: None,
            asked_at: None,
            commands: Vec::new(),
            answered_at: UnixMillis(1_700),
            asks,
            error,
            answered_with: None,
            rows: Vec::new(),
        }
    }

    fn text() -> Work {
        Work::Message(InboundMessage { body: "hi".into(), ..InboundMessage::default() })
    }

    fn has(metrics: &Metrics, line: &str) {
        let shown = metrics.exposition();
        assert!(shown.lines().any(|shown| shown == line), "{line} is missing in\n{shown}");
    }

    #[test]
    fn every_series_is_there_before_anything_happens() {
        let metrics = Metrics::new();
        has(&metrics, "raconteur_turns_total{outcome=\"failed\"} 0");
        has(&metrics, "raconteur_texts_total{state=\"given_up\"} 0");
        has(&metrics, "raconteur_sessions_ended_total{reason=\"terminated\"} 0");
        has(&metrics, "raconteur_notices_total{kind=\"unknown_command\"} 0");
        has(&metrics, "raconteur_report_events_dropped_total{reason=\"spool_full\"} 0");
        has(&metrics, "raconteur_conversations{place=\"memory\"} 0");
        has(&metrics, "raconteur_turn_seconds_count 0");
    }

    #[test]
    fn turns_are_counted_by_their_outcome_and_timed_where_somebody_was_asked() {
        let metrics = Metrics::new();
        let row = OutboundRow {
            id: OutboundId { turn: Sequence(8), part: 0 },
            body: "sorry".into(),
            media: Vec::new(),
            expires_at: UnixMillis(9),
            unasked: false,
            state: RowState::Queued,
        };
        let too_old = Consumed { rows: vec![row], ..consumed(text(), 0, Some("too old")) };
        let turns = [
            consumed(text(), 1, None),
            consumed(text(), 2, Some("down")),
            too_old,
            consumed(text(), 0, Some("no session")),
            consumed(Work::End, 0, None),
        ];
        for turn in &turns {
            metrics.observe(&key(), &Event::Answered(turn));
        }
        has(&metrics, "raconteur_turns_total{outcome=\"answered\"} 1");
        has(&metrics, "raconteur_turns_total{outcome=\"failed\"} 2");
        has(&metrics, "raconteur_turns_total{outcome=\"dropped\"} 1");
        has(&metrics, "raconteur_turn_seconds_count 2");
        has(&metrics, "raconteur_turn_seconds_bucket{le=\"0.5\"} 0");
        has(&metrics, "raconteur_turn_seconds_bucket{le=\"1\"} 2");
    }

    #[test]
    fn texts_sessions_notices_and_losses_are_counted_by_their_kind() {
        let metrics = Metrics::new();
        let id = OutboundId { turn: Sequence(8), part: 0 };
        let states = [RowState::Sent { provider_id: ProviderId("SM1".into()) }, RowState::GivenUp, RowState::Queued];
        for state in &states {
            metrics.observe(&key(), &Event::Settled(id, state));
        }
        let end = SessionEnd { key: key(), session: Uuid::nil(), reason: EndReason::Timeout, state: None };
        metrics.observe(&key(), &Event::SessionEnded(&end));
        metrics.observe(&key(), &Event::Noted(&Notice::CannotSwitch));
        metrics.losses().refused.inc_by(3);
        has(&metrics, "raconteur_texts_total{state=\"sent\"} 1");
        has(&metrics, "raconteur_texts_total{state=\"failed\"} 0");
        has(&metrics, "raconteur_texts_total{state=\"given_up\"} 1");
        has(&metrics, "raconteur_sessions_ended_total{reason=\"timeout\"} 1");
        has(&metrics, "raconteur_notices_total{kind=\"cannot_switch\"} 1");
        has(&metrics, "raconteur_report_events_dropped_total{reason=\"refused\"} 3");
    }

    #[test]
    fn what_is_turned_away_and_what_is_found_in_a_log_is_counted() {
        let metrics = Metrics::new();
        has(&metrics, "raconteur_turned_away_total{reason=\"too_slow\"} 0");
        metrics.observe_incident(&Incident::TurnedAway(TurnedAway::Backlog));
        let found = CaughtUp { taken: 2, known: 5, left: 1, outcome: Reading::Partial };
        metrics.observe_incident(&Incident::CaughtUp(found));
        has(&metrics, "raconteur_turned_away_total{reason=\"backlog\"} 1");
        has(&metrics, "raconteur_catch_ups_total{outcome=\"partial\"} 1");
        has(&metrics, "raconteur_catch_ups_total{outcome=\"complete\"} 0");
        for (outcome, texts) in [("taken", 2), ("known", 5), ("left", 1)] {
            has(&metrics, &format!("raconteur_caught_up_texts_total{{outcome=\"{outcome}\"}} {texts}"));
        }
    }

    #[test]
    fn no_number_and_no_name_is_a_label() {
        let metrics = Metrics::new();
        let notice = Notice::UnknownCommand { name: "callAda".into() };
        metrics.observe(&key(), &Event::Noted(&notice));
        metrics.observe(&key(), &Event::Answered(&consumed(text(), 1, None)));
        let shown = metrics.exposition();
        assert!(!shown.contains("callAda") && !shown.contains("5550"), "{shown}");
    }
}
