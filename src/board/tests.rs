//! The board as a whole: what happens goes in, what an operator sees comes out.

use std::sync::atomic::{AtomicU64, Ordering};

use raconteur_conversation::effect::{Consumed, Notice};
use raconteur_conversation::words::{
    InboundMessage, OutboundId, ProviderId, RowState, Sequence, Token, Work, WorkRecord,
};

use super::*;

const START: u64 = 1_700_000_000_000;

struct Hands(AtomicU64);

impl Clock for Hands {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::Relaxed))
    }

    fn seed(&self) -> u128 {
        0
    }
}

fn board() -> (Board, Arc<Hands>) {
    let hands = Arc::new(Hands(AtomicU64::new(START)));
    (Board::new(Arc::clone(&hands) as Arc<dyn Clock>), hands)
}

fn key(user: u32) -> ConversationKey {
    let number = |text: &str| Address::parse(text).unwrap();
    ConversationKey { tenant: number("+15550100"), user: number(&format!("+1555{user:07}")) }
}

fn text() -> Work {
    Work::Message(InboundMessage { body: "hi".into(), ..InboundMessage::default() })
}

fn answered(took: u64, error: Option<&str>) -> Consumed {
    let (sequence, accepted_at) = (Sequence(8), UnixMillis(1_000));
    let record = WorkRecord { sequence, accepted_at, seed: 0, attempts: 0, alone: false, work: text() };
    let (session, answered_with, rows) = (None, None, Vec::new());
    let answered_at = UnixMillis(1_000 + took);
    let error = error.map(str::to_owned);
    Consumed { record, session, asked_at: None, commands: Vec::new(), answered_at, asks: 1, error, answered_with, rows }
}

#[test]
fn rates_and_latencies_are_counted_by_step() {
    let (board, hands) = board();
    board.observe(&key(1), &Event::Accepted(Sequence(8), &text()));
    board.observe(&key(1), &Event::Accepted(Sequence(16), &Work::End));
    for took in [10, 10, 10, 4_000] {
        board.observe(&key(1), &Event::Answered(&answered(took, None)));
    }
    hands.0.store(START + 25_000, Ordering::Relaxed);
    board.observe(&key(1), &Event::Answered(&answered(1, Some("down"))));
    let series = board.series();
    assert_eq!((series.step_s, series.at_ms.len()), (10, 3));
    assert_eq!((series.received, series.answered, series.turns_failed), (vec![1, 0, 0], vec![4, 0, 0], vec![0, 0, 1]));
    let near = |found: Option<u32>, wanted: u32| found.is_some_and(|found| found.abs_diff(wanted) * 8 <= wanted);
    assert!(near(series.turn_p50_ms[0], 10), "{:?}", series.turn_p50_ms);
    assert!(near(series.turn_p99_ms[0], 4_000), "{:?}", series.turn_p99_ms);
    assert_eq!(series.turn_p95_ms[1], None);
    let totals = Totals { received: 1, answered: 4, turns_failed: 1, ..Totals::default() };
    assert_eq!(board.totals(), totals);
}

#[test]
fn only_the_last_hour_is_shown_however_long_it_was_quiet() {
    let (board, hands) = board();
    board.observe(&key(1), &Event::Accepted(Sequence(8), &text()));
    hands.0.store(START + 86_400_000, Ordering::Relaxed);
    let series = board.series();
    assert_eq!((series.at_ms.len(), series.received.iter().sum::<u32>()), (360, 0));
    hands.0.store(START - 86_400_000, Ordering::Relaxed);
    assert_eq!(board.series().at_ms.len(), 1, "a clock that went back shows one step");
}

#[test]
fn whoever_was_heard_of_last_comes_first_and_what_is_remembered_is_bounded() {
    let (board, _) = board();
    for user in (0..2_200).chain([1_300]) {
        board.observe(&key(user), &Event::Accepted(Sequence(8), &text()));
    }
    let latest: Vec<ConversationKey> = board.recents(3, |_| true).into_iter().map(|(key, _)| key).collect();
    assert_eq!(latest, [key(1_300), key(2_199), key(2_198)]);
    assert_eq!(board.recents(5_000, |_| true).len(), 1_000);
    assert_eq!((board.heard_of(&key(0)), board.heard_of(&key(1_300))), (None, Some(UnixMillis(START))));
    assert_eq!(board.recents(3, |found| *found == key(1_400))[0].0, key(1_400));
    assert_eq!(board.recents(3, |found| *found == key(1_100)), [], "a thousand were heard of behind it");
}

