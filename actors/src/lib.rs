//! The actors.

pub mod inbox;
pub mod port;

pub use ractor;
