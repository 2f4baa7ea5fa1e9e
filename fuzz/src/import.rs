//! IBM's configuration: the tenants of a file, or the variables of a container.
//!
//! The input is a file of JSON; behind a line of `%%`, variables, `NAME=VALUE`, one a line. Without a file the variables alone are read.

use raconteur::config::read;
use raconteur::import::ibm::{Input, import};
use raconteur::import::{Imported, Variable, listed, read_env_file, write_env_file};
use serde_json::Value;

use super::config::File;
use super::input::{SESAME, halves, is_fit_to_be_told, variables};

/// The longest remark on one place.
const NOTE_MAX: usize = 800;

/// The properties whose values are nobody's business.
const SECRETS: [&str; 4] = ["password", "apikey", "bearertoken", "secret"];

pub(super) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (file, lines) = halves(&text);
    let variables: Vec<Variable> = variables(lines).map(variable).collect();
    bring_over(file.as_bytes(), &variables);
    // The file once more, with a secret in it that can be told from everything else.
    if let Ok(mut value) = serde_json::from_str::<Value>(file) {
        hide(&mut value);
        if let Some(imported) = bring_over(value.to_string().as_bytes(), &variables) {
            assert!(!imported.toml.contains(SESAME), "a secret is in the configuration:\n{}", imported.toml);
            assert!(!listed(&imported.notes).contains(SESAME), "a secret is told:\n{}", listed(&imported.notes));
        }
    }
    if let Err(problem) = read_env_file("fuzz.env", &text) {
        is_fit_to_be_told(&problem.to_string(), NOTE_MAX);
    }
}

fn variable((name, value): (&str, &str)) -> Variable {
    Variable { name: name.to_owned(), value: value.to_owned() }
}

/// Puts a secret in the place of every value that is one.
fn hide(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let name: String = name.to_lowercase().replace(['_', '-'], "");
                if SECRETS.contains(&name.as_str()) && value.is_string() {
                    *value = SESAME.into();
                } else {
                    hide(value);
                }
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(hide),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whatever is carried over is a configuration that can be read.
fn bring_over(file: &[u8], variables: &[Variable]) -> Option<Imported> {
    let tenants = (!file.is_empty()).then_some(("tenants.json", file));
    match import(&Input { tenants, variables, public_url: None }) {
        Ok(imported) => {
            imported.notes.iter().for_each(|note| is_bounded(&note.place, &note.text));
            if imported.carried > 0 {
                can_be_read(&imported);
            }
            secrets_come_back(&imported);
            Some(imported)
        }
        Err(problem) => {
            is_bounded(&problem.place, &problem.message);
            None
        }
    }
}

fn is_bounded(place: &str, words: &str) {
    for words in [place, words] {
        assert!(words.chars().count() <= NOTE_MAX, "{} characters: {place}", words.chars().count());
    }
}

fn can_be_read(imported: &Imported) {
    let secrets = imported.secrets.iter().map(|secret| {
        let value = secret.value.as_ref().map_or("filled-in", |value| value.expose());
        (secret.name.clone(), value.to_owned())
    });
    let file = File::of("import", &imported.toml);
    let reading = read(Some(file.path()), secrets);
    assert!(reading.problems.is_empty(), "{:?}\n{}", reading.problems, imported.toml);
    assert_eq!(reading.config.tenants.len(), imported.carried);
}

/// The file of secrets holds every secret that it does not name as unwritten, as it is.
fn secrets_come_back(imported: &Imported) {
    let (text, unwritten) = write_env_file(&imported.secrets);
    let Ok(read) = read_env_file("secrets.env", &text) else { panic!("what was written can be read") };
    for secret in &imported.secrets {
        let found = read.iter().find(|variable| variable.name == secret.name).map(|variable| variable.value.as_str());
        let is_unwritten = unwritten.iter().any(|other| other.name == secret.name);
        let wanted = secret.value.as_ref().filter(|_| !is_unwritten).map(|value| value.expose());
        assert_eq!(found, wanted, "{}", secret.name);
    }
}
