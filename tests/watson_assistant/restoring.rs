//! What the user has told survives Watson's session: restored when it is gone, and where it is wanted under a repeated question.

use super::*;

/// A dialog that learns a name and knows how far it has come.
async fn dialog() -> StandIn {
    StandIn::start(|turn| match turn.text.strip_prefix("I am ") {
        Some(name) => Reply { user_defined: json!({"name": name}), ..Reply::text("hello") },
        None => Reply::text(&format!("[{}] after [{}]", turn.variable("name"), turn.state())),
    })
    .await
}

fn said(answer: &Answer) -> &str {
    let [Item::Text(text)] = &answer.items[..] else { panic!("{answer:?} is not one text") };
    text
}

#[tokio::test]
async fn without_a_kept_context_a_lost_session_is_a_lost_user() {
    let watson = dialog().await;
    let assistant = open("care", &forgetful(&watson)).unwrap();
    let first = assistant.ask(&says("I am Ada", None)).await.unwrap();
    assert_eq!(kept(&first)["context"], json!(null));
    watson.expire_sessions();
    let second = assistant.ask(&says("who am I?", first.state.as_ref())).await.unwrap();
    assert_eq!(said(&second), "[] after []");
}

#[tokio::test]
async fn a_lost_session_is_restored_with_variables_and_dialog_state() {
    let watson = dialog().await;
    let assistant = assistant(&watson);
    let first = assistant.ask(&says("I am Ada", None)).await.unwrap();
    assert_eq!(kept(&first)["context"]["skills"]["main skill"]["system"]["state"], "state-1");
    watson.expire_sessions();
    let second = assistant.ask(&says("who am I?", first.state.as_ref())).await.unwrap();
    assert_eq!(said(&second), "[Ada] after [state-1]");
    assert_eq!(kept(&second)["session_id"], "session-2");
    let third = assistant.ask(&says("and now?", second.state.as_ref())).await.unwrap();
    assert_eq!(said(&third), "[Ada] after [state-2]");
    let messages = watson.messages();
    assert_eq!(messages[1]["input"], messages[2]["input"], "the same text is sent again");
    let named = |n: usize| messages[n]["context"]["skills"]["main skill"]["user_defined"]["name"].clone();
    assert_eq!([named(1), named(2), named(3)], [json!(null), json!("Ada"), json!(null)], "only a new session is told");
}

#[tokio::test]
async fn a_restored_context_lies_under_this_turns_variables_and_orders_nothing_again() {
    let watson = StandIn::start(|turn| match turn.number {
        1 => Reply {
            user_defined: json!({"name": "Ada", "smsAction": {"command": "terminateSession"}, "smsMedia": "theirs"}),
            skill_variables: json!({"smsActionSequence": [{"command": "smsActForceNoInputTurn"}]}),
            ..Reply::text("x")
        },
        _ => Reply::text("x"),
    })
    .await;
    let assistant = assistant(&watson);
    let first = assistant.ask(&says("hi", None)).await.unwrap();
    assert_eq!(first.commands.len(), 2);
    watson.expire_sessions();
    let mut again = says("hi", first.state.as_ref());
    again.extra.insert("caller".into(), json!("webhook"));
    let second = assistant.ask(&again).await.unwrap();
    assert_eq!(second.commands, []);
    let told = watson.told_with("hi");
    assert_eq!(told["name"], "Ada");
    assert_eq!((&told["smsMedia"], &told["smsAction"], &told["caller"]), (&json!([]), &json!(null), &json!("webhook")));
}

#[tokio::test]
async fn a_restored_context_keeps_its_bytes() {
    let odd = r#"{"private_note":{"z":1,"a":12345678901234567890.5},"n":1e2}"#;
    let data = format!(
        r#"{{"session_id":"gone","context":{{"global":{{"session_id":"gone","system":{{"turn_count":4}}}},"odd":{odd}}}}}"#
    );
    let watson = dialog().await;
    assistant(&watson).ask(&says("hi", Some(&state(&data)))).await.unwrap();
    let sent = watson.seen().last().unwrap().raw.clone();
    assert!(sent.contains(odd), "{sent}");
    let context = watson.messages().pop().unwrap()["context"].clone();
    assert_eq!(context["global"], json!({"system": {"turn_count": 4}}), "the old session's id stays behind");
}

#[tokio::test]
async fn a_repeated_question_goes_to_the_same_session_unless_it_is_to_be_restored() {
    for (reask, expected, session) in
        [(Reask::Same, "[Ada] after [state-2]", "session-1"), (Reask::Restored, "[Ada] after [state-1]", "session-2")]
    {
        let watson = dialog().await;
        let assistant = open("care", &Settings { reask, ..reaching(watson.url()) }).unwrap();
        let first = assistant.ask(&says("I am Ada", None)).await.unwrap();
        // The first attempt reaches Watson, but its answer is lost with the gateway.
        assistant.ask(&says("who am I?", first.state.as_ref())).await.unwrap();
        let mut again = says("who am I?", first.state.as_ref());
        again.repeated = true;
        let answer = assistant.ask(&again).await.unwrap();
        assert_eq!(said(&answer), expected);
        assert_eq!(kept(&answer)["session_id"], session);
        if reask == Reask::Restored {
            watson.until_seen(6).await;
            assert_eq!(watson.calls()[5], "DELETE /sessions/session-1");
        }
    }
}

#[tokio::test]
async fn a_repeated_question_with_nothing_to_restore_goes_where_it_went() {
    let watson = dialog().await;
    let assistant = open("care", &Settings { reask: Reask::Restored, ..reaching(watson.url()) }).unwrap();
    let first = assistant.ask(&says("I am Ada", None)).await.unwrap();
    let session = kept(&first)["session_id"].as_str().unwrap().to_owned();
    let mut again = says("hi", Some(&state(&format!(r#"{{"session_id":"{session}"}}"#))));
    again.repeated = true;
    assert_eq!(kept(&assistant.ask(&again).await.unwrap())["session_id"], "session-1");
}

#[tokio::test]
async fn an_answer_without_a_context_leaves_the_kept_one() {
    let watson = dialog().await;
    let assistant = assistant(&watson);
    let first = assistant.ask(&says("I am Ada", None)).await.unwrap();
    watson.fault(Operation::Message, Fault::Body(br#"{"output":{}}"#.to_vec()));
    let second = assistant.ask(&says("hm", first.state.as_ref())).await.unwrap();
    assert_eq!(second.state, first.state);
    watson.fault(Operation::Message, Fault::Body(br#"{"output":{},"context":"secret"}"#.to_vec()));
    let error = assistant.ask(&says("hm", first.state.as_ref())).await.unwrap_err();
    assert_eq!(class(&error), ("malformed", None));
}
