//! Erasures: whole or not at all, out of sight at once, gone in the end, and nothing known by it twice.

use raconteur_conversation::effect::{Erasure, Kept, Remains};

use super::*;
use crate::{DeadLetter, Erase};

pub(super) async fn all<S: Site>(fresh: &impl Fn() -> S) {
    what_is_erased_is_out_of_sight_at_once_and_survives_so(&fresh()).await;
    what_was_accepted_after_the_request_stays(&fresh()).await;
    erasing_goes_on_in_batches_after_a_restart(&fresh()).await;
    a_refused_erasure_changes_nothing(&fresh()).await;
    what_was_accepted_before_an_erasure_is_a_duplicate_after_it(&fresh()).await;
    what_remains_is_forgotten_unless_it_lasts(&fresh()).await;
    a_new_life_goes_on_from_what_remains(&fresh()).await;
    an_erasure_may_be_the_beginning_of_a_new_life(&fresh()).await;
    texts_on_their_way_count_as_texts_of_which_nobody_knows(&fresh()).await;
}

fn erase(upto: Sequence, kept: Kept) -> Option<Erase> {
    let remains = Remains { snapshot: b"remains".to_vec(), kept };
    Some(Erase { erasure: Erasure { upto, remains }, at: UnixMillis(5_000) })
}

fn erasing(version: Version, upto: Sequence) -> Step {
    Step { version, erase: erase(upto, Kept::Lastingly), ..Step::default() }
}

fn letter(sequence: Sequence, key: &ConversationKey) -> DeadLetter {
    let work = (sequence != DeadLetter::FRESH).then_some(Work::End);
    DeadLetter { sequence, key: Some(key.clone()), at: UnixMillis(3_000), reason: "why".into(), work, bytes: None }
}

/// A conversation with everything: a deadline, turns, a row on its way, unread texts, dead letters. Returns its version.
async fn furnish(store: &dyn Store, claim: Claim, key: &ConversationKey) -> Version {
    let named = |id: &str| format!("{id} of {}", key.user);
    for id in ["a", "b", "c"] {
        answer(store, claim, key, (&named(id), &[sent(id)])).await;
    }
    answer(store, claim, key, (&named("d"), &[sending(), RowState::Queued])).await;
    let convicted = accept(store, key, &named("e")).await;
    let version = load(store, claim, key).await.version;
    let dead_letters = vec![letter(convicted, key), letter(DeadLetter::FRESH, key)];
    let answered = vec![answered(convicted, &[])];
    let deadline = Some(UnixMillis(9_000));
    let step = Step { answered, dead_letters, deadline, ..step(version, "furnished") };
    let version = ok(store.commit(claim, key, step).await);
    accept(store, key, &named("unread")).await;
    version
}

async fn removed(store: &dyn Store, limit: usize) {
    let mut calls = 0;
    while ok(store.remove_erased(limit).await) {
        calls += 1;
        assert!(calls < 1_000, "it comes to an end");
    }
}

/// Nothing of it is read by anybody.
async fn assert_gone(store: &dyn Store, key: &ConversationKey) {
    assert!(ok(store.transcript(key, None, 100).await).is_empty());
    assert!(ok(store.dead_letters(None, 100).await).iter().all(|letter| letter.key.as_ref() != Some(key)));
    assert!(!ok(store.work(UnixMillis(u64::MAX), None, 100).await).keys.contains(key));
    let deadlines = ok(store.deadlines(UnixMillis(u64::MAX), None, 100).await);
    assert!(deadlines.iter().all(|(_, listed)| listed != key));
    assert!(ok(store.conversations(&key.tenant, None, 100).await).iter().all(|listed| listed.key != *key));
    assert_eq!(ok(store.snapshot(key).await).as_deref(), Some(&b"remains"[..]));
}

