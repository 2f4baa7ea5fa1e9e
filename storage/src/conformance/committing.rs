//! Steps: whole or not at all, under one claim and from one version.

use super::*;
use crate::DeadLetter;

pub(super) async fn all<S: Site>(fresh: &impl Fn() -> S) {
    a_commit_is_loaded_again_and_survives(&fresh()).await;
    load_sees_what_was_submitted_before(&fresh()).await;
    load_returns_no_more_than_was_asked_for(&fresh()).await;
    a_stale_commit_changes_nothing(&fresh()).await;
    a_commit_that_answers_what_is_gone_changes_nothing(&fresh()).await;
    a_fenced_commit_changes_nothing(&fresh()).await;
    a_second_claim_fences_the_first(&fresh()).await;
    a_released_claim_is_worth_nothing(&fresh()).await;
    claims_do_not_survive_the_process(&fresh()).await;
    a_step_without_a_snapshot_keeps_the_version(&fresh()).await;
    attempts_are_counted_in_the_record(&fresh()).await;
    what_a_conversation_tells_itself_is_kept_with_the_step(&fresh()).await;
    big_snapshots_shrink_and_grow(&fresh()).await;
    dead_letters_are_listed_oldest_first(&fresh()).await;
}

/// Snapshot and version are what the last commit wrote.
pub async fn a_commit_is_loaded_again_and_survives(site: &dyn Site) {
    let key = key(1);
    {
        let store = open(site).await;
        let claim = claim(&*store, &key).await;
        assert_eq!(ok(store.commit(claim, &key, step(Version(0), "one")).await), Version(1));
        assert_eq!(ok(store.commit(claim, &key, step(Version(1), "two")).await), Version(2));
        let loaded = load(&*store, claim, &key).await;
        assert_eq!((loaded.version, loaded.snapshot.as_deref()), (Version(2), Some(&b"two"[..])));
    }
    let store = open(site).await;
    let claim = claim(&*store, &key).await;
    let loaded = load(&*store, claim, &key).await;
    assert_eq!((loaded.version, loaded.snapshot.as_deref()), (Version(2), Some(&b"two"[..])));
}

/// It stands behind what caused it and ahead of what was accepted later, survives, is listed as work, counts against no limit, and
/// is answered like any other. A refused step keeps none of it.
pub async fn what_a_conversation_tells_itself_is_kept_with_the_step(site: &dyn Site) {
    let key = key(1);
    let first = {
        let store = site.open(Options { inbox_max: 2, backlog_max: 2, ..Options::default() }).await;
        let claim = claim(&*store, &key).await;
        let first = accept(&*store, &key, "1").await;
        accept(&*store, &key, "2").await;
        let work = Work::NoInput { session: uuid::Uuid::from_u128(5) };
        let sequence = first.chained().expect("the first of a chain");
        let own = WorkRecord { sequence, accepted_at: UnixMillis(7), seed: 9, attempts: 0, alone: false, work };
        let enqueued = vec![own];
        let stale = Step { enqueued: enqueued.clone(), ..step(Version(3), "one") };
        assert_eq!(store.commit(claim, &key, stale).await, Err(StoreError::Stale));
        let both = Step { answered: vec![answered(first, &[])], enqueued: enqueued.clone(), ..step(Version(0), "one") };
        assert_eq!(ok(store.commit(claim, &key, both).await), Version(1));
        let again = Step { enqueued, ..step(Version(1), "two") };
        assert_eq!(store.commit(claim, &key, again).await, Err(StoreError::Stale));
        first
    };
    let store = open(site).await;
    let third = accept(&*store, &key, "3").await;
    let claim = claim(&*store, &key).await;
    let loaded = load(&*store, claim, &key).await;
    let own = Sequence(first.0 + 1);
    let second = Sequence(first.0 + Sequence::STRIDE);
    assert_eq!(sequences(&loaded), [own, second, third]);
    let record = &loaded.unread[0];
    assert!(matches!(record.work, Work::NoInput { session } if session.as_u128() == 5));
    assert_eq!((record.accepted_at, record.seed, record.attempts), (UnixMillis(7), 9, 0));
    assert_eq!(ok(store.work(UnixMillis(0), None, 10).await).keys, std::slice::from_ref(&key));
    let answer = Step { answered: vec![answered(own, &[sending()])], ..step(Version(1), "two") };
    ok(store.commit(claim, &key, answer).await);
    assert_eq!(sequences(&load(&*store, claim, &key).await), [second, third]);
}

