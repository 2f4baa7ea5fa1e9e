//! The target `hooks`: see `src/hooks.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| raconteur_fuzz::run("hooks", data));
