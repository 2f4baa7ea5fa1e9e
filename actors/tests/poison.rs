//! Conversations that fail, and what becomes of the message that makes them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support {
    #![allow(dead_code, reason = "each test file uses its own part")]
    pub(crate) mod watched;
    pub(crate) mod world;
}

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use raconteur_conversation::words::{
    Arrival, DeliveryFailure, OutboundId, SendError, SendText, Sequence, Within, Work,
};
use raconteur_storage::{KvStore, Options, Step, Store};
use support::watched::{Watch, Watched};
use support::world::{Does, Takes, World, key};

const ADA: &str = "+15550111";
const BOB: &str = "+15550122";

/// A world whose store panics when the answer to a poisonous text is committed.
async fn trapped() -> World {
    let mut world = World::new();
    let watch = Arc::new(Watch::default());
    watch.poison_panics.store(true, Ordering::Relaxed);
    world.wrap = Box::new(move |store| Arc::new(Watched(store, Arc::clone(&watch))));
    world.start().await;
    world
}

/// A text that was with the assistant at three deaths of the process, and is asked for the fourth time.
async fn there_at_three_deaths(body: &str) -> World {
    let mut world = World::started().await;
    world.bot.does(|_| Does::NeverAnswers);
    world.inbound(ADA, body).await;
    for asks in 1..=3 {
        world.bot.was_asked(asks).await;
        world.crash().await;
        world.start().await;
    }
    world.bot.was_asked(4).await;
    world
}

