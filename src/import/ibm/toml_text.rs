//! TOML as a person would write it: comments, sections, one key a line.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use crate::config::duration_text;

/// A longer comment is cut.
const COMMENT_MAX: usize = 200;

/// A text of TOML that grows.
#[derive(Default)]
pub(super) struct Toml(pub(super) String);

impl Toml {
    /// A remark on what follows. Whatever it holds, it stays a remark of one line.
    pub(super) fn comment(&mut self, text: &str) {
        let line: String =
            text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(COMMENT_MAX).collect();
        let _ = writeln!(self.0, "# {}", line.trim());
    }

    /// Begins a section, `[channels.twilio]`.
    pub(super) fn section(&mut self, header: &str) {
        let _ = writeln!(self.0, "{header}");
    }

    /// An empty line.
    pub(super) fn gap(&mut self) {
        self.0.push('\n');
    }

    /// A string.
    pub(super) fn text(&mut self, key: &str, value: &str) {
        let _ = writeln!(self.0, "{key} = {}", toml::Value::from(value));
    }

    /// A number, or true or false.
    pub(super) fn bare(&mut self, key: &str, value: impl Display) {
        let _ = writeln!(self.0, "{key} = {value}");
    }

    /// A length of time, if there is one.
    pub(super) fn span(&mut self, key: &str, value: Option<Duration>) {
        if let Some(value) = value {
            self.text(key, &duration_text(value));
        }
    }

    /// A secret, read from a variable.
    pub(super) fn secret(&mut self, key: &str, variable: &str) {
        let _ = writeln!(self.0, "{key} = {{ env = \"{variable}\" }}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_gets_out_of_its_line() {
        let nasty = "a\n[evil]\r\u{7f}\u{85}\"\"\" ''' \\ \u{2028} # ü";
        let mut toml = Toml::default();
        toml.comment(nasty);
        toml.comment(&"long ".repeat(100));
        toml.section("[good]");
        toml.text("key", nasty);
        let read: toml::Table = toml::from_str(&toml.0).unwrap();
        assert_eq!(read.len(), 1);
        assert_eq!(read["good"]["key"].as_str(), Some(nasty));
    }
}
