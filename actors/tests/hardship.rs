//! Stories of what goes on where nobody looks: work that repeats itself, waits for ever, or begins when it should not.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support {
    #![allow(dead_code, reason = "each test file uses its own part")]
    pub(crate) mod watched;
    pub(crate) mod world;
}

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use raconteur_conversation::policy::TimeoutTurn;
use raconteur_conversation::words::{Repeat, SendError};
use support::watched::{Watch, Watched};
use support::world::{Does, Takes, World, text};

const ADA: &str = "+15550111";
const BOB: &str = "+15550122";

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A world that does not run yet, and the watch over its store.
fn watched() -> (World, Arc<Watch>) {
    let mut world = World::new();
    let watch = Arc::new(Watch::default());
    let over = Arc::clone(&watch);
    world.wrap = Box::new(move |store| Arc::new(Watched(store, Arc::clone(&over))));
    (world, watch)
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_outlasts_its_session_is_answered_and_costs_no_more_than_another() {
    let (mut world, watch) = watched();
    world.policy.session_timeout = seconds(60);
    world.start().await;
    world.inbound(ADA, "hi").await;
    world.expects(ADA, &["1: hi"]).await;
    world.advance(seconds(50)).await;
    world.bot.does(|_| Does::SaysAfter(seconds(20), "{n}: at last".into()));
    let before = watch.commits();
    world.inbound(ADA, "slow").await;
    world.expects(ADA, &["1: hi", "2: at last"]).await;
    assert!(watch.commits() - before < 10, "{}", watch.commits() - before);
}

#[tokio::test(start_paused = true)]
async fn a_text_that_waits_beyond_its_session_for_room_in_the_outbox_does_not_stop_the_retries_that_make_room() {
    let (mut world, _watch) = watched();
    world.policy.session_timeout = seconds(60);
    world.policy.outbox_max = 1;
    world.start().await;
    let down = |_: &_| Takes::Not(SendError::Retry { after: Some(seconds(70)), reason: "down".into() });
    world.provider.does(down);
    world.inbound(ADA, "one").await;
    world.bot.was_asked(1).await;
    world.inbound(ADA, "two").await;
    world.advance(seconds(65)).await;
    world.provider.does(|_| Takes::It);
    let began = tokio::time::Instant::now();
    world.expects(ADA, &["1: one", "2: two"]).await;
    assert!(began.elapsed() < seconds(10), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_session_that_has_ended_wakes_its_conversation_no_more() {
    let (mut world, watch) = watched();
    world.start().await;
    world.inbound(ADA, "hi").await;
    world.expects(ADA, &["1: hi"]).await;
    world.ends(1).await;
    world.advance(seconds(600)).await;
    let before = watch.loads();
    world.advance(seconds(1_800)).await;
    assert_eq!(watch.loads(), before);
}

#[tokio::test(start_paused = true)]
async fn a_doubtful_text_that_is_not_worth_sending_any_more_does_not_stop_those_behind_it() {
    let mut world = World::new();
    *world.provider.repeat.lock().unwrap() = Repeat::Safe;
    world.start().await;
    world.provider.does(|_| Takes::ItAndNeverAnswers);
    world.inbound(ADA, "hi").await;
    world.expects(ADA, &["1: hi"]).await;
    world.crash().await;
    world.provider.does(|_| Takes::It);
    world.advance(seconds(5 * 3_600)).await;
    world.start().await;
    world.inbound(ADA, "more").await;
    world.advance(seconds(60)).await;
    assert_eq!(world.provider.seen_by(ADA), ["1: hi", "1: more"]);
}

#[tokio::test(start_paused = true)]
async fn a_text_that_is_still_being_accepted_when_a_drain_begins_is_left_for_the_next_start() {
    let (mut world, watch) = watched();
    world.start().await;
    world.bot.does(|question| Does::SaysAfter(seconds(3), question.input.text().to_owned()));
    world.inbound(ADA, "one").await;
    world.bot.was_asked(1).await;
    watch.accept_takes_ms.store(1_000, Ordering::Relaxed);
    let inbox = world.inbox();
    let late = tokio::spawn(async move { text(&inbox, BOB, "late", "SM9").await });
    tokio::task::yield_now().await;
    world.drain(seconds(30)).await;
    late.await.unwrap().unwrap();
    assert_eq!(world.bot.asked().len(), 1, "{:?}", world.bot.asked());
    world.start().await;
    world.expects(BOB, &["late"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_long_inbox_is_worked_off_without_a_pause() {
    let mut world = World::new();
    world.settings.unread_max = 3;
    world.start().await;
    world.bot.does(|question| Does::SaysAfter(seconds(1), question.input.text().to_owned()));
    let bodies: Vec<String> = (0..10).map(|n| format!("text {n}")).collect();
    for body in &bodies {
        world.inbound(ADA, body).await;
    }
    let began = tokio::time::Instant::now();
    let expected: Vec<&str> = bodies.iter().map(String::as_str).collect();
    world.expects(ADA, &expected).await;
    assert!(began.elapsed() < seconds(15), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn texts_for_a_number_that_is_no_longer_configured_rest_in_the_store() {
    let (mut world, watch) = watched();
    world.start().await;
    world.bot.does(|_| Does::NeverAnswers);
    world.inbound(ADA, "hi").await;
    world.bot.was_asked(1).await;
    world.drain(seconds(1)).await;
    world.number = "+15550999".into();
    world.start().await;
    world.advance(seconds(10)).await;
    let before = watch.loads();
    world.advance(seconds(600)).await;
    assert_eq!(watch.loads(), before);
}

#[tokio::test(start_paused = true)]
async fn a_lost_wheel_ends_the_gateway() {
    let (mut world, watch) = watched();
    world.start().await;
    watch.deadlines_panic.store(true, Ordering::Relaxed);
    let ended = tokio::time::timeout(seconds(120), world.gateway().wait()).await;
    assert!(matches!(ended, Ok(Err(_))), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_that_waits_for_room_in_the_outbox_does_not_stop_a_retry_that_is_far_off() {
    let (mut world, _watch) = watched();
    world.policy.session_timeout = seconds(60);
    world.policy.timeout_turn = TimeoutTurn::Yes;
    world.policy.outbox_max = 1;
    world.start().await;
    let down = |_: &_| Takes::Not(SendError::Retry { after: Some(seconds(1_200)), reason: "down".into() });
    world.provider.does(down);
    world.inbound(ADA, "hi").await;
    world.bot.was_asked(1).await;
    world.advance(seconds(300)).await;
    world.provider.does(|_| Takes::It);
    let began = tokio::time::Instant::now();
    world.expects(ADA, &["1: hi"]).await;
    assert!(began.elapsed() < seconds(1_500), "{:?}", began.elapsed());
    world.ends(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_conversation_that_is_overtaken_again_and_again_is_loaded_ever_more_rarely_and_blames_no_text() {
    let (mut world, watch) = watched();
    world.start().await;
    watch.commits_are_stale.store(true, Ordering::Relaxed);
    world.inbound(ADA, "hi").await;
    world.advance(seconds(60)).await;
    let loads = watch.loads();
    assert!((5..40).contains(&loads), "{loads}");
    watch.commits_are_stale.store(false, Ordering::Relaxed);
    world.advance(seconds(60)).await;
    world.expects(ADA, &["1: hi"]).await;
    assert!(world.gateway().store().dead_letters(None, 10).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_ordinary_text_of_a_conversation_in_memory_needs_no_look_into_the_store() {
    let (mut world, watch) = watched();
    world.start().await;
    world.inbound(ADA, "one").await;
    world.expects(ADA, &["1: one"]).await;
    let before = watch.loads();
    world.inbound(ADA, "two").await;
    world.expects(ADA, &["1: one", "2: two"]).await;
    assert_eq!(watch.loads(), before);
    world.bot.does(|_| Does::SaysAfter(seconds(2), "{n}: late".into()));
    let many = ["three", "four", "five"];
    for said in many {
        world.inbound(ADA, said).await;
    }
    world.expects(ADA, &["1: one", "2: two", "3: late", "4: late", "5: late"]).await;
    assert_eq!(watch.loads(), before, "nor do those that come during a turn");
}
