//! What came of a load: figures for people and machines, and whether they are within the limits that were set.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::figures::{Fault, Figures, Second};
use super::process::Cost;
use super::{LoadOptions, OwnStore, Pace, Target, Wire};

/// What was measured beside the figures.
pub(super) struct Outcome {
    pub(super) lasted: Duration,
    /// Answers until the crowd stopped; the rates are made of these.
    pub(super) answered_in_time: u64,
    pub(super) unanswered: u64,
    pub(super) started_in: Option<Duration>,
    pub(super) before: Option<Cost>,
    /// When the crowd stopped.
    pub(super) spent: Option<Cost>,
    /// When the last answer had come.
    pub(super) after: Option<Cost>,
    pub(super) seconds: Vec<Second>,
}

/// A load in figures. Times are in milliseconds, memory is in bytes.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was asked for, in words.
    pub what: String,
    /// How long a gateway of our own took until it was running, in milliseconds.
    pub started_in: Option<f64>,
    /// How long the crowd texted before anything was measured, in seconds: in no rate, latency or cost.
    pub warm_up: f64,
    /// How long it texted then, in seconds.
    pub seconds: f64,
    /// Texters.
    pub texters: u32,
    /// Texts that left.
    pub texts: u64,
    /// Texts that were acknowledged.
    pub acknowledged: u64,
    /// Texts that were answered.
    pub answered: u64,
    /// Texts that were never answered.
    pub unanswered: u64,
    /// Answers a second.
    pub turns_per_second: f64,
    /// Until a text was acknowledged.
    pub acknowledge: Percentiles,
    /// Until a text was answered.
    pub turn: Percentiles,
    /// The same without the assistant's own time: what the gateway adds, and the provider's time to take the answer.
    pub added: Percentiles,
    /// How late the texts themselves left: the load generator's own delay.
    pub lateness: Percentiles,
    /// What went wrong, by kind; nothing that never happened.
    pub faults: Vec<(&'static str, u64)>,
    /// The gateway's processor time for each turn, in microseconds.
    pub cpu_per_turn_us: Option<f64>,
    /// The gateway's share of one core.
    pub cpu_cores: Option<f64>,
    /// The gateway's memory at the end.
    pub memory: Option<u64>,
    /// The most that it ever was.
    pub memory_peak: Option<u64>,
    /// Promises that were broken: answers that are missing, doubled, out of order or somebody else's.
    pub broken_promises: u64,
    /// One line for each second.
    pub each_second: Vec<Second>,
}

/// A distribution of times, in milliseconds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Percentiles {
    /// How many.
    pub count: u64,
    /// Half.
    pub p50: f64,
    /// Nine of ten.
    pub p90: f64,
    /// 99 of a hundred.
    pub p99: f64,
    /// 999 of a thousand.
    pub p999: f64,
    /// All.
    pub max: f64,
    /// The whole distribution: a share of all, and the time that it stayed within.
    pub curve: Vec<(f64, f64)>,
}

impl Percentiles {
    fn of(histogram: &Histogram<u64>) -> Self {
        if histogram.is_empty() {
            return Self::default();
        }
        let at = |quantile| millis(histogram.value_at_quantile(quantile));
        let curve =
            histogram.iter_quantiles(5).map(|step| (step.quantile(), millis(step.value_iterated_to()))).collect();
        Self {
            count: histogram.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: millis(histogram.max()),
            curve,
        }
    }
}

fn millis(micros: u64) -> f64 {
    micros as f64 / 1_000.0
}

/// A limit that a load must stay within.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// 99 of a hundred answers: what the gateway adds, or where that is not known the whole turn.
    TurnP99(Duration),
    /// 99 of a hundred acknowledgements.
    AcknowledgeP99(Duration),
    /// Faults of any kind.
    Faults(u64),
    /// At least so many answers a second.
    Rate(f64),
}

impl Report {
    pub(super) fn of(options: &LoadOptions, figures: &Figures, outcome: Outcome) -> Self {
        let Outcome { lasted, answered_in_time, unanswered, started_in, before, spent, after, seconds } = outcome;
        let cpu = before.zip(spent).map(|(before, spent)| spent.cpu.saturating_sub(before.cpu).as_secs_f64());
        let counted = Fault::ALL.map(|fault| (fault, figures.count(fault)));
        let broken: u64 = counted.iter().filter(|(fault, _)| fault.breaks_a_promise()).map(|(_, count)| count).sum();
        Self {
            what: what(options),
            started_in: started_in.map(|span| span.as_secs_f64() * 1_000.0),
            warm_up: options.warm_up.as_secs_f64(),
            seconds: lasted.as_secs_f64(),
            texters: options.crowd.texters,
            texts: figures.texts(),
            acknowledged: figures.acknowledgements(),
            answered: figures.answers(),
            unanswered,
            turns_per_second: answered_in_time as f64 / lasted.as_secs_f64(),
            acknowledge: Percentiles::of(&figures.acknowledges()),
            turn: Percentiles::of(&figures.turns()),
            added: Percentiles::of(&figures.added()),
            lateness: Percentiles::of(&figures.lateness()),
            faults: counted
                .iter()
                .filter(|(_, count)| *count > 0)
                .map(|(fault, count)| (fault.name(), *count))
                .collect(),
            cpu_per_turn_us: cpu.filter(|_| answered_in_time > 0).map(|cpu| cpu * 1e6 / answered_in_time as f64),
            cpu_cores: cpu.map(|cpu| cpu / lasted.as_secs_f64()),
            memory: after.map(|cost| cost.memory),
            memory_peak: after.map(|cost| cost.memory_peak),
            broken_promises: broken + unanswered,
            each_second: seconds,
        }
    }

