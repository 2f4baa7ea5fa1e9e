use serde_json::json;
use serde_json::value::RawValue;

use super::*;
use crate::Input;
use crate::on::script::{Script, answer, command, minutes, options, ordering, text};
use crate::policy::Greeting;
use crate::words::{AskError, AssistantState, Choice, MediaItem, MediaVerdict, SendText, Token, Within};

fn suggestions(title: &str, label: &str, input: &str) -> Answer {
    let input = RawValue::from_string(input.into()).unwrap();
    let choices = vec![Choice { label: label.into(), input }];
    Answer { items: vec![Item::Suggestions { title: title.into(), choices }], ..Answer::default() }
}

fn bare(name: &str) -> Vec<CommandCall> {
    vec![command(name, Value::Null)]
}

fn switch_to(url: &str) -> CommandCall {
    command("smsActSetConversationConfig", json!({"url": url, "conversationFailedReplyMessage": "Oops."}))
}

fn switchable() -> Script {
    let mut script = Script::new();
    script.policy.switchable = Switchable::Yes;
    script
}

#[test]
fn a_prefix_holds_from_its_own_turn_until_the_session_ends() {
    let mut script = Script::new();
    script.accept(1, text("menu"));
    let prefix = command("smsActSetOptionsConfig", json!({"prefixText": "Enter %s for "}));
    let effects = script.replied(1, 1, Answer { commands: vec![prefix], ..options("Which?", &["Boat"]) });
    assert_eq!(effects[0], "consume 1 asks 1 rows [1-0 \"Which?\\nEnter 1 for Boat\"]");
    script.accept(2, text("menu"));
    assert!(script.replied(2, 1, options("Which?", &["Car"]))[0].contains("Enter 1 for Car"));
    script.accept(3, text("bye"));
    script.replied(3, 1, ordering("bye", bare("terminateSession")));
    script.accept(4, text("menu"));
    assert!(script.replied(4, 1, options("Which?", &["Car"]))[0].contains("1. Car"));
}

#[test]
fn suggestions_have_a_prefix_of_their_own_and_a_choice_goes_back_whole() {
    let mut script = Script::new();
    script.accept(1, text("hm"));
    let prefix = command("smsActSetDisambiguationConfig", json!({"prefixText": "Enter %s for:"}));
    let asked = suggestions("Did you mean:", "order a drink", "{\"text\":\"drink\",\"suggestion_id\":\"s1\"}");
    let effects = script.replied(1, 1, Answer { commands: vec![prefix], ..asked });
    assert!(effects[0].contains("Did you mean:\\nEnter 1 for: order a drink"), "{effects:?}");
    let effects = script.accept(2, text("1"));
    assert_eq!(effects, ["ask 2/1 choice {\"text\":\"drink\",\"suggestion_id\":\"s1\"} timeout 30s"]);
}

#[test]
fn a_session_timeout_that_the_assistant_sets_holds_for_the_session() {
    let mut script = Script::new();
    script.accept(1, text("hi"));
    script.replied(1, 1, ordering("ok", vec![command("setSessionTimeoutCount", json!({"count": 200}))]));
    let deadline = script.conversation.deadline(&script.policy);
    assert_eq!(deadline, Some(script.now.plus(Duration::from_secs(200))));
    assert_eq!(script.last_question().variables.session_timeout, None);
    script.accept(2, text("more"));
    script.replied(2, 1, answer("ok"));
    assert_eq!(script.conversation.deadline(&script.policy), deadline);
}

#[test]
fn a_forced_turn_follows_at_once_ahead_of_texts_that_wait_and_survives_a_crash() {
    let mut script = Script::new();
    script.accept(8, text("order"));
    script.accept(16, text("hello?"));
    let effects = script.replied(8, 1, ordering("One moment.", bare("smsActForceNoInputTurn")));
    let expected = [
        "consume 8 asks 1 rows [8-0 \"One moment.\"]",
        "enqueue 9 no input",
        "ask 9/1 signal smsNoInputTurn timeout 30s",
        "slot 8-0 for 1",
    ];
    assert_eq!(effects, expected);
    let session = script.conversation.session().unwrap().id;
    let mut again = Script::restored(Some(&script.conversation.snapshot()), Vec::new());
    assert_eq!(again.accept(9, Work::NoInput { session }), ["ask 9/1 signal smsNoInputTurn timeout 30s"]);
    assert_eq!(script.accept(9, Work::NoInput { session }), [""; 0]);
    let effects = script.replied(9, 1, answer("It is done."));
    assert_eq!(effects, ["consume 9 asks 1 rows [9-0 \"It is done.\"]", "ask 16/1 \"hello?\" timeout 30s"]);
}

