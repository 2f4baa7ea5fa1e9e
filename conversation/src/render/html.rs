//! Assistants answer for web pages; phones show plain text. Here HTML becomes readable text.
//!
//! What is not HTML stays as it was written: `a < b`, `3 <4> 5`, `<your name>` and `AT&T` hold no element of HTML and no
//! entity, and an element whose attributes have no values (`<input disabled>`) is taken for words, as is `a <b and c> d`. The text is first reduced to a few harmless block elements (so depth, size and attributes are under our control,
//! whatever came), and `html2text` lays these out. Nothing is fetched and nothing is wrapped. Rendering calls this for each
//! text item.

mod entity;
mod scan;

use std::borrow::Cow;

use scan::{Piece, Role, attribute, pieces};

/// Blocks nested deeper than this are not laid out: their tags are stripped.
const DEPTH_MAX: usize = 64;

/// More blocks than this in one text, or more bytes, are not laid out: their tags are stripped.
const BLOCKS_MAX: usize = 2_000;
const LAYOUT_MAX: usize = 64 * 1024;

/// Noncharacters that mark a link's text and address until both can be compared. They are removed from what comes in.
const LINK: char = '\u{fdd0}';
const ADDRESS: char = '\u{fdd1}';
const LINK_END: char = '\u{fdd2}';

/// The text as a person reads it: no tags, entities decoded, one line per line, lists as lists, and each link as
/// `text (address)` or its bare address. Without an HTML element or entity in it, the text itself.
#[must_use]
pub fn readable(text: &str) -> Cow<'_, str> {
    if !text.contains(['<', '&']) {
        return Cow::Borrowed(text);
    }
    if !pieces(text).any(|piece| !matches!(piece, Piece::Text(_))) {
        return if entity::any(text) { Cow::Owned(entity::decode(text)) } else { Cow::Borrowed(text) };
    }
    let outline = Outline::of(text);
    let marked = match outline.laid_out() {
        Some(text) => text,
        None => outline.stripped(),
    };
    Cow::Owned(tidy(&links(&marked)))
}

/// A text as a sequence of words and a few kinds of block.
struct Outline {
    marks: Vec<Mark>,
    bytes: usize,
}

