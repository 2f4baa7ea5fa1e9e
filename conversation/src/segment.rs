//! How many SMS segments a text takes, and where texts that are too long for the transport are cut.
//!
//! Counting follows what Twilio bills: GSM-7 with 160 septets (153 in each of several segments) where every character is in
//! the GSM 03.38 alphabet or its extension, else UCS-2 with 70 (67) UTF-16 code units. Neither an escaped pair of septets
//! nor a grapheme cluster is spread over two segments. No national shift tables, no transliteration. Lanes call [`count`] to
//! pace sends; rendering calls [`split_at_words`].

use unicode_segmentation::UnicodeSegmentation;

/// The alphabet that a whole text is sent in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Seven bits a character; extension characters cost two septets.
    Gsm7,
    /// UTF-16 code units.
    Ucs2,
}

impl Encoding {
    /// The alphabet that `text` needs. One character outside GSM-7 makes it UCS-2.
    #[must_use]
    pub fn of(text: &str) -> Self {
        if text.chars().all(|c| septets(c).is_some()) { Self::Gsm7 } else { Self::Ucs2 }
    }

    /// How many units a text may have that goes out as one segment.
    #[must_use]
    pub fn single_max(self) -> usize {
        match self {
            Self::Gsm7 => 160,
            Self::Ucs2 => 70,
        }
    }

    /// How many units each segment takes of a text that needs several.
    #[must_use]
    pub fn multi_max(self) -> usize {
        match self {
            Self::Gsm7 => 153,
            Self::Ucs2 => 67,
        }
    }
}

/// What sending a text takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segments {
    /// The alphabet of all of them.
    pub encoding: Encoding,
    /// How long the text is in Twilio's words: septets in GSM-7, so that an extension character counts as two; in UCS-2
    /// the characters a reader sees, `\r\n` as two.
    pub characters: usize,
    /// The units in each segment, in order: septets or UTF-16 code units. An empty text has one segment with none.
    pub units: Vec<usize>,
}

impl Segments {
    /// How many segments there are; never zero.
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.units.len()).unwrap_or(u32::MAX)
    }
}

/// What sending `text` takes, in full.
#[must_use]
pub fn segments(text: &str) -> Segments {
    let encoding = Encoding::of(text);
    let units: Vec<usize> = pieces(text, encoding).map(|(_, units)| units).collect();
    let characters = match encoding {
        Encoding::Gsm7 => units.iter().sum(),
        Encoding::Ucs2 => atoms(text, encoding).count(),
    };
    Segments { encoding, characters, units }
}

/// How many segments `text` takes: as [`segments`], without allocating. Never zero.
#[must_use]
pub fn count(text: &str) -> u32 {
    u32::try_from(pieces(text, Encoding::of(text)).count()).unwrap_or(u32::MAX)
}

/// The text of each segment, in order. Together they are `text`.
#[must_use]
pub fn parts(text: &str) -> Vec<&str> {
    pieces(text, Encoding::of(text)).map(|(part, _)| part).collect()
}

/// Cuts a text into parts of at most `max_utf16` UTF-16 code units (at least 2, since one character may need both), each as
/// long as it can be: at white space, else between two grapheme clusters, else between two characters. Only the white space
/// at a cut is lost. No part is empty; an empty text has no parts.
#[must_use]
pub fn split_at_words(text: &str, max_utf16: usize) -> Vec<&str> {
    let max = max_utf16.max(2);
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let Cut { end, next } = cut(rest, max);
        parts.push(&rest[..end]);
        rest = &rest[next..];
    }
    parts
}

/// Where a part ends and the next one begins.
struct Cut {
    end: usize,
    next: usize,
}

fn cut(rest: &str, max: usize) -> Cut {
    // No character has more code units than bytes.
    if rest.len() <= max {
        return Cut { end: rest.len(), next: rest.len() };
    }
    let mut units = 0;
    let mut word_end = None;
    let mut after_space = false;
    for (at, grapheme) in rest.grapheme_indices(true) {
        let space = grapheme.chars().all(is_breaking_space);
        if space && !after_space && at > 0 {
            word_end = Some(at);
        }
        units += utf16_len(grapheme);
        if units > max {
            let end = word_end.unwrap_or(if at > 0 { at } else { char_cut(grapheme, max) });
            return Cut { end, next: end + leading_space(&rest[end..]) };
        }
        after_space = space;
    }
    Cut { end: rest.len(), next: rest.len() }
}

/// The longest run of whole characters at the start of `grapheme` that fits.
fn char_cut(grapheme: &str, max: usize) -> usize {
    let mut units = 0;
    let over = grapheme.char_indices().find(|(_, c)| {
        units += c.len_utf16();
        units > max
    });
    over.map_or(grapheme.len(), |(at, _)| at)
}

fn leading_space(text: &str) -> usize {
    let word = text.grapheme_indices(true).find(|(_, grapheme)| !grapheme.chars().all(is_breaking_space));
    word.map_or(text.len(), |(at, _)| at)
}

/// White space at which a line may be broken; the no-break spaces are none.
fn is_breaking_space(c: char) -> bool {
    c.is_whitespace() && !matches!(c, '\u{a0}' | '\u{2007}' | '\u{202f}')
}

/// The segments of a text, each with its units.
fn pieces(text: &str, encoding: Encoding) -> Pieces<'_> {
    let left = text.chars().map(|c| units(c, encoding)).sum::<usize>();
    let max = if left <= encoding.single_max() { encoding.single_max() } else { encoding.multi_max() };
    Pieces { rest: Some(text), left, encoding, max }
}

