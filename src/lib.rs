//! Raconteur: an SMS conversation engine between providers and an assistant.
//!
//! Two ways to use it as a library. [`Server::start`] runs a whole configured gateway with its HTTP side, as the binary does.
//! [`Gateway::builder`] puts one together from parts: your own transport (an object or an actor), your own assistant, any store.
//! The library never ends the process, installs no signal handler, logger or allocator, and names no actor: several gateways
//! live in one process.
//!
//! The examples show each: `quickstart`, `embedded`, `custom_transport`, `custom_assistant`.

pub mod assistant;
pub mod board;
#[cfg(feature = "cli")]
pub mod chat;
pub mod check;
#[cfg(feature = "cli")]
pub mod cli;
pub mod client;
pub mod config;
pub mod guard;
#[cfg(feature = "cli")]
pub mod health;
pub mod http;
pub mod import;
#[cfg(all(feature = "cli", unix))]
pub mod load;
pub mod metrics;
pub mod person;
mod pipe;
pub mod reporting;
pub mod server;
#[cfg(all(feature = "cli", feature = "sled"))]
pub mod store_tools;
#[cfg(feature = "cli")]
pub mod telemetry;
pub mod tls;
pub mod transport;
pub mod watchdog;

pub use raconteur_actors as actors;
pub use raconteur_actors::inbox::Inbox;
pub use raconteur_actors::port::{Assistant, Clock, Transport, TransportMsg};
pub use raconteur_actors::transport_actor::{Manners, TransportActor};
pub use raconteur_actors::{Fatal, Gateway, Settings, StartError, TenantSpec, ractor};
pub use raconteur_conversation as conversation;
pub use raconteur_storage as storage;
pub use raconteur_storage::Store;
pub use server::{Server, ServerError};
