//! The target `commands`: see `src/commands.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| raconteur_fuzz::run("commands", data));
