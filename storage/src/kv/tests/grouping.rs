//! How many syncs a load of requests costs, and what a failed one does.

use std::collections::BTreeSet;
use std::time::Duration;

use raconteur_conversation::address::Address;
use raconteur_conversation::words::{InboundMessage, Work};
use tokio::task::JoinSet;

use super::*;
use crate::Limit;

pub(super) fn key(user: u32) -> ConversationKey {
    let address = |text: &str| Address::parse(text).unwrap();
    ConversationKey { tenant: address("+15550100"), user: address(&format!("+1555{user:07}")) }
}

pub(super) fn text(user: u32, id: &str) -> NewWork {
    let work = Work::Message(InboundMessage { body: id.into(), ..InboundMessage::default() });
    NewWork { key: key(user), id: id.into(), accepted_at: UnixMillis(1), seed: 7, content: None, work }
}

pub(super) fn in_task(engine: &MemoryEngine) -> Arc<KvStore<MemoryEngine>> {
    Arc::new(KvStore::open_in_task(engine.clone(), Options::default()).unwrap())
}

pub(super) async fn claim(store: &impl Store, user: u32) -> Claim {
    store.claim(&[key(user).shard()]).await.unwrap()[0]
}

fn accept_all(store: &Arc<KvStore<MemoryEngine>>, users: u32) -> JoinSet<Result<Accepted, StoreError>> {
    let mut accepting = JoinSet::new();
    for user in 0..users {
        let store = Arc::clone(store);
        accepting.spawn(async move { store.accept(text(user, &user.to_string())).await });
    }
    accepting
}

#[tokio::test]
async fn a_hundred_accepts_at_once_cost_one_sync() {
    let engine = MemoryEngine::new();
    let store = in_task(&engine);
    let before = (engine.applies(), engine.syncs());
    let accepted = accept_all(&store, 100).join_all().await;
    let fresh: BTreeSet<_> = accepted.into_iter().map(|accepted| format!("{accepted:?}")).collect();
    assert_eq!(fresh.len(), 100, "{fresh:?}");
    assert_eq!((engine.applies() - before.0, engine.syncs() - before.1), (1, 1));
}

#[tokio::test]
async fn a_batch_is_capped() {
    let engine = MemoryEngine::new();
    let store = in_task(&engine);
    let before = engine.syncs();
    accept_all(&store, 2_500).join_all().await;
    assert_eq!(engine.syncs() - before, 3);
}

#[tokio::test]
async fn loads_and_duplicates_cost_no_sync() {
    let engine = MemoryEngine::new();
    let store = in_task(&engine);
    let claim = claim(&*store, 1).await;
    store.accept(text(1, "a")).await.unwrap();
    let before = engine.syncs();
    assert!(matches!(store.accept(text(1, "a")).await, Ok(Accepted::Duplicate(_))));
    assert_eq!(store.load(claim, &key(1), 10).await.unwrap().unread.len(), 1);
    assert_eq!(engine.syncs(), before);
}

#[tokio::test]
async fn a_turn_writes_few_keys() {
    let engine = MemoryEngine::new();
    let store = in_task(&engine);
    let claim = claim(&*store, 1).await;
    let Ok(Accepted::Fresh { sequence, .. }) = store.accept(text(1, "a")).await else { panic!("it is the first") };
    let step = Step {
        snapshot: Some(vec![b'x'; 1_000]),
        answered: vec![crate::Answered { sequence, rows: Vec::new(), transcript: None }],
        ..Step::default()
    };
    let before = engine.applies();
    store.commit(claim, &key(1), step).await.unwrap();
    assert_eq!(engine.applies() - before, 1);
    assert_eq!(engine.last_batch(), 2, "the conversation's record, and the work record that goes");
}

#[tokio::test]
async fn a_full_disk_refuses_accepts_and_not_commits() {
    let engine = MemoryEngine::new();
    let store = in_task(&engine);
    let claim = claim(&*store, 1).await;
    engine.set_free_bytes(Some((256 << 20) - 1));
    assert_eq!(store.accept(text(1, "a")).await, Ok(Accepted::Full(Limit::Disk)));
    let step = Step { snapshot: Some(b"s".to_vec()), ..Step::default() };
    assert_eq!(store.commit(claim, &key(1), step).await, Ok(Version(1)));
    engine.set_free_bytes(Some(256 << 20));
    assert!(matches!(store.accept(text(1, "a")).await, Ok(Accepted::Fresh { .. })));
}

#[tokio::test]
async fn a_failed_apply_or_sync_fails_all_who_wait_and_ends_the_store() {
    for fail in [MemoryEngine::fail_apply, MemoryEngine::fail_sync] {
        let engine = MemoryEngine::new();
        let store = in_task(&engine);
        let claim = claim(&*store, 1).await;
        fail(&engine, 1);
        for accepted in accept_all(&store, 20).join_all().await {
            let reason = accepted.unwrap_err().to_string();
            assert!(reason.contains("as the test asked"), "{reason}");
        }
        let reason = store.failed().await;
        assert_eq!(store.accept(text(1, "later")).await, Err(reason.clone()));
        assert_eq!(store.commit(claim, &key(1), Step::default()).await, Err(reason.clone()));
        assert_eq!(store.work(UnixMillis(0), None, 10).await.unwrap_err(), reason);
        assert_eq!(store.close().await, Err(reason));
    }
}

#[tokio::test]
async fn a_failed_write_is_told_with_a_thread_too() {
    let engine = MemoryEngine::new();
    let store = KvStore::open(engine.clone(), Options::default()).unwrap();
    engine.fail_sync(1);
    let refused = store.accept(text(1, "a")).await.unwrap_err();
    assert_eq!(store.failed().await, refused);
    drop(store);
    assert!(KvStore::open(engine.crash(), Options::default()).unwrap().opening().unclean);
}

#[tokio::test(start_paused = true)]
async fn a_healthy_store_never_says_that_it_failed() {
    let store = in_task(&MemoryEngine::new());
    store.accept(text(1, "a")).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_secs(1), store.failed()).await.is_err());
    store.close().await.unwrap();
    assert!(tokio::time::timeout(Duration::from_secs(1), store.failed()).await.is_err());
}
