//! Writes a store anew, so that it takes no more room than what it keeps. Only while nobody else uses it.
//!
//! The new directory is filled beside the old one, read again and compared value for value; then the two change places in one
//! step. Whenever this is cut off, one whole store lies under the store's name; where the file system cannot do it in one step, it may
//! be that none does, and then opening says which directory to rename.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::place::{self, BEFORE_COMPACT, COMPACTING, Expected, wrong};
use super::{SledEngine, corrupt, unusable};
use crate::StoreError;
use crate::committer::Meta;
use crate::dump::{self, Copied};
use crate::engine::Engine;

/// What becomes of the old directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Old {
    /// It is kept beside the new one, with this at the end of its name.
    Keep(String),
    /// It is removed.
    Discard,
}

/// What a compaction has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// Bytes on disk before.
    pub before: u64,
    /// And after.
    pub after: u64,
    /// What was copied.
    pub copied: Copied,
    /// Where the old directory is kept.
    pub kept: Option<PathBuf>,
}

/// Compacts the store in the directory `path`.
///
/// # Errors
/// Whatever keeps it from being opened, copied or renamed; then the store is as it was. [`StoreError::WrongPlace`] where an earlier
/// compaction has left something behind.
pub fn compact(path: &Path, cache_bytes: u64, old: &Old) -> Result<Compacted, StoreError> {
    let lost = |error| unusable(path, &error);
    place::look(path, Expected::Store)?;
    let path = &path.canonicalize().map_err(lost)?;
    let fresh = beside(path, COMPACTING)?;
    let kept = match old {
        Old::Keep(stamp) => Some(beside(path, &format!("{BEFORE_COMPACT}{stamp}"))?),
        Old::Discard => None,
    };
    if place::is_mounted(path).map_err(lost)? {
        let advice = "is where a file system is mounted, so nothing else can take its place: keep the store in a directory below";
        return Err(wrong(path, advice));
    }
    let engine = SledEngine::open_existing(path, cache_bytes)?;
    for taken in kept.iter().chain([&fresh]) {
        if taken.try_exists().map_err(lost)? {
            let advice = "is left from another compaction: the store is whole without it, remove it first";
            return Err(wrong(taken, advice));
        }
    }
    let Some(Meta { format, .. }) = Meta::read(&engine)? else {
        return Err(wrong(path, "holds a store that nothing was ever kept in: there is nothing to compact"));
    };
    let before = place::size(path).map_err(lost)?;
    let (copied, fresh_lock) =
        fill(&engine, (&fresh, format), cache_bytes).inspect_err(|_| drop(fs::remove_dir_all(&fresh)))?;
    // From here on nobody writes to either, and nobody else can: both stay locked until they have changed places.
    let lock = engine.into_lock();
    let gone = kept.clone().unwrap_or_else(|| fresh.clone());
    exchange(path, &fresh, &kept).map_err(lost)?;
    drop((lock, fresh_lock));
    if kept.is_none() {
        fs::remove_dir_all(&gone).map_err(|error| unusable(&gone, &error))?;
    }
    Ok(Compacted { before, after: place::size(path).map_err(lost)?, copied, kept })
}

fn beside(path: &Path, ending: &str) -> Result<PathBuf, StoreError> {
    let name =
        path.file_name().ok_or_else(|| wrong(path, "is the root of a file system: keep the store in a directory"))?;
    Ok(path.with_file_name(format!("{}.{ending}", name.to_string_lossy())))
}

/// Copies everything, and reads it again from what was written.
fn fill(engine: &SledEngine, (fresh, format): (&Path, u32), cache_bytes: u64) -> Result<(Copied, File), StoreError> {
    let written = SledEngine::open_as(fresh, cache_bytes, Expected::Nothing)?;
    written.note_format(format);
    let copied = dump::copy(engine, &written)?;
    drop(written);
    let written = SledEngine::open_existing(fresh, cache_bytes)?;
    if !dump::same(engine, &written)? {
        return Err(corrupt(fresh, "the copy is not what was copied"));
    }
    let lock = written.into_lock();
    for entry in fs::read_dir(fresh).map_err(|error| unusable(fresh, &error))? {
        let file = entry.and_then(|entry| File::open(entry.path()));
        file.and_then(|file| file.sync_all()).map_err(|error| unusable(fresh, &error))?;
    }
    place::sync(fresh).map_err(|error| unusable(fresh, &error))?;
    Ok((copied, lock))
}

/// Puts `fresh` in the place of `path`; what lay there goes to `kept`, or else to where `fresh` was.
fn exchange(path: &Path, fresh: &Path, kept: &Option<PathBuf>) -> io::Result<()> {
    let parent = File::open(path.parent().unwrap_or(Path::new("/")))?;
    match swap(path, fresh) {
        Ok(()) => {
            parent.sync_all()?;
            if let Some(kept) = kept {
                fs::rename(fresh, kept)?;
            }
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput) => {
            let aside = path.with_file_name(format!("{}.{BEFORE_COMPACT}last", name_of(path)));
            let old = kept.as_ref().unwrap_or(&aside);
            fs::rename(path, old)?;
            fs::rename(fresh, path).inspect_err(|_| drop(fs::rename(old, path)))?;
            if kept.is_none() {
                parent.sync_all()?;
                fs::rename(old, fresh)?;
            }
        }
        Err(error) => {
            // Nothing has changed places, so this is the copy.
            drop(fs::remove_dir_all(fresh));
            return Err(error);
        }
    }
    parent.sync_all()
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Both names change what they stand for, in one step.
#[cfg(target_os = "linux")]
fn swap(one: &Path, other: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

#[cfg(not(target_os = "linux"))]
fn swap(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
