//! Stories of texts that must not go at once, or not all of them: so that no provider takes them for a loop, nobody is asked more
//! than anybody can answer, and nobody is woken at night.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support {
    #![allow(dead_code, reason = "each test file uses its own part")]
    pub(crate) mod watched;
    pub(crate) mod world;
}

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use raconteur_actors::inbox::Refused;
use raconteur_actors::lane::LaneLimits;
use raconteur_conversation::policy::{FloodLimit, Gather, LoopGuard};
use raconteur_conversation::quiet::QuietHours;
use raconteur_conversation::words::{Question, SendError, SendText, Within, Work};
use support::watched::{Watch, Watched};
use support::world::{Does, Takes, World, text};
use tokio::time::Instant;

const ADA: &str = "+15550111";
const BOB: &str = "+15550122";

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn watched() -> (World, Arc<Watch>) {
    let mut world = World::new();
    let watch = Arc::new(Watch::default());
    let over = Arc::clone(&watch);
    world.wrap = Box::new(move |store| Arc::new(Watched(store, Arc::clone(&over))));
    (world, watch)
}

/// As Twilio counts: how long the longest run is in which each text follows within 30 seconds of the one before.
fn longest_streak(times: &[u64]) -> usize {
    let mut longest = 0;
    let mut streak = 0;
    for (index, at) in times.iter().enumerate() {
        let follows = index > 0 && at - times[index - 1] < 30;
        streak = if follows { streak + 1 } else { 1 };
        longest = longest.max(streak);
    }
    longest
}

/// A world whose provider takes more than 15 quick texts for a loop.
fn guarded(world: &World) {
    *world.provider.loop_guard.lock().unwrap() = Some(LoopGuard { texts: 15, within: seconds(30) });
}

