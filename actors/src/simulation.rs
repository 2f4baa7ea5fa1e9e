//! A whole gateway in a world of scripted users, faults and crashes, all of it from one seed.
//!
//! Everything runs on one thread and in virtual time: no socket, no file, no real clock, no real chance. One seed gives one world
//! and one log, for ever; a seed that has found something is its own report. After the troubles of a seed everything becomes well,
//! and the world must come to rest with every promise kept: see `reference.rs` for what a conversation must do, `provider.rs` for what
//! may leave, `audit.rs` for what must hold at the end, and `bugs.rs` for how it is known that this finds anything.

mod assistant;
mod audit;
mod bugs;
mod delivery;
mod dice;
mod driver;
mod keywords;
mod manners;
mod provider;
mod received;
mod reference;
mod scenario;
mod speech;
mod store;
mod world;

pub use bugs::Bug;

use world::World;

/// How much of the log is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// The last lines.
    Tail,
    /// All of it.
    Whole,
}

/// How much has happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Processes that were started.
    pub processes: u64,
    /// Processes that died.
    pub crashes: u64,
    /// Steps that became durable.
    pub commits: u64,
    /// Questions to the assistant.
    pub asks: u64,
    /// Texts that phones have seen.
    pub texts: u64,
    /// Sessions that have ended.
    pub sessions: u64,
    /// Milliseconds of virtual time.
    pub millis: u64,
}

/// What came of a seed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// A hash of the whole log: one seed has one.
    pub digest: u64,
    /// What is wrong; `None` when every promise was kept.
    pub violation: Option<String>,
    /// The log.
    pub log: Vec<String>,
    /// How much has happened.
    pub counts: Counts,
}

/// Runs the world of one seed. With a bug it must find something, without it must not. Must not be called within a tokio runtime.
#[must_use]
pub fn run(seed: u64, bug: Option<Bug>, log: Log) -> Outcome {
    let world = World::new(seed, bug, log == Log::Whole);
    driver::run(&world);
    let mut state = world.state();
    state.counts.millis = state.time();
    let (digest, counts, violation) = (state.digest(), state.counts, state.violation.take());
    Outcome { seed, digest, violation, log: state.lines(), counts }
}
