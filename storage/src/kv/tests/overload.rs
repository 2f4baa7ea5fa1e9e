//! A writer that is behind: what goes first, what is not done for nobody, and how one that is stuck is found out.

use std::sync::atomic::AtomicUsize;
use std::task::Poll;

use tokio::task::JoinSet;

use super::grouping::{claim, in_task, key, text};
use super::*;
use raconteur_conversation::words::{DeliveryStatus, OutboundId, ProviderId};

fn receipt() -> Receipt {
    let (outbound, provider_id) = (OutboundId { turn: Sequence(8), part: 0 }, ProviderId("SM1".into()));
    Receipt { outbound, provider_id, status: DeliveryStatus::Sent, code: String::new(), reason: String::new() }
}

#[tokio::test]
async fn a_commit_goes_before_offers_that_have_waited_longer() {
    let engine = MemoryEngine::new();
    let store = in_task(&engine);
    let claim = claim(&*store, 1).await;
    // Only the first batch is written: who is in it is taken, and nobody else.
    engine.fail_sync(2);
    let mut offers = JoinSet::new();
    for user in 0..2_500 {
        let store = Arc::clone(&store);
        offers.spawn(async move { store.accept(text(user, &user.to_string())).await.is_ok() });
    }
    let step = Step { snapshot: Some(b"s".to_vec()), ..Step::default() };
    let committing = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.commit(claim, &key(1), step).await }
    });
    assert_eq!(committing.await.unwrap(), Ok(Version(1)));
    let taken = offers.join_all().await.into_iter().filter(|taken| *taken).count();
    assert_eq!(taken, 1_023, "the offers alone would have filled it");
}

#[tokio::test]
async fn a_part_of_every_batch_is_left_to_offers_however_much_else_waits() {
    let store = in_task(&MemoryEngine::new());
    let done = Arc::new(AtomicUsize::new(0));
    let mut receipts = JoinSet::new();
    for _ in 0..2_500 {
        let (store, done) = (Arc::clone(&store), Arc::clone(&done));
        receipts.spawn(async move {
            store.receipt(&key(1), &receipt(), UnixMillis(1)).await.unwrap();
            done.fetch_add(1, Ordering::Relaxed);
        });
    }
    let offer = tokio::spawn({
        let (store, done) = (Arc::clone(&store), Arc::clone(&done));
        async move {
            store.accept(text(1, "STOP")).await.unwrap();
            done.load(Ordering::Relaxed)
        }
    });
    let behind = offer.await.unwrap();
    assert!(behind <= 1_024, "{behind} requests went before it");
    receipts.join_all().await;
}

#[tokio::test]
async fn an_offer_whose_caller_has_gone_is_not_taken() {
    let store = in_task(&MemoryEngine::new());
    // It stands in line when its caller goes: the committer has not run meanwhile.
    let mut offer = store.accept(text(1, "gone"));
    assert!(std::future::poll_fn(|context| Poll::Ready(offer.as_mut().poll(context).is_pending())).await);
    drop(offer);
    assert!(matches!(store.accept(text(1, "here")).await, Ok(Accepted::Fresh { .. })));
    let tenant = key(1).tenant;
    assert_eq!(store.is_known(&tenant, "gone").await, Ok(false));
    assert!(matches!(store.accept(text(1, "gone")).await, Ok(Accepted::Fresh { .. })), "it may come again");
}

#[tokio::test]
async fn what_was_heard_costs_no_sync_of_its_own() {
    let engine = MemoryEngine::new();
    let store = in_task(&engine);
    let before = engine.syncs();
    store.note_heard(vec![(key(1).tenant, UnixMillis(5))]).await;
    assert_eq!(store.crowded().await, Ok(None));
    assert_eq!((engine.syncs(), store.heard().await), (before, Ok(Vec::new())));
    store.accept(text(1, "a")).await.unwrap();
    assert_eq!((engine.syncs() - before, store.heard().await), (1, Ok(vec![(key(1).tenant, UnixMillis(5))])));
}

fn with_timeout(engine: &MemoryEngine, write_timeout: Duration) -> Arc<KvStore<MemoryEngine>> {
    Arc::new(KvStore::open(engine.clone(), Options { write_timeout, ..Options::default() }).unwrap())
}

#[tokio::test]
async fn a_stuck_writer_fails_the_store_and_nobody_waits_for_it() {
    let engine = MemoryEngine::new();
    let store = with_timeout(&engine, Duration::from_millis(100));
    engine.hang();
    let accepting = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.accept(text(1, "a")).await }
    });
    let reason = store.failed().await;
    assert!(reason.to_string().contains("its writer is stuck: a batch was not written within 100ms"), "{reason}");
    assert_eq!(store.accept(text(1, "b")).await, Err(reason.clone()));
    assert_eq!(store.close().await, Err(reason.clone()));
    assert_eq!(store.snapshot(&key(1)).await, Err(reason));
    accepting.abort();
    assert!(accepting.await.is_err());
    // Were the writer waited for, this would not return.
    drop(Arc::into_inner(store).expect("nobody else has it"));
    engine.let_go();
}

#[tokio::test]
async fn a_writer_that_goes_on_from_batch_to_batch_is_not_stuck() {
    let store = with_timeout(&MemoryEngine::new(), Duration::from_millis(200));
    let busy = async {
        for n in 0_u64.. {
            store.accept(text(u32::try_from(n % 1_000).unwrap(), &n.to_string())).await.ok();
        }
    };
    let failed = async { tokio::time::timeout(Duration::from_millis(700), store.failed()).await };
    tokio::select! {
        () = busy => {}
        failed = failed => assert!(failed.is_err(), "{failed:?}"),
    }
}