#[test]
fn a_list_that_was_shown_before_a_forced_turn_can_still_be_answered() {
    let mut script = Script::new();
    script.accept(8, text("menu"));
    script.replied(8, 1, Answer { commands: bare("smsActForceNoInputTurn"), ..options("Which?", &["Boat", "Car"]) });
    script.replied(9, 1, answer("Take your time."));
    assert_eq!(script.accept(16, text("2")), ["ask 16/1 choice {\"text\":\"Car\"} timeout 30s"]);
}

#[test]
fn forced_turns_cannot_go_on_for_ever() {
    let mut script = Script::new();
    script.policy.max_chained_turns = 2;
    script.accept(8, text("loop"));
    let forced = || ordering("again", bare("smsActForceNoInputTurn"));
    assert_eq!(script.replied(8, 1, forced())[1], "enqueue 9 no input");
    assert_eq!(script.replied(9, 1, forced())[1], "enqueue 10 no input");
    assert_eq!(script.replied(10, 1, forced())[1], "too many chained turns");
    script.accept(16, text("loop"));
    assert!(script.replied(16, 1, forced()).contains(&"enqueue 17 no input".to_owned()));
}

#[test]
fn termination_cancels_a_forced_turn() {
    let mut script = Script::new();
    script.accept(8, text("bye"));
    let both = vec![command("terminateSession", Value::Null), command("smsActForceNoInputTurn", Value::Null)];
    let effects = script.replied(8, 1, ordering("Goodbye", both));
    assert_eq!(effects[..3], ["consume 8 asks 1 rows [8-0 \"Goodbye\"]", "save", "end session Terminated"]);
    assert!(!effects.iter().any(|effect| effect.starts_with("enqueue")));
}

#[test]
fn an_item_may_end_the_session_as_well() {
    let mut script = Script::new();
    script.accept(8, text("bye"));
    let items = vec![Item::Text("Goodbye".into()), Item::EndSession];
    let effects = script.replied(8, 1, Answer { items, ..Answer::default() });
    assert!(effects.contains(&"end session Terminated".to_owned()), "{effects:?}");
}

#[test]
fn a_switch_asks_the_new_assistant_at_once_and_both_answers_go_out_as_one() {
    let mut script = switchable();
    script.accept(8, text("billing"));
    let effects = script.replied(8, 1, ordering("I'll pass you on.", vec![switch_to("https://b.example")]));
    assert_eq!(effects, ["switched", "ask 8/2 start timeout 30s"]);
    let question = script.last_question();
    assert_eq!(question.config.as_ref().and_then(|config| config.url.as_deref()), Some("https://b.example"));
    let effects = script.replied(8, 2, answer("Billing here."));
    assert_eq!(effects[0], "consume 8 asks 2 rows [8-0 \"I'll pass you on.\\nBilling here.\"]");
    script.accept(16, text("my bill"));
    assert!(script.last_question().config.is_some());
    script.replied(16, 1, ordering("bye", bare("terminateSession")));
    script.accept(24, text("hi"));
    assert!(script.last_question().config.is_none());
}

#[test]
fn when_the_new_assistant_fails_what_was_said_goes_out_with_the_failure_message() {
    let mut script = switchable();
    script.policy.ask.retries = 0;
    script.accept(8, text("billing"));
    let first = script.last_question().turn_id;
    script.replied(8, 1, ordering("I'll pass you on.", vec![switch_to("https://b.example")]));
    assert_ne!(script.last_question().turn_id, first);
    let effects = script.failed(8, 2, AskError::Panicked);
    let said = "consume 8 asks 2 error rows [8-0 \"I'll pass you on.\\nOops.\"]";
    assert!(effects.contains(&said.to_owned()), "{effects:?}");
}

#[test]
fn each_question_of_a_turn_has_its_retries() {
    let mut script = switchable();
    script.policy.ask.retries = 1;
    script.accept(8, text("billing"));
    script.failed(8, 1, AskError::Panicked);
    script.replied(8, 2, ordering("Here.", vec![switch_to("https://b.example")]));
    assert_eq!(script.failed(8, 3, AskError::Panicked)[1], "ask 8/4 start after 2s timeout 30s");
    assert!(script.failed(8, 4, AskError::Panicked).iter().any(|effect| effect.starts_with("consume 8 asks 4 error")));
}

