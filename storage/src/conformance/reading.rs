//! Listings: work, deadlines, transcripts, each in pages.

use std::collections::BTreeSet;

use super::*;
use crate::{Day, DeadlineIndex, Pending, Usage};

pub(super) async fn all<S: Site>(fresh: &impl Fn() -> S) {
    work_that_is_not_done_with_is_shown_in_pages(&fresh()).await;
    work_lists_what_needs_somebody(&fresh()).await;
    work_lists_retries_when_they_are_due(&fresh()).await;
    work_is_listed_in_pages_each_conversation_once(&fresh()).await;
    a_lazy_deadline_only_moves_earlier(&fresh()).await;
    an_exact_deadline_moves_and_goes(&fresh()).await;
    deadlines_are_listed_in_pages_earliest_first(&fresh()).await;
    the_transcript_is_listed_newest_first(&fresh()).await;
    the_transcript_shows_rows_as_they_are(&fresh()).await;
    a_page_keeps_its_own_rows(&fresh()).await;
    conversations_are_listed_by_tenant_in_pages(&fresh()).await;
    usage_is_counted_exactly_and_survives(&fresh()).await;
}

/// Each once, whatever their shards, with the latest snapshot; of no other tenant.
pub async fn conversations_are_listed_by_tenant_in_pages(site: &dyn Site) {
    let store = open(site).await;
    let mut expected = BTreeSet::new();
    let big = "x".repeat(30_000);
    for n in 0..7 {
        let claim = claim(&*store, &key(n)).await;
        ok(store.commit(claim, &key(n), step(Version(0), &format!("{n} {big}"))).await);
        expected.insert(key(n));
    }
    let other = ConversationKey { tenant: key(77).user, user: key(1).user };
    let claimed = claim(&*store, &other).await;
    ok(store.commit(claimed, &other, step(Version(0), "other")).await);
    let (mut seen, mut after) = (BTreeSet::new(), None);
    loop {
        let page = ok(store.conversations(&key(0).tenant, after.as_ref(), 2).await);
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = Some(last.key.user.clone());
        for listed in page {
            assert!(listed.snapshot.as_ref().is_some_and(|snapshot| snapshot.ends_with(big.as_bytes())));
            assert_eq!(ok(store.snapshot(&listed.key).await), listed.snapshot);
            assert!(seen.insert(listed.key), "none is listed twice");
        }
    }
    assert_eq!(seen, expected);
    assert_eq!(ok(store.snapshot(&key(9)).await), None);
    assert_eq!(ok(store.snapshot(&other).await).as_deref(), Some(&b"other"[..]));
}

/// A text counts once however often it comes, an answer once, a text of ours when it has settled, by whatever told of it.
pub async fn usage_is_counted_exactly_and_survives(site: &dyn Site) {
    let tenant = key(1).tenant;
    let days = Day(0)..=Day(9);
    {
        let store = open(site).await;
        let claim = claim(&*store, &key(1)).await;
        let failed = RowState::Failed { code: "1".into(), reason: "r".into() };
        let (turn, version) = answer(&*store, claim, &key(1), ("1", &[sending(), sending(), sending()])).await;
        ok(store.accept(text(&key(1), "1")).await);
        let marks = vec![mark(turn, 0, sent("SM0")), mark(turn, 1, failed)];
        store.settle(claim, &key(1), marks.clone()).await;
        store.settle(claim, &key(1), marks).await;
        let delivered = receipt(turn, 2, DeliveryStatus::Delivered);
        ok(store.receipt(&key(1), &delivered, UnixMillis(3_000)).await);
        ok(store.receipt(&key(1), &delivered, UnixMillis(3_000)).await);
        let wrong = accept(&*store, &key(1), "2").await;
        let mut page = answered(wrong, &[]);
        page.transcript = page.transcript.map(|page| TranscriptTurn { error: Some("no".into()), ..page });
        ok(store.commit(claim, &key(1), Step { answered: vec![page], ..step(version, "b") }).await);
        let late = NewWork { accepted_at: UnixMillis(86_400_000), ..text(&key(2), "3") };
        ok(store.accept(late).await);
        // One that was given up is counted as failed until a receipt proves that it was sent.
        let claim = super::claim(&*store, &key(3)).await;
        let (doubted, _) = answer(&*store, claim, &key(3), ("4", &[sending(), sending()])).await;
        let marks = vec![mark(doubted, 0, RowState::GivenUp), mark(doubted, 1, RowState::GivenUp)];
        store.settle(claim, &key(3), marks).await;
        for _ in 0..2 {
            ok(store.receipt(&key(3), &receipt(doubted, 0, DeliveryStatus::Sent), UnixMillis(3_000)).await);
        }
    }
    let store = open(site).await;
    let first = Usage { inbound: 3, answered: 2, outbound: 3, outbound_segments: 3, failed: 2 };
    let second = Usage { inbound: 1, ..Usage::default() };
    assert_eq!(ok(store.usage(&tenant, days.clone()).await), [(Day(0), first), (Day(1), second)]);
    assert_eq!(ok(store.usage(&tenant, Day(1)..=Day(1)).await), [(Day(1), second)]);
    assert_eq!(ok(store.usage(&key(5).user, days).await), []);
}

