//! `raconteur load`: many texters at once against a running gateway, or against one of its own with stand-ins for provider and
//! assistant. It checks what it measures: every text answered, in order, once.
//!
//! ```text
//! people ── texts ──▶ wire (Twilio's webhook, or the simulated phone) ──▶ gateway ──▶ assistant (a stand-in)
//!    ▲                                                                      │
//!    └────── books: who said what, what was answered ◀── provider (a stand-in, or the phone's events)
//! ```
//!
//! `books` knows what every texter is waiting for and is the only judge; `figures` counts and keeps the histograms; `people` says who
//! texts when; `wire` speaks to the gateway; `standin` is what the gateway speaks to; `gateway` starts one and reads what it costs;
//! `report`, `table` and `page` show the result. Latencies count from when a text was meant to leave, so that a gateway that makes its
//! texters wait cannot hide it.

mod args;
mod books;
mod figures;
mod gateway;
mod latency;
mod pacer;
mod page;
mod people;
mod process;
mod report;
mod run;
mod standin;
mod table;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

use raconteur_conversation::address::Address;

use crate::config::secret::Secret;

pub use self::args::LoadArgs;
pub use self::figures::Second;
pub use self::latency::Latency;
pub use self::report::{Limit, Percentiles, Report};
pub use self::run::{LoadError, run};

/// What is to be done.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Which gateway.
    pub target: Target,
    /// How texts reach it.
    pub wire: Wire,
    /// The name of the channel at the gateway.
    pub channel: String,
    /// The number that is texted.
    pub tenant: Address,
    /// Who texts.
    pub crowd: Crowd,
    /// What happens in the first part of the crowd's time is judged, but is in no rate, latency or cost.
    pub warm_up: Duration,
    /// What the stand-ins do.
    pub standins: StandIns,
    /// How answers are known for what they are.
    pub answers: Answers,
    /// How long the last answers are waited for.
    pub patience: Duration,
    /// How long the gateway is watched behind the last answer, until its memory is taken.
    pub cool_down: Duration,
    /// Called once a second with how far it is.
    pub on_second: fn(&Second),
}

/// Which gateway is texted.
#[derive(Clone, Debug)]
pub enum Target {
    /// One that is started for this, with a store of its own in a new directory, and ended afterwards.
    Own {
        /// The binary.
        binary: PathBuf,
        /// Where its store is.
        store: OwnStore,
        /// Further settings, by their names in the configuration, as in `("engine.idle_after", "10m")`.
        settings: Vec<(String, String)>,
    },
    /// One that runs already.
    Running {
        /// Where it is.
        url: String,
        /// Its process on this machine, whose CPU and memory are read.
        process: Option<u32>,
    },
}

/// The store of a gateway of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnStore {
    /// On disk, in a directory that is removed afterwards.
    Sled,
    /// On disk, in this directory, which stays.
    Kept(PathBuf),
    /// In memory.
    Memory,
}

/// How texts reach the gateway and answers come back.
#[derive(Clone, Debug)]
pub enum Wire {
    /// The simulated phone.
    Phone,
    /// Twilio's webhook with valid signatures, and a stand-in for its REST API.
    Twilio {
        /// The account that the gateway is configured with.
        account_sid: String,
        /// Its token.
        auth_token: Secret,
        /// The URL that the gateway believes it is reached at: signatures are made for it. `None` for the target's own.
        public_url: Option<String>,
    },
}

/// Who texts, how often and for how long.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// How many texters there are.
    pub texters: u32,
    /// How long they go on.
    pub duration: Duration,
    /// Over which time they begin.
    pub ramp: Duration,
    /// What decides when the next text leaves.
    pub pace: Pace,
    /// Of a hundred texts, how many the provider delivers twice.
    pub repeated_percent: f64,
    /// So many of the texters, from the first on, wait already: the store of the gateway has [`first_words`] of each, unanswered.
    pub waiting: u32,
}

/// What the texter with this number, counted from 0, says first.
#[must_use]
pub fn first_words(texter: u32) -> String {
    books::Text { texter, number: 1 }.body()
}

/// The phone number of the texter with this number, counted from 0.
#[must_use]
pub fn number_of(texter: u32) -> String {
    books::number(texter)
}

/// What decides when the next text leaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Each texter waits for his answers, thinks for about this long, and texts again: mostly one text, now and then several in a row,
    /// and now and then he is silent for ten times as long. Zero for as fast as the answers come, one text at a time.
    Thinking(Duration),
    /// So many texts a second, whatever the answers do.
    Fixed(f64),
}

/// What the stand-ins do.
#[derive(Clone, Debug)]
pub struct StandIns {
    /// How long the assistant takes.
    pub assistant_latency: Latency,
    /// Of a hundred questions, how many fail at first.
    pub assistant_errors_percent: f64,
    /// How long the provider takes.
    pub provider_latency: Latency,
    /// Of a hundred texts, how many the provider does not take at first: half with a 500, half with a 429.
    pub provider_errors_percent: f64,
    /// How many texts a second the provider takes; more get a 429.
    pub provider_limit: Option<u32>,
    /// Where the provider listens, for a gateway that runs already; port 0 takes any free one.
    pub provider_listen: std::net::SocketAddr,
    /// The same for the assistant.
    pub assistant_listen: std::net::SocketAddr,
    /// Whether the provider reports each text as delivered.
    pub receipts: Receipts,
}

/// Whether the provider reports what became of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipts {
    /// It does, as Twilio does.
    Sent,
    /// It says nothing.
    None,
}

/// How answers are known for what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// The assistant repeats what it was told: order and duplicates can be judged.
    Echo,
    /// Anything; the first text after a text is its answer.
    Any,
}
