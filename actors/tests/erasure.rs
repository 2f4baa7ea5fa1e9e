//! Stories of erasures: during a turn, during a send, with a text that waits for another attempt, across crashes; and what comes after.
//! In virtual time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support {
    #![allow(dead_code, reason = "each test file uses its own part")]
    pub(crate) mod world;
}

use std::ops::ControlFlow;
use std::time::Duration;

use raconteur_actors::control::Request;
use raconteur_actors::inbox::Outcome;
use raconteur_conversation::words::{SendError, Work};
use raconteur_storage::engine::{Engine, Order};
use support::world::{Does, Takes, World, key, text};

const ADA: &str = "+15550111";
const BOB: &str = "+15550122";

fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

async fn erase(world: &World, user: &str) {
    let request = Request { key: key(user), id: None, content: 0, work: Work::Erase };
    world.gateway().control().request(request).await.unwrap();
}

async fn turns(world: &World, user: &str) -> usize {
    world.gateway().store().transcript(&key(user), None, 100).await.unwrap().len()
}

/// How many keys of the disk have a word in them, or in their value.
fn traces(world: &World, word: &str) -> usize {
    let holds = |bytes: &[u8]| bytes.windows(word.len()).any(|window| window == word.as_bytes());
    let mut found = 0;
    let all = Vec::new()..vec![u8::MAX];
    world
        .engine
        .scan(&all, Order::Ascending, &mut |key, value| {
            found += usize::from(holds(key) || holds(value));
            ControlFlow::Continue(())
        })
        .unwrap();
    found
}

#[tokio::test(start_paused = true)]
async fn what_was_erased_leaves_no_trace_however_long_one_waits_and_others_keep_theirs() {
    let mut world = World::new();
    world.policy.session_timeout = minutes(2);
    world.start().await;
    for user in [ADA, BOB] {
        world.inbound(user, "xylophone").await;
        world.expects(user, &["1: xylophone"]).await;
    }
    erase(&world, ADA).await;
    world.advance(minutes(1)).await;
    assert_eq!((turns(&world, ADA).await, turns(&world, BOB).await), (0, 1));
    world.ends(1).await;
    // Past every deadline that was armed for it: none of them writes its name down again.
    world.advance(minutes(4)).await;
    assert_eq!(traces(&world, ADA), 0);
    assert!(traces(&world, BOB) > 0);
    world.crash().await;
    world.start().await;
    world.advance(minutes(5)).await;
    assert_eq!(traces(&world, ADA), 0);
}

#[tokio::test(start_paused = true)]
async fn an_erasure_during_a_turn_cancels_it_and_its_late_answer_is_dropped() {
    let mut world = World::started().await;
    world.bot.does(|question| match question.input.text() {
        "slow" => Does::SaysAfter(Duration::from_secs(20), "too late".into()),
        _ => Does::Says("{n}".into()),
    });
    world.inbound(ADA, "slow").await;
    world.bot.was_asked(1).await;
    world.inbound(ADA, "waits").await;
    erase(&world, ADA).await;
    world.advance(minutes(5)).await;
    assert!(world.provider.seen_by(ADA).is_empty());
    assert_eq!(world.bot.asked().len(), 1, "what waited is not asked");
    assert_eq!(traces(&world, ADA), 0);
}

