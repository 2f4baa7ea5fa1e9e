//! The target `twilio`: see `src/twilio.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| raconteur_fuzz::run("twilio", data));