/// Without waiting for any of it.
pub async fn load_sees_what_was_submitted_before(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let claim = claim(&*store, &key).await;
    let first = accept(&*store, &key, "1").await;
    let both = Step { answered: vec![answered(first, &[sending(), sending()])], ..step(Version(0), "one") };
    let (second, committed, (), loaded) = tokio::join!(
        store.accept(text(&key, "2")),
        store.commit(claim, &key, both),
        store.settle(claim, &key, vec![mark(first, 0, sent("SM0"))]),
        store.load(claim, &key, 10),
    );
    let loaded = ok(loaded);
    assert_eq!(ok(committed), Version(1));
    assert_eq!((loaded.version, loaded.snapshot.as_deref()), (Version(1), Some(&b"one"[..])));
    let Accepted::Fresh { sequence: second, .. } = ok(second) else { panic!("it is new") };
    assert_eq!(sequences(&loaded), [second]);
    assert_eq!(loaded.unsettled, [(row(first, 1, sending()), text(&key, "1").seed)]);
}

/// The oldest first.
pub async fn load_returns_no_more_than_was_asked_for(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let mut accepted = Vec::new();
    for id in ["1", "2", "3"] {
        accepted.push(accept(&*store, &key, id).await);
    }
    accept(&*store, &super::key(2), "4").await;
    let claim = claim(&*store, &key).await;
    assert_eq!(sequences(&ok(store.load(claim, &key, 2).await)), accepted[..2]);
    assert_eq!(sequences(&ok(store.load(claim, &key, 9).await)), accepted);
}

/// From another version than the latest.
pub async fn a_stale_commit_changes_nothing(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let claim = claim(&*store, &key).await;
    ok(store.commit(claim, &key, step(Version(0), "one")).await);
    let unread = accept(&*store, &key, "1").await;
    let before = load(&*store, claim, &key).await;
    for version in [Version(0), Version(2)] {
        let all = everything(unread, version);
        assert_eq!(store.commit(claim, &key, all).await, Err(StoreError::Stale));
    }
    assert_unchanged(&*store, claim, &key, &before).await;
}

/// Answered twice, in one step or in two, or never accepted.
pub async fn a_commit_that_answers_what_is_gone_changes_nothing(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let claim = claim(&*store, &key).await;
    let (gone, version) = answer(&*store, claim, &key, ("1", &[sending()])).await;
    let unread = accept(&*store, &key, "2").await;
    let before = load(&*store, claim, &key).await;
    for sequences in [vec![unread, gone], vec![unread, unread], vec![Sequence(unread.0 + 1_000)]] {
        let answered = sequences.into_iter().map(|sequence| answered(sequence, &[])).collect();
        let step = Step { answered, ..everything(unread, version) };
        assert_eq!(store.commit(claim, &key, step).await, Err(StoreError::Stale));
    }
    let loaded = load(&*store, claim, &key).await;
    assert_eq!(shown(&loaded), shown(&before));
}

/// A claim on another shard, of an epoch that never was, or none at all.
pub async fn a_fenced_commit_changes_nothing(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let mut other = super::key(2);
    for user in 3.. {
        if other.shard() != key.shard() {
            break;
        }
        other = super::key(user);
    }
    let mine = claim(&*store, &key).await;
    let elsewhere = claim(&*store, &other).await;
    let unread = accept(&*store, &key, "1").await;
    let before = load(&*store, mine, &key).await;
    for wrong in
        [elsewhere, Claim { epoch: mine.epoch + 1, ..mine }, Claim { epoch: mine.epoch.wrapping_sub(1), ..mine }]
    {
        assert!(matches!(store.commit(wrong, &key, everything(unread, Version(0))).await, Err(StoreError::Fenced(_))));
        assert!(matches!(store.load(wrong, &key, 10).await, Err(StoreError::Fenced(_))));
    }
    assert_unchanged(&*store, mine, &key, &before).await;
}

