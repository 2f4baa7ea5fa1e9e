//! Assistants: the registry of the kinds that are built in.
//!
//! To add one: write `assistant/<name>.rs` with its `Settings`, add its line to [`KINDS`], and give the example configuration a
//! section. Where items, commands and variables stand in its wire format is its own business; what they mean is the core's.

#[cfg(feature = "script")]
pub mod script;
pub mod watson;
pub mod webhooks;

use std::sync::Arc;

use raconteur_actors::port::Assistant;

use serde::de::DeserializeOwned;

use crate::config::{Problem, Section};

/// A kind of assistant that is built in.
pub struct Kind {
    /// What `kind` says in the configuration.
    pub name: &'static str,
    /// Opens the assistant of a section.
    pub open: fn(&Section) -> Opened,
}

/// An assistant, or all that is wrong with its section.
pub type Opened = Result<Arc<dyn Assistant>, Vec<Problem>>;

/// Every kind of assistant that is built in.
pub const KINDS: &[Kind] = &[
    #[cfg(feature = "script")]
    Kind { name: "script", open: |section| open(section, script::open) },
    Kind { name: "watson", open: |section| open(section, watson::v2::open) },
    Kind { name: "watson_v1", open: open_v1 },
    Kind { name: "soe", open: open_soe },
];

fn open_v1(section: &Section) -> Opened {
    let outbound = section.outbound();
    open(section, |name, settings: &watson::v1::Settings| {
        watson::v1::open(name, &watson::v1::Settings { outbound: outbound.clone(), ..settings.clone() })
    })
}

fn open_soe(section: &Section) -> Opened {
    let outbound = section.outbound();
    open(section, |name, settings: &watson::soe::Settings| {
        watson::soe::open(name, &watson::soe::Settings { outbound: outbound.clone(), ..settings.clone() })
    })
}

/// The kind of a section.
///
/// # Errors
/// When there is no such kind.
pub fn kind(section: &Section) -> Result<&'static Kind, Problem> {
    let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    KINDS.iter().find(|kind| kind.name == section.kind).ok_or_else(|| section.unknown_kind(&names))
}

/// Reads the settings of a kind and opens it, with the webhooks that any kind may have around it; what is wrong gets its place.
fn open<S, F>(section: &Section, open: F) -> Opened
where
    S: DeserializeOwned,
    F: Fn(&str, &S) -> Result<Arc<dyn Assistant>, Vec<String>>,
{
    let (own, hooks) = section.split(webhooks::KEY);
    let opened = own.read().and_then(|settings| open(&own.name, &settings).map_err(|found| own.problems(found)));
    match hooks {
        Some(hooks) => webhooks::open_around(&hooks, opened),
        None => opened,
    }
}
