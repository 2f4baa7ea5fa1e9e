//! What is asked: text, variables, the context that goes to and fro, chosen entries.

use super::*;

#[tokio::test]
async fn a_message_carries_text_and_variables_at_the_top_of_the_context() {
    let classic = dialog().await;
    workspace(&classic).ask(&says("hi", None)).await.unwrap();
    let expected = json!({
        "input": {"text": "hi"},
        "alternate_intents": false,
        "context": {
            "smsTenantPhoneNumber": TENANT, "smsUserPhoneNumber": USER, "smsSessionID": SESSION, "smsMedia": [],
            "smsError": null,
        },
    });
    let seen = classic.last();
    assert_eq!(seen.body, expected);
    assert_eq!(seen.target, "/api/v1/workspaces/workspace-1/message?version=2021-11-27");
    assert_eq!(seen.authorization, BASIC);
}

#[tokio::test]
async fn an_engine_is_asked_at_its_very_address_and_needs_no_credentials() {
    let classic = dialog().await;
    let plain = engine(classic.engine());
    let full = soe::Settings {
        url: format!("{}/talk?bot=a", classic.engine()),
        version: Some("2018-07-10".into()),
        username: Some("u".into()),
        password: Some(Secret::new("p")),
        ..plain.clone()
    };
    for (settings, target, authorization) in
        [(plain, "/engine", ""), (full, "/engine/talk?bot=a&version=2018-07-10", "Basic dTpw")]
    {
        let answer = soe::open("care", &settings).unwrap().ask(&says("hi", None)).await.unwrap();
        assert_eq!(said(&answer), "[] in turn 1");
        let seen = classic.last();
        assert_eq!((seen.target.as_str(), seen.authorization.as_str()), (target, authorization));
    }
}

#[tokio::test]
async fn the_whole_context_is_kept_and_goes_back_under_this_turns_variables() {
    let classic = dialog().await;
    let assistant = workspace(&classic);
    let first = assistant.ask(&says("I am Ada", None)).await.unwrap();
    let mut again = says("who am I?", first.state.as_ref());
    again.extra.insert("caller".into(), json!("webhook"));
    again.extra.insert("smsAction".into(), json!({"command": "terminateSession"}));
    let second = assistant.ask(&again).await.unwrap();
    assert_eq!(said(&second), "[Ada] in turn 2");
    let context = classic.last().body["context"].clone();
    assert_eq!((&context["conversation_id"], &context["caller"]), (&json!("conversation-1"), &json!("webhook")));
    assert_eq!((&context["smsMedia"], context.get("smsAction")), (&json!([]), None));
    assert_eq!(kept(&second)["context"]["system"]["dialog_turn_counter"], 2);
}

#[tokio::test]
async fn a_kept_context_goes_back_byte_for_byte() {
    let classic = dialog().await;
    let assistant = workspace(&classic);
    let first = assistant.ask(&says("hi", None)).await.unwrap();
    let odd = r#"{"z":1,"a":12345678901234567890.5,"n":1e2}"#;
    let data = first.state.unwrap().data.get().replacen("\"context\":{", &format!("\"context\":{{\"odd\":{odd},"), 1);
    assistant.ask(&says("hi", Some(&state(&data)))).await.unwrap();
    assert!(classic.last().raw.contains(odd), "{}", classic.last().raw);
}

#[tokio::test]
async fn a_start_is_an_empty_text_in_no_conversation() {
    let classic = dialog().await;
    let assistant = workspace(&classic);
    let first = assistant.ask(&question(AskInput::Start, None)).await.unwrap();
    assert_eq!(classic.last().body["input"], json!({"text": ""}));
    assistant.ask(&says("I am Ada", first.state.as_ref())).await.unwrap();
    let again = assistant.ask(&question(AskInput::Start, first.state)).await.unwrap();
    assert_eq!(classic.last().body["context"]["conversation_id"], json!(null));
    assert_eq!(kept(&again)["context"]["conversation_id"], "conversation-2");
}

#[tokio::test]
async fn a_text_is_folded_and_cut_before_v1_could_refuse_it() {
    let classic = dialog().await;
    let assistant = workspace(&classic);
    for (typed, expected) in [(" one\r\n\ttwo\n", "one two".to_owned()), (&"é".repeat(3_000), "é".repeat(2_048))] {
        assistant.ask(&says(typed, None)).await.unwrap();
        assert_eq!(classic.last().body["input"]["text"], expected);
    }
}

#[tokio::test]
async fn a_chosen_entry_goes_back_with_what_stands_beside_its_input() {
    let classic = dialog().await;
    let assistant = workspace(&classic);
    let choose = |input: &str| question(AskInput::Choice { text: "the text".into(), input: raw(input) }, None);
    let value = r#"{"input":{"text":"boat","suggested":true},"intents":[{"intent":"i","confidence":0.12345678901234567890}],"entities":[]}"#;
    assistant.ask(&choose(value)).await.unwrap();
    let seen = classic.last();
    assert_eq!(seen.body["input"], json!({"text": "boat", "suggested": true}));
    assert!(seen.raw.contains(r#""intents":[{"intent":"i","confidence":0.12345678901234567890}]"#), "{}", seen.raw);
    assert_eq!(seen.body["entities"], json!([]));
    // A list of v2, of a script, of nobody: its text must do.
    for foreign in [r#"{"text":"v2","suggestion_id":"s"}"#, r#"{"input":"text"}"#, "\"text\"", "7"] {
        assistant.ask(&choose(foreign)).await.unwrap();
        let body = classic.last().body;
        assert_eq!((&body["input"], body.get("intents")), (&json!({"text": "the text"}), None), "{foreign}");
    }
}

#[tokio::test]
async fn a_state_that_cannot_be_read_counts_as_none() {
    let classic = dialog().await;
    for data in ["{}", "[]", "7", r#"{"context":7}"#, r#"{"session_id":"session-1"}"#, r#"{"place":"v2","context":{}}"#]
    {
        let answer = workspace(&classic).ask(&says("hi", Some(&state(data)))).await.unwrap();
        assert_eq!(said(&answer), "[] in turn 1", "{data}");
    }
}
