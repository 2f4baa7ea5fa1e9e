//! What is counted of what happens, and how it is shown.

use raconteur_conversation::address::Address;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{
    AskError, DeliveryStatus, EndReason, InboundMessage, OutboundId, OutboundRow, ProviderId, Receipt, RowState,
    SendError, Sequence, SessionEnd, WorkRecord,
};
use uuid::Uuid;

use super::*;

fn key() -> ConversationKey {
    let number = |text| Address::parse(text).unwrap();
    ConversationKey { tenant: number("+15550100"), user: number("+15550199") }
}

fn consumed(work: Work, asks: u32, error: Option<&str>) -> Consumed {
    let (sequence, accepted_at) = (Sequence(8), UnixMillis(1_000));
    let record = WorkRecord { sequence, accepted_at, seed: 0, attempts: 0, alone: false, work };
    let error = error.map(str::to_owned);
    Consumed {
        record,
        session: None,
        asked_at: None,
        commands: Vec::new(),
        answered_at: UnixMillis(1_700),
        asks,
        error,
        answered_with: None,
        rows: Vec::new(),
    }
}

fn text() -> Work {
    Work::Message(InboundMessage { body: "hi".into(), ..InboundMessage::default() })
}

fn has(metrics: &Metrics, line: &str) {
    let shown = metrics.exposition();
    assert!(shown.lines().any(|shown| shown == line), "{line} is missing in\n{shown}");
}

#[test]
fn every_series_is_there_before_anything_happens() {
    let metrics = Metrics::new();
    has(&metrics, "raconteur_turns_total{outcome=\"failed\"} 0");
    has(&metrics, "raconteur_texts_total{state=\"given_up\"} 0");
    has(&metrics, "raconteur_sessions_ended_total{reason=\"terminated\"} 0");
    has(&metrics, "raconteur_notices_total{kind=\"unknown_command\"} 0");
    has(&metrics, "raconteur_report_events_dropped_total{reason=\"spool_full\"} 0");
    has(&metrics, "raconteur_conversations{place=\"memory\"} 0");
    has(&metrics, "raconteur_turn_seconds_count 0");
}

#[test]
fn turns_are_counted_by_their_outcome_and_timed_where_somebody_was_asked() {
    let metrics = Metrics::new();
    let row = OutboundRow {
        id: OutboundId { turn: Sequence(8), part: 0 },
        body: "sorry".into(),
        media: Vec::new(),
        expires_at: UnixMillis(9),
        unasked: false,
        state: RowState::Queued,
    };
    let too_old = Consumed { rows: vec![row], ..consumed(text(), 0, Some("too old")) };
    let turns = [
        consumed(text(), 1, None),
        consumed(text(), 2, Some("down")),
        too_old,
        consumed(text(), 0, Some("no session")),
        consumed(Work::End, 0, None),
    ];
    for turn in &turns {
        metrics.observe(&key(), &Event::Answered(turn));
    }
    has(&metrics, "raconteur_turns_total{outcome=\"answered\"} 1");
    has(&metrics, "raconteur_turns_total{outcome=\"failed\"} 2");
    has(&metrics, "raconteur_turns_total{outcome=\"dropped\"} 1");
    has(&metrics, "raconteur_turn_seconds_count 2");
    has(&metrics, "raconteur_turn_seconds_bucket{le=\"0.5\"} 0");
    has(&metrics, "raconteur_turn_seconds_bucket{le=\"1\"} 2");
}

#[test]
fn texts_sessions_notices_and_losses_are_counted_by_their_kind() {
    let metrics = Metrics::new();
    let id = OutboundId { turn: Sequence(8), part: 0 };
    let states = [RowState::Sent { provider_id: ProviderId("SM1".into()) }, RowState::GivenUp, RowState::Queued];
    for state in &states {
        metrics.observe(&key(), &Event::Settled(id, state));
    }
    let end = SessionEnd { key: key(), session: Uuid::nil(), reason: EndReason::Timeout, state: None };
    metrics.observe(&key(), &Event::SessionEnded(&end));
    metrics.observe(&key(), &Event::Noted(&Notice::CannotSwitch));
    metrics.losses().refused.inc_by(3);
    has(&metrics, "raconteur_texts_total{state=\"sent\"} 1");
    has(&metrics, "raconteur_texts_total{state=\"failed\"} 0");
    has(&metrics, "raconteur_texts_total{state=\"given_up\"} 1");
    has(&metrics, "raconteur_sessions_ended_total{reason=\"timeout\"} 1");
    has(&metrics, "raconteur_notices_total{kind=\"cannot_switch\"} 1");
    has(&metrics, "raconteur_report_events_dropped_total{reason=\"refused\"} 3");
}

