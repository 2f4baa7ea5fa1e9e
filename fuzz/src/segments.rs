//! Segments and parts of a text: what is counted, what is cut, and that the two agree.
//!
//! The input is a byte, the limit for a part, and a text.

use raconteur::conversation::segment::{Encoding, count, parts, segments, split_at_words};

pub(super) fn run(data: &[u8]) {
    let Some((max, text)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(text);
    is_counted_as_it_is_cut(&text);
    is_split_within(&text, usize::from(*max));
}

/// The segments of a text add up to it, none is too long, and none could have taken more.
fn is_counted_as_it_is_cut(text: &str) {
    let (found, pieces) = (segments(text), parts(text));
    assert_eq!(found.count(), count(text));
    assert_eq!(found.units.len(), pieces.len());
    assert_eq!(pieces.concat(), text, "a segment is lost");
    assert_eq!(found.encoding, Encoding::of(text));
    let (single, several) = (found.encoding.single_max(), found.encoding.multi_max());
    let total: usize = found.units.iter().sum();
    assert_eq!(found.count() == 1, total <= single, "{total} units in {} segments", found.count());
    let most = if found.count() == 1 { single } else { several };
    for (piece, units) in pieces.iter().zip(&found.units) {
        assert!(*units <= most, "{units} units in a segment of {most}");
        if found.encoding == Encoding::Ucs2 {
            assert_eq!(piece.encode_utf16().count(), *units, "{piece:?}");
        }
    }
    if found.encoding == Encoding::Gsm7 {
        // A pair of septets is all that is not cut: a segment has room for one septet more at the most.
        let all_but_last = &found.units[..found.units.len() - 1];
        assert!(all_but_last.iter().all(|units| *units + 1 >= several), "{:?}", found.units);
        assert_eq!(found.characters, total);
    }
    assert!(count(&format!("{text}a")) >= found.count(), "a longer text takes less");
}

/// Every part is within the limit, and only white space gets lost between them.
fn is_split_within(text: &str, max: usize) {
    let found = split_at_words(text, max);
    let mut rest = text;
    for part in &found {
        let units = part.encode_utf16().count();
        assert!(units > 0 && units <= max.max(2), "{units} units in a part of {max}");
        let lost = rest.find(part).expect("a part is of the text");
        assert!(rest[..lost].chars().all(char::is_whitespace), "words got lost: {:?}", &rest[..lost]);
        rest = &rest[lost + part.len()..];
    }
    assert!(rest.chars().all(char::is_whitespace), "words got lost at the end: {rest:?}");
    if text.encode_utf16().count() <= max {
        assert_eq!(found.concat(), text, "a text that fits was changed");
    }
}
