//! What Twilio can answer to a text of ours: none is lost, none is sent twice, and a later one is delivered in every case.

use std::time::Duration;

use raconteur_conversation::words::RowState;
use raconteur_storage::TranscriptRow;
use serde_json::Value;

use crate::scene::{ADA, BOB, Keys, Scene, echo, failure};
use crate::twilio::{Answer, Create, Taken, error};

fn literally(status: u16, body: &str) -> Answer {
    Answer::Literally(status, Vec::new(), body.to_owned())
}

#[tokio::test]
async fn a_refused_text_is_shown_as_failed_and_told_to_the_assistant_and_later_ones_go_on() {
    let scene = Scene::start().await;
    let table = [
        (error(400, 21211), "21211"),
        (error(400, 21617), "21617"),
        (literally(400, "<html>no</html>"), "400"),
        (literally(418, ""), "418"),
    ];
    for (number, (answer, code)) in table.into_iter().enumerate() {
        let user = format!("+1555020{number:02}");
        scene.twilio.answer_create(answer, Taken::No);
        scene.echoes(&user, "hi").await;
        let row = scene.settled(&user).await;
        assert_eq!(failure(&row), code);
        scene.echoes(&user, "more").await;
        let told = &scene.watson.told_with("more")["smsError"];
        assert_eq!((told["code"].as_str(), told["outbound"].as_str()), (Some(code), Some(&*row.row.id.to_string())));
        scene.echoes(&user, "fine").await;
        assert_eq!(scene.watson.told_with("fine")["smsError"], Value::Null);
        assert_eq!(scene.sent_to(&user), ["echo hi", "echo more", "echo fine"]);
    }
}

#[tokio::test]
async fn a_text_that_was_surely_not_taken_is_sent_again_and_arrives_once() {
    let scene = Scene::start().await;
    let answers = [error(429, 20429), error(503, 20503), literally(429, "slow down"), error(409, 20409)];
    for (number, answer) in answers.into_iter().enumerate() {
        let user = format!("+1555020{number:02}");
        scene.twilio.answer_create(answer, Taken::No);
        let before = scene.twilio.creates().len();
        scene.text(&user, "hi").await;
        scene.creates(before + 2).await;
        let RowState::Sent { provider_id } = scene.settled(&user).await.row.state else { panic!("it was taken") };
        assert_eq!(scene.twilio.creates()[before + 1].sid.as_ref(), Some(&provider_id.0));
        scene.echoes(&user, "more").await;
        assert_eq!(scene.sent_to(&user), ["echo hi", "echo hi", "echo more"]);
        assert_eq!(scene.watson.told_with("more")["smsError"], Value::Null);
    }
    assert!(scene.twilio.lists().is_empty(), "nothing was in doubt");
}

#[tokio::test]
async fn a_wait_that_twilio_asks_for_is_kept_by_the_whole_number_and_loses_nothing() {
    let (too_many_requests, full_queue) = (20429, 21611);
    for code in [too_many_requests, full_queue] {
        let scene = Scene::start().await;
        let wait = Answer::Literally(429, vec![("retry-after", "2".into())], format!("{{\"code\":{code}}}"));
        scene.twilio.answer_create(wait, Taken::No);
        scene.echoes(ADA, "hi").await;
        // The pause begins when the answer was read; the row shows that it was.
        let retry = |row: &TranscriptRow| matches!(row.row.state, RowState::Retry { .. });
        scene.until(ADA, |turns| turns.iter().flat_map(|turn| &turn.rows).any(retry)).await;
        scene.text(BOB, "me too").await;
        let creates = scene.creates(3).await;
        let waited = creates[1].time.duration_since(creates[0].time).unwrap();
        assert!(waited >= Duration::from_millis(1_900), "{waited:?}");
        assert_eq!(scene.sent_to(ADA), ["echo hi", "echo hi"]);
        assert_eq!(scene.sent_to(BOB), ["echo me too"]);
        scene.echoes(ADA, "more").await;
    }
}

/// As Twilio counts: each text within a second of the one before.
#[tokio::test]
async fn texts_never_follow_each_other_so_long_that_twilio_takes_them_for_a_loop() {
    let keys = Keys { channel: "loop_guard_texts = 5\nloop_guard_within = \"1s\"", ..Keys::default() };
    let scene = Scene::with(keys, echo).await;
    for number in 0..7 {
        scene.text(ADA, &number.to_string()).await;
    }
    let creates = scene.creates(7).await;
    // A slow machine pauses where it likes, but never takes a break away.
    let close = |one: &Create, next: &Create| next.time.duration_since(one.time).unwrap() <= Duration::from_secs(1);
    let longest = creates.chunk_by(close).map(<[Create]>::len).max();
    assert!(longest <= Some(3), "three at a time, and then a break: {creates:#?}");
    assert_eq!(scene.sent_to(ADA), (0..7).map(|number| format!("echo {number}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn wrong_credentials_cost_no_text_and_nothing_goes_until_an_operator_has_acted() {
    for answer in [error(401, 20003), literally(401, ""), error(404, 20404), literally(403, "no"), literally(302, "")] {
        let scene = Scene::start().await;
        scene.twilio.answer_create(answer, Taken::No);
        scene.echoes(ADA, "hi").await;
        let waits = |row: &TranscriptRow| matches!(row.row.state, RowState::Retry { tries: 1, .. });
        scene.until(ADA, |turns| turns.iter().flat_map(|turn| &turn.rows).any(waits)).await;
        let scene = scene.restart().await;
        scene.echoes(BOB, "me too").await;
        assert!(matches!(scene.transcript(ADA).await[0].rows[0].row.state, RowState::Retry { tries: 1, .. }));
        assert_eq!(scene.sent_to(ADA).len(), 1);
    }
}

#[tokio::test]
async fn a_long_answer_of_which_a_part_is_refused_is_not_sent_in_pieces() {
    let long: String = "word ".repeat(700);
    let answer = long.clone();
    let scene = Scene::with(crate::scene::Keys::default(), move |turn| {
        if turn.text == "long" { crate::watson::Reply::text(&answer) } else { echo(turn) }
    })
    .await;
    scene.text(ADA, "long").await;
    let whole = scene.creates(3).await.iter().map(|create| create.body.clone()).collect::<Vec<_>>().join(" ");
    assert_eq!(whole.trim(), long.trim());
    scene.echoes(ADA, "thanks").await;
    scene.twilio.answer_create(Answer::Usual, Taken::Yes);
    scene.twilio.answer_create(error(400, 21617), Taken::No);
    scene.text(ADA, "long").await;
    scene.creates(6).await;
    scene.echoes(ADA, "more").await;
    assert_eq!(scene.watson.told_with("more")["smsError"]["code"], "21617");
    let turns = scene.transcript(ADA).await;
    let states: Vec<&str> = turns[2].rows.iter().map(failure).collect();
    assert_eq!(states, ["", "21617", "part_failed"]);
}
