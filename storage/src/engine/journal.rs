//! A log of our own before a slower map: a batch is durable once it stands at the end of one file, and reaches the map later, together
//! with many others. What a conversation writes over and over reaches it once, and what comes and goes in between never does.
//!
//! ```text
//! apply --> pending bytes, young layer          sync --> segment file, fdatasync          tidy --> watermark
//!                            | a segment is full: the young layer becomes the old one, the other segment is begun
//!                            v
//!           checkpoint thread: old layer --> the map, in the order of the keys; sync; then the segment may be written over
//! ```
//!
//! Reads look into the young layer, the old one and the map, in this order. Each batch has a number; the map keeps the number up to
//! which it has everything, under a key of its own and last. Whoever opens the directory reads what comes behind it from the segments,
//! and brings it to the map first of all. So there are at most two segments, and neither is read while it is written.

mod layers;
mod segment;
pub(in crate::engine) mod watermark;

use std::fs::File;
use std::io;
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use layers::{Layers, Recent};
use segment::{Log, Replayed};
use watermark::Watermark;

use super::{Batch, Order, Visit};
use crate::StoreError;
use crate::figures::Figures;

pub(in crate::engine) use segment::FILES as SEGMENT_FILES;

/// The number up to which the map has everything. Behind every record, see the key table.
const NUMBER_KEY: &[u8] = b"\xffbatches";

/// Once a segment has this many bytes the other one is begun.
pub(super) const SEGMENT_BYTES: u64 = 16 << 20;

/// It may grow to so many times as much while the checkpoint of the other one runs; then the writer waits for it.
const PATIENCE: u64 = 4;

/// What the journal stands before: an ordered map whose changes need not be made together.
pub(super) trait Base: Send + Sync + 'static {
    /// See [`super::Engine::get`].
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
    /// See [`super::Engine::scan`].
    fn scan(&self, range: &Range<Vec<u8>>, order: Order, visit: &mut Visit<'_>) -> Result<(), StoreError>;
    /// Gives one key a value, or removes it.
    fn put(&self, key: &[u8], value: Option<&[u8]>) -> Result<(), StoreError>;
    /// Returns when everything that was put survives loss of power.
    fn sync(&self) -> Result<(), StoreError>;
    /// What an error of the directory comes to.
    fn failure(&self, error: &io::Error) -> StoreError;
}

/// What to do where the end of what was acknowledged is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    Refuse,
    Accept,
}

/// See the module.
pub(super) struct Journal<B: Base> {
    shared: Arc<Shared<B>>,
    log: Mutex<Log>,
    worker: Option<JoinHandle<()>>,
    segment_bytes: u64,
    figures: OnceLock<Arc<Figures>>,
}

struct Shared<B> {
    base: B,
    layers: Layers,
    checkpoint: Mutex<Checkpoint>,
    changed: Condvar,
}

/// What the checkpoint thread is at.
enum Checkpoint {
    Idle,
    /// The old layer is to be brought to the map, which then has everything up to this number.
    Wanted(u64),
    Failed(StoreError),
    /// Nothing more will be wanted.
    Over,
}

impl<B: Base> Journal<B> {
    /// Brings what the segments in `directory` have to the map, and begins anew behind it. Returns how many batches are missing of
    /// those that were acknowledged.
    ///
    /// # Errors
    /// [`StoreError::Behind`] when some are and that is not accepted, or what the map or the directory report.
    pub(super) fn open(
        directory: &Path,
        base: B,
        (segment_bytes, loss): (u64, Loss),
    ) -> Result<(Self, u64), StoreError> {
        let in_map = base.get(NUMBER_KEY)?;
        let in_map = in_map.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
        let failure = |error: io::Error| base.failure(&error);
        let Replayed { changes, number } = Replayed::read(directory, in_map).map_err(failure)?;
        let noted = Watermark::read(directory).map_err(failure)?.unwrap_or_default();
        let missing = noted.saturating_sub(number);
        if missing > 0 && loss == Loss::Refuse {
            return Err(StoreError::Behind { path: directory.display().to_string(), missing });
        }
        if number > in_map {
            bring(&base, &changes, number)?;
        }
        // What opening has mended or forgotten must not come back behind a watermark that does not know it.
        base.sync()?;
        let watermark = Watermark::begin(directory, number).map_err(failure)?;
        let log = Log::begin(directory, number, watermark).map_err(failure)?;
        File::open(directory).and_then(|entries| entries.sync_all()).map_err(failure)?;
        let (checkpoint, changed) = (Mutex::new(Checkpoint::Idle), Condvar::new());
        let shared = Arc::new(Shared { base, layers: Layers::default(), checkpoint, changed });
        let works = Arc::clone(&shared);
        let worker = thread::Builder::new().name("checkpoint".into()).spawn(move || works.run());
        let worker = Some(worker.map_err(|error| shared.base.failure(&error))?);
        Ok((Self { shared, log: Mutex::new(log), worker, segment_bytes, figures: OnceLock::new() }, missing))
    }

