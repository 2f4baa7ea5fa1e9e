//! What Watson answers: items, commands wherever they stand, and the response timeout.

use super::*;

#[tokio::test]
async fn items_become_neutral_words() {
    let text = |text: &str| json!({"response_type": "text", "text": text});
    let for_channel = |names: &[&str]| {
        let channels: Vec<Value> = names.iter().map(|name| json!({"channel": name})).collect();
        json!({"response_type": "text", "text": "t", "channels": channels})
    };
    let options = json!({"response_type": "option", "title": "Which?", "description": "d", "preference": "button",
        "options": [{"label": "Boat", "value": {"input": {"text": "boat"}}}]});
    let suggestions = json!({"response_type": "suggestion", "title": "Did you mean:", "suggestions": [
        {"label": "Order", "value": {"input": {"text": "o", "suggestion_id": "1"}}, "output": {}},
        {"label": "None", "value": {"input": {"text": "n"}}}]});
    let list = |title: &str, entries: &[(&str, &str)]| {
        let choice = |(label, input): &(&str, &str)| Choice { label: (*label).into(), input: raw(input) };
        Item::Options { title: title.into(), choices: entries.iter().map(choice).collect() }
    };
    let said = |text: &str| vec![Item::Text(text.into())];
    let unsupported = |name: &str| vec![Item::Unsupported { response_type: name.into() }];
    let choice = |(label, input): (&str, &str)| Choice { label: label.into(), input: raw(input) };
    let entries = [("Order", r#"{"suggestion_id":"1","text":"o"}"#), ("None", r#"{"text":"n"}"#)];
    let suggested = Item::Suggestions { title: "Did you mean:".into(), choices: entries.map(choice).into() };
    let table = [
        (text("hi <b>there</b>"), said("hi <b>there</b>")),
        (options, vec![list("Which?", &[("Boat", r#"{"text":"boat"}"#)])]),
        (json!({"response_type": "option", "title": null, "options": []}), vec![list("", &[])]),
        (suggestions, vec![suggested]),
        (for_channel(&["chat", "text_messaging"]), said("t")),
        (for_channel(&["chat"]), vec![]),
        (for_channel(&[]), said("t")),
        (json!({"response_type": "pause", "time": 500}), vec![]),
        (json!({"response_type": "user_defined", "user_defined": {"any": 1}}), vec![]),
        (json!({"response_type": "user_defined", "user_defined": "any"}), vec![]),
        (json!({"response_type": "iframe", "source": "https://e.example"}), unsupported("iframe")),
        (json!({"response_type": "hologram"}), unsupported("hologram")),
    ];
    for (item, expected) in table {
        let answer = Reply::generic(&json!([item]));
        let watson = StandIn::start(move |_| answer.clone()).await;
        assert_eq!(ask(&watson, "hi").await.unwrap().items, expected, "{item}");
    }
}

#[tokio::test]
async fn items_keep_their_order_and_an_answer_may_have_none() {
    let generic = json!([{"response_type": "text", "text": "1"}, {"response_type": "date"},
        {"response_type": "text", "text": "2"}]);
    let watson = StandIn::start(move |turn| match turn.number {
        1 => Reply::generic(&generic),
        _ => Reply { output: json!({}), ..Reply::default() },
    })
    .await;
    let date = Item::Unsupported { response_type: "date".into() };
    let expected = [Item::Text("1".into()), date, Item::Text("2".into())];
    assert_eq!(ask(&watson, "hi").await.unwrap().items, expected);
    assert_eq!(ask(&watson, "hi").await.unwrap().items, []);
}

#[tokio::test]
async fn a_command_is_found_wherever_a_skill_may_put_it() {
    let order =
        json!({"smsAction": {"command": "smsActSendMedia", "parameters": {"mediaURL": ["https://m.example/1"]}}});
    let carrier = json!([{"response_type": "user_defined", "user_defined": order}]);
    let elsewhere =
        json!([{"response_type": "user_defined", "user_defined": order, "channels": [{"channel": "chat"}]}]);
    let parameters = json!({"mediaURL": ["https://m.example/1"]});
    let found = vec![CommandCall { name: "smsActSendMedia".into(), parameters }];
    let silent = || Reply::generic(&json!([]));
    let everywhere = Reply {
        output: json!({"generic": carrier, "user_defined": order}),
        user_defined: order.clone(),
        skill_variables: order.clone(),
    };
    let table = [
        (Reply { user_defined: order.clone(), ..silent() }, found.clone()),
        (Reply { skill_variables: order.clone(), ..silent() }, found.clone()),
        (Reply { output: json!({"user_defined": order}), ..silent() }, found.clone()),
        (Reply::generic(&carrier), found.clone()),
        (Reply::generic(&elsewhere), vec![]),
        (everywhere, found),
    ];
    for (reply, expected) in table {
        let case = format!("{reply:?}");
        let watson = StandIn::start(move |_| reply.clone()).await;
        assert_eq!(ask(&watson, "hi").await.unwrap().commands, expected, "{case}");
    }
}

#[tokio::test]
async fn different_commands_of_one_answer_all_run_in_order() {
    let watson = StandIn::start(|_| Reply {
        output: json!({"user_defined": {"smsActionSequence": [{"command": "b"}, {"command": "c"}, {"command": "c"}]}}),
        user_defined: json!({"smsAction": {"command": "a"}}),
        skill_variables: json!({"smsActionSequence": [{"command": "a"}, {"command": "b"}]}),
    })
    .await;
    let expected = [command("a"), command("b"), command("c"), command("c")];
    assert_eq!(ask(&watson, "hi").await.unwrap().commands, expected);
}

#[tokio::test]
async fn a_command_that_stays_in_the_context_runs_once_and_again_only_when_it_is_set_again() {
    for kind in ["main skill", "actions skill"] {
        for name in ["smsAction", "smsActionSequence"] {
            // The skill orders in its 1st and 4th turn and stays silent in between.
            let watson = StandIn::start(move |turn| {
                let order = json!({name: {"command": "smsActSendMedia"}});
                match (turn.number, kind) {
                    (1 | 4, "main skill") => Reply { user_defined: order, ..Reply::text("x") },
                    (1 | 4, _) => Reply { skill_variables: order, ..Reply::text("x") },
                    _ => Reply::text("x"),
                }
            })
            .await;
            let assistant = assistant(&watson);
            let (mut kept, mut ran) = (None, Vec::new());
            for turn in 1..=5 {
                let answer = assistant.ask(&says("hi", kept.as_ref())).await.unwrap();
                let place = if kind == "main skill" { "user_defined" } else { "skill_variables" };
                let stays = &watson.context()["skills"][kind][place][name];
                assert_eq!(stays.is_object(), turn == 1 || turn == 4, "the stand-in keeps what is not overwritten");
                ran.push(answer.commands.len());
                kept = answer.state;
            }
            assert_eq!(ran, [1, 0, 0, 1, 0], "{kind} {name}");
        }
    }
}

#[tokio::test]
async fn the_same_command_set_in_every_turn_runs_in_every_turn() {
    let order = || json!({"smsAction": {"command": "smsActForceNoInputTurn"}});
    let watson = StandIn::start(move |_| Reply { user_defined: order(), ..Reply::text("x") }).await;
    let assistant = assistant(&watson);
    let mut kept = None;
    for _ in 0..3 {
        let answer = assistant.ask(&says("hi", kept.as_ref())).await.unwrap();
        assert_eq!(answer.commands, [command("smsActForceNoInputTurn")]);
        kept = answer.state;
    }
}

#[tokio::test]
async fn a_response_timeout_is_handed_on_as_it_stands() {
    let set = |value: Value| json!({"smsConversationResponseTimeout": value});
    let table = [
        (Reply { user_defined: set(json!(9_000)), ..Reply::text("x") }, Some(json!(9_000))),
        (Reply { skill_variables: set(json!("9000")), ..Reply::text("x") }, Some(json!("9000"))),
        (Reply { user_defined: set(json!(["odd"])), ..Reply::text("x") }, Some(json!(["odd"]))),
        (Reply { user_defined: set(json!(null)), skill_variables: set(json!(1)), ..Reply::text("x") }, Some(json!(1))),
        (Reply::text("x"), None),
    ];
    for (reply, expected) in table {
        let watson = StandIn::start(move |_| reply.clone()).await;
        assert_eq!(ask(&watson, "hi").await.unwrap().response_timeout, expected);
    }
}
