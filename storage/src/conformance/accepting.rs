//! Accepting: once each, in order, within limits.

use super::*;
use crate::Limit;

pub(super) async fn all<S: Site>(fresh: &impl Fn() -> S) {
    an_input_is_kept_as_it_was_given(&fresh()).await;
    a_repeat_is_a_duplicate_of_the_first(&fresh()).await;
    repeats_at_the_same_time_are_one_input(&fresh()).await;
    a_callers_own_id_stands_for_one_thing_only(&fresh()).await;
    a_fresh_record_names_the_latest_unread_one_before_it(&fresh()).await;
    the_same_id_of_two_tenants_is_two_inputs(&fresh()).await;
    a_repeat_after_opening_again_is_a_duplicate(&fresh()).await;
    sequences_grow_also_across_opening_again(&fresh()).await;
    a_full_inbox_refuses_only_its_own_conversation(&fresh()).await;
    a_full_backlog_refuses_until_something_is_answered(&fresh()).await;
    limits_hold_after_opening_again(&fresh()).await;
    duplicates_are_forgotten_when_they_are_old(&fresh()).await;
    an_id_is_known_once_it_was_accepted(&fresh()).await;
    a_backlog_is_crowded_before_it_is_full(&fresh()).await;
}

/// What is loaded is what was accepted, long texts included.
pub async fn an_input_is_kept_as_it_was_given(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let body = "é".repeat(20_000);
    let mut new = text(&key, "SM1");
    new.work = Work::Message(InboundMessage { body: body.clone(), ..InboundMessage::default() });
    ok(store.accept(new.clone()).await);
    let claim = claim(&*store, &key).await;
    let loaded = load(&*store, claim, &key).await;
    let [record] = loaded.unread.as_slice() else { panic!("one record: {loaded:?}") };
    assert!(matches!(&record.work, Work::Message(message) if message.body == body));
    assert_eq!((record.accepted_at, record.seed), (new.accepted_at, new.seed));
    assert_eq!((record.attempts, record.alone), (0, false));
    assert_eq!((loaded.version, loaded.snapshot, loaded.damaged), (Version(0), None, 0));
}

/// However often it comes, answered or not, and whatever it says.
pub async fn a_repeat_is_a_duplicate_of_the_first(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let claim = claim(&*store, &key).await;
    let first = accept(&*store, &key, "SM1").await;
    assert_eq!(ok(store.accept(text(&key, "SM1")).await), Accepted::Duplicate(first));
    let step = Step { answered: vec![answered(first, &[])], ..step(Version(0), "a") };
    ok(store.commit(claim, &key, step).await);
    assert_eq!(ok(store.accept(text(&key, "SM1")).await), Accepted::Duplicate(first));
    let other = Step { version: Version(1), ..Step::default() };
    ok(store.commit(claim, &key, other).await);
    assert!(load(&*store, claim, &key).await.unread.is_empty());
}

/// One of them is fresh, the others are duplicates of it.
pub async fn repeats_at_the_same_time_are_one_input(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let offer = || store.accept(text(&key, "SM1"));
    let (one, two, three) = tokio::join!(offer(), offer(), offer());
    let mut fresh = Vec::new();
    let mut repeated = Vec::new();
    for accepted in [ok(one), ok(two), ok(three)] {
        match accepted {
            Accepted::Fresh { sequence, .. } => fresh.push(sequence),
            Accepted::Duplicate(sequence) => repeated.push(sequence),
            Accepted::Conflict(_) | Accepted::Full(_) => panic!("refused: {accepted:?}"),
        }
    }
    assert_eq!(fresh.len(), 1);
    assert_eq!(repeated, [fresh[0], fresh[0]]);
}

