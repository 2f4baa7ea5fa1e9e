//! What durable batches cost on this machine's disk: one after the other, each applied and synced, as the committer does it.
//!
//! ```text
//! cargo run --release -p raconteur-storage --example batches -- 5000 4
//! ```
//!
//! writes 5,000 batches of 4 keys each, and prints the median and the mean time and the processor's time of a batch.

#![allow(clippy::print_stdout, reason = "an example says what it found")]

use std::time::{Duration, Instant};

use raconteur_storage::StoreError;
use raconteur_storage::engine::sled::SledEngine;
use raconteur_storage::engine::{Batch, Engine};

fn main() -> Result<(), StoreError> {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u32>().ok());
    let (batches, keys) = (numbers.next().unwrap_or(5_000).max(1), numbers.next().unwrap_or(4));
    let directory = std::env::temp_dir().join(format!("raconteur-batches-{}", std::process::id()));
    let engine = SledEngine::create(&directory, 64 << 20)?;
    let mut spans = Vec::new();
    let (began, worked) = (Instant::now(), processor_time());
    for number in 0..batches {
        let began = Instant::now();
        engine.apply((0..keys).map(|key| pair(number, key)).collect::<Batch>())?;
        engine.sync()?;
        spans.push(began.elapsed());
    }
    let (whole, worked) = (began.elapsed(), processor_time().saturating_sub(worked));
    spans.sort_unstable();
    println!(
        "{batches} batches of {keys} keys: median {:?}, mean {:?}, processor {:?} each; {} bytes on disk",
        spans[spans.len() / 2],
        whole / batches,
        worked / batches,
        engine.disk_bytes()?
    );
    drop(engine);
    let _ = std::fs::remove_dir_all(directory);
    Ok(())
}

/// Keys of four kinds, spread over the map as the store's are.
fn pair(number: u32, key: u32) -> (Vec<u8>, Option<Vec<u8>>) {
    let kind = b'c' + u8::try_from(key % 20).unwrap_or_default();
    let mut name = vec![kind];
    name.extend_from_slice(&number.wrapping_mul(0x9e37_79b1).to_be_bytes());
    (name, Some(vec![7; 300]))
}

/// What this process has used of the processor so far; zero where that cannot be read.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or_default())
}
