//! What log webhooks are told, and that nothing waits for them. And what proves to any webhook that it is us.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::*;

fn log(hooks: &Hooks, paths: &[&str]) -> Settings {
    let log = paths
        .iter()
        .map(|path| HookSettings { timeout: Duration::from_secs(30), ..HookSettings::at(&hooks.url(path)) });
    Settings { log: log.collect(), ..Settings::default() }
}

fn texts(calls: &[Called]) -> Vec<String> {
    let text = |call: &Called| call.body["payload"]["request"]["input"]["text"].as_str().unwrap_or_default().to_owned();
    calls.iter().map(text).collect()
}

#[tokio::test]
async fn it_is_told_of_the_question_and_the_answer_that_counted() {
    let hooks = Hooks::start().await;
    let settings = Settings { pre: pre(&hooks).pre, post: post(&hooks).post, ..log(&hooks, &["/log"]) };
    hooks.reply("/pre", Reply::payload(&json!({"input": {"text": "hello"}})));
    let output = json!({"generic": [{"response_type": "text", "text": "changed"}]});
    hooks.reply("/post", Reply::payload(&json!({ "output": output })));
    let asked = says("hi");
    around(&Recorder::saying("x"), &settings).ask(&asked).await.unwrap();
    let called = hooks.until_called("/log", 1).await.remove(0);
    assert_eq!(called.body["event"], json!({"name": "message_logged"}));
    let payload = &called.body["payload"];
    assert_eq!(payload["request"]["input"]["text"], "hello");
    assert_eq!(payload["response"]["output"], output);
    assert_eq!(payload["session_id"], json!(asked.variables.session));
    assert_eq!(payload["turn_id"], json!(asked.turn_id));
    let at = humantime::parse_rfc3339(payload["at"].as_str().unwrap()).unwrap();
    assert!(SystemTime::now().duration_since(at).unwrap() < Duration::from_secs(60));
    assert!(called.body.get("options").is_none());
}

#[tokio::test]
async fn what_ibm_keeps_out_of_logs_is_not_told() {
    let hooks = Hooks::start().await;
    let settings = Settings { post: post(&hooks).post, ..log(&hooks, &["/log"]) };
    around(&Recorder::saying("x"), &settings).ask(&says("hi")).await.unwrap();
    let logged = hooks.until_called("/log", 1).await.remove(0);
    assert!(hooks.call("/post").raw.contains("\"private\""));
    assert!(!logged.raw.contains("\"private\""), "{}", logged.raw);
    let texting = &logged.body["payload"]["request"]["context"]["integrations"]["text_messaging"];
    assert_eq!(texting["assistant_phone_number"], TENANT);
}

#[tokio::test]
async fn nothing_is_told_of_a_turn_that_failed() {
    let hooks = Hooks::start().await;
    let hook = HookSettings { on_error: Some(OnError::Fail), ..HookSettings::at(&hooks.url("/pre")) };
    let settings = Settings { pre: Some(hook), ..log(&hooks, &["/log"]) };
    hooks.reply("/pre", Reply::Status(500));
    let hooked = around(&Recorder::saying("x"), &settings);
    assert!(hooked.ask(&says("one")).await.is_err());
    assert!(hooked.ask(&says("two")).await.is_ok());
    assert_eq!(texts(&hooks.until_called("/log", 1).await), ["two"]);
}

#[tokio::test]
async fn a_slow_or_failing_one_delays_neither_turns_nor_the_other_ones() {
    let hooks = Hooks::start().await;
    hooks.hold("/slow");
    hooks.reply("/broken", Reply::Status(500));
    let hooked = around(&Recorder::saying("x"), &log(&hooks, &["/slow", "/broken", "/fine"]));
    for text in ["one", "two"] {
        hooked.ask(&says(text)).await.unwrap();
    }
    for path in ["/broken", "/fine"] {
        assert_eq!(texts(&hooks.until_called(path, 2).await), ["one", "two"], "{path}");
    }
    assert_eq!(texts(&hooks.until_called("/slow", 1).await), ["one"], "one at a time, and it is held");
    hooks.let_through(1);
    assert_eq!(texts(&hooks.until_called("/slow", 2).await), ["one", "two"]);
}

#[tokio::test]
async fn when_a_thousand_wait_what_is_new_is_dropped() {
    let hooks = Hooks::start().await;
    hooks.hold("/log");
    let hooked = around(&Recorder::saying("x"), &log(&hooks, &["/log"]));
    hooked.ask(&says("first")).await.unwrap();
    hooks.until_called("/log", 1).await;
    for number in 0..1_001 {
        hooked.ask(&says(&number.to_string())).await.unwrap();
    }
    hooks.let_through(1_001);
    hooks.until_called("/log", 1_001).await;
    hooked.ask(&says("last")).await.unwrap();
    hooks.let_through(1);
    let told = texts(&hooks.until_called("/log", 1_002).await);
    let expected: Vec<String> = (0..1_000).map(|number| number.to_string()).collect();
    assert_eq!((told[0].as_str(), &told[1..1_001], told[1_001].as_str()), ("first", &expected[..], "last"));
}

#[tokio::test]
async fn what_waits_is_told_also_when_the_assistant_is_gone() {
    let hooks = Hooks::start().await;
    hooks.hold("/log");
    let hooked = around(&Recorder::saying("x"), &log(&hooks, &["/log"]));
    for text in ["one", "two"] {
        hooked.ask(&says(text)).await.unwrap();
    }
    drop(hooked);
    hooks.let_through(2);
    assert_eq!(texts(&hooks.until_called("/log", 2).await), ["one", "two"]);
}

#[tokio::test]
async fn every_webhook_gets_its_headers_and_a_signed_token_of_the_turn() {
    let hooks = Hooks::start().await;
    let hook = |path: &str| HookSettings {
        secret: Some(Secret::new("open sesame")),
        headers: [("X-Api-Key".to_owned(), Secret::new("k-1"))].into(),
        timeout: Duration::from_secs(7),
        ..HookSettings::at(&hooks.url(path))
    };
    let settings = Settings { pre: Some(hook("/pre")), post: Some(hook("/post")), log: vec![hook("/log")] };
    let asked = says("hi");
    around(&Recorder::saying("x"), &settings).ask(&asked).await.unwrap();
    hooks.until_called("/log", 1).await;
    for path in ["/pre", "/post", "/log"] {
        let headers = hooks.call(path).headers;
        assert_eq!(headers["x-api-key"], "k-1");
        let token = headers["authorization"].to_str().unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(b"open sesame").unwrap();
        mac.update(signed.as_bytes());
        mac.verify_slice(&BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap()).expect("the signature is ours");
        let part = |part: &str| serde_json::from_slice::<Value>(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        let (header, claims) = signed.split_once('.').map(|(header, claims)| (part(header), part(claims))).unwrap();
        assert_eq!(header, json!({"alg": "HS256", "typ": "JWT"}));
        let issued = claims["iat"].as_u64().unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert!(now - issued < 60);
        let expected = json!({"iss": "raconteur", "iat": issued, "exp": issued + 67, "jti": asked.turn_id});
        assert_eq!(claims, expected);
    }
}
