//! What is counted while a load runs: latencies as histograms of microseconds with three significant digits, faults by kind, and one
//! line for each second.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Nothing is measured as longer.
const LONGEST: Duration = Duration::from_secs(3_600);

/// Something that should not have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A request could not be made, or its answer was lost.
    NoConnection,
    /// The gateway said 503, or 429; the text was sent again.
    Refused,
    /// The gateway said anything else that is not 2xx.
    Rejected,
    /// A text did not get through at all.
    NotTaken,
    /// An answer came a second time.
    Doubled,
    /// An answer came before that to an earlier text.
    OutOfOrder,
    /// An answer came to somebody else.
    Misdirected,
    /// A text came to nobody, or answered nothing.
    Stranger,
    /// The assistant's answer was replaced by the failure message.
    Apology,
}

impl Fault {
    /// All of them.
    pub(super) const ALL: [Self; 9] = [
        Self::NoConnection,
        Self::Refused,
        Self::Rejected,
        Self::NotTaken,
        Self::Doubled,
        Self::OutOfOrder,
        Self::Misdirected,
        Self::Stranger,
        Self::Apology,
    ];

    /// In plain words.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NoConnection => "no connection",
            Self::Refused => "refused for now (503, 429)",
            Self::Rejected => "rejected",
            Self::NotTaken => "texts never taken",
            Self::Doubled => "answers doubled",
            Self::OutOfOrder => "answers out of order",
            Self::Misdirected => "answers to somebody else",
            Self::Stranger => "answers to nothing",
            Self::Apology => "failure messages",
        }
    }

    /// Whether it breaks a promise, as opposed to what overload and faults of others bring about.
    pub(super) fn breaks_a_promise(self) -> bool {
        match self {
            Self::Doubled | Self::OutOfOrder | Self::Misdirected | Self::Stranger => true,
            Self::NoConnection | Self::Refused | Self::Rejected | Self::NotTaken | Self::Apology => false,
        }
    }
}

/// What happened in one second.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Second {
    /// Which, from 0.
    pub second: u64,
    /// Texts that left.
    pub said: u64,
    /// Texts that were acknowledged.
    pub acknowledged: u64,
    /// Texts that were answered.
    pub answered: u64,
    /// Faults of any kind.
    pub faults: u64,
    /// Texts that wait for an answer at its end.
    pub waiting: u64,
    /// Half of the answers of this second came within, in milliseconds.
    pub turn_p50_ms: f64,
    /// 99 of a hundred did.
    pub turn_p99_ms: f64,
    /// The gateway's share of one core, where its process is known.
    pub cpu: Option<f64>,
    /// The gateway's memory in bytes, where its process is known.
    pub memory: Option<u64>,
    /// How far it is, from 0 to 1.
    pub progress: f64,
}

/// The counters. Cheap to share.
pub(super) struct Figures {
    said: AtomicU64,
    acknowledged: AtomicU64,
    answered: AtomicU64,
    faults: [AtomicU64; Fault::ALL.len()],
    histograms: Mutex<Histograms>,
}

struct Histograms {
    acknowledge: Histogram<u64>,
    turn: Histogram<u64>,
    added: Histogram<u64>,
    lateness: Histogram<u64>,
    /// Turns of the present second.
    second: Histogram<u64>,
}

impl Default for Figures {
    fn default() -> Self {
        let new = || Histogram::new_with_bounds(1, micros(LONGEST), 3).expect("the bounds are in order");
        let histograms = Histograms { acknowledge: new(), turn: new(), added: new(), lateness: new(), second: new() };
        Self {
            said: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            faults: Default::default(),
            histograms: Mutex::new(histograms),
        }
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.min(LONGEST).as_micros()).expect("an hour has not so many microseconds").max(1)
}

impl Figures {
    pub(super) fn said(&self) {
        self.said.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn acknowledged(&self, after: Duration) {
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
        self.histograms().acknowledge.saturating_record(micros(after));
    }

    /// A text was answered; `added` is what is left without the assistant's own time, where that is known.
    pub(super) fn answered(&self, whole: Duration, added: Option<Duration>) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        let mut histograms = self.histograms();
        histograms.turn.saturating_record(micros(whole));
        histograms.second.saturating_record(micros(whole));
        if let Some(added) = added {
            histograms.added.saturating_record(micros(added));
        }
    }

