//! What goes wrong: statuses, credentials, connections, and bodies that make no sense.

use super::*;

#[tokio::test]
async fn each_status_becomes_what_can_be_done_about_it() {
    let classic = dialog().await;
    let engine = soe::open("care", &engine(classic.engine())).unwrap();
    for assistant in [workspace(&classic), engine] {
        for (code, expected, after) in STATUSES {
            classic.fault(Fault::Status(code, r#"{"error":"'+15550199' Invalid Session"}"#));
            let error = assistant.ask(&says("hi", None)).await.unwrap_err();
            assert_eq!(class(&error), (expected, after), "{code}: {error}");
            assert!(!error.to_string().contains("15550199"), "{error}");
        }
    }
}

#[tokio::test]
async fn wrong_credentials_and_ids_say_which_keys_to_check() {
    let classic = dialog().await;
    classic.accept(BASIC);
    let right = reaching(classic.url());
    let wrong_key = v1::Settings { apikey: Some(Secret::new("wrong")), ..right.clone() };
    let wrong_id = v1::Settings { workspace_id: "nobody".into(), ..right };
    for (settings, hint) in [(wrong_key, "check apikey and url"), (wrong_id, "check url and workspace_id")] {
        let error = v1::open("care", &settings).unwrap().ask(&says("hi", None)).await.unwrap_err();
        assert_eq!(class(&error), ("misconfigured", None));
        assert!(error.to_string().contains(hint), "{error}");
    }
    let error = soe::open("care", &engine(classic.engine())).unwrap().ask(&says("hi", None)).await.unwrap_err();
    assert!(error.to_string().contains("a request without credentials (401): check apikey, or username"), "{error}");
}

#[tokio::test]
async fn a_refused_connection_is_worth_another_attempt() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let settings = reaching(format!("http://{closed}"));
    let error = v1::open("care", &settings).unwrap().ask(&says("hi", None)).await.unwrap_err();
    assert_eq!(class(&error), ("unavailable", None));
}

#[tokio::test]
async fn a_body_that_makes_no_sense_is_malformed_and_says_where() {
    let table = [
        ("<html>secret</html>", "the body is not JSON (line 1, column 1)"),
        ("[]", "the body is not an object"),
        ("{}", "the body has no output"),
        (r#"{"output":{"generic":"secret"}}"#, "output.generic is not an array"),
        (r#"{"output":{"generic":[{}]}}"#, "output.generic[0] has no response_type"),
        (r#"{"output":{"text":{"a":"secret"}}}"#, "output.text is not an array"),
        (r#"{"output":{"text":["a",{"a":"secret"}]}}"#, "output.text[1] is not a string"),
        (r#"{"output":{},"context":"secret"}"#, "context is not an object"),
        (
            r#"{"output":{"generic":[{"response_type":"option","options":[{"label":"x","value":{}}]}]}}"#,
            "output.generic[0].options[0].value has no input",
        ),
    ];
    let classic = dialog().await;
    for (body, expected) in table {
        classic.fault(Fault::Body(body.into()));
        let expected = AskError::Malformed { reason: expected.into() };
        assert_eq!(workspace(&classic).ask(&says("hi", None)).await, Err(expected));
    }
}

#[tokio::test]
async fn an_attempt_that_is_given_up_does_not_spoil_the_next() {
    let classic = dialog().await;
    let assistant = workspace(&classic);
    let first = assistant.ask(&says("I am Ada", None)).await.unwrap();
    classic.fault(Fault::Hang);
    let again = says("who am I?", first.state.as_ref());
    tokio::select! {
        answer = assistant.ask(&again) => panic!("a hanging service answered {answer:?}"),
        () = classic.until_seen(2) => {}
    }
    assert_eq!(said(&assistant.ask(&again).await.unwrap()), "[Ada] in turn 2");
}

#[tokio::test]
async fn a_key_is_exchanged_for_a_token_here_too() {
    let (classic, iam) = (dialog().await, iam::Iam::start(KEY).await);
    classic.accept("Bearer token-1");
    let settings = v1::Settings { iam_url: Some(iam.url()), ..reaching(classic.url()) };
    let assistant = v1::open("care", &settings).unwrap();
    for _ in 0..2 {
        assistant.ask(&says("hi", None)).await.unwrap();
    }
    classic.accept("Bearer token-2");
    assistant.ask(&says("hi", None)).await.unwrap();
    assert_eq!((iam.exchanges(), classic.seen().len()), (2, 4));
}
