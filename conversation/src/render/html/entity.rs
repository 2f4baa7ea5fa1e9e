//! Character references. Only what ends in a semicolon is one, so that `AT&T` and `?a=1&copy=2` stay what they are.

use std::collections::BTreeMap;

/// The longest reference that HTML knows is `&CounterClockwiseContourIntegral;`.
const NAME_MAX: usize = 32;

/// Whether `text` holds a reference.
pub(super) fn any(text: &str) -> bool {
    text.match_indices('&').any(|(at, _)| reference(&text[at..]).is_some())
}

/// Decodes every reference that HTML knows; the others stay.
pub(super) fn decode(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut known = BTreeMap::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, after) = rest.split_at(at);
        decoded.push_str(before);
        let (found, length) = match reference(after) {
            Some(found) => (known.entry(found).or_insert_with(|| meaning(found)).as_str(), found.len()),
            None => ("&", 1),
        };
        decoded.push_str(found);
        rest = &after[length..];
    }
    decoded.push_str(rest);
    decoded
}

/// Makes `text` safe to stand between tags: only its references keep their meaning.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '&' if reference(&text[at..]).is_none() => escaped.push_str("&amp;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// The reference at the start of `text`, which begins with `&`, with its semicolon.
fn reference(text: &str) -> Option<&str> {
    let end = text.bytes().take(NAME_MAX + 2).position(|byte| byte == b';')?;
    let name = &text.as_bytes()[1..end];
    let known = match name {
        [b'#', b'x' | b'X', digits @ ..] => !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit),
        [b'#', digits @ ..] => !digits.is_empty() && digits.iter().all(u8::is_ascii_digit),
        [] => false,
        _ => name.iter().all(u8::is_ascii_alphanumeric),
    };
    known.then(|| &text[..=end])
}

fn meaning(reference: &str) -> String {
    match reference {
        "&amp;" => "&".into(),
        "&lt;" => "<".into(),
        "&gt;" => ">".into(),
        "&quot;" => "\"".into(),
        // A no-break space would make a text UCS-2 for the sake of a layout that phones do not have.
        "&apos;" | "&#39;" => "'".into(),
        "&nbsp;" | "&#160;" | "&#xa0;" | "&#xA0;" | "&#32;" | "&#x20;" => " ".into(),
        "&#10;" | "&#xa;" | "&#xA;" | "&NewLine;" => "\n".into(),
        "&#9;" | "&#x9;" | "&Tab;" => "\t".into(),
        // The parser has the table of the other two thousand. It drops white space alone, hence the letters around.
        other => html2text::config::plain_no_decorate()
            .string_from_read(format!("x{other}x").as_bytes(), 100)
            .ok()
            .and_then(|text| text.trim().strip_prefix('x')?.strip_suffix('x').map(str::to_owned))
            .unwrap_or_else(|| other.to_owned()),
    }
}
