//! The REST interface: sessions and texts on request, by those who may.

use reqwest::Method;
use serde_json::{Value, json};

use crate::caller::text_fields;
use crate::operator::{delete, get, post, request, told};
use crate::scene::{ADA, BOB, CONTROL_TOKEN, Keys, OPERATOR, PASSWORD, PHONE, Scene, TENANT, echo, said, soon};
use crate::twilio::{Answer, Taken, error};
use crate::watson::{Fault, Operation};

const ONLY_ON_REQUEST: Keys =
    Keys { server: "", store: "", ask: "", send: "timeout = \"20s\"", tenant: "inbound_start = false", channel: "" };

fn session_of(user: &str) -> String {
    format!("/sessions/{user}")
}

#[tokio::test]
async fn a_started_session_lets_the_assistant_speak_first_with_data_and_timeout() {
    let scene = Scene::start().await;
    let body = json!({"user": ADA, "user_data": {"case": 42.50}, "timeout_s": 600});
    let started = post(&scene.caller, "/sessions", &body).await;
    assert_eq!((started.status, &started.body["user"], &started.body["repeated"]), (202, &json!(ADA), &json!(false)));
    let sent = scene.creates(1).await;
    assert_eq!((sent[0].to.as_str(), sent[0].body.as_str()), (ADA, "echo"));
    let told = scene.watson.told_with("");
    assert_eq!((&told["smsUserData"], &told["smsSessionTimeoutCount"]), (&json!({"case": 42.50}), &json!(600)));
    scene.settled(ADA).await;
    let shown = get(&scene.caller, &session_of(ADA)).await;
    assert_eq!(
        (shown.status, &shown.body["turns"], &shown.body["user_data"]),
        (200, &json!(1), &json!({"case": 42.50}))
    );
    assert_eq!(shown.body["session_id"], told["smsSessionID"]);
    let span = shown.body["ends_at_ms"].as_u64().unwrap() - shown.body["opened_at_ms"].as_u64().unwrap();
    assert!((600_000..700_000).contains(&span), "{span}");
}

#[tokio::test]
async fn a_session_may_start_with_a_text_of_ours() {
    let scene = Scene::start().await;
    post(&scene.caller, "/sessions", &json!({"user": ADA, "text": "Your car is ready. Pick it up today?"})).await;
    assert_eq!(scene.creates(1).await[0].body, "Your car is ready. Pick it up today?");
    assert!(scene.watson.asked().is_empty());
    scene.echoes(ADA, "yes").await;
}

#[tokio::test]
async fn a_repeated_request_takes_effect_once_and_another_under_its_key_is_refused() {
    let scene = Scene::start().await;
    let send = |body: Value| {
        request(&scene.caller, Method::POST, "/sessions").header("Idempotency-Key", "k-1").body(body.to_string())
    };
    let first = told(send(json!({"user": ADA, "text": "once"}))).await;
    let again = told(send(json!({"user": ADA, "text": "once"}))).await;
    assert_eq!((again.status, &again.body["id"], &again.body["repeated"]), (202, &first.body["id"], &json!(true)));
    let other = told(send(json!({"user": ADA, "text": "twice"}))).await;
    assert_eq!(other.problem(), (422, "id_reused"));
    scene.settled(ADA).await;
    scene.echoes(BOB, "hi").await;
    assert_eq!(scene.sent_to(ADA), ["once"]);
}

#[tokio::test]
async fn with_inbound_start_off_only_a_request_opens_a_session() {
    let scene = Scene::with(ONLY_ON_REQUEST, echo).await;
    scene.text(ADA, "anybody there?").await;
    let turns = scene.until(ADA, |turns| turns.len() == 1).await;
    assert_eq!((said(&turns[0]), turns[0].rows.len()), ("anybody there?", 0));
    assert_eq!(turns[0].error.as_deref(), Some("no session was open, and inbound_start is false"));
    post(&scene.caller, "/sessions", &json!({"user": ADA})).await;
    scene.creates(1).await;
    scene.echoes(ADA, "now?").await;
    assert_eq!(scene.watson.asked(), ["", "now?"]);
}

