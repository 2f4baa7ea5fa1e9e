//! Raconteur.

pub mod assistant;
pub mod client;
pub mod config;
pub mod transport;