/// Who is told that nothing is unread behind a record, or nothing but what he has in hand, need not look.
pub async fn a_fresh_record_names_the_latest_unread_one_before_it(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let claim = claim(&*store, &key).await;
    let offer = |id: &'static str| async {
        match ok(store.accept(text(&key, id)).await) {
            Accepted::Fresh { sequence, behind } => (sequence, behind),
            other @ (Accepted::Duplicate(_) | Accepted::Conflict(_) | Accepted::Full(_)) => panic!("{other:?}"),
        }
    };
    accept(&*store, &super::key(2), "SM0").await;
    let (first, nothing) = offer("SM1").await;
    let (second, behind) = offer("SM2").await;
    assert_eq!((nothing, behind), (None, Some(first)));
    let step = Step { answered: vec![answered(first, &[])], ..step(Version(0), "a") };
    ok(store.commit(claim, &key, step).await);
    let (third, behind) = offer("SM3").await;
    assert_eq!(behind, Some(second));
    let answers = vec![answered(second, &[]), answered(third, &[])];
    ok(store.commit(claim, &key, Step { answered: answers, ..super::step(Version(1), "b") }).await);
    assert_eq!(offer("SM4").await.1, None);
    drop(store);
    let again = open(site).await;
    let Accepted::Fresh { behind, .. } = ok(again.accept(text(&key, "SM5")).await) else { panic!("it is new") };
    assert!(behind > Some(third), "what an earlier process accepted counts as well: {behind:?}");
}

/// The same id for something else is refused, also after opening again; a provider's id needs no content.
pub async fn a_callers_own_id_stands_for_one_thing_only(site: &dyn Site) {
    let key = key(1);
    let asked = |content| NewWork { content, ..text(&key, "mine") };
    let first = {
        let store = open(site).await;
        let Accepted::Fresh { sequence: first, .. } = ok(store.accept(asked(Some(7))).await) else {
            panic!("it is the first")
        };
        assert_eq!(ok(store.accept(asked(Some(7))).await), Accepted::Duplicate(first));
        first
    };
    let store = open(site).await;
    assert_eq!(ok(store.accept(asked(Some(8))).await), Accepted::Conflict(first));
    assert_eq!(ok(store.accept(asked(Some(7))).await), Accepted::Duplicate(first));
    let claim = claim(&*store, &key).await;
    assert_eq!(load(&*store, claim, &key).await.unread.len(), 1);
}

/// Ids are the provider's: two accounts may use the same.
pub async fn the_same_id_of_two_tenants_is_two_inputs(site: &dyn Site) {
    let (store, one) = (open(site).await, key(1));
    let other = ConversationKey { tenant: key(77).user, user: one.user.clone() };
    let first = accept(&*store, &one, "SM1").await;
    let second = accept(&*store, &other, "SM1").await;
    assert!(first < second);
}

/// The mark is as durable as the input.
pub async fn a_repeat_after_opening_again_is_a_duplicate(site: &dyn Site) {
    let key = key(1);
    let first = accept(&*open(site).await, &key, "SM1").await;
    assert_eq!(ok(open(site).await.accept(text(&key, "SM1")).await), Accepted::Duplicate(first));
}

/// The order of sequences is the order of acceptance, for ever.
pub async fn sequences_grow_also_across_opening_again(site: &dyn Site) {
    let mut last = Sequence(0);
    for round in 0..3 {
        let store = open(site).await;
        let first = store.opening().first_sequence;
        assert!(first > last, "{first} after {last}");
        for n in 0..3 {
            let sequence = accept(&*store, &key(n), &format!("{round}-{n}")).await;
            assert!(sequence > last && sequence >= first);
            assert_eq!(
                sequence.0 % Sequence::STRIDE,
                0,
                "the numbers between belong to what a conversation tells itself"
            );
            last = sequence;
        }
    }
}

/// `inbox_max` is each conversation's own; a repeat is a duplicate still.
pub async fn a_full_inbox_refuses_only_its_own_conversation(site: &dyn Site) {
    let store = site.open(Options { inbox_max: 2, ..Options::default() }).await;
    let first = accept(&*store, &key(1), "1").await;
    accept(&*store, &key(1), "2").await;
    assert_eq!(ok(store.accept(text(&key(1), "3")).await), Accepted::Full(Limit::Inbox));
    assert_eq!(ok(store.accept(text(&key(1), "1")).await), Accepted::Duplicate(first));
    accept(&*store, &key(2), "4").await;
    let claim = claim(&*store, &key(1)).await;
    let step = Step { answered: vec![answered(first, &[sending()])], ..step(Version(0), "a") };
    ok(store.commit(claim, &key(1), step).await);
    accept(&*store, &key(1), "3").await;
}