#[tokio::test]
async fn a_text_in_a_session_is_sent_and_without_one_refused() {
    let scene = Scene::start().await;
    let texts = format!("{}/texts", session_of(ADA));
    let refused = post(&scene.caller, &texts, &json!({"text": "hello?"})).await;
    assert_eq!(refused.problem(), (409, "no_session"));
    scene.echoes(ADA, "hi").await;
    let sent = post(&scene.caller, &texts, &json!({"text": "By the way", "media": ["https://m.example/1.png"]})).await;
    assert_eq!(sent.status, 202, "{sent:?}");
    let creates = scene.creates(2).await;
    assert_eq!(
        (creates[1].body.as_str(), &creates[1].media[..]),
        ("By the way", &["https://m.example/1.png".to_owned()][..])
    );
    let anywhere = post(&scene.caller, "/texts", &json!({"user": BOB, "text": "No session needed"})).await;
    assert_eq!(anywhere.status, 202);
    assert_eq!(scene.creates(3).await[2].body, "No session needed");
    assert!(scene.watson.asked() == ["hi"], "no assistant hears of a text of ours");
}

#[tokio::test]
async fn a_session_is_ended_and_the_next_text_starts_afresh() {
    let scene = Scene::start().await;
    scene.echoes(ADA, "hi").await;
    let first = scene.watson.told_with("hi")["smsSessionID"].clone();
    assert_eq!(delete(&scene.caller, &session_of(ADA)).await.status, 200);
    assert_eq!(delete(&scene.caller, &session_of(ADA)).await.problem(), (404, "no_session"));
    assert_eq!(get(&scene.caller, &session_of(ADA)).await.problem(), (404, "no_session"));
    scene.echoes(ADA, "again").await;
    assert_ne!(scene.watson.told_with("again")["smsSessionID"], first);
}

#[tokio::test]
async fn a_start_replaces_an_open_session_or_is_refused_as_the_caller_wants() {
    let scene = Scene::start().await;
    scene.echoes(ADA, "hi").await;
    scene.settled(ADA).await;
    let refused = post(&scene.caller, "/sessions", &json!({"user": ADA, "text": "new", "on_open": "refuse"})).await;
    assert_eq!(refused.problem(), (409, "session_open"));
    assert_eq!(post(&scene.caller, "/sessions", &json!({"user": ADA, "text": "new"})).await.status, 202);
    assert_eq!(scene.creates(2).await[1].body, "new");
}

#[tokio::test]
async fn open_sessions_are_listed_in_pages_and_a_transcript_newest_first() {
    let scene = Scene::start().await;
    let users: Vec<String> = (0..5).map(|n| format!("+1555019{n}")).collect();
    for user in &users {
        scene.echoes(user, "hi").await;
    }
    delete(&scene.caller, &session_of(&users[0])).await;
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = get(&scene.caller, &format!("/sessions?limit=2{after}")).await;
        let sessions = page.body["sessions"].as_array().unwrap();
        assert!(page.status == 200 && sessions.len() <= 2, "{page:?}");
        seen.extend(sessions.iter().map(|session| session["user"].as_str().unwrap().to_owned()));
        let Some(next) = page.body["next"].as_str() else { break };
        after = format!("&after={}", next.replace('+', "%2B"));
    }
    seen.sort();
    assert_eq!(seen, users[1..]);
    scene.echoes(&users[1], "more").await;
    scene.until(&users[1], |turns| turns.len() == 2).await;
    let page = get(&scene.caller, &format!("/sessions/{}/transcript?limit=1", users[1])).await;
    assert_eq!((&page.body["turns"][0]["text"], page.body["turns"].as_array().unwrap().len()), (&json!("more"), 1));
    assert_eq!(page.body["turns"][0]["texts"][0]["text"], "echo more");
    let next = page.body["next"].as_str().unwrap();
    let rest = get(&scene.caller, &format!("/sessions/{}/transcript?before={next}", users[1])).await;
    assert_eq!((&rest.body["turns"][0]["text"], &rest.body["next"]), (&json!("hi"), &Value::Null));
}

