//! The actors of Raconteur. ractor lives here and nowhere else.
//!
//! ```text
//!   Gateway actor          supervises; a lost shard ends the gateway (Fatal)
//!     └── 1,024 Shards     each holds one claim, activates, passivates, and supervises; hangs a bell for what is in memory
//!           └── Conversations    one per active conversation; one that fails is started again from the store
//!                                after a pause (100 ms, doubled up to 30 s)
//!   tasks beside them:  wheel (deadlines), sweep, passivation, store watch, catching up
//!   tasks below them:   one per ask, send, look-up; a panic in one is caught and becomes an answer
//! ```
//!
//! **Invariants.** A mailbox holds hints and answers, never the only copy of anything. A shard never waits. A conversation
//! waits only for the store. Nothing leaves before its commit is durable. No actor has a name.

pub mod clock;
pub mod control;
pub mod gateway;
pub mod inbox;
pub mod lane;
pub mod port;
#[cfg(feature = "simulation")]
pub mod simulation;
pub mod transport_actor;

mod bells;
mod call;
mod catch_up;
mod conversation;
mod recovery;
mod report;
mod residents;
mod runtime;
mod shard;
mod signs;
mod step;
mod tenant;
mod wheel;

pub use gateway::{Fatal, Gateway, StartError, TenantSpec};
pub use ractor;
pub use residents::Headcount;
pub use runtime::Settings;
