//! JSON as a tree that keeps the order of keys and those that are given twice. It holds secrets and is never printed.
//!
//! IBM's own sample has commas before closing brackets; they are read over, with a note. Depth is bounded by `serde_json`.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::config::Problem;
use crate::import::note::{Notes, Outcome};

/// A JSON value.
pub(super) enum Json {
    /// `null`.
    Null,
    /// `true`, `false`, a number or a string, as text.
    Scalar(String),
    /// An array.
    List(Vec<Json>),
    /// An object.
    Object(Vec<(String, Json)>),
}

/// Reads a file's text.
///
/// # Errors
/// What is wrong with it, with its line and column.
pub(super) fn parse(name: &str, bytes: &[u8], notes: &mut Notes) -> Result<Json, Problem> {
    let whole = |message: String| Problem { place: name.to_owned(), message };
    if bytes.len() > super::FILE_MAX {
        let message = format!(
            "this has more than {} bytes: a file of tenants is smaller, check which file it is",
            super::FILE_MAX
        );
        return Err(whole(message));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| not_utf8(name, bytes, error.valid_up_to()))?;
    let text = text.trim_start_matches('\u{feff}');
    let error = match serde_json::from_str(text) {
        Ok(json) => return Ok(json),
        Err(error) => error,
    };
    match serde_json::from_str(&without_final_commas(text)) {
        Ok(json) => {
            let remark = "a comma stands before a closing bracket, which JSON does not allow: it was read over";
            notes.add(Outcome::Changed, name, remark);
            Ok(json)
        }
        Err(_) => {
            let place = format!("{name}:{}:{}", error.line(), error.column());
            let what = error.to_string();
            if what.starts_with("recursion limit") {
                let message = "brackets are nested deeper than in any configuration: check which file it is".to_owned();
                return Err(Problem { place, message });
            }
            let what = what.rsplit_once(" at line ").map_or(what.as_str(), |(what, _)| what);
            Err(Problem { place, message: format!("this is not JSON ({what}): correct it there or just before") })
        }
    }
}

fn not_utf8(name: &str, bytes: &[u8], good: usize) -> Problem {
    let before = String::from_utf8_lossy(bytes.get(..good).unwrap_or_default());
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let message = "this is not UTF-8: save the file in that encoding".to_owned();
    Problem { place: format!("{name}:{line}:{column}"), message }
}

/// The text with a blank for every comma that is followed by a closing bracket, so that places stay what they are.
fn without_final_commas(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let (mut comma, mut quoted, mut escaped) = (None, false, false);
    for (index, byte) in text.bytes().enumerate() {
        if quoted {
            quoted = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b',' => comma = Some(index),
            b']' | b'}' => {
                if let Some(place) = comma.take().and_then(|index: usize| bytes.get_mut(index)) {
                    *place = b' ';
                }
            }
            byte if byte.is_ascii_whitespace() => {}
            byte => {
                quoted = byte == b'"';
                comma = None;
            }
        }
    }
    String::from_utf8(bytes).expect("one ASCII character was put in place of another")
}

/// A key for a note: without control characters, and cut.
pub(super) fn shown(key: &str) -> String {
    const SHOWN_MAX: usize = 60;
    let cut: String = key.chars().take(SHOWN_MAX).collect();
    cut.escape_debug().collect()
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Json, E> {
        Ok(Json::Scalar(flag.to_string()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Scalar(number.to_string()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Scalar(number.to_string()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Json, E> {
        Ok(Json::Scalar(number.to_string()))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Scalar(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut object = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            object.push(entry);
        }
        Ok(Json::Object(object))
    }
}