#[tokio::test]
async fn usage_is_summed_up_by_day() {
    let scene = Scene::start().await;
    scene.echoes(ADA, "hi").await;
    scene.twilio.answer_create(error(400, 21614), Taken::No);
    scene.text(BOB, "hi").await;
    scene.settled(ADA).await;
    scene.settled(BOB).await;
    let usage = get(&scene.caller, "/usage").await;
    let expected = json!({"inbound": 2, "answered": 2, "outbound": 1, "outbound_segments": 1, "failed": 1});
    assert_eq!((usage.status, &usage.body["total"]), (200, &expected));
    assert_eq!(usage.body["days"][0]["usage"], expected);
    let other = get(&scene.caller, "/usage?from=2001-01-01&until=2001-01-31").await;
    assert_eq!((&other.body["total"]["inbound"], &other.body["days"]), (&json!(0), &json!([])));
    for query in ["?from=yesterday", "?from=2020-01-02&until=2020-01-01", "?from=2001-01-01&until=2020-01-01"] {
        assert_eq!(get(&scene.caller, &format!("/usage{query}")).await.problem(), (400, "invalid"), "{query}");
    }
}

#[tokio::test]
async fn the_provider_is_tried_with_ibms_words_and_says_what_it_made_of_them() {
    let scene = Scene::start().await;
    let tried = post(&scene.caller, "/test/provider", &json!({"user": ADA})).await;
    assert_eq!((tried.status, &tried.body["result"]), (200, &json!("sent")), "{tried:?}");
    assert_eq!(scene.sent_to(ADA), ["Test Connection message from SMS Gateway"]);
    scene.twilio.answer_create(error(400, 21614), Taken::No);
    let failed = post(&scene.caller, "/test/provider", &json!({"user": ADA})).await;
    assert_eq!(failed.problem(), (502, "provider_failed"));
    assert!(failed.body["detail"].as_str().unwrap().contains("21614"), "{failed:?}");
}

#[tokio::test]
async fn the_assistant_is_tried_in_a_session_of_its_own_that_is_ended() {
    let scene = Scene::start().await;
    let tried = post(&scene.caller, "/test/assistant", &json!({})).await;
    assert_eq!((tried.status, &tried.body["result"]), (200, &json!("answered")), "{tried:?}");
    assert!(scene.watson.open_sessions().is_empty() && scene.twilio.creates().is_empty());
    scene.watson.fault(Operation::Create, Fault::Status(401, Vec::new(), "{}".into()));
    let failed = told(request(&scene.caller, Method::POST, "/test/assistant")).await;
    assert_eq!(failed.problem(), (502, "assistant_failed"));
}

#[tokio::test]
async fn nobody_gets_in_without_this_numbers_credentials() {
    let scene = Scene::start().await;
    let url = format!("/v1/tenants/{TENANT}/sessions");
    let bare = || scene.caller.request(Method::GET, &url);
    assert_eq!(told(bare().basic_auth(OPERATOR, Some(PASSWORD))).await.status, 200);
    assert_eq!(told(bare().bearer_auth(CONTROL_TOKEN)).await.status, 200);
    let strangers = [
        bare(),
        bare().bearer_auth("guess"),
        bare().basic_auth(OPERATOR, Some("guess")),
        bare().basic_auth("", Some(CONTROL_TOKEN)),
        scene.caller.request(Method::GET, "/v1/tenants/+15559999/sessions").bearer_auth(CONTROL_TOKEN),
        scene.caller.request(Method::GET, "/v1/tenants/nobody!/sessions").bearer_auth(CONTROL_TOKEN),
        scene.caller.request(Method::POST, &format!("/v1/tenants/{TENANT}/sessions")).body("{"),
    ];
    for stranger in strangers {
        let refused = told(stranger).await;
        assert_eq!(refused.problem(), (401, "unauthorized"));
    }
    let other = format!("/v1/tenants/{PHONE}/sessions");
    assert_eq!(told(scene.caller.request(Method::GET, &other).bearer_auth(CONTROL_TOKEN)).await.status, 200);
}

