//! sled itself: opened after what stops it from opening was taken away, and asked so that its panics end nothing. With the
//! engine, its compaction and its pages the only file that knows sled; the traps are listed there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::ops::{ControlFlow, Range};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use super::packed::{pack, unpack};
use super::pages::{self, Open};
use super::{CONF_FILE, DAMAGED_DIRECTORY, DATA_FILE, MARKER_FILE, TORN_CONF_FILE, corrupt, place, unusable};
use crate::engine::journal::Base;
use crate::engine::{Order, Visit};
use crate::{StoreError, keys, private};

/// sled's threads may hold its lock a moment longer than the `Db` that was dropped: so often and so long an open waits for them.
const LINGERING: (u32, Duration) = (199, Duration::from_millis(10));

/// How often sled's own thread moves what is still alive out of a segment of its file that is half empty; it leaves off after each segment.
/// Without it a page is moved only where another one is rewritten, which is less than what becomes free, and the file grows for ever.
const CLEAN_EVERY_MS: u64 = 50;

/// How long sled may take to close. After that it never does.
const CLOSING_MAX: Duration = Duration::from_secs(30);

/// The database, and a handle of our own on its data file.
pub(super) struct Sled {
    /// There until it is dropped.
    db: Option<sled::Db>,
    data: File,
    marked: AtomicBool,
    /// Longer values are packed from now on; those that are packed are always read.
    packs: AtomicBool,
    /// Pages that are put one after the other, on their way into one value.
    open: Mutex<Option<Open>>,
    /// Held to read by whoever goes through pages, and to write while a bundle is parted, or goes.
    parting: RwLock<()>,
    path: PathBuf,
}

impl Sled {
    /// Opens or creates the database in a directory that is locked for us.
    ///
    /// # Errors
    /// As [`super::SledEngine::open`].
    pub(super) fn open(path: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        let lost = |error| unusable(path, &error);
        let db = open_tidied(path, cache_bytes)?;
        let marked = path.join(MARKER_FILE).try_exists().map_err(lost)?;
        if marked && guarded(path, || db.first())?.is_none() {
            return Err(corrupt(path, "its data file holds nothing readable though it was written before"));
        }
        let data = OpenOptions::new().read(true).write(true).open(path.join(DATA_FILE)).map_err(lost)?;
        data.sync_all().map_err(lost)?;
        place::sync(path).map_err(lost)?;
        let (marked, packs) = (AtomicBool::new(marked), AtomicBool::new(false));
        let (open, parting) = (Mutex::default(), RwLock::default());
        Ok(Self { db: Some(db), data, marked, packs, open, parting, path: path.to_owned() })
    }

    /// From now on longer values are packed.
    pub(super) fn pack(&self) {
        self.packs.store(true, Ordering::Relaxed);
    }

    /// Gives one key a value, or removes it; pages are on their way until another key comes, or a sync.
    fn put_now(&self, key: &[u8], value: Option<&[u8]>) -> sled::Result<()> {
        let packs = self.packs.load(Ordering::Relaxed);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // Also before the store has said that it may be packed, as in a replay at the start: a page may belong to a bundle.
        if keys::split_page(key).is_some() {
            return pages::put(self.db(), &self.parting, &mut open, (key, value, packs));
        }
        pages::write(self.db(), &self.parting, &mut open, packs)?;
        match value {
            Some(value) => {
                let packed = packs.then(|| pack(value)).flatten();
                self.db().insert(key, packed.as_deref().unwrap_or(value)).map(drop)
            }
            None => self.db().remove(key).map(drop),
        }
    }

    fn write_open(&self) -> sled::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        pages::write(self.db(), &self.parting, &mut open, self.packs.load(Ordering::Relaxed))
    }

    fn db(&self) -> &sled::Db {
        self.db.as_ref().expect("it is there until it is dropped")
    }

    fn mark(&self) -> io::Result<()> {
        let mut marker = File::create(self.path.join(MARKER_FILE))?;
        io::Write::write_all(&mut marker, b"This directory holds a store. Its data file must not be empty.\n")?;
        marker.sync_all()?;
        place::sync(&self.path)
    }
}

/// sled waits for its cleaning thread, and waits for ever if that has died of a panic. Nothing depends on it: everything is synced.
impl Drop for Sled {
    fn drop(&mut self) {
        let db = self.db.take();
        if !ends_within(CLOSING_MAX, move || drop(db)) {
            tracing::error!(path = %self.path.display(), "sled does not close, and is left alone until the process ends");
        }
    }
}

/// Whether this comes to its end in that time, on a thread of its own.
fn ends_within(span: Duration, work: impl FnOnce() + Send + 'static) -> bool {
    let (ended, end) = mpsc::channel::<()>();
    let worker = thread::Builder::new().name("sled-close".into()).spawn(move || {
        work();
        drop(ended);
    });
    // Without a thread it was done here, when what it was given was dropped.
    worker.is_err() || end.recv_timeout(span) != Err(RecvTimeoutError::Timeout)
}

