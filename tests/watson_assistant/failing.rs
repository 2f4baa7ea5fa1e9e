//! What goes wrong: statuses, connections, and bodies that make no sense.

use super::*;

#[tokio::test]
async fn each_status_becomes_what_can_be_done_about_it() {
    let watson = StandIn::start(|_| Reply::text("hello")).await;
    for operation in [Operation::Create, Operation::Message] {
        for (code, expected, after) in STATUSES {
            let body = json!({"error": format!("'{USER}' and {KEY} \u{1b}[31m"), "code": code}).to_string();
            watson.fault(operation, Fault::Status(code, vec![("retry-after", "7")], body));
            let error = ask(&watson, "hi").await.unwrap_err();
            assert_eq!(class(&error), (expected, after), "{operation:?} {code}: {error}");
            let shown = error.to_string();
            assert!(!shown.contains("15550199") && !shown.contains('\u{1b}'), "{shown}");
            assert!(expected == "rejected" || !shown.contains(KEY), "{shown}");
        }
    }
}

#[tokio::test]
async fn a_refusal_tells_what_watson_said() {
    let watson = StandIn::start(|_| Reply::text("hello")).await;
    let body = json!({"error": "Input text is too odd", "code": 400}).to_string();
    watson.fault(Operation::Message, Fault::Status(400, Vec::new(), body));
    let expected = AskError::Rejected { reason: "watson answered 400: Input text is too odd".into() };
    assert_eq!(ask(&watson, "hi").await, Err(expected));
}

#[tokio::test]
async fn a_wrong_key_and_a_wrong_id_are_for_the_operator() {
    let watson = StandIn::start(|_| Reply::text("hello")).await;
    let wrong_key = Settings { apikey: Some(Secret::new("wrong")), ..reaching(watson.url()) };
    let wrong_id = Settings { assistant_id: "nobody".into(), ..reaching(watson.url()) };
    for (settings, hint) in [(wrong_key, "check apikey"), (wrong_id, "check url, assistant_id")] {
        let error = open("care", &settings).unwrap().ask(&says("hi", None)).await.unwrap_err();
        assert_eq!(class(&error), ("misconfigured", None));
        assert!(error.to_string().contains(hint), "{error}");
    }
}

#[tokio::test]
async fn a_broken_or_refused_connection_is_worth_another_attempt() {
    let watson = StandIn::start(|_| Reply::text("hello")).await;
    watson.fault(Operation::Message, Fault::Break);
    let broken = ask(&watson, "hi").await.unwrap_err();
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let settings = reaching(format!("http://{closed}"));
    let refused = open("care", &settings).unwrap().ask(&says("hi", None)).await.unwrap_err();
    for error in [broken, refused] {
        assert_eq!(class(&error), ("unavailable", None), "{error}");
        assert!(!error.to_string().contains("session"), "an address holds the session: {error}");
    }
}

#[tokio::test]
async fn a_body_that_makes_no_sense_is_malformed_and_says_where() {
    let deep = format!("{{\"output\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let generic = |item: &str| format!(r#"{{"output":{{"generic":[{item}]}}}}"#);
    let table = [
        ("<html>secret</html>".to_owned(), "the body is not JSON (line 1, column 1)"),
        (String::new(), "the body is not JSON (line 1, column 0)"),
        (r#""secret""#.into(), "the body is not an object"),
        ("{}".into(), "the body has no output"),
        (r#"{"output":"secret"}"#.into(), "output is not an object"),
        (r#"{"output":{"generic":"secret"}}"#.into(), "output.generic is not an array"),
        (generic(r#""secret""#), "output.generic[0] is not an object"),
        (generic("{}"), "output.generic[0] has no response_type"),
        (generic(r#"{"response_type":"text","text":["secret"]}"#), "output.generic[0].text is not a string"),
        (generic(r#"{"response_type":"option"}"#), "output.generic[0] has no options"),
        (
            generic(r#"{"response_type":"option","options":[{"label":"secret","value":{}}]}"#),
            "output.generic[0].options[0].value has no input",
        ),
        (
            generic(r#"{"response_type":"suggestion","suggestions":[{"label":"x","value":{"input":"secret"}}]}"#),
            "output.generic[0].suggestions[0].value.input is not an object",
        ),
        (generic(r#"{"response_type":"text","text":"x","channels":7}"#), "output.generic[0].channels is not an array"),
        (
            r#"{"output":{},"context":{"skills":{"main skill":{"user_defined":"secret"}}}}"#.into(),
            r#"context.skills["main skill"].user_defined is not an object"#,
        ),
        (deep, "the body is nested deeper than 100 levels"),
        ("x".repeat(1024 * 1024 + 1), "the body has more than 1048576 bytes"),
    ];
    let watson = StandIn::start(|_| Reply::text("hello")).await;
    for (body, expected) in table {
        watson.fault(Operation::Message, Fault::Body(body.into_bytes()));
        let expected = AskError::Malformed { reason: expected.into() };
        assert_eq!(ask(&watson, "hi").await, Err(expected));
    }
}

#[tokio::test]
async fn a_session_id_that_is_none_is_malformed() {
    let watson = StandIn::start(|_| Reply::text("hello")).await;
    let table = [
        ("{}", "the body has no session_id"),
        (r#"{"session_id":7}"#, "session_id is not a string"),
        (r#"{"session_id":"a/../../b"}"#, "session_id is not a session id"),
        ("garbage", "the body is not JSON (line 1, column 1)"),
    ];
    for (body, expected) in table {
        watson.fault(Operation::Create, Fault::Body(body.into()));
        assert_eq!(ask(&watson, "hi").await, Err(AskError::Malformed { reason: expected.into() }));
    }
}

#[tokio::test]
async fn an_attempt_that_is_given_up_does_not_spoil_the_next() {
    let watson = StandIn::start(|turn| Reply::text(&turn.text)).await;
    let assistant = assistant(&watson);
    let first = assistant.ask(&says("one", None)).await.unwrap();
    watson.fault(Operation::Message, Fault::Hang);
    let again = says("two", first.state.as_ref());
    tokio::select! {
        answer = assistant.ask(&again) => panic!("a hanging watson answered {answer:?}"),
        () = watson.until_seen(3) => {}
    }
    let second = assistant.ask(&again).await.unwrap();
    assert_eq!(second.items, [Item::Text("two".into())]);
}
