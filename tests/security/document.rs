//! Holds docs/security.md to its word: every threat has a guard, and tests that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// One row of the threat model.
struct Row {
    threat: String,
    guard: String,
    tests: Vec<String>,
}

fn rows() -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/security.md");
    let text = fs::read_to_string(path).expect("it is there");
    let table =
        text.lines().skip_while(|line| !line.starts_with("| threat |")).take_while(|line| line.starts_with('|'));
    table
        .skip(2)
        .map(|line| {
            let cells: Vec<&str> = line.trim().trim_matches('|').split(" | ").map(str::trim).collect();
            let [threat, guard, tests] = cells[..] else { panic!("three cells are wanted: {line}") };
            let tests = tests.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            Row { threat: threat.to_owned(), guard: guard.to_owned(), tests }
        })
        .collect()
}

/// The names of the tests in a file: functions below an attribute that makes one.
fn tests_of(file: &str, names: &mut BTreeSet<String>) {
    let mut is_test = false;
    for line in file.lines().map(str::trim) {
        if line.starts_with("#[") {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            continue;
        }
        let name = line.split_once("fn ").and_then(|(_, rest)| rest.split_once('(')).map(|(name, _)| name);
        if let Some(name) = name.filter(|_| is_test) {
            names.insert(name.to_owned());
        }
        is_test &= line.starts_with("//");
    }
}

fn search(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("it is a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            search(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            tests_of(&fs::read_to_string(path).expect("it is text"), names);
        }
    }
}

#[test]
fn every_threat_has_a_guard_and_tests_that_exist() {
    let mut names = BTreeSet::new();
    for folder in ["conversation", "storage", "actors", "src", "tests"] {
        search(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut names);
    }
    let mut seen = BTreeSet::new();
    for Row { threat, guard, tests } in rows() {
        assert!(!guard.is_empty() && !tests.is_empty(), "{threat}: which guard, and what proves it?");
        for name in tests {
            assert!(names.contains(&name), "{threat}: there is no test {name}");
        }
        assert!(seen.insert(threat.clone()), "{threat} is there twice");
    }
}

#[test]
fn no_kind_of_threat_is_missing() {
    let threats: Vec<String> = rows().iter().map(|row| row.threat.to_lowercase()).collect();
    for kind in [
        "forged",
        "replayed",
        "tenant",
        "guess",
        "timing",
        "inside",
        "redirect",
        "oversized",
        "slow",
        "too many",
        "slowloris",
        "log",
        "script",
        "nested",
        "html",
        "debug",
        "pipe",
        "disk",
        "alias",
        "another origin",
        "header",
        "tls",
        "beyond this machine",
    ] {
        assert!(threats.iter().any(|threat| threat.contains(kind)), "no threat is about {kind}");
    }
}

/// Whether a line compares what a secret exposes by `==` or `!=`, on either side.
fn compares_a_secret(line: &str) -> bool {
    let tight: String = line.chars().filter(|letter| !letter.is_whitespace()).collect();
    tight.match_indices("expose()").any(|(at, exposed)| {
        let after = tight[at + exposed.len()..].trim_start_matches(".as_bytes()");
        let is_path = |letter: char| letter.is_ascii_alphanumeric() || "_.&".contains(letter);
        let before = tight[..at].trim_end_matches(is_path);
        [after.starts_with("=="), after.starts_with("!="), before.ends_with("=="), before.ends_with("!=")]
            .contains(&true)
    })
}

/// The code of every file in a folder, without its tests.
pub(crate) fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut sources = Vec::new();
    for entry in fs::read_dir(folder).expect("it is a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources.extend(self::sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            let text = fs::read_to_string(&path).expect("it is text");
            sources.push((path, text.split("mod tests {").next().unwrap_or_default().to_owned()));
        }
    }
    sources
}

#[test]
fn secrets_and_proofs_are_compared_in_constant_time_and_nowhere_else() {
    for bad in ["a.expose() == b", "if b != self.secret.expose() {", "x.expose().as_bytes() == y"] {
        assert!(compares_a_secret(bad), "{bad}");
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    for (file, code) in sources(&root.join("src")) {
        let found = code.lines().filter(|line| compares_a_secret(line));
        wrong.extend(found.map(|line| format!("{}: {}", file.display(), line.trim())));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for (file, comparison) in [
        ("src/config/secret.rs", "ct_eq(other.expose().as_bytes())"),
        ("src/config/token.rs", "self.0.ct_eq(&other.0)"),
        ("src/http/control/access.rs", ".ct_eq(&key.proof)"),
        ("src/transport/twilio/signature.rs", ".as_bytes().ct_eq(signature)"),
    ] {
        let text = fs::read_to_string(root.join(file)).expect("it is there");
        assert!(text.contains(comparison), "{file}: {comparison}");
    }
}