/// For commits, loads and settlements.
pub async fn a_second_claim_fences_the_first(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let first = claim(&*store, &key).await;
    let (turn, version) = answer(&*store, first, &key, ("1", &[sending()])).await;
    let second = claim(&*store, &key).await;
    assert!(second.epoch > first.epoch);
    assert_eq!(store.commit(first, &key, step(version, "x")).await, Err(StoreError::Fenced(key.shard())));
    store.settle(first, &key, vec![mark(turn, 0, sent("SM1"))]).await;
    assert!(matches!(store.load(first, &key, 10).await, Err(StoreError::Fenced(_))));
    assert_eq!(states(&load(&*store, second, &key).await), [sending()]);
    ok(store.commit(second, &key, step(version, "x")).await);
}

/// And releasing an old one does not take the new one away.
pub async fn a_released_claim_is_worth_nothing(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let first = claim(&*store, &key).await;
    let second = claim(&*store, &key).await;
    ok(store.release(&[first]).await);
    ok(store.commit(second, &key, step(Version(0), "a")).await);
    ok(store.release(&[second]).await);
    assert!(matches!(store.commit(second, &key, step(Version(1), "b")).await, Err(StoreError::Fenced(_))));
    let third = claim(&*store, &key).await;
    assert!(third.epoch > second.epoch);
    ok(store.commit(third, &key, step(Version(1), "b")).await);
}

/// A claim of an earlier process is refused, whether the shard was claimed again or not.
pub async fn claims_do_not_survive_the_process(site: &dyn Site) {
    let key = key(1);
    let earlier = claim(&*open(site).await, &key).await;
    let store = open(site).await;
    assert!(matches!(store.commit(earlier, &key, step(Version(0), "a")).await, Err(StoreError::Fenced(_))));
    let later = claim(&*store, &key).await;
    assert!(later.epoch > earlier.epoch);
    assert!(matches!(store.commit(earlier, &key, step(Version(0), "a")).await, Err(StoreError::Fenced(_))));
    ok(store.commit(later, &key, step(Version(0), "a")).await);
}

/// It is checked all the same, and its deadline is not looked at.
pub async fn a_step_without_a_snapshot_keeps_the_version(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let claim = claim(&*store, &key).await;
    let (turn, version) = answer(&*store, claim, &key, ("1", &[RowState::Queued])).await;
    let bare = |version| Step {
        version,
        deadline: Some(UnixMillis(5)),
        marks: vec![mark(turn, 0, sending())],
        ..Step::default()
    };
    assert_eq!(store.commit(claim, &key, bare(Version(version.0 + 1))).await, Err(StoreError::Stale));
    assert_eq!(states(&load(&*store, claim, &key).await), [RowState::Queued]);
    assert_eq!(ok(store.commit(claim, &key, bare(version)).await), version);
    let loaded = load(&*store, claim, &key).await;
    assert_eq!((loaded.version, loaded.snapshot.as_deref()), (version, Some(&b"1"[..])));
    assert_eq!(states(&loaded), [sending()]);
    assert!(ok(store.deadlines(UnixMillis(u64::MAX), None, 10).await).is_empty());
}