async fn work(store: &dyn Store, now: u64) -> Vec<ConversationKey> {
    let mut keys = Vec::new();
    let mut after = None;
    loop {
        let page = ok(store.work(UnixMillis(now), after, 100).await);
        keys.extend(page.keys);
        let Some(next) = page.next else { return keys };
        after = Some(next);
    }
}

/// Unread records, and rows that are queued, sending or unknown; not what is done.
pub async fn work_lists_what_needs_somebody(site: &dyn Site) {
    let store = open(site).await;
    let mut expected = BTreeSet::new();
    let since = UnixMillis(1);
    for (n, state) in (1..).zip([RowState::Queued, sending(), RowState::Unknown { since }, RowState::GivenUp]) {
        let claim = claim(&*store, &key(n)).await;
        if !state.is_settled() {
            expected.insert(key(n));
        }
        answer(&*store, claim, &key(n), (&n.to_string(), &[state])).await;
    }
    accept(&*store, &key(9), "9").await;
    expected.insert(key(9));
    assert_eq!(work(&*store, 0).await.into_iter().collect::<BTreeSet<_>>(), expected);
}

/// Not before, unless something else needs somebody.
pub async fn work_lists_retries_when_they_are_due(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let claim = claim(&*store, &key).await;
    let retry = |at| RowState::Retry { at: UnixMillis(at), tries: 1 };
    let (turn, _) = answer(&*store, claim, &key, ("1", &[retry(500), retry(300)])).await;
    assert!(work(&*store, 299).await.is_empty());
    assert_eq!(work(&*store, 300).await, std::slice::from_ref(&key));
    store.settle(claim, &key, vec![mark(turn, 1, sent("SM1"))]).await;
    load(&*store, claim, &key).await;
    assert!(work(&*store, 499).await.is_empty());
    assert_eq!(work(&*store, 500).await, std::slice::from_ref(&key));
    accept(&*store, &key, "2").await;
    assert_eq!(work(&*store, 0).await, std::slice::from_ref(&key));
}

/// However many records a conversation has.
pub async fn work_is_listed_in_pages_each_conversation_once(site: &dyn Site) {
    let store = open(site).await;
    for n in 0..7 {
        for m in 0..=n {
            accept(&*store, &key(n), &format!("{n}-{m}")).await;
        }
    }
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let page = ok(store.work(UnixMillis(0), after, 2).await);
        assert!(page.keys.len() <= 2);
        listed.extend(page.keys);
        let Some(next) = page.next else { break };
        after = Some(next);
    }
    assert_eq!(listed.len(), 7);
    assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), (0..7).map(key).collect());
}

async fn deadlines(store: &dyn Store, until: u64) -> Vec<(u64, ConversationKey)> {
    let listed = ok(store.deadlines(UnixMillis(until), None, 100).await);
    listed.into_iter().map(|(at, key)| (at.0, key)).collect()
}

async fn wake(store: &dyn Store, claim: Claim, key: &ConversationKey, (deadline, index): (Option<u64>, DeadlineIndex)) {
    let version = load(store, claim, key).await.version;
    let step = Step { deadline: deadline.map(UnixMillis), index, ..step(version, "s") };
    ok(store.commit(claim, key, step).await);
}

/// A later one, or none, leaves the entry as it is: it fires early and is armed again then.
pub async fn a_lazy_deadline_only_moves_earlier(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let claim = claim(&*store, &key).await;
    for (deadline, listed) in [(None, None), (Some(500), Some(500)), (Some(900), Some(500)), (Some(300), Some(300))] {
        wake(&*store, claim, &key, (deadline, DeadlineIndex::Lazy)).await;
        let expected: Vec<_> = listed.map(|at| (at, key.clone())).into_iter().collect();
        assert_eq!(deadlines(&*store, 10_000).await, expected, "{deadline:?}");
    }
    wake(&*store, claim, &key, (None, DeadlineIndex::Lazy)).await;
    assert_eq!(deadlines(&*store, 10_000).await, [(300, key)]);
}

/// Never two for one conversation.
pub async fn an_exact_deadline_moves_and_goes(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let claim = claim(&*store, &key).await;
    for deadline in [Some(300), Some(900), Some(900), Some(400), None, None, Some(700)] {
        wake(&*store, claim, &key, (deadline, DeadlineIndex::Exact)).await;
        let expected: Vec<_> = deadline.map(|at| (at, key.clone())).into_iter().collect();
        assert_eq!(deadlines(&*store, 10_000).await, expected, "{deadline:?}");
    }
}

