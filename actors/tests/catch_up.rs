//! Stories of texts that came while nobody took them: the provider has logged them, and each is answered once.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support {
    #![allow(dead_code, reason = "each test file uses its own part")]
    pub(crate) mod world;
}

use std::sync::{Arc, Mutex};
use std::time::Duration;

use raconteur_actors::inbox::{Outcome, Refused};
use raconteur_actors::port::{CaughtUp, Event, Incident, Observer, Reading, TurnedAway};
use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::words::Media;
use raconteur_storage::Limit;
use support::world::received::Fails;
use support::world::{Does, World, counts, text};

const ADA: &str = "+15550111";
const BOB: &str = "+15550122";

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Echoes without counting.
fn echoes(world: &World) {
    world.bot.does(|question| Does::Says(question.input.text().to_owned()));
}

/// A world whose provider logs what users send, after a first life in which all went well.
async fn in_its_second_life() -> World {
    let mut world = World::new();
    echoes(&world);
    world.provider.log(|_| {});
    world.start().await;
    world.offered(ADA, "first").await.unwrap();
    world.expects(ADA, &["first"]).await;
    world.advance(seconds(600)).await;
    world.crash().await;
    world
}

fn reads(world: &World) -> usize {
    world.provider.log(|log| log.reads.len())
}

#[tokio::test(start_paused = true)]
async fn texts_that_came_while_nobody_was_there_are_answered_once_and_in_order() {
    let mut world = in_its_second_life().await;
    for body in ["one", "two", "three"] {
        world.logged(ADA, body);
        world.advance(seconds(3)).await;
    }
    world.logged(BOB, "me too");
    world.start().await;
    world.expects(ADA, &["first", "one", "two", "three"]).await;
    world.expects(BOB, &["me too"]).await;
    for _ in 0..2 {
        world.crash().await;
        world.start().await;
        world.advance(seconds(300)).await;
    }
    assert_eq!(counts(&world.provider).values().sum::<usize>(), 5, "nothing was answered twice");
}

