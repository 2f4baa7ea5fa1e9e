//! From a tree of keys to a [`Config`]: which sections there are, and what they must make of each other.

use std::collections::BTreeMap;
use std::sync::Arc;

use raconteur_conversation::address::Address;
use serde::de::DeserializeOwned;

use super::Config;
use super::checks::Checks;
use super::message;
use super::reader;
use super::section::{Origin, Section};
use super::settings::{EngineConfig, LogConfig, ServerConfig, StoreConfig};
use super::source::{At, Found};
use super::tenant::{TenantConfig, TenantKeys};
use super::traces::TracesConfig;
use super::tree::{Entry, Node, Table, Value};

const SECTIONS: [&str; 9] =
    ["server", "store", "log", "traces", "engine", "channels", "assistants", "reports", "tenants"];

/// The longest name of a channel or an assistant.
const NAME_MAX: usize = 64;

/// Reads all sections. The configuration is only good for running when nothing was found.
pub(super) fn assemble(root: &Table, origin: &Arc<Origin>) -> (Config, Vec<Found>) {
    let mut reading = Document { root, origin, found: Vec::new() };
    reading.unknown_sections();
    let config = Config {
        server: reading.settings("server", ServerConfig::check),
        store: reading.settings("store", StoreConfig::check),
        log: reading.settings("log", LogConfig::check),
        traces: reading.settings("traces", TracesConfig::check),
        engine: reading.settings("engine", EngineConfig::check),
        channels: reading.named("channels"),
        assistants: reading.named("assistants"),
        reports: reading.named("reports"),
        tenants: Vec::new(),
    };
    let tenants = reading.tenants();
    reading.found.sort_by_key(|found| found.at);
    (Config { tenants, ..config }, reading.found)
}

struct Document<'a> {
    root: &'a Table,
    origin: &'a Arc<Origin>,
    found: Vec<Found>,
}

impl Document<'_> {
    fn unknown_sections(&mut self) {
        for entry in self.root.entries() {
            if !SECTIONS.contains(&entry.key.as_str()) {
                self.fail(entry.at, message::unknown("section", &entry.key, &SECTIONS));
            }
        }
    }

    /// A section that may be left out.
    fn settings<T: DeserializeOwned + Default>(&mut self, name: &str, check: fn(&T, &mut Checks<'_>)) -> T {
        let Some(entry) = self.root.entry(name) else { return T::default() };
        if !matches!(entry.node.value, Value::Table(_)) {
            self.fail(entry.at, format!("`{name}` is a section: write [{name}] and its keys below"));
            return T::default();
        }
        let Some(settings) = self.read::<T>(&entry.node) else { return T::default() };
        let mut checks = Checks::of(&entry.node);
        check(&settings, &mut checks);
        self.found.extend(checks.finish());
        settings
    }

    fn read<T: DeserializeOwned>(&mut self, node: &Node) -> Option<T> {
        let (value, found) = reader::read(node, &self.origin.environment);
        self.found.extend(found);
        value
    }

    /// `[channels.*]`, `[assistants.*]` or `[reports.*]`.
    fn named(&mut self, group: &str) -> Vec<Section> {
        let Some(entry) = self.root.entry(group) else { return Vec::new() };
        let Value::Table(table) = &entry.node.value else {
            self.fail(
                entry.at,
                format!("every one of the {group} has a section: write [{group}.NAME] and its keys below"),
            );
            return Vec::new();
        };
        table.entries().iter().filter_map(|entry| self.section(group, entry)).collect()
    }

    fn section(&mut self, group: &str, entry: &Entry) -> Option<Section> {
        let name = &entry.key;
        let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
        if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(fits) {
            self.fail(
                entry.at,
                format!("a name in [{group}] has 1 to {NAME_MAX} letters, digits, `-` and `_`: rename it"),
            );
        }
        let Value::Table(table) = &entry.node.value else {
            self.fail(entry.at, format!("`{name}` is a name here: write [{group}.{name}] and its keys below"));
            return None;
        };
        let mut table = table.clone();
        let Some(kind) = table.remove("kind") else {
            self.fail(entry.node.at, format!("[{group}.{name}] has no `kind`: add it"));
            return None;
        };
        let node = Node { value: Value::Table(table), ..entry.node.clone() };
        let kind = (self.read(&kind.node)?, kind.node.at);
        Some(Section::new(name, kind, node, Arc::clone(self.origin)))
    }

    fn tenants(&mut self) -> Vec<TenantConfig> {
        let Some(entry) = self.root.entry("tenants") else {
            let message = "there is no tenant: write [[tenants]] and its number, channel and assistant below";
            self.fail(At { source: 0, offset: 0 }, message);
            return Vec::new();
        };
        let Value::List(items) = &entry.node.value else {
            self.fail(entry.at, "there may be several tenants: write [[tenants]], with two brackets");
            return Vec::new();
        };
        if items.is_empty() {
            self.fail(entry.at, "there is no tenant in the list: add one with its number, channel and assistant");
        }
        let mut numbers = BTreeMap::new();
        items.iter().filter_map(|item| self.tenant(item, &mut numbers)).collect()
    }

    fn tenant(&mut self, node: &Node, numbers: &mut BTreeMap<Address, String>) -> Option<TenantConfig> {
        let Value::Table(table) = &node.value else {
            self.fail(node.at, "a tenant is a section: write [[tenants]] and its keys below");
            return None;
        };
        for key in ["number", "channel", "assistant"] {
            if table.entry(key).is_none() {
                self.fail(node.at, format!("the tenant has no `{key}`: add it"));
            }
        }
        let keys: TenantKeys = self.read(node)?;
        let mut checks = Checks::of(node);
        keys.check(&mut checks);
        self.refers(&mut checks, "channel", keys.channel.as_deref());
        self.refers(&mut checks, "assistant", keys.assistant.as_deref());
        self.refers(&mut checks, "report", keys.report.as_deref());
        self.refers_in(&mut checks, ("events", "reports"), keys.events.as_deref());
        let place = self.origin.sources.place(node.at);
        if let Some(number) = &keys.number
            && let Some(first) = numbers.insert(number.clone(), place.clone())
        {
            checks.fail("number", format!("{number} is the number of the tenant at {first} too: give each its own"));
        }
        self.found.extend(checks.finish());
        keys.into_tenant(place)
    }

    /// A section that is broken is known all the same: one mistake is told once.
    fn refers(&self, checks: &mut Checks<'_>, key: &str, name: Option<&str>) {
        self.refers_in(checks, (key, &format!("{key}s")), name);
    }

    fn refers_in(&self, checks: &mut Checks<'_>, (key, group): (&str, &str), name: Option<&str>) {
        let known: Vec<&str> = match self.root.entry(group).map(|entry| &entry.node.value) {
            Some(Value::Table(table)) => table.entries().iter().map(|entry| entry.key.as_str()).collect(),
            Some(_) => return,
            None => Vec::new(),
        };
        let Some(name) = name.filter(|name| !known.contains(name)) else { return };
        let message = message::unknown(key, name, &known);
        checks.fail(key, format!("{message} (or add [{group}.{name}])"));
    }

    fn fail(&mut self, at: At, message: impl Into<String>) {
        self.found.push(Found { at, message: message.into() });
    }
}