#[test]
fn the_health_of_an_assistant_and_a_provider_is_told_by_their_last_outcomes() {
    let (board, _) = board();
    let (id, token) = (OutboundId { turn: Sequence(8), part: 0 }, Token { turn: Sequence(8), attempt: 1 });
    board.observe(&key(1), &Event::Answered(&answered(10, None)));
    board.observe(&key(1), &Event::Noted(&Notice::AskAgain { token, reason: "503".into() }));
    board.observe(&key(1), &Event::Settled(id, &RowState::Sent { provider_id: ProviderId("SM".into()) }));
    let Wellness { assistant, provider } = board.wellness(&key(1).tenant);
    assert_eq!((assistant.ok, assistant.failed, assistant.failed_in_a_row), (1, 1, 1));
    assert_eq!(assistant.last_failure.as_deref(), Some("503"));
    assert_eq!((provider.ok, provider.failed), (1, 0));
    board.observe(&key(1), &Event::Answered(&answered(10, None)));
    assert_eq!(board.wellness(&key(1).tenant).assistant.failed_in_a_row, 0);
    assert_eq!(board.wellness(&key(1).user), Wellness::default());
}

async fn numbers(listener: &mut Listener, count: usize) -> Vec<Option<u64>> {
    let mut heard = Vec::new();
    for _ in 0..count {
        heard.push(match listener.next().await.unwrap() {
            Heard::Posted(posted) => Some(posted.id.number),
            Heard::Gap => None,
        });
    }
    heard
}

#[tokio::test]
async fn a_listener_hears_what_follows_and_one_who_comes_back_what_he_has_missed() {
    let (board, _) = board();
    let say = || board.observe(&key(1), &Event::Accepted(Sequence(8), &text()));
    say();
    let mut listener = board.listen(None).unwrap();
    say();
    say();
    assert_eq!(numbers(&mut listener, 2).await, [Some(2), Some(3)]);
    let id = |number| EventId { began: UnixMillis(START), number };
    let mut back = board.listen(Some(id(1))).unwrap();
    say();
    assert_eq!(numbers(&mut back, 3).await, [Some(2), Some(3), Some(4)]);
    assert_eq!("1700000000000-4".parse(), Ok(id(4)));
    assert_eq!("4".parse::<EventId>(), Err(()));
}

#[tokio::test]
async fn whoever_has_missed_what_is_forgotten_is_told_that_there_is_a_gap() {
    let (board, _) = board();
    let say = || board.observe(&key(1), &Event::Accepted(Sequence(8), &text()));
    let mut slow = board.listen(None).unwrap();
    (0..3_000).for_each(|_| say());
    assert_eq!(numbers(&mut slow, 2).await, [None, Some(953)]);
    for (began, number) in [(START, 5), (START, 9_000), (START - 1, 2_900)] {
        let mut late = board.listen(Some(EventId { began: UnixMillis(began), number })).unwrap();
        say();
        assert_eq!(numbers(&mut late, 1).await, [None], "{began}-{number}");
    }
    let listeners: Vec<Listener> = std::iter::from_fn(|| board.listen(None)).take(100).collect();
    assert_eq!(listeners.len(), 63, "one is listening already, and there is an end to it");
}

#[test]
fn an_event_says_what_and_whose_and_nothing_that_was_said() {
    let (board, _) = board();
    let mut listener = board.listen(None).unwrap();
    board.observe(&key(1), &Event::Accepted(Sequence(8), &text()));
    let heard = futures_util::FutureExt::now_or_never(listener.next()).flatten();
    let Some(Heard::Posted(posted)) = heard else { panic!("nothing was heard") };
    let shown = serde_json::to_value(&*posted).unwrap();
    let expected = serde_json::json!({
        "id": "1700000000000-1", "type": "text.received", "at_ms": START, "tenant": "+15550100", "user": "+15550000001",
        "data": {"turn": "8"},
    });
    assert_eq!(shown, expected);
}

#[test]
fn every_kind_of_event_is_listed() {
    let noted = [Notice::OptedIn, Notice::CannotSwitch, Notice::Erased { sequence: Sequence(8) }];
    let kinds = noted.iter().filter_map(|notice| Happening::of(&Event::Noted(notice))).map(|happening| happening.kind);
    for kind in kinds.chain([Happening::of(&Event::Accepted(Sequence(8), &text())).unwrap().kind]) {
        assert!(Happening::KINDS.contains(&kind), "{kind}");
    }
}

#[tokio::test]
async fn who_is_erased_is_forgotten_and_numbers_go_on() {
    let (board, _) = board();
    let said = |user: u32| board.observe(&key(user), &Event::Accepted(Sequence(8), &text()));
    said(1);
    said(2);
    said(1);
    board.observe(&key(1), &Event::Noted(&Notice::Erased { sequence: Sequence(16) }));
    let recents: Vec<ConversationKey> = board.recents(9, |_| true).into_iter().map(|(key, _)| key).collect();
    assert_eq!(recents, [key(2)]);
    let mut back = board.listen(Some(EventId { began: UnixMillis(START), number: 0 })).unwrap();
    assert_eq!(
        numbers(&mut back, 2).await,
        [Some(2), Some(4)],
        "all that is left is another's, and that it was erased"
    );
}