fn news(number: usize) -> Work {
    Work::Send(SendText { body: format!("news {number}"), media: Vec::new(), within: Within::Anywhere })
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_many_parts_never_trips_the_providers_loop_guard_and_delays_nobody_else() {
    let (mut world, watch) = watched();
    guarded(&world);
    world.start().await;
    world.bot.does(|question| match question.input.text() {
        "long" => Does::Says("word ".repeat(320 * 40)),
        text => Does::Says(text.to_owned()),
    });
    let began = Instant::now();
    world.inbound(ADA, "long").await;
    world.bot.was_asked(1).await;
    world.inbound(BOB, "me too").await;
    world.expects(BOB, &["me too"]).await;
    assert!(began.elapsed() < seconds(1), "{:?}", began.elapsed());
    world.advance(seconds(10)).await;
    let loads = watch.loads();
    world.advance(seconds(20)).await;
    assert!(watch.loads() - loads <= 2, "{} loads while it waits", watch.loads() - loads);
    world.advance(seconds(120)).await;
    let texts = world.provider.seen_by(ADA);
    assert_eq!(texts.iter().map(|text| text.split_whitespace().count()).sum::<usize>(), 320 * 40);
    let times = world.provider.times(ADA, began);
    assert_eq!((longest_streak(&times), texts.len() > 30), (13, true), "{times:?}");
    assert!(began.elapsed() < seconds(200), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn restarts_are_no_way_around_the_loop_guard() {
    let mut world = World::new();
    guarded(&world);
    // All are committed before most of them leave: nothing but the texts themselves writes the count down.
    world.lane = LaneLimits { segments_per_second: Some(4.0), burst_segments: 1, ..LaneLimits::default() };
    world.start().await;
    let began = Instant::now();
    for number in 0..60 {
        world.arrives(ADA, news(number)).await;
    }
    for _ in 0..40 {
        world.advance(Duration::from_millis(1_400)).await;
        world.crash().await;
        world.start().await;
    }
    world.advance(seconds(600)).await;
    let expected: Vec<String> = (0..60).map(|number| format!("news {number}")).collect();
    assert_eq!(world.provider.seen_by(ADA), expected);
    let streak = longest_streak(&world.provider.times(ADA, began));
    assert!(streak <= 15, "{streak}");
}

/// As fast as he gets answers, a user texts again: a program that talks to ours.
#[tokio::test(start_paused = true)]
async fn two_programs_that_talk_to_each_other_are_slowed_down_and_nobody_else_is() {
    let (mut world, watch) = watched();
    world.policy.flood = Some(FloodLimit { turns: 10, within: seconds(100) });
    world.start().await;
    let began = Instant::now();
    let mut heard = Vec::new();
    for number in 1..=30 {
        world.inbound(ADA, "hello").await;
        if number == 15 {
            world.inbound(BOB, "me too").await;
            let asked = Instant::now();
            world.expects(BOB, &["1: me too"]).await;
            assert!(asked.elapsed() < seconds(1));
        }
        heard.push(format!("{number}: hello"));
        world.expects(ADA, &heard.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    assert_eq!(began.elapsed().as_secs(), 200);
    assert_eq!(world.provider.times(ADA, began)[9..12], [0, 10, 20]);
    let loads = watch.loads();
    assert!(loads < 150, "{loads} loads for 31 turns");
}

#[tokio::test(start_paused = true)]
async fn a_flood_waits_in_the_inbox_through_a_crash_and_beyond_inbox_max_the_provider_is_told() {
    let mut world = World::new();
    world.policy.flood = Some(FloodLimit { turns: 2, within: seconds(20) });
    world.start().await;
    let inbox = world.inbox();
    let (mut taken, mut refused) = (Vec::new(), 0);
    for number in 0..120 {
        match text(&inbox, ADA, &format!("text {number}"), &format!("SM{number}")).await {
            Ok(_) => taken.push(number),
            Err(Refused::Full(_)) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(refused > 0 && taken.len() >= 100, "{refused} refused of 120");
    world.advance(seconds(35)).await;
    world.crash().await;
    world.start().await;
    let expected: Vec<String> =
        taken.iter().enumerate().map(|(turn, number)| format!("{}: text {number}", turn + 1)).collect();
    world.expects(ADA, &expected.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(world.bot.asked().len(), taken.len());
}

#[tokio::test(start_paused = true)]
async fn a_text_that_waits_for_its_turn_is_not_blamed_for_deaths_of_the_process() {
    let mut world = World::new();
    world.policy.flood = Some(FloodLimit { turns: 1, within: seconds(100) });
    world.start().await;
    world.inbound(ADA, "one").await;
    world.expects(ADA, &["1: one"]).await;
    world.inbound(ADA, "two").await;
    for _ in 0..12 {
        world.advance(seconds(5)).await;
        world.crash().await;
        world.start().await;
    }
    world.expects(ADA, &["1: one", "2: two"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_has_enough_for_now_pauses_the_whole_number_and_loses_no_text() {
    let pauses = [
        (SendError::Pause { after: None, reason: "queue full".into() }, 60),
        (SendError::Pause { after: Some(seconds(7)), reason: "queue full".into() }, 7),
        (SendError::Retry { after: Some(seconds(9)), reason: "too many requests".into() }, 9),
        (SendError::Misconfigured { code: "20003".into(), reason: "bad token".into() }, 60),
    ];
    for (error, pause) in pauses {
        let mut world = World::started().await;
        let said = error.clone();
        let once = AtomicBool::new(true);
        world.provider.does(move |_| match once.swap(false, Ordering::Relaxed) {
            true => Takes::Not(said.clone()),
            false => Takes::It,
        });
        let began = Instant::now();
        world.inbound(ADA, "hi").await;
        world.bot.was_asked(1).await;
        world.advance(Duration::from_millis(100)).await;
        world.inbound(BOB, "me too").await;
        world.expects(BOB, &["1: me too"]).await;
        world.expects(ADA, &["1: hi"]).await;
        assert_eq!(world.provider.times(BOB, began), [pause], "{error}");
        assert!(world.provider.times(ADA, began)[0] >= pause, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_ordinary_turn_under_a_loop_guard_costs_no_further_commit() {
    let (mut world, watch) = watched();
    world.start().await;
    world.inbound(ADA, "hi").await;
    world.expects(ADA, &["1: hi"]).await;
    let without = watch.commits();
    let (mut world, watch) = watched();
    guarded(&world);
    world.start().await;
    world.inbound(ADA, "hi").await;
    world.expects(ADA, &["1: hi"]).await;
    assert_eq!(watch.commits(), without);
}

/// Virtual time begins at 22:13:20 UTC: so many seconds are left until 22:45. Nights are short here.
const UNTIL_MORNING: u64 = 1_900;

fn quiet(world: &mut World) {
    world.policy.quiet_hours = Some(QuietHours { from: 21 * 60, to: 22 * 60 + 45, offsets: Vec::new() });
}

#[tokio::test(start_paused = true)]
async fn a_text_that_is_requested_at_night_outlives_memory_and_process_and_goes_in_the_morning() {
    let (mut world, watch) = watched();
    quiet(&mut world);
    world.settings.idle_after = seconds(5);
    world.start().await;
    let began = Instant::now();
    world.arrives(ADA, news(1)).await;
    world.advance(seconds(500)).await;
    let loads = watch.loads();
    world.advance(seconds(500)).await;
    assert_eq!(watch.loads(), loads, "nobody looks at a text that rests");
    world.crash().await;
    world.start().await;
    world.advance(seconds(500)).await;
    world.drain(seconds(5)).await;
    world.start().await;
    world.expects(ADA, &["news 1"]).await;
    let went = world.provider.times(ADA, began)[0];
    assert!((UNTIL_MORNING..UNTIL_MORNING + 3).contains(&went), "{went}");
}

#[tokio::test(start_paused = true)]
async fn who_says_stop_at_night_gets_nothing_in_the_morning() {
    let mut world = World::new();
    quiet(&mut world);
    world.start().await;
    world.arrives(ADA, news(1)).await;
    world.advance(seconds(60)).await;
    world.crash().await;
    world.start().await;
    world.inbound(ADA, "STOP").await;
    let stopped = ["You are unsubscribed and get no more texts from us. Reply START to get them again."];
    world.expects(ADA, &stopped).await;
    world.advance(seconds(UNTIL_MORNING + 60)).await;
    world.expects(ADA, &stopped).await;
}

#[tokio::test(start_paused = true)]
async fn who_texts_at_night_is_answered_at_once_behind_what_waited_for_him_also_after_a_crash() {
    let mut world = World::new();
    quiet(&mut world);
    world.start().await;
    let began = Instant::now();
    world.arrives(ADA, news(1)).await;
    world.arrives(BOB, news(2)).await;
    world.advance(seconds(60)).await;
    world.crash().await;
    world.start().await;
    world.inbound(ADA, "hi").await;
    world.expects(ADA, &["news 1", "1: hi"]).await;
    assert!(began.elapsed() < seconds(70), "{:?}", began.elapsed());
    world.arrives(ADA, news(3)).await;
    world.advance(seconds(500)).await;
    world.expects(ADA, &["news 1", "1: hi"]).await;
    world.expects(BOB, &["news 2"]).await;
    world.expects(ADA, &["news 1", "1: hi", "news 3"]).await;
}

fn gathering(world: &mut World) {
    world.policy.gather = Some(Gather { pause: seconds(2), at_most: seconds(10) });
}

fn bodies_asked(world: &World) -> Vec<String> {
    world.bot.asked().into_iter().map(|(_, _, body)| body).collect()
}

#[tokio::test(start_paused = true)]
async fn texts_that_come_one_upon_the_other_get_one_answer_and_the_sweep_does_not_shorten_the_wait() {
    let (mut world, watch) = watched();
    gathering(&mut world);
    world.settings.idle_after = seconds(1);
    world.settings.sweep_every = Duration::from_millis(100);
    world.start().await;
    let began = Instant::now();
    world.inbound(ADA, "one").await;
    world.advance(Duration::from_millis(1_500)).await;
    world.inbound(ADA, "two").await;
    world.advance(Duration::from_millis(1_500)).await;
    let (loads, commits) = (watch.loads(), watch.commits());
    assert!(loads < 6, "{loads} loads");
    assert_eq!(commits, 0);
    world.expects(ADA, &["1: one\ntwo"]).await;
    assert_eq!(world.provider.times(ADA, began), [3]);
    assert_eq!(watch.commits(), 1);
    let page = world.transcript(ADA).await;
    let texts: Vec<_> = page.iter().map(|turn| (turn.rows.len(), turn.answered_with, turn.error.is_none())).collect();
    assert_eq!(texts, [(1, None, true), (0, Some(page[0].sequence), true)]);
}

#[tokio::test(start_paused = true)]
async fn a_crash_while_texts_are_gathered_loses_neither_them_nor_the_wait() {
    let mut world = World::new();
    gathering(&mut world);
    world.start().await;
    let began = Instant::now();
    world.inbound(ADA, "one").await;
    world.advance(Duration::from_millis(1_500)).await;
    world.inbound(ADA, "two").await;
    world.advance(Duration::from_millis(700)).await;
    world.crash().await;
    world.start().await;
    world.advance(Duration::from_millis(300)).await;
    world.inbound(ADA, "three").await;
    world.expects(ADA, &["1: one\ntwo\nthree"]).await;
    let went = began.elapsed();
    assert!(went >= Duration::from_millis(4_500) && went < seconds(6), "{went:?}");
}

#[tokio::test(start_paused = true)]
async fn a_crash_in_a_gathered_turn_answers_every_text_once_however_they_are_taken_then() {
    let mut world = World::new();
    gathering(&mut world);
    world.start().await;
    world.bot.does(|_| Does::NeverAnswers);
    for body in ["one", "two", "three"] {
        world.inbound(ADA, body).await;
    }
    world.bot.was_asked(1).await;
    world.crash().await;
    world.bot.does(|question| Does::Says(format!("{{n}}: {}", question.input.text())));
    world.start().await;
    world.expects(ADA, &["1: one", "2: two\nthree"]).await;
    assert_eq!(bodies_asked(&world), ["one\ntwo\nthree", "one", "two\nthree"]);
    world.inbound(ADA, "four").await;
    world.expects(ADA, &["1: one", "2: two\nthree", "3: four"]).await;
}

/// The innocent are taken apart from it, whichever of them it is.
#[tokio::test(start_paused = true)]
async fn a_poisonous_text_is_convicted_alone_whatever_it_was_gathered_with() {
    for (position, expected) in [
        (0, vec!["sorry", "1: text 1\ntext 2"]),
        (1, vec!["1: text 0", "sorry", "2: text 2"]),
        (2, vec!["1: text 0", "2: text 1", "sorry"]),
    ] {
        for attempts in [1, 2, 3] {
            let (mut world, watch) = watched();
            watch.poison_panics.store(true, Ordering::Relaxed);
            gathering(&mut world);
            world.policy.poison_attempts = attempts;
            world.start().await;
            for number in 0..3 {
                let body = if number == position { "poison".to_owned() } else { format!("text {number}") };
                world.inbound(ADA, &body).await;
            }
            world.expects(ADA, &expected).await;
        }
    }
}

/// Answers, unless the text that kills is among those that are asked about.
fn deadly(question: &Question) -> Does {
    match question.input.text() {
        text if text.contains("poison") => Does::NeverAnswers,
        text => Does::Says(format!("{{n}}: {text}")),
    }
}

/// Dies whenever the text that kills is asked about.
async fn live_and_die(world: &mut World, lives: usize) {
    for _ in 0..lives {
        world.advance(seconds(20)).await;
        if bodies_asked(world).last().is_some_and(|body| body.contains("poison")) {
            world.crash().await;
            world.start().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_text_that_kills_the_process_is_convicted_alone_whatever_it_was_gathered_with() {
    let mut world = World::new();
    gathering(&mut world);
    world.bot.does(deadly);
    world.start().await;
    for body in ["text 0", "poison", "text 2"] {
        world.inbound(ADA, body).await;
    }
    live_and_die(&mut world, 20).await;
    world.expects(ADA, &["1: text 0", "sorry", "2: text 2"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_suspect_that_runs_alone_runs_without_what_it_could_be_gathered_with() {
    let mut world = World::new();
    gathering(&mut world);
    world.bot.does(|_| Does::NeverAnswers);
    world.start().await;
    for body in ["text 0", "poison", "text 2"] {
        world.inbound(ADA, body).await;
    }
    // The process is killed for reasons of its own, until the first text is suspected.
    for _ in 0..3 {
        world.advance(seconds(20)).await;
        world.crash().await;
        world.start().await;
    }
    world.crash().await;
    world.bot.does(deadly);
    world.start().await;
    live_and_die(&mut world, 20).await;
    world.expects(ADA, &["1: text 0", "sorry", "2: text 2"]).await;
}