#[tokio::test(start_paused = true)]
async fn at_its_very_first_start_a_store_knows_nothing_of_what_was_before() {
    let mut world = World::new();
    world.logged(ADA, "for somebody else");
    world.advance(seconds(1)).await;
    world.start().await;
    world.advance(seconds(600)).await;
    assert_eq!(reads(&world), 0);
    world.crash().await;
    world.start().await;
    world.advance(seconds(10)).await;
    assert!(reads(&world) > 0, "from then on it does, though it was killed before it took anything");
    assert!(world.bot.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_number_that_is_new_knows_nothing_of_what_was_before() {
    let mut world = in_its_second_life().await;
    world.logged(ADA, "while it was another's");
    world.number = "+15550999".into();
    world.start().await;
    world.advance(seconds(600)).await;
    assert_eq!(reads(&world), 0);
}

#[tokio::test(start_paused = true)]
async fn a_text_that_is_offered_again_while_it_is_fetched_makes_one_turn() {
    for fetched_first in [false, true] {
        let mut world = in_its_second_life().await;
        let id = world.logged(ADA, "hi");
        world.start().await;
        let inbox = world.inbox();
        if fetched_first {
            world.expects(ADA, &["first", "hi"]).await;
        }
        let offered = text(&inbox, ADA, "hi", &id).await.unwrap();
        assert_eq!(matches!(offered, Outcome::Duplicate(_)), fetched_first);
        world.expects(ADA, &["first", "hi"]).await;
        world.advance(seconds(600)).await;
        assert_eq!(world.bot.asked().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn texts_for_a_full_inbox_are_fetched_when_it_has_room_again_and_nobody_else_waits() {
    let mut world = World::new();
    world.provider.log(|_| {});
    world.options.inbox_max = 2;
    world.bot.does(|question| match question.key.user.as_str() {
        ADA => Does::SaysAfter(seconds(20), question.input.text().to_owned()),
        _ => Does::Says(question.input.text().to_owned()),
    });
    world.start().await;
    for body in ["1", "2"] {
        world.offered(ADA, body).await.unwrap();
    }
    for body in ["3", "4", "5"] {
        let refused = world.offered(ADA, body).await;
        assert_eq!(refused, Err(Refused::Full(Limit::Inbox)));
        world.advance(seconds(1)).await;
    }
    world.logged(BOB, "unheard of");
    let began = tokio::time::Instant::now();
    world.expects(BOB, &["unheard of"]).await;
    assert!(began.elapsed() < seconds(10), "{:?}", began.elapsed());
    world.expects(ADA, &["1", "2", "3", "4", "5"]).await;
    world.advance(seconds(600)).await;
    let before = reads(&world);
    world.advance(seconds(600)).await;
    assert_eq!(reads(&world), before, "nothing is missing any more");
    assert_eq!(world.provider.seen_by(ADA).len(), 5);
}

#[tokio::test(start_paused = true)]
async fn the_log_is_not_read_while_there_is_no_room_for_anybody() {
    let mut world = World::new();
    world.provider.log(|_| {});
    world.options.backlog_max = 10;
    world.bot.does(|question| Does::SaysAfter(seconds(25), question.input.text().to_owned()));
    world.start().await;
    for n in 0..10 {
        world.offered(&format!("+155502{n:02}"), "hi").await.unwrap();
    }
    assert_eq!(world.offered(ADA, "late").await, Err(Refused::Full(Limit::Backlog)));
    world.advance(seconds(24)).await;
    assert_eq!(reads(&world), 0);
    world.bot.does(|question| Does::Says(question.input.text().to_owned()));
    world.expects(ADA, &["late"]).await;
    assert!(reads(&world) < 3, "{}", reads(&world));
}

#[tokio::test(start_paused = true)]
async fn refusals_without_end_have_the_log_read_now_and_then_and_not_each_time() {
    let mut world = World::new();
    world.provider.log(|_| {});
    world.start().await;
    for _ in 0..600 {
        world.inbox().turned_away(TurnedAway::Requests);
        world.advance(seconds(1)).await;
    }
    assert!((5..=12).contains(&reads(&world)), "{} in ten minutes", reads(&world));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_cannot_be_read_is_tried_again_less_and_less_often_until_it_can() {
    for fails in [Fails::Plainly, Fails::Panicking] {
        let mut world = in_its_second_life().await;
        world.logged(ADA, "hi");
        world.provider.log(|log| log.fails = Some(fails));
        world.start().await;
        world.advance(seconds(1_200)).await;
        assert!((6..=12).contains(&reads(&world)), "{}", reads(&world));
        world.provider.log(|log| log.fails = None);
        world.expects(ADA, &["first", "hi"]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_that_never_answers_stops_nothing_else() {
    let mut world = in_its_second_life().await;
    world.logged(ADA, "hi");
    world.provider.log(|log| log.fails = Some(Fails::Hanging));
    world.start().await;
    world.offered(BOB, "hello").await.unwrap();
    world.expects(BOB, &["hello"]).await;
    world.provider.log(|log| log.fails = None);
    world.expects(ADA, &["first", "hi"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_asks_for_a_pause_gets_it() {
    let mut world = in_its_second_life().await;
    world.logged(ADA, "hi");
    world.provider.log(|log| log.fails = Some(Fails::AskingFor(seconds(1_000))));
    world.start().await;
    world.advance(seconds(1)).await;
    assert_eq!(reads(&world), 1);
    world.provider.log(|log| log.fails = None);
    world.advance(seconds(990)).await;
    assert_eq!(reads(&world), 1);
    world.expects(ADA, &["first", "hi"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_log_without_support_is_asked_once() {
    let mut world = in_its_second_life().await;
    world.provider.log(|log| log.fails = Some(Fails::Unsupported));
    world.start().await;
    world.inbox().turned_away(TurnedAway::Requests);
    world.advance(seconds(600)).await;
    assert_eq!(reads(&world), 1);
}

#[tokio::test(start_paused = true)]
async fn a_long_log_is_fed_oldest_first_with_few_of_its_pages_in_memory() {
    let mut world = in_its_second_life().await;
    world.options.inbox_max = 1_000;
    world.settings.unread_max = 1_000;
    world.policy.flood = None;
    let bodies: Vec<String> = (0..100).map(|n| format!("text {n}")).collect();
    for body in &bodies {
        world.logged(ADA, body);
        world.advance(Duration::from_millis(700)).await;
    }
    world.provider.log(|log| log.page = 4);
    world.start().await;
    let expected: Vec<&str> = std::iter::once("first").chain(bodies.iter().map(String::as_str)).collect();
    world.expects(ADA, &expected).await;
    let pages = world.provider.log(|log| log.reads.iter().map(|(_, page, _)| *page).collect::<Vec<_>>());
    let twice = pages.iter().filter(|page| pages.iter().filter(|other| other == page).count() == 2).count() / 2;
    assert_eq!((pages.len() - twice, twice), (26, 18), "all but the oldest eight were read once more: {pages:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_in_one_life_is_fetched_in_the_next_however_long_ago_it_was() {
    let mut world = World::new();
    echoes(&world);
    world.options.inbox_max = 1;
    world.provider.log(|log| log.fails = Some(Fails::Plainly));
    world.start().await;
    world.bot.does(|_| Does::SaysAfter(seconds(15), "slow".into()));
    world.offered(ADA, "one").await.unwrap();
    world.advance(seconds(1)).await;
    assert_eq!(world.offered(ADA, "two").await, Err(Refused::Full(Limit::Inbox)));
    echoes(&world);
    world.expects(ADA, &["slow"]).await;
    // Others are heard meanwhile, and what is known of Ada's number rides with them.
    for _ in 0..20 {
        world.offered(BOB, "hi").await.unwrap();
        world.advance(seconds(60)).await;
    }
    world.crash().await;
    world.provider.log(|log| log.fails = None);
    world.start().await;
    world.expects(ADA, &["slow", "two"]).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_fetched_that_could_have_been_answered_and_forgotten() {
    let mut world = in_its_second_life().await;
    world.logged(ADA, "too long ago");
    world.advance(seconds(71 * 3_600 + 60)).await;
    world.logged(ADA, "not so long ago");
    world.start().await;
    world.expects(ADA, &["first", "not so long ago"]).await;
    let since = world.provider.log(|log| log.reads[0].0);
    let back = world.now().since(since);
    assert!(back <= seconds(71 * 3_600 + 60), "{back:?}");
}

#[tokio::test(start_paused = true)]
async fn a_text_that_is_too_old_to_be_answered_gets_the_usual_apology() {
    let mut world = in_its_second_life().await;
    world.logged(ADA, "hello?");
    world.advance(seconds(13 * 3_600)).await;
    world.logged(BOB, "hi");
    world.start().await;
    world.expects(BOB, &["hi"]).await;
    world.expects(ADA, &["first", "sorry"]).await;
    assert!(world.bot.asked().iter().all(|(_, _, text)| text != "hello?"));
}

#[tokio::test(start_paused = true)]
async fn a_stop_among_them_is_obeyed() {
    let mut world = in_its_second_life().await;
    world.logged(ADA, "one");
    world.advance(seconds(2)).await;
    world.logged(ADA, "STOP");
    world.bot.does(|question| Does::SaysAfter(seconds(5), question.input.text().to_owned()));
    world.start().await;
    world.advance(seconds(60)).await;
    assert!(world.provider.seen_by(ADA).iter().all(|body| body != "one"), "{:?}", world.provider.seen_by(ADA));
    assert!(world.gateway().control().has_stopped(&support::world::key(ADA)).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn media_are_asked_for_only_where_a_text_is_missing() {
    let mut world = in_its_second_life().await;
    let medium = Media { url: "https://media.example/1".into(), content_type: "image/png".into() };
    world.provider.log(|log| log.media = Some(vec![medium.clone()]));
    let id = world.logged(ADA, "look");
    world.provider.log(|log| log.texts.iter_mut().for_each(|text| text.unlisted_media = 1));
    world.start().await;
    world.expects(ADA, &["first", "look"]).await;
    assert_eq!(world.provider.log(|log| log.media_asked.clone()), [id]);
    let turns = world.gateway().store().transcript(&support::world::key(ADA), None, 1).await.unwrap();
    assert!(format!("{:?}", turns[0].work).contains("https://media.example/1"), "{turns:?}");
}

#[tokio::test(start_paused = true)]
async fn a_text_whose_media_cannot_be_read_yet_holds_back_its_own_conversation_and_nobody_else() {
    let mut world = in_its_second_life().await;
    world.logged(ADA, "look");
    world.provider.log(|log| log.texts.last_mut().unwrap().unlisted_media = 1);
    world.logged(ADA, "did you see?");
    world.logged(BOB, "hi");
    world.start().await;
    world.expects(BOB, &["hi"]).await;
    world.advance(seconds(60)).await;
    assert_eq!(world.provider.seen_by(ADA), ["first"]);
    world.provider.log(|log| log.media = Some(Vec::new()));
    world.expects(ADA, &["first", "look", "did you see?"]).await;
}

#[tokio::test(start_paused = true)]
async fn the_log_is_read_once_more_some_time_after_a_start_and_then_no_more() {
    let mut world = in_its_second_life().await;
    world.start().await;
    world.advance(seconds(30)).await;
    world.logged(ADA, "what a load balancer turned away");
    world.expects(ADA, &["first", "what a load balancer turned away"]).await;
    world.advance(seconds(600)).await;
    assert_eq!(reads(&world), 2);
}

/// Writes incidents down.
#[derive(Default)]
struct Witness(Mutex<Vec<Incident>>);

impl Observer for Witness {
    fn observe(&self, _key: &ConversationKey, _event: &Event<'_>) {}

    fn observe_incident(&self, incident: &Incident) {
        self.0.lock().unwrap().push(*incident);
    }
}

#[tokio::test(start_paused = true)]
async fn observers_are_told_what_was_turned_away_and_what_was_caught_up() {
    let mut world = in_its_second_life().await;
    world.logged(ADA, "hi");
    let witness = Arc::new(Witness::default());
    let observer = Arc::clone(&witness);
    world.parts = Box::new(move |builder| builder.observer(Arc::clone(&observer) as Arc<dyn Observer>));
    world.options.inbox_max = 1;
    world.start().await;
    world.expects(ADA, &["first", "hi"]).await;
    world.bot.does(|_| Does::NeverAnswers);
    world.offered(ADA, "one").await.unwrap();
    world.offered(ADA, "two").await.unwrap_err();
    let told = witness.0.lock().unwrap().clone();
    let caught_up = CaughtUp { taken: 1, known: 1, left: 0, outcome: Reading::Complete };
    assert_eq!(told, [Incident::CaughtUp(caught_up), Incident::TurnedAway(TurnedAway::Inbox)]);
}
