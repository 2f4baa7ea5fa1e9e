//! What a script remembers between the turns of one session, and how it is kept as JSON.
//!
//! A script reaches it through the variable `memory`, a [`Handle`] without content: the entries are in the turn that is being
//! run, so that one compiled script serves all conversations. Each entry is turned into JSON when it is set. That is where a
//! value that cannot be kept, or one too many, is refused, with the line of the script. Garbage reads as empty.

use std::collections::BTreeMap;

use rhai::Dynamic;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::json;

/// What the variable `memory` holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Handle;

/// The entries, under names that the script chose.
#[derive(Debug)]
pub(super) struct Memory {
    entries: BTreeMap<String, Entry>,
    bytes: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct Entry {
    value: Dynamic,
    json: Box<RawValue>,
}

/// All that is kept between turns, as it is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Kept {
    /// How many turns of this session were answered.
    pub(super) turns: u32,
    /// The response timeout that the script has set, in milliseconds.
    pub(super) response_timeout: Option<i64>,
    /// The entries of `memory`.
    pub(super) memory: Map<String, Value>,
}

#[derive(Serialize)]
struct Keep<'a> {
    turns: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_timeout: Option<i64>,
    memory: BTreeMap<&'a str, &'a RawValue>,
}

impl Kept {
    /// Reads what an earlier turn kept; nothing where it cannot be read.
    pub(super) fn read(data: &RawValue) -> Self {
        // Through an object: serde would take an array for a struct too.
        let object: Result<Map<String, Value>, _> = serde_json::from_str(data.get());
        object.and_then(|object| serde_json::from_value(Value::Object(object))).unwrap_or_else(|error| {
            tracing::warn!(%error, "the script's memory cannot be read and starts empty");
            Self::default()
        })
    }
}

impl Memory {
    /// The entries that were kept. They may exceed `max_bytes`, which then only lets them shrink.
    pub(super) fn new(kept: &Map<String, Value>, max_bytes: usize) -> Self {
        let mut memory = Self { entries: BTreeMap::new(), bytes: 0, max_bytes };
        for (name, value) in kept.iter().filter(|(_, value)| !value.is_null()) {
            if let Ok(json) = serde_json::value::to_raw_value(value) {
                memory.put(name, Entry { value: json::to_script(value), json });
            }
        }
        memory
    }

    /// The value under `name`, or `()`.
    pub(super) fn get(&self, name: &str) -> Dynamic {
        self.entries.get(name).map_or(Dynamic::UNIT, |entry| entry.value.clone())
    }

    /// Remembers `value` under `name`; `()` forgets it.
    ///
    /// # Errors
    /// In the author's words, when the value has no JSON or the memory would be too large.
    pub(super) fn set(&mut self, name: &str, value: Dynamic) -> Result<(), String> {
        if value.is_unit() {
            let _forgotten = self.remove(name);
            return Ok(());
        }
        let json = json::from_script(&value)
            .and_then(|json| serde_json::value::to_raw_value(&json).map_err(|error| error.to_string()))
            .map_err(|reason| format!("memory.{name}: {reason}"))?;
        let (old, new) = (self.cost_of(name), cost(name, &json));
        let bytes = self.bytes - old + new;
        if bytes > self.max_bytes && new > old {
            let max = self.max_bytes;
            return Err(format!(
                "memory.{name}: memory would take {bytes} bytes, more than the {max} of max_memory_bytes: remember less"
            ));
        }
        self.put(name, Entry { value, json });
        Ok(())
    }

    /// Forgets `name` and returns what it was.
    pub(super) fn remove(&mut self, name: &str) -> Dynamic {
        self.bytes -= self.cost_of(name);
        self.entries.remove(name).map_or(Dynamic::UNIT, |entry| entry.value)
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }

    /// The names that are set, in order.
    pub(super) fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Whether something is remembered under `name`.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The JSON to keep until the next turn.
    ///
    /// # Errors
    /// Only if the encoder fails, which it has no reason to.
    pub(super) fn write(&self, turns: u32, response_timeout: Option<i64>) -> Result<Box<RawValue>, serde_json::Error> {
        let memory = self.entries.iter().map(|(name, entry)| (name.as_str(), &*entry.json)).collect();
        serde_json::value::to_raw_value(&Keep { turns, response_timeout, memory })
    }

    fn put(&mut self, name: &str, entry: Entry) {
        self.bytes = self.bytes - self.cost_of(name) + cost(name, &entry.json);
        self.entries.insert(name.to_owned(), entry);
    }

    fn cost_of(&self, name: &str) -> usize {
        self.entries.get(name).map_or(0, |entry| cost(name, &entry.json))
    }
}

/// The bytes of `"name":json,`.
fn cost(name: &str, json: &RawValue) -> usize {
    name.len() + json.get().len() + 4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty(max_bytes: usize) -> Memory {
        Memory::new(&Map::new(), max_bytes)
    }

    fn again(memory: &Memory) -> (Kept, Memory) {
        let kept = Kept::read(&memory.write(3, Some(900)).unwrap());
        let read = Memory::new(&kept.memory, 1_000);
        (kept, read)
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let mut memory = empty(1_000);
        memory.set("name", "Ada".into()).unwrap();
        memory.set("list", vec![Dynamic::from(1_i64), 2.5.into(), true.into()].into()).unwrap();
        let (kept, read) = again(&memory);
        assert_eq!((kept.turns, kept.response_timeout), (3, Some(900)));
        assert_eq!(read.get("name").into_string().unwrap(), "Ada");
        assert_eq!(read.get("list").to_string(), memory.get("list").to_string());
        assert_eq!(read.bytes, memory.bytes);
    }

    #[test]
    fn a_value_of_nothing_is_forgotten() {
        let mut memory = empty(1_000);
        memory.set("a", 1.into()).unwrap();
        memory.set("a", Dynamic::UNIT).unwrap();
        assert!(!memory.contains("a") && memory.get("a").is_unit());
        assert_eq!(memory.bytes, 0);
    }

    #[test]
    fn growth_stops_at_the_limit_and_the_old_value_stays() {
        let mut memory = empty(20);
        memory.set("a", "12345".into()).unwrap();
        let error = memory.set("a", "1234567890123456".into()).unwrap_err();
        assert!(error.contains("memory.a") && error.contains("max_memory_bytes"), "{error}");
        assert_eq!(memory.get("a").into_string().unwrap(), "12345");
        assert!(memory.set("b", "12345".into()).is_err());
        memory.clear();
        assert!(memory.set("b", "12345".into()).is_ok());
    }

    #[test]
    fn a_memory_above_a_lowered_limit_can_still_shrink() {
        let kept = serde_json::from_str(r#"{"a": "1234567890"}"#).unwrap();
        let mut memory = Memory::new(&kept, 5);
        memory.set("a", "1234567".into()).unwrap();
        assert!(memory.set("a", "12345678".into()).is_err());
    }

    #[test]
    fn garbage_reads_as_empty() {
        for garbage in ["7", "[]", "[1]", r#"{"memory": 3}"#, r#"{"turns": -1, "memory": {"a": 1}}"#, "null", r#""x""#]
        {
            let kept = Kept::read(&RawValue::from_string(garbage.into()).unwrap());
            assert!(kept.memory.is_empty() && kept.turns == 0, "{garbage}");
        }
    }
}
