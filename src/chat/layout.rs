//! How bubbles are laid out: wrapped rows of text in a frame, ours on the right and theirs on the left, with the time and what became
//! of the text in the frame's lower edge. Pure: a bubble and a width make lines.

use raconteur_conversation::time::UnixMillis;
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::model::{Bubble, Delivery};

/// Texts are not wrapped wider than this: long lines are hard to read.
const TEXT_WIDTH_MAX: usize = 64;

/// The narrowest bubble still has room for its edge.
const TEXT_WIDTH_MIN: usize = 4;

/// The rows of one bubble on a screen `width` columns wide.
pub(super) fn bubble(bubble: &Bubble, width: usize) -> Vec<Line<'static>> {
    let text_max = (width * 3 / 4).saturating_sub(4).clamp(TEXT_WIDTH_MIN, TEXT_WIDTH_MAX);
    match bubble {
        Bubble::Theirs { text, at } => framed(&wrap(text, text_max), &clock(*at), Style::new().fg(Color::Magenta)),
        Bubble::Ours { text, at, delivery, .. } => {
            let (mark, style) = match delivery {
                Delivery::Sending => ("sending …", Style::new().fg(Color::Yellow)),
                Delivery::Accepted => ("accepted ✓", Style::new().fg(Color::Green)),
                Delivery::Answered => ("✓✓", Style::new().fg(Color::Green)),
                Delivery::Failed(_) => ("failed ✗", Style::new().fg(Color::Red)),
            };
            let mut rows = framed(&wrap(text, text_max), &format!("{} {mark}", clock(*at)), style);
            if let Delivery::Failed(reason) = delivery {
                let rest = width.saturating_sub(1).max(TEXT_WIDTH_MIN);
                let reasons = wrap(&format!("{reason} (Ctrl-R resends it)"), rest);
                rows.extend(reasons.into_iter().map(|row| Line::from(row.fg(Color::Red))));
            }
            rows.into_iter().map(Line::right_aligned).collect()
        }
    }
}

fn framed(rows: &[String], stamp: &str, style: Style) -> Vec<Line<'static>> {
    let inner = rows.iter().map(|row| row.width()).chain([stamp.width() + 1]).max().unwrap_or_default();
    let mut lines = vec![Line::styled(format!("╭{}╮", "─".repeat(inner + 2)), style)];
    lines.extend(rows.iter().map(|row| {
        let gap = " ".repeat(inner - row.width());
        Line::from(vec![Span::styled("│ ", style), Span::raw(format!("{row}{gap}")), Span::styled(" │", style)])
    }));
    let edge = "─".repeat((inner + 2).saturating_sub(stamp.width() + 3));
    lines.push(Line::styled(format!("╰{edge} {stamp} ─╯"), style));
    lines
}

/// A line between two days; `None` within one.
pub(super) fn day_between(earlier: Option<UnixMillis>, later: UnixMillis) -> Option<Line<'static>> {
    const DAY: u64 = 86_400_000;
    let new = earlier.is_none_or(|earlier| earlier.0 / DAY != later.0 / DAY);
    new.then(|| Line::from(format!("── {} UTC ──", date(later)).dim()).centered())
}

/// Hours and minutes, UTC, as the gateway's log has them.
fn clock(at: UnixMillis) -> String {
    let minutes = at.0 / 60_000;
    format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60)
}

/// Year, month and day, UTC (Howard Hinnant's `civil_from_days`, for days since 1970).
fn date(at: UnixMillis) -> String {
    let days = at.0 / 86_400_000 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

/// Wraps at spaces, and inside a word only where it is longer than a row. Widths are columns of a terminal. Never empty.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let clean: String = text.replace('\t', "    ").chars().filter(|c| *c == '\n' || !c.is_control()).collect();
    clean.split('\n').flat_map(|line| wrap_line(line, width)).collect()
}

fn wrap_line(line: &str, width: usize) -> Vec<String> {
    let (mut rows, mut row) = (Vec::new(), String::new());
    for word in line.split_inclusive(' ') {
        let bare = word.trim_end_matches(' ').width();
        if bare > 0 && row.width() + bare > width && !row.is_empty() {
            rows.push(std::mem::take(&mut row));
        }
        if bare <= width {
            row.push_str(word);
            continue;
        }
        for cluster in word.graphemes(true) {
            if row.width() + cluster.width() > width && !row.is_empty() {
                rows.push(std::mem::take(&mut row));
            }
            row.push_str(cluster);
        }
    }
    rows.push(row);
    rows.into_iter().map(|row| row.trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_at_spaces_and_long_words_are_broken() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("x abcdefgh", 3), ["x", "abc", "def", "gh"]);
        assert_eq!(wrap("a\n\nb", 5), ["a", "", "b"]);
        assert_eq!(wrap("", 5), [""]);
        assert_eq!(wrap("\u{1b}[31mred\tx", 80), ["[31mred    x"]);
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(wrap("漢字漢字", 5), ["漢字", "漢字"]);
        assert_eq!(wrap("👍🏽👍🏽", 2), ["👍🏽", "👍🏽"]);
        assert_eq!(wrap("漢", 1), ["漢"]);
    }

    #[test]
    fn no_row_is_wider_than_its_screen() {
        let words = "漢字 word 👨‍👩‍👧 e\u{301}é https://example.com/a/rather/long/address?with=a&query=string ".repeat(3);
        for width in 22..90 {
            for delivery in [Delivery::Sending, Delivery::Failed("no gateway at http://127.0.0.1:8080".into())] {
                let at = UnixMillis(0);
                let ours = Bubble::Ours { ticket: uuid::Uuid::nil(), text: words.clone(), at, delivery };
                for row in bubble(&ours, width) {
                    assert!(row.width() <= width, "{width}: {row}");
                }
            }
        }
    }

    #[test]
    fn days_and_times_are_utc() {
        assert_eq!((date(UnixMillis(0)), clock(UnixMillis(0))), ("1970-01-01".into(), "00:00".into()));
        let leap = UnixMillis(1_709_251_199_000);
        assert_eq!((date(leap), clock(leap)), ("2024-02-29".into(), "23:59".into()));
        assert_eq!(date(UnixMillis(1_709_251_200_000)), "2024-03-01");
        assert!(day_between(Some(leap), UnixMillis(leap.0 + 500)).is_none());
        assert!(day_between(Some(leap), UnixMillis(leap.0 + 1_000)).is_some());
    }
}