struct Pieces<'t> {
    /// `None` when all was given out; an empty text is still one piece.
    rest: Option<&'t str>,
    /// The units of the rest: what fits is not looked through.
    left: usize,
    encoding: Encoding,
    max: usize,
}

impl<'t> Iterator for Pieces<'t> {
    type Item = (&'t str, usize);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        let mut used = 0;
        let mut is_over = |(_, atom): &(usize, &str)| {
            let cost = atom.chars().map(|c| units(c, self.encoding)).sum::<usize>();
            let is_over = used + cost > self.max;
            used += if is_over { 0 } else { cost };
            is_over
        };
        let over = (self.left > self.max).then(|| atoms(rest, self.encoding).find(&mut is_over)).flatten();
        let Some((at, atom)) = over else { return Some((rest, self.left)) };
        // A cluster that no segment could hold is the only one that is cut inside.
        let end = if at > 0 { at } else { char_cut(atom, self.max) };
        let used = if at > 0 { used } else { utf16_len(&atom[..end]) };
        (self.rest, self.left) = (Some(&rest[end..]), self.left - used);
        Some((&rest[..end], used))
    }
}

/// What is not spread over two segments: a grapheme cluster, except that `\r\n` is two. In GSM-7 that is each character.
fn atoms(text: &str, encoding: Encoding) -> impl Iterator<Item = (usize, &str)> {
    let clusters = (encoding == Encoding::Ucs2).then(|| {
        text.grapheme_indices(true).flat_map(|(at, cluster)| {
            let (first, second) = if cluster == "\r\n" { cluster.split_at(1) } else { (cluster, "") };
            let second = (!second.is_empty()).then_some((at + first.len(), second));
            [Some((at, first)), second].into_iter().flatten()
        })
    });
    let chars =
        (encoding == Encoding::Gsm7).then(|| text.char_indices().map(|(at, c)| (at, &text[at..at + c.len_utf8()])));
    clusters.into_iter().flatten().chain(chars.into_iter().flatten())
}

fn units(c: char, encoding: Encoding) -> usize {
    match encoding {
        Encoding::Gsm7 => septets(c).unwrap_or(1),
        Encoding::Ucs2 => c.len_utf16(),
    }
}

fn utf16_len(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// What a character costs in GSM-7 (3GPP TS 23.038, 6.2.1, without ESC); `None` when it is not in it.
fn septets(c: char) -> Option<usize> {
    match c {
        'a'..='z' | 'A'..='Z' | ' '..='#' | '%'..='?' | '\n' | '\r' | '@' | '$' | '_' => Some(1),
        '\u{c}' | '^' | '{' | '}' | '\\' | '[' | ']' | '~' | '|' | '€' => Some(2),
        '£' | '¥' | 'è' | 'é' | 'ù' | 'ì' | 'ò' | 'Ç' | 'Ø' | 'ø' | 'Å' | 'å' | 'Æ' | 'æ' | 'ß' | 'É' | '¤' | '¡' => {
            Some(1)
        }
        'Ä' | 'Ö' | 'Ñ' | 'Ü' | '§' | '¿' | 'ä' | 'ö' | 'ñ' | 'ü' | 'à' => Some(1),
        'Δ' | 'Φ' | 'Γ' | 'Λ' | 'Ω' | 'Π' | 'Ψ' | 'Σ' | 'Θ' | 'Ξ' => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gsm_alphabet_has_127_characters_and_ten_extensions() {
        let costs: Vec<usize> = ('\0'..='\u{ffff}').filter_map(septets).collect();
        assert_eq!(costs.iter().filter(|cost| **cost == 1).count(), 127);
        assert_eq!(costs.iter().filter(|cost| **cost == 2).count(), 10);
    }

    #[test]
    fn a_cluster_longer_than_a_segment_is_cut_between_characters() {
        let zalgo = format!("e{}", "\u{301}".repeat(200));
        assert_eq!(segments(&zalgo).units, [67, 67, 67]);
        assert_eq!(parts(&zalgo).concat(), zalgo);
    }

    #[test]
    fn a_text_within_the_limit_is_not_touched() {
        assert_eq!(split_at_words("  a b ", 6), ["  a b "]);
        assert_eq!(split_at_words("", 5), [""; 0]);
    }

    #[test]
    fn a_longer_text_is_cut_at_the_last_white_space_that_fits() {
        assert_eq!(split_at_words("one two three", 7), ["one two", "three"]);
        assert_eq!(split_at_words("one two three", 8), ["one two", "three"]);
        assert_eq!(split_at_words("one two three", 6), ["one", "two", "three"]);
        assert_eq!(split_at_words("one \r\n\n two", 5), ["one", "two"]);
    }

    #[test]
    fn a_no_break_space_is_no_place_to_cut() {
        assert_eq!(split_at_words("a b\u{a0}c", 4), ["a", "b\u{a0}c"]);
    }

    #[test]
    fn words_and_clusters_longer_than_the_limit_are_cut_where_it_hurts_least() {
        assert_eq!(split_at_words("abcdefg", 3), ["abc", "def", "g"]);
        assert_eq!(split_at_words("ab👍🏽c", 5), ["ab", "👍🏽c"]);
        assert_eq!(split_at_words("👍🏽", 3), ["👍", "🏽"]);
        assert_eq!(split_at_words("👍👍", 0), ["👍", "👍"]);
    }
}
