//! The spool of one sink: a directory of segments, each a file of one JSON event a line, numbered in the order of writing.
//!
//! ```text
//! spool.lock                        held by the process that uses the directory
//! 00000000000000000007.jsonl        closed: waits to be sent, oldest first
//! 00000000000000000007.sent         how many of its events are done
//! 00000000000000000008.jsonl        open: events are appended
//! refused/                          what the sink refused for good: see `aside.rs`
//! ```
//!
//! Blocking, and owned by one task (`courier.rs`), which calls it where blocking is allowed. A closed segment is on disk. Above the
//! limit the oldest closed segment is dropped. Nothing here fails for good: what cannot be written or read is told as lost.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use raconteur_storage::private;
use uuid::Uuid;

use super::aside::Aside;
use super::event::ReportEvent;
use super::loss::{Cause, Loss};
use super::segment::Segment;
use super::sink::{Batch, Place};

/// What a spool is made of.
#[derive(Clone, Debug)]
pub(super) struct Shelf {
    /// The sink's name, for the log.
    pub(super) name: String,
    /// This process.
    pub(super) instance: Uuid,
    /// Where.
    pub(super) directory: PathBuf,
    /// How much all segments may hold.
    pub(super) spool_max_bytes: u64,
    /// At this size a segment is closed.
    pub(super) segment_max_bytes: u64,
}

/// An open spool.
#[derive(Debug)]
pub(super) struct Spool {
    shelf: Shelf,
    closed: VecDeque<Closed>,
    open: Option<Open>,
    next: u64,
    /// The segment that is being sent.
    loaded: Option<Segment>,
    aside: Aside,
    /// The latest write failed: a further failure is no news.
    is_failing: bool,
    /// Dropped last, so that the directory is free only when nothing writes to it any more.
    _lock: File,
}

#[derive(Clone, Copy, Debug)]
struct Closed {
    number: u64,
    bytes: u64,
}

#[derive(Debug)]
struct Open {
    number: u64,
    bytes: u64,
    file: File,
}

impl Spool {
    /// Opens a directory, which is made if need be. What an earlier process left is sent first.
    ///
    /// # Errors
    /// When it cannot be used, or another process uses it.
    pub(super) fn open(shelf: Shelf) -> io::Result<Self> {
        private::create_directory(&shelf.directory)?;
        let lock = OpenOptions::new().create(true).append(true).open(shelf.directory.join("spool.lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::other("it is in use: give each sink and each process its own"));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let closed = scan(&shelf.directory)?;
        let aside = Aside::open(&shelf.directory.join("refused"), shelf.spool_max_bytes)?;
        // Numbers are never used again while anything bears one.
        let next = closed.back().map_or(0, |last| last.number).max(aside.last_number()) + 1;
        Ok(Self { shelf, closed, open: None, next, loaded: None, aside, is_failing: false, _lock: lock })
    }

    /// Writes events down. Returns those that could not be, and those that had to make room.
    pub(super) fn append(&mut self, events: &[ReportEvent]) -> Vec<Loss> {
        let mut lost = Vec::new();
        let (mut chunk, mut first) = (Vec::new(), 0);
        for (index, event) in events.iter().enumerate() {
            serde_json::to_writer(&mut chunk, event).expect("an event is JSON, and memory takes everything");
            chunk.push(b'\n');
            let written = self.open.as_ref().map_or(0, |open| open.bytes);
            let is_full = written + size(&chunk) >= self.shelf.segment_max_bytes;
            if is_full || index + 1 == events.len() {
                lost.extend(self.write(&chunk, &events[first..=index]));
                first = index + 1;
                chunk.clear();
            }
            if is_full {
                self.close_segment();
            }
        }
        lost.extend(self.trim());
        lost
    }

    /// Closes the open segment, which is on disk then and may be sent. Returns what had to make room.
    pub(super) fn rotate(&mut self) -> Vec<Loss> {
        self.close_segment();
        self.trim()
    }

    /// Brings the open segment to disk and leaves it open: while nothing can be sent there is no use in many small ones.
    pub(super) fn sync(&mut self) {
        if let Some(open) = &self.open
            && let Err(error) = open.file.sync_data()
        {
            self.complain(&error);
        }
    }

    /// The oldest events that are to be sent, of one tenant, at most so many. Returns also what cannot be read.
    pub(super) fn next_batch(&mut self, most: usize) -> (Option<Batch>, Vec<Loss>) {
        let mut lost = Vec::new();
        while let Some(Closed { number, .. }) = self.closed.front().copied() {
            if self.loaded.as_ref().is_none_or(|loaded| loaded.number() != number) {
                match self.load(number) {
                    Ok(segment) => {
                        lost.extend(unreadable(&segment));
                        self.loaded = Some(segment);
                    }
                    Err(error) => {
                        tracing::error!(report = self.shelf.name, %error, "a segment of the spool cannot be read");
                        // It stays where it is: the next start tries again.
                        self.closed.pop_front();
                        continue;
                    }
                }
            }
            let batch = self.loaded.as_ref().and_then(|segment| segment.batch(self.shelf.instance, most));
            if batch.is_some() {
                return (batch, lost);
            }
            self.remove_oldest();
        }
        (None, lost)
    }

    /// A batch was taken.
    pub(super) fn done(&mut self, place: Place) {
        // A segment may have made room while its events were on their way.
        let Some(loaded) = self.loaded.as_mut().filter(|loaded| loaded.number() == place.segment) else { return };
        loaded.advance(place.end);
        if loaded.is_done() {
            return self.remove_oldest();
        }
        // Not synced: at worst, after a power cut, the whole segment is sent again.
        if let Err(error) = replace(&self.sent_path(place.segment), place.end) {
            self.complain(&error);
        }
    }

    /// A batch was refused for good: it is kept aside for somebody to look at.
    pub(super) fn refuse(&mut self, batch: &Batch) {
        if let Err(error) = self.aside.keep(batch) {
            self.complain(&error);
        }
        self.done(batch.place);
    }

    fn write(&mut self, chunk: &[u8], events: &[ReportEvent]) -> Vec<Loss> {
        match self.try_write(chunk) {
            Ok(()) => {
                self.is_failing = false;
                Vec::new()
            }
            Err(error) => {
                self.complain(&error);
                self.close_segment();
                let mut by_tenant = BTreeMap::new();
                events.iter().for_each(|event| *by_tenant.entry(event.tenant.to_string()).or_default() += 1);
                losses(by_tenant, Cause::SpoolFailed)
            }
        }
    }

    fn try_write(&mut self, chunk: &[u8]) -> io::Result<()> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => {
                let number = self.next;
                // Also where it fails: a number that somebody else has taken must not stop all further ones.
                self.next += 1;
                let file = OpenOptions::new().create_new(true).append(true).open(self.path(number))?;
                Open { number, bytes: 0, file }
            }
        };
        let written = open.file.write_all(chunk);
        match written {
            Ok(()) => open.bytes += size(chunk),
            // Half an event would spoil the next one.
            Err(_) => {
                let _ = open.file.set_len(open.bytes);
            }
        }
        self.open = Some(open);
        written
    }

