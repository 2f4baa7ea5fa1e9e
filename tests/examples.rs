//! Every example runs to its end, with no account and no network, and says what it promises.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Cargo builds the examples before the tests and puts them beside the binary.
fn example(name: &str) -> PathBuf {
    let beside = Path::new(env!("CARGO_BIN_EXE_raconteur")).parent().unwrap();
    beside.join("examples").join(name)
}

fn output_of(name: &str) -> String {
    let output = Command::new(example(name)).output().unwrap_or_else(|error| panic!("{name}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name} failed\n{out}\n{err}");
    out.into_owned()
}

#[test]
fn quickstart_talks_to_the_demo_bot() {
    let out = output_of("quickstart");
    assert!(out.contains("< You are Ada."), "{out}");
    assert!(out.contains("< Goodbye, Ada!"), "{out}");
}

#[test]
fn custom_assistant_counts_and_picks_from_its_list() {
    let out = output_of("custom_assistant");
    assert!(out.contains("< That was text 1."), "{out}");
    assert!(out.contains("1. Count") && out.contains("< Goodbye after 3 texts."), "{out}");
}

#[test]
fn custom_transport_carries_texts_both_ways() {
    let out = output_of("custom_transport");
    assert!(out.contains("< by pigeon to +15550199: Nice to meet you, Ada!"), "{out}");
}

#[test]
fn embedded_runs_two_gateways_in_one_program() {
    let out = output_of("embedded");
    assert_eq!(out.matches("ready: true").count(), 2, "{out}");
    assert!(out.contains("both gateways have stopped"), "{out}");
}

#[test]
fn a_transport_in_one_file_takes_a_text_once_and_answers_it() {
    let out = output_of("transport_in_one_file");
    assert!(out.contains("pager: have the provider post texts to /channels/pager/inbound"), "{out}");
    assert!(out.contains("with a wrong token: Some(Forbidden("), "{out}");
    assert!(out.contains("> my name is Ada: Accepted(") && out.contains("> my name is Ada: Duplicate("), "{out}");
    assert!(out.contains("Ada") && out.contains("\"to\":\"+15550199\"") && out.contains("and 0 more"), "{out}");
}
