//! The pipes of a voice gateway: what `vgwActSendSMS` needs.

use reqwest::Method;
use serde_json::{Value, json};

use crate::caller::text_fields;
use crate::operator::{delete, get, post, request, told};
use crate::scene::{ADA, BOB, Keys, SORRY, Scene, TENANT, echo, soon};
use crate::voice::VoiceGateway;

async fn opened(scene: &Scene, voice: &VoiceGateway, user: &str) -> String {
    let opened = post(&scene.caller, "/pipes", &json!({"user": user, "webhook": voice.url})).await;
    assert_eq!((opened.status, &opened.body["open"]), (201, &json!(true)), "{opened:?}");
    opened.body["pipe"].as_str().expect("an opened pipe has an id").to_owned()
}

#[tokio::test]
async fn texts_go_to_the_voice_gateway_while_the_pipe_is_open_and_to_the_assistant_afterwards() {
    let (scene, voice) = (Scene::start().await, VoiceGateway::start().await);
    scene.echoes(ADA, "hi").await;
    let pipe = opened(&scene, &voice, ADA).await;
    let sent = post(&scene.caller, &format!("/pipes/{pipe}/texts"), &json!({"text": "What is your number?"})).await;
    assert_eq!(sent.status, 202, "{sent:?}");
    assert_eq!(scene.creates(2).await[1].body, "What is your number?");
    let mut fields = text_fields(&scene.caller.fresh_sid(), (ADA, TENANT), "4711");
    for (name, value) in [("MediaUrl0", "https://m.example/1"), ("MediaContentType0", "image/png")] {
        fields.push((name.into(), value.into()));
    }
    fields.iter_mut().filter(|(name, _)| name == "NumMedia").for_each(|(_, value)| *value = "1".into());
    assert_eq!(scene.caller.signed("/channels/twilio/inbound", &fields).await.status, 200);
    let heard = soon("the forwarded text", voice.heard(1)).await;
    let (key, body) = &heard[0];
    assert_eq!(body["turn_id"], json!(key));
    assert!(body["accepted_at_ms"].is_u64());
    let expected = [
        ("pipe", json!(pipe)),
        ("tenantPhoneNumber", json!(TENANT)),
        ("userPhoneNumber", json!(ADA)),
        ("message", json!("4711")),
        ("media", json!([{"mediaURL": "https://m.example/1", "mediaContentType": "image/png"}])),
    ];
    for (name, value) in expected {
        assert_eq!(body[name], value, "{name}");
    }
    assert_eq!(scene.watson.asked(), ["hi"]);
    scene.echoes(BOB, "not me").await;
    assert_eq!(delete(&scene.caller, &format!("/pipes/{pipe}")).await.status, 200);
    let late = post(&scene.caller, &format!("/pipes/{pipe}/texts"), &json!({"text": "too late"})).await;
    assert_eq!(late.problem(), (409, "no_pipe"));
    assert_eq!(get(&scene.caller, &format!("/pipes/{pipe}")).await.body["open"], json!(false));
    scene.echoes(ADA, "back").await;
}

#[tokio::test]
async fn a_pipe_needs_no_session_and_survives_a_restart() {
    let (scene, voice) = (Scene::start().await, VoiceGateway::start().await);
    let pipe = opened(&scene, &voice, ADA).await;
    let scene = scene.restart().await;
    let shown = get(&scene.caller, &format!("/pipes/{pipe}")).await;
    assert_eq!((&shown.body["open"], &shown.body["user"]), (&json!(true), &json!(ADA)), "{shown:?}");
    scene.text(ADA, "hello").await;
    assert_eq!(soon("the forwarded text", voice.heard(1)).await[0].1["message"], "hello");
    let anywhere = post(&scene.caller, "/texts", &json!({"user": ADA, "text": "without the pipe"})).await;
    assert_eq!(anywhere.status, 202);
    assert_eq!(scene.creates(1).await[0].body, "without the pipe");
}

