//! Pictures, both ways.

use serde_json::json;

use crate::caller::{INBOUND, text_fields, with};
use crate::scene::{ADA, Keys, Scene, TENANT, echo, soon};
use crate::watson::Reply;

#[tokio::test]
async fn pictures_reach_the_assistant_as_sms_media_and_are_cleared_in_the_next_turn() {
    let scene = Scene::start().await;
    let added = [
        ("NumMedia", "2"),
        ("MediaUrl0", "https://api.twilio.com/media/ME0"),
        ("MediaContentType0", "image/jpeg"),
        ("MediaUrl1", "https://api.twilio.com/media/ME1"),
        ("MediaContentType1", "video/mp4"),
    ];
    let text = text_fields(&scene.caller.fresh_sid(), (ADA, TENANT), "look");
    let fields = added.into_iter().fold(text, |fields, (name, value)| with(fields, name, Some(value)));
    assert_eq!(scene.caller.signed(INBOUND, &fields).await.status, 200);
    scene.creates(1).await;
    let expected = json!([
        {"mediaURL": "https://api.twilio.com/media/ME0", "mediaContentType": "image/jpeg"},
        {"mediaURL": "https://api.twilio.com/media/ME1", "mediaContentType": "video/mp4"},
    ]);
    assert_eq!(scene.watson.told_with("look")["smsMedia"], expected);
    scene.echoes(ADA, "and now").await;
    assert_eq!(scene.watson.told_with("and now")["smsMedia"], json!([]));
}

#[tokio::test]
async fn a_picture_without_words_is_a_turn() {
    let scene = Scene::with(Keys::default(), |_| Reply::text("nice")).await;
    let text = text_fields(&scene.caller.fresh_sid(), (ADA, TENANT), "");
    let text = with(text, "NumMedia", Some("1"));
    let fields = with(text, "MediaUrl0", Some("https://api.twilio.com/media/ME0"));
    assert_eq!(scene.caller.signed(INBOUND, &fields).await.status, 200);
    assert_eq!(scene.creates(1).await[0].body, "nice");
    assert_eq!(scene.watson.told_with("")["smsMedia"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn the_command_to_send_media_sends_them_with_the_text_and_only_once() {
    let urls = ["https://cdn.example.com/cat.png", "https://cdn.example.com/dog.png"];
    let scene = Scene::with(Keys::default(), move |turn| {
        let order = json!({"smsAction": {"command": "smsActSendMedia", "parameters": {"mediaURL": urls}}});
        if turn.text == "cat" { Reply { user_defined: order, ..echo(turn) } } else { echo(turn) }
    })
    .await;
    let with_media = scene.echoes(ADA, "cat").await;
    assert_eq!(with_media.media, urls);
    let without = scene.echoes(ADA, "thanks").await;
    assert!(without.media.is_empty(), "{without:?}");
    let turns = soon("the transcript", scene.until(ADA, |turns| turns.len() == 2)).await;
    assert_eq!(turns[0].rows[0].row.media, urls);
}