/// And others keep theirs.
pub async fn what_is_erased_is_out_of_sight_at_once_and_survives_so(site: &dyn Site) {
    let (key, other) = (key(1), super::key(2));
    let version = {
        let store = open(site).await;
        let (claim, others) = (claim(&*store, &key).await, claim(&*store, &other).await);
        furnish(&*store, others, &other).await;
        let version = furnish(&*store, claim, &key).await;
        let request = accept(&*store, &key, "erase").await;
        let version = ok(store.commit(claim, &key, erasing(version, request)).await);
        assert_gone(&*store, &key).await;
        let loaded = load(&*store, claim, &key).await;
        assert!(loaded.unread.is_empty() && loaded.unsettled.is_empty() && loaded.is_remains);
        assert_eq!((loaded.version, loaded.snapshot.as_deref()), (version, Some(&b"remains"[..])));
        version
    };
    let store = open(site).await;
    assert_gone(&*store, &key).await;
    let claim = claim(&*store, &key).await;
    assert_eq!(load(&*store, claim, &key).await.version, version);
    removed(&*store, 1_000).await;
    assert_gone(&*store, &key).await;
    assert_eq!(ok(store.transcript(&other, None, 100).await).len(), 5);
    assert_eq!(ok(store.dead_letters(None, 100).await).len(), 2);
    assert_eq!(ok(store.conversations(&other.tenant, None, 100).await).len(), 1);
}

/// Also a letter about it, whatever was drawn meanwhile.
pub async fn what_was_accepted_after_the_request_stays(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let claim = claim(&*store, &key).await;
    let version = furnish(&*store, claim, &key).await;
    let request = accept(&*store, &key, "erase").await;
    let after = accept(&*store, &key, "after").await;
    let version = ok(store.commit(claim, &key, erasing(version, request)).await);
    assert_eq!(sequences(&load(&*store, claim, &key).await), [after]);
    let (answered, dead_letters) = (vec![answered(after, &[sending()])], vec![letter(after, &key)]);
    ok(store.commit(claim, &key, Step { answered, dead_letters, ..step(version, "new") }).await);
    removed(&*store, 1).await;
    let turns = ok(store.transcript(&key, None, 100).await);
    assert_eq!(turns.iter().map(|turn| turn.sequence).collect::<Vec<_>>(), [after]);
    assert_eq!(ok(store.dead_letters(None, 100).await).len(), 1);
    assert_eq!(load(&*store, claim, &key).await.unsettled.len(), 1);
}

/// However small they are; what is not deleted yet is not shown, and no receipt reaches it.
pub async fn erasing_goes_on_in_batches_after_a_restart(site: &dyn Site) {
    let key = key(1);
    let sent_turn = {
        let store = open(site).await;
        let claim = claim(&*store, &key).await;
        let (turn, _) = answer(&*store, claim, &key, ("first", &[sent("SM")])).await;
        let version = furnish(&*store, claim, &key).await;
        let request = accept(&*store, &key, "erase").await;
        ok(store.commit(claim, &key, erasing(version, request)).await);
        assert!(ok(store.remove_erased(1).await));
        turn
    };
    let store = open(site).await;
    for _ in 0..3 {
        assert!(ok(store.remove_erased(1).await));
        assert_gone(&*store, &key).await;
        let word = receipt(sent_turn, 0, DeliveryStatus::Delivered);
        assert!(!ok(store.receipt(&key, &word, UnixMillis(6_000)).await));
    }
    removed(&*store, 1).await;
    assert_gone(&*store, &key).await;
    assert!(!ok(store.remove_erased(1).await));
}

/// From another version, or under a lost claim.
pub async fn a_refused_erasure_changes_nothing(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let old = claim(&*store, &key).await;
    let claim = claim(&*store, &key).await;
    let version = furnish(&*store, claim, &key).await;
    let request = accept(&*store, &key, "erase").await;
    let before = load(&*store, claim, &key).await;
    let stale = store.commit(claim, &key, erasing(Version(version.0 - 1), request)).await;
    assert_eq!(stale, Err(StoreError::Stale));
    assert_eq!(store.commit(old, &key, erasing(version, request)).await, Err(StoreError::Fenced(key.shard())));
    assert_eq!(shown(&load(&*store, claim, &key).await), shown(&before));
    assert_eq!(ok(store.transcript(&key, None, 100).await).len(), 5);
    assert_eq!(ok(store.dead_letters(None, 100).await).len(), 2);
}

