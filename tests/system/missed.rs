//! Texts that Twilio could not hand over: they are in its log, and are answered once, whatever its webhook does besides.

use crate::caller::{INBOUND, text_fields};
use crate::scene::{ADA, Keys, Scene, TENANT, echo};

/// One text at a time, and a log that is read soon after a refusal.
const NARROW: Keys = Keys {
    server: "",
    store: "inbox_max = 1\n[engine]\ncatch_up_after = \"50ms\"",
    ask: "",
    send: "timeout = \"20s\"",
    tenant: "",
    channel: "",
};

#[tokio::test]
async fn a_text_that_was_refused_with_503_is_fetched_and_answered_once_though_its_webhook_comes_again() {
    let scene = Scene::with(NARROW, echo).await;
    scene.watson.hold("text");
    let mut posts = Vec::new();
    for (body, expected) in [("text 0", 200), ("text 1", 503)] {
        let sid = scene.caller.fresh_sid();
        scene.twilio.receive(&sid, (ADA, TENANT), body, &[]);
        let fields = text_fields(&sid, (ADA, TENANT), body);
        assert_eq!(scene.caller.signed(INBOUND, &fields).await.status, expected, "{body}");
        posts.push(fields);
    }
    scene.watson.let_through(2);
    scene.creates(2).await;
    for fields in &posts {
        assert_eq!(scene.caller.signed(INBOUND, fields).await.status, 200);
    }
    scene.watson.let_through(1);
    scene.text(ADA, "text 2").await;
    scene.creates(3).await;
    assert_eq!(scene.sent_to(ADA), ["echo text 0", "echo text 1", "echo text 2"]);
    assert_eq!(scene.watson.asked(), ["text 0", "text 1", "text 2"]);
    let counters = scene.caller.request(reqwest::Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    for line in
        ["raconteur_turned_away_total{reason=\"inbox\"} 1", "raconteur_caught_up_texts_total{outcome=\"taken\"} 1"]
    {
        assert!(counters.lines().any(|counter| counter == line), "{line} is missing in\n{counters}");
    }
}

#[tokio::test]
async fn a_picture_that_came_while_nobody_was_there_comes_with_its_medium() {
    let scene = Scene::start().await;
    scene.echoes(ADA, "hi").await;
    let scene = scene
        .restart_after(|twilio, caller| {
            twilio.receive(&caller.fresh_sid(), (ADA, TENANT), "look", &["image/png"]);
        })
        .await;
    scene.creates(2).await;
    assert_eq!(scene.sent_to(ADA), ["echo hi", "echo look"]);
    let media = scene.watson.told_with("look")["smsMedia"].to_string();
    assert!(media.contains("/Media/ME") && media.contains("image/png"), "{media}");
}
