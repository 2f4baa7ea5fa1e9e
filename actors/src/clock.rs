//! The system's time and randomness.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use raconteur_conversation::time::UnixMillis;

use crate::port::Clock;

/// So many bytes are asked of the system at once. A text needs 16, and a turn calls into the system some eight times: this would be one of them.
const DRAWN: usize = 1_024;

/// The real thing. Clones draw from the same well.
#[derive(Clone, Debug, Default)]
pub struct SystemClock {
    seeds: Arc<Mutex<Seeds>>,
}

/// What was drawn and not yet given out. Nobody sees it in a log.
#[derive(Default)]
struct Seeds(Vec<u128>);

impl std::fmt::Debug for Seeds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seeds")
    }
}

impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn seed(&self) -> u128 {
        let mut seeds = self.seeds.lock().unwrap_or_else(PoisonError::into_inner);
        seeds.0.pop().unwrap_or_else(|| seeds.draw())
    }
}

impl Seeds {
    /// Draws anew, and gives one out.
    fn draw(&mut self) -> u128 {
        let mut bytes = [0; DRAWN];
        getrandom::fill(&mut bytes).expect("the system has randomness");
        let (seeds, _) = bytes.as_chunks();
        self.0.extend(seeds.iter().map(|seed| u128::from_ne_bytes(*seed)));
        self.0.pop().expect("as many as were drawn are there")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_seed_is_given_out_twice() {
        let clock = SystemClock::default();
        let other = clock.clone();
        let seeds: BTreeSet<u128> = (0..200).flat_map(|_| [clock.seed(), other.seed()]).collect();
        assert_eq!(seeds.len(), 400);
        assert!(!format!("{clock:?}").contains(|c: char| c.is_ascii_digit()), "{clock:?}");
    }
}
