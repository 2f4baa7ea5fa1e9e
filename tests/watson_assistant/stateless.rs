//! Without sessions: the whole context goes to and fro, and nothing else is needed.

use super::*;

fn settings(watson: &StandIn) -> Settings {
    Settings { mode: Mode::Stateless, ..reaching(watson.url()) }
}

async fn dialog() -> StandIn {
    StandIn::start(|turn| match turn.text.strip_prefix("I am ") {
        Some(name) => Reply {
            user_defined: json!({"name": name}),
            skill_variables: json!({"private_skill_variables": {"pin": 1}}),
            ..Reply::text("hello")
        },
        None => Reply::text(&format!("[{}] after [{}]", turn.variable("name"), turn.state())),
    })
    .await
}

#[tokio::test]
async fn the_whole_context_is_kept_and_echoed_and_no_session_is_opened() {
    let watson = dialog().await;
    let assistant = open("care", &settings(&watson)).unwrap();
    let first = assistant.ask(&says("I am Ada", None)).await.unwrap();
    let second = assistant.ask(&says("who am I?", first.state.as_ref())).await.unwrap();
    assert_eq!(second.items, [Item::Text("[Ada] after [state-1]".into())]);
    let context = kept(&first)["context"].clone();
    let echoed = &watson.messages()[1]["context"];
    for way in ["/global", "/skills/main skill/system", "/skills/actions skill/skill_variables/private_skill_variables"]
    {
        assert_eq!(echoed.pointer(way), context.pointer(way), "{way}");
        assert!(context.pointer(way).is_some_and(|value| !value.is_null()), "{way}");
    }
    assert_eq!(watson.messages()[1]["input"], json!({"message_type": "text", "text": "who am I?"}));
    assistant.end(&session_end(second.state)).await;
    assert!(watson.calls().iter().all(|call| call.ends_with("/message")), "{:?}", watson.calls());
}

#[tokio::test]
async fn both_address_schemes_lead_to_messages() {
    let watson = dialog().await;
    for (environment_id, path) in [(None, ""), (Some(ENVIRONMENT.to_owned()), "/environments/environment-1")] {
        let settings = Settings { environment_id, ..settings(&watson) };
        open("care", &settings).unwrap().ask(&says("hi", None)).await.unwrap();
        let expected = format!("/instances/test/v2/assistants/{ASSISTANT}{path}/message?version=2024-08-25");
        assert_eq!(watson.seen().last().unwrap().target, expected);
    }
}

#[tokio::test]
async fn a_command_runs_once_and_a_chosen_entry_goes_back_whole() {
    let watson = StandIn::start(|turn| match turn.number {
        1 => Reply { user_defined: json!({"smsAction": {"command": "smsActForceNoInputTurn"}}), ..Reply::text("x") },
        _ => Reply::text("x"),
    })
    .await;
    let assistant = open("care", &settings(&watson)).unwrap();
    let first = assistant.ask(&says("hi", None)).await.unwrap();
    assert_eq!(first.commands, [command("smsActForceNoInputTurn")]);
    let input = raw(r#"{"text":"boat","suggestion_id":"s-1"}"#);
    let choice = question(AskInput::Choice { text: "boat".into(), input }, first.state);
    assert_eq!(assistant.ask(&choice).await.unwrap().commands, []);
    let expected = json!({"message_type": "text", "text": "boat", "suggestion_id": "s-1"});
    assert_eq!(watson.messages()[1]["input"], expected);
}

#[tokio::test]
async fn the_mode_can_be_changed_in_the_middle_of_a_conversation() {
    let watson = dialog().await;
    let (stateful, stateless) = (assistant(&watson), open("care", &settings(&watson)).unwrap());
    let first = stateful.ask(&says("I am Ada", None)).await.unwrap();
    let second = stateless.ask(&says("who?", first.state.as_ref())).await.unwrap();
    assert_eq!(second.items, [Item::Text("[Ada] after [state-1]".into())]);
    let third = stateful.ask(&says("who?", second.state.as_ref())).await.unwrap();
    assert_eq!(third.items, [Item::Text("[Ada] after [state-2]".into())]);
}

#[tokio::test]
async fn failures_mean_what_they_mean_with_sessions() {
    let table = [
        (401, "misconfigured", None),
        (404, "misconfigured", None),
        (429, "unavailable", Some(7)),
        (500, "unavailable", Some(7)),
    ];
    let watson = dialog().await;
    let assistant = open("care", &settings(&watson)).unwrap();
    for (code, expected, after) in table {
        let body = r#"{"error":"Invalid Session"}"#.to_owned();
        watson.fault(Operation::Message, Fault::Status(code, vec![("retry-after", "7")], body));
        let error = assistant.ask(&says("hi", None)).await.unwrap_err();
        assert_eq!(class(&error), (expected, after), "{code}");
    }
    for body in ["{}", r#"{"output":{}}"#, r#"{"output":{},"context":[]}"#, "<html>"] {
        watson.fault(Operation::Message, Fault::Body(body.into()));
        let error = assistant.ask(&says("hi", None)).await.unwrap_err();
        assert_eq!(class(&error), ("malformed", None), "{body}");
    }
}
