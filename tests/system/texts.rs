//! A text comes in and its answer goes out, once.

use futures_util::future::join_all;

use crate::caller::{Answered, INBOUND, PUBLIC_URL, text_fields};
use crate::scene::{ADA, Scene, TENANT, said};

const EMPTY_TWIML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response/>";

fn acknowledged() -> Answered {
    Answered { status: 200, content_type: "text/xml".into(), body: EMPTY_TWIML.into() }
}

#[tokio::test]
async fn a_signed_text_is_acknowledged_with_empty_twiml_and_its_answer_is_sent_exactly_once() {
    let scene = Scene::start().await;
    let fields = text_fields(&scene.caller.fresh_sid(), (ADA, TENANT), "Grüße & 50% = 😀+1");
    assert_eq!(scene.caller.signed(INBOUND, &fields).await, acknowledged());
    scene.creates(1).await;
    scene.echoes(ADA, "more").await;
    let creates = scene.twilio.creates();
    assert_eq!(scene.sent_to(ADA), ["echo Grüße & 50% = 😀+1", "echo more"]);
    let turns = scene.transcript(ADA).await;
    for (create, turn) in creates.iter().zip(&turns) {
        assert_eq!((create.from.as_str(), create.to.as_str()), (TENANT, ADA));
        let callback = format!("{PUBLIC_URL}/channels/twilio/status?outbound={}", turn.rows[0].row.id);
        assert_eq!(create.status_callback.as_ref(), Some(&callback));
    }
    assert_eq!(turns.len(), 2);
}

#[tokio::test]
async fn the_same_webhook_five_times_at_once_and_later_makes_one_turn_and_one_answer() {
    let scene = Scene::start().await;
    let fields = text_fields(&scene.caller.fresh_sid(), (ADA, TENANT), "hi");
    let at_once = join_all((0..3).map(|_| scene.caller.signed(INBOUND, &fields))).await;
    scene.creates(1).await;
    let later = [scene.caller.signed(INBOUND, &fields).await, scene.caller.signed(INBOUND, &fields).await];
    for answered in at_once.into_iter().chain(later) {
        assert_eq!(answered, acknowledged());
    }
    scene.echoes(ADA, "next").await;
    assert_eq!(scene.sent_to(ADA), ["echo hi", "echo next"]);
    assert_eq!(scene.watson.asked(), ["hi", "next"]);
    let turns = scene.transcript(ADA).await;
    assert_eq!(turns.iter().map(said).collect::<Vec<_>>(), ["hi", "next"]);
}

#[tokio::test]
async fn a_text_repeated_after_a_restart_is_still_the_same_text() {
    let scene = Scene::start().await;
    let fields = text_fields(&scene.caller.fresh_sid(), (ADA, TENANT), "hi");
    assert_eq!(scene.caller.signed(INBOUND, &fields).await.status, 200);
    scene.creates(1).await;
    let scene = scene.restart().await;
    assert_eq!(scene.caller.signed(INBOUND, &fields).await, acknowledged());
    scene.echoes(ADA, "next").await;
    assert_eq!(scene.sent_to(ADA), ["echo hi", "echo next"]);
}
