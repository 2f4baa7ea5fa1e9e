//! `raconteur import ibm` as a process: what it writes, what it says of what it cannot carry over, how it ends.
//!
//! The samples are in the manner of IBM's: every scalar a string, some keys misspelled. Whatever is written is read back by the
//! configuration's own reader, which must find nothing wrong.

#[path = "import/files.rs"]
mod files;
#[path = "import/properties.rs"]
mod properties;
#[path = "import/samples.rs"]
mod samples;
#[path = "import/unusable.rs"]
mod unusable;
#[path = "import/variables.rs"]
mod variables;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use raconteur::config::{self, Config};
use serde_json::{Value, json};
use tempfile::TempDir;

const ACCOUNT: &str = "AC11111111111111111111111111111111";
const KEY: &str = "SK22222222222222222222222222222222";
const WATSON: &str = "https://api.us-south.assistant.watson.cloud.ibm.com/instances/0c1d";

/// How an import ended.
struct Ended {
    code: Option<i32>,
    /// Standard output: the configuration.
    toml: String,
    /// Standard error: the notes.
    notes: String,
}

impl Ended {
    /// One line of the configuration.
    #[track_caller]
    fn has(&self, line: &str) {
        assert!(self.toml.lines().any(|found| found == line), "no line {line:?} in\n{}\n{}", self.toml, self.notes);
    }

    #[track_caller]
    fn lacks(&self, part: &str) {
        assert!(!self.toml.contains(part), "{part:?} is in\n{}", self.toml);
    }

    /// A note with these words on this place.
    #[track_caller]
    fn notes(&self, place: &str, words: &str) {
        let fits = |line: &str| {
            let (places, text) = line.split_once(": ").unwrap_or_default();
            places.trim().split(", ").any(|found| found == place) && text.contains(words)
        };
        assert!(self.notes.lines().any(fits), "no note {words:?} on {place} in\n{}", self.notes);
    }
}

/// Runs the binary in a directory with nothing in its environment but what is given.
fn raconteur(directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_raconteur"));
    command.args(["import", "ibm"]).args(arguments).current_dir(directory).env_clear();
    command.envs(environment.iter().copied()).stdin(Stdio::null());
    let Output { status, stdout, stderr } = command.output().expect("it can be run");
    let text = |bytes| String::from_utf8(bytes).expect("it prints text");
    Ended { code: status.code(), toml: text(stdout), notes: text(stderr) }
}

fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).expect("it can be written to");
    }
    directory
}

/// Imports a tenant file with its secrets; what was written must be readable.
fn import(tenants: &Value) -> Ended {
    let directory = directory(&[("tenants.json", &tenants.to_string())]);
    let ended = raconteur(directory.path(), &["tenants.json", "--secrets", "secrets.env"], &[]);
    if !ended.toml.is_empty() {
        loaded(&ended.toml, &secrets(directory.path()));
    }
    ended
}

/// The variables of a secrets file; those that an operator must fill in get a value.
fn secrets(directory: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(directory.join("secrets.env")).expect("it was written");
    let lines = text.lines().filter_map(|line| match line.strip_prefix("# ").and_then(|line| line.split_once("= ")) {
        Some((name, _)) => Some((name.to_owned(), "filled in".to_owned())),
        None => line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())),
    });
    lines.collect()
}

/// Reads a configuration as `serve` would, up to the kinds of its sections.
#[track_caller]
fn loaded(toml: &str, secrets: &[(String, String)]) -> Config {
    let directory = directory(&[("raconteur.toml", toml)]);
    let path = directory.path().join("raconteur.toml");
    let reading = config::read(Some(&path), secrets.iter().cloned());
    assert_eq!(reading.problems, [], "{toml}");
    reading.config
}

/// A tenant with what every tenant needs.
fn tenant(number: &str) -> Value {
    json!({
        "tenantPhoneNumber": number,
        "allowSessionCreateViaSMS": "true",
        "conversation": { "url": WATSON, "workspaceID": "w-1", "username": "apikey", "password": "watson-sesame" },
        "smsProvider": { "url": "https://api.twilio.com", "username": ACCOUNT, "password": "twilio-sesame" },
    })
}

/// The tenant with further properties, by their dotted path; `null` takes one out.
fn tenant_with<const N: usize>(changes: [(&str, Value); N]) -> Value {
    let mut tenant = tenant("+15550100");
    for (path, value) in changes {
        let place = path.split('.').fold(&mut tenant, |place, step| &mut place[step]);
        *place = value;
    }
    tenant
}
