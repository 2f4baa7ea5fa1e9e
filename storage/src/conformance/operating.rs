//! What operators need: searches through all tenants, dead letters that go, the audit log; and when a text was handed over.

use std::collections::BTreeSet;

use super::*;
use crate::{AuditEntry, DeadLetter, Search, WorkCursor};

pub(super) async fn all<S: Site>(fresh: &impl Fn() -> S) {
    conversations_are_found_by_parts_of_their_numbers(&fresh()).await;
    conversations_are_found_by_what_their_snapshots_hold(&fresh()).await;
    a_search_looks_at_no_more_than_it_may(&fresh()).await;
    a_dead_letter_is_discarded_once(&fresh()).await;
    the_audit_log_is_kept_and_its_oldest_entries_go(&fresh()).await;
    work_is_listed_from_behind_a_conversation(&fresh()).await;
    the_transcript_says_when_a_text_was_handed_over(&fresh()).await;
}

async fn converse(store: &dyn Store, key: &ConversationKey) {
    let claim = claim(store, key).await;
    ok(store.commit(claim, key, step(Version(0), "snapshot")).await);
}

/// All that a search finds, page by page.
async fn found(store: &dyn Store, search: &Search, limit: usize) -> (Vec<ConversationKey>, usize) {
    let (mut keys, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = ok(store.find(search, after.as_ref(), limit).await);
        assert!(page.listed.len() <= limit && page.looked <= search.looks);
        keys.extend(page.listed.into_iter().map(|listed| listed.key));
        pages += 1;
        let Some(next) = page.next else { return (keys, pages) };
        after = Some(next);
    }
}

fn search(tenant: Option<Address>, user: &str) -> Search {
    Search { tenant, user: user.into(), holds: String::new(), looks: 1_000 }
}

/// Of all tenants or of one, each once, whatever the size of the pages.
pub async fn conversations_are_found_by_parts_of_their_numbers(site: &dyn Site) {
    let store = open(site).await;
    let other = |n| ConversationKey { tenant: key(77).user, user: key(n).user };
    for n in [10, 11, 12, 210] {
        converse(&*store, &key(n)).await;
    }
    converse(&*store, &other(10)).await;
    let table = [
        (search(None, ""), vec![key(10), key(11), key(12), key(210), other(10)]),
        (search(None, "0000010"), vec![key(10), other(10)]),
        (search(Some(key(0).tenant), "10"), vec![key(10), key(210)]),
        (search(Some(other(0).tenant), ""), vec![other(10)]),
        (search(None, "9"), vec![]),
    ];
    for (search, expected) in table {
        for limit in [1, 2, 100] {
            let (keys, _) = found(&*store, &search, limit).await;
            let distinct: BTreeSet<ConversationKey> = keys.iter().cloned().collect();
            assert_eq!(distinct.len(), keys.len(), "none is found twice");
            assert_eq!(distinct, expected.iter().cloned().collect(), "{search:?}");
        }
    }
    let page = ok(store.find(&search(None, "0000011"), None, 10).await);
    assert_eq!(page.listed[0].snapshot.as_deref(), Some(&b"snapshot"[..]));
}

/// What is larger than a value is found as well: nobody who has it is passed over.
pub async fn conversations_are_found_by_what_their_snapshots_hold(site: &dyn Site) {
    let store = open(site).await;
    let (short, long) = ("x".repeat(100), "x".repeat(20_000));
    let snapshots = [
        format!("\"stopped\":{short}"),
        format!("{short}\"stopped\":"),
        format!("\"stoppe{short}d\":"),
        format!("{long}\"stopped\":"),
        String::new(),
    ];
    for (n, snapshot) in (0..).zip(&snapshots) {
        let claim = claim(&*store, &key(n)).await;
        ok(store.commit(claim, &key(n), step(Version(0), snapshot)).await);
    }
    for tenant in [None, Some(key(0).tenant)] {
        let search = Search { holds: "\"stopped\":".into(), ..search(tenant, "") };
        let (keys, _) = found(&*store, &search, 2).await;
        let keys: BTreeSet<ConversationKey> = keys.into_iter().collect();
        assert_eq!(keys, [key(0), key(1), key(3)].into());
    }
}

/// What matches nothing costs a bounded look at a time, and its end is told.
pub async fn a_search_looks_at_no_more_than_it_may(site: &dyn Site) {
    let store = open(site).await;
    for n in 0..7 {
        converse(&*store, &key(n)).await;
    }
    for tenant in [None, Some(key(0).tenant)] {
        let search = Search { user: "none".into(), looks: 3, ..search(tenant, "") };
        let (keys, pages) = found(&*store, &search, 10).await;
        assert_eq!((keys, pages), (vec![], 3));
    }
}