#[test]
fn a_switch_of_waits_and_words_alone_asks_nobody() {
    let mut script = switchable();
    script.accept(8, text("hi"));
    let words = command("smsActSetConversationConfig", json!({"convReadTimeout": 500}));
    let effects = script.replied(8, 1, ordering("ok", vec![words]));
    assert_eq!(effects[..2], ["switched", "consume 8 asks 1 rows [8-0 \"ok\"]"]);
    assert_eq!(script.accept(16, text("more")), ["ask 16/1 \"more\" timeout 500ms"]);
}

#[test]
fn switching_back_and_forth_ends() {
    let mut script = switchable();
    script.policy.max_chained_turns = 2;
    script.accept(8, text("ping"));
    for attempt in 1..=2 {
        script.replied(8, attempt, ordering("ping", vec![switch_to("https://b.example")]));
    }
    let effects = script.replied(8, 3, ordering("ping", vec![switch_to("https://a.example")]));
    assert_eq!(effects[1], "too many chained turns");
    assert_eq!(effects[2], "consume 8 asks 3 rows [8-0 \"ping\\nping\\nping\"]");
}

#[test]
fn an_assistant_that_cannot_be_switched_is_not_and_the_turn_is_not_spoiled() {
    let mut script = Script::new();
    script.accept(8, text("billing"));
    let effects = script.replied(8, 1, ordering("ok", vec![switch_to("https://b.example")]));
    assert_eq!(effects[..2], ["cannot switch", "consume 8 asks 1 rows [8-0 \"ok\"]"]);
}

#[test]
fn a_welcome_comes_before_the_answer_to_the_first_text_and_only_then() {
    let mut script = Script::new();
    script.policy.greeting = Greeting::Welcome;
    assert_eq!(script.accept(8, text("pizza"))[1], "ask 8/1 start timeout 30s");
    assert_eq!(script.replied(8, 1, answer("Welcome!")), ["ask 8/2 \"pizza\" timeout 30s"]);
    let effects = script.replied(8, 2, answer("Which size?"));
    assert_eq!(effects[0], "consume 8 asks 2 rows [8-0 \"Welcome!\\nWhich size?\"]");
    assert_eq!(script.accept(16, text("large")), ["ask 16/1 \"large\" timeout 30s"]);
}

#[test]
fn after_a_welcome_the_users_words_are_asked_even_where_no_turn_may_follow_without_him() {
    let mut script = Script::new();
    script.policy.greeting = Greeting::Welcome;
    script.policy.max_chained_turns = 0;
    script.accept(8, text("pizza"));
    assert_eq!(script.replied(8, 1, answer("Welcome!")), ["ask 8/2 \"pizza\" timeout 30s"]);
}

#[test]
fn what_is_committed_during_a_turn_keeps_nothing_of_the_turn() {
    let mut script = Script::new();
    script.policy.greeting = Greeting::Welcome;
    script.accept(8, text("pizza"));
    let before = script.conversation.snapshot();
    let state = AssistantState { assistant: "assistant".into(), data: RawValue::from_string("1".into()).unwrap() };
    let call = command("setSessionTimeoutCount", json!({"count": 9}));
    script.replied(8, 1, Answer { state: Some(state), ..ordering("Welcome!", vec![call]) });
    let deadline = script.conversation.deadline(&script.policy);
    assert_eq!(script.last_question().state.as_ref().map(|state| state.data.get()), Some("1"));
    let send = SendText { body: "by the way".into(), media: Vec::new(), within: Within::Session };
    script.accept(16, Work::Send(send));
    assert_eq!(script.conversation.snapshot(), before);
    script.replied(8, 2, answer("Which size?"));
    assert_ne!(script.conversation.snapshot(), before);
    assert!(script.conversation.deadline(&script.policy) < deadline);
}

fn shows(source: &str) -> Answer {
    let media = MediaItem { source: source.into(), title: "A cat".into(), description: String::new() };
    Answer { items: vec![Item::Media(media)], ..Answer::default() }
}

#[test]
fn media_are_looked_at_before_the_answer_is_committed_and_may_go_as_links() {
    let mut script = Script::new();
    script.policy.send.media_check = MediaCheck::Ask;
    script.accept(8, text("cat"));
    let call = command("smsActSendMedia", json!({"mediaURL": ["https://m.example/2", "https://m.example/1"]}));
    let effects = script.replied(8, 1, Answer { commands: vec![call], ..shows("https://m.example/1") });
    assert_eq!(effects, ["check media 8/1 [\"https://m.example/1\", \"https://m.example/2\"]"]);
    let token = Token { turn: Sequence(8), attempt: 1 };
    assert_eq!(script.replied(8, 1, answer("twice")), ["late answer 8/1"]);
    let verdicts = vec![MediaVerdict::AsMedia, MediaVerdict::AsLink { reason: "too large".into() }];
    let effects = script.give(Input::MediaChecked { token, verdicts });
    assert_eq!(effects[0], "media as link: too large");
    assert_eq!(effects[1], "consume 8 asks 1 rows [8-0 \"A cat\\nhttps://m.example/2\" +1 media]");
    assert_eq!(script.give(Input::MediaChecked { token, verdicts: Vec::new() }), ["late answer 8/1"]);
}