/// Only those before the given time, each once, also where several fall on the same moment.
pub async fn deadlines_are_listed_in_pages_earliest_first(site: &dyn Site) {
    let store = open(site).await;
    for (n, at) in [(1, 300), (2, 100), (3, 200), (4, 200), (5, 200), (6, 400)] {
        let claim = claim(&*store, &key(n)).await;
        wake(&*store, claim, &key(n), (Some(at), DeadlineIndex::Lazy)).await;
    }
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let page = ok(store.deadlines(UnixMillis(400), after, 2).await);
        let Some(last) = page.last() else { break };
        after = Some(last.clone());
        listed.extend(page);
    }
    assert_eq!(listed.iter().map(|(at, _)| at.0).collect::<Vec<_>>(), [100, 200, 200, 200, 300]);
    let keys: BTreeSet<_> = listed.into_iter().map(|(_, key)| key).collect();
    assert_eq!(keys, (1..=5).map(key).collect());
}

/// In pages, and nobody else's.
pub async fn the_transcript_is_listed_newest_first(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let claim = claim(&*store, &key).await;
    let mut turns = Vec::new();
    for id in ["1", "2", "3", "4", "5"] {
        turns.push(answer(&*store, claim, &key, (id, &[])).await.0);
    }
    let other = super::key(2);
    let others = super::claim(&*store, &other).await;
    answer(&*store, others, &other, ("6", &[])).await;
    turns.reverse();
    let mut listed = Vec::new();
    let mut before = None;
    loop {
        let page = ok(store.transcript(&key, before, 2).await);
        let Some(last) = page.last() else { break };
        before = Some(last.sequence);
        listed.extend(page.iter().map(|turn| turn.sequence));
    }
    assert_eq!(listed, turns);
}

/// Before and after they are settled.
pub async fn the_transcript_shows_rows_as_they_are(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let claim = claim(&*store, &key).await;
    let (turn, _) = answer(&*store, claim, &key, ("1", &[RowState::Queued, RowState::Queued])).await;
    let retry = RowState::Retry { at: UnixMillis(5), tries: 1 };
    for (marks, expected) in [
        (vec![], [RowState::Queued, RowState::Queued]),
        (vec![mark(turn, 0, sending())], [sending(), RowState::Queued]),
        (vec![mark(turn, 0, sent("SM1")), mark(turn, 1, retry.clone())], [sent("SM1"), retry]),
        (vec![mark(turn, 1, RowState::GivenUp)], [sent("SM1"), RowState::GivenUp]),
    ] {
        store.settle(claim, &key, marks).await;
        load(&*store, claim, &key).await;
        let pages = ok(store.transcript(&key, None, 10).await);
        let states: Vec<_> = pages[0].rows.iter().map(|row| row.row.state.clone()).collect();
        assert_eq!(states, expected);
    }
    assert!(ok(store.receipt(&key, &receipt(turn, 0, DeliveryStatus::Delivered), UnixMillis(9)).await));
    let pages = ok(store.transcript(&key, None, 10).await);
    let deliveries: Vec<_> =
        pages[0].rows.iter().map(|row| row.delivery.as_ref().map(|delivery| delivery.at)).collect();
    assert_eq!(deliveries, [Some(UnixMillis(9)), None]);
}

/// A page that brings rows is kept as it is, long texts included.
pub async fn a_page_keeps_its_own_rows(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let claim = claim(&*store, &key).await;
    let turn = accept(&*store, &key, "1").await;
    let long = OutboundRow { body: "x".repeat(9_000), ..row(turn, 0, sending()) };
    let mut page = page(turn);
    page.error = Some("half of it".into());
    page.rows.push(crate::record::TranscriptRow { row: long.clone(), delivery: None, sent_at: None });
    let answered =
        Answered { sequence: turn, rows: vec![long.clone(), row(turn, 1, sending())], transcript: Some(page) };
    ok(store.commit(claim, &key, Step { answered: vec![answered], ..step(Version(0), "a") }).await);
    let pages = ok(store.transcript(&key, None, 10).await);
    assert_eq!(pages[0].error.as_deref(), Some("half of it"));
    assert_eq!(pages[0].rows.iter().map(|row| row.row.clone()).collect::<Vec<_>>(), [long]);
    assert_eq!(load(&*store, claim, &key).await.unsettled.len(), 2);
}

/// Unread and on its way, to those who hold no claim.
pub async fn work_that_is_not_done_with_is_shown_in_pages(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let claim = claim(&*store, &key).await;
    answer(&*store, claim, &key, ("0", &[sent("SM0")])).await;
    let (first, _) = answer(&*store, claim, &key, ("1", &[sending(), RowState::Queued])).await;
    let second = accept(&*store, &key, "2").await;
    accept(&*store, &super::key(2), "other").await;
    let pending = ok(store.pending(&key, None, 10).await);
    let [Pending::Unsettled { sequence, rows }, Pending::Unread(record)] = pending.as_slice() else {
        panic!("two were expected: {pending:?}")
    };
    assert_eq!((*sequence, rows.len(), record.sequence), (first, 2, second));
    let numbers = |pending: Vec<Pending>| pending.iter().map(Pending::sequence).collect::<Vec<_>>();
    assert_eq!(numbers(ok(store.pending(&key, None, 1).await)), [first]);
    assert_eq!(numbers(ok(store.pending(&key, Some(first), 1).await)), [second]);
    assert!(ok(store.pending(&key, Some(second), 1).await).is_empty());
}
