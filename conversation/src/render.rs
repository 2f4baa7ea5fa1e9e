//! What an answer looks like as text messages.
//!
//! Items become one text, one below the other; lists are numbered through the whole answer, so that a reply's number means one
//! entry. The text is cut only where the transport cannot take it whole. HTML is reduced to what a phone can show.

pub mod html;

use crate::effect::{Notice, in_short};
use crate::policy::SendPolicy;
use crate::segment;
use crate::words::{AgentRequest, Choice, Item, MediaItem};

/// An answer as text.
#[derive(Debug, Default, PartialEq)]
pub struct Rendered {
    /// The whole text; empty when there is nothing to say.
    pub text: String,
    /// The entries that the user may choose from by number.
    pub list: Vec<Choice>,
    /// Media that go along, in order.
    pub media: Vec<String>,
    /// What could not be shown, and what else an operator may want to know.
    pub notices: Vec<Notice>,
}

/// What stands before each entry of a list; `%s` becomes its number.
#[derive(Clone, Copy, Debug)]
pub struct Prefixes<'a> {
    /// In a list of options.
    pub options: &'a str,
    /// In a list of suggestions.
    pub suggestions: &'a str,
}

/// One outbound text before it has an id.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its text; empty when only media go.
    pub body: String,
    /// Its media.
    pub media: Vec<String>,
}

/// Renders the items of an answer. Media among `links` go as links.
#[must_use]
pub fn render(items: Vec<Item>, prefixes: Prefixes<'_>, links: &[String]) -> Rendered {
    let mut rendered = Rendered::default();
    for item in items {
        rendered.add(item, prefixes, links);
    }
    rendered
}

impl Rendered {
    fn add(&mut self, item: Item, prefixes: Prefixes<'_>, links: &[String]) {
        match item {
            Item::Text(text) => self.say(&text),
            Item::Options { title, choices } => self.offer(&title, choices, prefixes.options),
            Item::Suggestions { title, choices } => self.offer(&title, choices, prefixes.suggestions),
            Item::Media(MediaItem { source, title, description }) => {
                self.say(&title);
                self.say(&description);
                if links.contains(&source) { self.line(&source) } else { self.media.push(source) }
            }
            Item::Search { header, body } => {
                self.say(&header);
                self.say(&body);
            }
            Item::ChannelTransfer { message, url } => {
                self.say(&message);
                self.line(&url);
            }
            Item::ConnectToAgent(AgentRequest { unavailable, available: _, note }) => {
                self.say(&unavailable);
                self.notices.push(Notice::AgentWanted { note });
            }
            // What it does is `on/assistant.rs`'s affair.
            Item::EndSession => {}
            Item::Unsupported { response_type } => {
                let response_type = in_short(&response_type);
                self.notices.push(Notice::UnsupportedItem { response_type });
            }
        }
    }

    fn offer(&mut self, title: &str, choices: Vec<Choice>, prefix: &str) {
        self.say(title);
        for choice in choices {
            let prefix = prefix.replacen("%s", &(self.list.len() + 1).to_string(), 1);
            // IBM's own prefixes run into the label or not, as it comes.
            let gap = if prefix.ends_with(char::is_whitespace) || prefix.is_empty() { "" } else { " " };
            self.line(&format!("{prefix}{gap}{}", html::readable(&choice.label)));
            self.list.push(choice);
        }
    }

    /// Words of an assistant, which may be HTML.
    fn say(&mut self, words: &str) {
        add_line(&mut self.text, &html::readable(words));
    }

    /// A line as it is.
    pub(crate) fn line(&mut self, line: &str) {
        add_line(&mut self.text, line);
    }
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
    use crate::policy::Policy;

    fn choice(label: &str) -> Choice {
        Choice { label: label.into(), input: RawValue::from_string(format!("{{\"text\":\"{label}\"}}")).unwrap() }
    }

    fn options(title: &str, labels: &[&str]) -> Item {
        Item::Options { title: title.into(), choices: labels.iter().map(|label| choice(label)).collect() }
    }

    fn limits(text_max: usize, media_max: usize) -> SendPolicy {
        SendPolicy { text_max, media_max, ..Policy::default().send }
    }

    fn plain(items: Vec<Item>) -> Rendered {
        render(items, Prefixes { options: "%s. ", suggestions: "%s. " }, &[])
    }

    fn picture(source: &str) -> Item {
        Item::Media(MediaItem { source: source.into(), title: "A <b>cat</b>".into(), description: "asleep".into() })
    }

    #[test]
    fn items_stand_one_below_the_other() {
        let items = vec![Item::Text("Hello!".into()), Item::Text("  ".into()), Item::Text("How are you?".into())];
        assert_eq!(plain(items).text, "Hello!\nHow are you?");
    }

    #[test]
    fn a_list_is_numbered_with_the_prefix() {
        assert_eq!(plain(vec![options("Which?", &["Boat", "Car"])]).text, "Which?\n1. Boat\n2. Car");
        let suggestions = Item::Suggestions { title: "Did you mean:".into(), choices: vec![choice("a boat")] };
        let prefixes = Prefixes { options: "Enter %s for ", suggestions: "Enter %s for:" };
        let rendered = render(vec![options("", &["Boat"]), suggestions], prefixes, &[]);
        assert_eq!(rendered.text, "Enter 1 for Boat\nDid you mean:\nEnter 2 for: a boat");
    }

    #[test]
    fn media_go_along_or_as_links() {
        let items = || vec![picture("https://m.example/1"), picture("https://m.example/2")];
        let rendered = plain(items());
        assert_eq!(rendered.text, "A cat\nasleep\nA cat\nasleep");
        assert_eq!(rendered.media, ["https://m.example/1", "https://m.example/2"]);
        let prefixes = Prefixes { options: "", suggestions: "" };
        let linked = render(items(), prefixes, &["https://m.example/1".into()]);
        assert_eq!(linked.text, "A cat\nasleep\nhttps://m.example/1\nA cat\nasleep");
        assert_eq!(linked.media, ["https://m.example/2"]);
    }

    #[test]
    fn searches_transfers_and_agents_are_words() {
        let agent = AgentRequest {
            unavailable: "Nobody is here.".into(),
            available: "One moment.".into(),
            note: "bill".into(),
        };
        let items = vec![
            Item::Search { header: "I found:".into(), body: "<p>Open from 9</p>".into() },
            Item::ChannelTransfer { message: "Go on in the chat".into(), url: "https://c.example/?a=1&b=2".into() },
            Item::ConnectToAgent(agent),
            Item::EndSession,
        ];
        let rendered = plain(items);
        let expected = "I found:\nOpen from 9\nGo on in the chat\nhttps://c.example/?a=1&b=2\nNobody is here.";
        assert_eq!(rendered.text, expected);
        assert_eq!(rendered.notices, [Notice::AgentWanted { note: "bill".into() }]);
    }

    #[test]
    fn numbers_run_through_all_lists_of_one_answer() {
        let rendered = plain(vec![options("A?", &["a", "b"]), options("B?", &["c"])]);
        assert_eq!(rendered.text, "A?\n1. a\n2. b\nB?\n3. c");
        assert_eq!(rendered.list.len(), 3);
    }

    #[test]
    fn what_cannot_be_shown_is_reported_and_spoils_nothing() {
        let items = vec![Item::Unsupported { response_type: "iframe".into() }, Item::Text("Hi".into())];
        let rendered = plain(items);
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
