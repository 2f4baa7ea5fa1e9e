//! Lines of an export, which `raconteur store import` reads: what is imported is exported as it was, and is a store.

use raconteur::storage::dump::{check, import, validate};
use raconteur::storage::engine::memory::MemoryEngine;

use super::input::is_fit_to_be_told;
use super::kept;

/// The longest remark on a line.
const REASON_MAX: usize = 200;

pub(super) fn run(data: &[u8]) {
    let engine = MemoryEngine::new();
    let (found, imported) = (validate(data), import(&engine, data));
    match imported {
        Ok(records) => {
            assert_eq!(found.ok(), Some(records), "it was judged otherwise before");
            is_exported_as_it_was(&engine, records);
            kept::is_read_whole(&engine);
        }
        Err(error) => {
            is_fit_to_be_told(&error.to_string(), REASON_MAX);
            assert!(found.is_err(), "it was judged to be good before");
            // Half a store is none.
            assert!(kept::exported(&engine).is_none());
        }
    }
}

fn is_exported_as_it_was(engine: &MemoryEngine, records: u64) {
    let findings = check(engine).expect("memory can be read");
    assert_eq!(findings.kinds.values().map(|tally| tally.records).sum::<u64>(), records);
    let lines = kept::exported(engine).expect("it is a store");
    let other = MemoryEngine::new();
    let again = import(&other, lines.as_bytes()).expect("what was exported can be imported");
    assert_eq!(again, records);
    let (was, is) = (kept::pairs(engine), kept::pairs(&other));
    if !was.values().any(|value| kept::has_breaks(value)) {
        assert_eq!(was, is, "other bytes");
    }
    assert_eq!(kept::exported(&other).as_ref(), Some(&lines), "other lines");
}