    /// A text was answered that had waited since before this began: how long says nothing of the gateway.
    pub(super) fn answered_unmeasured(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    /// A text left so much later than it was due: then the driver, not the gateway, was slow.
    pub(super) fn late(&self, by: Duration) {
        self.histograms().lateness.saturating_record(micros(by));
    }

    pub(super) fn fault(&self, fault: Fault) {
        self.faults[fault as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count(&self, fault: Fault) -> u64 {
        self.faults[fault as usize].load(Ordering::Relaxed)
    }

    /// How many texts have left.
    pub(super) fn texts(&self) -> u64 {
        self.said.load(Ordering::Relaxed)
    }

    /// How many texts were answered.
    pub(super) fn answers(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// How many texts were acknowledged.
    pub(super) fn acknowledgements(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Until a text was acknowledged.
    pub(super) fn acknowledges(&self) -> Histogram<u64> {
        self.histograms().acknowledge.clone()
    }

    /// Until a text was answered.
    pub(super) fn turns(&self) -> Histogram<u64> {
        self.histograms().turn.clone()
    }

    /// The same without the assistant's own time.
    pub(super) fn added(&self) -> Histogram<u64> {
        self.histograms().added.clone()
    }

    /// How late the driver was.
    pub(super) fn lateness(&self) -> Histogram<u64> {
        self.histograms().lateness.clone()
    }

    /// Forgets every latency so far: what comes from here on is measured.
    pub(super) fn forget_latencies(&self) {
        let mut histograms = self.histograms();
        let Histograms { acknowledge, turn, added, lateness, second: _ } = &mut *histograms;
        [acknowledge, turn, added, lateness].into_iter().for_each(Histogram::reset);
    }

    /// What has happened since `before`, and the totals for the next call.
    pub(super) fn second(&self, before: &mut Totals) -> Second {
        let faults = self.faults.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        let now =
            Totals { said: self.texts(), acknowledged: self.acknowledgements(), answered: self.answers(), faults };
        let last = std::mem::replace(before, now);
        let mut histograms = self.histograms();
        let at = |quantile| histograms.second.value_at_quantile(quantile) as f64 / 1_000.0;
        let (turn_p50_ms, turn_p99_ms) = (at(0.5), at(0.99));
        histograms.second.reset();
        Second {
            said: now.said - last.said,
            acknowledged: now.acknowledged - last.acknowledged,
            answered: now.answered - last.answered,
            faults: now.faults - last.faults,
            turn_p50_ms,
            turn_p99_ms,
            ..Second::default()
        }
    }

    fn histograms(&self) -> MutexGuard<'_, Histograms> {
        self.histograms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The counters at one moment.
#[derive(Clone, Copy, Default)]
pub(super) struct Totals {
    said: u64,
    acknowledged: u64,
    answered: u64,
    faults: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_what_happened_in_it_and_nothing_of_the_one_before() {
        let (figures, mut totals) = (Figures::default(), Totals::default());
        figures.said();
        figures.answered(Duration::from_millis(80), None);
        figures.fault(Fault::Refused);
        let first = figures.second(&mut totals);
        assert_eq!((first.said, first.answered, first.faults), (1, 1, 1));
        assert!((79.0..81.0).contains(&first.turn_p99_ms));
        let second = figures.second(&mut totals);
        assert_eq!((second.said, second.answered, second.faults), (0, 0, 0));
        assert!(second.turn_p99_ms < 0.001);
    }

    #[test]
    fn latencies_are_forgotten_and_counts_are_not() {
        let figures = Figures::default();
        let happen = || {
            figures.acknowledged(Duration::from_millis(2));
            figures.answered(Duration::from_millis(80), Some(Duration::from_millis(70)));
            figures.late(Duration::from_millis(1));
        };
        happen();
        figures.forget_latencies();
        let measured =
            || [figures.acknowledges(), figures.turns(), figures.added(), figures.lateness()].map(|times| times.len());
        assert_eq!((measured(), figures.answers(), figures.acknowledgements()), ([0; 4], 1, 1));
        assert_eq!(figures.second(&mut Totals::default()).answered, 1);
        happen();
        assert_eq!((measured(), figures.answers()), ([1; 4], 2));
    }

    #[test]
    fn faults_are_listed_in_the_order_of_their_counters() {
        for (place, fault) in Fault::ALL.into_iter().enumerate() {
            assert_eq!(fault as usize, place);
        }
    }
}
