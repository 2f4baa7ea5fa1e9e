//! Twilio's word on our texts.

use futures_util::future::join_all;
use raconteur_conversation::words::DeliveryStatus;
use raconteur_storage::TranscriptRow;
use serde_json::Value;

use crate::caller::{Answered, receipt_fields, signed_with};
use crate::scene::{ADA, BOB, Scene, last_row};
use crate::twilio::{Create, TOKEN};

/// Posts a receipt that must be taken.
async fn receipt(scene: &Scene, create: &Create, status: &str, code: &str) {
    let answered = scene.caller.receipt(create, status, code).await;
    assert_eq!((answered.status, answered.content_type.as_str()), (200, "text/xml"), "{status}: {answered:?}");
}

/// Waits until the last text to Ada has come so far.
async fn becomes(scene: &Scene, status: DeliveryStatus) {
    let delivery = |row: &TranscriptRow| row.delivery.as_ref().map(|delivery| delivery.status);
    scene.until(ADA, |turns| last_row(turns).and_then(delivery) == Some(status)).await;
}

#[tokio::test]
async fn a_delivered_text_is_shown_as_delivered() {
    let scene = Scene::start().await;
    let create = scene.echoes(ADA, "hi").await;
    for (word, status) in [
        ("queued", DeliveryStatus::Queued),
        ("sent", DeliveryStatus::Sent),
        ("delivered", DeliveryStatus::Delivered),
        ("read", DeliveryStatus::Read),
    ] {
        receipt(&scene, &create, word, "").await;
        becomes(&scene, status).await;
    }
}

#[tokio::test]
async fn an_undelivered_text_is_told_to_the_assistant_with_the_next_question_and_only_then() {
    let scene = Scene::start().await;
    let create = scene.echoes(ADA, "hi").await;
    receipt(&scene, &create, "sent", "").await;
    receipt(&scene, &create, "undelivered", "30003").await;
    becomes(&scene, DeliveryStatus::Undelivered).await;
    scene.echoes(ADA, "are you there?").await;
    let error = &scene.watson.told_with("are you there?")["smsError"];
    assert_eq!(error["code"], "30003");
    assert_eq!(error["message"], "the handset is off or out of coverage");
    receipt(&scene, &create, "undelivered", "30003").await;
    scene.echoes(ADA, "fine").await;
    assert_eq!(scene.watson.told_with("fine")["smsError"], Value::Null);
}

#[tokio::test]
async fn repeated_late_and_contradicting_receipts_do_no_harm() {
    let scene = Scene::start().await;
    let create = scene.echoes(ADA, "hi").await;
    join_all(["delivered"; 4].map(|word| receipt(&scene, &create, word, ""))).await;
    becomes(&scene, DeliveryStatus::Delivered).await;
    for late in ["sent", "sending", "queued", "accepted", "delivered", "something-new"] {
        receipt(&scene, &create, late, "").await;
    }
    becomes(&scene, DeliveryStatus::Delivered).await;
    scene.echoes(ADA, "more").await;
    assert_eq!(scene.watson.told_with("more")["smsError"], Value::Null);
    let first = scene.transcript(ADA).await[0].rows[0].delivery.clone();
    assert_eq!(first.map(|delivery| delivery.status), Some(DeliveryStatus::Delivered));
    assert_eq!(scene.sent_to(ADA), ["echo hi", "echo more"]);
}

#[tokio::test]
async fn a_receipt_for_a_text_that_is_not_ours_is_taken_and_changes_nothing() {
    let scene = Scene::start().await;
    let create = scene.echoes(ADA, "hi").await;
    let fields = receipt_fields(&create, "undelivered", "30003");
    let elsewhere = ["?outbound=999999-0", "?outbound=hello", "?outbound=", "?outbound=1", "?other=1", ""];
    for query in elsewhere {
        let path = format!("/channels/twilio/status{query}");
        assert_eq!(scene.caller.signed(&path, &fields).await.status, 200, "{query}");
    }
    let of_bob = Create { to: BOB.into(), ..create };
    receipt(&scene, &of_bob, "undelivered", "30003").await;
    for user in [ADA, BOB] {
        scene.echoes(user, "still there?").await;
        assert_eq!(scene.watson.told_with("still there?")["smsError"], Value::Null);
    }
}

#[tokio::test]
async fn a_receipt_that_twilio_did_not_sign_is_forbidden() {
    let scene = Scene::start().await;
    let (create, other) = (scene.echoes(ADA, "hi").await, scene.echoes(ADA, "more").await);
    let fields = receipt_fields(&create, "undelivered", "30003");
    let path = |create: &Create| {
        let callback = create.status_callback.as_ref().unwrap();
        callback[callback.find("/channels").unwrap()..].to_owned()
    };
    let of_other = signed_with(TOKEN, &path(&other), &fields);
    for signature in ["", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", &of_other] {
        let answered = scene.caller.post(&path(&create), &fields, signature).await;
        assert_eq!(answered, Answered::words(403, "Forbidden"));
    }
    scene.echoes(ADA, "well?").await;
    assert_eq!(scene.watson.told_with("well?")["smsError"], Value::Null);
}
