//! Brings the old layer to the map, on a thread of its own and no faster than it must: in one go it would take a core, and the disk,
//! from everybody who waits for an answer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::layer::Layer;
use super::layers::Layers;
use super::{Base, NUMBER_KEY};
use crate::StoreError;

/// How a checkpoint shares its time with everybody else.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// So many changes are put without a rest.
    pub(super) stride: usize,
    /// It then rests so many times as long as they took, if it is ahead of the segment that is being filled.
    pub(super) rest: u32,
}

pub(super) const PACE: Pace = Pace { stride: 64, rest: 3 };

/// The layers over a map, and what brings the older one to it.
pub(super) struct Checkpoints<B> {
    pub(super) base: B,
    pub(super) layers: Layers,
    state: Mutex<State>,
    changed: Condvar,
    /// How many bytes of the segment that is being filled are full, and at how many it is to be done.
    filled: AtomicU64,
    done_at: u64,
    pace: Pace,
}

#[derive(Default)]
struct State {
    at: Stage,
    /// Somebody waits for it.
    pressed: bool,
}

/// What the checkpoint thread is at.
#[derive(Default)]
enum Stage {
    #[default]
    Idle,
    /// The old layer is to be brought to the map, which then has everything up to this number.
    Wanted(u64),
    Failed(StoreError),
    /// Nothing more will be wanted.
    Over,
}

impl<B: Base> Checkpoints<B> {
    /// Over this map, with segments that are full with so many bytes.
    pub(super) fn new(base: B, segment_bytes: u64, pace: Pace) -> Self {
        Self {
            base,
            layers: Layers::default(),
            state: Mutex::default(),
            changed: Condvar::new(),
            filled: AtomicU64::new(0),
            // So that it has ended before the next one is wanted.
            done_at: segment_bytes / 4 * 3,
            pace,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether all is well.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match &self.lock().at {
            Stage::Failed(error) => Err(error.clone()),
            Stage::Idle | Stage::Wanted(_) | Stage::Over => Ok(()),
        }
    }

    /// Notes how full the segment is.
    pub(super) fn note_filled(&self, bytes: u64) {
        self.filled.store(bytes, Ordering::Relaxed);
    }

    /// Whether another checkpoint may be begun, or once it may.
    pub(super) fn may_begin(&self, waits: bool) -> Result<bool, StoreError> {
        let mut state = self.lock();
        loop {
            match &state.at {
                Stage::Idle => return Ok(true),
                Stage::Failed(error) => return Err(error.clone()),
                Stage::Wanted(_) if waits => {
                    state.pressed = true;
                    self.changed.notify_all();
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                Stage::Wanted(_) | Stage::Over => return Ok(false),
            }
        }
    }

    /// The old layer has everything up to this number, and is to be brought to the map.
    pub(super) fn want(&self, number: u64) {
        self.note_filled(0);
        self.enter(Stage::Wanted(number));
    }

    pub(super) fn end(&self) {
        self.enter(Stage::Over);
    }

    fn enter(&self, stage: Stage) {
        *self.lock() = State { at: stage, pressed: false };
        self.changed.notify_all();
    }

    /// The checkpoint thread.
    pub(super) fn run(&self) {
        while let Some(number) = self.next() {
            match self.bring_old(number) {
                Ok(()) => self.enter(Stage::Idle),
                Err(error) => self.enter(Stage::Failed(error)),
            }
        }
    }

    /// Waits for the next one; `None` when there will be none.
    fn next(&self) -> Option<u64> {
        let mut state = self.lock();
        loop {
            match &state.at {
                Stage::Wanted(number) => return Some(*number),
                Stage::Failed(_) | Stage::Over => return None,
                Stage::Idle => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Brings the old layer to the map, and lets go of it.
    pub(super) fn bring_old(&self, number: u64) -> Result<(), StoreError> {
        if let Some(old) = self.layers.old() {
            let (all, mut began) = (old.len(), Instant::now());
            bring(&self.base, &old, number, |done| {
                if done % self.pace.stride == 0 {
                    self.rest(began.elapsed(), (done, all));
                    began = Instant::now();
                }
            })?;
            self.base.sync()?;
            self.layers.retire();
        }
        Ok(())
    }

    /// Rests after some work, unless somebody waits for it or it is behind.
    fn rest(&self, worked: Duration, changes: (usize, usize)) {
        let state = self.lock();
        let rests = matches!(state.at, Stage::Wanted(_))
            && !state.pressed
            && is_ahead(changes, (self.filled.load(Ordering::Relaxed), self.done_at));
        if rests {
            let span = worked.saturating_mul(self.pace.rest);
            drop(self.changed.wait_timeout_while(state, span, |state| !state.pressed));
        }
    }
}

/// Whether a greater part of the changes is done than of the segment is filled, of `(done, all)` and `(filled, done_at)`.
fn is_ahead((done, all): (usize, usize), (filled, done_at): (u64, u64)) -> bool {
    done as u128 * u128::from(done_at) > u128::from(filled) * all as u128
}

/// Puts changes into the map, says after each how many that were, and syncs. The number comes last: until it is there, the segments
/// are read again, which changes nothing.
pub(super) fn bring<B: Base>(
    base: &B,
    changes: &Layer,
    number: u64,
    mut done: impl FnMut(usize),
) -> Result<(), StoreError> {
    for (count, (key, value)) in (1..).zip(changes.sorted()) {
        base.put(key, value.as_deref())?;
        done(count);
    }
    // What the number says must be on disk before the number can be: a map may keep its changes in another order.
    base.sync()?;
    base.put(NUMBER_KEY, Some(&number.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_to_be_done_when_the_segment_is_as_full_as_that() {
        assert!(is_ahead((1, 1_000), (0, 300)), "nobody writes");
        assert!(is_ahead((501, 1_000), (150, 300)));
        assert!(!is_ahead((500, 1_000), (150, 300)));
        assert!(!is_ahead((999, 1_000), (u64::MAX, u64::MAX)), "late, and no number too large");
    }
}
