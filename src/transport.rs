//! Transports: what a channel is made of, and the registry of the kinds that are built in.
//!
//! To add one: write `transport/<name>.rs` with its `Settings`, add its line to [`KINDS`], and give the example configuration a
//! section. Nothing else changes.

pub mod phone;
pub mod twilio;

use std::sync::Arc;

#[cfg(all(feature = "cli", unix))]
pub(crate) use self::twilio::sign as twilio_signature;
use bytes::Bytes;
use raconteur_actors::inbox::Inbox;
use raconteur_actors::port::Transport;
use raconteur_conversation::words::Arrival;

use crate::check::Verdict;
use crate::config::{Problem, Section};

/// The path by which a request came, where that is an alias of the one it is handled under: what was signed is the alias. An extension of
/// the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias(pub String);

/// What a provider is told when its request was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The `Content-Type`; empty for none.
    pub content_type: &'static str,
    /// The body.
    pub body: &'static str,
}

/// Reads a provider's requests. Pure: no clock, no store, no network.
pub trait Webhook: Send + Sync + 'static {
    /// Checks that the request comes from the provider and reads what it brings. A request may bring nothing of interest.
    ///
    /// # Errors
    /// By the status that answers it.
    fn parse(&self, request: &http::Request<Bytes>) -> Result<Vec<Arrival>, WebhookError>;

    /// What the provider is told when all arrivals are durable.
    fn acknowledge(&self) -> Reply;

    /// Whether a request proves where it comes from. Where it does not, only this machine may send any, unless the operator says otherwise.
    fn callers(&self) -> Callers {
        Callers::Proven
    }
}

/// Whose requests a webhook takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callers {
    /// Those that prove that they come from the provider.
    Proven,
    /// Anybody's.
    Anybody,
}

/// Why a provider's request was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// It does not prove that it comes from the provider: 403.
    #[error("forbidden: {0}")]
    Forbidden(String),
    /// Nothing is received at this path: 404.
    #[error("not found: {0}")]
    NotFound(String),
    /// It comes from the provider but makes no sense: 400.
    #[error("malformed: {0}")]
    Malformed(String),
}

/// One configured transport, ready to carry texts both ways.
pub struct Channel {
    /// Sends.
    pub transport: Arc<dyn Transport>,
    /// Receives, at any place directly below `/channels/{name}/` that is not one of `routes`; `None` for a transport that receives by
    /// itself.
    pub webhook: Option<Arc<dyn Webhook>>,
    /// Further routes of its own, mounted below `/channels/{name}`.
    pub routes: Option<axum::Router>,
}

/// A kind of channel that is built in.
pub struct Kind {
    /// What `kind` says in the configuration.
    pub name: &'static str,
    /// Says what is wrong with a section, or what its operator should know.
    pub check: fn(&Section) -> Verdict,
    /// Opens the channel of a section.
    pub open: fn(&Section, Inbox) -> Result<Channel, Vec<Problem>>,
}

/// Every kind of channel that is built in.
pub const KINDS: &[Kind] = &[
    Kind { name: "phone", check: phone::check, open: phone::open_section },
    Kind { name: "twilio", check: twilio::check, open: |section, _| twilio::open_section(section) },
];

/// The kind of a section.
///
/// # Errors
/// When there is no such kind.
pub fn kind(section: &Section) -> Result<&'static Kind, Problem> {
    let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    KINDS.iter().find(|kind| kind.name == section.kind).ok_or_else(|| section.unknown_kind(&names))
}
