//! Finds HTML's tags in a text. A `<` that opens no element of HTML is text, so that `<your name>` survives.
//!
//! This is no parser: it knows where a tag ends and what it is called, in one pass, in time linear in the text.

/// What an element means for a text on a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Its tags change nothing that can be shown.
    Inline,
    /// Ends a line.
    Line,
    /// Parts two cells of a table.
    Gap,
    /// A line across the page.
    Rule,
    /// A block, by the name of the element that it is laid out as.
    Block(&'static str),
    /// A picture: its description is shown.
    Image,
    /// A link.
    Link,
}

/// One piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// Words.
    Text(&'t str),
    /// A tag of an element of HTML.
    Tag {
        /// What it means.
        role: Role,
        /// `</…>`
        closing: bool,
        /// What stands between the name and the `>`.
        attributes: &'t str,
    },
    /// A comment, a script, a style sheet: nothing to read.
    Dropped,
}

impl Piece<'_> {
    /// Whether it begins a new line.
    pub(super) fn is_block(&self) -> bool {
        match self {
            Self::Text(_) | Self::Dropped => false,
            Self::Tag { role, .. } => match role {
                Role::Inline | Role::Image | Role::Link => false,
                Role::Line | Role::Gap | Role::Rule | Role::Block(_) => true,
            },
        }
    }
}

/// The longest tag that is taken for one, in bytes.
const TAG_MAX: usize = 2_048;

/// The pieces of `text`, in order.
pub(super) fn pieces(text: &str) -> Pieces<'_> {
    Pieces { rest: text, no_end_of: Vec::new() }
}

pub(super) struct Pieces<'t> {
    rest: &'t str,
    /// What was looked for up to the end of the text in vain: it is not looked for again.
    no_end_of: Vec<&'static str>,
}

impl<'t> Iterator for Pieces<'t> {
    type Item = Piece<'t>;

    fn next(&mut self) -> Option<Piece<'t>> {
        if self.rest.is_empty() {
            return None;
        }
        let mut from = 0;
        while let Some(at) = self.rest[from..].find('<').map(|at| from + at) {
            let Some((piece, length)) = self.markup(&self.rest[at..]) else {
                from = at + 1;
                continue;
            };
            if at > 0 {
                let (words, rest) = self.rest.split_at(at);
                self.rest = rest;
                return Some(Piece::Text(words));
            }
            self.rest = &self.rest[length..];
            return Some(piece);
        }
        Some(Piece::Text(std::mem::take(&mut self.rest)))
    }
}

impl<'t> Pieces<'t> {
    /// What stands at the start of `text`, which begins with `<`, and how long it is; `None` for words.
    fn markup(&mut self, text: &'t str) -> Option<(Piece<'t>, usize)> {
        if text.starts_with("<!--") {
            return self.skip_to(text, "-->");
        }
        if starts_with_ignoring_case(text, "<!doctype") {
            return text.find('>').map(|end| (Piece::Dropped, end + 1));
        }
        let closing = text.starts_with("</");
        let name_at = if closing { 2 } else { 1 };
        let name_length = text.bytes().skip(name_at).take_while(u8::is_ascii_alphanumeric).take(11).count();
        let name = text[name_at..name_at + name_length].to_ascii_lowercase();
        let attributes_at = name_at + name_length;
        let attributes = &text[attributes_at..attributes_at + attributes_length(&text[attributes_at..])?];
        // `a <b and c> d` is arithmetic; assistants write attributes with their values.
        if !attributes.contains('=') && !attributes.trim_end_matches('/').trim().is_empty() {
            return None;
        }
        if let Some(end) = unread(&name).filter(|_| !closing && !attributes.ends_with('/')) {
            return self.skip_to(text, end).or(Some((Piece::Dropped, attributes_at + attributes.len() + 1)));
        }
        let role = role(&name)?;
        Some((Piece::Tag { role, closing, attributes }, attributes_at + attributes.len() + 1))
    }

