//! The system's time and randomness.

use std::time::{SystemTime, UNIX_EPOCH};

use raconteur_conversation::time::UnixMillis;
use uuid::Uuid;

use crate::port::Clock;

/// The real thing.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn seed(&self) -> u128 {
        Uuid::new_v4().as_u128()
    }
}