/// `backlog_max` counts all conversations together.
pub async fn a_full_backlog_refuses_until_something_is_answered(site: &dyn Site) {
    let store = site.open(Options { backlog_max: 2, ..Options::default() }).await;
    let first = accept(&*store, &key(1), "1").await;
    accept(&*store, &key(2), "2").await;
    assert_eq!(ok(store.accept(text(&key(3), "3")).await), Accepted::Full(Limit::Backlog));
    let claim = claim(&*store, &key(1)).await;
    let step = Step { answered: vec![answered(first, &[])], ..step(Version(0), "a") };
    ok(store.commit(claim, &key(1), step).await);
    accept(&*store, &key(3), "3").await;
}

/// What is unread is counted again at opening.
pub async fn limits_hold_after_opening_again(site: &dyn Site) {
    accept(&*open(site).await, &key(1), "1").await;
    let store = site.open(Options { inbox_max: 1, backlog_max: 2, ..Options::default() }).await;
    assert_eq!(ok(store.accept(text(&key(1), "2")).await), Accepted::Full(Limit::Inbox));
    accept(&*store, &key(2), "2").await;
    assert_eq!(ok(store.accept(text(&key(3), "3")).await), Accepted::Full(Limit::Backlog));
}

/// Piece by piece, and only the old ones.
pub async fn duplicates_are_forgotten_when_they_are_old(site: &dyn Site) {
    let store = open(site).await;
    for (n, at) in [(1, 100), (2, 200), (3, 100), (4, 200), (5, 100)] {
        let new = NewWork { accepted_at: UnixMillis(at), ..text(&key(n), &n.to_string()) };
        assert!(matches!(ok(store.accept(new).await), Accepted::Fresh { .. }));
    }
    // Two at a time: three calls look at all five.
    for _ in 0..3 {
        ok(store.forget_duplicates(UnixMillis(200), 2).await);
    }
    for (n, forgotten) in [(1, true), (2, false), (3, true), (4, false), (5, true)] {
        let again = ok(store.accept(text(&key(n), &n.to_string())).await);
        assert_eq!(matches!(again, Accepted::Fresh { .. }), forgotten, "{n}");
    }
}

/// For its own tenant, and until it is forgotten.
pub async fn an_id_is_known_once_it_was_accepted(site: &dyn Site) {
    let (store, tenant) = (open(site).await, key(1).tenant);
    assert!(!ok(store.is_known(&tenant, "SM1").await));
    accept(&*store, &key(1), "SM1").await;
    assert!(ok(store.is_known(&tenant, "SM1").await));
    assert!(!ok(store.is_known(&key(77).user, "SM1").await));
    ok(store.forget_duplicates(UnixMillis(2_000), 10).await);
    assert!(!ok(store.is_known(&tenant, "SM1").await));
}

/// From nine tenths on, and no more once something is answered.
pub async fn a_backlog_is_crowded_before_it_is_full(site: &dyn Site) {
    let store = site.open(Options { backlog_max: 10, ..Options::default() }).await;
    let mut first = None;
    for n in 0..9 {
        assert_eq!(ok(store.crowded().await), None);
        let sequence = accept(&*store, &key(n), &n.to_string()).await;
        first.get_or_insert(sequence);
    }
    assert_eq!(ok(store.crowded().await), Some(Limit::Backlog));
    let claim = claim(&*store, &key(0)).await;
    let answer = answered(first.expect("there is a first"), &[]);
    ok(store.commit(claim, &key(0), Step { answered: vec![answer], ..step(Version(0), "a") }).await);
    assert_eq!(ok(store.crowded().await), None);
}
