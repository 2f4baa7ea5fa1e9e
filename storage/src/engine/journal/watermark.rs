//! How far the store had come, beside the data file: so that a data file which ends too early is noticed. sled takes damage
//! behind its last snapshot for a write that was cut off, and goes on without what follows.
//!
//! Two slots, written in turn after each sync, each with its own check: whatever becomes of one, the other is whole. What stands in
//! them is on disk already, so they need no sync of their own for being right, only for being recent: one a second is enough.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::chunks;

pub(in crate::engine) const FILE: &str = "watermark";

const MAGIC: &[u8; 8] = b"rctwmark";

/// Magic, number of batches, hash of both.
const SLOT: usize = 24;

/// Far enough apart that no sector has both.
const SLOT_AT: [u64; 2] = [0, 4_096];

const SYNC_EVERY: Duration = Duration::from_secs(1);

/// The file, open for writing.
pub(in crate::engine) struct Watermark {
    file: File,
    synced: Instant,
}

impl Watermark {
    /// How many batches were durable when it was last written; `None` where there is no file, or nothing of it can be read.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(in crate::engine) fn read(directory: &Path) -> io::Result<Option<u64>> {
        let file = match File::open(directory.join(FILE)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let mut slots = [None; 2];
        for (slot, at) in slots.iter_mut().zip(SLOT_AT) {
            let mut bytes = [0; SLOT];
            match file.read_exact_at(&mut bytes, at) {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {}
                read => *slot = read.map(|()| parse(&bytes))?,
            }
        }
        let latest = slots.into_iter().flatten().max();
        if latest.is_none() && file.metadata()?.len() > 0 {
            tracing::warn!("the store's watermark is damaged, so it cannot be told whether anything is missing");
        }
        Ok(latest)
    }

    /// Begins again from `batches`, whatever stood there before.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn begin(directory: &Path, batches: u64) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(directory.join(FILE))?;
        for at in SLOT_AT {
            file.write_all_at(&slot(batches), at)?;
        }
        file.sync_all()?;
        Ok(Self { file, synced: Instant::now() })
    }

    /// Notes that so many batches are durable.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn note(&mut self, batches: u64) -> io::Result<()> {
        self.file.write_all_at(&slot(batches), SLOT_AT[usize::from(batches % 2 == 1)])?;
        if self.synced.elapsed() >= SYNC_EVERY {
            self.sync()?;
        }
        Ok(())
    }

    /// Makes it as recent as it is right.
    ///
    /// # Errors
    /// When the disk cannot.
    fn sync(&mut self) -> io::Result<()> {
        self.synced = Instant::now();
        self.file.sync_data()
    }
}

impl Drop for Watermark {
    fn drop(&mut self) {
        // It is right without this, and only less recent should the power fail now.
        if let Err(error) = self.sync() {
            tracing::warn!(%error, "the store's watermark was not synced");
        }
    }
}

fn slot(batches: u64) -> [u8; SLOT] {
    let mut bytes = [0; SLOT];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..16].copy_from_slice(&batches.to_be_bytes());
    let check = chunks::hash(&bytes[..16]);
    bytes[16..].copy_from_slice(&check.to_be_bytes());
    bytes
}

fn parse(bytes: &[u8; SLOT]) -> Option<u64> {
    let batches = bytes[8..16].try_into().map(u64::from_be_bytes).ok()?;
    (slot(batches) == *bytes).then_some(batches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_whole_slot_counts() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Watermark::read(directory.path()).unwrap(), None);
        let mut watermark = Watermark::begin(directory.path(), 7).unwrap();
        assert_eq!(Watermark::read(directory.path()).unwrap(), Some(7));
        for batches in 8..=10 {
            watermark.note(batches).unwrap();
            assert_eq!(Watermark::read(directory.path()).unwrap(), Some(batches));
        }
        let file = OpenOptions::new().write(true).open(directory.path().join(FILE)).unwrap();
        file.write_all_at(b"torn", SLOT_AT[0] + 8).unwrap();
        assert_eq!(Watermark::read(directory.path()).unwrap(), Some(9), "the other slot");
        file.set_len(10).unwrap();
        assert_eq!(Watermark::read(directory.path()).unwrap(), None, "nothing of it is whole");
    }

    #[test]
    fn a_slot_is_fixed_for_ever() {
        let expected =
            [&b"rctwmark\0\0\0\0\0\0\x01\x02"[..], &chunks::hash(b"rctwmark\0\0\0\0\0\0\x01\x02").to_be_bytes()];
        assert_eq!(slot(0x0102).as_slice(), expected.concat());
        assert_eq!(parse(&[0; SLOT]), None);
    }
}
