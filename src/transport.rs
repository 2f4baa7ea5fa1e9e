//! Transports: what a channel is made of, and the registry of the kinds that are built in.
//!
//! To add one: write `transport/<name>.rs`, add its line to [`KINDS`], and give the example configuration a section.

use std::sync::Arc;

use bytes::Bytes;
use raconteur_actors::inbox::Inbox;
use raconteur_actors::port::Transport;
use raconteur_conversation::words::Arrival;

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
}

/// Why a provider's request was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// It does not prove that it comes from the provider: 403.
    #[error("forbidden: {0}")]
    Forbidden(String),
    /// It comes from the provider but makes no sense: 400.
    #[error("malformed: {0}")]
    Malformed(String),
}

/// One configured transport, ready to carry texts both ways.
pub struct Channel {
    /// Sends.
    pub transport: Arc<dyn Transport>,
    /// Receives; `None` for a transport that receives by itself.
    pub webhook: Option<Arc<dyn Webhook>>,
    /// Further routes of its own, mounted below `/channels/{name}`.
    pub routes: Option<axum::Router>,
}

/// Makes a channel of one kind from its section of the configuration.
pub type Open = fn(&str, Inbox) -> Channel;
