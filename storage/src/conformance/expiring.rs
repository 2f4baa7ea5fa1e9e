//! Retention: what is old and settled goes, in bounded steps; nothing else does.

use super::*;
use crate::{DeadLetter, Expired, Expiry};

pub(super) async fn all<S: Site>(fresh: &impl Fn() -> S) {
    what_is_old_and_settled_goes_and_nothing_else(&fresh()).await;
    a_record_goes_with_its_last_page_unless_it_says_something(&fresh()).await;
    other_tenants_keep_theirs(&fresh()).await;
    old_dead_letters_go_by_the_rule_of_their_tenant(&fresh()).await;
}

/// A snapshot of these tests says nothing any more when it is empty.
fn expiry(key: &ConversationKey, before: u64) -> Expiry {
    let (tenant, shard) = (key.tenant.clone(), key.shard());
    Expiry { tenant, shard, before: UnixMillis(before), is_spent: |snapshot| snapshot == b"{}" }
}

/// How many went, in steps of one look.
async fn expire(store: &dyn Store, expiry: &Expiry) -> usize {
    let (mut from, mut all) = (None, 0);
    for _ in 0..1_000 {
        let Expired { next, looked, removed } = ok(store.expire(expiry.clone(), from, 1).await);
        assert!(looked <= 1);
        all += removed;
        from = next;
        if from.is_none() {
            return all;
        }
    }
    panic!("it does not come to an end")
}

/// Answers a text with rows in these states, at a time.
async fn answer_at(
    store: &dyn Store,
    claim: Claim,
    key: &ConversationKey,
    (at, states): (u64, &[RowState]),
) -> Sequence {
    let sequence = accept(store, key, &format!("{} at {at}", key.user)).await;
    let version = load(store, claim, key).await.version;
    let mut answered = answered(sequence, states);
    answered.transcript = Some(TranscriptTurn { answered_at: UnixMillis(at), ..page(sequence) });
    ok(store.commit(claim, key, Step { answered: vec![answered], ..step(version, "{\"session\":1}") }).await);
    sequence
}

async fn turns(store: &dyn Store, key: &ConversationKey) -> Vec<Sequence> {
    let turns = ok(store.transcript(key, None, 100).await);
    turns.iter().rev().map(|turn| turn.sequence).collect()
}

/// Also behind a page that must stay.
pub async fn what_is_old_and_settled_goes_and_nothing_else(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let claim = claim(&*store, &key).await;
    answer_at(&*store, claim, &key, (10, &[sent("a")])).await;
    let unsettled = answer_at(&*store, claim, &key, (20, &[sent("b"), sending()])).await;
    answer_at(&*store, claim, &key, (30, &[])).await;
    let young = answer_at(&*store, claim, &key, (40, &[sent("c")])).await;
    let unread = accept(&*store, &key, "unread").await;
    assert_eq!(expire(&*store, &expiry(&key, 10)).await, 0);
    assert_eq!(expire(&*store, &expiry(&key, 40)).await, 2);
    assert_eq!(turns(&*store, &key).await, [unsettled, young]);
    let loaded = load(&*store, claim, &key).await;
    assert_eq!((sequences(&loaded), loaded.unsettled.len()), (vec![unread], 1));
    store.settle(claim, &key, vec![mark(unsettled, 1, sent("d"))]).await;
    assert_eq!(expire(&*store, &expiry(&key, 40)).await, 1);
    assert_eq!(turns(&*store, &key).await, [young]);
}

/// A session, a pipe, a wish of the user's; or work, or another page.
pub async fn a_record_goes_with_its_last_page_unless_it_says_something(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let claim = claim(&*store, &key).await;
    let listed = async || ok(store.conversations(&key.tenant, None, 10).await).len();
    answer_at(&*store, claim, &key, (10, &[])).await;
    assert_eq!(expire(&*store, &expiry(&key, 50)).await, 1);
    assert_eq!((listed().await, turns(&*store, &key).await.len()), (1, 0));
    let version = load(&*store, claim, &key).await.version;
    let deadline = Some(UnixMillis(99));
    let version = ok(store.commit(claim, &key, Step { deadline, ..step(version, "{}") }).await);
    let unread = accept(&*store, &key, "unread").await;
    assert_eq!(expire(&*store, &expiry(&key, 50)).await, 0, "there is work");
    let answered = vec![answered(unread, &[])];
    ok(store.commit(claim, &key, Step { answered, deadline, ..step(version, "{}") }).await);
    assert_eq!(expire(&*store, &expiry(&key, 50)).await, 0, "there is a page");
    assert_eq!(expire(&*store, &expiry(&key, 3_000)).await, 2);
    assert_eq!(listed().await, 0);
    assert!(ok(store.deadlines(UnixMillis(u64::MAX), None, 10).await).is_empty());
    let loaded = load(&*store, claim, &key).await;
    assert_eq!((loaded.version, loaded.snapshot), (Version(0), None));
}

/// Each has its own rule, or none.
pub async fn other_tenants_keep_theirs(site: &dyn Site) {
    let store = open(site).await;
    let address = |text: &str| Address::parse(text).expect("a number");
    let other = ConversationKey { tenant: address("+15550109"), user: key(1).user };
    for key in [&key(1), &other] {
        let claim = claim(&*store, key).await;
        let sequence = accept(&*store, key, "1").await;
        let version = load(&*store, claim, key).await.version;
        ok(store.commit(claim, key, Step { answered: vec![answered(sequence, &[])], ..step(version, "{}") }).await);
    }
    for shard in 0..raconteur_conversation::address::SHARDS {
        let shard = raconteur_conversation::address::Shard(shard);
        ok(store.expire(Expiry { shard, ..expiry(&other, 9_000) }, None, 100).await);
    }
    assert_eq!((turns(&*store, &key(1)).await.len(), turns(&*store, &other).await.len()), (1, 0));
    assert_eq!(ok(store.conversations(&key(1).tenant, None, 10).await).len(), 1);
    assert!(ok(store.conversations(&other.tenant, None, 10).await).is_empty());
}

/// Those that name nobody stay.
pub async fn old_dead_letters_go_by_the_rule_of_their_tenant(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let claim = claim(&*store, &key).await;
    let letter = |at, key: Option<&ConversationKey>| DeadLetter {
        sequence: DeadLetter::FRESH,
        key: key.cloned(),
        at: UnixMillis(at),
        reason: "why".into(),
        work: None,
        bytes: None,
    };
    let dead_letters = vec![letter(1, Some(&key)), letter(9, Some(&key)), letter(1, None)];
    ok(store.commit(claim, &key, Step { dead_letters, ..step(Version(0), "{}") }).await);
    let other = Address::parse("+15550109").expect("a number");
    assert_eq!(ok(store.expire_dead_letters(&[(other, UnixMillis(9))], None, 10).await).removed, 0);
    let (mut after, mut removed) = (None, 0);
    loop {
        let rules = [(key.tenant.clone(), UnixMillis(9))];
        let expired = ok(store.expire_dead_letters(&rules, after, 1).await);
        removed += expired.removed;
        after = expired.next;
        if after.is_none() {
            break;
        }
    }
    let left: Vec<u64> = ok(store.dead_letters(None, 10).await).iter().map(|letter| letter.at.0).collect();
    assert_eq!((removed, left), (1, vec![9, 1]));
}