    fn skip_to(&mut self, text: &str, end: &'static str) -> Option<(Piece<'t>, usize)> {
        if self.no_end_of.contains(&end) {
            return None;
        }
        let found = text.as_bytes().windows(end.len()).position(|window| window.eq_ignore_ascii_case(end.as_bytes()));
        if found.is_none() {
            self.no_end_of.push(end);
        }
        found.map(|at| (Piece::Dropped, at + end.len()))
    }
}

fn starts_with_ignoring_case(text: &str, start: &str) -> bool {
    text.as_bytes().get(..start.len()).is_some_and(|found| found.eq_ignore_ascii_case(start.as_bytes()))
}

/// How many bytes stand before the `>` that ends the tag; `None` when this is no tag.
fn attributes_length(text: &str) -> Option<usize> {
    if !text.starts_with([' ', '\t', '\r', '\n', '/', '>']) {
        return None;
    }
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate().take(TAG_MAX) {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (None, b'<') => return None,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            (None | Some(_), _) => {}
        }
    }
    None
}

/// The value of an attribute, with its entities.
pub(super) fn attribute<'t>(attributes: &'t str, name: &str) -> Option<&'t str> {
    let mut rest = attributes;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        let end = rest.find(|c: char| c.is_ascii_whitespace() || c == '=').unwrap_or(rest.len());
        if end == 0 && !rest.starts_with('=') {
            return None;
        }
        let found = rest[..end].eq_ignore_ascii_case(name);
        rest = rest[end..].trim_start();
        let Some(value) = rest.strip_prefix('=').map(str::trim_start) else { continue };
        let (value, after) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].split_once(quote)?,
            _ => value.split_at(value.find(|c: char| c.is_ascii_whitespace()).unwrap_or(value.len())),
        };
        if found {
            return Some(value);
        }
        rest = after;
    }
}

/// Where the content ends of an element that nobody reads.
fn unread(name: &str) -> Option<&'static str> {
    Some(match name {
        "script" => "</script>",
        "style" => "</style>",
        "title" => "</title>",
        "template" => "</template>",
        "iframe" => "</iframe>",
        "svg" => "</svg>",
        "object" => "</object>",
        "select" => "</select>",
        _ => return None,
    })
}

/// What an element means; `None` for what is no element of HTML.
fn role(name: &str) -> Option<Role> {
    Some(match name {
        "a" => Role::Link,
        "img" => Role::Image,
        "br" => Role::Line,
        "hr" => Role::Rule,
        "td" | "th" => Role::Gap,
        "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => Role::Block("p"),
        "ul" | "menu" | "dir" => Role::Block("ul"),
        "ol" => Role::Block("ol"),
        "li" => Role::Block("li"),
        "blockquote" => Role::Block("blockquote"),
        "pre" => Role::Block("pre"),
        "address" | "article" | "aside" | "body" | "caption" | "center" | "dd" | "details" | "div" | "dl" | "dt"
        | "fieldset" | "figcaption" | "figure" | "footer" | "form" | "head" | "header" | "html" | "legend" | "main"
        | "nav" | "option" | "section" | "summary" | "table" | "tbody" | "tfoot" | "thead" | "tr" => Role::Block("div"),
        "abbr" | "acronym" | "audio" | "b" | "bdi" | "bdo" | "big" | "button" | "cite" | "code" | "data" | "del"
        | "dfn" | "em" | "font" | "i" | "input" | "ins" | "kbd" | "label" | "link" | "mark" | "meta" | "nobr"
        | "noscript" | "output" | "picture" | "q" | "s" | "samp" | "small" | "source" | "span" | "strike"
        | "strong" | "sub" | "sup" | "textarea" | "time" | "tt" | "u" | "var" | "video" | "wbr" | "script"
        | "style" | "title" | "template" | "iframe" | "svg" | "object" | "select" => Role::Inline,
        _ => return None,
    })
}
