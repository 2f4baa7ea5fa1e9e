//! The fuzz targets over the corpus that fuzzing has left, on the stable toolchain: what once broke something, and every way that was
//! found through the code. `docs/fuzzing.md` says how to look for more.
//!
//! `fuzz/seeds` was written by hand, from what providers and assistants send and from what has failed; `fuzz/corpus` was found.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking, and says which input it was")]

#[path = "../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "it is the library of the fuzz targets as well")]
#[allow(clippy::wildcard_enum_match_arm, reason = "targets look for one thing among all else")]
mod fuzz;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The corpus is part of every clone.
const BYTES_MAX: u64 = 2 << 20;

/// More would take too long here.
const FILES_MAX: usize = 6_000;

fn place(parts: &[&str]) -> PathBuf {
    parts.iter().fold(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz"), |place, part| place.join(part))
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Names the input that was being tried.
struct Trying(PathBuf);

impl Drop for Trying {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this input broke it: {}", self.0.display());
        }
    }
}

fn replay(target: &str) {
    let mut tried = 0;
    for kind in ["seeds", "corpus"] {
        let directory = place(&[kind, target]);
        for name in names(&directory) {
            let trying = Trying(directory.join(name));
            fuzz::run(target, &std::fs::read(&trying.0).unwrap());
            tried += 1;
        }
    }
    assert!(tried > 20, "only {tried} inputs for {target}");
}

#[test]
fn commands_variables_and_keywords_hold_over_the_corpus() {
    replay("commands");
}

#[test]
fn configurations_hold_over_the_corpus() {
    replay("config");
}

#[test]
fn exports_hold_over_the_corpus() {
    replay("dump");
}

#[test]
fn replies_of_webhooks_hold_over_the_corpus() {
    replay("hooks");
}

#[test]
fn ibms_configurations_hold_over_the_corpus() {
    replay("import");
}

#[test]
fn records_of_the_store_hold_over_the_corpus() {
    replay("records");
}

#[test]
fn renderings_hold_over_the_corpus() {
    replay("render");
}

#[test]
fn json_requests_hold_over_the_corpus() {
    replay("requests");
}

#[test]
fn segments_hold_over_the_corpus() {
    replay("segments");
}

#[test]
fn requests_of_twilio_hold_over_the_corpus() {
    replay("twilio");
}

#[test]
fn answers_of_watson_hold_over_the_corpus() {
    replay("watson");
}

#[test]
fn every_target_has_a_program_seeds_and_a_corpus() {
    let targets: BTreeSet<String> = fuzz::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    for kind in ["seeds", "corpus"] {
        assert_eq!(names(&place(&[kind])), targets, "{kind}");
    }
    let programs: BTreeSet<String> = targets.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(names(&place(&["fuzz_targets"])), programs);
    let manifest = std::fs::read_to_string(place(&["Cargo.toml"])).unwrap();
    for target in targets {
        let program = std::fs::read_to_string(place(&["fuzz_targets", &format!("{target}.rs")])).unwrap();
        assert!(program.contains(&format!("run(\"{target}\", data)")), "{program}");
        assert!(manifest.contains(&format!("name = \"{target}\"\npath = \"fuzz_targets/{target}.rs\"")), "{target}");
    }
}

#[test]
fn the_corpus_stays_small() {
    let (mut bytes, mut files) = (0, 0);
    for kind in ["seeds", "corpus"] {
        for target in names(&place(&[kind])) {
            let directory = place(&[kind, &target]);
            let sizes =
                names(&directory).into_iter().map(|name| std::fs::metadata(directory.join(name)).unwrap().len());
            sizes.for_each(|size| {
                bytes += size;
                files += 1;
            });
        }
    }
    assert!(bytes < BYTES_MAX && files < FILES_MAX, "{files} files, {bytes} bytes");
}
