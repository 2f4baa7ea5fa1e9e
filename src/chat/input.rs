//! The line that is being typed: text, cursor, and what keys do to them. The cursor moves by what a reader sees as one character.

use unicode_segmentation::UnicodeSegmentation;

/// No longer text can be typed, in bytes.
const LENGTH_MAX: usize = 16 * 1024;

/// A text with a cursor in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Input {
    text: String,
    /// A byte index, always between two grapheme clusters.
    cursor: usize,
}

/// What a key does to the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    Left,
    Right,
    WordLeft,
    WordRight,
    Home,
    End,
    Backspace,
    Delete,
    DeleteWord,
    DeleteToStart,
    DeleteToEnd,
}

impl Input {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What stands before the cursor.
    pub(super) fn before_cursor(&self) -> &str {
        &self.text[..self.cursor]
    }

    /// Types or pastes. Line ends stay, other control characters do not.
    pub(super) fn insert(&mut self, text: &str) {
        let text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\t', " ");
        for c in text.chars().filter(|c| *c == '\n' || !c.is_control()) {
            if self.text.len() + c.len_utf8() > LENGTH_MAX {
                break;
            }
            self.text.insert(self.cursor, c);
            self.cursor += c.len_utf8();
        }
        // What was typed may have joined what stands behind it.
        self.cursor = self.boundary_from(self.cursor);
    }

    pub(super) fn edit(&mut self, edit: Edit) {
        match edit {
            Edit::Left => self.cursor = self.left(),
            Edit::Right => self.cursor = self.right(),
            Edit::WordLeft => self.cursor = self.word_left(),
            Edit::WordRight => self.cursor = self.word_right(),
            Edit::Home => self.cursor = 0,
            Edit::End => self.cursor = self.text.len(),
            Edit::Backspace => self.delete(self.left(), self.cursor),
            Edit::Delete => self.delete(self.cursor, self.right()),
            Edit::DeleteWord => self.delete(self.word_left(), self.cursor),
            Edit::DeleteToStart => self.delete(0, self.cursor),
            Edit::DeleteToEnd => self.delete(self.cursor, self.text.len()),
        }
    }

    /// Takes the text out and leaves the line empty.
    pub(super) fn take(&mut self) -> String {
        self.cursor = 0;
        std::mem::take(&mut self.text)
    }

    fn delete(&mut self, from: usize, to: usize) {
        self.text.replace_range(from..to, "");
        self.cursor = self.boundary_from(from);
    }

    fn left(&self) -> usize {
        self.text[..self.cursor].grapheme_indices(true).next_back().map_or(0, |(at, _)| at)
    }

    fn right(&self) -> usize {
        self.text[self.cursor..].graphemes(true).next().map_or(self.cursor, |cluster| self.cursor + cluster.len())
    }

    fn word_left(&self) -> usize {
        let words = self.text[..self.cursor].trim_end();
        words.rfind(char::is_whitespace).map_or(0, |at| at + words[at..].chars().next().map_or(0, char::len_utf8))
    }

    fn word_right(&self) -> usize {
        let rest = &self.text[self.cursor..];
        let word = rest.len() - rest.trim_start().len();
        rest[word..].find(char::is_whitespace).map_or(self.text.len(), |at| self.cursor + word + at)
    }

    /// The first place between two clusters from `at` on.
    fn boundary_from(&self, at: usize) -> usize {
        let starts = self.text.grapheme_indices(true).map(|(start, _)| start);
        starts.chain([self.text.len()]).find(|start| *start >= at).unwrap_or(self.text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str, edits: &[Edit]) -> (String, String) {
        let mut input = Input::default();
        input.insert(text);
        edits.iter().for_each(|edit| input.edit(*edit));
        (input.before_cursor().to_owned(), input.text()[input.cursor..].to_owned())
    }

    #[test]
    fn keys_edit_at_the_cursor() {
        use Edit::*;
        let cases: [(&str, &[Edit], (&str, &str)); 13] = [
            ("abc", &[], ("abc", "")),
            ("abc", &[Left], ("ab", "c")),
            ("abc", &[Home, Right], ("a", "bc")),
            ("abc", &[Left, Backspace], ("a", "c")),
            ("abc", &[Home, Delete], ("", "bc")),
            ("abc", &[Home, Backspace, Left], ("", "abc")),
            ("abc", &[Delete, Right], ("abc", "")),
            ("one two  ", &[DeleteWord], ("one ", "")),
            ("one two", &[WordLeft, DeleteToStart], ("", "two")),
            ("one two", &[Home, WordRight, DeleteToEnd], ("one", "")),
            ("one\u{2003}two", &[WordLeft], ("one\u{2003}", "two")),
            ("a👨‍👩‍👧b", &[Left, Backspace], ("a", "b")),
            ("e\u{301}x", &[Home, Right], ("e\u{301}", "x")),
        ];
        for (text, edits, (before, after)) in cases {
            assert_eq!(typed(text, edits), (before.to_owned(), after.to_owned()), "{text:?} {edits:?}");
        }
    }

    #[test]
    fn pasted_lines_stay_lines_and_control_characters_go() {
        assert_eq!(typed("a\r\nb\rc\td\u{1b}[31m", &[]).0, "a\nb\nc d[31m");
    }

    #[test]
    fn a_paste_is_bounded_and_taking_empties_the_line() {
        let mut input = Input::default();
        input.insert(&"é".repeat(LENGTH_MAX));
        assert_eq!(input.take().len(), LENGTH_MAX);
        assert_eq!(input, Input::default());
    }

    #[test]
    fn the_cursor_never_stands_inside_a_cluster() {
        let mut input = Input::default();
        input.insert("\u{301}");
        input.edit(Edit::Home);
        input.insert("e");
        assert_eq!(input.before_cursor(), "e\u{301}");
        let mut flags = Input::default();
        flags.insert("🇺🇸🇩🇪");
        flags.edit(Edit::Home);
        flags.edit(Edit::Right);
        flags.insert("🇫");
        flags.edit(Edit::Backspace);
        assert!(flags.text().is_char_boundary(flags.cursor));
    }
}
