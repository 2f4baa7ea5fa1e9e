//! One person: everything that is kept of him is exported and erased, by those who may.

use reqwest::Method;
use serde_json::{Value, json};

use crate::caller::{INBOUND, text_fields};
use crate::operator::{delete, get, post, request, told};
use crate::scene::{ADA, BOB, Scene, TENANT, soon};
use crate::twilio::{Answer, Taken};

fn person(user: &str) -> String {
    format!("/users/{user}")
}

/// The lines of an export, checked for a beginning and an end.
async fn exported(scene: &Scene, user: &str) -> Vec<Value> {
    let told = get(&scene.caller, &format!("{}/export", person(user))).await;
    assert_eq!((told.status, told.content_type.as_str()), (200, "application/x-ndjson"));
    let text = told.body.as_str().expect("several lines are no JSON").to_owned();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    assert_eq!((&lines[0]["raconteur_person"], &lines[0]["user"]), (&json!(1), &json!(user)));
    assert_eq!(lines.last(), Some(&json!({"end": {"lines": lines.len()}})));
    lines
}

fn of<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter_map(|line| line.get(kind)).collect()
}

#[tokio::test]
async fn an_export_has_everything_of_one_person_and_nothing_of_another() {
    let scene = Scene::start().await;
    scene.echoes(BOB, "secret of Bob's").await;
    // More turns than are read at once.
    for n in 0..25 {
        scene.echoes(ADA, &format!("text {n}")).await;
    }
    scene.settled(ADA).await;
    post(&scene.caller, "/pipes", &json!({"user": ADA, "webhook": "https://voice.example/?key=hidden"})).await;
    delete(&scene.caller, &format!("/sessions/{BOB}")).await;
    let lines = exported(&scene, ADA).await;
    let turns = of(&lines, "turn");
    assert_eq!(turns.len(), 26);
    let (last, first) = (turns[1], turns[25]);
    assert_eq!(
        (&turns[0]["kind"], &last["text"], &first["text"]),
        (&json!("open_pipe"), &json!("text 24"), &json!("text 0"))
    );
    assert_eq!((&last["texts"][0]["text"], &last["texts"][0]["state"]), (&json!("echo text 24"), &json!("sent")));
    let state = of(&lines, "state")[0];
    assert_eq!((&state["session"]["turns"], &state["stopped_at_ms"]), (&json!(25), &Value::Null));
    assert!(state["session"]["context"].is_object() && state["pipe"]["id"].is_string(), "{state}");
    let all = format!("{lines:?}");
    assert!(!all.contains("Bob") && !all.contains(BOB) && !all.contains("hidden"), "{all}");
}

#[tokio::test]
async fn what_waits_is_exported_as_well() {
    let scene = Scene::start().await;
    scene.watson.hold("slow");
    scene.text(ADA, "slow").await;
    soon("the question", scene.watson.until_asked("slow", 1)).await;
    scene.text(ADA, "waits").await;
    let lines = exported(&scene, ADA).await;
    let texts: Vec<&Value> = of(&lines, "unread").into_iter().map(|unread| &unread["text"]).collect();
    assert_eq!(texts, [&json!("slow"), &json!("waits")]);
}

#[tokio::test]
async fn an_erasure_during_a_turn_leaves_nothing_and_the_next_text_begins_anew() {
    let scene = Scene::start().await;
    scene.echoes(ADA, "hi").await;
    scene.echoes(BOB, "hi").await;
    let first = scene.watson.told_with("hi")["smsSessionID"].clone();
    scene.watson.hold("slow");
    let fields = text_fields(&scene.caller.fresh_sid(), (ADA, TENANT), "slow");
    scene.caller.signed(INBOUND, &fields).await;
    soon("the question", scene.watson.until_asked("slow", 1)).await;
    let erased = told(request(&scene.caller, Method::DELETE, &person(ADA)).header("Idempotency-Key", "e-1")).await;
    assert_eq!((erased.status, &erased.body["repeated"]), (200, &json!(false)), "{erased:?}");
    let lines = exported(&scene, ADA).await;
    let nothing = json!({"state": {"stopped_at_ms": null, "session": null, "pipe": null, "taken_over": null}});
    assert_eq!((lines.len(), &lines[1]), (3, &nothing), "{lines:?}");
    assert_eq!(scene.transcript(BOB).await.len(), 1);
    let again = told(request(&scene.caller, Method::DELETE, &person(ADA)).header("Idempotency-Key", "e-1")).await;
    assert_eq!((again.status, &again.body["id"], &again.body["repeated"]), (200, &erased.body["id"], &json!(true)));
    // The provider comes again with the text that was erased; the late answer comes too.
    assert_eq!(scene.caller.signed(INBOUND, &fields).await.status, 200);
    scene.watson.let_through(1);
    scene.echoes(ADA, "new").await;
    assert_ne!(scene.watson.told_with("new")["smsSessionID"], first);
    assert_eq!(scene.sent_to(ADA), ["echo hi", "echo new"]);
    let scene = scene.restart().await;
    assert_eq!(scene.transcript(ADA).await.len(), 1);
}

#[tokio::test]
async fn a_text_that_is_being_sent_when_its_person_is_erased_is_not_sent_again() {
    let scene = Scene::start().await;
    scene.twilio.answer_create(Answer::Silence, Taken::Yes);
    scene.text(ADA, "hi").await;
    scene.creates(1).await;
    assert_eq!(delete(&scene.caller, &person(ADA)).await.status, 200);
    let scene = scene.restart().await;
    scene.echoes(ADA, "more").await;
    assert_eq!(scene.sent_to(ADA), ["echo hi", "echo more"]);
}

#[tokio::test]
async fn who_has_stopped_our_texts_is_not_texted_after_an_erasure() {
    let scene = Scene::start().await;
    scene.text(ADA, "STOP").await;
    scene.until(ADA, |turns| turns.len() == 1).await;
    assert_eq!(delete(&scene.caller, &person(ADA)).await.status, 200);
    assert!(of(&exported(&scene, ADA).await, "state")[0]["stopped_at_ms"].is_u64());
    let scene = scene.restart().await;
    let refused = post(&scene.caller, "/texts", &json!({"user": ADA, "text": "news!"})).await;
    assert_eq!(refused.problem(), (409, "opted_out"));
    scene.text(ADA, "START").await;
    scene.echoes(ADA, "hi").await;
    assert_eq!(post(&scene.caller, "/texts", &json!({"user": ADA, "text": "news!"})).await.status, 202);
}

#[tokio::test]
async fn nobody_exports_or_erases_without_credentials_or_somebody_who_is_nobody() {
    let scene = Scene::start().await;
    scene.echoes(ADA, "hi").await;
    for (method, path) in [(Method::GET, "/export"), (Method::DELETE, "")] {
        let url = format!("/v1/tenants/{TENANT}/users/{ADA}{path}");
        assert_eq!(told(scene.caller.request(method.clone(), &url)).await.problem(), (401, "unauthorized"));
        let nobody = told(request(&scene.caller, method, &format!("/users/no!body{path}"))).await;
        assert_eq!(nobody.problem(), (400, "invalid"));
    }
    assert_eq!(delete(&scene.caller, &person(BOB)).await.status, 200, "of whom nothing is kept");
    assert_eq!(scene.transcript(ADA).await.len(), 1);
}