#[tokio::test(start_paused = true)]
async fn a_text_that_is_being_sent_goes_its_way_and_is_neither_looked_up_nor_sent_again() {
    let mut world = World::started().await;
    world.provider.does(|_| Takes::ItAndNeverAnswers);
    world.inbound(ADA, "hi").await;
    world.expects(ADA, &["1: hi"]).await;
    erase(&world, ADA).await;
    world.provider.does(|_| Takes::It);
    world.advance(minutes(12)).await;
    world.expects(ADA, &["1: hi"]).await;
    assert_eq!(traces(&world, ADA), 0);
    world.inbound(ADA, "again").await;
    world.expects(ADA, &["1: hi", "1: again"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_text_that_waits_for_another_attempt_is_not_sent_any_more() {
    let mut world = World::started().await;
    world.provider.does(|_| Takes::Not(SendError::Retry { after: None, reason: "later".into() }));
    world.inbound(ADA, "hi").await;
    world.advance(minutes(1)).await;
    assert_eq!(turns(&world, ADA).await, 1);
    erase(&world, ADA).await;
    world.advance(Duration::from_secs(1)).await;
    world.provider.does(|_| Takes::It);
    world.advance(minutes(10)).await;
    assert!(world.provider.seen_by(ADA).is_empty());
    assert_eq!(traces(&world, ADA), 0);
}

#[tokio::test(start_paused = true)]
async fn an_erasure_that_was_taken_happens_after_a_crash_and_one_that_has_happened_stays() {
    for happens_first in [false, true] {
        let mut world = World::new();
        // What is hidden is not deleted before the crash.
        world.settings.sweep_every = minutes(600);
        world.start().await;
        world.inbound(ADA, "xylophone").await;
        world.expects(ADA, &["1: xylophone"]).await;
        world.bot.does(|_| Does::NeverAnswers);
        world.inbound(ADA, "unanswered").await;
        world.bot.was_asked(2).await;
        erase(&world, ADA).await;
        if happens_first {
            world.advance(Duration::from_secs(1)).await;
            assert_eq!(turns(&world, ADA).await, 0);
            assert!(traces(&world, "xylophone") > 0, "it is only hidden yet");
        }
        world.crash().await;
        world.bot.does(|_| Does::Says("{n}".into()));
        world.settings.sweep_every = Duration::from_secs(1);
        world.start().await;
        world.advance(minutes(5)).await;
        assert_eq!((turns(&world, ADA).await, traces(&world, ADA), traces(&world, "xylophone")), (0, 0, 0));
        assert_eq!(world.bot.asked().len(), 2, "nothing that was erased is asked");
        world.inbound(ADA, "new").await;
        world.expects(ADA, &["1: xylophone", "1"]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_text_after_an_erasure_begins_an_empty_conversation() {
    let mut world = World::started().await;
    world.inbound(ADA, "hi").await;
    world.inbound(ADA, "more").await;
    world.expects(ADA, &["1: hi", "2: more"]).await;
    erase(&world, ADA).await;
    world.inbound(ADA, "hi").await;
    world.expects(ADA, &["1: hi", "2: more", "1: hi"]).await;
    world.advance(minutes(1)).await;
    assert_eq!(turns(&world, ADA).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_text_that_was_erased_makes_no_new_turn() {
    let mut world = World::started().await;
    text(&world.inbox(), ADA, "hi", "SM1").await.unwrap();
    world.expects(ADA, &["1: hi"]).await;
    erase(&world, ADA).await;
    world.advance(minutes(1)).await;
    for _ in 0..2 {
        assert!(matches!(text(&world.inbox(), ADA, "hi", "SM1").await.unwrap(), Outcome::Duplicate(_)));
        world.crash().await;
        world.start().await;
    }
    world.advance(minutes(5)).await;
    world.expects(ADA, &["1: hi"]).await;
    assert_eq!(traces(&world, ADA), 0);
}

#[tokio::test(start_paused = true)]
async fn who_has_stopped_our_texts_stays_so_after_an_erasure_until_he_wants_them_again() {
    let mut world = World::new();
    world.settings.remember_duplicates = minutes(1);
    world.start().await;
    world.inbound(ADA, "STOP").await;
    let stopped = "You are unsubscribed and get no more texts from us. Reply START to get them again.";
    world.expects(ADA, &[stopped]).await;
    erase(&world, ADA).await;
    world.advance(minutes(3)).await;
    assert_eq!(traces(&world, ADA), 0);
    assert!(world.gateway().control().has_stopped(&key(ADA)).await.unwrap());
    world.crash().await;
    world.start().await;
    world.inbound(ADA, "hm").await;
    world.advance(minutes(1)).await;
    world.expects(ADA, &[stopped]).await;
    world.inbound(ADA, "START").await;
    world.inbound(ADA, "hi").await;
    let started = "You are subscribed again. Reply STOP to get no more texts.";
    world.expects(ADA, &[stopped, started, "1: hi"]).await;
    erase(&world, ADA).await;
    world.advance(minutes(1)).await;
    assert!(!world.gateway().control().has_stopped(&key(ADA)).await.unwrap());
}
