//! What an answer looks like as text messages.
//!
//! Items become one text, one below the other; lists are numbered through the whole answer, so that a reply's number means one
//! entry. The text is cut only where the transport cannot take it whole. HTML is reduced to what a phone can show.

pub mod html;

use crate::effect::Notice;
use crate::policy::{Policy, SendPolicy};
use crate::segment;
use crate::words::{Choice, Item};

/// An answer as text.
#[derive(Debug, Default, PartialEq)]
pub struct Rendered {
    /// The whole text; empty when there is nothing to say.
    pub text: String,
    /// The entries that the user may choose from by number.
    pub list: Vec<Choice>,
    /// What could not be shown.
    pub notices: Vec<Notice>,
}

/// One outbound text before it has an id.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its text; empty when only media go.
    pub body: String,
    /// Its media.
    pub media: Vec<String>,
}

/// Renders the items of an answer.
#[must_use]
pub fn render(items: Vec<Item>, policy: &Policy) -> Rendered {
    let mut rendered = Rendered::default();
    for item in items {
        match item {
            Item::Text(text) => add_line(&mut rendered.text, &html::readable(&text)),
            Item::Options { title, choices } => {
                add_line(&mut rendered.text, &html::readable(&title));
                for choice in choices {
                    let number = (rendered.list.len() + 1).to_string();
                    let prefix = policy.options_prefix.replacen("%s", &number, 1);
                    add_line(&mut rendered.text, &format!("{prefix}{}", html::readable(&choice.label)));
                    rendered.list.push(choice);
                }
            }
            Item::Unsupported { response_type } => rendered.notices.push(Notice::UnsupportedItem { response_type }),
        }
    }
    rendered
}

fn add_line(text: &mut String, line: &str) {
    let line = line.trim();
    if line.is_empty() {
        return;
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(line);
}

/// Cuts a text and its media into what the transport takes at once. Media go with the first piece; what is too many for it
/// follows in pieces of its own.
#[must_use]
pub fn pieces(text: &str, media: &[String], limits: &SendPolicy) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = if text.is_empty() {
        Vec::new()
    } else {
        let cut = segment::split_at_words(text, limits.text_max);
        cut.into_iter().map(|body| Piece { body: body.into(), media: Vec::new() }).collect()
    };
    let mut groups = media.chunks(limits.media_max.max(1)).map(<[String]>::to_vec);
    if let (Some(first), Some(group)) = (pieces.first_mut(), (!text.is_empty()).then(|| groups.next()).flatten()) {
        first.media = group;
    }
    pieces.extend(groups.map(|media| Piece { body: String::new(), media }));
    pieces
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn choice(label: &str) -> Choice {
        Choice { label: label.into(), input: RawValue::from_string(format!("{{\"text\":\"{label}\"}}")).unwrap() }
    }

    fn options(title: &str, labels: &[&str]) -> Item {
        Item::Options { title: title.into(), choices: labels.iter().map(|label| choice(label)).collect() }
    }

    fn limits(text_max: usize, media_max: usize) -> SendPolicy {
        SendPolicy { text_max, media_max, ..Policy::default().send }
    }

    #[test]
    fn items_stand_one_below_the_other() {
        let items = vec![Item::Text("Hello!".into()), Item::Text("  ".into()), Item::Text("How are you?".into())];
        assert_eq!(render(items, &Policy::default()).text, "Hello!\nHow are you?");
    }

    #[test]
    fn a_list_is_numbered_with_the_prefix() {
        let rendered = render(vec![options("Which?", &["Boat", "Car"])], &Policy::default());
        assert_eq!(rendered.text, "Which?\n1. Boat\n2. Car");
        let policy = Policy { options_prefix: "Enter %s for ".into(), ..Policy::default() };
        assert_eq!(render(vec![options("", &["Boat"])], &policy).text, "Enter 1 for Boat");
    }

    #[test]
    fn numbers_run_through_all_lists_of_one_answer() {
        let rendered = render(vec![options("A?", &["a", "b"]), options("B?", &["c"])], &Policy::default());
        assert_eq!(rendered.text, "A?\n1. a\n2. b\nB?\n3. c");
        assert_eq!(rendered.list.len(), 3);
    }

    #[test]
    fn what_cannot_be_shown_is_reported_and_spoils_nothing() {
        let items = vec![Item::Unsupported { response_type: "iframe".into() }, Item::Text("Hi".into())];
        let rendered = render(items, &Policy::default());
        assert_eq!(rendered.text, "Hi");
        assert_eq!(rendered.notices, [Notice::UnsupportedItem { response_type: "iframe".into() }]);
    }

    #[test]
    fn media_go_with_the_first_piece_and_overflow_into_pieces_of_their_own() {
        let media: Vec<String> = (0..5).map(|n| format!("https://m.example/{n}")).collect();
        let cut = pieces("one two three", &media, &limits(8, 2));
        let shape: Vec<(&str, usize)> = cut.iter().map(|piece| (piece.body.as_str(), piece.media.len())).collect();
        assert_eq!(shape, [("one two", 2), ("three", 0), ("", 2), ("", 1)]);
        let alone = pieces("", &media, &limits(8, 10));
        assert_eq!(alone.len(), 1);
        assert_eq!(pieces("", &[], &limits(8, 10)), []);
    }
}
