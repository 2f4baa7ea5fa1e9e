//! Records as they lie in an engine, keys and values: whatever they hold, the store opens or says why not, every record is read or set
//! aside, and an export brings all of it back.
//!
//! The input is a list of pairs, each a byte of flags, the key's length (a byte), the key, the value's length (two bytes) and the value. A
//! value whose flag is odd gets the hash that belongs to it, so that what lies behind the check is reached.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use raconteur::storage::dump::{check, import};
use raconteur::storage::engine::memory::MemoryEngine;
use raconteur::storage::{KvStore, Options};
use uuid::Uuid;

use super::kept;

/// No value in a store is longer.
const VALUE_MAX: usize = 4_096;

/// Bytes before a record's fixed part, and of the fixed part of work.
const FRAME: usize = 11;
const WORK_FIXED: usize = 27;

/// Bytes before the first mark in a page of them.
const MARKS: usize = 9;

/// What a store says of itself, with some sequences drawn.
static META: LazyLock<BTreeMap<Vec<u8>, Vec<u8>>> = LazyLock::new(|| {
    let engine = MemoryEngine::new();
    let options = Options { salt: Some(Uuid::nil()), ..Options::default() };
    drop(KvStore::open(engine.clone(), options).expect("memory can be opened"));
    let mut meta = kept::pairs(&engine);
    meta.insert(b"msequence".to_vec(), (1_u64 << 40).to_be_bytes().to_vec());
    meta
});

pub(super) fn run(data: &[u8]) {
    let mut all = META.clone();
    all.extend(pairs(data));
    let engine = kept::engine(all);
    if let Some(lines) = kept::exported(&engine) {
        comes_back(&engine, &lines);
    }
    kept::is_read_whole(&engine);
}

fn pairs(mut data: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut pairs = Vec::new();
    while let Some((key, value, rest)) = pair(data) {
        data = rest;
        // What is the engine's own is no record.
        if key.first().is_some_and(|first| *first != u8::MAX) {
            pairs.push((key, value));
        }
    }
    pairs
}

fn pair(data: &[u8]) -> Option<(Vec<u8>, Vec<u8>, &[u8])> {
    let (flags, rest) = data.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (key, rest) = rest.split_at_checked(usize::from(*length))?;
    let (length, rest) = rest.split_first_chunk()?;
    let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
    let (value, rest) = rest.split_at(length);
    let mut value = value[..length.min(VALUE_MAX)].to_vec();
    if flags % 2 == 1 {
        seal(key, &mut value);
    }
    Some((key.to_vec(), value, rest))
}

/// Makes a value the only one of its record, with the hash of its payload.
fn seal(key: &[u8], value: &mut [u8]) {
    if let (Some(b'k'), Some(marks)) = (key.first(), value.get(MARKS..)) {
        let hash = hash(marks);
        value[0] = 1;
        value[1..MARKS].copy_from_slice(&hash.to_be_bytes());
        return;
    }
    let fixed = match key.first() {
        Some(b'w') => WORK_FIXED,
        Some(b'h' | b'x') => 0,
        Some(_) | None => return,
    };
    if let Some(payload) = value.get(FRAME + fixed..) {
        let hash = hash(payload);
        value[..3].copy_from_slice(&[1, 0, 1]);
        value[3..FRAME].copy_from_slice(&hash.to_be_bytes());
    }
}

/// The hash of a payload, as it is kept on disk: written once more, since it must never change.
fn hash(bytes: &[u8]) -> u64 {
    let fold = |state: u64, word: u64| {
        let product = u128::from(state ^ word) * 0x9e37_79b9_7f4a_7c15;
        product as u64 ^ (product >> 64) as u64 ^ state.rotate_left(23)
    };
    let word = |bytes: &[u8]| {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(word)
    };
    let words = bytes.chunks_exact(8);
    let last = word(words.remainder());
    let state = words.map(word).fold(fold(0x51ed_270b_a49c_1dd3, bytes.len() as u64), fold);
    fold(fold(state, last), 0x9e37_79b9_7f4a_7c15)
}

/// An export of any engine can be imported, and holds all of it; only line breaks between the parts of a value may have become spaces.
fn comes_back(engine: &MemoryEngine, lines: &str) {
    let findings = check(engine).expect("memory can be read");
    let other = MemoryEngine::new();
    let records = match import(&other, lines.as_bytes()) {
        Ok(records) => records,
        // A record that no writer can have written, since its number was not drawn yet.
        Err(error) if error.to_string().contains("sequence is not below") => return,
        Err(error) => panic!("an export cannot be imported: {error}"),
    };
    assert_eq!(findings.kinds.values().map(|tally| tally.records).sum::<u64>(), records);
    assert_eq!(kept::exported(&other).as_deref(), Some(lines), "other lines");
    // What a store says of itself is written anew.
    let [was, is] = [engine, &other].map(|engine| {
        let mut pairs = kept::pairs(engine);
        pairs.retain(|key, _| key.first() != Some(&b'm'));
        pairs
    });
    assert!(was.keys().eq(is.keys()), "other keys");
    if !was.values().any(|value| kept::has_breaks(value)) {
        assert_eq!(was, is, "other bytes");
    }
}
