//! How much the store has to do and how fast it is, for whoever watches it: a handful of numbers that the writer leaves behind as it goes.
//! Reading them asks neither the disk nor the writer, so that a watcher of a store that hangs does not hang with it.
//!
//! A [`Tally`] counts what has a size into classes, without a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc::{Sender, WeakSender};

use crate::committer::{Offer, Request};

/// The upper ends of the classes of how long a sync takes, in microseconds: a journal on a good disk needs less than a millisecond.
const SYNC_MICROS: [u64; 13] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000];

/// The upper ends of the classes of how many requests one batch has.
const BATCH_REQUESTS: [u64; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];

/// What is known of a running store.
#[derive(Debug)]
pub struct Figures {
    /// How many requests each batch had.
    pub batch_requests: Tally,
    /// How long it took until a batch was durable, in microseconds; where the engine measures it.
    pub sync_micros: Tally,
    /// How many bytes the journal's current segment has.
    pub journal_bytes: Level,
    /// How many work records of all conversations together wait to be taken.
    pub unread: Level,
    /// How much room the disk had left when the writer looked last; nothing where it never has.
    pub free_bytes: Level,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            batch_requests: Tally::new(&BATCH_REQUESTS),
            sync_micros: Tally::new(&SYNC_MICROS),
            journal_bytes: Level::default(),
            unread: Level::default(),
            free_bytes: Level::default(),
        }
    }
}

/// A number that goes up and down; `None` until it is known.
#[derive(Debug)]
pub struct Level(AtomicU64);

/// In place of a number that is not known.
const UNKNOWN: u64 = u64::MAX;

impl Default for Level {
    fn default() -> Self {
        Self(AtomicU64::new(UNKNOWN))
    }
}

impl Level {
    /// How high it is.
    #[must_use]
    pub fn get(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|value| *value != UNKNOWN)
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

/// Counts by size.
#[derive(Debug)]
pub struct Tally {
    ends: &'static [u64],
    /// One more than there are ends: the last class has no end.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Tally {
    fn new(ends: &'static [u64]) -> Self {
        let counts = (0..=ends.len()).map(|_| AtomicU64::new(0)).collect();
        Self { ends, counts, sum: AtomicU64::new(0) }
    }

    pub(crate) fn add(&self, size: u64) {
        let class = self.ends.partition_point(|end| *end < size);
        self.counts[class].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(size, Ordering::Relaxed);
    }

    /// All sizes together.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum.load(Ordering::Relaxed)
    }

    /// The upper end of each class and how many were in it; the last class has none.
    pub fn classes(&self) -> impl Iterator<Item = (Option<u64>, u64)> {
        let ends = self.ends.iter().copied().map(Some).chain([None]);
        ends.zip(self.counts.iter().map(|count| count.load(Ordering::Relaxed)))
    }
}

/// The way to the figures of a store. It keeps neither the store nor its writer.
#[derive(Clone)]
pub struct Watch {
    figures: Arc<Figures>,
    requests: WeakSender<Request>,
    offers: WeakSender<Offer>,
}

/// How many wait in front of the writer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// What conversations want.
    pub requests: usize,
    /// What wants to be accepted.
    pub offers: usize,
}

impl Watch {
    pub(crate) fn new(figures: Arc<Figures>, requests: &Sender<Request>, offers: &Sender<Offer>) -> Self {
        Self { figures, requests: requests.downgrade(), offers: offers.downgrade() }
    }

    /// The figures.
    #[must_use]
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// How many wait in front of the writer; nobody does where the store is gone.
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        Waiting { requests: length(&self.requests), offers: length(&self.offers) }
    }
}

fn length<T>(line: &WeakSender<T>) -> usize {
    line.upgrade().map_or(0, |line| line.max_capacity() - line.capacity())
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[test]
    fn a_size_counts_in_the_class_whose_end_it_reaches() {
        let tally = Tally::new(&[10, 20]);
        for size in [0, 10, 11, 20, 21, 1_000] {
            tally.add(size);
        }
        assert_eq!(tally.classes().collect::<Vec<_>>(), [(Some(10), 2), (Some(20), 2), (None, 2)]);
        assert_eq!(tally.sum(), 1_062);
    }

    #[test]
    fn a_level_is_unknown_until_it_was_set() {
        let level = Level::default();
        assert_eq!(level.get(), None);
        level.set(0);
        assert_eq!(level.get(), Some(0));
    }

    #[tokio::test]
    async fn those_who_wait_are_counted_as_long_as_there_is_a_queue() {
        let (requests, _requested) = mpsc::channel(4);
        let (offers, _offered) = mpsc::channel(4);
        let watch = Watch::new(Arc::default(), &requests, &offers);
        for _ in 0..3 {
            requests.try_send(Request::NoteHeard(Vec::new())).ok().unwrap();
        }
        assert_eq!(watch.waiting(), Waiting { requests: 3, offers: 0 });
        drop((requests, offers));
        assert_eq!(watch.waiting(), Waiting::default());
    }
}
