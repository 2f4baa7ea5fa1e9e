//! The embedded engine: sled 0.34, inside the wrapper that its traps ask for. The only file that knows sled.
//!
//! * One tree, one writer, blocking `flush`: `flush_async` hangs from 8 concurrent callers on.
//! * `flush` does not reach the platter on Linux (it is `sync_file_range`), so every sync ends with `sync_data` on a handle of our own.
//! * A value of more than a few KiB may end up in a blob file that is never synced: callers keep values at 4 KiB or less.
//! * A half-written snapshot (`snap.*.generating`) or a damaged one stops sled from opening; either can be taken away, since the
//!   log has everything. A damaged one is kept in `damaged-snapshots/`. A sound one stays whatever happens: see [`SledEngine::open`].
//! * A data file that cannot be read at all opens as an empty one. A marker file, written after the first sync, tells the two apart.
//! * Damage behind the last snapshot opens as a log that ends there. Every batch is numbered, and the file `watermark` knows the last
//!   number that was durable: a data file that has not come as far is refused.

mod compact;
mod place;
mod watermark;

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::ops::{ControlFlow, Range};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use place::Expected;
use watermark::Watermark;

use super::{Batch, Engine, Order, Visit};
use crate::{StoreError, private};

pub use compact::{Compacted, Old, compact};

/// Held as long as the engine lives. sled's own lock is not enough: files are tidied up before sled opens.
const LOCK_FILE: &str = "lock";
/// There once was something in the data file.
const MARKER_FILE: &str = "written";
const DATA_FILE: &str = "db";
const CONF_FILE: &str = "conf";
const TORN_CONF_FILE: &str = "conf.torn";
const DAMAGED_DIRECTORY: &str = "damaged-snapshots";

/// The number of the latest batch, in that batch. Behind every record, see the key table.
const BATCHES_KEY: &[u8] = b"\xffbatches";

/// sled's threads may hold its lock a moment longer than the `Db` that was dropped: so often and so long an open waits for them.
const LINGERING: (u32, Duration) = (200, Duration::from_millis(10));

/// A directory with a sled database, locked for this process.
pub struct SledEngine {
    // Dropped in this order: the lock goes last.
    db: sled::Db,
    data: File,
    marked: AtomicBool,
    /// How many batches were applied, in all its lives.
    batches: AtomicU64,
    watermark: Mutex<Watermark>,
    path: PathBuf,
    lock: File,
}

/// What to do with a data file that has lost its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    Refuse,
    Accept,
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
        let lost = |error| unusable(path, &error);
        place::look(path, expected)?;
        let lock = place::lock(path)?;
        let db = open_tidied(path, cache_bytes)?;
        let marked = path.join(MARKER_FILE).try_exists().map_err(lost)?;
        if marked && guarded(path, || db.first())?.is_none() {
            return Err(corrupt(path, "its data file holds nothing readable though it was written before"));
        }
        let batches = guarded(path, || db.get(BATCHES_KEY))?;
        let batches = batches.and_then(|bytes| bytes.as_ref().try_into().ok()).map_or(0, u64::from_be_bytes);
        let noted = Watermark::read(path).map_err(lost)?.unwrap_or_default();
        let missing = noted.saturating_sub(batches);
        if missing > 0 && loss == Loss::Refuse {
            return Err(StoreError::Behind { path: path.display().to_string(), missing });
        }
        let data = OpenOptions::new().read(true).write(true).open(path.join(DATA_FILE)).map_err(lost)?;
        // What opening has mended or forgotten must not come back behind a watermark that does not know it.
        data.sync_all().map_err(lost)?;
        let watermark = Mutex::new(Watermark::begin(path, batches).map_err(lost)?);
        place::sync(path).map_err(lost)?;
        let (marked, batches) = (AtomicBool::new(marked), AtomicU64::new(batches));
        Ok((Self { db, data, marked, batches, watermark, path: path.to_owned(), lock }, missing))
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
        let Self { db, data, marked: _, batches: _, watermark, path: _, lock } = self;
        drop((db, data, watermark));
        lock
    }

    fn mark(&self) -> io::Result<()> {
        let mut marker = File::create(self.path.join(MARKER_FILE))?;
        io::Write::write_all(&mut marker, b"This directory holds a store. Its data file must not be empty.\n")?;
        marker.sync_all()?;
        place::sync(&self.path)
    }
}

/// Opens the database after what stops sled from it was taken away.
fn open_tidied(path: &Path, cache_bytes: u64) -> Result<sled::Db, StoreError> {
    let lost = |error| unusable(path, &error);
    for snapshot in snapshots(path).map_err(lost)? {
        if snapshot.extension().is_some_and(|extension| extension == "generating") {
            fs::remove_file(&snapshot).map_err(lost)?;
        }
    }
    set_torn_conf_aside(path).map_err(lost)?;
    match open_db(path, cache_bytes) {
        // Only then: without its snapshot sled takes a damaged log for one that ends early, and forgets the rest for good.
        Err(StoreError::Corrupt { reason, .. }) if snapshot_is_damaged(path).map_err(lost)? => {
            set_snapshots_aside(path).map_err(lost)?;
            tracing::warn!(path = %path.display(), reason, "the store's snapshot is damaged, reading the whole log instead");
            open_db(path, cache_bytes)
        }
        opened => opened,
    }
}