    fn close_segment(&mut self) {
        let Some(Open { number, bytes, file }) = self.open.take() else { return };
        if bytes == 0 {
            return remove(&self.path(number));
        }
        if let Err(error) = file.sync_data().and_then(|()| sync_directory(&self.shelf.directory)) {
            self.complain(&error);
        }
        self.closed.push_back(Closed { number, bytes });
    }

    /// Drops the oldest closed segments until all are within the limit.
    fn trim(&mut self) -> Vec<Loss> {
        let mut lost = Vec::new();
        while self.bytes() > self.shelf.spool_max_bytes
            && let Some(Closed { number, .. }) = self.closed.front().copied()
        {
            let segment = match self.loaded.take().filter(|loaded| loaded.number() == number) {
                Some(loaded) => Ok(loaded),
                None => self.load(number),
            };
            let left = segment.map(|segment| segment.left()).unwrap_or_default();
            let events: u64 = left.values().sum();
            tracing::warn!(report = self.shelf.name, events, "the spool is full: its oldest events were dropped");
            lost.extend(losses(left, Cause::SpoolFull));
            self.remove_oldest();
        }
        lost
    }

    fn bytes(&self) -> u64 {
        let closed: u64 = self.closed.iter().map(|closed| closed.bytes).sum();
        closed + self.open.as_ref().map_or(0, |open| open.bytes)
    }

    fn remove_oldest(&mut self) {
        self.loaded = None;
        let Some(Closed { number, .. }) = self.closed.pop_front() else { return };
        // In this order: a segment without its mark is sent again, a mark without its segment is cleared away.
        remove(&self.path(number));
        remove(&self.sent_path(number));
    }

    fn load(&self, number: u64) -> io::Result<Segment> {
        let bytes = fs::read(self.path(number))?;
        let sent = fs::read_to_string(self.sent_path(number)).ok().and_then(|text| text.trim().parse().ok());
        let segment = Segment::read(number, &bytes, sent.unwrap_or(0));
        if segment.unreadable > 0 {
            let lines = segment.unreadable;
            tracing::warn!(report = self.shelf.name, lines, "the spool has lines that are no events; passed over");
        }
        Ok(segment)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.shelf.directory.join(format!("{number:020}.jsonl"))
    }

    fn sent_path(&self, number: u64) -> PathBuf {
        self.shelf.directory.join(format!("{number:020}.sent"))
    }

    fn complain(&mut self, error: &io::Error) {
        if !self.is_failing {
            tracing::error!(report = self.shelf.name, %error, "the spool cannot be written: check its disk");
        }
        self.is_failing = true;
    }
}

/// Lines that are no events are lost, and nobody can tell whose they were.
fn unreadable(segment: &Segment) -> Option<Loss> {
    let events = u64::try_from(segment.unreadable).unwrap_or(u64::MAX);
    (events > 0).then(|| Loss { tenant: String::new(), events, cause: Cause::SpoolFailed })
}

fn losses(by_tenant: BTreeMap<String, u64>, cause: Cause) -> Vec<Loss> {
    by_tenant.into_iter().map(|(tenant, events)| Loss { tenant, events, cause }).collect()
}

/// The closed segments of a directory, oldest first. Marks whose segment is gone are cleared away.
fn scan(directory: &Path) -> io::Result<VecDeque<Closed>> {
    let mut found = BTreeMap::new();
    let mut marks = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let number = |suffix: &str| name.strip_suffix(suffix).filter(|digits| digits.len() == 20)?.parse::<u64>().ok();
        if let Some(number) = number(".jsonl") {
            found.insert(number, entry.metadata()?.len());
        } else if let Some(number) = number(".sent") {
            marks.push((number, entry.path()));
        }
    }
    marks.iter().filter(|(number, _)| !found.contains_key(number)).for_each(|(_, path)| remove(path));
    Ok(found.into_iter().map(|(number, bytes)| Closed { number, bytes }).collect())
}

/// Brings the names of new files to disk, where the system can.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

/// Writes a number so that a reader finds the old or the new one.
fn replace(path: &Path, number: usize) -> io::Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, number.to_string())?;
    fs::rename(&beside, path)
}

/// What is gone already need not be removed; what cannot be removed is found again at the next start.
pub(super) fn remove(path: &Path) {
    let _ = fs::remove_file(path);
}

pub(super) fn size(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "spool/tests.rs"]
mod tests;
