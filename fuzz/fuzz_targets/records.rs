//! The target `records`: see `src/records.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| raconteur_fuzz::run("records", data));
