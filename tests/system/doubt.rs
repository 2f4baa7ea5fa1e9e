//! Texts of which nobody knows whether Twilio took them: its log is read before anything is sent again.

use std::time::Duration;

use raconteur_conversation::words::RowState;
use raconteur_storage::TranscriptRow;
use serde_json::Value;

use crate::scene::{ADA, Keys, Scene, echo, soon};
use crate::twilio::{Answer, Taken, error};

/// A send that is not answered for this long is in doubt.
const HASTY: Keys = Keys { server: "", store: "", ask: "", send: "timeout = \"1s\"", tenant: "", channel: "" };

fn literally(status: u16, body: &str) -> Answer {
    Answer::Literally(status, Vec::new(), body.to_owned())
}

/// A text whose create is answered like this, taken or not, reaches the user once, after a look into the log.
async fn arrives_once(scene: &Scene, user: &str, (answer, taken): (Answer, Taken)) {
    let before = (scene.twilio.creates().len(), scene.twilio.lists().len());
    scene.twilio.answer_create(answer.clone(), taken);
    scene.text(user, "hi").await;
    let row = scene.settled(user).await;
    let creates = scene.twilio.creates().split_off(before.0);
    let last = creates.last().expect("it was sent");
    let RowState::Sent { provider_id } = row.row.state else { panic!("{answer:?}: {row:?}") };
    assert_eq!(Some(&provider_id.0), last.sid.as_ref(), "{answer:?}");
    let expected = match taken {
        Taken::Yes => 1,
        Taken::No => 2,
    };
    assert_eq!(creates.len(), expected, "{answer:?} {taken:?}");
    assert!(scene.twilio.lists().len() > before.1, "{answer:?}: the log was read");
    assert!(creates.iter().skip(1).all(|again| again.lists_before > before.1), "{answer:?}: the log was read first");
    scene.echoes(user, "more").await;
    assert_eq!(scene.watson.told_with("more")["smsError"], Value::Null);
}

#[tokio::test]
async fn after_an_answer_that_proves_nothing_the_log_is_read_before_anything_is_sent_again() {
    let scene = Scene::start().await;
    let answers = [
        error(500, 20500),
        literally(502, "<html>bad gateway</html>"),
        literally(201, "garbage"),
        literally(200, "{}"),
        literally(408, ""),
        Answer::Close,
        Answer::Half,
    ];
    let both = answers.into_iter().flat_map(|answer| [(answer.clone(), Taken::Yes), (answer, Taken::No)]);
    for (number, case) in both.enumerate() {
        arrives_once(&scene, &format!("+1555020{number:02}"), case).await;
    }
}

#[tokio::test]
async fn a_text_that_twilio_takes_without_ever_answering_is_found_in_the_log_and_not_sent_twice() {
    let scene = Scene::with(HASTY, echo).await;
    arrives_once(&scene, ADA, (Answer::Silence, Taken::Yes)).await;
}

#[tokio::test]
async fn a_text_that_twilio_neither_takes_nor_answers_is_sent_again_after_the_log_was_read() {
    let scene = Scene::with(HASTY, echo).await;
    arrives_once(&scene, ADA, (Answer::Silence, Taken::No)).await;
}

#[tokio::test]
async fn the_same_words_said_twice_are_two_texts_even_when_both_are_in_doubt() {
    let scene = Scene::start().await;
    for taken in [Taken::Yes, Taken::No] {
        scene.twilio.answer_create(error(500, 20500), taken);
    }
    scene.text(ADA, "hi").await;
    scene.text(ADA, "hi").await;
    let creates = scene.creates(3).await;
    scene.settled(ADA).await;
    assert!(creates.iter().all(|create| create.body == "echo hi"));
    assert_eq!(creates.iter().filter(|create| create.sid.is_some()).count(), 2, "the user got both");
    scene.echoes(ADA, "more").await;
    assert_eq!(scene.twilio.creates().len(), 4);
}

#[tokio::test]
async fn a_receipt_settles_a_text_in_doubt_without_the_log() {
    let keys = Keys { send: "timeout = \"1s\"\nreconcile_for = \"1h\"", ..HASTY };
    let scene = Scene::with(keys, echo).await;
    // The log cannot be read, and is not looked at again before five seconds have passed.
    scene.twilio.answer_list(error(500, 20500));
    scene.twilio.answer_create(error(500, 20500), Taken::Yes);
    scene.text(ADA, "hi").await;
    let create = scene.creates(1).await.remove(0);
    let unknown = |row: &TranscriptRow| matches!(row.row.state, RowState::Unknown { .. });
    scene.until(ADA, |turns| turns.iter().flat_map(|turn| &turn.rows).any(unknown)).await;
    assert_eq!(scene.caller.receipt(&create, "sent", "").await.status, 200);
    let row = soon("the receipt", scene.settled(ADA)).await;
    assert!(matches!(row.row.state, RowState::Sent { .. }), "{row:?}");
    scene.echoes(ADA, "more").await;
    assert_eq!(scene.twilio.creates().len(), 2);
}

#[tokio::test]
async fn where_the_log_stays_unreadable_the_policy_decides_to_give_up_and_says_so() {
    let keys = Keys { send: "reconcile_after = \"1100ms\"\nreconcile_for = \"1s\"\ndoubt = \"give_up\"", ..HASTY };
    let scene = Scene::with(keys, echo).await;
    scene.twilio.answer_list(error(500, 20500));
    scene.twilio.answer_create(error(500, 20500), Taken::No);
    scene.text(ADA, "hi").await;
    assert_eq!(scene.settled(ADA).await.row.state, RowState::GivenUp);
    scene.echoes(ADA, "more").await;
    assert_eq!(scene.watson.told_with("more")["smsError"]["code"], "unknown");
    assert_eq!(scene.sent_to(ADA), ["echo hi", "echo more"]);
}

#[tokio::test]
async fn where_the_log_stays_unreadable_the_policy_may_decide_to_send_again() {
    let keys = Keys { send: "reconcile_after = \"1100ms\"\nreconcile_for = \"1s\"\ndoubt = \"resend\"", ..HASTY };
    let scene = Scene::with(keys, echo).await;
    scene.twilio.answer_list(error(500, 20500));
    scene.twilio.answer_create(error(500, 20500), Taken::No);
    scene.text(ADA, "hi").await;
    let creates = scene.creates(2).await;
    let waited = creates[1].time.duration_since(creates[0].time).unwrap();
    assert!(waited >= Duration::from_secs(1), "{waited:?}");
    assert!(matches!(scene.settled(ADA).await.row.state, RowState::Sent { .. }));
    assert_eq!(scene.sent_to(ADA), ["echo hi", "echo hi"]);
}
