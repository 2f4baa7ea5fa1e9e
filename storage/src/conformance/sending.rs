//! Outbound rows: from the commit that writes them until they are settled, and what receipts do to them.

use super::*;

pub(super) async fn all<S: Site>(fresh: &impl Fn() -> S) {
    an_answer_with_rows_is_kept_until_they_are_settled(&fresh()).await;
    an_answer_without_rows_is_gone(&fresh()).await;
    rows_that_are_settled_at_once_only_stand_in_the_transcript(&fresh()).await;
    marks_in_a_commit_are_durable(&fresh()).await;
    settled_rows_never_change(&fresh()).await;
    a_mark_for_an_unknown_row_changes_nothing(&fresh()).await;
    a_receipt_settles_a_doubtful_row(&fresh()).await;
    a_receipt_does_not_settle_what_was_never_tried(&fresh()).await;
    the_highest_rank_of_a_receipt_wins(&fresh()).await;
    a_receipt_for_an_unknown_text_is_told(&fresh()).await;
}

/// With the seed of what they answer, in order.
pub async fn an_answer_with_rows_is_kept_until_they_are_settled(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let claim = claim(&*store, &key).await;
    let (turn, _) = answer(&*store, claim, &key, ("1", &[sending(), RowState::Queued])).await;
    let loaded = load(&*store, claim, &key).await;
    let seed = text(&key, "1").seed;
    assert!(loaded.unread.is_empty());
    assert_eq!(loaded.unsettled, [(row(turn, 0, sending()), seed), (row(turn, 1, RowState::Queued), seed)]);
    let retry = RowState::Retry { at: UnixMillis(5), tries: 1 };
    store.settle(claim, &key, vec![mark(turn, 0, sent("SM0")), mark(turn, 1, retry.clone())]).await;
    assert_eq!(load(&*store, claim, &key).await.unsettled, [(row(turn, 1, retry), seed)]);
    let failed = RowState::Failed { code: "30003".into(), reason: "unreachable".into() };
    store.settle(claim, &key, vec![mark(turn, 1, failed.clone())]).await;
    assert!(load(&*store, claim, &key).await.unsettled.is_empty());
    assert!(ok(store.work(UnixMillis(u64::MAX), None, 10).await).keys.is_empty());
    let pages = ok(store.transcript(&key, None, 10).await);
    let shown: Vec<_> = pages[0].rows.iter().map(|row| row.row.clone()).collect();
    assert_eq!(shown, [row(turn, 0, sent("SM0")), row(turn, 1, failed)]);
}

/// And its page stays.
pub async fn an_answer_without_rows_is_gone(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let claim = claim(&*store, &key).await;
    let (turn, _) = answer(&*store, claim, &key, ("1", &[])).await;
    let loaded = load(&*store, claim, &key).await;
    assert!(loaded.unread.is_empty() && loaded.unsettled.is_empty());
    assert!(ok(store.work(UnixMillis(u64::MAX), None, 10).await).keys.is_empty());
    assert_eq!(ok(store.transcript(&key, None, 10).await)[0].sequence, turn);
}

/// Such as a text that had expired.
pub async fn rows_that_are_settled_at_once_only_stand_in_the_transcript(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let claim = claim(&*store, &key).await;
    let (turn, _) = answer(&*store, claim, &key, ("1", &[RowState::GivenUp, sending()])).await;
    assert_eq!(load(&*store, claim, &key).await.unsettled[0].0, row(turn, 1, sending()));
    let pages = ok(store.transcript(&key, None, 10).await);
    assert_eq!(pages[0].rows[0].row.state, RowState::GivenUp);
}

/// As the snapshot beside them.
pub async fn marks_in_a_commit_are_durable(site: &dyn Site) {
    let key = key(1);
    let turn = {
        let store = open(site).await;
        let claim = claim(&*store, &key).await;
        let (turn, version) = answer(&*store, claim, &key, ("1", &[RowState::Queued, RowState::Queued])).await;
        let marks = vec![mark(turn, 0, sending()), mark(turn, 1, sent("SM1"))];
        ok(store.commit(claim, &key, Step { marks, ..step(version, "two") }).await);
        turn
    };
    let store = open(site).await;
    let claim = claim(&*store, &key).await;
    assert_eq!(load(&*store, claim, &key).await.unsettled, [(row(turn, 0, sending()), text(&key, "1").seed)]);
    let pages = ok(store.transcript(&key, None, 10).await);
    let states: Vec<_> = pages[0].rows.iter().map(|row| row.row.state.clone()).collect();
    assert_eq!(states, [sending(), sent("SM1")]);
}

