//! What is made of an answer: items, old texts, lists, commands, the response timeout.

use super::*;

async fn ask(reply: Reply) -> Answer {
    let classic = Classic::start(move |_| reply.clone()).await;
    workspace(&classic).ask(&says("hi", None)).await.expect("the answer makes sense")
}

fn texts(texts: &[&str]) -> Vec<Item> {
    texts.iter().map(|text| Item::Text((*text).into())).collect()
}

fn command(name: &str) -> CommandCall {
    CommandCall { name: name.into(), parameters: Value::Null }
}

#[tokio::test]
async fn old_texts_are_shown_where_there_are_no_items() {
    let table = [
        (json!({"text": ["one", "", "two"]}), texts(&["one", "two"])),
        (json!({"text": "alone"}), texts(&["alone"])),
        (json!({"text": ["one"], "generic": []}), texts(&["one"])),
        (json!({"text": ["one"], "generic": null}), texts(&["one"])),
        (json!({"text": ["old"], "generic": [{"response_type": "text", "text": "new"}]}), texts(&["new"])),
        (json!({"text": null}), vec![]),
        (json!({}), vec![]),
    ];
    for (output, expected) in table {
        assert_eq!(ask(Reply::output(output.clone())).await.items, expected, "{output}");
    }
}

#[tokio::test]
async fn items_are_read_as_in_v2_and_filtered_by_channel() {
    let elsewhere = json!({"response_type": "text", "text": "no", "channels": [{"channel": "chat"}]});
    let here = json!({"response_type": "text", "text": "yes", "channels": [{"channel": "text_messaging"}]});
    let unknown = json!({"response_type": "hologram"});
    let answer = ask(Reply::output(json!({"generic": [elsewhere, here, unknown], "text": ["old"]}))).await;
    let expected = [Item::Text("yes".into()), Item::Unsupported { response_type: "hologram".into() }];
    assert_eq!(answer.items, expected);
    let answer = ask(Reply::output(json!({"generic": [elsewhere], "text": ["old"]}))).await;
    assert_eq!(answer.items, [], "what is meant for other channels does not come back as an old text");
}

#[tokio::test]
async fn an_entry_of_a_list_is_kept_whole() {
    let value = json!({"input": {"text": "boat"}, "intents": [{"intent": "i", "confidence": 1}], "entities": []});
    let option = json!({"response_type": "option", "title": "Which?", "options": [{"label": "Boat", "value": value}]});
    let suggestion = json!({"response_type": "suggestion", "title": "Did you mean:",
        "suggestions": [{"label": "Boat", "value": value, "output": {}}]});
    let choices = vec![Choice { label: "Boat".into(), input: raw(&value.to_string()) }];
    let expected = [
        Item::Options { title: "Which?".into(), choices: choices.clone() },
        Item::Suggestions { title: "Did you mean:".into(), choices },
    ];
    assert_eq!(ask(Reply::output(json!({"generic": [option, suggestion]}))).await.items, expected);
}

#[tokio::test]
async fn a_command_is_found_wherever_an_author_may_put_it() {
    let order = json!({"smsAction": {"command": "terminateSession"}});
    let carrier = json!({"generic": [{"response_type": "user_defined", "user_defined": order}]});
    let in_context = Reply { context: order.clone(), ..Reply::output(json!({})) };
    let everywhere = Reply {
        context: order.clone(),
        ..Reply::output(json!({"smsAction": order["smsAction"], "user_defined": order, "generic": carrier["generic"]}))
    };
    let sequence = json!({"smsActionSequence": [{"command": "a"}, {"command": "b"}]});
    let table = [
        (Reply::output(order.clone()), vec![command("terminateSession")]),
        (Reply::output(json!({"user_defined": order})), vec![command("terminateSession")]),
        (Reply::output(carrier), vec![command("terminateSession")]),
        (in_context, vec![command("terminateSession")]),
        (everywhere, vec![command("terminateSession")]),
        (Reply::output(sequence), vec![command("a"), command("b")]),
    ];
    for (reply, expected) in table {
        let case = format!("{reply:?}");
        assert_eq!(ask(reply).await.commands, expected, "{case}");
    }
}

#[tokio::test]
async fn a_command_in_the_context_runs_once_and_again_when_it_is_ordered_again() {
    for name in ["smsAction", "smsActionSequence"] {
        let classic = Classic::start(move |turn| match turn.number {
            1 | 3 => Reply { context: json!({name: {"command": "smsActForceNoInputTurn"}}), ..Reply::text("x") },
            _ => Reply::text("x"),
        })
        .await;
        let (assistant, mut state, mut ran) = (workspace(&classic), None, Vec::new());
        for _ in 1..=4 {
            let answer = assistant.ask(&question(AskInput::Text("hi".into()), state)).await.unwrap();
            assert_eq!(kept(&answer)["context"].get(name), None);
            ran.push(answer.commands.len());
            state = answer.state;
        }
        assert_eq!(ran, [1, 0, 1, 0], "{name}");
    }
}

#[tokio::test]
async fn a_response_timeout_stands_at_the_top_of_the_context() {
    for value in [json!(9_000), json!("9000")] {
        let set = Reply { context: json!({"smsConversationResponseTimeout": value}), ..Reply::text("x") };
        assert_eq!(ask(set).await.response_timeout, Some(value));
    }
    assert_eq!(ask(Reply::text("x")).await.response_timeout, None);
}

#[tokio::test]
async fn an_engine_that_returns_no_context_has_not_changed_it() {
    let classic = dialog().await;
    let assistant = soe::open("care", &engine(classic.engine())).unwrap();
    let first = assistant.ask(&says("I am Ada", None)).await.unwrap();
    classic.fault(Fault::Body(r#"{"output":{"text":"hm"}}"#.into()));
    let second = assistant.ask(&says("hm", first.state.as_ref())).await.unwrap();
    let third = assistant.ask(&says("who am I?", second.state.as_ref())).await.unwrap();
    assert_eq!(said(&third), "[Ada] in turn 2");
}
