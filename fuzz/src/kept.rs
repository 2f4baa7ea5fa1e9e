//! A store over what a target has put into memory: opened, read from end to end, closed and opened again.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use raconteur::conversation::Conversation;
use raconteur::conversation::address::{Address, ConversationKey, Shard};
use raconteur::conversation::time::UnixMillis;
use raconteur::storage::dump::export;
use raconteur::storage::engine::memory::MemoryEngine;
use raconteur::storage::engine::{Batch, Engine, Order};
use raconteur::storage::{Claim, Day, KvStore, Options, Store, StoreError};
use serde_json::Value;
use tokio::runtime::Builder;

/// More conversations than this are not looked at.
const LOOKS_MAX: usize = 16;

/// The longest explanation of why a store is refused.
const REASON_MAX: usize = 300;

/// An engine that holds these pairs.
pub(super) fn engine(pairs: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> MemoryEngine {
    let engine = MemoryEngine::new();
    let batch: Batch = pairs.into_iter().map(|(key, value)| (key, Some(value))).collect();
    engine.apply(batch).and_then(|()| engine.sync()).expect("memory can be written");
    engine
}

/// Everything that an engine holds.
pub(super) fn pairs(engine: &MemoryEngine) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut all = BTreeMap::new();
    let everything = Vec::new()..vec![u8::MAX; 300];
    let scanned = engine.scan(&everything, Order::Ascending, &mut |key, value| {
        all.insert(key.to_vec(), value.to_vec());
        ControlFlow::Continue(())
    });
    scanned.expect("memory can be read");
    all
}

/// Whether an export of this value may have spaces in the place of line breaks.
pub(super) fn has_breaks(value: &[u8]) -> bool {
    value.iter().any(|byte| matches!(byte, b'\n' | b'\r'))
}

/// All of it as lines, if it is a store.
pub(super) fn exported(engine: &MemoryEngine) -> Option<String> {
    let mut text = Vec::new();
    export(engine, &mut text).ok()?;
    Some(String::from_utf8(text).expect("an export is text"))
}

/// Opens a store, reads it from end to end, and opens it once more: whatever its records are, none of that fails or panics, and what is
/// damaged is set aside once.
pub(super) fn is_read_whole(engine: &MemoryEngine) {
    let keys = exported(engine).map(|text| keys(&text)).unwrap_or_default();
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let store = match KvStore::open_in_task(engine.clone(), Options::default()) {
            Ok(store) => store,
            Err(error) => return is_refused(&error),
        };
        let shards: BTreeSet<Shard> = keys.iter().map(|key| key.shard()).collect();
        let claims = store.claim(&Vec::from_iter(shards)).await.expect("nobody else has them");
        for key in &keys {
            read(&store, &claims, key).await;
        }
        let listed = store.work(UnixMillis(u64::MAX), None, 1_000).await.expect("work can be listed");
        assert!(listed.keys.len() <= 1_000);
        store.deadlines(UnixMillis(u64::MAX), None, 1_000).await.expect("deadlines can be listed");
        store.dead_letters(None, 1_000).await.expect("dead letters can be listed");
        store.forget_duplicates(UnixMillis(u64::MAX), 1_000).await.expect("marks can be forgotten");
        store.close().await.expect("it can be closed");
    });
    runtime.block_on(async {
        if let Err(error) = KvStore::open_in_task(engine.clone(), Options::default()) {
            is_refused(&error);
        }
    });
}

fn is_refused(error: &StoreError) {
    let words = error.to_string();
    assert!(words.chars().count() <= REASON_MAX, "{words}");
}

async fn read(store: &dyn Store, claims: &[Claim], key: &ConversationKey) {
    let claim = *claims.iter().find(|claim| claim.shard == key.shard()).expect("its shard is claimed");
    let loaded = match store.load(claim, key, 100).await {
        // It is left alone, and so is everything of it.
        Err(StoreError::Newer { .. }) => return lists_are_read(store, key).await,
        loaded => loaded.expect("a conversation can be loaded"),
    };
    let rows = loaded.unsettled.len();
    let (conversation, _unreadable) = Conversation::restore(key.clone(), loaded.snapshot.as_deref(), loaded.unsettled);
    assert_eq!(conversation.key(), key);
    let again = store.load(claim, key, 100).await.expect("it can be loaded again");
    assert_eq!((again.damaged, again.unsettled.len()), (0, rows), "what is damaged was not set aside");
    assert_eq!(again.unread.len(), loaded.unread.len());
    store.snapshot(key).await.expect("a snapshot can be looked at");
    lists_are_read(store, key).await;
}

async fn lists_are_read(store: &dyn Store, key: &ConversationKey) {
    store.transcript(key, None, 100).await.expect("a transcript can be read");
    store.conversations(&key.tenant, None, 100).await.expect("conversations can be listed");
    store.usage(&key.tenant, Day(0)..=Day(u32::MAX)).await.expect("usage can be read");
}

/// The conversations that an export is about.
fn keys(export: &str) -> BTreeSet<ConversationKey> {
    let of_line = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        let (_, record) = line.as_object()?.iter().next()?;
        let address = |name: &str| Address::parse(record.get(name)?.as_str()?).ok();
        Some(ConversationKey { tenant: address("tenant")?, user: address("user")? })
    };
    export.lines().filter_map(of_line).take(LOOKS_MAX).collect()
}
