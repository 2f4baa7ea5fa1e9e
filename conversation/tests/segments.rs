//! Segmentation against vectors made with Twilio's own calculator, and properties of the word splitter over generated texts.

use raconteur_conversation::segment::{Encoding, count, parts, segments, split_at_words};
use serde_json::Value;

fn vectors() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/segments.json");
    let text = std::fs::read_to_string(path).expect("the vectors are in the repository");
    let mut file: Value = serde_json::from_str(&text).expect("the vectors are JSON");
    serde_json::from_value(file["vectors"].take()).expect("the vectors are a list")
}

#[test]
fn every_vector_is_counted_and_cut_as_twilio_does() {
    let vectors = vectors();
    assert!(vectors.len() > 200, "only {} vectors", vectors.len());
    for vector in vectors {
        let text = vector["text"].as_str().unwrap();
        let (name, expected) = (&vector["name"], &vector["twilio"]);
        let found = segments(text);
        let encoding = match found.encoding {
            Encoding::Gsm7 => "GSM-7",
            Encoding::Ucs2 => "UCS-2",
        };
        assert_eq!(expected["encoding"], encoding, "{name}");
        assert_eq!(expected["segments"], found.count(), "{name}");
        assert_eq!(expected["segments"], count(text), "{name}");
        assert_eq!(expected["characters"], found.characters, "{name}");
        assert_eq!(expected["units"], serde_json::json!(found.units), "{name}");
        assert_eq!(expected["parts"], serde_json::json!(parts(text)), "{name}");
    }
}

/// A small generator of its own (xorshift), so that a failing seed can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn text(&mut self) -> String {
        const ATOMS: [&str; 16] = [
            "a",
            "b",
            "word",
            " ",
            " ",
            "\n",
            "\r\n",
            "\t",
            "\u{a0}",
            "é",
            "e\u{301}",
            "\u{301}",
            "👍🏽",
            "👨‍👩‍👧",
            "漢",
            "\u{600}",
        ];
        let length = self.below(60);
        let mut pick = || ATOMS[usize::try_from(self.below(16)).expect("below 16")];
        (0..length).map(|_| pick()).collect()
    }
}

#[test]
fn splitting_keeps_every_word_and_every_limit() {
    for seed in 1..6_000 {
        let mut random = Random(seed);
        let text = random.text();
        let max = usize::try_from(2 + random.below(30)).unwrap();
        let found = split_at_words(&text, max);
        let mut rest = text.as_str();
        for part in &found {
            let units = part.encode_utf16().count();
            assert!(units > 0 && units <= max, "seed {seed}: {part:?} in {text:?}, at most {max}");
            let at = rest.find(part).unwrap_or_else(|| panic!("seed {seed}: {part:?} is not in {rest:?}"));
            assert!(rest[..at].chars().all(char::is_whitespace), "seed {seed}: {:?} got lost", &rest[..at]);
            rest = &rest[at + part.len()..];
        }
        assert!(rest.chars().all(char::is_whitespace), "seed {seed}: {rest:?} got lost at the end");
        if text.encode_utf16().count() <= max {
            assert_eq!(found.concat(), text, "seed {seed}: a text that fits was changed");
        }
    }
}

#[test]
fn segments_of_any_text_add_up_to_it() {
    for seed in 1..1_000 {
        let text = Random(seed).text().repeat(8);
        let found = segments(&text);
        assert_eq!(parts(&text).concat(), text, "seed {seed}");
        assert_eq!(found.count(), count(&text), "seed {seed}");
        let max = if found.count() == 1 { found.encoding.single_max() } else { found.encoding.multi_max() };
        assert!(found.units.iter().all(|units| *units <= max), "seed {seed}: {:?}", found.units);
    }
}
