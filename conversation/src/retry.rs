//! When to try again: exponential back-off with jitter. The random bits are given, so that a schedule can be repeated.

use std::time::Duration;

/// A growing wait between attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure, before jitter.
    pub first: Duration,
    /// No wait is longer than this.
    pub longest: Duration,
}

impl Backoff {
    /// The wait after `failures` attempts have failed (at least one): doubled each time, capped, then shortened by up to a
    /// quarter by `random` so that many conversations do not return in step.
    #[must_use]
    pub fn after(&self, failures: u32, random: u64) -> Duration {
        let doubled = self.first.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
        let full = doubled.min(self.longest);
        let quarter = u64::try_from(full.as_millis() / 4).unwrap_or(u64::MAX);
        full.saturating_sub(Duration::from_millis(random % quarter.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { first: Duration::from_secs(2), longest: Duration::from_secs(60) };

    #[test]
    fn waits_double_up_to_the_longest() {
        let waits: Vec<u64> = [1, 2, 3, 6, 40, u32::MAX].map(|n| BACKOFF.after(n, 0).as_secs()).into();
        assert_eq!(waits, [2, 4, 8, 60, 60, 60]);
    }

    #[test]
    fn jitter_takes_off_less_than_a_quarter() {
        for random in 0..2_000 {
            let wait = BACKOFF.after(1, random);
            assert!(wait > Duration::from_millis(1_500) && wait <= Duration::from_secs(2), "{wait:?}");
        }
    }
}