/// A provider that repeats a text gets it erased, not answered.
pub async fn what_was_accepted_before_an_erasure_is_a_duplicate_after_it(site: &dyn Site) {
    let key = key(1);
    let (first, request) = {
        let store = open(site).await;
        let claim = claim(&*store, &key).await;
        let first = accept(&*store, &key, "1").await;
        let request = accept(&*store, &key, "erase").await;
        ok(store.commit(claim, &key, erasing(Version(0), request)).await);
        removed(&*store, 10).await;
        (first, request)
    };
    let store = open(site).await;
    assert_eq!(ok(store.accept(text(&key, "1")).await), Accepted::Duplicate(first));
    assert_eq!(ok(store.accept(text(&key, "erase")).await), Accepted::Duplicate(request));
    let claim = claim(&*store, &key).await;
    assert!(load(&*store, claim, &key).await.unread.is_empty());
}

/// With the ids that are remembered.
pub async fn what_remains_is_forgotten_unless_it_lasts(site: &dyn Site) {
    let store = open(site).await;
    for (user, kept) in [(1, Kept::ForAWhile), (2, Kept::Lastingly)] {
        let claim = claim(&*store, &key(user)).await;
        let request = accept(&*store, &key(user), &format!("erase {user}")).await;
        let step = Step { erase: erase(request, kept), ..Step::default() };
        ok(store.commit(claim, &key(user), step).await);
    }
    ok(store.forget_duplicates(UnixMillis(5_000), 1).await);
    assert!(ok(store.snapshot(&key(1)).await).is_some(), "it is not that old");
    for _ in 0..4 {
        ok(store.forget_duplicates(UnixMillis(5_001), 1).await);
    }
    assert_eq!(ok(store.snapshot(&key(1)).await), None);
    assert!(ok(store.snapshot(&key(2)).await).is_some());
}

/// A step that knows nothing of the erasure is refused, and what remained is not kept twice.
pub async fn a_new_life_goes_on_from_what_remains(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let claim = claim(&*store, &key).await;
    let version = ok(store.commit(claim, &key, step(Version(0), "one")).await);
    let request = accept(&*store, &key, "erase").await;
    let version = ok(store.commit(claim, &key, erasing(version, request)).await);
    assert!(version > Version(1));
    for old in [Version(0), Version(1)] {
        assert_eq!(store.commit(claim, &key, step(old, "late")).await, Err(StoreError::Stale));
    }
    let version = ok(store.commit(claim, &key, step(version, "two")).await);
    let loaded = load(&*store, claim, &key).await;
    assert_eq!((loaded.version, loaded.snapshot.as_deref()), (version, Some(&b"two"[..])));
    assert!(!loaded.is_remains);
    let again = Step { erase: erase(Sequence(u64::MAX), Kept::ForAWhile), version, ..Step::default() };
    let version = ok(store.commit(claim, &key, again).await);
    removed(&*store, 10).await;
    let (turn, _) = answer(&*store, claim, &key, ("later", &[])).await;
    assert!(load(&*store, claim, &key).await.version > version);
    let turns = ok(store.transcript(&key, None, 9).await);
    assert_eq!(turns[0].sequence, turn, "a number that was not drawn yet counts as the latest");
}

/// Then nothing else remains.
pub async fn an_erasure_may_be_the_beginning_of_a_new_life(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let claim = claim(&*store, &key).await;
    let version = furnish(&*store, claim, &key).await;
    let request = accept(&*store, &key, "erase").await;
    let after = accept(&*store, &key, "after").await;
    let (erase, answered) = (erase(request, Kept::Lastingly), vec![answered(after, &[])]);
    ok(store.commit(claim, &key, Step { erase, answered, ..step(version, "new") }).await);
    removed(&*store, 10).await;
    let loaded = load(&*store, claim, &key).await;
    assert!(loaded.snapshot.as_deref() == Some(b"new") && !loaded.is_remains && loaded.unread.is_empty());
    assert_eq!(ok(store.transcript(&key, None, 9).await).len(), 1);
}

/// And usage is nobody's: it stays.
pub async fn texts_on_their_way_count_as_texts_of_which_nobody_knows(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let claim = claim(&*store, &key).await;
    let version = furnish(&*store, claim, &key).await;
    let usage = async || ok(store.usage(&key.tenant, crate::Day(0)..=crate::Day(0)).await)[0].1;
    let before = usage().await;
    let request = accept(&*store, &key, "erase").await;
    ok(store.commit(claim, &key, erasing(version, request)).await);
    removed(&*store, 10).await;
    let after = usage().await;
    assert_eq!((after.inbound, after.outbound), (before.inbound + 1, before.outbound));
    assert_eq!(after.failed, before.failed + 2);
}
