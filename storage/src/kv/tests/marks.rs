//! Duplicate marks in pages, and those of older stores, which have a key each.

use std::ops::ControlFlow;

use super::grouping::{key, text};
use super::*;
use crate::chunks::VALUE_MAX;
use crate::committer::Meta;
use crate::engine::{Batch, Order};
use crate::keys;

/// A store that was begun by an older version.
struct Older(MemoryEngine);

impl Default for Older {
    fn default() -> Self {
        let engine = MemoryEngine::new();
        engine.apply(Meta { format: 3, clean: true, salt: Uuid::from_u128(3), sequence: None }.write()).unwrap();
        engine.sync().unwrap();
        Self(engine)
    }
}

#[async_trait]
impl Site for Older {
    async fn open(&self, options: Options) -> Box<dyn Store> {
        tokio::task::yield_now().await;
        Box::new(KvStore::open_in_task(self.0.clone(), options).unwrap())
    }
}

#[tokio::test]
async fn an_older_store_keeps_its_promises() {
    conformance::suite(Older::default).await;
}

fn open(engine: &MemoryEngine) -> Arc<KvStore<MemoryEngine>> {
    let options = Options { backlog_max: 1_000_000, inbox_max: 1_000_000, ..Options::default() };
    Arc::new(KvStore::open_in_task(engine.clone(), options).unwrap())
}

/// Offers these ids all at once, each received at its number.
async fn offer(store: &Arc<KvStore<MemoryEngine>>, ids: std::ops::Range<u32>) -> Vec<Accepted> {
    let mut offers = tokio::task::JoinSet::new();
    for id in ids {
        let store = Arc::clone(store);
        let new = NewWork { accepted_at: UnixMillis(u64::from(id)), ..text(id % 50, &format!("SM{id:032x}")) };
        offers.spawn(async move { (id, store.accept(new).await.unwrap()) });
    }
    let mut answers = offers.join_all().await;
    answers.sort_by_key(|(id, _)| *id);
    answers.into_iter().map(|(_, accepted)| accepted).collect()
}

async fn are_known(store: &KvStore<MemoryEngine>, ids: std::ops::Range<u32>) -> Vec<u32> {
    let mut known = Vec::new();
    for id in ids {
        if store.is_known(&key(1).tenant, &format!("SM{id:032x}")).await.unwrap() {
            known.push(id);
        }
    }
    known
}

fn pages(engine: &MemoryEngine) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    let visit = &mut |key: &[u8], value: &[u8]| {
        found.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    };
    engine.scan(&keys::all_marks(), Order::Ascending, visit).unwrap();
    found
}

#[tokio::test]
async fn ids_of_many_rounds_and_of_one_lie_in_few_pages_and_stay_known() {
    let engine = MemoryEngine::new();
    let store = open(&engine);
    for id in 0..100 {
        offer(&store, id..id + 1).await;
    }
    let one_by_one = pages(&engine).len();
    assert!((2..5).contains(&one_by_one), "{one_by_one}");
    let fresh = offer(&store, 100..2_000).await;
    assert!(fresh.iter().all(|accepted| matches!(accepted, Accepted::Fresh { .. })));
    let all = pages(&engine);
    assert!((40..70).contains(&all.len()), "{}", all.len());
    assert!(all.iter().all(|(_, value)| value.len() <= VALUE_MAX));
    let mut store = Some(store);
    for new in [2_000, 2_001] {
        // The second time after the death of the first.
        let store = store.take().unwrap_or_else(|| open(&engine.crash()));
        let again = offer(&store, 0..new + 1).await;
        assert!(again[..2_000].iter().all(|accepted| matches!(accepted, Accepted::Duplicate(_))));
        assert!(matches!(again[new as usize], Accepted::Fresh { .. }));
        for (again, first) in again[100..].iter().zip(&fresh) {
            assert!(
                matches!((again, first), (Accepted::Duplicate(one), Accepted::Fresh { sequence, .. }) if one == sequence)
            );
        }
    }
}