#[tokio::test]
async fn every_wrong_request_is_answered_with_what_is_wrong() {
    let keys = Keys { server: "body_max_bytes = 2048", ..Keys::default() };
    let scene = Scene::with(keys, echo).await;
    let deep = format!("{{\"user\": \"{ADA}\", \"user_data\": {}1{}}}", "[".repeat(200), "]".repeat(200));
    let table = [
        ("/sessions", "", "\"user\" is missing"),
        ("/sessions", "{", "the body is not JSON"),
        ("/sessions", "[]", "the body is not a JSON object"),
        ("/sessions", "\u{fffd}", "the body is not JSON"),
        ("/sessions", deep.as_str(), "the body is not JSON, or nested too deep"),
        ("/sessions", r#"{"user": 5}"#, "\"user\" is not a string"),
        ("/sessions", r#"{"user": "+1 555"}"#, "\"user\": the address has a character"),
        ("/sessions", r#"{"user": "+15550111", "userdata": 1}"#, "the body has an unknown field \"userdata\""),
        ("/sessions", r#"{"user": "+15550111", "timeout_s": 0}"#, "\"timeout_s\" is not a whole number"),
        ("/sessions", r#"{"user": "+15550111", "timeout_s": "600"}"#, "\"timeout_s\" is not a whole number"),
        ("/sessions", r#"{"user": "+15550111", "text": " "}"#, "\"text\" is empty"),
        ("/sessions", r#"{"user": "+15550111", "on_open": "ask"}"#, "\"on_open\" is none of replace, refuse"),
        ("/texts", r#"{"user": "+15550111"}"#, "there is neither \"text\" nor \"media\""),
        ("/texts", r#"{"user": "+15550111", "media": "x"}"#, "\"media\" is not a list"),
        ("/texts", r#"{"user": "+15550111", "media": ["ftp://x"]}"#, "\"media\" has an entry"),
        ("/sessions/nobody!/texts", r#"{"text": "x"}"#, "the user in the path"),
        ("/pipes", r#"{"user": "+15550111"}"#, "\"webhook\" is missing"),
        ("/pipes", r#"{"user": "+15550111", "webhook": "voice"}"#, "\"webhook\" is no http"),
        ("/pipes", r#"{"user": "+15550111", "webhook": "http://v", "expires_in_s": 1.5}"#, "\"expires_in_s\" is not"),
    ];
    for (resource, body, expected) in table {
        let refused = told(request(&scene.caller, Method::POST, resource).body(body.to_owned())).await;
        assert_eq!(refused.problem(), (400, "invalid"), "{resource} {body}");
        let detail = refused.body["detail"].as_str().unwrap();
        assert!(detail.starts_with(expected), "{resource} {body}: {detail}");
    }
    let large = "x".repeat(3_000);
    assert_eq!(post(&scene.caller, "/texts", &json!({"user": ADA, "text": large})).await.problem(), (413, "too_large"));
    for id in ["", &"k".repeat(129)] {
        let keyed = request(&scene.caller, Method::POST, "/sessions").header("Idempotency-Key", id).body("{}");
        let keyed = told(keyed).await;
        assert_eq!(keyed.problem(), (400, "invalid"), "{id}");
    }
    for query in ["?limit=0", "?limit=many", "?after=nobody!"] {
        assert_eq!(get(&scene.caller, &format!("/sessions{query}")).await.problem(), (400, "invalid"), "{query}");
    }
    assert_eq!(get(&scene.caller, &format!("/sessions/{ADA}/transcript?before=x")).await.problem(), (400, "invalid"));
    assert_eq!(told(request(&scene.caller, Method::PATCH, "/sessions")).await.problem(), (405, "wrong_method"));
    assert_eq!(get(&scene.caller, "/nothing").await.problem(), (404, "not_found"));
    assert!(scene.twilio.creates().is_empty() && scene.watson.asked().is_empty());
    scene.echoes(ADA, "alive").await;
}

#[tokio::test]
async fn a_full_inbox_turns_requests_away_with_when_to_come_again() {
    let keys = Keys { store: "inbox_max = 1", ..Keys::default() };
    let scene = Scene::with(keys, echo).await;
    scene.watson.hold("slow");
    scene.text(ADA, "slow").await;
    soon("the question", scene.watson.until_asked("slow", 1)).await;
    let refused = post(&scene.caller, "/sessions", &json!({"user": ADA})).await;
    assert_eq!((refused.problem(), refused.retry_after.as_deref()), ((503, "busy"), Some("2")));
    scene.watson.let_through(1);
    scene.creates(1).await;
}

#[tokio::test]
async fn an_older_gateways_webhook_path_is_followed_with_its_own_signature() {
    let keys = Keys {
        server: "aliases = { \"/sms.receiver/SmsRecv\" = \"/channels/twilio/inbound\", \"/old/sessions\" = \"/v1/tenants/+15550100/sessions\" }",
        ..Keys::default()
    };
    let scene = Scene::with(keys, echo).await;
    let fields = text_fields(&scene.caller.fresh_sid(), (ADA, TENANT), "hi");
    assert_eq!(scene.caller.signed("/sms.receiver/SmsRecv", &fields).await.status, 200);
    assert_eq!(scene.creates(1).await[0].body, "echo hi");
    let forged = scene.caller.post("/sms.receiver/SmsRecv", &fields, "wrong").await;
    assert_eq!(forged.status, 403);
    let listed = told(scene.caller.request(Method::GET, "/old/sessions?limit=5").bearer_auth(CONTROL_TOKEN)).await;
    assert_eq!(listed.status, 200, "{listed:?}");
    assert_eq!(told(scene.caller.request(Method::GET, "/old/sessions")).await.status, 401);
    scene.echoes(ADA, "the usual way").await;
}

#[tokio::test]
async fn a_start_that_is_not_to_replace_a_session_is_answered_alike_when_it_is_repeated() {
    let scene = Scene::start().await;
    let body = json!({"user": ADA, "text": "new", "on_open": "refuse"}).to_string();
    let start = |key: &'static str| {
        told(request(&scene.caller, Method::POST, "/sessions").header("Idempotency-Key", key).body(body.clone()))
    };
    assert_eq!(start("k-1").await.status, 202);
    scene.settled(ADA).await;
    let again = start("k-1").await;
    assert_eq!((again.status, &again.body["repeated"]), (202, &json!(true)), "{again:?}");
    assert_eq!(start("k-2").await.problem(), (409, "session_open"));
    delete(&scene.caller, &session_of(ADA)).await;
    assert_eq!(start("k-2").await.problem(), (409, "session_open"), "it was answered before");
    assert_eq!(start("k-3").await.status, 202);
    scene.creates(2).await;
    assert_eq!(scene.sent_to(ADA), ["new", "new"]);
}

#[tokio::test]
async fn a_request_that_was_taken_is_never_answered_as_if_it_had_not_been() {
    let keys = Keys { server: "request_timeout = \"600ms\"", tenant: "outbox_max = 1", ..Keys::default() };
    let scene = Scene::with(keys, echo).await;
    scene.twilio.answer_create(Answer::Silence, Taken::Yes);
    let first = post(&scene.caller, "/texts", &json!({"user": ADA, "text": "one"})).await;
    assert_eq!(first.status, 202, "{first:?}");
    let waits = post(&scene.caller, "/texts", &json!({"user": ADA, "text": "two"})).await;
    assert_eq!((waits.status, &waits.body["repeated"]), (202, &json!(false)), "{waits:?}");
}

#[tokio::test]
async fn a_path_that_is_no_text_is_a_problem_like_any_other() {
    let scene = Scene::start().await;
    for resource in ["/sessions/%ff", "/sessions/%c3%28/transcript", "/pipes/%ff"] {
        assert_eq!(get(&scene.caller, resource).await.problem(), (400, "invalid"), "{resource}");
    }
}
