//! The embedded engine: sled 0.34, inside the wrapper that its traps ask for. Nothing outside of it knows sled.
//!
//! * One tree, one writer, blocking `flush`: `flush_async` hangs from 8 concurrent callers on.
//! * `flush` does not reach the platter on Linux (it is `sync_file_range`), so every sync ends with `sync_data` on a handle of our own.
//! * What is deleted gives no room back by itself: sled's own thread must move what is left of half-empty segments. It does one of
//!   them at a time, twenty a second, and syncs; if it dies, the file grows, and closing does not wait for it.
//! * A value of more than a few KiB may end up in a blob file that is never synced: callers keep values at 4 KiB or less.
//! * A half-written snapshot (`snap.*.generating`) or a damaged one stops sled from opening; either can be taken away, since the
//!   log has everything. A damaged one is kept in `damaged-snapshots/`. A sound one stays whatever happens: see [`SledEngine::open`].
//! * A data file that cannot be read at all opens as an empty one. A marker file, written after the first sync, tells the two apart.
//! * Damage behind the last snapshot opens as a log that ends there. Every batch is numbered, and the file `watermark` knows the last
//!   number that was durable: a data file that has not come as far is refused.

mod base;
mod bundle;
mod compact;
mod packed;
mod pages;
mod place;

use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base::Sled;
use place::Expected;

use super::journal::{Journal, Loss, SEGMENT_BYTES};
use super::{Batch, Engine, Order, Visit};
use crate::StoreError;
use crate::figures::Figures;

pub use compact::{Compacted, Old, compact};

/// The disk's room is looked at so often: with each batch it would be hundreds of times a second.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Held as long as the engine lives. sled's own lock is not enough: files are tidied up before sled opens.
const LOCK_FILE: &str = "lock";
/// There once was something in the data file.
const MARKER_FILE: &str = "written";
const DATA_FILE: &str = "db";
const CONF_FILE: &str = "conf";
const TORN_CONF_FILE: &str = "conf.torn";
const DAMAGED_DIRECTORY: &str = "damaged-snapshots";

/// A directory with a sled database and its journal, locked for this process.
pub struct SledEngine {
    // Dropped in this order: the lock goes last.
    journal: Journal<Sled>,
    path: PathBuf,
    /// How much room the disk had, and when.
    free: Mutex<Option<(Option<u64>, Instant)>>,
    lock: File,
}

impl SledEngine {
    /// Opens or creates the database in the directory `path`, with about `cache_bytes` of page cache. Blocks; after a hard stop
    /// or without its snapshot it reads the whole log, about a second per gigabyte.
    ///
    /// # Errors
    /// [`StoreError::Locked`], [`StoreError::Corrupt`], [`StoreError::Behind`], [`StoreError::WrongPlace`], or
    /// [`StoreError::Unusable`] when the directory cannot be read and written.
    pub fn open(path: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        Self::open_as(path, cache_bytes, Expected::Either)
    }

    /// Opens or creates as [`SledEngine::open`] does, with a journal of files that are full with `journal_bytes` bytes each.
    ///
    /// # Errors
    /// As [`SledEngine::open`].
    pub fn open_sized(path: &Path, cache_bytes: u64, journal_bytes: u64) -> Result<Self, StoreError> {
        Self::open_with(path, cache_bytes, (Expected::Either, Loss::Refuse), journal_bytes).map(|(engine, _)| engine)
    }

    /// Opens a database that is there: for tools, which must not create one.
    ///
    /// # Errors
    /// As [`SledEngine::open`].
    pub fn open_existing(path: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        Self::open_as(path, cache_bytes, Expected::Store)
    }

    /// Creates a database in a directory that is new or empty.
    ///
    /// # Errors
    /// As [`SledEngine::open`].
    pub fn create(path: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        Self::open_as(path, cache_bytes, Expected::Nothing)
    }

