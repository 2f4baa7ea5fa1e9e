//! A long load on the real binary: texts come at a fixed rate from many users, and what the process holds must not grow with them. In the
//! end every acknowledged text has its answer, once and in order, nothing is unread or unsettled, and all that was taken is given back.
//!
//! In the suite this takes half a minute. The long run measures first how much this machine takes, then loads it with half of that, and
//! writes a table of samples:
//!
//! ```text
//! RACONTEUR_SOAK_MINUTES=60 cargo test --release --test soak long -- --nocapture
//! ```
//!
//! `RACONTEUR_SOAK_RATE` is a rate in its place, `RACONTEUR_SOAK_TABLE` the file of the table, `RACONTEUR_SOAK_KEYS` further keys of the
//! tenant in place of its retention. `docs/reliability-soak.md` has what came of it.

#![cfg(all(target_os = "linux", feature = "cli", feature = "sled", feature = "script"))]

mod support {
    #[allow(dead_code, reason = "each test program uses its own part of the stand-in")]
    pub(crate) mod twilio;
}

#[path = "support/crash/dice.rs"]
#[allow(dead_code, reason = "each test program uses its own part of the dice")]
mod dice;

#[path = "support/soak"]
mod soak {
    pub(crate) use super::dice;
    pub(crate) mod assistant;
    pub(crate) mod audit;
    pub(crate) mod crowd;
    pub(crate) mod gateway;
    pub(crate) mod ground;
    pub(crate) mod provider;
    pub(crate) mod run;
    pub(crate) mod samples;
}

use std::time::Duration;

use soak::gateway::Setup;
use soak::run::{Run, tell};
use soak::samples::{Sample, second_half, table};

/// The load in the suite: texts a second, which any machine takes, from so many users.
const RATE: f64 = 40.0;
const USERS: usize = 150;
const SPAN: Duration = Duration::from_secs(15);

/// Fewer conversations than users, so that they leave memory and come back.
const RESIDENTS: usize = 40;

/// In the long run.
const MANY_USERS: usize = 20_000;
const MANY_RESIDENTS: usize = 10_000;

/// How many users talk at once to find out how much a machine takes, and how long.
const TALKERS: usize = 256;
const TRIAL: Duration = Duration::from_secs(20);

/// What the process may hold in the end beyond what it held when it had just started: descriptors and threads of pools that are not empty
/// yet, and memory that the allocator keeps. The store's cache is 32 MiB of it.
const DESCRIPTORS: u64 = 8;
const MEMORY_KIB: u64 = 64 * 1_024;

/// In the long run turns are kept for ten minutes, so that there is an end to what is kept.
const RETENTION: &str = "transcripts_kept = \"10m\"\nsend.valid_for = \"5m\"\n";

/// By then as much goes as comes, and holes in the store's file are used again.
const SETTLED_MINUTES: f64 = 45.0;

/// The share by which memory and disk may change over the second half of a long run.
const DRIFT: f64 = 0.05;

/// The same for what is in pools, which breathe.
const POOLS: f64 = 0.25;

fn from_environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn number(name: &str) -> Option<f64> {
    from_environment(name).map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_leaves_nothing_behind_but_answers() {
    let setup = Setup { max_resident: RESIDENTS, session_timeout: "3s", keys: "" };
    let mut run = Run::start(&setup, USERS, Duration::from_millis(500)).await;
    let before = run.look().await;
    run.load(RATE, SPAN).await;
    let ended = run.finish().await;
    let (samples, after) = (&ended.samples, ended.last);
    let shown = table(samples);
    tell(&format!("{shown}{}", ended.summary()));
    assert!(ended.problems.is_empty(), "{}\n{shown}", ended.problems.join("\n"));
    assert!(samples.iter().all(|sample| sample.told.residents <= RESIDENTS as u64), "too many in memory\n{shown}");
    assert_eq!((after.told.residents, after.backlog()), (0, 0), "somebody is left\n{shown}");
    let deeds = [after.told.timeouts, ended.stops, ended.requested, ended.receipts];
    assert!(deeds.iter().all(|times| *times > 0), "something never happened: {deeds:?}\n{shown}");
    assert_eq!((after.told.failed, after.told.unsent), (0, 0), "something failed\n{shown}");
    let most = before.held.descriptors + DESCRIPTORS;
    assert!(after.held.descriptors <= most, "{} descriptors, {most} at the most\n{shown}", after.held.descriptors);
    let most = before.held.resident_kib + MEMORY_KIB;
    assert!(after.held.resident_kib <= most, "{} KiB, {most} at the most\n{shown}", after.held.resident_kib);
    assert_eq!(after.held.files, before.held.files, "the store has other files\n{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_load_finds_the_process_as_it_was_half_way() {
    let Some(minutes) = number("RACONTEUR_SOAK_MINUTES") else { return };
    let keys = from_environment("RACONTEUR_SOAK_KEYS").unwrap_or_else(|| RETENTION.into());
    let setup = Setup { max_resident: MANY_RESIDENTS, session_timeout: "20s", keys: &keys };
    let rate = match number("RACONTEUR_SOAK_RATE") {
        Some(rate) => rate,
        None => half_of_what_it_takes(&setup).await,
    };
    let mut run = Run::start(&setup, MANY_USERS, Duration::from_secs(5)).await;
    let before = run.look().await;
    run.load(rate, Duration::from_secs_f64(minutes * 60.0)).await;
    let ended = run.finish().await;
    let file = from_environment("RACONTEUR_SOAK_TABLE").unwrap_or_else(|| "soak.csv".into());
    std::fs::write(&file, table(&ended.samples)).expect("the table can be written");
    tell(&ended.summary());
    let trend = |value: fn(&Sample) -> u64| second_half(&ended.under_load, value);
    let memory = trend(|sample| sample.held.resident_kib);
    let descriptors = trend(|sample| sample.held.descriptors);
    let threads = trend(|sample| sample.held.threads);
    let disk = trend(|sample| sample.held.disk_bytes);
    tell(&format!("second half: memory {memory} KiB, disk {disk} bytes, descriptors {descriptors}, threads {threads}"));
    tell(&format!("before: {} KiB; the table is in {file}", before.held.resident_kib));
    assert!(ended.problems.is_empty(), "{}", ended.problems.join("\n"));
    assert!(descriptors.share() < POOLS && threads.share() < POOLS, "{descriptors} descriptors, {threads} threads");
    assert!(ended.last.held.descriptors <= before.held.descriptors + DESCRIPTORS, "{:?}", ended.last);
    // Until then what is kept still grows, and with it the store's index of it.
    if minutes >= SETTLED_MINUTES {
        assert!(memory.share() < DRIFT, "memory grows: {memory} KiB");
        assert!(disk.share() < DRIFT, "the disk fills: {disk} bytes");
    }
}

async fn half_of_what_it_takes(setup: &Setup<'_>) -> f64 {
    let mut trial = Run::start(setup, MANY_USERS, Duration::from_secs(1)).await;
    let capacity = trial.capacity(TALKERS, TRIAL).await;
    let ended = trial.finish().await;
    assert!(ended.problems.is_empty(), "{}", ended.problems.join("\n"));
    tell(&format!(
        "{TALKERS} users who talk at once and wait for their answers get {capacity:.0} a second: half of it is the load"
    ));
    capacity / 2.0
}