#[test]
fn what_is_turned_away_and_what_is_found_in_a_log_is_counted() {
    let metrics = Metrics::new();
    has(&metrics, "raconteur_turned_away_total{reason=\"too_slow\"} 0");
    metrics.observe_incident(&Incident::TurnedAway(TurnedAway::Backlog));
    let found = CaughtUp { taken: 2, known: 5, left: 1, outcome: Reading::Partial };
    metrics.observe_incident(&Incident::CaughtUp(found));
    has(&metrics, "raconteur_turned_away_total{reason=\"backlog\"} 1");
    has(&metrics, "raconteur_catch_ups_total{outcome=\"partial\"} 1");
    has(&metrics, "raconteur_catch_ups_total{outcome=\"complete\"} 0");
    for (outcome, texts) in [("taken", 2), ("known", 5), ("left", 1)] {
        has(&metrics, &format!("raconteur_caught_up_texts_total{{outcome=\"{outcome}\"}} {texts}"));
    }
}

#[test]
fn no_number_and_no_name_is_a_label() {
    let metrics = Metrics::new();
    let notice = Notice::UnknownCommand { name: "callAda".into() };
    metrics.observe(&key(), &Event::Noted(&notice));
    metrics.observe(&key(), &Event::Answered(&consumed(text(), 1, None)));
    let shown = metrics.exposition();
    assert!(!shown.contains("callAda") && !shown.contains("5550"), "{shown}");
}

#[test]
fn calls_are_counted_by_what_came_of_them_and_timed() {
    let metrics = Metrics::new();
    let down = AskError::Unavailable { after: None, reason: "down".into() };
    let lost = SendError::Unknown { reason: "reset".into() };
    let took = Duration::from_millis(20);
    for what in [
        Timed::Ask(Ok(())),
        Timed::Ask(Err(&down)),
        Timed::Ask(Err(&AskError::Timeout(took))),
        Timed::Send(Ok(())),
        Timed::Send(Err(&lost)),
        Timed::Send(Err(&SendError::OptedOut)),
        Timed::Commit,
        Timed::Request(200),
        Timed::Request(204),
        Timed::Request(403),
        Timed::Request(503),
    ] {
        metrics.observe_time(what, took);
    }
    for outcome in ["answered", "unavailable", "timeout"] {
        has(&metrics, &format!("raconteur_asks_total{{outcome=\"{outcome}\"}} 1"));
    }
    for outcome in ["sent", "unknown", "opted_out"] {
        has(&metrics, &format!("raconteur_sends_total{{outcome=\"{outcome}\"}} 1"));
    }
    has(&metrics, "raconteur_ask_seconds_bucket{le=\"0.05\"} 3");
    has(&metrics, "raconteur_send_seconds_bucket{le=\"0.01\"} 0");
    has(&metrics, "raconteur_send_seconds_bucket{le=\"0.025\"} 3");
    has(&metrics, "raconteur_commit_seconds_count 1");
    for (class, count) in [("2xx", 2), ("4xx", 1), ("5xx", 1)] {
        has(&metrics, &format!("raconteur_webhook_seconds_count{{status=\"{class}\"}} {count}"));
    }
}

#[test]
fn what_comes_in_what_arrives_and_what_is_set_aside_is_counted() {
    let metrics = Metrics::new();
    let receipt = Receipt {
        outbound: OutboundId { turn: Sequence(8), part: 0 },
        provider_id: ProviderId("SM1".into()),
        status: DeliveryStatus::Delivered,
        code: String::new(),
        reason: String::new(),
    };
    metrics.observe(&key(), &Event::Accepted(Sequence(8), &text()));
    metrics.observe(&key(), &Event::Accepted(Sequence(16), &Work::End));
    metrics.observe(&key(), &Event::Receipt(&receipt));
    metrics.observe_incident(&Incident::SetAside);
    has(&metrics, "raconteur_texts_received_total 1");
    has(&metrics, "raconteur_receipts_total{status=\"delivered\"} 1");
    has(&metrics, "raconteur_receipts_total{status=\"undelivered\"} 0");
    has(&metrics, "raconteur_dead_letters_total 1");
}

#[test]
fn what_is_asked_for_at_a_scrape_is_there_before_there_is_anybody_to_ask() {
    let metrics = Metrics::new();
    has(&metrics, &format!("raconteur_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")));
    has(&metrics, "raconteur_conversations{place=\"line\"} 0");
    has(&metrics, "raconteur_calls_under_way{kind=\"send\"} 0");
    has(&metrics, "raconteur_store_sync_seconds_bucket{le=\"0.0001\"} 0");
    has(&metrics, "raconteur_store_sync_seconds_bucket{le=\"0.25\"} 0");
    has(&metrics, "raconteur_trace_spans_total{outcome=\"exported\"} 0");
    let shown = metrics.exposition();
    assert!(!shown.contains("\nraconteur_store_free_bytes "), "how much is free is not known yet");
    let spans = Spans::default();
    metrics.watch_spans(&spans);
    spans.queue_full.inc_by(2);
    has(&metrics, "raconteur_trace_spans_total{outcome=\"queue_full\"} 2");
}
