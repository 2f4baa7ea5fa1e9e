//! How targets take their bytes apart, and what several of them judge alike.

use serde_json::Value;

/// Stands where a secret does, and in nothing that anybody is told.
pub(super) const SESAME: &str = "open-sesame-7d1f";

/// The bytes up to the first line break, and those behind it.
pub(super) fn line(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &[]),
    }
}

/// Text before and behind a line that holds `%%` alone; all of it and nothing without such a line.
pub(super) fn halves(text: &str) -> (&str, &str) {
    text.split_once("\n%%\n").unwrap_or((text, ""))
}

/// `NAME=VALUE` lines.
pub(super) fn variables(lines: &str) -> impl Iterator<Item = (&str, &str)> {
    lines.lines().filter_map(|line| line.split_once('='))
}

/// The same JSON, written by somebody else: other white space, another order, nothing twice. `None` where it is no JSON, or where its
/// numbers change with the writing (the parser rounds in a hurry).
pub(super) fn rewritten(json: &[u8]) -> Option<Vec<u8>> {
    let value: Value = serde_json::from_slice(json).ok()?;
    let text = serde_json::to_vec_pretty(&value).expect("a value can be written");
    (serde_json::from_slice::<Value>(&text).ok()? == value).then_some(text)
}

/// What people are told has a limit, in characters, and no secret in it.
pub(super) fn is_fit_to_be_told(words: &str, most: usize) {
    let length = words.chars().count();
    assert!(length <= most, "{length} characters: {}", words.chars().take(200).collect::<String>());
    assert!(!words.contains(SESAME), "a secret is told: {words}");
}
