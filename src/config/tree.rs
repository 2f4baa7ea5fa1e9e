//! The configuration as a tree in which every key and every value knows where it was written.
//!
//! It is made from TOML, changed by environment variables, and read by [`super::reader`]. It knows no key by name.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::source::At;

/// A value and where it was written.
#[derive(Clone)]
pub(super) struct Node {
    /// Where.
    pub(super) at: At,
    /// What.
    pub(super) value: Value,
    /// How an environment variable spelled it, so that `+15550100` can still be read as a text where one is wanted.
    pub(super) raw: Option<String>,
}

/// What a key may be set to.
#[derive(Clone)]
pub(super) enum Value {
    /// A string.
    Text(String),
    /// A whole number; one too long for this type is kept as its largest or smallest.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// A date or a time; no key of ours takes one.
    Date,
    /// An array, or the sections of one `[[name]]`.
    List(Vec<Node>),
    /// A section or an inline table.
    Table(Table),
}

/// Keys with their values, in the order in which they were written.
#[derive(Clone, Default)]
pub(super) struct Table {
    entries: Vec<Entry>,
}

/// One key with its value.
#[derive(Clone)]
pub(super) struct Entry {
    /// The key.
    pub(super) key: String,
    /// Where the key was written.
    pub(super) at: At,
    /// Its value.
    pub(super) node: Node,
}

impl Node {
    /// Takes over a TOML value that was read from `source`.
    pub(super) fn from_toml(value: &Spanned<DeValue<'_>>, source: usize) -> Self {
        let at = At { source, offset: value.span().start };
        let value = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.clone().into_owned()),
            DeValue::Integer(number) => Value::Integer(whole_number(number.as_str(), number.radix())),
            DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(flag) => Value::Boolean(*flag),
            DeValue::Datetime(_) => Value::Date,
            DeValue::Array(items) => Value::List(items.iter().map(|item| Self::from_toml(item, source)).collect()),
            DeValue::Table(table) => Value::Table(Table::from_toml(table, source)),
        };
        Self { at, value, raw: None }
    }

    /// The node that `path` leads to from here, with the place of its key; `None` where it leads nowhere.
    pub(super) fn find(&self, path: &[impl AsRef<str>]) -> Option<(At, &Self)> {
        let mut found = (self.at, self);
        for step in path {
            found = match &found.1.value {
                Value::Table(table) => table.entry(step.as_ref()).map(|entry| (entry.at, &entry.node))?,
                Value::List(items) => items.get(step.as_ref().parse::<usize>().ok()?).map(|item| (item.at, item))?,
                Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Date => return None,
            };
        }
        Some(found)
    }

    /// Where the key at the end of `path` was written; where this node was, if it is not set.
    pub(super) fn key_at(&self, path: &[impl AsRef<str>]) -> At {
        self.find(path).map_or(self.at, |(key, _)| key)
    }

    /// Where the value at the end of `path` was written; where this node was, if it is not set.
    pub(super) fn value_at(&self, path: &[impl AsRef<str>]) -> At {
        self.find(path).map_or(self.at, |(_, node)| node.at)
    }

    /// Takes out what `path` leads to. Returns whether there was such a thing.
    pub(super) fn remove(&mut self, path: &[String]) -> bool {
        let [first, rest @ ..] = path else { return false };
        match &mut self.value {
            Value::Table(table) if rest.is_empty() => table.remove(first).is_some(),
            Value::Table(table) => table.get_mut(first).is_some_and(|node| node.remove(rest)),
            Value::List(items) => {
                let Some(index) = first.parse::<usize>().ok().filter(|index| *index < items.len()) else {
                    return false;
                };
                if rest.is_empty() {
                    items.remove(index);
                    return true;
                }
                items[index].remove(rest)
            }
            Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Date => false,
        }
    }
}

impl Table {
    /// Takes over a TOML table that was read from `source`.
    pub(super) fn from_toml(table: &DeTable<'_>, source: usize) -> Self {
        let mut entries: Vec<Entry> = table
            .iter()
            .map(|(key, value)| Entry {
                key: key.get_ref().clone().into_owned(),
                at: At { source, offset: key.span().start },
                node: Node::from_toml(value, source),
            })
            .collect();
        entries.sort_by_key(|entry| entry.at);
        Self { entries }
    }

    /// All entries, in order.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry of a key.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The value of a key.
    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.node)
    }

    /// Sets a key, in place of what it was set to before.
    pub(super) fn set(&mut self, entry: Entry) {
        match self.entries.iter_mut().find(|old| old.key == entry.key) {
            Some(old) => *old = entry,
            None => self.entries.push(entry),
        }
    }

    /// Takes a key out.
    pub(super) fn remove(&mut self, key: &str) -> Option<Entry> {
        let index = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.remove(index))
    }
}

fn whole_number(digits: &str, radix: u32) -> i128 {
    let beyond = if digits.starts_with('-') { i128::MIN } else { i128::MAX };
    i128::from_str_radix(digits, radix).unwrap_or(beyond)
}