fn open_db(path: &Path, cache_bytes: u64) -> Result<sled::Db, StoreError> {
    let config = sled::Config::new().path(path).cache_capacity(cache_bytes).flush_every_ms(None);
    let (attempts, pause) = LINGERING;
    for _ in 1..attempts {
        match open_once(&config, path) {
            Err(StoreError::Locked { .. }) => thread::sleep(pause),
            opened => return opened,
        }
    }
    open_once(&config, path)
}

fn open_once(config: &sled::Config, path: &Path) -> Result<sled::Db, StoreError> {
    guarded(path, || config.open())
}

/// sled panics over some kinds of damage; whoever opens or reads a store must be told, not torn down.
fn guarded<T>(path: &Path, work: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| failure(path, error)),
        Err(_) => Err(corrupt(path, "reading it failed in an unforeseen way")),
    }
}

fn snapshots(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("snap.") {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Whether the snapshot that sled reads, the last by name, fails its own check: it ends with 8 bytes of length and the CRC-32 of
/// what comes before them.
fn snapshot_is_damaged(path: &Path) -> io::Result<bool> {
    let Some(snapshot) = snapshots(path)?.into_iter().max() else { return Ok(false) };
    let bytes = fs::read(snapshot)?;
    let sound = bytes
        .split_last_chunk::<12>()
        .is_some_and(|(content, end)| !content.is_empty() && end[8..] == crc32(content).to_le_bytes());
    Ok(!sound)
}

/// sled's `conf` holds the same for every store: where the power failed before its first sync, sled may write it again. It ends with
/// the CRC-32 of what comes before.
fn set_torn_conf_aside(path: &Path) -> io::Result<()> {
    let conf = path.join(CONF_FILE);
    let bytes = match fs::read(&conf) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        read => read?,
    };
    match bytes.split_last_chunk::<4>() {
        Some((content, end)) if crc32(content).to_le_bytes() == *end => Ok(()),
        Some(_) | None => fs::rename(&conf, path.join(TORN_CONF_FILE)),
    }
}

/// As in zlib; for short files that are read once, so it need not be fast.
fn crc32(bytes: &[u8]) -> u32 {
    let shift = |sum: u32, _| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg());
    !bytes.iter().fold(u32::MAX, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), shift))
}

/// Moves every snapshot into a directory of its own.
fn set_snapshots_aside(path: &Path) -> io::Result<()> {
    let aside = path.join(DAMAGED_DIRECTORY);
    private::create_directory(&aside)?;
    for snapshot in snapshots(path)? {
        if let Some(name) = snapshot.file_name() {
            fs::rename(&snapshot, aside.join(name))?;
        }
    }
    Ok(())
}

fn corrupt(path: &Path, reason: &str) -> StoreError {
    StoreError::Corrupt { path: path.display().to_string(), reason: reason.into() }
}

fn failure(path: &Path, error: sled::Error) -> StoreError {
    match error {
        // How sled says it: an error without a kind of its own.
        sled::Error::Io(error) if error.to_string().starts_with("could not acquire lock") => {
            StoreError::Locked { path: path.display().to_string() }
        }
        sled::Error::Io(error) => unusable(path, &error),
        sled::Error::Corruption { at: Some(at), .. } => corrupt(path, &format!("unreadable at {at:?}")),
        sled::Error::Corruption { at: None, .. } => corrupt(path, "unreadable"),
        sled::Error::ReportableBug(what) | sled::Error::Unsupported(what) => corrupt(path, &what),
        sled::Error::CollectionNotFound(_) => corrupt(path, "its tree is missing"),
    }
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
        let found = guarded(&self.path, || self.db.get(key))?;
        Ok(found.map(|value| value.to_vec()))
    }

    fn scan(&self, range: &Range<Vec<u8>>, order: Order, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        if range.is_empty() {
            return Ok(());
        }
        let mut pairs = self.db.range::<&[u8], _>(range.start.as_slice()..range.end.as_slice());
        let mut next = || match order {
            Order::Ascending => pairs.next(),
            Order::Descending => pairs.next_back(),
        };
        while let Some((key, value)) = guarded(&self.path, || next().transpose())? {
            if let ControlFlow::Break(()) = visit(&key, &value) {
                break;
            }
        }
        Ok(())
    }

    fn apply(&self, batch: Batch) -> Result<(), StoreError> {
        let mut changes = sled::Batch::default();
        for (key, value) in batch {
            match value {
                Some(value) => changes.insert(key, value),
                None => changes.remove(key),
            }
        }
        let number = self.batches.fetch_add(1, Ordering::Relaxed) + 1;
        changes.insert(BATCHES_KEY, &number.to_be_bytes());
        guarded(&self.path, || self.db.apply_batch(changes))
    }

    fn sync(&self) -> Result<(), StoreError> {
        // Before the flush: a batch that is applied meanwhile may not be among what is synced.
        let batches = self.batches.load(Ordering::Relaxed);
        guarded(&self.path, || self.db.flush())?;
        self.data.sync_data().map_err(|error| unusable(&self.path, &error))?;
        if !self.marked.load(Ordering::Relaxed) {
            self.mark().map_err(|error| unusable(&self.path, &error))?;
            self.marked.store(true, Ordering::Relaxed);
        }
        let mut watermark = self.watermark.lock().unwrap_or_else(PoisonError::into_inner);
        watermark.note(batches).map_err(|error| unusable(&self.path, &error))
    }

    fn free_bytes(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(&self.path).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn describe(&self) -> String {
        self.path.display().to_string()
    }
}

#[cfg(test)]
mod tests;