impl Base for Sled {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if keys::split_page(key).is_some() {
            let _whole = self.parting.read().unwrap_or_else(PoisonError::into_inner);
            return guarded(&self.path, || pages::get(self.db(), key));
        }
        let found = guarded(&self.path, || self.db().get(key))?;
        Ok(found.map(|value| unpack(&value).unwrap_or_else(|| value.to_vec())))
    }

    fn scan(&self, range: &Range<Vec<u8>>, order: Order, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        if keys::may_have_pages(range) {
            let _whole = self.parting.read().unwrap_or_else(PoisonError::into_inner);
            let mut values = guarded(&self.path, || pages::Scan::new(self.db(), range, order))?;
            while let Some((key, value)) = guarded(&self.path, || values.next())? {
                if let ControlFlow::Break(()) = visit(&key, &value) {
                    break;
                }
            }
            return Ok(());
        }
        let mut pairs = self.db().range::<&[u8], _>(range.start.as_slice()..range.end.as_slice());
        let mut next = || match order {
            Order::Ascending => pairs.next(),
            Order::Descending => pairs.next_back(),
        };
        while let Some((key, value)) = guarded(&self.path, || next().transpose())? {
            let unpacked = unpack(&value);
            if let ControlFlow::Break(()) = visit(&key, unpacked.as_deref().unwrap_or(&value)) {
                break;
            }
        }
        Ok(())
    }

    fn put(&self, key: &[u8], value: Option<&[u8]>) -> Result<(), StoreError> {
        guarded(&self.path, || self.put_now(key, value))
    }

    fn sync(&self) -> Result<(), StoreError> {
        guarded(&self.path, || self.write_open().and_then(|()| self.db().flush()))?;
        self.data.sync_data().map_err(|error| unusable(&self.path, &error))?;
        if !self.marked.load(Ordering::Relaxed) && guarded(&self.path, || self.db().first())?.is_some() {
            self.mark().map_err(|error| unusable(&self.path, &error))?;
            self.marked.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn failure(&self, error: &io::Error) -> StoreError {
        unusable(&self.path, error)
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
    let config = sled::Config::new().path(path).cache_capacity(cache_bytes).flush_every_ms(Some(CLEAN_EVERY_MS));
    let (waits, pause) = LINGERING;
    place::once_unlocked(waits, || thread::sleep(pause), || open_once(&config, path))
}

pub(super) fn open_once(config: &sled::Config, path: &Path) -> Result<sled::Db, StoreError> {
    guarded(path, || config.open())
}

/// sled panics over some kinds of damage; whoever opens or reads a store must be told, not torn down.
fn guarded<T>(path: &Path, work: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| failure(path, error)),
        Err(_) => Err(corrupt(path, "reading it failed in an unforeseen way")),
    }
}

pub(super) fn snapshots(path: &Path) -> io::Result<Vec<PathBuf>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_that_of_zlib() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn values_are_packed_once_that_is_allowed_and_read_back_whatever_they_are() {
        let directory = tempfile::tempdir().unwrap();
        let sled = Sled::open(directory.path(), 16 << 20).unwrap();
        let value = b"{\"opened_at\":1795787444}".repeat(20);
        sled.put(b"a", Some(&value)).unwrap();
        sled.pack();
        sled.put(b"b", Some(&value)).unwrap();
        let length = |key: &[u8]| sled.db().get(key).unwrap().unwrap().len();
        assert_eq!(length(b"a"), value.len());
        assert!(length(b"b") < value.len() / 4, "{}", length(b"b"));
        let mut seen = Vec::new();
        let visit = &mut |_: &[u8], value: &[u8]| {
            seen.push(value.to_vec());
            ControlFlow::Continue(())
        };
        sled.scan(&(Vec::new()..vec![0xff]), Order::Ascending, visit).unwrap();
        assert_eq!(seen, [value.clone(), value.clone()]);
        assert_eq!([b"a", b"b"].map(|key| sled.get(key).unwrap()), [Some(value.clone()), Some(value)]);
    }

    fn page(number: u8) -> Vec<u8> {
        [&b"h\0\x01\x011\x012"[..], &[0, 0, 0, 0, 0, 0, 0, number, 0, 0]].concat()
    }

    #[test]
    fn pages_of_a_store_that_knows_no_bundles_lie_as_they_are() {
        let directory = tempfile::tempdir().unwrap();
        let sled = Sled::open(directory.path(), 16 << 20).unwrap();
        (1..4).for_each(|number| sled.put(&page(number), Some(&[number; 400])).unwrap());
        sled.sync().unwrap();
        // The last one goes, and another comes behind it.
        sled.put(&page(3), None).unwrap();
        sled.put(&page(4), Some(&[4; 400])).unwrap();
        sled.sync().unwrap();
        let stored: Vec<_> = sled.db().iter().map(|pair| pair.unwrap()).collect();
        let expected: Vec<_> = [1, 2, 4].map(|number| (page(number).into(), vec![number; 400].into())).into();
        assert_eq!(stored, expected);
    }

    /// What the journal brings again at the start comes before the store has said what it may do.
    #[test]
    fn a_page_in_a_bundle_is_changed_there_before_it_is_known_that_there_may_be_bundles() {
        let directory = tempfile::tempdir().unwrap();
        let sled = Sled::open(directory.path(), 16 << 20).unwrap();
        sled.pack();
        (1..6).for_each(|number| sled.put(&page(number), Some(&[number; 200])).unwrap());
        sled.sync().unwrap();
        drop(sled);
        let sled = Sled::open(directory.path(), 16 << 20).unwrap();
        sled.put(&page(3), Some(b"changed")).unwrap();
        sled.put(&page(9), Some(b"new")).unwrap();
        sled.sync().unwrap();
        for number in [1, 2, 4, 5] {
            assert_eq!(sled.get(&page(number)), Ok(Some(vec![number; 200])));
        }
        assert_eq!(
            [3, 9].map(|number| sled.get(&page(number)).unwrap().unwrap()),
            [b"changed".to_vec(), b"new".to_vec()]
        );
    }

    #[test]
    fn who_closes_does_not_wait_for_what_never_ends() {
        let (never, ends) = mpsc::channel::<()>();
        assert!(!ends_within(Duration::from_millis(20), move || assert!(ends.recv().is_err())));
        assert!(ends_within(Duration::from_secs(60), || ()));
        assert!(ends_within(Duration::from_secs(60), || panic!("it fails")));
        drop(never);
    }
}
