//! What operators do with one conversation.

use raconteur_conversation::words::Work;
use serde_json::{Value, json};

use crate::scene::{ADA, BOB, Scene, TENANT, said};
use crate::twilio::{Taken, error};
use crate::{audit, delete, get, of, post};

async fn deeds(scene: &Scene) -> Vec<String> {
    audit(scene).await.into_iter().map(|(_, what, _)| what).collect()
}

#[tokio::test]
async fn an_operator_takes_a_user_over_writes_and_hands_him_back() {
    let scene = Scene::start().await;
    scene.echoes(ADA, "hi").await;
    let taken = post(&scene, &format!("{}/takeover", of(ADA)), &json!({"for_s": 600})).await;
    assert_eq!((taken.status, &taken.body["repeated"]), (200, &json!(false)));
    let shown = get(&scene, &of(ADA)).await.body;
    assert_eq!(shown["taken_over"]["by"], "loopback");
    scene.text(ADA, "is anybody there?").await;
    scene.until(ADA, |turns| turns.last().is_some_and(|turn| said(turn) == "is anybody there?")).await;
    let sent = post(&scene, &format!("{}/texts", of(ADA)), &json!({"text": "I am"})).await;
    assert_eq!(sent.status, 202);
    scene.creates(2).await;
    // It outlives the process.
    let scene = scene.restart().await;
    scene.text(ADA, "good").await;
    scene.until(ADA, |turns| turns.last().is_some_and(|turn| said(turn) == "good")).await;
    assert_eq!(delete(&scene, &format!("{}/takeover", of(ADA))).await.status, 200);
    scene.echoes(ADA, "bye").await;
    assert_eq!(scene.sent_to(ADA), ["echo hi", "I am", "echo bye"]);
    let again = delete(&scene, &format!("{}/takeover", of(ADA))).await;
    assert_eq!(again.problem(), (409, "not_taken_over"));
    assert_eq!(deeds(&scene).await, ["hand_back", "hand_back", "send", "take_over"]);
}

#[tokio::test]
async fn no_session_starts_while_a_person_answers() {
    let scene = Scene::start().await;
    post(&scene, &format!("{}/takeover", of(ADA)), &Value::Null).await;
    let refused = crate::operator::post(&scene.caller, "/sessions", &json!({"user": ADA})).await;
    assert_eq!(refused.problem(), (409, "taken_over"));
    crate::operator::post(&scene.caller, "/sessions", &json!({"user": BOB, "text": "hello"})).await;
    scene.creates(1).await;
    assert!(scene.watson.asked().is_empty());
}

#[tokio::test]
async fn a_takeover_may_be_no_longer_than_a_month() {
    let scene = Scene::start().await;
    for (body, status) in [
        (json!({"for_s": 2_592_000}), 200),
        (json!({"for_s": 2_592_001}), 400),
        (json!({"for_s": 0}), 400),
        (json!({"for": 5}), 400),
    ] {
        assert_eq!(post(&scene, &format!("{}/takeover", of(ADA)), &body).await.status, status, "{body}");
    }
    assert_eq!(deeds(&scene).await.len(), 1, "what makes no sense is not done");
}

#[tokio::test]
async fn an_operator_ends_a_session() {
    let scene = Scene::start().await;
    scene.echoes(ADA, "hi").await;
    scene.settled(ADA).await;
    assert!(get(&scene, &of(ADA)).await.body["session"].is_object());
    assert_eq!(delete(&scene, &format!("{}/session", of(ADA))).await.status, 200);
    assert!(get(&scene, &of(ADA)).await.body["session"].is_null());
    assert_eq!(delete(&scene, &format!("{}/session", of(ADA))).await.problem(), (404, "no_session"));
}

#[tokio::test]
async fn a_failed_text_is_sent_once_more_and_only_once() {
    let scene = Scene::start().await;
    scene.echoes(BOB, "hi").await;
    scene.settled(BOB).await;
    scene.twilio.answer_create(error(400, 21_211), Taken::No);
    scene.text(ADA, "hi").await;
    let failed = scene.settled(ADA).await;
    let path = format!("{}/texts/{}/resend", of(ADA), failed.row.id);
    let page = get(&scene, &format!("{}/transcript", of(ADA))).await.body;
    assert_eq!(page["turns"][0]["texts"][0]["can_be_resent"], true, "{page}");
    let first = post(&scene, &path, &Value::Null).await;
    let again = post(&scene, &path, &Value::Null).await;
    assert_eq!((first.status, again.status), (202, 202), "{first:?}");
    assert_eq!((&again.body["id"], &again.body["repeated"]), (&first.body["id"], &json!(true)));
    let turns =
        scene.until(ADA, |turns| turns.len() == 2 && turns[1].rows.iter().all(|row| row.row.state.is_settled())).await;
    assert!(matches!(&turns[1].work, Work::Send(send) if send.body == "echo hi"));
    let sent = post(&scene, &format!("{}/texts/{}/resend", of(ADA), turns[1].rows[0].row.id), &Value::Null).await;
    assert_eq!(sent.problem(), (409, "not_failed"));
    for (text, code) in [("9999992-0", "not_found"), ("x", "invalid")] {
        let missing = post(&scene, &format!("{}/texts/{text}/resend", of(ADA)), &Value::Null).await;
        assert_eq!(missing.problem().1, code);
    }
}

#[tokio::test]
async fn an_operator_takes_along_and_erases_what_is_kept_of_a_person() {
    let scene = Scene::start().await;
    scene.echoes(ADA, "hi").await;
    scene.settled(ADA).await;
    let export = get(&scene, &format!("{}/export", of(ADA))).await;
    assert_eq!((export.status, export.content_type.as_str()), (200, "application/x-ndjson"));
    assert!(export.body.as_str().is_some_and(|lines| lines.contains("echo hi")), "{export:?}");
    assert_eq!(delete(&scene, &of(ADA)).await.status, 200);
    assert!(scene.transcript(ADA).await.is_empty());
    assert_eq!(deeds(&scene).await, ["erase", "export"]);
}

#[tokio::test]
async fn an_operator_tries_a_numbers_provider_and_assistant() {
    let scene = Scene::start().await;
    let tried = post(&scene, &format!("/tenants/{TENANT}/test/assistant"), &Value::Null).await;
    assert_eq!((tried.status, &tried.body["result"]), (200, &json!("answered")), "{tried:?}");
    let tried = post(&scene, &format!("/tenants/{TENANT}/test/provider"), &json!({"user": BOB})).await;
    assert_eq!((tried.status, &tried.body["result"]), (200, &json!("sent")), "{tried:?}");
    assert_eq!(deeds(&scene).await, ["test_provider", "test_assistant"]);
}

#[tokio::test]
async fn a_number_that_is_not_ours_is_not_found() {
    let scene = Scene::start().await;
    for path in ["/conversations/+15559999/+15550111", "/conversations/nonsense/+15550111/transcript"] {
        assert_eq!(get(&scene, path).await.problem(), (404, "not_found"), "{path}");
    }
    assert_eq!(get(&scene, &of("+")).await.problem(), (400, "invalid"));
    assert_eq!(get(&scene, "/nothing").await.problem(), (404, "not_found"));
    assert_eq!(post(&scene, "/overview", &Value::Null).await.problem(), (405, "wrong_method"));
}
