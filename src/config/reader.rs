//! Reads typed settings out of the tree, through serde, and finds everything that is wrong with them, not only the first thing.
//!
//! serde stops at the first error. Each error carries the path of what it is about; that is taken out and the rest is read
//! again, until it reads or nothing is left to take out. Messages are made here, once, for all sections and all kinds.

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Unexpected, Visitor};

use super::environment::Environment;
use super::message;
use super::secret;
use super::source::Found;
use super::tree::{Entry, Node, Table, Value};

/// Reads `T` and tells all that is wrong. Where a wrong key has a default there is a value nevertheless, fit for further checks.
pub(super) fn read<T: DeserializeOwned>(node: &Node, environment: &Environment) -> (Option<T>, Vec<Found>) {
    let mut rest = node.clone();
    let mut removed: Vec<Vec<String>> = Vec::new();
    let mut found = Vec::new();
    loop {
        let error = match T::deserialize(Reader { node: &rest, environment }) {
            Ok(value) => return (Some(value), found),
            Err(error) => error,
        };
        if !error.missing_key().is_some_and(|path| removed.contains(&path)) {
            let at = if error.about_key { rest.key_at(&error.path) } else { rest.value_at(&error.path) };
            found.push(Found { at, message: error.message });
        }
        if !rest.remove(&error.path) {
            return (None, found);
        }
        removed.push(error.path);
    }
}

/// Why settings could not be read.
#[derive(Debug)]
pub(super) struct ReadError {
    message: String,
    /// The keys that lead to what it is about.
    path: Vec<String>,
    /// Whether the last key of the path is wrong, rather than its value.
    about_key: bool,
    /// The key that is not there.
    missing: Option<&'static str>,
}

impl ReadError {
    fn under(mut self, key: &str) -> Self {
        self.path.insert(0, key.to_owned());
        self
    }

    fn missing_key(&self) -> Option<Vec<String>> {
        self.missing.map(|key| self.path.iter().cloned().chain([key.to_owned()]).collect())
    }
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self { message: message.to_string(), path: Vec::new(), about_key: false, missing: None }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(message::expected(&expected.to_string(), found))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(message::expected(&expected.to_string(), found))
    }

    fn unknown_variant(found: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(message::unknown("value", found, expected))
    }

    fn unknown_field(found: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(message::unknown("key", found, expected))
    }

    fn missing_field(key: &'static str) -> Self {
        Self { missing: Some(key), ..Self::custom(format!("the key `{key}` is missing: add it")) }
    }
}

/// Hands one node to serde.
#[derive(Clone, Copy)]
struct Reader<'a> {
    node: &'a Node,
    environment: &'a Environment,
}

impl<'a> Reader<'a> {
    fn table(self, table: &'a Table) -> TableReader<'a> {
        TableReader { entries: table.entries().iter(), value: None, environment: self.environment }
    }
}

impl<'de> de::Deserializer<'de> for Reader<'_> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::Text(text) => visitor.visit_str(text),
            Value::Integer(number) => match (i64::try_from(*number), u64::try_from(*number)) {
                (Ok(number), _) => visitor.visit_i64(number),
                (Err(_), Ok(number)) => visitor.visit_u64(number),
                (Err(_), Err(_)) => Err(de::Error::invalid_value(Unexpected::Other("a number too large"), &visitor)),
            },
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Boolean(flag) => visitor.visit_bool(*flag),
            Value::Date => Err(de::Error::invalid_type(Unexpected::Other("a date or time"), &visitor)),
            Value::List(items) => {
                visitor.visit_seq(ListReader { items: items.iter().enumerate(), environment: self.environment })
            }
            Value::Table(table) => visitor.visit_map(self.table(table)),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.raw {
            Some(raw) => visitor.visit_str(raw),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        if name != secret::NAME {
            return visitor.visit_newtype_struct(self);
        }
        let source = secret::Source::deserialize(self).map_err(|_| de::Error::custom(secret::HOW_TO))?;
        let value = source.fetch(|name| self.environment.get(name).map(str::to_owned)).map_err(de::Error::custom)?;
        visitor.visit_byte_buf(value.into_bytes())
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::Text(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            Value::Table(table) if table.entries().len() == 1 => {
                visitor.visit_enum(MapAccessDeserializer::new(self.table(table)))
            }
            Value::Table(_) => Err(de::Error::custom("expected exactly one key here")),
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Date | Value::List(_) => {
                self.deserialize_any(visitor)
            }
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        // serde would take a list for the values of the keys, in the order in which the code happens to name them.
        if let Value::List(_) = self.node.value {
            return Err(de::Error::invalid_type(Unexpected::Seq, &visitor));
        }
        self.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct seq tuple tuple_struct
        map identifier ignored_any
    }
}

struct TableReader<'a> {
    entries: std::slice::Iter<'a, Entry>,
    value: Option<&'a Entry>,
    environment: &'a Environment,
}

impl<'de> de::MapAccess<'de> for TableReader<'_> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        self.value = self.entries.next();
        let Some(entry) = self.value else { return Ok(None) };
        let key: de::value::StrDeserializer<'_, ReadError> = entry.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|error| ReadError { about_key: true, ..error.under(&entry.key) })
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, ReadError> {
        let Some(entry) = self.value.take() else { return Err(de::Error::custom("a key has no value")) };
        let reader = Reader { node: &entry.node, environment: self.environment };
        seed.deserialize(reader).map_err(|error| error.under(&entry.key))
    }
}

struct ListReader<'a> {
    items: std::iter::Enumerate<std::slice::Iter<'a, Node>>,
    environment: &'a Environment,
}

impl<'de> de::SeqAccess<'de> for ListReader<'_> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        let Some((index, node)) = self.items.next() else { return Ok(None) };
        let reader = Reader { node, environment: self.environment };
        seed.deserialize(reader).map(Some).map_err(|error| error.under(&index.to_string()))
    }
}
