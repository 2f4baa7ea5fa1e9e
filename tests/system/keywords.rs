//! STOP and START: a user who has stopped our texts gets none, whoever wants to send one.

use reqwest::Method;
use serde_json::json;

use crate::operator::{post, request, told};
use crate::scene::{ADA, Keys, Scene, echo, failure};
use crate::twilio::{Taken, error};

const OWN_WORDS: Keys = Keys {
    server: "",
    store: "",
    ask: "",
    send: "timeout = \"20s\"",
    tenant: "[tenants.keywords]\nstop_message = \"No more.\"\nstart_message = \"Back again.\"\nhelp_message = \"Call us.\"",
    channel: "",
};

#[tokio::test]
async fn who_has_stopped_gets_nothing_until_he_starts_again() {
    let scene = Scene::start().await;
    scene.echoes(ADA, "hi").await;
    scene.text(ADA, "Stop.").await;
    scene.text(ADA, "are you there?").await;
    let turns = scene.until(ADA, |turns| turns.len() == 3).await;
    assert!(turns[1..].iter().all(|turn| turn.rows.is_empty()), "{turns:?}");
    assert_eq!(turns[2].error.as_deref(), Some("the user has stopped our texts"));

    for (path, body) in [
        ("/texts", json!({"user": ADA, "text": "an offer"})),
        ("/sessions", json!({"user": ADA})),
        ("/sessions", json!({"user": ADA, "on_open": "refuse"})),
    ] {
        assert_eq!(post(&scene.caller, path, &body).await.problem(), (409, "opted_out"), "{path} {body}");
    }

    scene.text(ADA, "yes").await;
    scene.echoes(ADA, "hello again").await;
    assert_eq!(scene.watson.asked(), ["hi", "hello again"]);
    assert_eq!(scene.sent_to(ADA), ["echo hi", "echo hello again"]);
}

#[tokio::test]
async fn a_request_that_was_refused_for_one_who_has_stopped_is_refused_again() {
    let scene = Scene::start().await;
    scene.text(ADA, "STOP").await;
    scene.until(ADA, |turns| turns.len() == 1).await;
    let start = || {
        let body = json!({"user": ADA}).to_string();
        request(&scene.caller, Method::POST, "/sessions").header("Idempotency-Key", "k-9").body(body)
    };
    assert_eq!(told(start()).await.problem(), (409, "opted_out"));
    assert_eq!(told(start()).await.problem(), (409, "opted_out"));
    assert!(scene.watson.asked().is_empty());
}

#[tokio::test]
async fn who_has_stopped_at_the_provider_has_stopped_here() {
    let scene = Scene::start().await;
    scene.twilio.answer_create(error(400, 21610), Taken::No);
    scene.echoes(ADA, "hi").await;
    assert_eq!(failure(&scene.settled(ADA).await), "opted_out");
    assert_eq!(
        post(&scene.caller, "/texts", &json!({"user": ADA, "text": "an offer"})).await.problem(),
        (409, "opted_out")
    );
    scene.text(ADA, "START").await;
    scene.echoes(ADA, "hello again").await;
    assert_eq!(scene.watson.told_with("hello again")["smsError"]["code"], "opted_out");
}

#[tokio::test]
async fn keywords_are_answered_in_the_configured_words() {
    let scene = Scene::with(OWN_WORDS, echo).await;
    for (sent, (text, answer)) in
        [("help", "Call us."), ("STOP", "No more."), ("START", "Back again.")].iter().enumerate()
    {
        scene.text(ADA, text).await;
        assert_eq!(scene.creates(sent + 1).await[sent].body, *answer);
    }
    assert!(scene.watson.asked().is_empty());
}