#[tokio::test(start_paused = true)]
async fn a_message_that_makes_its_conversation_fail_is_set_aside_and_the_conversation_goes_on() {
    let mut world = trapped().await;
    world.inbound(ADA, "hi").await;
    world.expects(ADA, &["1: hi"]).await;
    world.inbound(ADA, "this is poison").await;
    world.inbound(ADA, "and after it").await;
    world.inbound(BOB, "hi").await;
    world.expects(BOB, &["1: hi"]).await;
    world.expects(ADA, &["1: hi", "sorry", "2: and after it"]).await;
    let letters = world.gateway().store().dead_letters(None, 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert!(letters[0].reason.contains("failed 3 times"), "{}", letters[0].reason);
    assert!(matches!(&letters[0].work, Some(Work::Message(message)) if message.body == "this is poison"));
    let asked = world.bot.asked().iter().filter(|(_, _, text)| text == "this is poison").count();
    assert_eq!(asked, 3);
}

#[tokio::test(start_paused = true)]
async fn a_receipt_that_makes_its_conversation_fail_is_set_aside_and_no_text_is_blamed_for_it() {
    let mut world = trapped().await;
    world.inbound(ADA, "hi").await;
    world.expects(ADA, &["1: hi"]).await;
    let outbound = OutboundId { turn: Sequence(1), part: 0 };
    let failure = DeliveryFailure { outbound, code: "1".into(), reason: "poison".into() };
    world.arrives(ADA, Work::DeliveryFailed(failure)).await;
    world.inbound(ADA, "innocent").await;
    world.expects(ADA, &["1: hi", "2: innocent"]).await;
    let letters = world.gateway().store().dead_letters(None, 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert!(matches!(letters[0].work, Some(Work::DeliveryFailed(_))));
}

#[tokio::test(start_paused = true)]
async fn attempts_are_remembered_across_a_clean_restart() {
    let mut world = trapped().await;
    world.inbound(ADA, "poison").await;
    world.bot.was_asked(2).await;
    world.drain(Duration::from_secs(1)).await;
    world.start().await;
    world.expects(ADA, &["sorry"]).await;
    let asked = world.bot.asked().len();
    assert!(asked <= 5, "{asked}");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_there_whenever_the_process_dies_runs_alone_and_is_then_convicted() {
    let mut world = there_at_three_deaths("killer").await;
    // It runs alone now, and the process dies three times more.
    for asks in 4..=6 {
        world.bot.was_asked(asks).await;
        assert!(world.gateway().store().dead_letters(None, 10).await.unwrap().is_empty());
        world.crash().await;
        if asks == 6 {
            world.bot.does(|_| Does::Says("fine".into()));
        }
        world.start().await;
    }
    world.expects(ADA, &["sorry"]).await;
    let letters = world.gateway().store().dead_letters(None, 10).await.unwrap();
    assert!(letters[0].reason.contains("alone"), "{}", letters[0].reason);
    world.inbound(ADA, "next").await;
    world.expects(ADA, &["sorry", "fine"]).await;
}

#[tokio::test(start_paused = true)]
async fn an_innocent_message_that_was_there_at_many_deaths_is_answered() {
    let world = there_at_three_deaths("innocent").await;
    world.bot.does(|question| Does::Says(question.input.text().to_owned()));
    world.expects(ADA, &["innocent"]).await;
    assert!(world.gateway().store().dead_letters(None, 10).await.unwrap().is_empty());
    assert_eq!(world.gateway().store().transcript(&key(ADA), None, 9).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_cannot_be_read_is_set_aside_whole_and_the_conversation_starts_empty() {
    let mut world = World::started().await;
    world.inbound(ADA, "hi").await;
    world.expects(ADA, &["1: hi"]).await;
    world.drain(Duration::from_secs(5)).await;
    let store = KvStore::open_in_task(world.engine.clone(), Options::default()).unwrap();
    let claim = store.claim(&[key(ADA).shard()]).await.unwrap()[0];
    let version = store.load(claim, &key(ADA), 9).await.unwrap().version;
    let step = Step { version, snapshot: Some(b"no snapshot".to_vec()), ..Step::default() };
    store.commit(claim, &key(ADA), step).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    world.start().await;
    world.inbound(ADA, "hello?").await;
    world.expects(ADA, &["1: hi", "1: hello?"]).await;
    let letters = world.gateway().store().dead_letters(None, 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].bytes.as_deref(), Some("6e6f20736e617073686f74"));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_ran_alone_in_a_process_that_stopped_in_good_order_is_not_to_blame_for_a_later_death() {
    let mut world = there_at_three_deaths("innocent").await;
    world.drain(Duration::from_secs(1)).await;
    world.start().await;
    world.bot.was_asked(5).await;
    world.crash().await;
    world.bot.does(|question| Does::Says(question.input.text().to_owned()));
    world.start().await;
    world.expects(ADA, &["innocent"]).await;
    assert!(world.gateway().store().dead_letters(None, 10).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_message_runs_alone_only_after_all_others_that_an_unclean_start_finds() {
    for (old, young) in [(ADA, BOB), (BOB, ADA)] {
        let mut world = World::started().await;
        world.bot.does(|_| Does::NeverAnswers);
        world.inbound(old, "old").await;
        for asks in 1..=3 {
            world.bot.was_asked(asks).await;
            if asks == 3 {
                world.inbound(young, "young").await;
                world.bot.was_asked(4).await;
            }
            world.crash().await;
            world.start().await;
        }
        world.bot.was_asked(5).await;
        world.advance(Duration::from_secs(5)).await;
        let asked = world.bot.asked();
        assert_eq!(asked.iter().skip(4).map(|(_, _, text)| text.as_str()).collect::<Vec<_>>(), ["young"], "{old}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_text_that_waits_for_room_in_the_outbox_is_not_blamed_for_deaths_and_holds_up_nobody() {
    let mut world = World::new();
    world.policy.outbox_max = 1;
    world.start().await;
    let down = || SendError::Retry { after: Some(Duration::from_secs(3_600)), reason: "down".into() };
    world.provider.does(move |_| Takes::Not(down()));
    world.inbound(ADA, "one").await;
    world.inbound(ADA, "two").await;
    world.inbound(BOB, "three").await;
    world.inbound(BOB, "four").await;
    world.bot.was_asked(2).await;
    world.advance(Duration::from_secs(5)).await;
    for _ in 0..6 {
        world.crash().await;
        world.start().await;
        world.advance(Duration::from_secs(5)).await;
    }
    world.provider.does(|_| Takes::It);
    world.advance(Duration::from_secs(2 * 3_600)).await;
    world.expects(ADA, &["1: one", "2: two"]).await;
    world.expects(BOB, &["1: three", "2: four"]).await;
    assert!(world.gateway().store().dead_letters(None, 10).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_conversation_that_fails_takes_its_question_back() {
    let mut world = trapped().await;
    world.lane.asks_max = 1;
    world.drain(Duration::from_secs(1)).await;
    world.start().await;
    world.bot.does(|question| match question.key.user.as_str() {
        ADA => Does::SaysAfter(Duration::from_secs(20), "slow".into()),
        _ => Does::Says("quick".into()),
    });
    world.inbound(ADA, "hi").await;
    world.bot.was_asked(1).await;
    let outbound = OutboundId { turn: Sequence(1), part: 0 };
    let failure = DeliveryFailure { outbound, code: "1".into(), reason: "poison".into() };
    let began = tokio::time::Instant::now();
    world.arrives(ADA, Work::DeliveryFailed(failure)).await;
    world.bot.was_asked(2).await;
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "its second question has waited for the first: {:?}",
        began.elapsed()
    );
    world.expects(ADA, &["slow"]).await;
}

#[tokio::test(start_paused = true)]
async fn two_requests_that_make_their_conversation_fail_are_both_set_aside() {
    let mut world = trapped().await;
    world.drain(Duration::from_secs(1)).await;
    world.start().await;
    let outbound = |turn| OutboundId { turn: Sequence(turn), part: 0 };
    for turn in [1, 2] {
        let failure = DeliveryFailure { outbound: outbound(turn), code: "1".into(), reason: "poison".into() };
        world.arrives(ADA, Work::DeliveryFailed(failure)).await;
    }
    world.inbound(ADA, "innocent").await;
    world.expects(ADA, &["1: innocent"]).await;
    let letters = world.gateway().store().dead_letters(None, 10).await.unwrap();
    assert_eq!(letters.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_is_not_blamed_for_a_poisonous_one_behind_it() {
    let mut world = trapped().await;
    world.bot.does(|_| Does::SaysAfter(Duration::from_secs(5), "late".into()));
    world.inbound(ADA, "hi").await;
    world.bot.was_asked(1).await;
    world.drain(Duration::from_secs(1)).await;
    world.start().await;
    let outbound = OutboundId { turn: Sequence(1), part: 0 };
    let failure = DeliveryFailure { outbound, code: "1".into(), reason: "poison".into() };
    let inbox = world.inbox();
    let arrivals = [Work::End, Work::DeliveryFailed(failure)].map(|work| {
        let id = format!("{work:?}");
        inbox.accept(Arrival::Work { key: key(ADA), id, work })
    });
    let taken = futures_util::future::join_all(arrivals).await;
    assert!(taken.iter().all(Result::is_ok), "{taken:?}");
    world.advance(Duration::from_secs(60)).await;
    let letters = world.gateway().store().dead_letters(None, 10).await.unwrap();
    let convicted: Vec<&Option<Work>> = letters.iter().map(|letter| &letter.work).collect();
    assert!(matches!(convicted[..], [Some(Work::DeliveryFailed(_))]), "{convicted:?}");
}

#[tokio::test(start_paused = true)]
async fn a_poisonous_text_of_ours_that_has_waited_for_room_is_set_aside() {
    let mut world = trapped().await;
    world.policy.outbox_max = 1;
    world.drain(Duration::from_secs(1)).await;
    world.start().await;
    let later = || SendError::Retry { after: Some(Duration::from_secs(60)), reason: "busy".into() };
    world.provider.does(move |_| Takes::Not(later()));
    world.inbound(ADA, "hi").await;
    world.bot.was_asked(1).await;
    let send = SendText { body: "poison".into(), media: Vec::new(), within: Within::Anywhere };
    world.arrives(ADA, Work::Send(send)).await;
    world.provider.does(|_| Takes::It);
    world.advance(Duration::from_secs(600)).await;
    world.inbound(ADA, "still there?").await;
    world.expects(ADA, &["1: hi", "2: still there?"]).await;
    let letters = world.gateway().store().dead_letters(None, 10).await.unwrap();
    assert!(matches!(letters.as_slice(), [letter] if matches!(letter.work, Some(Work::Send(_)))), "{letters:?}");
}
