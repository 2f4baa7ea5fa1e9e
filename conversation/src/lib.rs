//! The pure core of Raconteur: a conversation as a function of its inputs.

pub mod address;
pub mod policy;
pub mod retry;
pub mod time;
pub mod variable;
pub mod words;
