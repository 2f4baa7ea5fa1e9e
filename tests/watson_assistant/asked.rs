//! What Watson is asked: the message, its variables, its text, and the entry that a user chose.

use super::*;

#[tokio::test]
async fn a_message_carries_text_variables_and_platform_context() {
    let watson = StandIn::start(|_| Reply::text("hello")).await;
    ask(&watson, "hi").await.unwrap();
    let variables = json!({
        "smsTenantPhoneNumber": TENANT, "smsUserPhoneNumber": USER, "smsSessionID": SESSION, "smsMedia": [],
        "smsError": null, "smsAction": null, "smsActionSequence": null,
    });
    let expected = json!({
        "input": {"message_type": "text", "text": "hi", "options": {"return_context": true, "export": true}},
        "context": {
            "skills": {
                "main skill": {"user_defined": variables}, "actions skill": {"skill_variables": variables},
            },
            "integrations": {
                "text_messaging": {
                    "assistant_phone_number": TENANT, "private": {"user_phone_number": USER, "request_id": TURN},
                },
                "channel": {"name": "SMS", "private": {"user": {"id": USER, "phone_number": USER}}},
            },
        },
        "user_id": watson.messages()[0]["user_id"],
    });
    assert_eq!(watson.messages(), [expected]);
}

#[tokio::test]
async fn the_billed_user_is_opaque_stable_and_one_per_conversation() {
    let watson = StandIn::start(|_| Reply::text("hello")).await;
    let mut other = says("hi", None);
    other.key.user = Address::parse("+15550198").unwrap();
    for question in [says("hi", None), says("again", None), other] {
        assistant(&watson).ask(&question).await.unwrap();
    }
    let ids: Vec<String> = watson.messages().iter().map(|m| m["user_id"].as_str().unwrap().to_owned()).collect();
    assert!(ids.iter().all(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())), "{ids:?}");
    assert!(ids[0] == ids[1] && ids[0] != ids[2], "{ids:?}");
}

#[tokio::test]
async fn an_error_and_media_last_one_turn_and_user_data_the_whole_session() {
    let watson = StandIn::start(|_| Reply::text("hello")).await;
    let assistant = assistant(&watson);
    let mut first = says("hi", None);
    first.variables.user_data = Some(raw(r#"{"caseId":"42"}"#));
    first.variables.session_timeout = Some(Duration::from_secs(600));
    first.variables.media = vec![Media { url: "https://m.example/1".into(), content_type: "image/png".into() }];
    let outbound = OutboundId { turn: Sequence(2), part: 0 };
    let error = SmsError { code: "30003".into(), message: "unreachable".into(), outbound, at: UnixMillis(5) };
    first.variables.error = Some(error);
    let answer = assistant.ask(&first).await.unwrap();
    let shown = |watson: &StandIn| {
        let skills = watson.context()["skills"].clone();
        let main = skills["main skill"]["user_defined"].clone();
        assert_eq!(main, skills["actions skill"]["skill_variables"]);
        json!([main["smsError"]["code"], main["smsMedia"], main["smsUserData"], main["smsSessionTimeoutCount"]])
    };
    let media = json!([{"mediaURL": "https://m.example/1", "mediaContentType": "image/png"}]);
    assert_eq!(shown(&watson), json!(["30003", media, {"caseId": "42"}, 600]));
    assistant.ask(&says("again", answer.state.as_ref())).await.unwrap();
    assert_eq!(shown(&watson), json!([null, [], {"caseId": "42"}, 600]));
}

#[tokio::test]
async fn a_text_is_folded_trimmed_and_cut_before_watson_could_refuse_it() {
    let watson = StandIn::start(|turn| Reply::text(&turn.text)).await;
    let long = format!("\r\n{}\t", "😀".repeat(1_100));
    for (typed, expected) in [(" one\r\n\ttwo\n", "one two".to_owned()), (&long, "😀".repeat(1_024))] {
        assert_eq!(ask(&watson, typed).await.unwrap().items, [Item::Text(expected)]);
    }
}

#[tokio::test]
async fn a_start_sends_an_empty_text() {
    let watson = StandIn::start(|_| Reply::text("hello")).await;
    assistant(&watson).ask(&question(AskInput::Start, None)).await.unwrap();
    let expected = json!({"message_type": "text", "text": "", "options": {"return_context": true, "export": true}});
    assert_eq!(watson.messages()[0]["input"], expected);
}

#[tokio::test]
async fn at_most_five_media_are_attached() {
    let watson = StandIn::start(|_| Reply::text("hello")).await;
    let mut question = says("look", None);
    for n in 0..6 {
        let content_type = if n == 0 { String::new() } else { "image/png".into() };
        question.variables.media.push(Media { url: format!("https://m.example/{n}"), content_type });
    }
    assistant(&watson).ask(&question).await.unwrap();
    let mut expected = vec![json!({"url": "https://m.example/0"})];
    expected.extend((1..5).map(|n| json!({"url": format!("https://m.example/{n}"), "media_type": "image/png"})));
    assert_eq!(watson.messages()[0]["input"]["attachments"], Value::Array(expected));
}

#[tokio::test]
async fn a_chosen_entry_goes_back_whole_and_byte_for_byte() {
    let watson = StandIn::start(|_| Reply::text("hello")).await;
    let input = r#"{"text":"a\nb","suggestion_id":"s-1","intents":[{"intent":"i","confidence":0.12345678901234567890}],
        "message_type":"search","options":{"debug": true}}"#;
    let choice = |input: &str| AskInput::Choice { text: "label".into(), input: raw(input) };
    // The stand-in refuses the line break as Watson does; what counts here is what was sent.
    let refused = assistant(&watson).ask(&question(choice(input), None)).await;
    assert!(matches!(refused, Err(AskError::Rejected { .. })), "{refused:?}");
    let sent = watson.seen()[1].raw.clone();
    assert!(sent.contains(r#""intents":[{"intent":"i","confidence":0.12345678901234567890}]"#), "{sent}");
    let mut expected: Value = serde_json::from_str(input).unwrap();
    expected["options"] = json!({"debug": true, "return_context": true, "export": true});
    assert_eq!(watson.messages()[0]["input"], expected);

    let table = [
        (
            r#"{"text":"x"}"#,
            json!({"text": "x", "message_type": "text", "options": {"return_context": true, "export": true}}),
        ),
        (r#"{"options":null}"#, json!({"message_type": "text", "options": {"return_context": true, "export": true}})),
        (
            r#"{"input":{"text":"v1"},"intents":[]}"#,
            json!({"text": "label", "message_type": "text", "options": {"return_context": true, "export": true}}),
        ),
        (
            r#""no object""#,
            json!({"text": "label", "message_type": "text", "options": {"return_context": true, "export": true}}),
        ),
    ];
    for (input, expected) in table {
        assistant(&watson).ask(&question(choice(input), None)).await.unwrap();
        assert_eq!(watson.messages().last().unwrap()["input"], expected);
    }
}