#[tokio::test]
async fn only_what_is_old_is_forgotten_and_its_room_is_given_back() {
    let engine = MemoryEngine::new();
    let store = open(&engine);
    offer(&store, 0..500).await;
    let before = pages(&engine).len();
    let applies = engine.applies();
    store.forget_duplicates(UnixMillis(0), 10).await.unwrap();
    assert_eq!((engine.applies(), pages(&engine).len()), (applies, before), "nothing is old: nothing is written");
    for _ in 0..200 {
        store.forget_duplicates(UnixMillis(437), 10).await.unwrap();
    }
    assert_eq!(are_known(&store, 0..500).await, (437..500).collect::<Vec<_>>());
    assert!(pages(&engine).len() <= 3, "{}", pages(&engine).len());
    let engine = engine.crash();
    let store = open(&engine);
    assert_eq!(are_known(&store, 0..500).await, (437..500).collect::<Vec<_>>());
    let again = offer(&store, 400..500).await;
    let fresh = again.iter().filter(|accepted| matches!(accepted, Accepted::Fresh { .. })).count();
    assert_eq!(fresh, 37, "who was forgotten is new");
    // What is new and what is forgotten may be one round.
    let (_, forgotten) = tokio::join!(offer(&store, 500..600), store.forget_duplicates(UnixMillis(550), 1_000_000));
    forgotten.unwrap();
    store.forget_duplicates(UnixMillis(550), 1_000_000).await.unwrap();
    assert_eq!(are_known(&store, 0..600).await, (550..600).collect::<Vec<_>>());
    store.forget_duplicates(UnixMillis(1_000), 1_000_000).await.unwrap();
    assert_eq!((pages(&engine), are_known(&store, 0..600).await), (vec![], vec![]));
}

/// As many as come while the clock is right must not be kept because one came while it was not.
#[tokio::test]
async fn a_clock_that_was_once_ahead_keeps_nothing_but_its_own() {
    let engine = MemoryEngine::new();
    let store = open(&engine);
    let future = NewWork { accepted_at: UnixMillis(u64::MAX), ..text(7, "SMfuture") };
    store.accept(future).await.unwrap();
    offer(&store, 0..500).await;
    for _ in 0..100 {
        store.forget_duplicates(UnixMillis(400), 20).await.unwrap();
    }
    assert_eq!(are_known(&store, 0..500).await, (400..500).collect::<Vec<_>>());
    assert!(store.is_known(&key(1).tenant, "SMfuture").await.unwrap());
}

#[tokio::test]
async fn ids_of_any_length_and_of_many_numbers_fit() {
    let engine = MemoryEngine::new();
    let store = open(&engine);
    let new = |user: u32, tenant: u32| {
        let tenant = Address::parse(&format!("{}{tenant:04}", "n".repeat(116))).unwrap();
        let key = ConversationKey { tenant, user: key(user).user };
        NewWork {
            key,
            content: Some(u64::MAX),
            accepted_at: UnixMillis(u64::MAX >> (user % 60)),
            ..text(user, &"G".repeat(200 + user as usize))
        }
    };
    let offers = || async {
        let offers = (0..100).map(|user| store.accept(new(user, user % 7)));
        futures_of(offers).await
    };
    assert!(offers().await.iter().all(|accepted| matches!(accepted, Accepted::Fresh { .. })));
    assert!(offers().await.iter().all(|accepted| matches!(accepted, Accepted::Duplicate(_))));
    assert!(pages(&engine).iter().all(|(_, value)| value.len() <= VALUE_MAX));
}

/// Awaits them one after the other.
async fn futures_of(offers: impl Iterator<Item = impl Future<Output = Result<Accepted, StoreError>>>) -> Vec<Accepted> {
    let mut answers = Vec::new();
    for offer in offers {
        answers.push(offer.await.unwrap());
    }
    answers
}

#[tokio::test]
async fn a_damaged_page_costs_its_own_ids_and_goes_when_old_ones_are_forgotten() {
    let engine = MemoryEngine::new();
    drop(offer(&open(&engine), 0..200).await);
    let damaged = pages(&engine).swap_remove(1);
    let mut value = damaged.1.clone();
    value[20] ^= 1;
    engine.apply(Batch::from([(damaged.0, Some(value)), ([&b"k"[..], &[9; 9]].concat(), Some(Vec::new()))])).unwrap();
    engine.sync().unwrap();
    let engine = engine.crash();
    let store = open(&engine);
    let known = are_known(&store, 0..200).await;
    assert!((100..180).contains(&known.len()) && known.contains(&0) && known.contains(&199), "{known:?}");
    let again = offer(&store, 0..200).await;
    let fresh = again.iter().filter(|accepted| matches!(accepted, Accepted::Fresh { .. })).count();
    assert_eq!(fresh, 200 - known.len());
    while !pages(&engine).is_empty() {
        store.forget_duplicates(UnixMillis(1_000), 10).await.unwrap();
    }
}
