//! Sessions: when they are opened, replaced and ended, and where they are found.

use super::*;

#[tokio::test]
async fn the_first_turn_opens_a_session_and_later_ones_use_it() {
    let watson = StandIn::start(|turn| Reply::text(&format!("you said {}", turn.text))).await;
    let assistant = assistant(&watson);
    let first = assistant.ask(&says("hi", None)).await.unwrap();
    assert_eq!(first.items, [Item::Text("you said hi".into())]);
    assert_eq!(kept(&first)["session_id"], "session-1");
    let second = assistant.ask(&says("again", first.state.as_ref())).await.unwrap();
    assert_eq!(kept(&second)["session_id"], "session-1");
    let message = "POST /sessions/session-1/message";
    assert_eq!(watson.calls(), ["POST /sessions", message, message]);
    assert_eq!(watson.seen()[0].raw, "{}");
}

#[tokio::test]
async fn an_expired_session_is_replaced_and_the_text_sent_again_once() {
    let watson = StandIn::start(|turn| Reply::text(&turn.text)).await;
    let assistant = open("care", &forgetful(&watson)).unwrap();
    let first = assistant.ask(&says("one", None)).await.unwrap();
    watson.expire_sessions();
    let second = assistant.ask(&says("two", first.state.as_ref())).await.unwrap();
    assert_eq!(second.items, [Item::Text("two".into())]);
    assert_eq!(kept(&second)["session_id"], "session-2");
    assistant.ask(&says("three", second.state.as_ref())).await.unwrap();
    let expected = [
        "POST /sessions",
        "POST /sessions/session-1/message",
        "POST /sessions/session-1/message",
        "POST /sessions",
        "POST /sessions/session-2/message",
        "POST /sessions/session-2/message",
    ];
    assert_eq!(watson.calls(), expected);
    let messages = watson.messages();
    assert_eq!(messages[1], messages[2], "the very same message is sent again");
}

#[tokio::test]
async fn a_session_that_is_lost_twice_is_not_chased_for_ever() {
    let watson = StandIn::start(|_| Reply::text("unreached")).await;
    for _ in 0..2 {
        let body = r#"{"error":"Invalid Session","code":404}"#.to_owned();
        watson.fault(Operation::Message, Fault::Status(404, Vec::new(), body));
    }
    let error = ask(&watson, "hi").await.unwrap_err();
    assert!(matches!(error, AskError::Unavailable { after: None, .. }), "{error}");
    assert_eq!(watson.calls().len(), 4);
}

#[tokio::test]
async fn a_state_that_cannot_be_read_counts_as_none() {
    let watson = StandIn::start(|_| Reply::text("hello")).await;
    let table = [
        "{}",
        "[]",
        "7",
        r#"{"session_id":""}"#,
        r#"{"session_id":"../../x"}"#,
        r#"{"session_id":null}"#,
        r#"{"target":"v1","context":{"system":{}}}"#,
    ];
    for data in table {
        let answer = assistant(&watson).ask(&says("hi", Some(&state(data)))).await.unwrap();
        assert_eq!(answer.items, [Item::Text("hello".into())], "{data}");
    }
    assert_eq!(watson.calls().iter().filter(|call| *call == "POST /sessions").count(), 7);
}

#[tokio::test]
async fn both_address_schemes_carry_version_and_basic_credentials() {
    let watson = StandIn::start(|_| Reply::text("hello")).await;
    let schemes = [(None, String::new()), (Some(ENVIRONMENT.to_owned()), format!("/environments/{ENVIRONMENT}"))];
    for (n, (environment_id, path)) in schemes.into_iter().enumerate() {
        let settings = Settings { environment_id, version: "2023-06-15".into(), ..reaching(watson.url() + "/") };
        let assistant = open("care", &settings).unwrap();
        let answer = assistant.ask(&says("hi", None)).await.unwrap();
        assistant.end(&session_end(answer.state)).await;
        let seen = &watson.seen()[3 * n..];
        let sessions = format!("/instances/test/v2/assistants/{ASSISTANT}{path}/sessions");
        let id = format!("session-{}", n + 1);
        let expected = [
            format!("POST {sessions}?version=2023-06-15"),
            format!("POST {sessions}/{id}/message?version=2023-06-15"),
            format!("DELETE {sessions}/{id}?version=2023-06-15"),
        ];
        let shown: Vec<String> = seen.iter().map(|seen| format!("{} {}", seen.method, seen.target)).collect();
        assert_eq!(shown, expected);
        // base64("apikey:open-sesame")
        assert!(seen.iter().all(|seen| seen.authorization == "Basic YXBpa2V5Om9wZW4tc2VzYW1l"));
    }
}

#[tokio::test]
async fn the_end_of_a_session_deletes_it() {
    let watson = StandIn::start(|_| Reply::text("hello")).await;
    let assistant = assistant(&watson);
    let answer = assistant.ask(&says("hi", None)).await.unwrap();
    assert_eq!(watson.open_sessions(), ["session-1"]);
    assistant.end(&session_end(answer.state.clone())).await;
    assert_eq!(watson.open_sessions(), [] as [&str; 0]);
    assistant.end(&session_end(answer.state)).await;
    assistant.end(&session_end(None)).await;
    assistant.end(&session_end(Some(state("[]")))).await;
    assert_eq!(watson.calls()[2..], ["DELETE /sessions/session-1", "DELETE /sessions/session-1"]);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_session_does_not_wait_for_a_watson_that_hangs() {
    let watson = StandIn::start(|_| Reply::text("hello")).await;
    watson.fault(Operation::Delete, Fault::Hang);
    let settings = Settings { connect_timeout: Duration::from_secs(60), ..reaching(watson.url()) };
    let began = tokio::time::Instant::now();
    open("care", &settings).unwrap().end(&session_end(Some(state(r#"{"session_id":"session-1"}"#)))).await;
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
}