enum Mark {
    /// Words, still with their entities.
    Words(String),
    /// `br`.
    Line,
    /// A block begins or ends, by the name that `html2text` is given.
    Open(&'static str),
    Close(&'static str),
}

impl Outline {
    fn of(text: &str) -> Self {
        let has_blocks = pieces(text).any(|piece| piece.is_block());
        let mut outline = Self { marks: Vec::new(), bytes: text.len() };
        let mut link = None;
        for piece in pieces(text) {
            match piece {
                Piece::Dropped => {}
                // Where nothing but line ends parts the lines, they mean it.
                Piece::Text(words) if !has_blocks => outline.lines(words),
                Piece::Text(words) => outline.words(words),
                Piece::Tag { role, closing, attributes } => outline.tag(role, closing, attributes, &mut link),
            }
        }
        outline.end_link(&mut link);
        outline
    }

    fn words(&mut self, words: &str) {
        self.marks.push(Mark::Words(words.replace([LINK, ADDRESS, LINK_END], "")));
    }

    fn lines(&mut self, words: &str) {
        for (n, line) in words.split('\n').enumerate() {
            if n > 0 {
                self.marks.push(Mark::Line);
            }
            self.words(line);
        }
    }

    fn mark(&mut self, mark: char) {
        self.marks.push(Mark::Words(mark.into()));
    }

    fn tag(&mut self, role: Role, closing: bool, attributes: &str, link: &mut Option<String>) {
        match role {
            Role::Inline => {}
            Role::Line => self.marks.push(Mark::Line),
            Role::Gap => self.marks.push(Mark::Words(" ".into())),
            Role::Rule => self.marks.extend([Mark::Open("p"), Mark::Close("p")]),
            Role::Block(name) if closing => self.marks.push(Mark::Close(name)),
            Role::Block(name) => self.marks.push(Mark::Open(name)),
            Role::Image => self.words(attribute(attributes, "alt").unwrap_or_default()),
            Role::Link => {
                self.end_link(link);
                if !closing && let Some(address) = attribute(attributes, "href").and_then(followable) {
                    self.mark(LINK);
                    *link = Some(address.to_owned());
                }
            }
        }
    }

    fn end_link(&mut self, link: &mut Option<String>) {
        if let Some(address) = link.take() {
            self.mark(ADDRESS);
            self.words(&address);
            self.mark(LINK_END);
        }
    }

    /// Laid out by `html2text`; `None` when it is too large or too deep for that.
    fn laid_out(&self) -> Option<String> {
        if self.bytes > LAYOUT_MAX || self.depth()? > DEPTH_MAX {
            return None;
        }
        let html: String = self.marks.iter().map(Mark::html).collect();
        // No line is ever this wide, so none is wrapped.
        html2text::config::plain_no_decorate().string_from_read(html.as_bytes(), LAYOUT_MAX * 16).ok()
    }

    /// An upper bound of how deep blocks are nested; `None` when there are too many.
    fn depth(&self) -> Option<usize> {
        let (mut open, mut deepest, mut blocks) = (Vec::new(), 0, 0);
        for mark in &self.marks {
            match mark {
                Mark::Words(_) => {}
                Mark::Line => blocks += 1,
                Mark::Open(name) => {
                    blocks += 1;
                    open.push(*name);
                    deepest = deepest.max(open.len());
                }
                // A stray closing tag closes nothing for sure.
                Mark::Close(name) => {
                    open.pop_if(|last| last == name);
                }
            }
        }
        (blocks <= BLOCKS_MAX).then_some(deepest)
    }

    /// The words alone, with a line end at every block.
    fn stripped(&self) -> String {
        let mut text = String::with_capacity(self.bytes);
        for mark in &self.marks {
            match mark {
                Mark::Words(words) => text.push_str(&entity::decode(words)),
                Mark::Line => text.push('\n'),
                Mark::Open(_) | Mark::Close(_) if text.ends_with('\n') => {}
                Mark::Open(_) | Mark::Close(_) => text.push('\n'),
            }
        }
        text
    }
}

impl Mark {
    fn html(&self) -> Cow<'static, str> {
        match self {
            Self::Words(words) => Cow::Owned(entity::escape(words)),
            Self::Line => Cow::Borrowed("<br>"),
            Self::Open(name) => Cow::Owned(format!("<{name}>")),
            Self::Close(name) => Cow::Owned(format!("</{name}>")),
        }
    }
}

/// The part of a link's address that is of use on a phone; `None` where there is none.
fn followable(address: &str) -> Option<&str> {
    let address = address.trim();
    let scheme = address.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("javascript" | "data" | "blob" | "about") => None,
        Some("tel" | "mailto" | "sms") => address.split_once(':').map(|(_, party)| party),
        _ if address.is_empty() || address.starts_with('#') => None,
        _ => Some(address),
    }
}

/// Writes marked links out: the address alone where the text says the same or nothing.
fn links(marked: &str) -> String {
    let mut text = String::with_capacity(marked.len());
    let mut rest = marked;
    while let Some((before, link)) = rest.split_once(LINK) {
        text.push_str(before);
        let (label, link) = link.split_once(ADDRESS).unwrap_or((link, ""));
        let (address, after) = link.split_once(LINK_END).unwrap_or(("", link));
        let same =
            |a: &str| a == address || address.split_once("://").is_some_and(|(_, b)| a == b.trim_end_matches('/'));
        match label.trim() {
            said if said.is_empty() || same(said) => text.push_str(address),
            _ if address.is_empty() => text.push_str(label),
            _ => {
                let said = label.trim_end();
                text.push_str(&format!("{said} ({address})"));
                // White space inside the link's end belongs behind the address.
                text.push_str(&label[said.len()..]);
            }
        }
        rest = after;
    }
    text.push_str(rest);
    text
}

/// No white space at the ends of lines or of the text, at most one empty line in a row, and no no-break spaces: they would
/// make a text UCS-2 for the sake of a layout that phones do not have.
fn tidy(text: &str) -> String {
    let mut tidy = String::with_capacity(text.len());
    let mut empty = 0;
    for line in text.lines() {
        let line = line.trim_end();
        empty = if line.is_empty() { empty + 1 } else { 0 };
        if empty < 2 {
            tidy.push_str(line);
            tidy.push('\n');
        }
    }
    tidy.trim().replace('\u{a0}', " ")
}

#[cfg(test)]
mod tests;