/// Neither while others of their turn are on their way nor afterwards.
pub async fn settled_rows_never_change(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let claim = claim(&*store, &key).await;
    let (turn, _) = answer(&*store, claim, &key, ("1", &[sending(), sending()])).await;
    store.settle(claim, &key, vec![mark(turn, 0, sent("SM0")), mark(turn, 0, sending())]).await;
    store.settle(claim, &key, vec![mark(turn, 0, RowState::GivenUp)]).await;
    assert_eq!(load(&*store, claim, &key).await.unsettled.len(), 1);
    store.settle(claim, &key, vec![mark(turn, 1, RowState::GivenUp)]).await;
    store.settle(claim, &key, vec![mark(turn, 0, sending()), mark(turn, 1, sending())]).await;
    assert!(load(&*store, claim, &key).await.unsettled.is_empty());
    let pages = ok(store.transcript(&key, None, 10).await);
    let states: Vec<_> = pages[0].rows.iter().map(|row| row.row.state.clone()).collect();
    assert_eq!(states, [sent("SM0"), RowState::GivenUp]);
}

/// Of an unknown turn, of an unknown part, or of a turn that is not answered yet.
pub async fn a_mark_for_an_unknown_row_changes_nothing(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let claim = claim(&*store, &key).await;
    let (turn, _) = answer(&*store, claim, &key, ("1", &[sending()])).await;
    let unread = accept(&*store, &key, "2").await;
    let before = load(&*store, claim, &key).await;
    let nobody = Sequence(unread.0 + 1_000);
    store
        .settle(claim, &key, vec![mark(turn, 9, sent("a")), mark(unread, 0, sent("b")), mark(nobody, 0, sent("c"))])
        .await;
    assert_eq!(shown(&load(&*store, claim, &key).await), shown(&before));
}

/// Whatever the doubt; the text is known to be with the provider.
pub async fn a_receipt_settles_a_doubtful_row(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let claim = claim(&*store, &key).await;
    let since = UnixMillis(1);
    let doubts = [sending(), RowState::Unknown { since }, RowState::Retry { at: since, tries: 1 }, sending()];
    let (turn, _) = answer(&*store, claim, &key, ("1", &doubts)).await;
    for part in 0..3 {
        assert!(ok(store.receipt(&key, &receipt(turn, part, DeliveryStatus::Queued), UnixMillis(9)).await));
    }
    assert_eq!(load(&*store, claim, &key).await.unsettled[0].0.id, OutboundId { turn, part: 3 });
    assert!(ok(store.receipt(&key, &receipt(turn, 3, DeliveryStatus::Failed), UnixMillis(9)).await));
    assert!(load(&*store, claim, &key).await.unsettled.is_empty());
    let pages = ok(store.transcript(&key, None, 10).await);
    assert!(pages[0].rows.iter().all(|row| row.row.state == sent("SM-receipt")));
    assert_eq!(pages[0].rows[3].delivery.as_ref().map(|delivery| delivery.status), Some(DeliveryStatus::Failed));
}

/// It would keep the text from being sent.
pub async fn a_receipt_does_not_settle_what_was_never_tried(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let claim = claim(&*store, &key).await;
    let (turn, _) = answer(&*store, claim, &key, ("1", &[RowState::Queued])).await;
    assert!(ok(store.receipt(&key, &receipt(turn, 0, DeliveryStatus::Sent), UnixMillis(9)).await));
    assert_eq!(states(&load(&*store, claim, &key).await), [RowState::Queued]);
}

/// Not the latest: receipts come in any order.
pub async fn the_highest_rank_of_a_receipt_wins(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let claim = claim(&*store, &key).await;
    let (turn, _) = answer(&*store, claim, &key, ("1", &[sent("SM1")])).await;
    for (at, status) in [
        (1, DeliveryStatus::Queued),
        (2, DeliveryStatus::Delivered),
        (3, DeliveryStatus::Sent),
        (4, DeliveryStatus::Undelivered),
    ] {
        assert!(ok(store.receipt(&key, &receipt(turn, 0, status), UnixMillis(at)).await));
    }
    let pages = ok(store.transcript(&key, None, 10).await);
    let delivery = pages[0].rows[0].delivery.clone();
    assert_eq!(
        delivery.map(|delivery| (delivery.status, delivery.at)),
        Some((DeliveryStatus::Delivered, UnixMillis(2)))
    );
    assert_eq!(pages[0].rows[0].row.state, sent("SM1"));
}

/// Another turn, another part, another conversation.
pub async fn a_receipt_for_an_unknown_text_is_told(site: &dyn Site) {
    let (store, key) = (open(site).await, key(1));
    let claim = claim(&*store, &key).await;
    let (turn, _) = answer(&*store, claim, &key, ("1", &[sending()])).await;
    let known = receipt(turn, 0, DeliveryStatus::Sent);
    let nobody = Sequence(turn.0 + 1_000);
    for (key, receipt) in [
        (&key, receipt(turn, 1, DeliveryStatus::Sent)),
        (&key, receipt(nobody, 0, DeliveryStatus::Sent)),
        (&super::key(2), known),
    ] {
        assert!(!ok(store.receipt(key, &receipt, UnixMillis(9)).await), "{receipt:?}");
    }
    assert_eq!(states(&load(&*store, claim, &key).await), [sending()]);
}
