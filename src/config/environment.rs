//! The process's environment as it was at the start, and the overrides in it: `RACONTEUR_SERVER__LISTEN` sets `server.listen`.
//!
//! Two underscores stand for a dot. Names are lower-cased; a channel or assistant that is written with capitals or dashes is
//! found all the same. Whether a key exists is not judged here: it is read like any other, and found wrong in its place.

use std::collections::{BTreeMap, BTreeSet};

use toml::de::DeValue;

use super::message;
use super::source::{At, Found, Source, Sources};
use super::tree::{Entry, Node, Table, Value};

/// Names the configuration file.
pub(super) const CONFIG_VARIABLE: &str = "RACONTEUR_CONFIG";

const PREFIX: &str = "RACONTEUR_";

/// More names than any key is made of.
const DEPTH_MAX: usize = 16;

/// All variables by name. No `Debug`: there are secrets among them.
pub(super) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Keeps what it is given.
    pub(super) fn new(variables: impl Iterator<Item = (String, String)>) -> Self {
        Self(variables.collect())
    }

    /// The value of a variable.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Sets in `root` what the variables say, in the order of their names.
    pub(super) fn override_in(&self, root: &mut Table, sources: &mut Sources) -> Vec<Found> {
        let mut overrides: Vec<(&str, Vec<String>, Node)> = Vec::new();
        for (name, raw) in &self.0 {
            let Some(path) = name.strip_prefix(PREFIX).filter(|_| name != CONFIG_VARIABLE) else { continue };
            let at = At { source: sources.add(Source::Variable(name.clone())), offset: 0 };
            overrides.push((name, path.split("__").map(str::to_lowercase).collect(), value(raw, at)));
        }
        let mut secrets = BTreeSet::new();
        root.entries().iter().for_each(|entry| secret_variables(&entry.key, &entry.node, &mut secrets));
        for (_, path, node) in &overrides {
            secret_variables(path.last().map_or("", String::as_str), node, &mut secrets);
        }
        overrides.retain(|(name, ..)| !secrets.contains(*name));
        let outcomes = overrides.into_iter().map(|(_, path, node)| (node.at, set(root, &path, node)));
        outcomes.filter_map(|(at, outcome)| outcome.err().map(|message| Found { at, message })).collect()
    }
}

/// Variables that secrets are read from may begin with our prefix and are no overrides.
fn secret_variables(key: &str, node: &Node, names: &mut BTreeSet<String>) {
    match &node.value {
        Value::Text(name) if key == "env" => {
            names.insert(name.clone());
        }
        Value::Table(table) => {
            table.entries().iter().for_each(|entry| secret_variables(&entry.key, &entry.node, names));
        }
        Value::List(items) => items.iter().for_each(|item| secret_variables("", item, names)),
        Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Date => {}
    }
}

/// A TOML value where it is one, else a string.
fn value(raw: &str, at: At) -> Node {
    match DeValue::parse(raw) {
        Ok(parsed) => {
            let mut node = Node::from_toml(&parsed, at.source);
            let scalar = matches!(node.value, Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Date);
            node.raw = scalar.then(|| raw.to_owned());
            node
        }
        Err(_) => Node { at, value: Value::Text(raw.to_owned()), raw: None },
    }
}

/// Sets what `path` leads to, making the sections on the way that are not there yet.
fn set(table: &mut Table, path: &[String], node: Node) -> Result<(), String> {
    let [first, rest @ ..] = path else { return Ok(()) };
    if rest.len() >= DEPTH_MAX {
        return Err("this leads too deep: no key is that far down".into());
    }
    if first.is_empty() {
        return Err("a name is missing: write RACONTEUR_SECTION__KEY".into());
    }
    let at = node.at;
    let key = spelled(table, first)?;
    if rest.is_empty() {
        table.set(Entry { key, at, node });
        return Ok(());
    }
    if table.entry(&key).is_none() {
        let section = Node { at, value: Value::Table(Table::default()), raw: None };
        table.set(Entry { key: key.clone(), at, node: section });
    }
    match table.get_mut(&key) {
        Some(Node { value: Value::Table(table), .. }) => set(table, rest, node),
        Some(Node { value: Value::List(items), .. }) => set_in_list(items, &key, rest, node),
        Some(_) | None => Err(format!("`{key}` is no section, so nothing in it can be set: take the variable out")),
    }
}

fn set_in_list(items: &mut [Node], name: &str, path: &[String], node: Node) -> Result<(), String> {
    let [index, rest @ ..] = path else { return Ok(()) };
    let last = items.len().saturating_sub(1);
    let Some(item) = index.parse::<usize>().ok().and_then(|index| items.get_mut(index)) else {
        return Err(format!("there is no number `{index}` in `{name}`: they count from 0 to {last}"));
    };
    match &mut item.value {
        Value::Table(table) if !rest.is_empty() => set(table, rest, node),
        Value::Table(_) => Err(format!("name a key: write RACONTEUR_{}__{index}__KEY", name.to_uppercase())),
        Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Date | Value::List(_) => {
            Err(format!("set all of `{name}` at once, as a list in brackets"))
        }
    }
}

/// How a lower-case name is spelled in the table.
fn spelled(table: &Table, name: &str) -> Result<String, String> {
    if table.entry(name).is_some() {
        return Ok(name.to_owned());
    }
    let plain = |key: &str| key.to_lowercase().replace('-', "_");
    let keys: Vec<&str> = table.entries().iter().map(|entry| entry.key.as_str()).collect();
    let alike: Vec<&str> = keys.into_iter().filter(|key| plain(key) == plain(name)).collect();
    match alike.as_slice() {
        [] => Ok(name.to_owned()),
        [one] => Ok((*one).to_owned()),
        _ => Err(message::ambiguous(name, &alike)),
    }
}
