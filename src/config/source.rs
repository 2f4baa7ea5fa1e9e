//! Where a piece of configuration was written: in the file, in an environment variable, or nowhere (built in).
//!
//! Every key and value remembers its [`At`]; only a problem that is shown turns it into a place in words.

/// Everything that a configuration was put together from.
#[derive(Default)]
pub(super) struct Sources(Vec<Source>);

/// One origin of keys and values.
pub(super) enum Source {
    /// A file, by the name the user gave.
    File {
        /// Its name.
        name: String,
        /// All of its text.
        text: String,
    },
    /// An environment variable, by its name.
    Variable(String),
    /// What holds without any file.
    BuiltIn,
}

/// A byte in a source. Ordered as the user would read: the file from its top, then the variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    /// Which source, as [`Sources::add`] numbered it.
    pub(super) source: usize,
    /// How far into it, in bytes.
    pub(super) offset: usize,
}

/// Something wrong, before its place is put in words.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Where.
    pub(super) at: At,
    /// What is wrong and what to do.
    pub(super) message: String,
}

impl Sources {
    /// Adds a source and returns its number.
    pub(super) fn add(&mut self, source: Source) -> usize {
        self.0.push(source);
        self.0.len() - 1
    }

    /// The place in words: `file:line:column`, the name of a variable, or `built-in defaults`.
    pub(super) fn place(&self, at: At) -> String {
        match self.0.get(at.source) {
            Some(Source::File { name, text }) => {
                let (line, column) = line_and_column(text, at.offset);
                format!("{name}:{line}:{column}")
            }
            Some(Source::Variable(name)) => name.clone(),
            Some(Source::BuiltIn) | None => "built-in defaults".into(),
        }
    }
}

/// The line and the column, both from 1 on, of a byte in a text; columns count characters.
pub(super) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_and_in_characters() {
        assert_eq!(line_and_column("", 0), (1, 1));
        assert_eq!(line_and_column("a = 1\nb", 6), (2, 1));
        assert_eq!(line_and_column("é = x", 5), (1, 5));
        assert_eq!(line_and_column("ab", 99), (1, 3));
    }
}
