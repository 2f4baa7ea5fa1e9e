//! A log of our own before a slower map: a batch is durable once it stands at the end of one file, and reaches the map later, together
//! with many others. What a conversation writes over and over reaches it once, and what comes and goes in between never does.
//!
//! ```text
//! apply --> pending bytes, young layer          sync --> segment file, durable          tidy --> watermark
//!                            | a segment is full: the young layer becomes the old one, another segment is begun
//!                            v
//!           checkpoint thread: old layer --> the map, in the order of the keys; sync; then the segment may be written over
//! ```
//!
//! Reads look into the young layer, the old one and the map, in this order. Each batch has a number; the map keeps the number up to
//! which it has everything, under a key of its own and last. Whoever opens the directory reads what comes behind it from the segments:
//! that is the old layer then, on its way to the map while the first new batches are written. A process that dies leaves at most two
//! segments that the map lacks, so a third is there to be begun; only if one dies again before the map has them, they come first.

mod blocks;
mod checkpoint;
mod layer;
mod layers;
mod segment;
pub(in crate::engine) mod watermark;

use std::fs::File;
use std::io;
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use checkpoint::{Checkpoints, PACE, Pace, bring};
use layers::Recent;
use segment::{Log, Replayed};
use watermark::Watermark;

use super::{Batch, Order, Visit};
use crate::StoreError;
use crate::background;
use crate::figures::Figures;

pub(in crate::engine) use segment::FILES as SEGMENT_FILES;

/// The number up to which the map has everything. Behind every record, see the key table.
const NUMBER_KEY: &[u8] = b"\xffbatches";

/// Once a segment has this many bytes another one is begun.
pub(super) const SEGMENT_BYTES: u64 = 8 << 20;

/// It may grow to so many times as much while the checkpoint of the one before runs; then the writer waits for it.
const PATIENCE: u64 = 2;

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
    checkpoints: Arc<Checkpoints<B>>,
    log: Mutex<Log>,
    worker: Option<JoinHandle<()>>,
    segment_bytes: u64,
    figures: OnceLock<Arc<Figures>>,
}

impl<B: Base> Journal<B> {
    /// Reads what the segments in `directory` have and the map has not, and begins another one behind it. Returns how many batches are
    /// missing of those that were acknowledged.
    ///
    /// # Errors
    /// [`StoreError::Behind`] when some are and that is not accepted, or what the map or the directory report.
    pub(super) fn open(
        directory: &Path,
        base: B,
        (segment_bytes, loss): (u64, Loss),
    ) -> Result<(Self, u64), StoreError> {
        Self::open_at(directory, base, (segment_bytes, loss), PACE)
    }

    fn open_at(
        directory: &Path,
        base: B,
        (segment_bytes, loss): (u64, Loss),
        pace: Pace,
    ) -> Result<(Self, u64), StoreError> {
        let in_map = base.get(NUMBER_KEY)?;
        let in_map = in_map.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
        let failure = |error: io::Error| base.failure(&error);
        let mut replayed = Replayed::read(directory, in_map).map_err(failure)?;
        let number = replayed.number;
        let noted = Watermark::read(directory).map_err(failure)?.unwrap_or_default();
        let missing = noted.saturating_sub(number);
        if missing > 0 && loss == Loss::Refuse {
            return Err(StoreError::Behind { path: directory.display().to_string(), missing });
        }
        if replayed.leaves_no_segment() {
            bring(&base, &replayed.changes, number, |_| ())?;
            replayed = Replayed::nothing(number);
        }
        // What opening has mended or forgotten must not come back behind a watermark that does not know it.
        base.sync()?;
        let watermark = Watermark::begin(directory, number).map_err(failure)?;
        let log = Log::begin(directory, &replayed, watermark).map_err(failure)?;
        File::open(directory).and_then(|entries| entries.sync_all()).map_err(failure)?;
        let checkpoints = Arc::new(Checkpoints::new(base, segment_bytes, pace));
        if replayed.holds_any() {
            checkpoints.layers.begin(replayed.changes);
            checkpoints.want(number);
        }
        let works = Arc::clone(&checkpoints);
        let worker = thread::Builder::new().name("checkpoint".into()).spawn(move || {
            background::stand_back();
            works.run();
        });
        let worker = Some(worker.map_err(|error| checkpoints.base.failure(&error))?);
        Ok((Self { checkpoints, log: Mutex::new(log), worker, segment_bytes, figures: OnceLock::new() }, missing))
    }

    /// See [`super::Engine::get`].
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.checkpoints.layers.get(key) {
            Some(value) => Ok(value),
            None => self.checkpoints.base.get(key),
        }
    }

    /// See [`super::Engine::scan`].
    pub(super) fn scan(&self, range: &Range<Vec<u8>>, order: Order, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        if range.is_empty() {
            return Ok(());
        }
        let _held = self.checkpoints.layers.hold();
        let mut recent = Recent::new(&self.checkpoints.layers, range.clone(), order);
        let mut flow = ControlFlow::Continue(());
        self.checkpoints.base.scan(range, order, &mut |key, value| {
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
        self.checkpoints.check()?;
        let mut log = self.log();
        self.tidy_up(&mut log)?;
        log.append(&batch);
        self.checkpoints.layers.add(batch);
        Ok(())
    }

    /// See [`super::Engine::sync`].
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        let mut log = self.log();
        let began = Instant::now();
        log.sync().map_err(|error| self.checkpoints.base.failure(&error))?;
        self.checkpoints.note_filled(log.length());
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

    /// Notes how far the last sync has come, and begins another segment where this one is full. What was applied since belongs into
    /// this one, and to the young layer.
    fn tidy_up(&self, log: &mut Log) -> Result<(), StoreError> {
        if log.is_behind() {
            return Ok(());
        }
        log.note().map_err(|error| self.checkpoints.base.failure(&error))?;
        if log.length() >= self.segment_bytes
            && self.checkpoints.may_begin(log.length() >= PATIENCE * self.segment_bytes)?
        {
            self.checkpoints.layers.age();
            self.checkpoints.want(log.number());
            log.turn_over();
        }
        Ok(())
    }

    /// The map.
    pub(super) fn base(&self) -> &B {
        &self.checkpoints.base
    }

    /// See [`super::Engine::report_to`]. The first to whom it reports stays the only one.
    pub(super) fn report_to(&self, figures: &Arc<Figures>) {
        figures.journal_bytes.set(self.log().length());
        let _ = self.figures.set(Arc::clone(figures));
    }

    /// Waits until no checkpoint runs.
    #[cfg(test)]
    pub(super) fn settle(&self) {
        assert_eq!(self.checkpoints.may_begin(true), Ok(true));
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings everything to the map, so that it is whole without the segments.
    ///
    /// # Errors
    /// What the map reports; then the segments still have it.
    fn finish(&mut self) -> Result<(), StoreError> {
        self.checkpoints.may_begin(true)?;
        let mut log = self.log();
        log.sync().and_then(|()| log.note()).map_err(|error| self.checkpoints.base.failure(&error))?;
        let number = log.number();
        drop(log);
        self.checkpoints.layers.age();
        self.checkpoints.bring_old(number)
    }
}

impl<B: Base> Drop for Journal<B> {
    fn drop(&mut self) {
        if let Err(error) = self.finish() {
            tracing::warn!(%error, "what was written last stays in the journal until the next start");
        }
        self.checkpoints.end();
        if let Some(worker) = self.worker.take() {
            // It has nothing to say: its errors were passed on.
            drop(worker.join());
        }
    }
}

#[cfg(test)]
mod tests;
