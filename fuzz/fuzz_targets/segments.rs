//! The target `segments`: see `src/segments.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| raconteur_fuzz::run("segments", data));
