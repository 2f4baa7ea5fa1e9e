//! Whether the committer is at work, and at which round: so that somebody beside it can tell one that takes its time from one that
//! is stuck in a disk which never answers. The committer itself touches no clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The number of the round that is under way, odd; even between two rounds. Clones are the same pulse.
#[derive(Clone, Default)]
pub(crate) struct Pulse(Arc<AtomicU64>);

/// One round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Round(u64);

impl Pulse {
    /// A round begins.
    pub(super) fn begin(&self) -> Round {
        Round(self.0.fetch_add(1, Ordering::AcqRel).wrapping_add(1))
    }

    /// It has come to its end.
    pub(super) fn end(&self, round: Round) {
        self.0.store(round.0.wrapping_add(1), Ordering::Release);
    }

    /// The round that is under way.
    pub(crate) fn under_way(&self) -> Option<Round> {
        let round = self.0.load(Ordering::Acquire);
        (round % 2 == 1).then_some(Round(round))
    }
}
