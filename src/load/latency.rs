//! How long a stand-in takes: always the same, or spread as the latencies of real services are, with a long tail.

use std::str::FromStr;
use std::time::Duration;

/// The 99th percentile of the normal distribution, in standard deviations.
const P99: f64 = 2.326_347_9;

/// How long something takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Latency {
    /// Always this long.
    Fixed(Duration),
    /// Log-normally distributed.
    Spread {
        /// Half are shorter.
        median: Duration,
        /// One in a hundred is longer.
        p99: Duration,
    },
}

impl Latency {
    /// One of them.
    #[must_use]
    pub fn draw(self, dice: &mut fastrand::Rng) -> Duration {
        match self {
            Self::Fixed(span) => span,
            Self::Spread { median, p99 } => {
                let sigma = (p99.as_secs_f64() / median.as_secs_f64()).ln() / P99;
                Duration::from_secs_f64((median.as_secs_f64() * (sigma * normal(dice)).exp()).min(600.0))
            }
        }
    }
}

/// A normally distributed number, by Box and Muller.
fn normal(dice: &mut fastrand::Rng) -> f64 {
    let (one, two) = (1.0 - dice.f64(), dice.f64());
    (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * two).cos()
}

impl FromStr for Latency {
    type Err = String;

    /// Reads `300ms`, or `300ms..2s` for a median and a 99th percentile.
    fn from_str(text: &str) -> Result<Self, String> {
        let span = |text: &str| {
            humantime::parse_duration(text.trim()).map_err(|error| {
                format!("{error}: write \"300ms\", or \"300ms..2s\" for a median and a 99th percentile")
            })
        };
        let Some((median, p99)) = text.split_once("..") else { return span(text).map(Self::Fixed) };
        let (median, p99) = (span(median)?, span(p99)?);
        if median.is_zero() || p99 < median {
            return Err("the median must be above 0 and at most the 99th percentile, as in \"300ms..2s\"".into());
        }
        Ok(Self::Spread { median, p99 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_is_a_span_or_a_median_and_a_tail() {
        assert_eq!("300ms".parse(), Ok(Latency::Fixed(Duration::from_millis(300))));
        let spread = Latency::Spread { median: Duration::from_millis(300), p99: Duration::from_secs(2) };
        assert_eq!("300ms..2s".parse(), Ok(spread));
        for bad in ["", "3", "2s..1s", "0s..1s", "1s..", "1s..2s..3s"] {
            assert!(bad.parse::<Latency>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_drawn_has_the_median_and_the_tail() {
        let mut dice = fastrand::Rng::with_seed(7);
        let spread: Latency = "100ms..1s".parse().unwrap();
        let mut drawn: Vec<Duration> = (0..20_000).map(|_| spread.draw(&mut dice)).collect();
        drawn.sort_unstable();
        let at = |share: f64| drawn[(20_000.0 * share) as usize].as_millis();
        assert!((95..=105).contains(&at(0.5)), "{}", at(0.5));
        assert!((850..=1_200).contains(&at(0.99)), "{}", at(0.99));
    }
}
