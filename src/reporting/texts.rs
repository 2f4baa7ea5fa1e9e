//! How much of what was said a report may repeat.

use serde::Deserialize;

/// This many digits in a row are somebody's number or secret rather than an amount or a year.
const RUN_MIN: usize = 5;

/// How much of what was said a report may repeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Texts {
    /// All of it.
    #[default]
    Full,
    /// All but long numbers: of five digits or more in a row each becomes `#`. One blank or hyphen between two digits does not end
    /// the row, since people write cards and phones in groups.
    Masked,
    /// Nothing.
    None,
}

impl Texts {
    /// A text as far as it may be repeated.
    pub(super) fn shown(self, text: &str) -> Option<String> {
        match self {
            Self::Full => Some(text.to_owned()),
            Self::Masked => Some(masked(text)),
            Self::None => None,
        }
    }
}

fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(char::is_numeric) {
        let (before, from) = rest.split_at(start);
        let (run, after) = from.split_at(run_length(from));
        shown.push_str(before);
        if run.chars().filter(|c| c.is_numeric()).count() >= RUN_MIN {
            shown.extend(run.chars().map(|c| if c.is_numeric() { '#' } else { c }));
        } else {
            shown.push_str(run);
        }
        rest = after;
    }
    shown + rest
}

/// How many bytes the row of digits takes that `text` begins with, up to its last digit.
fn run_length(text: &str) -> usize {
    let mut end = 0;
    for (at, letter) in text.char_indices() {
        if letter.is_numeric() {
            end = at + letter.len_utf8();
        } else if at != end || !matches!(letter, ' ' | '-') {
            break;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_are_masked_and_short_ones_are_not() {
        let table = [
            ("", ""),
            ("no digits", "no digits"),
            ("pay 1234 by 2026", "pay 1234 by 2026"),
            ("code 12345", "code #####"),
            ("4111 1111 1111 1111 thanks", "#### #### #### #### thanks"),
            ("+1 555-0199.", "+# ###-####."),
            ("1  2  3  4  5", "1  2  3  4  5"),
            ("12 - 345", "12 - 345"),
            ("é12345é٣٤٥٦٧", "é#####é#####"),
            ("99999", "#####"),
            ("1234 ", "1234 "),
        ];
        for (text, expected) in table {
            assert_eq!(Texts::Masked.shown(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn everything_or_nothing_is_shown_as_asked() {
        assert_eq!(Texts::Full.shown("12345").as_deref(), Some("12345"));
        assert_eq!(Texts::None.shown("12345"), None);
    }
}
