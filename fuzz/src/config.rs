//! The configuration: TOML, with variables that override it and that it reads secrets from.
//!
//! The input is a file; behind a line of `%%`, further variables, `NAME=VALUE`, one a line. What a kind makes of its section is asked as
//! `raconteur check` asks it.

use std::path::{Path, PathBuf};

use raconteur::check::{Kind, Kinds, Report, report};
use raconteur::config::{Reading, Section, read};
use raconteur::{assistant, reporting, transport};

use super::input::{SESAME, halves, is_fit_to_be_told, variables};

/// The longest remark on what is wrong.
const MESSAGE_MAX: usize = 2_000;

/// The variables that secrets are read from, of the example and of what an import makes.
const SECRETS: [&str; 8] = [
    "TWILIO_AUTH_TOKEN",
    "WATSON_APIKEY",
    "SOE_APIKEY",
    "CONTROL_PASSWORD",
    "CONTROL_TOKEN",
    "REPORT_TOKEN",
    "METRICS_TOKEN",
    "SECRET",
];

/// A file with this text, for a target of this process; it goes with what is returned.
pub(super) struct File(PathBuf);

impl File {
    pub(super) fn of(target: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("raconteur-fuzz-{target}-{}.toml", std::process::id()));
        std::fs::write(&path, text).expect("there is room for a file");
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

pub(super) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (file, overrides) = halves(&text);
    let file = File::of("config", file);
    let (reading, Report { text, problems }) = look(&file, overrides);
    assert_eq!(text.starts_with("OK: "), problems.is_empty(), "{text}");
    let places = problems.iter().map(|problem| problem.place.as_str());
    for place in places.chain(problems.iter().map(|problem| problem.message.as_str())) {
        is_fit_to_be_told(place, MESSAGE_MAX);
    }
    assert!(!text.contains(SESAME) && !format!("{reading:?}").contains(SESAME), "a secret is told");
    let (_, again) = look(&file, overrides);
    assert_eq!(problems, again.problems, "it depends on when it is read");
}

fn look(file: &File, overrides: &str) -> (Reading, Report) {
    let secrets = SECRETS.into_iter().map(|name| (name.to_owned(), SESAME.to_owned()));
    let overrides = variables(overrides).map(|(name, value)| (name.to_owned(), value.to_owned()));
    let reading = read(Some(file.path()), secrets.chain(overrides));
    let report = checked(&reading);
    (reading, report)
}

/// As the command `check`, which has the same three lists.
fn checked(reading: &Reading) -> Report {
    type Check = Box<dyn Fn(&Section) -> raconteur::check::Verdict>;
    let assistants: Vec<(&str, Check)> = assistant::KINDS
        .iter()
        .map(|kind| (kind.name, Box::new(|section: &Section| (kind.open)(section).map(|_| Vec::new())) as Check))
        .collect();
    let assistants: Vec<Kind<'_>> = assistants.iter().map(|(name, check)| Kind { name, check }).collect();
    let channels: Vec<Kind<'_>> =
        transport::KINDS.iter().map(|kind| Kind { name: kind.name, check: &kind.check }).collect();
    let reports: Vec<Kind<'_>> =
        reporting::KINDS.iter().map(|kind| Kind { name: kind.name, check: &kind.check }).collect();
    report(reading, Kinds { channels: &channels, assistants: &assistants, reports: &reports })
}
