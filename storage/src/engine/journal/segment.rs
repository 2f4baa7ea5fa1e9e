//! The journal's files: two segments, written in turn from their beginning, over what they held before.
//!
//! ```text
//! header  magic, number of the first batch, a random value, check                                    8 bytes each
//! record  length of the changes (4 bytes), number (8), changes, check (8)                            one batch
//! change  length of the key (2), length of the value or NONE (4), key, value
//! ```
//!
//! A check covers what stands before it and the check before that one, from the header's random value on: so what is left of an earlier
//! use of the file, or was written by a process that died before its sync, never continues what is there. A file grows in steps that are
//! filled with zeros: writing over bytes that exist needs no change of the file system's own records at each sync.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use uuid::Uuid;

use super::layers::Change;
use super::watermark::Watermark;
use crate::chunks;
use crate::engine::Batch;

/// The names of the segments.
pub(in crate::engine) const FILES: [&str; 2] = ["journal-0", "journal-1"];

const MAGIC: &[u8; 8] = b"rctjrnl1";
const HEADER: usize = 32;
/// What a record takes beside its changes.
const FRAME: usize = 4 + 8 + 8;
/// In place of a value's length: the key was removed.
const NONE: u32 = u32::MAX;

/// A file grows by as many bytes as it has, within these bounds: seldom, since a sync then has to wait for the file system's records as
/// well, and not by much where there is little.
const STEP: Range<u64> = 64 << 10..1 << 20;

/// It is filled in pieces of so many bytes: of what is written at once a file system keeps one large page, and goes through all of that
/// at each later write.
const PIECE: u64 = 16 << 10;

/// A buffer that was larger than this once is given back.
const BUFFER_KEPT: usize = 4 << 20;

/// The end of the journal.
pub(super) struct Log {
    files: [File; 2],
    /// How far each file is filled.
    filled: [u64; 2],
    active: usize,
    /// Where the next bytes go.
    at: u64,
    /// What is written with the next sync.
    pending: Vec<u8>,
    /// Of the latest batch.
    number: u64,
    /// Of the latest that the watermark knows.
    noted: u64,
    chain: u64,
    watermark: Watermark,
}

impl Log {
    /// Begins behind batch `number`, which the map has, as it has all before.
    ///
    /// # Errors
    /// When the files cannot be opened.
    pub(super) fn begin(directory: &Path, number: u64, watermark: Watermark) -> io::Result<Self> {
        let open = |name| OpenOptions::new().create(true).truncate(false).write(true).open(directory.join(name));
        let files = [open(FILES[0])?, open(FILES[1])?];
        let filled = [files[0].metadata()?.len(), files[1].metadata()?.len()];
        Ok(Self { files, filled, active: 0, at: 0, pending: Vec::new(), number, noted: number, chain: 0, watermark })
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// How many bytes the segment has.
    pub(super) fn length(&self) -> u64 {
        self.at
    }

    /// Numbers a batch and puts it behind what is to be written.
    pub(super) fn append(&mut self, batch: &Batch) {
        if self.at == 0 && self.pending.is_empty() {
            self.chain = Uuid::new_v4().as_u64_pair().0;
            self.pending.extend(header(self.number + 1, self.chain));
        }
        self.number += 1;
        self.chain = write(&mut self.pending, self.chain, self.number, batch);
    }

    /// Returns when everything that was appended survives loss of power.
    ///
    /// # Errors
    /// When that cannot be said.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let end = self.at + self.pending.len() as u64;
        self.fill_up_to(end)?;
        self.files[self.active].write_all_at(&self.pending, self.at)?;
        self.files[self.active].sync_data()?;
        self.at = end;
        self.pending.clear();
        self.pending.shrink_to(BUFFER_KEPT);
        Ok(())
    }

