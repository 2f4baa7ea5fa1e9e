//! What was measured during a soak, as a table; and how what is held changes in its second half.

use std::fmt::{self, Write as _};
use std::time::Duration;

use super::gateway::{Held, Told};

/// One look at everything.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    /// Since the beginning.
    pub(crate) at: Duration,
    pub(crate) held: Held,
    pub(crate) told: Told,
    /// Texts that were acknowledged.
    pub(crate) accepted: u64,
    /// Requests that had to come again.
    pub(crate) repeated: u64,
    /// Texts that are still to come to users.
    pub(crate) missing: u64,
}

impl Sample {
    /// Acknowledged and not yet taken, as far as both sides tell at the same time.
    pub(crate) fn backlog(&self) -> u64 {
        self.accepted.saturating_sub(self.told.turns)
    }
}

/// How something changes: a line through its samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Trend {
    /// In the middle.
    pub(crate) mean: f64,
    /// From the first to the last of them.
    pub(crate) change: f64,
}

impl fmt::Display for Trend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} ({:+.1} %)", self.mean, self.share() * 100.0)
    }
}

impl Trend {
    /// The share of the mean by which it changes.
    pub(crate) fn share(&self) -> f64 {
        if self.mean == 0.0 { 0.0 } else { self.change / self.mean }
    }
}

/// The line of least squares through the second half.
pub(crate) fn second_half(samples: &[Sample], value: impl Fn(&Sample) -> u64) -> Trend {
    let half = &samples[samples.len() / 2..];
    let points: Vec<(f64, f64)> = half.iter().map(|sample| (sample.at.as_secs_f64(), value(sample) as f64)).collect();
    let count = points.len().max(1) as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (middle, mean) = (mean(|point| point.0), mean(|point| point.1));
    let (mut product, mut square) = (0.0, 0.0);
    for (at, value) in &points {
        product += (at - middle) * (value - mean);
        square += (at - middle) * (at - middle);
    }
    let slope = if square > 0.0 { product / square } else { 0.0 };
    let span = points.last().map_or(0.0, |last| last.0) - points.first().map_or(0.0, |first| first.0);
    Trend { mean, change: slope * span }
}

/// All samples as comma-separated values.
pub(crate) fn table(samples: &[Sample]) -> String {
    let mut text = String::from(
        "seconds,accepted,turns,failed,sent,unsent,timeouts,backlog,missing,repeated,residents,rss_kib,threads,descriptors,disk_bytes,files\n",
    );
    for sample in samples {
        let Sample { at, held, told, accepted, repeated, missing } = sample;
        let _ = writeln!(
            text,
            "{:.1},{accepted},{},{},{},{},{},{},{missing},{repeated},{},{},{},{},{},{}",
            at.as_secs_f64(),
            told.turns,
            told.failed,
            told.sent,
            told.unsent,
            told.timeouts,
            sample.backlog(),
            told.residents,
            held.resident_kib,
            held.threads,
            held.descriptors,
            held.disk_bytes,
            held.files,
        );
    }
    text
}

#[test]
fn a_trend_is_the_line_through_the_second_half() {
    let sample = |second: u64, kib: u64| Sample {
        at: Duration::from_secs(second),
        held: Held { resident_kib: kib, ..Held::default() },
        ..Sample::default()
    };
    let memory = |sample: &Sample| sample.held.resident_kib;
    let rising: Vec<Sample> =
        (0..10).map(|second| sample(second, if second < 5 { 7 } else { 100 + 10 * second })).collect();
    assert_eq!(second_half(&rising, memory), Trend { mean: 170.0, change: 40.0 });
    let flat: Vec<Sample> = (0..10).map(|second| sample(second, 100 + second % 2)).collect();
    assert!(second_half(&flat, memory).share() < 0.01);
    assert_eq!(second_half(&[sample(0, 5)], memory), Trend { mean: 5.0, change: 0.0 });
}
