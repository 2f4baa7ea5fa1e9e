//! Texts as Watson takes them, and Watson's words as we may repeat them.
//!
//! Watson refuses an `input.text` with CR, LF or TAB or of more than 2,048 characters, and texts from phones have both.
//! Its error messages may quote what the user wrote; what we pass on of them is cut and has its numbers masked.

use std::sync::atomic::{AtomicBool, Ordering};

/// The longest `input.text`, in UTF-16 code units. The documentation says "characters" and the service counts as Java does; of the
/// two readings this is the stricter one, so that a text that passes here passes there.
pub(super) const TEXT_MAX: usize = 2_048;

/// How much of an error message is passed on, in characters.
const QUOTE_MAX: usize = 200;

/// This many digits, however they are grouped, may be part of a phone number, a card or a key.
const DIGITS_MASKED: usize = 5;

/// A text that Watson takes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fitted {
    /// The text.
    pub(super) text: String,
    /// How many UTF-16 code units did not fit.
    pub(super) lost: usize,
}

/// Folds each run of line breaks, tabs and other control characters to one space, trims, and cuts at [`TEXT_MAX`].
pub(super) fn fit(text: &str) -> Fitted {
    let pieces: Vec<&str> = text.split(is_break).filter(|piece| !piece.is_empty()).collect();
    let folded = pieces.join(" ");
    let folded = folded.trim();
    let mut units = 0;
    let end = folded
        .char_indices()
        .find(|(_, c)| {
            units += c.len_utf16();
            units > TEXT_MAX
        })
        .map_or(folded.len(), |(at, _)| at);
    let (kept, lost) = folded.split_at(end);
    Fitted { text: kept.trim_end().to_owned(), lost: lost.encode_utf16().count() }
}

/// Tells an operator once that texts are too long; the next one is no news.
#[derive(Default)]
pub(super) struct Cuts(AtomicBool);

impl Cuts {
    /// So much of a text did not fit.
    pub(super) fn note(&self, assistant: &str, lost: usize) {
        if lost > 0 && !self.0.swap(true, Ordering::Relaxed) {
            tracing::warn!(assistant, "cut a text to the {TEXT_MAX} characters watson takes (said once)");
        }
    }
}

fn is_break(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// A foreign error message as it may stand in an error of ours: one line, at most 200 characters, long numbers masked.
pub(super) fn quote(message: &str) -> String {
    let line: String = message.chars().map(|c| if is_break(c) { ' ' } else { c }).collect();
    // Masked first: a number that the cut splits must not escape with its last digits.
    mask_numbers(line.trim()).chars().take(QUOTE_MAX).collect()
}

/// Replaces every run of five or more digits, also when they are grouped as in `(555) 010-0199`.
fn mask_numbers(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut run = String::new();
    for c in text.chars() {
        let grouping = !run.is_empty() && matches!(c, ' ' | '-' | '.' | '(' | ')');
        if c.is_numeric() || grouping {
            run.push(c);
        } else {
            close_run(&mut shown, &mut run);
            shown.push(c);
        }
    }
    close_run(&mut shown, &mut run);
    shown
}

fn close_run(shown: &mut String, run: &mut String) {
    let number = run.trim_end_matches(|c: char| !c.is_numeric());
    if number.chars().filter(|c| c.is_numeric()).count() >= DIGITS_MASKED {
        shown.push('#');
        shown.push_str(&run[number.len()..]);
    } else {
        shown.push_str(run);
    }
    run.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(text: &str) -> String {
        fit(text).text
    }

    #[test]
    fn each_run_of_breaks_becomes_one_space_and_the_ends_are_trimmed() {
        assert_eq!(fitted("one\r\ntwo\t\t\tthree"), "one two three");
        assert_eq!(fitted("\n\t hello \r\n"), "hello");
        assert_eq!(fitted("a\u{c}b\u{2028}c\u{85}d"), "a b c d");
        assert_eq!(fitted("two  spaces stay"), "two  spaces stay");
        assert_eq!(fitted("\r\n"), "");
    }

    #[test]
    fn a_long_text_is_cut_at_a_character_boundary_counted_in_utf16() {
        assert_eq!(fit(&"a".repeat(2_048)), Fitted { text: "a".repeat(2_048), lost: 0 });
        assert_eq!(fit(&"é".repeat(2_050)), Fitted { text: "é".repeat(2_048), lost: 2 });
        // A character outside the first plane counts as two and is never halved.
        assert_eq!(fit(&"😀".repeat(1_025)), Fitted { text: "😀".repeat(1_024), lost: 2 });
        assert_eq!(fit(&format!("a{}", "😀".repeat(1_024))).text, format!("a{}", "😀".repeat(1_023)));
    }

    #[test]
    fn long_numbers_in_foreign_messages_are_masked_however_they_are_grouped() {
        assert_eq!(quote("text 'call +15550199 now' is bad"), "text 'call +# now' is bad");
        assert_eq!(quote("call +1 (555) 010-0199 now"), "call +# now");
        assert_eq!(quote("more than 2048 characters, code 400"), "more than 2048 characters, code 400");
        assert_eq!(quote("٠١٢٣٤٥"), "#");
        assert_eq!(quote("two\nlines"), "two lines");
    }

    #[test]
    fn a_foreign_message_is_cut_after_its_numbers_are_masked() {
        assert_eq!(quote(&"x".repeat(500)).len(), 200);
        let split_by_the_cut = quote(&format!("{}1234567890", "x".repeat(197)));
        assert_eq!(split_by_the_cut, format!("{}#", "x".repeat(197)));
    }
}
