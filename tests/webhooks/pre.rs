//! What a pre webhook sees, and what it may do to a question.

use super::*;

/// What the webhook got for these words, as it would send it back.
async fn sent(hooks: &Hooks, question: &Question) -> Value {
    let before = hooks.calls("/pre").len();
    around(&Recorder::saying("x"), &pre(hooks)).ask(question).await.expect("it answers");
    hooks.calls("/pre")[before].body["payload"].clone()
}

/// The question that reaches the assistant when the webhook has made `change` to its payload.
async fn changed(question: &Question, change: impl FnOnce(&mut Value)) -> Question {
    let hooks = Hooks::start().await;
    let mut payload = sent(&hooks, question).await;
    change(&mut payload);
    hooks.reply("/pre", Reply::payload(&payload));
    let recorder = Recorder::saying("x");
    around(&recorder, &pre(&hooks)).ask(question).await.expect("it answers");
    recorder.question()
}

#[tokio::test]
async fn it_gets_ibms_frame_around_a_v2_message_request() {
    let hooks = Hooks::start().await;
    around(&Recorder::saying("x"), &pre(&hooks)).ask(&says("hi")).await.unwrap();
    let Called { method, headers, body, .. } = hooks.call("/pre");
    assert_eq!((method.as_str(), headers["content-type"].as_bytes()), ("POST", &b"application/json"[..]));
    assert!(!headers.contains_key("authorization"));
    assert_eq!((&body["event"], &body["options"]), (&json!({"name": "message_received"}), &json!({})));
    let payload = &body["payload"];
    let input = json!({"message_type": "text", "text": "hi", "options": {"return_context": true}});
    assert_eq!(payload["input"], input);
    assert_eq!(payload["user_id"].as_str().map(str::len), Some(32));
    let skills = &payload["context"]["skills"];
    assert_eq!(skills["main skill"]["user_defined"]["smsUserPhoneNumber"], USER);
    assert_eq!(skills["actions skill"]["skill_variables"]["smsTenantPhoneNumber"], TENANT);
    let texting = &payload["context"]["integrations"]["text_messaging"];
    assert_eq!(texting["private"]["request_id"], json!(says("hi").turn_id));
    let members: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(members, ["event", "options", "payload"]);
}

#[tokio::test]
async fn it_sees_what_came_with_a_text_as_attachments() {
    let hooks = Hooks::start().await;
    let mut question = says("look");
    let media = |n: usize| Media { url: format!("https://m.example/{n}"), content_type: "image/png".into() };
    question.variables.media = (0..6).map(media).collect();
    let payload = sent(&hooks, &question).await;
    let attachments = payload["input"]["attachments"].as_array().unwrap();
    assert_eq!(attachments.len(), 5, "as many as Watson takes");
    assert_eq!(attachments[1], json!({"url": "https://m.example/1", "media_type": "image/png"}));
}

#[tokio::test]
async fn a_reply_that_changes_nothing_leaves_every_byte_of_the_question() {
    let words = question(AskInput::Text("two\nlines\tand more".into()));
    let picked = r#"{"text":"a", "intents":[{"confidence":0.10000000000000000001}],"big":12345678901234567890123}"#;
    let choice = question(AskInput::Choice { text: "a".into(), input: raw(picked) });
    let signal = question(AskInput::Signal(Signal::NoInput));
    for question in [words, choice, signal, question(AskInput::Start)] {
        let asked = changed(&question, |_| {}).await;
        assert_eq!(format!("{:?}", asked.input), format!("{:?}", question.input));
        assert_eq!(asked.extra, question.extra);
    }
}

#[tokio::test]
async fn an_empty_reply_and_what_is_left_out_change_nothing() {
    for reply in [
        Reply::Status(200),
        Reply::Status(204),
        Reply::Body(" \n".into()),
        Reply::payload(&json!({})),
        Reply::payload(&json!({"input": null, "context": null})),
        Reply::payload(&json!({"input": {}, "context": {"skills": {"main skill": {"user_defined": {}}}}})),
        Reply::payload(&json!({"input": {"message_type": "text"}, "user_id": "another"})),
    ] {
        let (hooks, recorder) = (Hooks::start().await, Recorder::saying("x"));
        hooks.reply("/pre", reply.clone());
        let answer = around(&recorder, &pre(&hooks)).ask(&says("hi")).await.unwrap();
        assert_eq!(answer, recorder.answer);
        let asked = recorder.question();
        assert!(matches!(&asked.input, AskInput::Text(text) if text == "hi"), "{reply:?}: {:?}", asked.input);
        assert!(asked.extra.is_empty(), "{reply:?}");
    }
}

#[tokio::test]
async fn words_that_it_changes_are_what_the_assistant_is_asked() {
    let spoken = [says("hi"), question(AskInput::Start), question(AskInput::Signal(Signal::SessionTimeout))];
    for question in spoken {
        let asked = changed(&question, |payload| payload["input"]["text"] = json!("hello")).await;
        assert!(matches!(&asked.input, AskInput::Text(text) if text == "hello"), "{:?}", asked.input);
        assert_eq!((asked.turn_id, asked.key), (question.turn_id, question.key));
    }
    let bare = changed(&says("hi"), |payload| payload["input"] = json!({"text": "hello"})).await;
    assert!(matches!(&bare.input, AskInput::Text(text) if text == "hello"), "{:?}", bare.input);
}

