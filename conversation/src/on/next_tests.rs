use std::time::Duration;

use super::*;
use crate::Input;
use crate::on::script::{Script, answer, command, options, ordering, text};
use crate::policy::{FloodLimit, Greeting, InboundStart};
use crate::words::{AskError, InboundMessage, Media, Pipe, StartSession};

/// Texts are gathered until two seconds have passed without one, and for five at most.
fn gathering() -> Script {
    let mut script = Script::new();
    script.policy.gather = Some(Gather { pause: seconds(2), at_most: seconds(5) });
    script
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn due(script: &mut Script) -> Vec<String> {
    script.give(Input::DeadlinePassed)
}

fn wait(script: &Script) -> Duration {
    script.conversation.next_attempt(&script.policy).unwrap().since(script.now)
}

#[test]
fn texts_that_come_one_upon_the_other_are_one_turn_and_all_are_answered_in_one_step() {
    let mut script = gathering();
    assert_eq!(script.accept(8, text("one")), [""; 0]);
    script.advance(seconds(1));
    assert_eq!(script.accept(16, text("two")), [""; 0]);
    assert_eq!(wait(&script), seconds(2));
    script.advance(millis(1_999));
    assert_eq!(due(&mut script), [""; 0]);
    script.advance(millis(1));
    let effects = due(&mut script);
    assert_eq!(effects, ["session started by User", "ask 16/1 \"one\\ntwo\" timeout 30s"]);
    let effects = script.replied(16, 1, answer("three"));
    assert_eq!(effects[..2], ["consume 8 asks 1 rows []", "consume 16 asks 1 rows [16-0 \"three\"]"]);
}

#[test]
fn the_wait_begins_anew_with_each_text_and_is_bounded() {
    let mut script = gathering();
    for (sequence, waits) in [(8, 2_000), (16, 2_000), (24, 2_000), (32, 500)] {
        script.accept(sequence, text("more"));
        assert_eq!(wait(&script), millis(waits), "{sequence}");
        script.advance(millis(1_500).min(wait(&script)));
    }
    assert_eq!(due(&mut script)[1], "ask 32/1 \"more\\nmore\\nmore\\nmore\" timeout 30s");
}

#[test]
fn a_conversation_that_gathers_stays_in_memory_and_is_not_begun() {
    let mut script = gathering();
    let record = script.record(8, text("one"));
    assert!(!script.conversation.may_begin(script.now, &script.policy, std::slice::from_ref(&record)));
    script.give(Input::WorkAccepted(record.clone()));
    assert!(!script.conversation.is_idle() && script.conversation.is_quiet());
    let later = script.now.plus(seconds(2));
    assert!(script.conversation.may_begin(later, &script.policy, &[record]));
}

/// After a restart only the times of acceptance are known, and they are enough.
#[test]
fn a_restart_neither_loses_the_wait_nor_makes_it_longer() {
    let script = gathering();
    let records = [script.record(8, text("one")), script.record(16, text("two"))];
    let mut again = Script::restored(None, Vec::new());
    again.policy = script.policy.clone();
    again.advance(millis(500));
    again.give(Input::InboxRead(records.to_vec()));
    assert_eq!(wait(&again), millis(1_500));
    again.advance(millis(1_500));
    assert_eq!(due(&mut again)[1], "ask 16/1 \"one\\ntwo\" timeout 30s");
}

#[test]
fn texts_that_have_waited_long_enough_each_are_still_one_turn_when_they_are_read_together() {
    let mut script = gathering();
    let first = script.record(8, text("one"));
    script.advance(seconds(1));
    let second = script.record(16, text("two"));
    script.advance(seconds(60));
    let effects = script.give(Input::InboxRead(vec![first, second]));
    assert_eq!(effects[1], "ask 16/1 \"one\\ntwo\" timeout 30s");
}

#[test]
fn where_nothing_is_gathered_the_inbox_is_taken_one_by_one() {
    let mut script = Script::new();
    let records = vec![script.record(8, text("hi")), script.record(16, Work::End)];
    let effects = script.give(Input::InboxRead(records));
    assert_eq!(effects[1..3], ["ask 8/1 \"hi\" timeout 30s", "consume 8 asks 1 error rows []"]);
}

#[test]
fn a_turn_has_the_same_id_only_for_the_same_texts() {
    let asked = |bodies: &[(u64, &str)]| {
        let mut script = gathering();
        for (sequence, body) in bodies {
            script.accept(*sequence, text(body));
        }
        script.advance(seconds(2));
        due(&mut script);
        let question = script.last_question();
        (question.turn_id, question.variables.session)
    };
    let both = asked(&[(8, "one"), (16, "two")]);
    assert_eq!(asked(&[(8, "one"), (16, "two")]), both);
    let (longer, session) = asked(&[(8, "one"), (16, "two"), (24, "three")]);
    assert_ne!(longer, both.0);
    assert_eq!(session, both.1, "the first text opens the session");
    assert_ne!(asked(&[(16, "two")]).0, both.0);
    let mut alone = Script::new();
    alone.accept(16, text("two"));
    assert_eq!(asked(&[(16, "two")]).0, alone.last_question().turn_id, "one text alone is asked as ever");
}

#[test]
fn texts_that_came_during_a_turn_are_the_next_one_together() {
    let mut script = gathering();
    script.accept(8, text("hi"));
    script.advance(seconds(2));
    due(&mut script);
    script.accept(16, text("one"));
    script.advance(seconds(3));
    script.accept(24, text("two"));
    script.advance(seconds(3));
    let effects = script.replied(8, 1, answer("hello"));
    assert!(effects.contains(&"ask 24/1 \"one\\ntwo\" timeout 30s".to_owned()), "{effects:?}");
}

#[test]
fn a_pick_from_a_list_is_taken_at_once_and_alone() {
    let mut script = gathering();
    script.accept(8, text("menu"));
    script.advance(seconds(2));
    due(&mut script);
    script.replied(8, 1, options("Which?", &["Boat", "Car"]));
    assert_eq!(script.accept(16, text("2")), ["ask 16/1 choice {\"text\":\"Car\"} timeout 30s"]);
    script.accept(24, text("quick"));
    script.replied(16, 1, answer("ok"));
    script.advance(seconds(2));
    assert_eq!(due(&mut script), ["ask 24/1 \"quick\" timeout 30s"]);
}

#[test]
fn a_pick_is_not_joined_to_the_texts_before_it() {
    let mut script = gathering();
    script.accept(8, text("menu"));
    script.advance(seconds(2));
    due(&mut script);
    script.replied(8, 1, options("Which?", &["Boat", "Car"]));
    script.accept(16, text("hmm"));
    script.accept(24, text("2"));
    script.advance(seconds(2));
    assert_eq!(due(&mut script), ["ask 16/1 \"hmm\" timeout 30s"]);
}

#[test]
fn a_text_that_was_attempted_before_is_attempted_alone_and_at_once() {
    let mut script = gathering();
    let suspect = WorkRecord { attempts: 1, ..script.record(8, text("one")) };
    assert_eq!(script.give(Input::WorkAccepted(suspect))[1], "ask 8/1 \"one\" timeout 30s");
    script.accept(16, text("two"));
    script.replied(8, 1, answer("ok"));
    script.advance(seconds(2));
    assert_eq!(due(&mut script), ["ask 16/1 \"two\" timeout 30s"]);
}

#[test]
fn keywords_and_requests_do_not_wait_for_what_is_gathered() {
    let mut script = gathering();
    script.accept(8, text("one"));
    script.accept(16, text("STOP"));
    let effects = script.accept(24, text("two"));
    assert_eq!(effects, ["has stopped 24", "consume 24 asks 0 error rows []"]);
    assert!(script.conversation.next_attempt(&script.policy).is_none_or(|at| at > script.now.plus(seconds(60))));
    let mut script = gathering();
    script.accept(8, text("one"));
    assert_eq!(script.accept(16, Work::End), ["consume 16 asks 0 rows []"]);
    let start = StartSession { text: Some("news".into()), ..StartSession::default() };
    assert_eq!(script.accept(24, Work::Start(start)), [""; 0], "a start keeps its place");
    script.advance(seconds(2));
    assert_eq!(due(&mut script)[1], "ask 8/1 \"one\" timeout 30s");
}

#[test]
fn media_go_together_and_a_text_without_words_adds_no_line() {
    let picture = |url: &str, body: &str| {
        let media = vec![Media { url: url.into(), content_type: "image/png".into() }];
        Work::Message(InboundMessage { body: body.into(), media, from_log: false })
    };
    let mut script = gathering();
    script.policy.greeting = Greeting::Welcome;
    script.accept(8, picture("https://m/1", ""));
    script.accept(16, text("see?"));
    script.accept(24, picture("https://m/2", ""));
    script.advance(seconds(2));
    due(&mut script);
    assert!(script.last_question().variables.media.is_empty(), "first the assistant speaks");
    script.replied(24, 1, answer("Welcome."));
    let question = script.last_question();
    let urls: Vec<&str> = question.variables.media.iter().map(|media| media.url.as_str()).collect();
    assert_eq!((question.input.text(), urls), ("see?", vec!["https://m/1", "https://m/2"]));
}

#[test]
fn a_turn_that_fails_fails_for_all_its_texts_with_one_message() {
    let mut script = gathering();
    script.policy.failure_message = "sorry".into();
    script.accept(8, text("one"));
    script.accept(16, text("two"));
    script.advance(seconds(2));
    due(&mut script);
    let effects = script.failed(16, 1, AskError::Rejected { reason: "no".into() });
    assert_eq!(effects[1..3], ["consume 8 asks 1 error rows []", "consume 16 asks 1 error rows [16-0 \"sorry\"]"]);
    let mut script = gathering();
    script.accept(8, text("one"));
    script.accept(16, text("two"));
    script.advance(seconds(2));
    due(&mut script);
    let effects = script.accept(24, Work::End);
    assert_eq!(effects[..2], ["consume 8 asks 1 error rows []", "consume 16 asks 1 error rows []"]);
}

#[test]
fn each_text_says_with_which_turn_it_was_answered() {
    let mut script = gathering();
    script.accept(8, text("one"));
    script.accept(16, text("two"));
    script.advance(seconds(2));
    due(&mut script);
    let token = crate::words::Token { turn: Sequence(16), attempt: 1 };
    let input = Input::AssistantReplied { token, answer: Box::new(answer("ok")) };
    let effects = script.conversation.handle(script.now, &script.policy, input);
    let answered = effects.iter().filter_map(|effect| {
        let Effect::Consume(consumed) = effect else { return None };
        Some((consumed.record.sequence.0, consumed.answered_with))
    });
    assert_eq!(answered.collect::<Vec<_>>(), [(8, Some(Sequence(16))), (16, None)]);
}

#[test]
fn a_text_through_a_pipe_is_forwarded_at_once() {
    let mut script = gathering();
    let pipe = Pipe { id: uuid::Uuid::from_u128(5), webhook: "https://v.example".into(), expires_at: None };
    script.accept(8, Work::OpenPipe(pipe));
    assert_eq!(script.accept(16, text("4711")), ["forward 16/1 \"4711\""]);
}

#[test]
fn texts_that_may_open_no_session_are_dropped_one_by_one() {
    let mut script = gathering();
    script.policy.inbound_start = InboundStart::Refused;
    script.accept(8, text("one"));
    script.accept(16, text("two"));
    script.advance(seconds(2));
    let effects = due(&mut script);
    let expected =
        ["no session for 8", "consume 8 asks 0 error rows []", "no session for 16", "consume 16 asks 0 error rows []"];
    assert_eq!(effects, expected);
}

#[test]
fn what_is_gathered_is_one_turn_of_a_flood() {
    let mut script = gathering();
    script.policy.flood = Some(FloodLimit { turns: 1, within: seconds(100) });
    script.accept(8, text("one"));
    script.accept(16, text("two"));
    script.advance(seconds(2));
    due(&mut script);
    script.replied(16, 1, answer("ok"));
    assert_eq!(script.accept(24, text("three")), ["slowed down 24"]);
    assert_eq!(script.accept(32, text("four")), [""; 0]);
    script.advance(seconds(100));
    assert_eq!(due(&mut script), ["ask 32/1 \"three\\nfour\" timeout 30s"]);
}

#[test]
fn a_clock_that_goes_back_ends_the_wait() {
    let mut script = gathering();
    script.accept(8, text("one"));
    script.now = script.now.minus(seconds(3_600));
    assert_eq!(due(&mut script)[1], "ask 8/1 \"one\" timeout 30s");
}

#[test]
fn turns_without_the_user_do_not_wait() {
    let mut script = gathering();
    script.accept(8, text("one"));
    script.advance(seconds(2));
    due(&mut script);
    script.accept(16, text("two"));
    let again = vec![command("smsActForceNoInputTurn", serde_json::Value::Null)];
    let effects = script.replied(8, 1, ordering("ok", again));
    assert!(effects.iter().any(|effect| effect.starts_with("ask 9/1 signal")), "{effects:?}");
}

#[test]
fn texts_in_time_belong_to_the_old_session_however_late_the_last_of_them_is() {
    let mut script = gathering();
    script.policy.session_timeout = seconds(60);
    script.accept(8, text("hi"));
    script.advance(seconds(2));
    due(&mut script);
    let session = script.last_question().variables.session;
    script.replied(8, 1, answer("hello"));
    script.advance(seconds(59));
    script.accept(16, text("in"));
    script.advance(seconds(2));
    script.accept(24, text("time"));
    script.advance(seconds(2));
    due(&mut script);
    let question = script.last_question();
    assert_eq!((question.input.text(), question.variables.session), ("in\ntime", session));
}
