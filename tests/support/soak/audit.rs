//! What a soak leaves in the store: nothing unread, nothing unsettled, no dead letter; and how much room that takes.

use std::path::Path;

use raconteur_conversation::time::UnixMillis;
use raconteur_storage::dump::check;
use raconteur_storage::engine::sled::SledEngine;
use raconteur_storage::{KvStore, Options, Store};

use super::gateway::Stopped;

/// How much of the cache the audit takes for itself.
const CACHE: u64 = 64 << 20;

/// Bytes of a store.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Disk {
    /// Of its files.
    pub(crate) bytes: u64,
    /// Of all keys and values that it keeps.
    pub(crate) alive: u64,
    /// Of its files, after a compaction.
    pub(crate) compacted: u64,
    /// Of memory that a new process takes which has opened it, in KiB.
    pub(crate) reopened_kib: u64,
}

/// Everything in a store that should not be there, one line each.
pub(crate) async fn nothing_is_open(path: &Path) -> Vec<String> {
    let engine = SledEngine::open(path, CACHE).expect("the store can be opened");
    let store = KvStore::open(engine, Options::default()).expect("the store can be opened");
    let mut problems = Vec::new();
    if store.opening().unclean {
        problems.push("the gateway did not close its store".into());
    }
    let left = store.work(UnixMillis(u64::MAX), None, 1_000).await.expect("work can be listed");
    if !left.keys.is_empty() {
        problems.push(format!("unread or unsettled: {:?}", left.keys));
    }
    let letters = store.dead_letters(None, 1_000).await.expect("dead letters can be listed");
    if !letters.is_empty() {
        problems.push(format!("dead letters: {letters:?}"));
    }
    store.close().await.expect("the store can be closed");
    problems
}

/// Measures a store, and compacts it.
pub(crate) async fn disk(stopped: &Stopped) -> Disk {
    let (bytes, reopened_kib) = (stopped.disk_bytes(), stopped.reopened_kib().await);
    let engine = SledEngine::open(&stopped.store(), CACHE).expect("the store can be opened");
    let findings = check(&engine).expect("the store can be read");
    assert!(findings.is_healthy(), "{findings:?}");
    drop(engine);
    stopped.tool("compact").await;
    Disk { bytes, alive: findings.live_bytes, compacted: stopped.disk_bytes(), reopened_kib }
}