#[tokio::test]
async fn an_input_with_more_than_words_goes_to_the_assistant_whole() {
    let intents = json!([{"intent": "order", "confidence": 1}]);
    let asked = changed(&says("hi"), |payload| payload["input"]["intents"] = intents.clone()).await;
    let AskInput::Choice { text, input } = asked.input else { panic!("{:?}", asked.input) };
    let input: Value = serde_json::from_str(input.get()).unwrap();
    assert_eq!((text.as_str(), &input["text"], &input["intents"]), ("hi", &json!("hi"), &intents));

    let suggested = changed(&says("hi"), |payload| payload["input"] = json!({"suggestion_id": "s1"})).await;
    let AskInput::Choice { text, input } = suggested.input else { panic!("{:?}", suggested.input) };
    assert_eq!((text.as_str(), input.get()), ("hi", r#"{"suggestion_id":"s1"}"#));
}

#[tokio::test]
async fn a_chosen_entry_keeps_what_else_is_in_it_when_its_words_change() {
    let picked = question(AskInput::Choice { text: "a".into(), input: raw(r#"{"text":"a","suggestion_id":"s"}"#) });
    let asked = changed(&picked, |payload| payload["input"]["text"] = json!("b")).await;
    let AskInput::Choice { text, input } = asked.input else { panic!("{:?}", asked.input) };
    let input: Value = serde_json::from_str(input.get()).unwrap();
    assert_eq!((text.as_str(), &input["text"], &input["suggestion_id"]), ("b", &json!("b"), &json!("s")));
}

#[tokio::test]
async fn attachments_cannot_be_changed() {
    let mut question = says("look");
    question.variables.media = vec![Media { url: "https://m.example/1".into(), content_type: String::new() }];
    let asked = changed(&question, |payload| payload["input"]["attachments"] = json!([])).await;
    assert!(matches!(&asked.input, AskInput::Text(text) if text == "look"), "{:?}", asked.input);
    assert_eq!(asked.variables.media, question.variables.media);
}

#[tokio::test]
async fn new_and_changed_variables_reach_the_assistant_and_the_gateways_own_cannot_be_changed() {
    let mut question = says("hi");
    question.extra.insert("kept".into(), json!(1));
    question.extra.insert("changed".into(), json!(1));
    let asked = changed(&question, |payload| {
        let skills = &mut payload["context"]["skills"];
        let main = &mut skills["main skill"]["user_defined"];
        main["vip"] = json!({"since": 2019});
        main["changed"] = json!(null);
        main["smsUserPhoneNumber"] = json!("+15550666");
        main["smsUserData"] = json!("forged");
        main["smsAction"] = json!({"command": "terminateSession"});
        main.as_object_mut().unwrap().remove("kept");
        skills["actions skill"]["skill_variables"]["plan"] = json!("gold");
    })
    .await;
    let expected = json!({"kept": 1, "changed": null, "vip": {"since": 2019}, "plan": "gold"});
    assert_eq!(Value::Object(asked.extra), expected);
    assert_eq!(asked.variables.user.as_str(), USER);
    assert!(asked.variables.user_data.is_none());
}

#[tokio::test]
async fn a_context_that_a_webhook_may_not_change_is_passed_over() {
    let asked = changed(&says("hi"), |payload| {
        payload["context"]["integrations"] = json!("gone");
        payload["context"]["global"] = json!({"system": {"locale": "de"}});
        payload["user_id"] = json!(7);
    })
    .await;
    assert!(asked.extra.is_empty());
}

#[tokio::test]
async fn a_reply_with_the_header_answers_in_the_assistants_stead() {
    let (hooks, recorder) = (Hooks::start().await, Recorder::saying("never said"));
    let asked = Question { state: Some(state(r#"{"session_id":"s"}"#)), ..says("opening hours?") };
    let output = json!({"generic": [{"response_type": "text", "text": "8 to 5"}]});
    let whole = json!({
        "output": output, "user_id": "u",
        "context": {"skills": {"main skill": {"user_defined": {
            "smsAction": {"command": "terminateSession"}, "smsConversationResponseTimeout": 5000}}}},
    });
    for (body, commands, timeout) in [(json!({ "output": output }), 0, None), (whole, 1, Some(json!(5000)))] {
        hooks.reply("/pre", Reply::Instead(body.to_string()));
        let answer = around(&recorder, &pre(&hooks)).ask(&asked).await.unwrap();
        assert_eq!((answer.items, answer.state), (vec![said("8 to 5")], asked.state.clone()));
        assert_eq!((answer.commands.len(), answer.response_timeout), (commands, timeout));
    }
    assert_eq!(recorder.times_asked(), 0);
}

#[tokio::test]
async fn an_answer_in_the_assistants_stead_still_passes_the_post_webhook() {
    let (hooks, recorder) = (Hooks::start().await, Recorder::saying("never said"));
    let both = Settings { post: post(&hooks).post, ..pre(&hooks) };
    let generic = |text: &str| json!({"output": {"generic": [{"response_type": "text", "text": text}]}});
    hooks.reply("/pre", Reply::Instead(generic("8 to 5").to_string()));
    hooks.reply("/post", Reply::payload(&generic("8 to 5, dear customer")));
    let answer = around(&recorder, &both).ask(&says("opening hours?")).await.unwrap();
    assert_eq!(answer.items, [said("8 to 5, dear customer")]);
    let seen = hooks.call("/post").body["payload"]["output"]["generic"].clone();
    assert_eq!(seen, json!([{"response_type": "text", "text": "8 to 5"}]));
    assert_eq!(recorder.times_asked(), 0);
}
