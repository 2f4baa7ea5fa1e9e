//! The store alone: how many durable turns (an accept, a commit with its page of the transcript, the note that the answer was sent) it
//! takes from so many writers at once, how long each of the two awaited writes takes, and what a turn costs in processor time.
//!
//! ```text
//! cargo bench --bench store
//! RACONTEUR_BENCH_SECONDS=5 cargo bench --bench store
//! ```
//!
//! Each line is a store of its own. `memory` shows what records, batches and queues cost without a disk.

#![allow(clippy::print_stdout, reason = "a benchmark tells what it has found")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use raconteur::conversation::address::{Address, ConversationKey};
use raconteur::conversation::time::UnixMillis;
use raconteur::conversation::words::{InboundMessage, OutboundId, OutboundRow, ProviderId, RowState, Sequence, Work};
use raconteur::storage::engine::Engine;
use raconteur::storage::engine::memory::MemoryEngine;
use raconteur::storage::engine::sled::SledEngine;
use raconteur::storage::{
    Accepted, Answered, Claim, KvStore, Mark, NewWork, Options, Step, Store, TranscriptTurn, Version,
};

#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Bytes of a conversation's snapshot.
const SNAPSHOT: usize = 1_024;

fn main() {
    let seconds = std::env::var("RACONTEUR_BENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime can be made");
    println!(
        "{:>8} {:>8} {:>10} {:>10} {:>10} {:>10} {:>10} {:>12}",
        "store", "writers", "turns/s", "accept p50", "p99 ms", "commit p50", "p99 ms", "CPU/turn us"
    );
    for writers in [1, 16, 64, 256, 1_024] {
        let span = Duration::from_secs(seconds);
        runtime.block_on(line("memory", MemoryEngine::default(), writers, span));
        let home = tempfile::tempdir_in(Path::new(".")).expect("there is room");
        let engine = SledEngine::open(home.path(), 64 << 20).expect("it opens");
        runtime.block_on(line("sled", engine, writers, span));
    }
}

async fn line<E: Engine>(name: &str, engine: E, writers: u32, span: Duration) {
    let store: Arc<dyn Store> = Arc::new(KvStore::open(engine, Options::default()).expect("it opens"));
    let keys: Vec<_> = (0..writers).map(key).collect();
    // Each shard once, however many have theirs in it: a second claim takes the place of the first.
    let shards: BTreeSet<_> = keys.iter().map(ConversationKey::shard).collect();
    let claims = store.claim(&Vec::from_iter(shards)).await.expect("they can be claimed");
    let claimed =
        |key: &ConversationKey| *claims.iter().find(|claim| claim.shard == key.shard()).expect("it is claimed");
    let cpu = processor_time();
    let (began, until) = (Instant::now(), Instant::now() + span);
    let tasks: Vec<_> =
        keys.into_iter().map(|key| tokio::spawn(write(Arc::clone(&store), (claimed(&key), key), until))).collect();
    let (mut accepts, mut commits) = (spans(), spans());
    for task in tasks {
        let (accept, commit) = task.await.expect("it writes");
        accepts.add(accept).expect("they are alike");
        commits.add(commit).expect("they are alike");
    }
    let (turns, lasted) = (commits.len() as f64, began.elapsed().as_secs_f64());
    let cpu = (processor_time() - cpu).as_secs_f64() * 1e6 / turns;
    let at = |histogram: &Histogram<u64>, quantile| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
    println!(
        "{name:>8} {writers:>8} {:>10.0} {:>10.2} {:>10.2} {:>10.2} {:>10.2} {cpu:>12.1}",
        turns / lasted,
        at(&accepts, 0.5),
        at(&accepts, 0.99),
        at(&commits, 0.5),
        at(&commits, 0.99),
    );
    store.close().await.expect("it closes");
}

/// Each writer's user texts another tenant.
fn key(writer: u32) -> ConversationKey {
    let number = |digits: String| Address::parse(&digits).expect("it is a number");
    ConversationKey { tenant: number(format!("+1556{writer:07}")), user: number(format!("+1555{writer:07}")) }
}

async fn write(
    store: Arc<dyn Store>,
    (claim, key): (Claim, ConversationKey),
    until: Instant,
) -> (Histogram<u64>, Histogram<u64>) {
    let (mut accepts, mut commits) = (spans(), spans());
    let (mut version, mut count) = (Version(0), 0_u64);
    while Instant::now() < until {
        count += 1;
        let began = Instant::now();
        let sequence = accept(&*store, &key, count).await;
        accepts.saturating_record(micros(began.elapsed()));
        let began = Instant::now();
        match store.commit(claim, &key, step(version, sequence)).await {
            Ok(next) => version = next,
            Err(error) => panic!("a commit failed: {error}"),
        }
        commits.saturating_record(micros(began.elapsed()));
        let id = OutboundId { turn: sequence, part: 0 };
        store
            .settle(claim, &key, vec![Mark { id, state: RowState::Sent { provider_id: ProviderId("SM1".into()) } }])
            .await;
    }
    (accepts, commits)
}

async fn accept(store: &dyn Store, key: &ConversationKey, count: u64) -> Sequence {
    let work =
        Work::Message(InboundMessage { body: "what is the state of my order?".into(), ..InboundMessage::default() });
    let id = format!("SM{count:032x}");
    let new = NewWork { key: key.clone(), id, accepted_at: UnixMillis(1), seed: 1, content: None, work };
    match store.accept(new).await {
        Ok(Accepted::Fresh { sequence, .. }) => sequence,
        other => panic!("it was not accepted: {other:?}"),
    }
}

fn step(version: Version, sequence: Sequence) -> Step {
    let row = OutboundRow {
        id: OutboundId { turn: sequence, part: 0 },
        body: "Your order A-1043 is packed and leaves tomorrow.".into(),
        media: Vec::new(),
        expires_at: UnixMillis(9_000_000),
        unasked: false,
        state: RowState::Sending { since: UnixMillis(2) },
    };
    let page = TranscriptTurn {
        sequence,
        session: None,
        work: Work::Message(InboundMessage {
            body: "what is the state of my order?".into(),
            ..InboundMessage::default()
        }),
        accepted_at: UnixMillis(1),
        asked_at: None,
        commands: Vec::new(),
        answered_at: UnixMillis(2),
        asks: 1,
        error: None,
        answered_with: None,
        rows: Vec::new(),
    };
    Step {
        version,
        snapshot: Some(vec![b'x'; SNAPSHOT]),
        deadline: Some(UnixMillis(9_000_000)),
        answered: vec![Answered { sequence, rows: vec![row], transcript: Some(page) }],
        ..Step::default()
    }
}

/// Of microseconds, up to a minute.
fn spans() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("three digits are few enough")
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).expect("it is a short time")
}

/// Of this whole process.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs().try_into().expect("it is below a second"))
}