/// And the rest of the record stays as it was, also a long one.
pub async fn attempts_are_counted_in_the_record(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let claim = claim(&*store, &key).await;
    let mut new = text(&key, "1");
    new.work = Work::Message(InboundMessage { body: "x".repeat(10_000), ..InboundMessage::default() });
    let Accepted::Fresh { sequence, .. } = ok(store.accept(new.clone()).await) else { panic!("it is the first") };
    let counted = Step { attempts: vec![(sequence, 2, true)], ..Step::default() };
    ok(store.commit(claim, &key, counted).await);
    let loaded = load(&*store, claim, &key).await;
    let record = &loaded.unread[0];
    assert_eq!((record.attempts, record.alone, record.seed), (2, true, new.seed));
    assert_eq!(format!("{:?}", record.work), format!("{:?}", new.work));
    let gone = Step { attempts: vec![(Sequence(sequence.0 + 1_000), 1, false)], ..Step::default() };
    assert_eq!(store.commit(claim, &key, gone).await, Err(StoreError::Stale));
}

/// 300 KB, then changed in one place, then small, then big again.
pub async fn big_snapshots_shrink_and_grow(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let first = claim(&*store, &key).await;
    let big: Vec<u8> = (0..300_000_u32).map(|n| u8::try_from(n * 7 % 251).expect("under 251")).collect();
    let mut touched = big.clone();
    touched[150_000] ^= 0xff;
    let mut version = Version(0);
    for snapshot in [&big[..], &touched, &big[..100_000], b"small", b"", &big] {
        let step = Step { version, snapshot: Some(snapshot.to_vec()), ..Step::default() };
        version = ok(store.commit(first, &key, step).await);
        let loaded = load(&*store, first, &key).await;
        assert_eq!((loaded.version, loaded.damaged), (version, 0));
        assert!(loaded.snapshot.as_deref() == Some(snapshot), "{} bytes", snapshot.len());
    }
    drop(store);
    let store = open(site).await;
    let second = claim(&*store, &key).await;
    assert!(load(&*store, second, &key).await.snapshot.as_deref() == Some(&big[..]));
}

/// In pages.
pub async fn dead_letters_are_listed_oldest_first(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let claim = claim(&*store, &key).await;
    let mut listed = Vec::new();
    let mut version = Version(0);
    for id in ["1", "2", "3"] {
        let sequence = accept(&*store, &key, id).await;
        let work = Some(Work::Message(InboundMessage { body: "x".repeat(9_000), ..InboundMessage::default() }));
        let letter =
            DeadLetter { sequence, key: Some(key.clone()), at: UnixMillis(7), reason: id.into(), work, bytes: None };
        let answered = vec![answered(sequence, &[])];
        version =
            ok(store.commit(claim, &key, Step { answered, dead_letters: vec![letter], ..step(version, id) }).await);
        listed.push(sequence);
    }
    let sequences = |letters: Vec<DeadLetter>| letters.into_iter().map(|letter| letter.sequence).collect::<Vec<_>>();
    assert_eq!(sequences(ok(store.dead_letters(None, 2).await)), listed[..2]);
    assert_eq!(sequences(ok(store.dead_letters(Some(listed[1]), 2).await)), listed[2..]);
    let first = ok(store.dead_letters(None, 1).await).remove(0);
    assert_eq!((first.reason.as_str(), first.at, first.key), ("1", UnixMillis(7), Some(key)));
    assert!(matches!(first.work, Some(Work::Message(message)) if message.body.len() == 9_000));
}

/// A step that touches whatever a step can touch.
fn everything(unread: Sequence, version: Version) -> Step {
    let letter =
        DeadLetter { sequence: unread, key: None, at: UnixMillis(1), reason: "never".into(), work: None, bytes: None };
    Step {
        deadline: Some(UnixMillis(5)),
        answered: vec![answered(unread, &[sending()])],
        dead_letters: vec![letter],
        ..step(version, "never")
    }
}

async fn assert_unchanged(store: &dyn Store, claim: Claim, key: &ConversationKey, before: &Loaded) {
    assert_eq!(shown(&load(store, claim, key).await), shown(before));
    assert!(ok(store.dead_letters(None, 10).await).is_empty());
    assert!(ok(store.deadlines(UnixMillis(u64::MAX), None, 10).await).is_empty());
    assert!(ok(store.transcript(key, None, 10).await).is_empty());
}
