//! Opening and closing: what a store tells of the process before, and what it takes after its end.

use super::*;

pub(super) async fn all<S: Site>(fresh: &impl Fn() -> S) {
    a_new_store_is_clean(&fresh()).await;
    a_store_that_was_closed_is_clean(&fresh()).await;
    a_store_that_was_not_closed_is_unclean(&fresh()).await;
    the_salt_stays(&fresh()).await;
    a_closed_store_takes_nothing_more(&fresh()).await;
    closing_writes_everything_before_it(&fresh()).await;
    what_was_heard_is_known_after_opening_again(&fresh()).await;
}

/// There was nobody before.
pub async fn a_new_store_is_clean(site: &dyn Site) {
    assert!(!open(site).await.opening().unclean);
}

/// Once for each closing.
pub async fn a_store_that_was_closed_is_clean(site: &dyn Site) {
    {
        let store = open(site).await;
        accept(&*store, &key(1), "1").await;
        ok(store.close().await);
        ok(store.close().await);
    }
    assert!(!open(site).await.opening().unclean);
    assert!(open(site).await.opening().unclean);
}

/// Even if it was only opened.
pub async fn a_store_that_was_not_closed_is_unclean(site: &dyn Site) {
    drop(open(site).await);
    assert!(open(site).await.opening().unclean);
}

/// For ever.
pub async fn the_salt_stays(site: &dyn Site) {
    let first = open(site).await.opening().salt;
    assert_eq!(open(site).await.opening().salt, first);
}

/// And says so.
pub async fn a_closed_store_takes_nothing_more(site: &dyn Site) {
    let store = open(site).await;
    let claim = claim(&*store, &key(1)).await;
    ok(store.close().await);
    assert!(matches!(store.accept(text(&key(1), "1")).await, Err(StoreError::Unusable(_))));
    assert!(matches!(store.commit(claim, &key(1), step(Version(0), "a")).await, Err(StoreError::Unusable(_))));
    assert!(matches!(store.load(claim, &key(1), 1).await, Err(StoreError::Unusable(_))));
    assert!(matches!(store.work(UnixMillis(0), None, 1).await, Err(StoreError::Unusable(_))));
}

/// Settlements too, which nobody waits for.
pub async fn closing_writes_everything_before_it(site: &dyn Site) {
    let key = key(1);
    {
        let store = open(site).await;
        let claim = claim(&*store, &key).await;
        let (turn, _) = answer(&*store, claim, &key, ("1", &[sending()])).await;
        store.settle(claim, &key, vec![mark(turn, 0, sent("SM1"))]).await;
        ok(store.close().await);
    }
    let store = open(site).await;
    assert!(ok(store.work(UnixMillis(u64::MAX), None, 10).await).keys.is_empty());
    assert_eq!(ok(store.transcript(&key, None, 1).await)[0].rows[0].row.state, sent("SM1"));
}

/// The latest of each number, once something was written behind it; of other numbers nothing.
pub async fn what_was_heard_is_known_after_opening_again(site: &dyn Site) {
    let (one, two) = (key(1).tenant, key(77).user);
    {
        let store = open(site).await;
        assert!(ok(store.heard().await).is_empty());
        store.note_heard(vec![(one.clone(), UnixMillis(100)), (two.clone(), UnixMillis(150))]).await;
        store.note_heard(vec![(one.clone(), UnixMillis(200))]).await;
        accept(&*store, &key(1), "1").await;
    }
    let mut expected = vec![(one, UnixMillis(200)), (two, UnixMillis(150))];
    expected.sort();
    let mut heard = ok(open(site).await.heard().await);
    heard.sort();
    assert_eq!(heard, expected);
}
