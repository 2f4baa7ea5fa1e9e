//! What a post webhook sees, and what it may do to an answer.

use super::*;

fn full() -> Answer {
    let choice = Choice { label: "Boat".into(), input: raw(r#"{"text":"boat", "n":12345678901234567890123}"#) };
    let order = |name: &str, parameters| CommandCall { name: name.into(), parameters };
    Answer {
        items: vec![said("<b>Hi</b>\r\n"), Item::Options { title: "Which?".into(), choices: vec![choice] }],
        commands: vec![
            order("smsActSetOptionsConfig", json!({"prefixText": "%s) "})),
            order("terminateSession", Value::Null),
        ],
        response_timeout: Some(json!("20000")),
        state: Some(state(r#"{"session_id":"s-1"}"#)),
    }
}

/// What the webhook got of an answer, as it would send it back.
async fn sent(hooks: &Hooks, answer: &Answer) -> Value {
    let before = hooks.calls("/post").len();
    around(&Recorder::answering(answer.clone()), &post(hooks)).ask(&says("hi")).await.expect("it answers");
    hooks.calls("/post")[before].body["payload"].clone()
}

/// The answer that counts when the webhook has made `change` to its payload.
async fn changed(answer: &Answer, change: impl FnOnce(&mut Value)) -> Answer {
    let hooks = Hooks::start().await;
    let mut payload = sent(&hooks, answer).await;
    change(&mut payload);
    hooks.reply("/post", Reply::payload(&payload));
    around(&Recorder::answering(answer.clone()), &post(&hooks)).ask(&says("hi")).await.expect("it answers")
}

#[tokio::test]
async fn it_gets_the_answer_as_a_v2_response() {
    let hooks = Hooks::start().await;
    around(&Recorder::answering(full()), &post(&hooks)).ask(&says("hi")).await.unwrap();
    let body = hooks.call("/post").body;
    assert_eq!((&body["event"], &body["options"]), (&json!({"name": "message_processed"}), &json!({})));
    let output = &body["payload"]["output"];
    assert_eq!(output["generic"][0], json!({"response_type": "text", "text": "<b>Hi</b>\r\n"}));
    assert_eq!(output["generic"][1]["options"][0]["value"]["input"]["text"], "boat");
    let orders = json!([
        {"command": "smsActSetOptionsConfig", "parameters": {"prefixText": "%s) "}}, {"command": "terminateSession"},
    ]);
    assert_eq!(output["user_defined"]["smsActionSequence"], orders);
    let variables = &body["payload"]["context"]["skills"]["main skill"]["user_defined"];
    assert_eq!(variables["smsConversationResponseTimeout"], "20000");
    assert_eq!(variables["smsUserPhoneNumber"], USER);
    assert_eq!(body["payload"]["user_id"].as_str().map(str::len), Some(32));
    assert!(!body.to_string().contains("s-1"), "the state is nobody else's business");
}

#[tokio::test]
async fn a_reply_that_changes_nothing_leaves_every_byte_of_the_answer() {
    assert_eq!(changed(&full(), |_| {}).await, full());
    let replies = [
        Reply::Status(200),
        Reply::Status(204),
        Reply::Body("\n".into()),
        Reply::payload(&json!({})),
        Reply::payload(&json!({"output": null, "user_id": "another"})),
    ];
    for reply in replies {
        let hooks = Hooks::start().await;
        hooks.reply("/post", reply);
        let answer = around(&Recorder::answering(full()), &post(&hooks)).ask(&says("hi")).await.unwrap();
        assert_eq!(answer, full());
    }
}

#[tokio::test]
async fn what_it_writes_is_what_is_said_and_what_it_leaves_stays() {
    let items = json!([{"response_type": "text", "text": "Bye"}, {"response_type": "end_session"}]);
    let answer = changed(&full(), |payload| payload["output"]["generic"] = items).await;
    assert_eq!(answer.items, [said("Bye"), Item::EndSession]);
    assert_eq!((answer.commands, answer.response_timeout), (full().commands, full().response_timeout));
}

#[tokio::test]
async fn it_may_give_and_take_commands_wherever_an_assistant_could() {
    let order = json!({"command": "terminateSession"});
    let bare = Answer { items: vec![said("x")], ..Answer::default() };
    let names = |answer: &Answer| answer.commands.iter().map(|call| call.name.clone()).collect::<Vec<_>>();
    let beside = changed(&bare, |payload| payload["output"]["user_defined"] = json!({"smsAction": order})).await;
    let as_item = changed(&bare, |payload| {
        let item = json!({"response_type": "user_defined", "user_defined": {"smsAction": order}});
        payload["output"]["generic"].as_array_mut().unwrap().push(item);
    })
    .await;
    let in_context = changed(&bare, |payload| {
        payload["context"]["skills"]["main skill"]["user_defined"]["smsAction"] = order.clone();
    })
    .await;
    for answer in [beside, as_item, in_context] {
        assert_eq!((names(&answer), answer.items), (vec!["terminateSession".to_owned()], vec![said("x")]));
    }
    let none = changed(&full(), |payload| payload["output"]["user_defined"] = json!(null)).await;
    assert_eq!(names(&none), Vec::<String>::new());
}

#[tokio::test]
async fn it_may_set_the_response_timeout_but_never_the_state() {
    let answer = changed(&full(), |payload| {
        payload["context"]["skills"]["main skill"]["user_defined"]["smsConversationResponseTimeout"] = json!(9000);
        payload["context"]["global"] = json!({"session_id": "s-2"});
        payload["state"] = json!("s-2");
    })
    .await;
    assert_eq!(answer.response_timeout, Some(json!(9000)));
    assert_eq!((answer.items, answer.state), (full().items, full().state));
}

#[tokio::test]
async fn it_sees_the_question_as_the_pre_webhook_has_made_it() {
    let hooks = Hooks::start().await;
    let both = Settings { pre: pre(&hooks).pre, ..post(&hooks) };
    let context = json!({"skills": {"actions skill": {"skill_variables": {"vip": true}}}});
    hooks.reply("/pre", Reply::payload(&json!({ "context": context })));
    around(&Recorder::saying("x"), &both).ask(&says("hi")).await.unwrap();
    let skills = hooks.call("/post").body["payload"]["context"]["skills"].clone();
    assert_eq!(skills["actions skill"]["skill_variables"]["vip"], true);
    assert_eq!(skills["main skill"]["user_defined"]["vip"], true, "nobody knows which skill answers");
}
