//! Stories of more texters than there is room for: what is bounded stays so, what is refused comes back, and all of it recovers by
//! itself.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support {
    #![allow(dead_code, reason = "each test file uses its own part")]
    pub(crate) mod world;
}

use std::sync::{Arc, Mutex};
use std::time::Duration;

use raconteur_actors::inbox::Refused;
use raconteur_storage::Limit;
use support::world::{Does, World, counts};
use tokio::time::Instant;

const ASKS: usize = 20;
const RESIDENTS: usize = 60;
const BACKLOG: usize = 200;

fn texter(n: usize) -> String {
    format!("+1555{n:07}")
}

/// A gateway with little room, whose assistant takes two seconds for each answer; and when it was asked.
async fn narrow() -> (World, Arc<Mutex<Vec<Instant>>>) {
    let mut world = World::new();
    world.provider.log(|_| {});
    world.lane.asks_max = ASKS;
    world.settings.max_resident = RESIDENTS;
    world.options.backlog_max = BACKLOG;
    world.settings.catch_up_after = Duration::from_secs(2);
    let asked = Arc::<Mutex<Vec<Instant>>>::default();
    let ledger = Arc::clone(&asked);
    world.bot.does(move |question| {
        ledger.lock().unwrap().push(Instant::now());
        Does::SaysAfter(Duration::from_secs(2), question.input.text().to_owned())
    });
    world.start().await;
    (world, asked)
}

/// The most questions that were with the assistant at once.
fn most_at_once(asked: &[Instant]) -> usize {
    let open_at = |now: &Instant| {
        asked.iter().filter(|began| *began <= now && now.duration_since(**began) < Duration::from_secs(2)).count()
    };
    asked.iter().map(open_at).max().unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn a_thousand_texters_of_a_slow_assistant_take_no_more_than_their_room_and_all_are_answered_in_the_end() {
    let (mut world, asked) = narrow().await;
    let mut refused = 0;
    for n in 0..1_000 {
        match world.offered(&texter(n), "hi").await {
            Ok(_) => {}
            Err(Refused::Full(Limit::Backlog)) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
        assert!(world.gateway().residents() <= RESIDENTS);
        if n % 100 == 0 {
            world.advance(Duration::from_millis(10)).await;
        }
    }
    assert!((500..=1_000 - BACKLOG).contains(&refused), "{refused} were refused");
    for _ in 0..10_000 {
        if counts(&world.provider).len() == 1_000 {
            break;
        }
        assert!(world.gateway().residents() <= RESIDENTS);
        world.advance(Duration::from_millis(500)).await;
    }
    let counts = counts(&world.provider);
    assert_eq!((counts.len(), counts.values().max()), (1_000, Some(&1)), "each of them once");
    assert_eq!(most_at_once(&asked.lock().unwrap()), ASKS);
    let began = Instant::now();
    world.offered(&texter(7), "again").await.unwrap();
    world.expects(&texter(7), &["hi", "again"]).await;
    assert!(began.elapsed() < Duration::from_secs(3), "it has recovered: {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_assistant_that_never_answers_holds_no_more_than_its_room_and_the_rest_waits_on_disk() {
    let (mut world, _) = narrow().await;
    world.bot.does(|_| Does::NeverAnswers);
    for n in 0..BACKLOG {
        world.offered(&texter(n), "hi").await.unwrap();
    }
    world.advance(Duration::from_secs(10)).await;
    assert_eq!(world.gateway().residents(), RESIDENTS);
    assert_eq!(world.bot.asked().len(), ASKS, "the others wait for one of these");
    let page = world.gateway().store().work(world.now(), None, 10_000).await.unwrap();
    assert_eq!(page.keys.len(), BACKLOG, "nothing is lost");
}
