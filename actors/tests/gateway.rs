//! Stories of a whole gateway in virtual time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support {
    #![allow(dead_code, reason = "each test file uses its own part")]
    pub(crate) mod world;
}

use std::time::Duration;

use raconteur_actors::inbox::{Outcome, Refused};
use raconteur_conversation::words::{
    Answer, Arrival, AskError, DeliveryStatus, Item, OutboundId, ProviderId, Receipt, Repeat, RowState, SendError,
    Sequence, StartSession, Work,
};
use support::world::{Does, Takes, World, counts, key, text};

const ADA: &str = "+15550111";
const BOB: &str = "+15550122";

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[tokio::test(start_paused = true)]
async fn a_text_goes_in_and_an_answer_comes_out() {
    let mut world = World::started().await;
    world.inbound(ADA, "hi").await;
    world.expects(ADA, &["1: hi"]).await;
    world.inbound(ADA, "again").await;
    world.expects(ADA, &["1: hi", "2: again"]).await;
}

#[tokio::test(start_paused = true)]
async fn the_same_text_five_times_makes_one_turn_and_one_answer() {
    let mut world = World::started().await;
    let inbox = world.inbox();
    let at_once = (0..3).map(|_| text(&inbox, ADA, "hi", "SM1"));
    let outcomes = futures_util::future::join_all(at_once).await;
    let fresh = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Outcome::Accepted(_)))).count();
    assert_eq!(fresh, 1);
    world.expects(ADA, &["1: hi"]).await;
    for _ in 0..2 {
        assert!(matches!(text(&inbox, ADA, "hi", "SM1").await, Ok(Outcome::Duplicate(_))));
    }
    world.inbound(ADA, "next").await;
    world.expects(ADA, &["1: hi", "2: next"]).await;
    assert_eq!(world.bot.asked().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn fifty_texts_at_once_are_answered_in_order_and_delay_nobody_else() {
    let mut world = World::started().await;
    world.bot.does(|question| Does::SaysAfter(seconds(2), question.input.text().to_owned()));
    let inbox = world.inbox();
    let (bodies, ids): (Vec<String>, Vec<String>) = (0..50).map(|n| (format!("text {n}"), format!("SM{n}"))).unzip();
    let accepted = bodies.iter().zip(&ids).map(|(body, id)| text(&inbox, ADA, body, id));
    let accepted = futures_util::future::join_all(accepted).await;
    let mut order: Vec<(Sequence, &str)> = Vec::new();
    for (outcome, body) in accepted.iter().zip(&bodies) {
        let Ok(Outcome::Accepted(sequence)) = outcome else { panic!("{outcome:?}") };
        order.push((*sequence, body));
    }
    order.sort_unstable();
    let began = tokio::time::Instant::now();
    world.inbound(BOB, "me too").await;
    world.expects(BOB, &["me too"]).await;
    assert_eq!(began.elapsed().as_secs(), 2);
    let expected: Vec<&str> = order.iter().map(|(_, body)| *body).collect();
    world.expects(ADA, &expected).await;
    assert_eq!(began.elapsed().as_secs(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_slow_assistant_is_asked_again_then_the_user_hears_of_it_and_the_late_answer_is_dropped() {
    let mut world = World::started().await;
    let quick = || Answer {
        items: vec![Item::Text("set".into())],
        response_timeout: Some(serde_json::json!(500)),
        ..Answer::default()
    };
    world.bot.does(move |_| Does::Answers(Box::new(quick())));
    world.inbound(ADA, "setup").await;
    world.expects(ADA, &["set"]).await;
    world.bot.does(|_| Does::SaysAfter(seconds(5), "late".into()));
    world.inbound(ADA, "slow").await;
    world.expects(ADA, &["set", "sorry"]).await;
    assert_eq!(world.bot.asked().iter().filter(|(_, _, text)| text == "slow").count(), 2);
    world.advance(seconds(60)).await;
    world.expects(ADA, &["set", "sorry"]).await;
}

#[tokio::test(start_paused = true)]
async fn context_and_unanswered_texts_survive_a_crash() {
    let mut world = World::started().await;
    world.inbound(ADA, "one").await;
    world.expects(ADA, &["1: one"]).await;
    world.bot.does(|_| Does::NeverAnswers);
    world.inbound(ADA, "two").await;
    world.inbound(ADA, "three").await;
    world.bot.was_asked(2).await;
    world.crash().await;
    world.bot.does(|question| Does::Says(format!("{{n}}: {}", question.input.text())));
    world.start().await;
    world.expects(ADA, &["1: one", "2: two", "3: three"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_text_in_doubt_after_a_crash_is_looked_up_and_not_sent_twice() {
    let mut world = World::started().await;
    world.provider.does(|_| Takes::ItAndNeverAnswers);
    world.inbound(ADA, "hi").await;
    world.expects(ADA, &["1: hi"]).await;
    world.crash().await;
    world.provider.does(|_| Takes::It);
    world.start().await;
    world.advance(seconds(120)).await;
    world.inbound(ADA, "more").await;
    world.expects(ADA, &["1: hi", "2: more"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_text_in_doubt_is_told_from_all_that_lately_had_the_same_words() {
    let mut world = World::started().await;
    world.bot.does(|_| Does::Says("ok".into()));
    for said in 1..=450 {
        world.inbound(ADA, "hi").await;
        world.expects(ADA, &vec!["ok"; said]).await;
    }
    let reason = "the connection broke".to_owned();
    world.provider.does(move |_| Takes::Not(SendError::Unknown { reason: reason.clone() }));
    world.inbound(ADA, "hi").await;
    world.bot.was_asked(451).await;
    world.advance(seconds(5)).await;
    world.provider.does(|_| Takes::It);
    world.expects(ADA, &["ok"; 451]).await;
}

#[tokio::test(start_paused = true)]
async fn a_text_that_surely_did_not_leave_before_a_crash_is_sent_once_after_it() {
    let mut world = World::started().await;
    world.provider.does(|_| Takes::Not(SendError::Retry { after: Some(seconds(600)), reason: "down".into() }));
    world.inbound(ADA, "hi").await;
    world.bot.was_asked(1).await;
    world.advance(seconds(5)).await;
    world.crash().await;
    world.provider.does(|_| Takes::It);
    world.start().await;
    world.expects(ADA, &["1: hi"]).await;
    world.advance(seconds(3_000)).await;
    world.expects(ADA, &["1: hi"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_read_timeout_after_acceptance_is_looked_up_and_not_sent_twice() {
    let mut world = World::started().await;
    world.provider.does(|_| Takes::ItAndNeverAnswers);
    world.inbound(ADA, "hi").await;
    world.expects(ADA, &["1: hi"]).await;
    world.provider.does(|_| Takes::It);
    world.inbound(ADA, "more").await;
    world.expects(ADA, &["1: hi", "2: more"]).await;
}

#[tokio::test(start_paused = true)]
async fn where_no_log_can_be_asked_a_doubtful_text_is_given_up_and_shown_as_unknown() {
    let mut world = World::new();
    *world.provider.repeat.lock().unwrap() = Repeat::Never;
    world.start().await;
    let unknown = || SendError::Unknown { reason: "connection lost".into() };
    world.provider.does(move |_| Takes::Not(unknown()));
    world.inbound(ADA, "hi").await;
    world.bot.was_asked(1).await;
    world.advance(seconds(60)).await;
    world.provider.does(|_| Takes::It);
    world.inbound(ADA, "more").await;
    world.expects(ADA, &["2: more"]).await;
    let turns = world.gateway().store().transcript(&key(ADA), None, 10).await.unwrap();
    assert_eq!(turns[1].rows[0].row.state, RowState::GivenUp);
}

#[tokio::test(start_paused = true)]
async fn a_silent_session_ends_and_the_next_text_starts_with_an_empty_context() {
    let mut world = World::started().await;
    world.inbound(ADA, "hi").await;
    world.expects(ADA, &["1: hi"]).await;
    world.ends(1).await;
    world.inbound(ADA, "hello?").await;
    world.expects(ADA, &["1: hi", "1: hello?"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_timed_out_while_the_process_was_down_ends_at_the_start() {
    let mut world = World::started().await;
    world.inbound(ADA, "hi").await;
    world.expects(ADA, &["1: hi"]).await;
    world.drain(seconds(30)).await;
    world.advance(seconds(7_200)).await;
    world.start().await;
    world.ends(1).await;
    world.inbound(ADA, "again").await;
    world.expects(ADA, &["1: hi", "1: again"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_panicking_assistant_fails_its_turn_and_nothing_else() {
    let mut world = World::started().await;
    world.bot.does(|question| match question.key.user.as_str() {
        ADA => Does::Panics,
        other => Does::Says(format!("hello {other}")),
    });
    world.inbound(ADA, "boom").await;
    world.inbound(BOB, "hi").await;
    world.expects(BOB, &["hello +15550122"]).await;
    world.expects(ADA, &["sorry"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_panicking_transport_leaves_a_doubt_that_is_cleared_up() {
    let mut world = World::started().await;
    world.provider.does(|message| if message.key.user.as_str() == ADA { Takes::ItAndPanics } else { Takes::It });
    world.inbound(ADA, "hi").await;
    world.inbound(BOB, "hi").await;
    world.expects(BOB, &["1: hi"]).await;
    world.expects(ADA, &["1: hi"]).await;
    world.provider.does(|_| Takes::It);
    world.inbound(ADA, "more").await;
    world.expects(ADA, &["1: hi", "2: more"]).await;
}

#[tokio::test(start_paused = true)]
async fn idle_conversations_leave_memory_and_come_back() {
    let mut world = World::new();
    world.settings.max_resident = 2;
    world.start().await;
    for round in 1..=2 {
        for user in 0..20 {
            world.inbound(&format!("+1555012{user:02}"), "hi").await;
        }
        let all = |n: usize| {
            move |counts: &std::collections::BTreeMap<String, usize>| {
                counts.len() == 20 && counts.values().all(|count| *count == n)
            }
        };
        for _ in 0..200 {
            if all(round)(&counts(&world.provider)) {
                break;
            }
            world.advance(seconds(1)).await;
        }
        assert!(all(round)(&counts(&world.provider)), "{:?}", counts(&world.provider));
    }
}

#[tokio::test(start_paused = true)]
async fn where_room_is_wanted_no_more_leave_than_wait() {
    let mut world = World::new();
    world.settings.max_resident = 20;
    world.settings.idle_after = seconds(3_600);
    world.start().await;
    for user in 0..20 {
        world.inbound(&format!("+1555012{user:02}"), "hi").await;
    }
    world.advance(seconds(5)).await;
    assert_eq!(world.gateway().residents(), 20);
    for user in 20..23 {
        world.inbound(&format!("+1555012{user:02}"), "hi").await;
        world.expects(&format!("+1555012{user:02}"), &["1: hi"]).await;
        assert_eq!(world.gateway().residents(), 20, "one has left for one that came");
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_finishes_the_open_turn_and_leaves_the_rest_for_the_next_start() {
    let mut world = World::started().await;
    world.bot.does(|question| Does::SaysAfter(seconds(3), question.input.text().to_owned()));
    world.inbound(ADA, "one").await;
    world.inbound(ADA, "two").await;
    world.bot.was_asked(1).await;
    let inbox = world.inbox();
    world.drain(seconds(30)).await;
    world.expects(ADA, &["one"]).await;
    assert_eq!(text(&inbox, ADA, "too late", "SM99").await, Err(Refused::NotRunning));
    world.start().await;
    world.expects(ADA, &["one", "two"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_does_not_wait_longer_than_it_is_told_and_loses_nothing() {
    let mut world = World::started().await;
    world.bot.does(|_| Does::NeverAnswers);
    world.inbound(ADA, "hi").await;
    world.bot.was_asked(1).await;
    let began = tokio::time::Instant::now();
    world.drain(seconds(5)).await;
    assert_eq!(began.elapsed().as_secs(), 5);
    world.bot.does(|_| Does::Says("at last".into()));
    world.start().await;
    world.expects(ADA, &["at last"]).await;
}

#[tokio::test(start_paused = true)]
async fn an_end_request_is_taken_while_a_turn_is_open() {
    let mut world = World::started().await;
    world.bot.does(|_| Does::SaysAfter(seconds(20), "late".into()));
    world.inbound(ADA, "hi").await;
    world.bot.was_asked(1).await;
    world.arrives(ADA, Work::End).await;
    world.ends(1).await;
    world.advance(seconds(60)).await;
    world.expects(ADA, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_can_be_started_from_our_side() {
    let mut world = World::started().await;
    world.bot.does(|question| Does::Says(format!("data {}", question.variables.to_json()["smsUserData"])));
    let user_data = serde_json::value::RawValue::from_string("{\"case\":7}".into()).unwrap();
    world
        .arrives(
            ADA,
            Work::Start(StartSession {
                user_data: Some(user_data),
                timeout: Some(seconds(60)),
                ..StartSession::default()
            }),
        )
        .await;
    world.expects(ADA, &["data {\"case\":7}"]).await;
    world.advance(seconds(70)).await;
    assert_eq!(world.bot.ended(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_receipt_that_a_text_failed_reaches_the_assistant_as_sms_error() {
    let mut world = World::started().await;
    let Outcome::Accepted(turn) = world.inbound(ADA, "hi").await else { panic!() };
    world.expects(ADA, &["1: hi"]).await;
    world.advance(seconds(1)).await;
    let receipt = |status, code: &str| Arrival::Receipt {
        key: key(ADA),
        receipt: Receipt {
            outbound: OutboundId { turn, part: 0 },
            provider_id: ProviderId("SM1".into()),
            status,
            code: code.into(),
            reason: String::new(),
        },
    };
    let inbox = world.inbox();
    assert_eq!(inbox.accept(receipt(DeliveryStatus::Sent, "")).await, Ok(Outcome::Noted));
    assert!(matches!(inbox.accept(receipt(DeliveryStatus::Undelivered, "30003")).await, Ok(Outcome::Accepted(_))));
    assert!(matches!(inbox.accept(receipt(DeliveryStatus::Undelivered, "30003")).await, Ok(Outcome::Duplicate(_))));
    world.bot.does(|question| Does::Says(question.variables.to_json()["smsError"]["code"].to_string()));
    world.inbound(ADA, "more").await;
    world.expects(ADA, &["1: hi", "\"30003\""]).await;
}

#[tokio::test(start_paused = true)]
async fn a_paced_number_sends_its_segments_a_second_apart() {
    let mut world = World::new();
    world.lane.segments_per_second = Some(1.0);
    world.lane.burst_segments = 1;
    world.start().await;
    let began = tokio::time::Instant::now();
    for user in 0..5 {
        world.inbound(&format!("+1555013{user:02}"), "hi").await;
    }
    world.expects("+155501304", &["1: hi"]).await;
    for user in 0..5 {
        world.expects(&format!("+1555013{user:02}"), &["1: hi"]).await;
    }
    assert_eq!(began.elapsed().as_secs(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_number_that_must_pause_loses_nothing() {
    let mut world = World::started().await;
    let pause = || SendError::Pause { after: Some(seconds(30)), reason: "queue full".into() };
    world.provider.does(move |_| Takes::Not(pause()));
    world.inbound(ADA, "hi").await;
    world.bot.was_asked(1).await;
    world.advance(seconds(1)).await;
    world.provider.does(|_| Takes::It);
    let began = tokio::time::Instant::now();
    world.inbound(BOB, "hi").await;
    world.expects(BOB, &["1: hi"]).await;
    assert!(began.elapsed() >= seconds(28), "{:?}", began.elapsed());
    world.expects(ADA, &["1: hi"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_number_of_nobody_is_refused_with_the_last_digits_of_those_there_are() {
    let world = World::started().await;
    let mut key = key(ADA);
    key.tenant = "+15559999".parse().unwrap();
    let work = Work::Message(Default::default());
    let refused = world.inbox().accept(Arrival::Work { key, id: "SM1".into(), work }).await.unwrap_err();
    let shown = refused.to_string();
    assert!(shown.contains("…00") && !shown.contains("5550100"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn another_channel_cannot_text_a_tenants_number() {
    let world = World::started().await;
    let refused = text(&world.gateway().inbox("other"), ADA, "hi", "SM1").await;
    assert!(matches!(refused, Err(Refused::UnknownTenant { .. })));
}

#[tokio::test(start_paused = true)]
async fn two_gateways_live_in_one_process() {
    let (mut left, mut right) = (World::started().await, World::started().await);
    right.bot.does(|_| Does::Says("right".into()));
    left.inbound(ADA, "hi").await;
    right.inbound(ADA, "hi").await;
    left.expects(ADA, &["1: hi"]).await;
    right.expects(ADA, &["right"]).await;
    left.drain(seconds(5)).await;
    right.inbound(ADA, "still?").await;
    right.expects(ADA, &["right", "right"]).await;
}

#[tokio::test(start_paused = true)]
async fn an_assistant_that_is_down_for_a_while_is_asked_as_often_as_the_tenant_says() {
    let mut world = World::started().await;
    let down = || AskError::Unavailable { after: None, reason: "503".into() };
    world.bot.does(move |question| match question.token.attempt {
        3 => Does::Says("back".into()),
        _ => Does::Fails(down()),
    });
    world.inbound(ADA, "hi").await;
    world.expects(ADA, &["back"]).await;
    assert_eq!(world.bot.asked().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_ends_the_gateway() {
    let mut world = World::started().await;
    world.engine.fail_sync(1);
    let refused = text(&world.inbox(), ADA, "hi", "SM1").await;
    assert!(matches!(refused, Err(Refused::Store(_))), "{refused:?}");
    assert!(world.gateway().wait().await.is_err());
    world.crash().await;
    world.start().await;
    world.inbound(ADA, "hi").await;
    world.expects(ADA, &["1: hi"]).await;
}