#[test]
fn a_state_survives_a_forced_turn() {
    let mut script = Script::new();
    script.accept(8, text("hi"));
    let data = serde_json::value::RawValue::from_string("1".into()).unwrap();
    let state = Some(AssistantState { assistant: "assistant".into(), data });
    script.replied(8, 1, Answer { state: state.clone(), ..ordering("wait", bare("smsActForceNoInputTurn")) });
    assert_eq!(script.last_question().state, state);
    script.advance(minutes(1));
}

/// A commit for somebody else's sake must not keep half a turn: after a crash the whole turn is taken again.
#[test]
fn what_a_turn_has_changed_is_kept_only_with_its_last_answer() {
    let state = |data: &str| {
        let data = serde_json::value::RawValue::from_string(data.into()).unwrap();
        Some(AssistantState { assistant: "assistant".into(), data })
    };
    let mut script = switchable();
    script.accept(8, text("hi"));
    script.replied(8, 1, Answer { state: state("1"), ..answer("hello") });
    script.accept(16, text("billing"));
    let passed_on = ordering("I'll pass you on.", vec![switch_to("https://b.example")]);
    script.replied(16, 1, Answer { state: state("2"), ..passed_on });
    assert_eq!(script.last_question().state, state("2"));
    let outbound = crate::words::OutboundId { turn: Sequence(8), part: 0 };
    let failure = crate::words::DeliveryFailure { outbound, code: "30003".into(), reason: "unreachable".into() };
    script.accept(24, Work::DeliveryFailed(failure));
    let mut again = Script::restored(Some(&script.conversation.snapshot()), Vec::new());
    again.policy = script.policy.clone();
    assert_eq!(again.accept(16, text("billing")), ["ask 16/1 \"billing\" timeout 30s"]);
    let question = again.last_question();
    assert_eq!((&question.state, question.config.is_some()), (&state("1"), false));
    assert_eq!(question.variables.error.as_ref().map(|error| error.code.as_str()), Some("30003"));
    script.replied(16, 2, Answer { state: state("3"), ..answer("Billing here.") });
    let kept = Script::restored(Some(&script.conversation.snapshot()), Vec::new());
    let session = kept.conversation.session().unwrap();
    assert_eq!((&session.state, session.config.is_some()), (&state("3"), true));
}

#[test]
fn the_users_first_text_is_no_chained_turn() {
    let mut script = Script::new();
    (script.policy.greeting, script.policy.max_chained_turns) = (Greeting::Welcome, 0);
    script.accept(8, text("pizza"));
    assert_eq!(script.replied(8, 1, answer("Welcome!")), ["ask 8/2 \"pizza\" timeout 30s"]);
}

#[test]
fn no_more_than_a_hundred_media_of_an_answer_are_looked_at() {
    let mut script = Script::new();
    script.policy.send.media_check = MediaCheck::Ask;
    script.accept(8, text("cats"));
    let items = (0..150).flat_map(|n| shows(&format!("https://m.example/{n}")).items).collect();
    let effects = script.replied(8, 1, Answer { items, ..Answer::default() });
    assert_eq!(effects[0].matches("https://").count(), 100);
}

#[test]
fn a_name_that_an_assistant_makes_up_is_reported_in_short() {
    let mut script = Script::new();
    script.accept(8, text("hi"));
    let padded = format!("{}smsActSendMedia", " ".repeat(5_000));
    let calls = vec![command(&"é".repeat(5_000), Value::Null), command(&padded, Value::Null)];
    let items = vec![Item::Unsupported { response_type: "x".repeat(5_000) }];
    let effects = script.replied(8, 1, Answer { items, commands: calls, ..Answer::default() });
    assert_eq!(effects.len(), 4);
    assert!(effects.iter().all(|effect| effect.len() < 300), "{effects:?}");
}

#[test]
fn a_forced_turn_is_left_to_the_next_process_once_the_inbox_is_closed() {
    let mut script = Script::new();
    script.accept(8, text("order"));
    script.conversation.close_inbox();
    let effects = script.replied(8, 1, ordering("One moment.", bare("smsActForceNoInputTurn")));
    assert_eq!(effects[1..], ["enqueue 9 no input", "slot 8-0 for 1"]);
}