    /// Whether anything was appended since the last sync.
    pub(super) fn is_behind(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Leaves a note of how far the last sync has come, behind which nothing was appended.
    ///
    /// # Errors
    /// When that cannot be written.
    pub(super) fn note(&mut self) -> io::Result<()> {
        debug_assert!(!self.is_behind(), "what was appended is not durable yet");
        if self.noted < self.number {
            self.watermark.note(self.number)?;
            self.noted = self.number;
        }
        Ok(())
    }

    /// The other segment is written from now on.
    pub(super) fn turn_over(&mut self) {
        self.active ^= 1;
        self.at = 0;
    }

    fn fill_up_to(&mut self, end: u64) -> io::Result<()> {
        let filled = &mut self.filled[self.active];
        if *filled < end {
            let upto = end.max(*filled + (*filled).clamp(STEP.start, STEP.end));
            while *filled < upto {
                match self.files[self.active].write_all_at(&[0; PIECE as usize], *filled) {
                    Ok(()) => *filled += PIECE,
                    // There is no room for more than is needed now.
                    Err(_) if *filled >= end => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}

/// What the segments have that the map has not.
#[derive(Default)]
pub(super) struct Replayed {
    pub(super) changes: Batch,
    /// Of the latest batch, be it from a segment or in the map.
    pub(super) number: u64,
}

impl Replayed {
    /// Reads on behind batch `in_map` as far as each batch follows the one before. What comes behind a gap is left alone.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn read(directory: &Path, in_map: u64) -> io::Result<Self> {
        let mut segments = Vec::new();
        for name in FILES {
            match fs::read(directory.join(name)) {
                Ok(bytes) => segments.extend(read_header(&bytes).map(|(first, chain)| (first, chain, bytes))),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        segments.sort_unstable_by_key(|(first, ..)| *first);
        let mut replayed = Self { changes: Batch::new(), number: in_map };
        for (first, chain, bytes) in &segments {
            let mut rest = bytes.get(HEADER..).unwrap_or_default();
            let (mut number, mut chain) = (*first, *chain);
            while let Some((changes, check, behind)) = read_record(rest, chain, number) {
                if number == replayed.number + 1 {
                    replayed.changes.extend(changes);
                    replayed.number = number;
                }
                (number, chain, rest) = (number + 1, check, behind);
            }
        }
        Ok(replayed)
    }
}

fn header(first: u64, chain: u64) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..16].copy_from_slice(&first.to_be_bytes());
    bytes[16..24].copy_from_slice(&chain.to_be_bytes());
    let check = chunks::hash(&bytes[..24]);
    bytes[24..].copy_from_slice(&check.to_be_bytes());
    bytes
}

fn read_header(bytes: &[u8]) -> Option<(u64, u64)> {
    let (head, rest) = bytes.split_at_checked(8)?;
    let (first, rest) = rest.split_first_chunk()?;
    let (chain, _) = rest.split_first_chunk()?;
    let (first, chain) = (u64::from_be_bytes(*first), u64::from_be_bytes(*chain));
    (head == MAGIC && bytes.get(..HEADER)? == header(first, chain)).then_some((first, chain))
}

/// Appends a record. Returns its check.
fn write(bytes: &mut Vec<u8>, chain: u64, number: u64, batch: &Batch) -> u64 {
    let begins = bytes.len();
    bytes.extend([0; 4]);
    bytes.extend(number.to_be_bytes());
    for (key, value) in batch {
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("a value has at most 4 KiB");
        let key_length = u16::try_from(key.len()).expect("a key is a few numbers long");
        bytes.extend(key_length.to_be_bytes());
        bytes.extend(value.as_deref().map_or(NONE, length).to_be_bytes());
        bytes.extend(key);
        bytes.extend(value.as_deref().unwrap_or_default());
    }
    let length = u32::try_from(bytes.len() - begins - 12).expect("a batch has at most a few MiB");
    bytes[begins..begins + 4].copy_from_slice(&length.to_be_bytes());
    let check = check(chain, &bytes[begins..]);
    bytes.extend(check.to_be_bytes());
    check
}

fn check(chain: u64, record: &[u8]) -> u64 {
    let mut both = [0; 16];
    both[..8].copy_from_slice(&chain.to_be_bytes());
    both[8..].copy_from_slice(&chunks::hash(record).to_be_bytes());
    chunks::hash(&both)
}

/// The record with this number at the beginning of `bytes`: its changes, its check, and what comes behind it.
fn read_record(bytes: &[u8], chain: u64, number: u64) -> Option<(Vec<Change>, u64, &[u8])> {
    let length = u32::from_be_bytes(*bytes.first_chunk()?);
    let (record, rest) = bytes.split_at_checked((length as usize).checked_add(FRAME - 8)?)?;
    let (noted, behind) = rest.split_first_chunk()?;
    let noted = u64::from_be_bytes(*noted);
    let is_it = record.get(4..12)? == number.to_be_bytes() && check(chain, record) == noted;
    if !is_it {
        return None;
    }
    let mut rest = &record[12..];
    let mut changes = Vec::new();
    while let Some((change, behind)) = read_change(rest) {
        changes.push(change);
        rest = behind;
    }
    Some((changes, noted, behind))
}

fn read_change(bytes: &[u8]) -> Option<(Change, &[u8])> {
    let (key_length, rest) = bytes.split_first_chunk()?;
    let (value_length, rest) = rest.split_first_chunk()?;
    let (key, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*key_length)))?;
    match u32::from_be_bytes(*value_length) {
        NONE => Some(((key.to_vec(), None), rest)),
        length => {
            let (value, rest) = rest.split_at_checked(length as usize)?;
            Some(((key.to_vec(), Some(value.to_vec())), rest))
        }
    }
}
