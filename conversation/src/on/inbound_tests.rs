use crate::Input;
use crate::on::script::{Script, answer, minutes, text};

#[test]
fn a_text_opens_a_session_and_asks_the_assistant() {
    let mut script = Script::new();
    let effects = script.accept(1, text("hi"));
    assert_eq!(effects, ["session started by User", "ask 1/1 \"hi\" timeout 30s"]);
    assert!(script.conversation.session().is_some());
}

#[test]
fn texts_wait_for_the_open_turn_and_are_taken_in_order() {
    let mut script = Script::new();
    script.accept(1, text("one"));
    assert_eq!(script.accept(2, text("two")), [""; 0]);
    assert_eq!(script.accept(3, text("three")), [""; 0]);
    let effects = script.replied(1, 1, answer("first"));
    assert!(effects.contains(&"ask 2/1 \"two\" timeout 30s".to_owned()), "{effects:?}");
    assert!(!effects.iter().any(|effect| effect.contains("three")));
}

#[test]
fn a_record_that_was_seen_before_is_passed_over() {
    let mut script = Script::new();
    script.accept(1, text("one"));
    assert_eq!(script.accept(1, text("one")), [""; 0]);
    script.replied(1, 1, answer("ok"));
    assert_eq!(script.accept(1, text("one")), [""; 0]);
}

#[test]
fn the_same_record_gets_the_same_session_and_turn_ids_after_a_crash() {
    let ids = || {
        let mut script = Script::new();
        script.accept(1, text("hi"));
        let question = script.last_question();
        (question.turn_id, question.variables.session)
    };
    assert_eq!(ids(), ids());
}

#[test]
fn a_session_that_was_ended_before_its_first_text_was_answered_does_not_come_back() {
    let mut script = Script::new();
    script.accept(8, text("hi"));
    let first = script.last_question().variables.session;
    // Something else is committed, and with it the session; then the process dies.
    let mut script = Script::restored(Some(&script.conversation.snapshot()), Vec::new());
    script.accept(16, crate::words::Work::End);
    let mut script = Script::restored(Some(&script.conversation.snapshot()), Vec::new());
    script.accept(8, text("hi"));
    let second = script.last_question().variables.session;
    assert_ne!(second, first);
    let mut script = Script::restored(Some(&script.conversation.snapshot()), Vec::new());
    script.accept(8, text("hi"));
    assert_eq!(script.last_question().variables.session, second);
}

#[test]
fn a_text_after_the_deadline_opens_a_new_session_with_empty_context() {
    let mut script = Script::new();
    script.accept(1, text("hi"));
    let first = script.last_question().variables.session;
    script.replied(1, 1, answer("hello"));
    script.sent("1-0");
    script.advance(minutes(61));
    let effects = script.accept(2, text("again"));
    assert_eq!(effects[..2], ["save", "end session Timeout"]);
    assert_ne!(script.last_question().variables.session, first);
    assert!(script.last_question().state.is_none());
}

#[test]
fn a_text_accepted_before_the_deadline_belongs_to_the_old_session() {
    let mut script = Script::new();
    script.accept(1, text("hi"));
    let session = script.last_question().variables.session;
    script.replied(1, 1, answer("hello"));
    let record = script.record(2, text("in time"));
    script.advance(minutes(90));
    script.give(Input::WorkAccepted(record));
    assert_eq!(script.last_question().variables.session, session);
}

#[test]
fn a_text_that_waited_too_long_gets_the_failure_message_unasked() {
    let mut script = Script::new();
    let record = script.record(1, text("hi"));
    script.advance(minutes(13 * 60));
    let effects = script.give(Input::WorkAccepted(record));
    assert_eq!(
        effects[0],
        "consume 1 asks 0 error rows [1-0 \"We're sorry, but we can't respond to your message right now. Please try again later.\"]"
    );
}

#[test]
fn a_convicted_text_is_set_aside_answered_with_the_failure_message_and_the_next_is_taken() {
    let mut script = Script::new();
    script.policy.failure_message = "sorry".into();
    let record = script.record(1, text("poison"));
    let effects = script.give(Input::MessageConvicted { record, reason: "poison".into() });
    assert_eq!(effects[..2], ["set aside 1: poison", "consume 1 asks 0 error rows [1-0 \"sorry\"]"]);
    assert!(script.accept(2, text("fine")).iter().any(|effect| effect.starts_with("ask 2/1")));
}

#[test]
fn a_full_outbox_holds_questions_back_until_texts_have_gone() {
    let mut script = Script::new();
    script.policy.outbox_max = 1;
    script.accept(1, text("one"));
    script.accept(2, text("two"));
    let effects = script.replied(1, 1, answer("first"));
    assert!(!effects.iter().any(|effect| effect.starts_with("ask")), "{effects:?}");
    script.slot("1-0");
    let effects = script.sent("1-0");
    assert!(effects.iter().any(|effect| effect.starts_with("ask 2/1")), "{effects:?}");
}

#[test]
fn a_text_opens_no_session_where_only_requests_may() {
    let mut script = Script::new();
    script.policy.inbound_start = crate::policy::InboundStart::Refused;
    assert_eq!(script.accept(8, text("hi")), ["no session for 8", "consume 8 asks 0 error rows []"]);
    script.accept(16, crate::words::Work::Start(crate::words::StartSession::default()));
    script.replied(16, 1, answer("Your bill is due"));
    assert_eq!(script.accept(24, text("ok")), ["ask 24/1 \"ok\" timeout 30s"]);
    script.replied(24, 1, answer("fine"));
    script.advance(minutes(61));
    let effects = script.accept(32, text("hello?"));
    assert_eq!(effects[..3], ["save", "end session Timeout", "no session for 32"]);
}