    /// Everything that is not within these limits, in words; broken promises always are among it.
    #[must_use]
    pub fn failures(&self, limits: &[Limit]) -> Vec<String> {
        let mut failures = Vec::new();
        if self.broken_promises > 0 {
            failures.push(format!(
                "{} answers are missing, doubled, out of order or somebody else's",
                self.broken_promises
            ));
        }
        if self.answered == 0 {
            failures.push("nothing was answered".into());
        }
        failures.extend(limits.iter().filter_map(|limit| self.beyond(*limit)));
        failures
    }

    fn beyond(&self, limit: Limit) -> Option<String> {
        let longer = |what: &str, is: f64, most: Duration| {
            (is > most.as_secs_f64() * 1_000.0)
                .then(|| format!("{what} p99 is {is:.1} ms, more than {}", humantime::format_duration(most)))
        };
        match limit {
            Limit::TurnP99(most) if self.added.count > 0 => longer("added latency", self.added.p99, most),
            Limit::TurnP99(most) => longer("turn", self.turn.p99, most),
            Limit::AcknowledgeP99(most) => longer("acknowledge", self.acknowledge.p99, most),
            Limit::Faults(most) => {
                let faults: u64 = self.faults.iter().map(|(_, count)| count).sum();
                (faults > most).then(|| format!("there were {faults} faults, more than {most}"))
            }
            Limit::Rate(least) => (self.turns_per_second < least)
                .then(|| format!("{:.1} turns a second are fewer than {least}", self.turns_per_second)),
        }
    }
}

fn what(options: &LoadOptions) -> String {
    let crowd = &options.crowd;
    let pace = match crowd.pace {
        Pace::Thinking(think) if think.is_zero() => "texting as fast as they are answered".to_owned(),
        Pace::Thinking(think) => format!("thinking {}", humantime::format_duration(think)),
        Pace::Fixed(rate) => format!("{rate} texts a second"),
    };
    let wire = match options.wire {
        Wire::Phone => "the simulated phone",
        Wire::Twilio { .. } => "Twilio's wire format",
    };
    let target = match &options.target {
        Target::Own { store: OwnStore::Sled | OwnStore::Kept(_), .. } => "a gateway of its own on sled".to_owned(),
        Target::Own { store: OwnStore::Memory, .. } => "a gateway of its own in memory".to_owned(),
        Target::Running { url, .. } => format!("the gateway at {url}"),
    };
    let warm_up = match options.warm_up {
        Duration::ZERO => String::new(),
        span => format!(", measured after {} of warming up", humantime::format_duration(span)),
    };
    format!("{} texters, {pace}, by {wire}, against {target}{warm_up}", crowd.texters)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut histogram = Histogram::new(3).unwrap();
        (1..=1_000).for_each(|value| histogram.record(value * 100).unwrap());
        let percentiles = Percentiles::of(&histogram);
        Report {
            what: String::new(),
            started_in: None,
            warm_up: 0.0,
            seconds: 10.0,
            texters: 1,
            texts: 1_000,
            acknowledged: 1_000,
            answered: 1_000,
            unanswered: 0,
            turns_per_second: 100.0,
            acknowledge: percentiles.clone(),
            turn: percentiles.clone(),
            added: percentiles,
            lateness: Percentiles::default(),
            faults: vec![("rejected", 3)],
            cpu_per_turn_us: None,
            cpu_cores: None,
            memory: None,
            memory_peak: None,
            broken_promises: 0,
            each_second: Vec::new(),
        }
    }

    #[test]
    fn a_distribution_is_told_in_milliseconds() {
        let Percentiles { count, p50, p99, max, curve, .. } = report().turn;
        assert_eq!(count, 1_000);
        assert!((49.9..50.2).contains(&p50) && (98.9..99.3).contains(&p99) && (99.9..100.2).contains(&max));
        assert!(curve.len() > 10 && curve.windows(2).all(|pair| pair[0] <= pair[1]));
    }

    #[test]
    fn what_is_beyond_a_limit_fails_and_what_is_within_does_not() {
        let spans = [Duration::from_millis(98), Duration::from_millis(100)];
        let limits = [Limit::TurnP99(spans[0]), Limit::AcknowledgeP99(spans[0]), Limit::Faults(2), Limit::Rate(101.0)];
        assert_eq!(report().failures(&limits).len(), 4);
        let limits = [Limit::TurnP99(spans[1]), Limit::AcknowledgeP99(spans[1]), Limit::Faults(3), Limit::Rate(100.0)];
        assert_eq!(report().failures(&limits), [] as [&str; 0]);
    }

    #[test]
    fn a_broken_promise_fails_without_any_limit() {
        assert_eq!(Report { broken_promises: 1, ..report() }.failures(&[]).len(), 1);
        assert_eq!(Report { answered: 0, ..report() }.failures(&[]).len(), 1);
    }
}
