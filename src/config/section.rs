//! One channel's or assistant's section: its kind is known, its other keys are read by whoever knows the kind.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::Problem;
use super::environment::Environment;
use super::message;
use super::reader;
use super::source::{At, Found, Sources};
use super::tree::{Node, Value};
use crate::guard::Exceptions;

/// What a configuration was put together from, kept for the places of later problems and for secrets.
pub(super) struct Origin {
    /// Files and variables.
    pub(super) sources: Sources,
    /// Where secrets are looked up.
    pub(super) environment: Environment,
}

impl Origin {
    /// Puts a place in words.
    pub(super) fn problem(&self, found: Found) -> Problem {
        Problem { place: self.sources.place(found.at), message: found.message }
    }
}

/// `[channels.NAME]` or `[assistants.NAME]`. Printed, it shows which keys are set and no values.
#[derive(Clone)]
pub struct Section {
    /// The name that tenants refer to.
    pub name: String,
    /// Which of the registry's kinds it is.
    pub kind: String,
    /// Where it begins.
    pub place: String,
    kind_at: At,
    node: Node,
    origin: Arc<Origin>,
    outbound: Exceptions,
}

impl Section {
    /// `node` is the section without its `kind`, which was written at `kind.1`.
    pub(super) fn new(name: &str, kind: (String, At), node: Node, origin: Arc<Origin>) -> Self {
        let ((kind, kind_at), place) = (kind, origin.sources.place(node.at));
        Self { name: name.to_owned(), kind, place, kind_at, node, origin, outbound: Exceptions::default() }
    }

    /// The same section, where these may be reached although they are not public.
    #[must_use]
    pub fn allowing(&self, outbound: &Exceptions) -> Self {
        Self { outbound: outbound.clone(), ..self.clone() }
    }

    /// What may be reached for the sake of an address that is not of the configuration, although it is not public.
    #[must_use]
    pub fn outbound(&self) -> &Exceptions {
        &self.outbound
    }

    /// Splits a key off: this section without it, and what it holds, where it is set, as a section of its own.
    #[must_use]
    pub fn split(&self, key: &str) -> (Self, Option<Self>) {
        let mut rest = self.clone();
        let Value::Table(table) = &mut rest.node.value else { return (rest, None) };
        let part = table.remove(key).map(|entry| {
            let place = self.origin.sources.place(entry.node.at);
            Self { place, node: entry.node, ..self.clone() }
        });
        (rest, part)
    }

    /// Reads the keys of this section, `kind` left out. `T` should say `deny_unknown_fields`, or misspelled keys pass unseen.
    ///
    /// # Errors
    /// Everything that is wrong with them, each at its own line.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Vec<Problem>> {
        let (settings, found) = reader::read(&self.node, &self.origin.environment);
        match settings {
            Some(settings) if found.is_empty() => Ok(settings),
            Some(_) | None => Err(found.into_iter().map(|found| self.origin.problem(found)).collect()),
        }
    }

    /// The problem that nobody knows this section's kind, with those that are known.
    #[must_use]
    pub fn unknown_kind(&self, known: &[&str]) -> Problem {
        let found = Found { at: self.kind_at, message: message::unknown("kind", &self.kind, known) };
        self.origin.problem(found)
    }

    /// A problem with the section as a whole.
    #[must_use]
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        Problem { place: self.place.clone(), message: message.into() }
    }

    /// What a kind says is wrong with its settings; a message whose first word is a key gets the place of that key.
    #[must_use]
    pub fn problems(&self, messages: Vec<String>) -> Vec<Problem> {
        let place = |message: String| {
            let first = message.split([':', ' ']).next().unwrap_or_default().trim_matches('`').to_owned();
            self.problem_at(&first, message)
        };
        messages.into_iter().map(place).collect()
    }

    /// A problem with the value of one key, by its dotted path from this section; a key that is not set lends the section's place.
    #[must_use]
    pub fn problem_at(&self, key: &str, message: impl Into<String>) -> Problem {
        let path: Vec<&str> = key.split('.').collect();
        self.origin.problem(Found { at: self.node.value_at(&path), message: message.into() })
    }
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&str> = match &self.node.value {
            Value::Table(table) => table.entries().iter().map(|entry| entry.key.as_str()).collect(),
            Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Date | Value::List(_) => {
                Vec::new()
            }
        };
        f.debug_struct("Section")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("place", &self.place)
            .field("keys", &keys)
            .finish()
    }
}