/// The others stay.
pub async fn a_dead_letter_is_discarded_once(site: &dyn Site) {
    let numbers = |letters: Vec<DeadLetter>| letters.iter().map(|letter| letter.sequence.0).collect::<Vec<_>>();
    {
        let store = open(site).await;
        let letter = |sequence| {
            let (key, reason, work) = (Some(key(1)), "poison".into(), Some(Work::End));
            DeadLetter { sequence: Sequence(sequence), key, at: UnixMillis(5), reason, work, bytes: None }
        };
        let dead_letters = vec![letter(1), letter(2), letter(3)];
        let claim = claim(&*store, &key(1)).await;
        ok(store.commit(claim, &key(1), Step { dead_letters, ..Step::default() }).await);
        assert_eq!(numbers(ok(store.dead_letters(None, 9).await)), [1, 2, 3]);
        assert!(ok(store.discard(Sequence(2)).await));
        assert!(!ok(store.discard(Sequence(2)).await) && !ok(store.discard(Sequence(7)).await));
    }
    let store = open(site).await;
    assert_eq!(numbers(ok(store.dead_letters(None, 9).await)), [1, 3]);
}

/// Newest first, in pages; what is older than it need be goes with what is new.
pub async fn the_audit_log_is_kept_and_its_oldest_entries_go(site: &dyn Site) {
    let entry = |at| {
        let (who, what) = ("Ada".to_owned(), "end".to_owned());
        let conversation = Some("c-1".to_owned());
        AuditEntry { at: UnixMillis(at), who, what, tenant: Some(key(1).tenant), conversation, subject: None }
    };
    {
        let store = open(site).await;
        for at in 0..4 {
            ok(store.audit(entry(at)).await);
        }
    }
    let store = open(site).await;
    let times = |page: &[(Sequence, AuditEntry)]| page.iter().map(|(_, entry)| entry.at.0).collect::<Vec<_>>();
    let first = ok(store.audits(None, 3).await);
    assert_eq!(times(&first), [3, 2, 1]);
    assert_eq!(first[0].1, entry(3));
    assert_eq!(times(&ok(store.audits(Some(first[2].0), 3).await)), [0]);
    let later = 3 + u64::try_from(AuditEntry::KEPT.as_millis()).expect("it is not that long");
    for at in [later, later] {
        ok(store.audit(entry(at)).await);
    }
    assert_eq!(times(&ok(store.audits(None, 9).await)), [later, later, 3], "one that is just old enough stays");
}

/// As if the conversations before had been looked at.
pub async fn work_is_listed_from_behind_a_conversation(site: &dyn Site) {
    let store = open(site).await;
    for n in 0..5 {
        accept(&*store, &key(n), &format!("{n}-1")).await;
        accept(&*store, &key(n), &format!("{n}-2")).await;
    }
    let (mut keys, mut after) = (Vec::new(), None);
    loop {
        let page = ok(store.work(UnixMillis(u64::MAX), after, 1).await);
        let Some(last) = page.keys.last() else { break };
        after = Some(WorkCursor::behind(last));
        keys.extend(page.keys);
    }
    assert_eq!(keys.len(), 5);
    assert_eq!(keys.into_iter().collect::<BTreeSet<_>>(), (0..5).map(key).collect());
}

/// The time at which the call began that took it, whether its answer or a receipt tells.
pub async fn the_transcript_says_when_a_text_was_handed_over(site: &dyn Site) {
    let store = open(site).await;
    let claim = claim(&*store, &key(1)).await;
    let (turn, _) = answer(&*store, claim, &key(1), ("1", &[sending(), sending(), sending()])).await;
    let RowState::Sending { since } = sending() else { unreachable!("it is being sent") };
    let failed = RowState::Failed { code: "1".into(), reason: "r".into() };
    store.settle(claim, &key(1), vec![mark(turn, 0, sent("SM0")), mark(turn, 2, failed)]).await;
    ok(store.receipt(&key(1), &receipt(turn, 1, DeliveryStatus::Delivered), UnixMillis(9_000)).await);
    let pages = ok(store.transcript(&key(1), None, 1).await);
    let times: Vec<Option<UnixMillis>> = pages[0].rows.iter().map(|row| row.sent_at).collect();
    assert_eq!(times, [Some(since), Some(since), None]);
}
