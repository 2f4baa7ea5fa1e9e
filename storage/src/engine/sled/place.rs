//! The directory of a store: whether it is one, its lock, and making it durable.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::{CONF_FILE, DAMAGED_DIRECTORY, DATA_FILE, LOCK_FILE, MARKER_FILE, TORN_CONF_FILE, corrupt, unusable};
use crate::engine::journal::{SEGMENT_FILES, watermark};
use crate::{StoreError, private};

/// A fresh directory that a compaction fills, beside the store's.
pub(super) const COMPACTING: &str = "compacting";
/// What the old directory is kept as after a compaction, with the time behind it.
pub(super) const BEFORE_COMPACT: &str = "before-compact-";

/// What whoever opens a directory expects to find there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// A store, or nothing.
    Either,
    /// A store.
    Store,
    /// Nothing.
    Nothing,
}

/// Looks into the directory, and creates it where nothing is expected or may be found.
///
/// # Errors
/// [`StoreError::WrongPlace`] when something else is there than was expected, [`StoreError::Corrupt`] when the data file is gone.
pub(super) fn look(path: &Path, expected: Expected) -> Result<(), StoreError> {
    let lost = |error| unusable(path, &error);
    if path.join(DATA_FILE).try_exists().map_err(lost)? {
        if expected == Expected::Nothing {
            return Err(wrong(path, "holds a store already: name a new or empty directory"));
        }
        if let Some(rest) = leftover(path, COMPACTING).map_err(lost)? {
            tracing::warn!(
                rest = %rest.display(),
                "a compaction did not come to its end; the store is whole without this directory, remove it"
            );
        }
        return Ok(());
    }
    if expected != Expected::Nothing {
        interrupted(path)?;
    }
    match fs::read_dir(path) {
        Ok(entries) => {
            for entry in entries {
                let name = entry.map_err(lost)?.file_name();
                if name == MARKER_FILE {
                    return Err(corrupt(path, "its data file is missing"));
                }
                if !is_ours(&name.to_string_lossy()) {
                    return Err(wrong(path, "holds other things and no store: name a new or empty directory"));
                }
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(lost(error)),
    }
    match expected {
        Expected::Store => Err(wrong(path, "holds no store: name the directory of one")),
        Expected::Either | Expected::Nothing => private::create_directory(path).map_err(lost),
    }
}

/// What a first start that was cut off leaves behind, or a file system of its own has from the beginning.
fn is_ours(name: &str) -> bool {
    let ours = [LOCK_FILE, CONF_FILE, TORN_CONF_FILE, "blobs", DAMAGED_DIRECTORY, watermark::FILE, "lost+found"];
    ours.contains(&name) || SEGMENT_FILES.contains(&name) || name.starts_with("snap.") || name.starts_with('.')
}

/// Without a store here, but with what a compaction leaves, a new one must not be begun.
fn interrupted(path: &Path) -> Result<(), StoreError> {
    let kept = leftover(path, BEFORE_COMPACT).map_err(|error| unusable(path, &error))?;
    let Some(kept) = kept else { return Ok(()) };
    let advice = format!(
        "holds no store, but {} does: a compaction was cut off between two steps. Rename that one to {} and start again",
        kept.display(),
        path.display()
    );
    Err(wrong(path, &advice))
}

/// The latest directory beside this one with its name and such an ending.
fn leftover(path: &Path, ending: &str) -> io::Result<Option<PathBuf>> {
    let Some(name) = path.file_name() else { return Ok(None) };
    let beginning = format!("{}.{ending}", name.to_string_lossy());
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let entries = match fs::read_dir(parent) {
        Ok(entries) => entries,
        // Not allowed to look, or not there yet: then nothing can be told.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut latest = None;
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&beginning) && entry.path().join(DATA_FILE).try_exists()? {
            latest = latest.max(Some(entry.path()));
        }
    }
    Ok(latest)
}

pub(super) fn wrong(path: &Path, reason: &str) -> StoreError {
    StoreError::WrongPlace { path: path.display().to_string(), reason: reason.into() }
}

/// A lock of our own process lives on for a moment in a child that was begun meanwhile and has not yet become its program, and that of a
/// process that was killed until it is gone: so often and so long an open waits for it.
const LINGERING: (u32, Duration) = (50, Duration::from_millis(10));

/// Locks the directory as long as the file lives.
///
/// # Errors
/// [`StoreError::Locked`], or when the directory cannot be written.
pub(super) fn lock(path: &Path) -> Result<File, StoreError> {
    let (waits, pause) = LINGERING;
    lock_after(path, waits, || thread::sleep(pause))
}

fn lock_after(path: &Path, waits: u32, wait: impl FnMut()) -> Result<File, StoreError> {
    let lost = |error| unusable(path, &error);
    let locked = || StoreError::Locked { path: path.display().to_string() };
    let held = path.join(LOCK_FILE);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&held).map_err(lost)?;
    once_unlocked(waits, wait, || match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(locked()),
        Err(TryLockError::Error(error)) => Err(lost(error)),
    })?;
    // A compaction may have put another directory in this one's place meanwhile: then this lock locks nothing.
    if is_at(&file, &held).map_err(lost)? { Ok(file) } else { Err(locked()) }
}

/// Tries until that is not refused as [`StoreError::Locked`], and waits at most so often.
pub(super) fn once_unlocked<T>(
    waits: u32,
    mut wait: impl FnMut(),
    mut attempt: impl FnMut() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    for _ in 0..waits {
        match attempt() {
            Err(StoreError::Locked { .. }) => wait(),
            done => return done,
        }
    }
    attempt()
}

/// Whether another file system is mounted there: then its name cannot stand for another directory.
///
/// # Errors
/// When it cannot be looked at.
pub(super) fn is_mounted(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let Some(parent) = path.parent() else { return Ok(true) };
    Ok(fs::metadata(path)?.dev() != fs::metadata(parent)?.dev())
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let (open, there) = (file.metadata()?, fs::metadata(path)?);
    Ok((open.dev(), open.ino()) == (there.dev(), there.ino()))
}

/// Makes the directory's files and its own entry durable.
///
/// # Errors
/// When the disk cannot.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    for entry in [CONF_FILE, DATA_FILE] {
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

/// How many bytes the files in a directory take.
///
/// # Errors
/// When it cannot be read.
pub(super) fn size(path: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { size(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_lingers_is_waited_for_and_one_that_stays_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let mut other = Some(lock(directory.path()).unwrap());
        let mut waits = 0;
        let taken = lock_after(directory.path(), 5, || {
            waits += 1;
            if waits == 3 {
                other = None;
            }
        });
        assert!(taken.is_ok());
        assert_eq!(waits, 3);
        let path = directory.path().display().to_string();
        assert_eq!(lock_after(directory.path(), 5, || waits += 1).err(), Some(StoreError::Locked { path }));
        assert_eq!(waits, 8);
    }
}
