//! Rests between rounds. A round costs a wake-up and a sync however much it writes, so when requests come thick it pays to begin one only
//! so often: meanwhile more of them gather. Who comes alone does not wait, since the last round has begun long ago.

use std::time::{Duration, Instant};

/// When the next round may begin.
pub(crate) enum Rest {
    /// At once: no clock is touched, and nobody's thread sleeps.
    Never,
    /// No sooner than so long after the last one has begun. The thread sleeps until then.
    Between { interval: Duration, began: Option<Instant> },
}

impl Rest {
    /// At least so long from the beginning of a round to that of the next.
    pub(crate) fn between(interval: Duration) -> Self {
        if interval.is_zero() { Self::Never } else { Self::Between { interval, began: None } }
    }

    /// Returns when a round may begin, which it then does.
    pub(super) fn take(&mut self) {
        let Self::Between { interval, began } = self else { return };
        let left = began.and_then(|began| interval.checked_sub(began.elapsed()));
        left.into_iter().for_each(std::thread::sleep);
        *began = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_begin_no_sooner_than_an_interval_apart_and_the_first_at_once() {
        let interval = Duration::from_millis(20);
        let mut rest = Rest::between(interval);
        let mut began = Vec::new();
        for _ in 0..3 {
            rest.take();
            let Rest::Between { began: at, .. } = &rest else { panic!("it has an interval") };
            began.extend(*at);
        }
        assert!(began.windows(2).all(|pair| pair[1] - pair[0] >= interval), "{began:?}");
        assert!(matches!(Rest::between(Duration::ZERO), Rest::Never));
    }
}
