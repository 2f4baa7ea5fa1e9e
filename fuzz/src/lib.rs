//! The fuzz targets: what each feeds to the gateway, and what must hold of whatever comes out.
//!
//! A target is a function of bytes that panics when something does not hold. `fuzz_targets/` hands each to libFuzzer, and
//! `tests/fuzz_corpus.rs` of the main package, which takes this file for a module of its own, runs the same functions over the corpus
//! on the stable toolchain. So a target uses the public interface alone, and the few doors that are there for it (`readers.rs`).

mod commands;
mod config;
mod dump;
mod hooks;
mod import;
mod input;
mod kept;
mod records;
mod render;
mod requests;
mod segments;
mod shelf;
mod twilio;
mod watson;

/// What a target does with an input.
type Target = fn(&[u8]);

/// Every target by its name, which its directories and its file in `fuzz_targets/` have as well.
pub const TARGETS: [(&str, Target); 11] = [
    ("commands", commands::run),
    ("config", config::run),
    ("dump", dump::run),
    ("hooks", hooks::run),
    ("import", import::run),
    ("records", records::run),
    ("render", render::run),
    ("requests", requests::run),
    ("segments", segments::run),
    ("twilio", twilio::run),
    ("watson", watson::run),
];

/// Runs the target of this name.
///
/// # Panics
/// When something does not hold, or there is no such target.
pub fn run(name: &str, data: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("there is such a target");
    target(data);
}
