//! The journal's files: three segments, written in turn from their beginning, over what they held before.
//!
//! ```text
//! header  magic, number of the first batch, a random value, check                                    8 bytes each
//! record  length of the changes (4 bytes), number (8), changes, check (8)                            one batch
//! change  length of the key (2), length of the value or NONE (4), key, value
//! ```
//!
//! A check covers what stands before it and the check before that one, from the header's random value on: so what is left of an earlier
//! use of the file, or was written by a process that died before its sync, never continues what is there. What is written begins with the
//! block in which the last record ends, once more: what has been there before stays as it is.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use uuid::Uuid;

use super::blocks::{BLOCK, BUFFER_KEPT, BlockFile, Buffer};
use super::layer::{Layer, Value};
use super::watermark::Watermark;
use crate::chunks;
use crate::engine::Batch;

/// How many there are: one that is written, and two that the map may lack when a process begins.
const SEGMENTS: usize = 3;

/// The names of the segments.
pub(in crate::engine) const FILES: [&str; SEGMENTS] = ["journal-0", "journal-1", "journal-2"];

const MAGIC: &[u8; 8] = b"rctjrnl1";
const HEADER: usize = 32;
/// What a record takes beside its changes.
const FRAME: usize = 4 + 8 + 8;
/// In place of a value's length: the key was removed.
const NONE: u32 = u32::MAX;

/// The end of the journal.
pub(super) struct Log {
    files: [BlockFile; SEGMENTS],
    active: usize,
    /// Where the next record goes.
    at: u64,
    /// What is written with the next sync, from the beginning of a block on.
    pending: Vec<u8>,
    /// So many bytes of that are there already.
    written: usize,
    buffer: Buffer,
    /// Of the latest batch.
    number: u64,
    /// Of the latest that the watermark knows.
    noted: u64,
    chain: u64,
    watermark: Watermark,
}

impl Log {
    /// Begins behind what was replayed, in the first segment that holds nothing of it. The others are as durable afterwards as if they
    /// had been synced by whoever wrote them.
    ///
    /// # Errors
    /// When the files cannot be opened or synced, or each holds something.
    pub(super) fn begin(directory: &Path, replayed: &Replayed, watermark: Watermark) -> io::Result<Self> {
        let open = |name| BlockFile::open(&directory.join(name));
        let files = [open(FILES[0])?, open(FILES[1])?, open(FILES[2])?];
        for (file, _) in files.iter().zip(replayed.holds).filter(|(_, holds)| *holds) {
            file.sync()?;
        }
        let active = replayed.holds.iter().position(|holds| !holds);
        let active = active.ok_or_else(|| io::Error::other("no segment of the journal is left"))?;
        let number = replayed.number;
        Ok(Self {
            files,
            active,
            at: 0,
            pending: Vec::new(),
            written: 0,
            buffer: Buffer::default(),
            number,
            noted: number,
            chain: 0,
            watermark,
        })
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
        if !self.is_behind() {
            return Ok(());
        }
        let begins = self.at - self.written as u64;
        self.files[self.active].write(&self.pending, begins, &mut self.buffer)?;
        self.at = begins + self.pending.len() as u64;
        self.written = self.pending.len() % BLOCK;
        self.pending.drain(..self.pending.len() - self.written);
        self.pending.shrink_to(BUFFER_KEPT);
        Ok(())
    }

    /// Whether anything was appended since the last sync.
    pub(super) fn is_behind(&self) -> bool {
        self.pending.len() > self.written
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

    /// Another segment is written from now on, of which the map has everything.
    pub(super) fn turn_over(&mut self) {
        self.active = (self.active + 1) % SEGMENTS;
        (self.at, self.written) = (0, 0);
        self.pending.clear();
    }
}

/// What the segments have that the map has not.
pub(super) struct Replayed {
    pub(super) changes: Layer,
    /// Of the latest batch, be it from a segment or in the map.
    pub(super) number: u64,
    /// Which segments hold some of it.
    holds: [bool; SEGMENTS],
}

impl Replayed {
    /// Where the map has everything, up to batch `number`.
    pub(super) fn nothing(number: u64) -> Self {
        Self { changes: Layer::default(), number, holds: [false; SEGMENTS] }
    }

    /// Reads on behind batch `in_map` as far as each batch follows the one before. What comes behind a gap is left alone.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn read(directory: &Path, in_map: u64) -> io::Result<Self> {
        let mut heads = Vec::new();
        for (at, name) in FILES.iter().enumerate() {
            let mut head = [0; HEADER];
            match File::open(directory.join(name)).and_then(|mut file| file.read_exact(&mut head)) {
                Ok(()) => heads.extend(read_header(&head).map(|(first, chain)| (first, chain, at))),
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::UnexpectedEof) => {}
                Err(error) => return Err(error),
            }
        }
        heads.sort_unstable();
        let mut replayed = Self::nothing(in_map);
        for (place, (first, chain, at)) in heads.iter().enumerate() {
            if heads.get(place + 1).is_some_and(|(behind, ..)| *behind <= in_map + 1) {
                continue;
            }
            let bytes = fs::read(directory.join(FILES[*at]))?;
            let mut rest = bytes.get(HEADER..).unwrap_or_default();
            let (mut number, mut chain) = (*first, *chain);
            while let Some((changes, check, behind)) = read_record(rest, chain, number) {
                if number == replayed.number + 1 {
                    replayed.changes.add(changes);
                    replayed.number = number;
                    replayed.holds[*at] = true;
                }
                (number, chain, rest) = (number + 1, check, behind);
            }
        }
        Ok(replayed)
    }

    /// Whether there is anything that the map has not.
    pub(super) fn holds_any(&self) -> bool {
        self.holds.iter().any(|holds| *holds)
    }

    /// Whether each segment holds some of it, so that none can be written.
    pub(super) fn leaves_no_segment(&self) -> bool {
        self.holds.iter().all(|holds| *holds)
    }
}

/// A key and what became of it.
type Change = (Vec<u8>, Value);

fn header(first: u64, chain: u64) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..16].copy_from_slice(&first.to_be_bytes());
    bytes[16..24].copy_from_slice(&chain.to_be_bytes());
    let check = chunks::hash(&bytes[..24]);
    bytes[24..].copy_from_slice(&check.to_be_bytes());
    bytes
}

fn read_header(bytes: &[u8; HEADER]) -> Option<(u64, u64)> {
    let (_, rest) = bytes.split_first_chunk::<8>()?;
    let (first, rest) = rest.split_first_chunk()?;
    let (chain, _) = rest.split_first_chunk()?;
    let (first, chain) = (u64::from_be_bytes(*first), u64::from_be_bytes(*chain));
    (*bytes == header(first, chain)).then_some((first, chain))
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
