//! Files of NAME=VALUE lines: read as people write them for `docker run --env-file`, written so that docker and systemd's
//! `EnvironmentFile` read the same value.
//!
//! The two differ in quotes and backslashes, so a secret that has them is not written: its name is returned instead.

use std::fmt::Write as _;

use super::SecretVariable;
use crate::config::Problem;

/// One line of such a file. No `Debug`: there are secrets among the values.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Reads NAME=VALUE lines; `export ` before the name and quotes around the value are dropped, lines that begin with # too.
///
/// # Errors
/// The first line that is none of that, with its place in `file`.
pub fn read(file: &str, text: &str) -> Result<Vec<Variable>, Problem> {
    let mut variables = Vec::new();
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match variable(line) {
            Ok(variable) => variables.push(variable),
            Err(message) => return Err(Problem { place: format!("{file}:{}", number + 1), message: message.into() }),
        }
    }
    Ok(variables)
}

fn variable(line: &str) -> Result<Variable, &'static str> {
    let line = line.strip_prefix("export ").map_or(line, str::trim_start);
    let Some((name, value)) = line.split_once('=') else {
        return Err("this line has no `=`: write NAME=VALUE, or # before a remark");
    };
    let name = name.trim_end();
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || !name.bytes().all(good) {
        return Err("what stands before `=` is no name: it has letters, digits and _ only, as in NAME=VALUE");
    }
    let value = value.trim();
    let quoted = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
    Ok(Variable { name: name.to_owned(), value: value.to_owned() })
}

/// The lines of a file for docker and systemd, and the variables that such a file cannot hold.
#[must_use]
pub fn write(secrets: &[SecretVariable]) -> (String, Vec<&SecretVariable>) {
    let mut text = String::from(
        "# Secrets for a configuration made by `raconteur import`. For docker's --env-file and systemd's EnvironmentFile.\n",
    );
    let mut unwritten = Vec::new();
    for secret in secrets {
        let value = secret.value.as_ref().map(|value| value.expose());
        let _ = match value {
            Some(value) if reads_the_same(value) => writeln!(text, "{}={value}", secret.name),
            Some(_) => {
                unwritten.push(secret);
                writeln!(text, "# {}= has a character that docker and systemd read differently", secret.name)
            }
            None => writeln!(text, "# {}= was not in the old configuration: set it here", secret.name),
        };
    }
    (text, unwritten)
}

/// Whether docker, which takes a value as it stands, and systemd, which knows quotes and backslashes, read the same.
fn reads_the_same(value: &str) -> bool {
    let plain = |letter: char| !letter.is_control() && letter != '\\';
    value == value.trim() && !value.starts_with(['"', '\'']) && value.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::secret::Secret;

    fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
        match read("env", text) {
            Ok(variables) => Ok(variables.into_iter().map(|variable| (variable.name, variable.value)).collect()),
            Err(problem) => Err(problem.to_string()),
        }
    }

    #[test]
    fn lines_are_read_with_quotes_comments_and_export() {
        let text =
            "\u{feff}# remark\n\nA=1\r\nexport B = two words \n C=\"quoted # not a remark\"\nD='x=y'\nE=\nF=it's\n";
        let expected =
            [("A", "1"), ("B", "two words"), ("C", "quoted # not a remark"), ("D", "x=y"), ("E", ""), ("F", "it's")];
        assert_eq!(pairs(text).unwrap(), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_line_that_sets_nothing_is_refused_with_its_number_and_without_its_text() {
        let table = [
            ("A=1\nsesame\n", "env:2: this line has no `=`"),
            ("\n\n- SESAME=1\n", "env:3: what stands before `=` is no name"),
            ("=sesame\n", "env:1: what stands before `=` is no name"),
        ];
        for (text, expected) in table {
            let problem = pairs(text).unwrap_err();
            assert!(problem.starts_with(expected), "{problem}");
            assert!(!problem.to_lowercase().contains("sesame"), "{problem}");
        }
    }

    #[test]
    fn what_is_written_reads_back_and_what_cannot_be_written_is_named() {
        let secret = |name: &str, value: Option<&str>| SecretVariable {
            name: name.into(),
            place: "x".into(),
            value: value.map(Secret::new),
        };
        let good = ["0123abcd", "p4ss w0rd#!$%", "it's", "ü=1"];
        let bad = ["\"quoted\"", "'q", "back\\slash", "two\nlines", "tab\there", " blank"];
        let names: Vec<String> = (0..good.len() + bad.len()).map(|index| format!("S{index}")).collect();
        let all: Vec<SecretVariable> =
            good.iter().chain(&bad).zip(&names).map(|(value, name)| secret(name, Some(value))).collect();
        let (text, unwritten) = write(&all);
        let read: Vec<String> = pairs(&text).unwrap().into_iter().map(|(_, value)| value).collect();
        assert_eq!(read, good);
        assert_eq!(unwritten.iter().map(|secret| secret.name.as_str()).collect::<Vec<_>>(), names[good.len()..]);
        let missing = [secret("MISSING", None)];
        let (text, unwritten) = write(&missing);
        assert!(text.contains("\n# MISSING= was not in the old configuration") && unwritten.is_empty(), "{text}");
    }
}
