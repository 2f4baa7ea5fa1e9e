//! Stories of retention: what is old and settled goes by itself, what is needed stays. In virtual time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support {
    #![allow(dead_code, reason = "each test file uses its own part")]
    pub(crate) mod world;
}

use std::ops::ControlFlow;
use std::time::Duration;

use raconteur_conversation::words::SendError;
use raconteur_storage::engine::{Engine, Order};
use support::world::{Takes, World, key, text};

const ADA: &str = "+15550111";
const BOB: &str = "+15550122";
const CAROL: &str = "+15550133";

fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

/// A world that keeps turns for ten minutes.
async fn world() -> World {
    let mut world = World::new();
    world.policy.session_timeout = minutes(1);
    world.policy.transcripts_kept = Some(minutes(10));
    world.policy.send.valid_for = minutes(10);
    world.settings.expire_every = Duration::from_secs(30);
    world.start().await;
    world
}

async fn turns(world: &World, user: &str) -> usize {
    world.gateway().store().transcript(&key(user), None, 100).await.unwrap().len()
}

/// How many keys of the disk have a number in them, or in their value.
fn traces(world: &World, number: &str) -> usize {
    let holds = |bytes: &[u8]| bytes.windows(number.len()).any(|window| window == number.as_bytes());
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
async fn old_turns_go_by_themselves_and_with_the_last_the_conversation() {
    let mut world = world().await;
    world.inbound(ADA, "hi").await;
    world.expects(ADA, &["1: hi"]).await;
    world.advance(minutes(6)).await;
    world.inbound(BOB, "hi").await;
    world.inbound(ADA, "again").await;
    world.expects(ADA, &["1: hi", "1: again"]).await;
    assert_eq!(turns(&world, ADA).await, 2);
    world.advance(minutes(6)).await;
    assert_eq!((turns(&world, ADA).await, turns(&world, BOB).await), (1, 1));
    // A process that begins in between goes on.
    world.crash().await;
    world.start().await;
    world.advance(minutes(6)).await;
    assert_eq!((traces(&world, ADA), traces(&world, BOB)), (0, 0));
    world.inbound(ADA, "new").await;
    world.expects(ADA, &["1: hi", "1: again", "1: new"]).await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_to_be_sent_and_who_has_stopped_our_texts_is_not_forgotten() {
    let mut world = world().await;
    world.inbound(CAROL, "STOP").await;
    // A text that may go out for hours; then the rule is that none may be older than ten minutes.
    world.crash().await;
    world.policy.send.valid_for = minutes(240);
    world.start().await;
    world.provider.does(|_| Takes::Not(SendError::Retry { after: None, reason: "later".into() }));
    world.inbound(ADA, "hi").await;
    world.advance(minutes(1)).await;
    world.crash().await;
    world.policy.send.valid_for = minutes(10);
    world.start().await;
    world.advance(minutes(20)).await;
    assert_eq!((turns(&world, ADA).await, world.provider.seen_by(ADA).len()), (1, 0));
    world.provider.does(|_| Takes::It);
    world.expects(ADA, &["1: hi"]).await;
    world.advance(minutes(3)).await;
    assert_eq!((turns(&world, ADA).await, turns(&world, CAROL).await, traces(&world, ADA)), (0, 0, 0));
    assert!(world.gateway().control().has_stopped(&key(CAROL)).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_turn_is_kept_as_long_as_its_texts_may_be_on_their_way_whatever_the_rule() {
    let mut world = World::new();
    world.policy.transcripts_kept = Some(minutes(1));
    world.policy.send.valid_for = minutes(8);
    world.settings.expire_every = Duration::from_secs(30);
    world.start().await;
    world.inbound(ADA, "hi").await;
    world.expects(ADA, &["1: hi"]).await;
    world.advance(minutes(7)).await;
    assert_eq!(turns(&world, ADA).await, 1);
    world.advance(minutes(3)).await;
    assert_eq!(turns(&world, ADA).await, 0);
}

#[tokio::test(start_paused = true)]
async fn without_a_rule_everything_is_kept() {
    let mut world = World::new();
    world.settings.expire_every = Duration::from_secs(30);
    world.start().await;
    world.inbound(ADA, "hi").await;
    world.advance(minutes(15)).await;
    assert_eq!(turns(&world, ADA).await, 1);
}

/// How many of these texts' ids are known.
async fn known(world: &World, texts: usize) -> usize {
    let (store, tenant) = (world.gateway().store(), key(ADA).tenant);
    let mut found = 0;
    for number in 0..texts {
        found += usize::from(store.is_known(&tenant, &format!("SM{number}")).await.unwrap());
    }
    found
}

#[tokio::test(start_paused = true)]
async fn marks_are_forgotten_faster_than_texts_come() {
    let mut world = World::new();
    world.settings.remember_duplicates = minutes(1);
    world.start().await;
    let many = 1_500;
    for number in 0..many {
        let user = format!("+1555{:07}", number % 500);
        text(&world.inbox(), &user, "hi", &format!("SM{number}")).await.unwrap();
    }
    world.advance(Duration::from_secs(50)).await;
    assert_eq!(known(&world, many).await, many);
    world.advance(Duration::from_secs(12)).await;
    assert_eq!(known(&world, many).await, 0);
}
