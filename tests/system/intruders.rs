//! Whoever is not Twilio gets 403 and sets nothing in motion.

use crate::caller::{Answered, INBOUND, answered, encoded, signed_with, text_fields, with};
use crate::scene::{ADA, BOB, PHONE, Scene, TENANT};
use crate::twilio::TOKEN;

fn forbidden() -> Answered {
    Answered::words(403, "Forbidden")
}

/// Nobody but Bob was heard, and he still is.
async fn only_bob_is_heard(scene: &Scene) {
    scene.echoes(BOB, "hi").await;
    assert_eq!(scene.watson.asked(), ["hi"]);
    assert_eq!(scene.twilio.creates().len(), 1);
    assert!(scene.transcript(ADA).await.is_empty());
}

#[tokio::test]
async fn unsigned_and_badly_signed_texts_are_forbidden_and_make_no_turn() {
    let scene = Scene::start().await;
    let fields = text_fields(&scene.caller.fresh_sid(), (ADA, TENANT), "let me in");
    let right = signed_with(TOKEN, INBOUND, &fields);
    let unsigned = scene
        .caller
        .request(reqwest::Method::POST, INBOUND)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(encoded(&fields));
    assert_eq!(answered(unsigned).await, forbidden());
    let long = "A".repeat(4_000);
    for bad in ["", "no", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", &right[1..], &format!("{right}{right}"), &long] {
        assert_eq!(scene.caller.post(INBOUND, &fields, bad).await, forbidden(), "{bad}");
    }
    let twice = scene
        .caller
        .request(reqwest::Method::POST, INBOUND)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .header("X-Twilio-Signature", right.as_str())
        .header("X-Twilio-Signature", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=")
        .body(encoded(&fields));
    assert_eq!(answered(twice).await, forbidden());
    only_bob_is_heard(&scene).await;
}

#[tokio::test]
async fn texts_signed_with_another_token_or_for_another_path_are_forbidden() {
    let scene = Scene::start().await;
    let fields = text_fields(&scene.caller.fresh_sid(), (ADA, TENANT), "let me in");
    for signature in [
        signed_with("another token", INBOUND, &fields),
        signed_with("", INBOUND, &fields),
        signed_with(TOKEN, "/channels/twilio/status", &fields),
        signed_with(TOKEN, "/channels/other/inbound", &fields),
        signed_with(TOKEN, &format!("{INBOUND}?x=1"), &fields),
        signed_with(TOKEN, "", &fields),
        signed_with(TOKEN, INBOUND, &Vec::new()),
        signed_with(TOKEN, INBOUND, &fields[1..].to_vec()),
    ] {
        assert_eq!(scene.caller.post(INBOUND, &fields, &signature).await, forbidden());
    }
    let right = signed_with(TOKEN, INBOUND, &fields);
    for path in ["/channels/twilio/status", "/channels/twilio/status?outbound=1-0", &format!("{INBOUND}?x=1")] {
        assert_eq!(scene.caller.post(path, &fields, &right).await, forbidden(), "{path}");
    }
    let altered = with(fields, "Body", Some("something else"));
    assert_eq!(scene.caller.post(INBOUND, &altered, &right).await, forbidden());
    only_bob_is_heard(&scene).await;
}

#[tokio::test]
async fn another_account_and_numbers_that_are_not_this_channels_are_forbidden() {
    let scene = Scene::start().await;
    let fields = |to| text_fields(&scene.caller.fresh_sid(), (ADA, to), "hello?");
    let other = with(fields(TENANT), "AccountSid", Some("AC22222222222222222222222222222222"));
    assert_eq!(scene.caller.signed(INBOUND, &other).await, forbidden());
    for to in ["+15559999", PHONE, "whatsapp:+15550100", "SHORTY"] {
        assert_eq!(scene.caller.signed(INBOUND, &fields(to)).await, forbidden(), "{to}");
    }
    only_bob_is_heard(&scene).await;
}