    /// Opens a database that is refused as [`StoreError::Behind`], so that from now on it is taken as it is. Returns how many
    /// batches are missing.
    ///
    /// # Errors
    /// As [`SledEngine::open`].
    pub fn accept_loss(path: &Path, cache_bytes: u64) -> Result<u64, StoreError> {
        let (_, missing) = Self::open_whatever(path, cache_bytes, (Expected::Store, Loss::Accept))?;
        Ok(missing)
    }

    fn open_as(path: &Path, cache_bytes: u64, expected: Expected) -> Result<Self, StoreError> {
        Self::open_whatever(path, cache_bytes, (expected, Loss::Refuse)).map(|(engine, _)| engine)
    }

    fn open_whatever(
        path: &Path,
        cache_bytes: u64,
        (expected, loss): (Expected, Loss),
    ) -> Result<(Self, u64), StoreError> {
        Self::open_with(path, cache_bytes, (expected, loss), SEGMENT_BYTES)
    }

    fn open_with(
        path: &Path,
        cache_bytes: u64,
        (expected, loss): (Expected, Loss),
        segment_bytes: u64,
    ) -> Result<(Self, u64), StoreError> {
        place::look(path, expected)?;
        let lock = place::lock(path)?;
        let sled = Sled::open(path, cache_bytes)?;
        let (journal, missing) = Journal::open(path, sled, (segment_bytes, loss))?;
        Ok((Self { journal, path: path.to_owned(), free: Mutex::default(), lock }, missing))
    }

    /// How many bytes its files take.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when the directory cannot be read.
    pub fn disk_bytes(&self) -> Result<u64, StoreError> {
        place::size(&self.path).map_err(|error| unusable(&self.path, &error))
    }

    /// Closes the database and keeps its directory locked.
    fn into_lock(self) -> File {
        let Self { journal, path: _, free: _, lock } = self;
        drop(journal);
        lock
    }
}

fn corrupt(path: &Path, reason: &str) -> StoreError {
    StoreError::Corrupt { path: path.display().to_string(), reason: reason.into() }
}

fn unusable(path: &Path, error: &io::Error) -> StoreError {
    let advice = if error.kind() == ErrorKind::StorageFull || error.kind() == ErrorKind::QuotaExceeded {
        "free some space on its disk, then start again"
    } else if error.kind() == ErrorKind::PermissionDenied {
        "give this user the right to read and write the directory and the files in it"
    } else if error.kind() == ErrorKind::ReadOnlyFilesystem {
        "its file system is read-only: mount it writable, or keep the store elsewhere"
    } else if error.kind() == ErrorKind::NotADirectory || error.kind() == ErrorKind::AlreadyExists {
        "the path must be a directory: name another one"
    } else {
        "check the disk and the system's log, then start again"
    };
    StoreError::Unusable(format!("{} at {}: {advice}", error, path.display()))
}

impl Engine for SledEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.journal.get(key)
    }

    fn scan(&self, range: &Range<Vec<u8>>, order: Order, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.journal.scan(range, order, visit)
    }

    fn apply(&self, batch: Batch) -> Result<(), StoreError> {
        self.journal.apply(batch)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.journal.sync()
    }

    fn tidy(&self) -> Result<(), StoreError> {
        self.journal.tidy()
    }

    fn free_bytes(&self) -> Option<u64> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        match *free {
            Some((bytes, at)) if at.elapsed() < LOOK_EVERY => bytes,
            Some(_) | None => {
                let disk = rustix::fs::statvfs(&self.path).ok();
                let bytes = disk.map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
                *free = Some((bytes, Instant::now()));
                bytes
            }
        }
    }

    fn note_format(&self, format: u32) {
        if format >= packed::SINCE {
            self.journal.base().pack();
        }
    }

    fn report_to(&self, figures: &Arc<Figures>) {
        self.journal.report_to(figures);
    }

    fn describe(&self) -> String {
        self.path.display().to_string()
    }
}

#[cfg(test)]
mod tests;
