//! What an answer looks like on a phone, and what a reply to a list means.
//!
//! The input is two bytes, the limits of the transport, and items: each begins with a letter that says what it is and goes on to the next
//! 0x1e; what it consists of is parted by 0x1f.

use raconteur::conversation::policy::{Policy, SendPolicy};
use raconteur::conversation::render::html::readable;
use raconteur::conversation::render::{Piece, Prefixes, Rendered, pieces, render};
use raconteur::conversation::turn::interpret;
use raconteur::conversation::words::{AgentRequest, AskInput, Choice, Item, MediaItem};
use serde_json::json;

use super::input::rewritten;

/// However deep its blocks are nested, a text does not become longer than this many times its own length, and so many bytes.
const GROWTH: (usize, usize) = (4, 600_000);

pub(super) fn run(data: &[u8]) {
    let &[text_max, media_max, ref rest @ ..] = data else { return };
    let text = String::from_utf8_lossy(rest);
    reads_well(&text);
    let items: Vec<Item> = text.split('\u{1e}').filter_map(item).collect();
    let prefixes = Prefixes { options: "%s. ", suggestions: "Enter %s for:" };
    let links: Vec<String> = sources(&items).into_iter().step_by(2).collect();
    let rendered = render(items, prefixes, &links);
    every_entry_can_be_chosen(&rendered);
    let limits =
        SendPolicy { text_max: usize::from(text_max), media_max: usize::from(media_max), ..Policy::default().send };
    is_cut_within(&rendered, &limits);
}

/// HTML becomes text of a bounded length.
fn reads_well(text: &str) {
    let read = readable(text);
    let (factor, more) = GROWTH;
    assert!(read.len() <= text.len() * factor + more, "{} bytes became {}", text.len(), read.len());
    if !text.contains(['<', '&']) {
        assert_eq!(read, text, "a text that holds no HTML was changed");
    }
}

fn item(text: &str) -> Option<Item> {
    let kind = text.chars().next()?;
    let mut parts = text[kind.len_utf8()..].split('\u{1f}').map(str::to_owned);
    let mut next = || parts.next().unwrap_or_default();
    Some(match kind {
        't' => Item::Text(next()),
        'o' => Item::Options { title: next(), choices: parts.map(choice).collect() },
        's' => Item::Suggestions { title: next(), choices: parts.map(choice).collect() },
        'm' => Item::Media(MediaItem { source: next(), title: next(), description: next() }),
        'f' => Item::Search { header: next(), body: next() },
        'c' => Item::ChannelTransfer { message: next(), url: next() },
        'a' => Item::ConnectToAgent(AgentRequest { unavailable: next(), available: next(), note: next() }),
        'e' => Item::EndSession,
        _ => Item::Unsupported { response_type: next() },
    })
}

fn choice(label: String) -> Choice {
    let input = serde_json::value::to_raw_value(&json!({ "text": label })).expect("a text is JSON");
    Choice { label, input }
}

fn sources(items: &[Item]) -> Vec<String> {
    items
        .iter()
        .filter_map(|item| if let Item::Media(media) = item { Some(media.source.clone()) } else { None })
        .collect()
}

/// A number means its entry, in each of its shapes; a label means an entry that has it, unless it is itself a number.
fn every_entry_can_be_chosen(rendered: &Rendered) {
    let list = &rendered.list;
    let input = |reply: &str| match interpret(reply, list) {
        AskInput::Choice { input, .. } => Some(input.get().to_owned()),
        AskInput::Text(text) => {
            assert_eq!(text, reply, "words were changed");
            None
        }
        AskInput::Start | AskInput::Signal(_) => panic!("nobody said that"),
    };
    for (number, choice) in (1..).zip(list).take(32) {
        for reply in [format!("{number}"), format!("#{number}"), format!(" {number}.\n")] {
            assert_eq!(input(&reply).as_deref(), Some(choice.input.get()), "{reply:?}");
        }
        if input(&choice.label).is_none() {
            let other = rewritten(choice.input.get().as_bytes());
            panic!("the label of entry {number} chooses nothing: {other:?}");
        }
    }
    let beyond = (list.len() + 1).to_string();
    let by_label = list.iter().any(|choice| choice.label.trim().to_lowercase() == beyond);
    assert_eq!(input(&beyond).is_some(), by_label, "{beyond} of {}", list.len());
}

/// No piece is longer than the transport takes, and all media go, in order.
fn is_cut_within(rendered: &Rendered, limits: &SendPolicy) {
    let cut = pieces(&rendered.text, &rendered.media, limits);
    let media: Vec<&String> = cut.iter().flat_map(|piece| &piece.media).collect();
    assert_eq!(media, rendered.media.iter().collect::<Vec<_>>(), "media got lost");
    for Piece { body, media } in &cut {
        assert!(!body.is_empty() || !media.is_empty(), "an empty text");
        assert!(body.encode_utf16().count() <= limits.text_max.max(2), "a piece is too long");
        assert!(media.len() <= limits.media_max.max(1), "too many media");
    }
    assert_eq!(cut.is_empty(), rendered.text.is_empty() && rendered.media.is_empty());
}
