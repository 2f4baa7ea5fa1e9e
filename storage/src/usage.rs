//! What a tenant has used: counters per day, kept exactly, since they change in the same batch as what they count.

use raconteur_conversation::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// A day, in days since 1970-01-01, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(pub u32);

impl Day {
    /// The day of a point in time.
    #[must_use]
    pub fn of(at: UnixMillis) -> Self {
        Self(u32::try_from(at.0 / 86_400_000).unwrap_or(u32::MAX))
    }

    /// When it begins.
    #[must_use]
    pub fn begins(self) -> UnixMillis {
        UnixMillis(u64::from(self.0) * 86_400_000)
    }
}

/// What was used on one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Texts that users sent, by the day of their acceptance.
    pub inbound: u64,
    /// Of these, texts that were answered without an error, by the day of the answer: what IBM's plans called billable.
    pub answered: u64,
    /// Texts of ours that the provider took, by the day on which they were written.
    pub outbound: u64,
    /// Their segments, as they are charged.
    pub outbound_segments: u64,
    /// Texts of ours that were not sent, or of which nobody knows.
    pub failed: u64,
}

/// How what was used changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) more: Usage,
    /// Where something turns out to be other than it was counted.
    pub(crate) less: Usage,
}

impl From<Usage> for Change {
    fn from(more: Usage) -> Self {
        Self { more, less: Usage::default() }
    }
}

/// Bytes of a stored day.
const STORED: usize = 5 * 8;

impl Usage {
    /// Adds what another one counts.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.counters_mut().into_iter().zip(other.counters()) {
            *mine = mine.saturating_add(theirs);
        }
    }

    /// Takes off what another one counts.
    pub(crate) fn take(&mut self, other: &Self) {
        for (mine, theirs) in self.counters_mut().into_iter().zip(other.counters()) {
            *mine = mine.saturating_sub(theirs);
        }
    }

    /// There is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        self.counters().into_iter().flat_map(u64::to_be_bytes).collect()
    }

    /// What cannot be read counts as nothing: a counter must not keep a text from being accepted.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let mut usage = Self::default();
        if bytes.len() >= STORED {
            for (counter, bytes) in usage.counters_mut().into_iter().zip(bytes.chunks_exact(8)) {
                *counter = bytes.try_into().map(u64::from_be_bytes).unwrap_or_default();
            }
        }
        usage
    }

    fn counters(&self) -> [u64; 5] {
        let Self { inbound, answered, outbound, outbound_segments, failed } = *self;
        [inbound, answered, outbound, outbound_segments, failed]
    }

    fn counters_mut(&mut self) -> [&mut u64; 5] {
        let Self { inbound, answered, outbound, outbound_segments, failed } = self;
        [inbound, answered, outbound, outbound_segments, failed]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_at_midnight_in_utc() {
        assert_eq!(Day::of(UnixMillis(86_399_999)), Day(0));
        assert_eq!(Day::of(UnixMillis(86_400_000)), Day(1));
        assert_eq!(Day(20_000).begins(), UnixMillis(1_728_000_000_000));
    }

    #[test]
    fn golden_usage_and_garbage() {
        let usage = Usage { inbound: 1, answered: 2, outbound: 3, outbound_segments: 4, failed: 5 };
        let bytes: Vec<u8> = [1_u64, 2, 3, 4, 5].into_iter().flat_map(u64::to_be_bytes).collect();
        assert_eq!(usage.write(), bytes);
        assert_eq!(Usage::read(&bytes), usage);
        assert_eq!(Usage::read(&bytes[1..]), Usage::default());
        let mut sum = usage;
        sum.add(&usage);
        assert_eq!((sum.inbound, sum.failed), (2, 10));
    }
}
