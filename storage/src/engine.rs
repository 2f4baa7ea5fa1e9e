//! What a [`crate::KvStore`] stands on: an ordered map of bytes with atomic batches and an explicit sync.
//!
//! An engine knows nothing of conversations, versions or claims, and need not be fast at small writes: the committer calls
//! [`Engine::apply`] and [`Engine::sync`] from one place, one after the other, each for many requests at once. Reads may come
//! from any thread at any time. All calls block.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use crate::StoreError;
use crate::figures::Figures;

#[cfg(feature = "sled")]
mod journal;
pub mod memory;
#[cfg(feature = "sled")]
pub mod sled;

/// Changes that are made together or not at all: a new value for each key, or `None` to remove it.
pub type Batch = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// In which order a scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// From the first key of the range on.
    Ascending,
    /// From the last key of the range back.
    Descending,
}

/// Is shown each key and value of a scan; `Break` ends it. It must not call the engine.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// An ordered map of bytes.
pub trait Engine: Send + Sync + 'static {
    /// The value of one key.
    ///
    /// # Errors
    /// When it cannot be read.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Visits the keys of `range`. A batch that is applied meanwhile may be seen in part.
    ///
    /// # Errors
    /// When something cannot be read.
    fn scan(&self, range: &Range<Vec<u8>>, order: Order, visit: &mut Visit<'_>) -> Result<(), StoreError>;

    /// Makes all changes of a batch visible, or none. They survive a crash together or not at all, and only after a sync surely.
    ///
    /// # Errors
    /// When it cannot be written; the engine is then of no further use.
    fn apply(&self, batch: Batch) -> Result<(), StoreError>;

    /// Returns when everything that was applied survives loss of power.
    ///
    /// # Errors
    /// When that cannot be said; the engine is then of no further use.
    fn sync(&self) -> Result<(), StoreError>;

    /// Called once those were answered who waited for a sync: for what must follow it and nobody waits for. What is not done here is
    /// done before the next batch.
    ///
    /// # Errors
    /// As [`Engine::sync`].
    fn tidy(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// How much room its disk has left; `None` where that means nothing.
    fn free_bytes(&self) -> Option<u64>;

    /// Tells it the version of the store that it carries. Whoever knows only earlier ones refuses the store, so what came with a
    /// version may be made use of.
    fn note_format(&self, format: u32) {
        let _ = format;
    }

    /// From now on what it measures of itself is left there; one that measures nothing leaves nothing.
    fn report_to(&self, figures: &Arc<Figures>) {
        let _ = figures;
    }

    /// Where it lies, for error messages.
    fn describe(&self) -> String;
}