    /// See [`super::Engine::get`].
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.shared.layers.get(key) {
            Some(value) => Ok(value),
            None => self.shared.base.get(key),
        }
    }

    /// See [`super::Engine::scan`].
    pub(super) fn scan(&self, range: &Range<Vec<u8>>, order: Order, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        if range.is_empty() {
            return Ok(());
        }
        let _held = self.shared.layers.hold();
        let mut recent = Recent::new(&self.shared.layers, range.clone(), order);
        let mut flow = ControlFlow::Continue(());
        self.shared.base.scan(range, order, &mut |key, value| {
            flow = recent.up_to(key, value, visit);
            flow
        })?;
        if flow.is_continue() {
            recent.rest(visit);
        }
        Ok(())
    }

    /// See [`super::Engine::apply`].
    pub(super) fn apply(&self, batch: Batch) -> Result<(), StoreError> {
        self.shared.check()?;
        let mut log = self.log();
        self.tidy_up(&mut log)?;
        log.append(&batch);
        self.shared.layers.add(batch);
        Ok(())
    }

    /// See [`super::Engine::sync`].
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        let mut log = self.log();
        let began = Instant::now();
        log.sync().map_err(|error| self.shared.base.failure(&error))?;
        if let Some(figures) = self.figures.get() {
            figures.sync_micros.add(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
            figures.journal_bytes.set(log.length());
        }
        Ok(())
    }

    /// See [`super::Engine::tidy`].
    pub(super) fn tidy(&self) -> Result<(), StoreError> {
        self.tidy_up(&mut self.log())
    }

    /// Notes how far the last sync has come, and begins the other segment where this one is full. What was applied since belongs into
    /// this one, and to the young layer.
    fn tidy_up(&self, log: &mut Log) -> Result<(), StoreError> {
        if log.is_behind() {
            return Ok(());
        }
        log.note().map_err(|error| self.shared.base.failure(&error))?;
        if log.length() >= self.segment_bytes && self.shared.may_begin(log.length() >= PATIENCE * self.segment_bytes)? {
            self.shared.layers.age();
            self.shared.want(log.number());
            log.turn_over();
        }
        Ok(())
    }

    /// See [`super::Engine::report_to`]. The first to whom it reports stays the only one.
    pub(super) fn report_to(&self, figures: &Arc<Figures>) {
        figures.journal_bytes.set(self.log().length());
        let _ = self.figures.set(Arc::clone(figures));
    }

    /// Waits until no checkpoint runs.
    #[cfg(test)]
    pub(super) fn settle(&self) {
        assert_eq!(self.shared.may_begin(true), Ok(true));
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings everything to the map, so that it is whole without the segments.
    ///
    /// # Errors
    /// What the map reports; then the segments still have it.
    fn finish(&mut self) -> Result<(), StoreError> {
        self.shared.may_begin(true)?;
        let mut log = self.log();
        log.sync().and_then(|()| log.note()).map_err(|error| self.shared.base.failure(&error))?;
        let number = log.number();
        drop(log);
        self.shared.layers.age();
        self.shared.bring_old(number)
    }
}

impl<B: Base> Drop for Journal<B> {
    fn drop(&mut self) {
        if let Err(error) = self.finish() {
            tracing::warn!(%error, "what was written last stays in the journal until the next start");
        }
        self.shared.end();
        if let Some(worker) = self.worker.take() {
            // It has nothing to say: its errors were passed on.
            drop(worker.join());
        }
    }
}

impl<B: Base> Shared<B> {
    fn lock(&self) -> MutexGuard<'_, Checkpoint> {
        self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether all is well.
    fn check(&self) -> Result<(), StoreError> {
        match &*self.lock() {
            Checkpoint::Failed(error) => Err(error.clone()),
            Checkpoint::Idle | Checkpoint::Wanted(_) | Checkpoint::Over => Ok(()),
        }
    }

    /// Whether another checkpoint may be begun, or once it may.
    fn may_begin(&self, waits: bool) -> Result<bool, StoreError> {
        let mut checkpoint = self.lock();
        loop {
            match &*checkpoint {
                Checkpoint::Idle => return Ok(true),
                Checkpoint::Failed(error) => return Err(error.clone()),
                Checkpoint::Wanted(_) if waits => {
                    checkpoint = self.changed.wait(checkpoint).unwrap_or_else(PoisonError::into_inner);
                }
                Checkpoint::Wanted(_) | Checkpoint::Over => return Ok(false),
            }
        }
    }

    fn want(&self, number: u64) {
        *self.lock() = Checkpoint::Wanted(number);
        self.changed.notify_all();
    }

    fn end(&self) {
        *self.lock() = Checkpoint::Over;
        self.changed.notify_all();
    }

    /// The checkpoint thread.
    fn run(&self) {
        loop {
            let Some(number) = self.next() else { return };
            let brought = self.bring_old(number);
            let mut checkpoint = self.lock();
            match brought {
                Ok(()) => *checkpoint = Checkpoint::Idle,
                Err(error) => *checkpoint = Checkpoint::Failed(error),
            }
            self.changed.notify_all();
        }
    }

    /// Waits for the next one; `None` when there will be none.
    fn next(&self) -> Option<u64> {
        let mut checkpoint = self.lock();
        loop {
            match &*checkpoint {
                Checkpoint::Wanted(number) => return Some(*number),
                Checkpoint::Failed(_) | Checkpoint::Over => return None,
                Checkpoint::Idle => {
                    checkpoint = self.changed.wait(checkpoint).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    fn bring_old(&self, number: u64) -> Result<(), StoreError> {
        if let Some(old) = self.layers.old() {
            bring(&self.base, &old, number)?;
            self.base.sync()?;
            self.layers.retire();
        }
        Ok(())
    }
}

/// The number comes last: until it is there, the segments are read again, which changes nothing.
fn bring<B: Base>(base: &B, changes: &Batch, number: u64) -> Result<(), StoreError> {
    for (key, value) in changes {
        base.put(key, value.as_deref())?;
    }
    // What the number says must be on disk before the number can be: a map may keep its changes in another order.
    base.sync()?;
    base.put(NUMBER_KEY, Some(&number.to_be_bytes()))
}

#[cfg(test)]
mod tests;
