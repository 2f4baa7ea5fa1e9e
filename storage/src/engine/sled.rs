//! The embedded engine: sled 0.34, inside the wrapper that its traps ask for. The only file that knows sled.
//!
//! * One tree, one writer, blocking `flush`: `flush_async` hangs from 8 concurrent callers on.
//! * `flush` does not reach the platter on Linux (it is `sync_file_range`), so every sync ends with `sync_data` on a handle of our own.
//! * A value of more than a few KiB may end up in a blob file that is never synced: callers keep values at 4 KiB or less.
//! * A half-written snapshot (`snap.*.generating`) or a damaged one stops sled from opening; either can be taken away, since the
//!   log has everything. A damaged one is kept in `damaged-snapshots/`. A sound one stays whatever happens: see [`SledEngine::open`].
//! * A data file that cannot be read at all opens as an empty one. A marker file, written after the first sync, tells the two apart.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::ops::{ControlFlow, Range};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::{Batch, Engine, Order, Visit};
use crate::StoreError;

/// Held as long as the engine lives. sled's own lock is not enough: files are tidied up before sled opens.
const LOCK_FILE: &str = "lock";
/// There once was something in the data file.
const MARKER_FILE: &str = "written";
const DATA_FILE: &str = "db";
const DAMAGED_DIRECTORY: &str = "damaged-snapshots";

/// sled's threads may hold its lock a moment longer than the `Db` that was dropped: so often and so long an open waits for them.
const LINGERING: (u32, Duration) = (200, Duration::from_millis(10));

/// A directory with a sled database, locked for this process.
pub struct SledEngine {
    // Dropped in this order: the lock goes last.
    db: sled::Db,
    data: File,
    marked: AtomicBool,
    path: PathBuf,
    _lock: File,
}

impl SledEngine {
    /// Opens or creates the database in the directory `path`, with about `cache_bytes` of page cache. Blocks; after a hard stop
    /// or without its snapshot it reads the whole log, about a second per gigabyte.
    ///
    /// # Errors
    /// [`StoreError::Locked`], [`StoreError::Corrupt`], or [`StoreError::Unusable`] when the directory cannot be read and written.
    pub fn open(path: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        let lost = |error| unusable(path, &error);
        create_private(path).map_err(lost)?;
        let lock = lock(path)?;
        for snapshot in snapshots(path).map_err(lost)? {
            if snapshot.extension().is_some_and(|extension| extension == "generating") {
                fs::remove_file(&snapshot).map_err(lost)?;
            }
        }
        let db = match open_db(path, cache_bytes) {
            // Only then: without its snapshot sled takes a damaged log for one that ends early, and forgets the rest for good.
            Err(StoreError::Corrupt { reason, .. }) if snapshot_is_damaged(path).map_err(lost)? => {
                set_snapshots_aside(path).map_err(lost)?;
                tracing::warn!(path = %path.display(), reason, "the store's snapshot is damaged, reading the whole log instead");
                open_db(path, cache_bytes)?
            }
            opened => opened?,
        };
        let marked = path.join(MARKER_FILE).try_exists().map_err(lost)?;
        if marked && db.first().map_err(|error| failure(path, error))?.is_none() {
            return Err(corrupt(path, "its data file holds nothing readable though it was written before"));
        }
        let data = OpenOptions::new().read(true).write(true).open(path.join(DATA_FILE)).map_err(lost)?;
        sync_directory(path).map_err(lost)?;
        Ok(Self { db, data, marked: AtomicBool::new(marked), path: path.to_owned(), _lock: lock })
    }

    fn mark(&self) -> io::Result<()> {
        let mut marker = File::create(self.path.join(MARKER_FILE))?;
        io::Write::write_all(&mut marker, b"This directory holds a store. Its data file must not be empty.\n")?;
        marker.sync_all()?;
        sync_directory(&self.path)
    }
}

/// Makes a directory that nobody else on the machine can read: it holds what people say. One that is there stays as it is.
fn create_private(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path.join(LOCK_FILE));
    let file = file.map_err(|error| unusable(path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: path.display().to_string() }),
        Err(TryLockError::Error(error)) => Err(unusable(path, &error)),
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
    // sled panics over some kinds of damage; whoever opens a store must be told, not torn down.
    match catch_unwind(AssertUnwindSafe(|| config.open())) {
        Ok(opened) => opened.map_err(|error| failure(path, error)),
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

/// As in zlib; read once in a store's life, so it need not be fast.
fn crc32(bytes: &[u8]) -> u32 {
    let shift = |sum: u32, _| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg());
    !bytes.iter().fold(u32::MAX, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), shift))
}

/// Moves every snapshot into a directory of its own.
fn set_snapshots_aside(path: &Path) -> io::Result<()> {
    let aside = path.join(DAMAGED_DIRECTORY);
    create_private(&aside)?;
    for snapshot in snapshots(path)? {
        if let Some(name) = snapshot.file_name() {
            fs::rename(&snapshot, aside.join(name))?;
        }
    }
    Ok(())
}

fn sync_directory(path: &Path) -> io::Result<()> {
    for entry in ["conf", DATA_FILE] {
        match File::open(path.join(entry)) {
            Ok(file) => file.sync_all()?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    File::open(path)?.sync_all()?;
    // The directory's own entry lies in its parent; a root has none.
    match path.canonicalize()?.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
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
        let found = self.db.get(key).map_err(|error| failure(&self.path, error))?;
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
        while let Some(pair) = next() {
            let (key, value) = pair.map_err(|error| failure(&self.path, error))?;
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
        self.db.apply_batch(changes).map_err(|error| failure(&self.path, error))
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.db.flush().map_err(|error| failure(&self.path, error))?;
        self.data.sync_data().map_err(|error| unusable(&self.path, &error))?;
        if !self.marked.load(Ordering::Relaxed) {
            self.mark().map_err(|error| unusable(&self.path, &error))?;
            self.marked.store(true, Ordering::Relaxed);
        }
        Ok(())
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