#[tokio::test]
async fn an_expired_pipe_is_closed() {
    let (scene, voice) = (Scene::start().await, VoiceGateway::start().await);
    let body = json!({"user": ADA, "webhook": voice.url, "expires_in_s": 1});
    let pipe = post(&scene.caller, "/pipes", &body).await;
    let (id, expires) = (pipe.body["pipe"].as_str().unwrap(), pipe.body["expires_at_ms"].as_u64().unwrap());
    let shown = |told: crate::operator::Told| told.body["open"] == json!(false);
    soon("the end of the pipe", async {
        while !shown(get(&scene.caller, &format!("/pipes/{id}")).await) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    assert!(now >= u128::from(expires));
    scene.echoes(ADA, "who is there?").await;
}

#[tokio::test]
async fn a_repeated_opening_gives_the_same_pipe() {
    let (scene, voice) = (Scene::start().await, VoiceGateway::start().await);
    let open = |user: &str| {
        let body = json!({"user": user, "webhook": voice.url, "expires_in_s": 600}).to_string();
        request(&scene.caller, Method::POST, "/pipes").header("Idempotency-Key", "call-7").body(body)
    };
    let (one, two) = (told(open(ADA)).await, told(open(ADA)).await);
    assert_eq!((one.status, two.status, &one.body["pipe"]), (201, 201, &two.body["pipe"]));
    assert_eq!(told(open(BOB)).await.problem(), (422, "id_reused"));
}

#[tokio::test]
async fn a_voice_gateway_that_fails_is_tried_again_and_then_the_user_hears_of_it() {
    let keys = Keys { ask: "retries = 1", ..Keys::default() };
    let (scene, voice) = (Scene::with(keys, echo).await, VoiceGateway::start().await);
    opened(&scene, &voice, ADA).await;
    voice.answer(503);
    scene.text(ADA, "one").await;
    let heard = soon("both attempts", voice.heard(2)).await;
    assert_eq!(heard[0], heard[1], "an attempt carries the same key");
    voice.answer(404);
    scene.text(ADA, "two").await;
    assert_eq!(scene.creates(1).await[0].body, SORRY);
    scene.text(ADA, "three").await;
    assert_eq!(soon("the next text", voice.heard(4)).await[3].1["message"], "three");
}

#[tokio::test]
async fn an_id_that_was_not_given_out_is_no_pipe() {
    let (scene, voice) = (Scene::start().await, VoiceGateway::start().await);
    let pipe = opened(&scene, &voice, ADA).await;
    let forged: String = pipe.chars().rev().collect();
    for id in ["x", forged.as_str(), "%00", "..%2F.."] {
        for told in [
            get(&scene.caller, &format!("/pipes/{id}")).await,
            delete(&scene.caller, &format!("/pipes/{id}")).await,
            post(&scene.caller, &format!("/pipes/{id}/texts"), &json!({"text": "x"})).await,
        ] {
            assert_eq!(told.problem(), (404, "no_pipe"), "{id}");
        }
    }
    let other = scene.caller.request(Method::GET, &format!("/v1/tenants/{}/pipes/{pipe}", crate::scene::PHONE));
    let other = told(other.bearer_auth(crate::scene::CONTROL_TOKEN)).await;
    assert_eq!(other.problem(), (404, "no_pipe"));
    assert_eq!(other.body["pipe"], Value::Null);
}

#[tokio::test]
async fn a_pipe_says_whether_it_was_opened_before_and_whether_it_is_open_still() {
    let (scene, voice) = (Scene::start().await, VoiceGateway::start().await);
    let body = json!({"user": ADA, "webhook": voice.url, "expires_in_s": 600}).to_string();
    let open =
        || told(request(&scene.caller, Method::POST, "/pipes").header("Idempotency-Key", "p-1").body(body.clone()));
    let first = open().await;
    assert_eq!((first.status, &first.body["repeated"]), (201, &json!(false)), "{first:?}");
    let again = open().await;
    assert_eq!((again.status, &again.body["repeated"]), (201, &json!(true)));
    for field in ["pipe", "id", "expires_at_ms", "open"] {
        assert_eq!(again.body[field], first.body[field], "{field}");
    }
    let pipe = first.body["pipe"].as_str().unwrap();
    delete(&scene.caller, &format!("/pipes/{pipe}")).await;
    assert_eq!(open().await.body["open"], json!(false));
}
