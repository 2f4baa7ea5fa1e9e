use super::*;
use crate::Input;
use crate::on::script::{Script, answer, text};
use crate::policy::Policy;
use crate::words::{Answer, DeliveryFailure, Item, OutboundRow, Repeat, Sequence, Work};

fn id(text: &str) -> OutboundId {
    text.parse().unwrap()
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A conversation with one answered text whose row `1-0` is being sent.
fn sending() -> Script {
    let mut script = Script::new();
    script.accept(1, text("hi"));
    script.replied(1, 1, answer("hello"));
    assert_eq!(script.slot("1-0"), ["mark 1-0 sending", "send 1-0 \"hello\""]);
    script
}

/// A conversation restored after a crash with one row in the given state.
fn restored(state: RowState, repeat: Repeat) -> Script {
    let mut script = Script::new();
    let expires_at = script.now.plus(seconds(3_600));
    let row = OutboundRow {
        id: id("1-0"),
        body: "hello  there".into(),
        media: Vec::new(),
        expires_at,
        unasked: false,
        state,
    };
    let policy = script.policy.clone();
    script = Script::restored(None, vec![(row, 7)]);
    script.policy = Policy { send: crate::policy::SendPolicy { repeat, ..policy.send.clone() }, ..policy };
    script
}

fn in_doubt(repeat: Repeat) -> Script {
    let since = Script::new().now;
    restored(RowState::Sending { since }, repeat)
}

fn logged(sid: &str, body: &str) -> LoggedMessage {
    LoggedMessage { provider_id: ProviderId(sid.into()), body: body.into() }
}

fn log_read(script: &mut Script, lookup: Lookup, known: &[&str]) -> Vec<String> {
    log_read_beside(script, lookup, known, &[])
}

fn log_read_beside(script: &mut Script, lookup: Lookup, known: &[&str], given_up: &[&str]) -> Vec<String> {
    let known = known.iter().map(|sid| ProviderId((*sid).into())).collect();
    let others = Others { known, given_up: given_up.iter().map(|body| (*body).into()).collect() };
    script.give(Input::LogRead { id: id("1-0"), lookup, others })
}

#[test]
fn a_text_in_doubt_is_not_taken_for_one_with_the_same_words_that_was_given_up() {
    let log = |ids: &[&str]| Lookup::Readable(ids.iter().map(|id| logged(id, "hello there")).collect());
    for (ids, expected) in
        [(&[][..], "mark 1-0 queued"), (&["SM2", "SM1"], "mark 1-0 sent SM2"), (&["SM1"], "mark 1-0 given up")]
    {
        let mut script = in_doubt(Repeat::AskLog);
        script.advance(seconds(31));
        script.give(Input::DeadlinePassed);
        assert_eq!(log_read_beside(&mut script, log(ids), &[], &["hello there", "bye"])[0], expected);
    }
}

#[test]
fn a_text_in_doubt_is_not_sent_once_more_to_a_user_who_has_stopped_since() {
    let given_up = ["mark 1-0 given up", "text 1-0 failed unknown", "save"];
    let mut script = in_doubt(Repeat::AskLog);
    script.accept(8, text("STOP"));
    script.advance(seconds(31));
    assert_eq!(script.give(Input::DeadlinePassed), ["read log 1-0"]);
    let effects = log_read(&mut script, Lookup::Readable(Vec::new()), &[]);
    assert_eq!(effects, ["mark 1-0 queued", "mark 1-0 failed opted_out", "text 1-0 failed opted_out", "save"]);
    // Where nobody can tell, it is not called unsent.
    let mut script = in_doubt(Repeat::AskLog);
    script.policy.send.doubt = DoubtPolicy::Resend;
    script.accept(8, text("STOP"));
    script.advance(seconds(601));
    script.give(Input::DeadlinePassed);
    assert_eq!(log_read(&mut script, Lookup::Unreadable { reason: "503".into() }, &[]), given_up);
    let mut script = in_doubt(Repeat::Safe);
    assert_eq!(script.accept(8, text("STOP"))[2..], given_up);
    // Also when it waits for its turn to be sent.
    let mut script = in_doubt(Repeat::Safe);
    assert_eq!(script.give(Input::DeadlinePassed), ["slot 1-0 for 1"]);
    script.accept(8, text("STOP"));
    assert_eq!(script.slot("1-0"), given_up);
}

#[test]
fn the_log_is_not_read_before_the_call_in_doubt_must_have_ended() {
    let mut script = in_doubt(Repeat::AskLog);
    script.policy.send.reconcile_after = seconds(5);
    script.policy.send.timeout = seconds(20);
    script.advance(seconds(19));
    assert_eq!(script.give(Input::DeadlinePassed), [""; 0]);
    script.advance(seconds(1));
    assert_eq!(script.give(Input::DeadlinePassed), ["read log 1-0"]);
}

#[test]
fn a_part_in_doubt_is_not_called_failed_because_an_earlier_one_has_failed() {
    let since = Script::new().now;
    let row = |part: &str, state| OutboundRow {
        id: id(part),
        body: "hello".into(),
        media: Vec::new(),
        expires_at: since.plus(seconds(3_600)),
        unasked: false,
        state,
    };
    let rows = vec![row("1-1", RowState::Sending { since }), row("1-2", RowState::Queued)];
    let mut script = Script::restored(None, rows.into_iter().map(|row| (row, 7)).collect());
    let failure = DeliveryFailure { outbound: id("1-0"), code: "30003".into(), reason: "gone".into() };
    let effects = script.accept(2, Work::DeliveryFailed(failure));
    let marks: Vec<&String> = effects.iter().filter(|effect| effect.starts_with("mark")).collect();
    assert_eq!(marks, ["mark 1-2 failed part_failed"]);
}

#[test]
fn a_text_leaves_only_after_it_was_marked_as_sending() {
    let mut script = sending();
    assert_eq!(script.sent("1-0"), ["mark 1-0 sent SM1-0"]);
    assert!(script.conversation.is_idle());
}

#[test]
fn texts_go_one_at_a_time_and_in_order() {
    let mut script = sending();
    script.accept(2, text("more"));
    let effects = script.replied(2, 1, answer("second"));
    assert_eq!(effects, ["consume 2 asks 1 rows [2-0 \"second\"]"]);
    assert_eq!(script.sent("1-0"), ["mark 1-0 sent SM1-0", "slot 2-0 for 1"]);
}

#[test]
fn a_text_surely_not_taken_is_tried_again_with_growing_waits() {
    let mut script = sending();
    let again = SendError::Retry { after: None, reason: "refused".into() };
    assert_eq!(script.refused("1-0", again.clone()), ["mark 1-0 retry 1"]);
    assert_eq!(script.give(Input::DeadlinePassed), [""; 0]);
    let first = script.conversation.next_attempt(&script.policy).unwrap().since(script.now);
    script.advance(seconds(2));
    assert_eq!(script.give(Input::DeadlinePassed), ["slot 1-0 for 1"]);
    script.slot("1-0");
    assert_eq!(script.refused("1-0", again), ["mark 1-0 retry 2"]);
    let second = script.conversation.next_attempt(&script.policy).unwrap().since(script.now);
    assert!(second > first, "{second:?} after {first:?}");
}

#[test]
fn a_wait_that_the_provider_asks_for_is_kept() {
    let mut script = sending();
    script.refused("1-0", SendError::Retry { after: Some(seconds(90)), reason: "429".into() });
    assert_eq!(script.conversation.next_attempt(&script.policy), Some(script.now.plus(seconds(90))));
}

#[test]
fn a_text_that_never_gets_through_expires_and_the_assistant_is_told() {
    let mut script = sending();
    script.refused("1-0", SendError::Retry { after: None, reason: "down".into() });
    script.advance(seconds(5 * 3_600));
    let effects = script.give(Input::DeadlinePassed);
    assert!(effects.contains(&"mark 1-0 failed expired".to_owned()), "{effects:?}");
    assert!(effects.contains(&"save".to_owned()));
}

#[test]
fn a_text_that_expires_makes_room_for_the_turn_that_waited_for_it() {
    let mut script = sending();
    script.policy.outbox_max = 1;
    script.accept(2, text("more"));
    script.refused("1-0", SendError::Retry { after: None, reason: "down".into() });
    script.advance(seconds(5 * 3_600));
    let effects = script.give(Input::DeadlinePassed);
    assert!(effects.iter().any(|effect| effect.starts_with("ask 2/1")), "{effects:?}");
}

#[test]
fn a_slot_that_comes_too_late_sends_nothing() {
    let mut script = Script::new();
    script.accept(1, text("hi"));
    script.replied(1, 1, answer("hello"));
    script.advance(seconds(5 * 3_600));
    assert_eq!(script.slot("1-0"), ["mark 1-0 failed expired", "text 1-0 failed expired", "save"]);
}

#[test]
fn a_rejected_text_fails_with_the_rest_of_its_answer_and_later_answers_go_on() {
    let mut script = Script::new();
    script.policy.send.text_max = 5;
    script.accept(1, text("hi"));
    script.replied(1, 1, Answer { items: vec![Item::Text("aaaa bbbb".into())], ..Answer::default() });
    script.slot("1-0");
    script.accept(2, text("more"));
    script.replied(2, 1, answer("next"));
    let effects = script.refused("1-0", SendError::Rejected { code: "21614".into(), reason: "landline".into() });
    let expected =
        ["mark 1-0 failed 21614", "mark 1-1 failed part_failed", "text 1-0 failed 21614", "save", "slot 2-0 for 1"];
    assert_eq!(effects, expected);
}

#[test]
fn a_failed_text_is_told_as_sms_error() {
    let mut script = sending();
    script.refused("1-0", SendError::OptedOut);
    script.accept(2, text("START"));
    script.accept(3, text("hm"));
    let error = script.last_question().variables.error.clone().unwrap();
    assert_eq!((error.code.as_str(), error.outbound), ("opted_out", id("1-0")));
}

#[test]
fn a_misconfigured_transport_costs_no_text() {
    let mut script = sending();
    let error = SendError::Misconfigured { code: "20003".into(), reason: "bad token".into() };
    assert_eq!(script.refused("1-0", error), ["mark 1-0 retry 1"]);
}

#[test]
fn an_unknown_outcome_is_looked_up_before_anything_is_sent_again() {
    let mut script = sending();
    let effects = script.refused("1-0", SendError::Unknown { reason: "read timeout".into() });
    assert_eq!(effects, ["mark 1-0 unknown", "text 1-0 in doubt"]);
    assert_eq!(script.give(Input::DeadlinePassed), [""; 0]);
    script.advance(seconds(30));
    assert_eq!(script.give(Input::DeadlinePassed), ["read log 1-0"]);
    let effects = log_read(&mut script, Lookup::Readable(vec![logged("SM9", "hello")]), &[]);
    assert_eq!(effects, ["mark 1-0 sent SM9"]);
}

#[test]
fn a_text_that_the_log_does_not_have_is_sent_again() {
    let mut script = in_doubt(Repeat::AskLog);
    script.advance(seconds(31));
    assert_eq!(script.give(Input::DeadlinePassed), ["read log 1-0"]);
    let effects = log_read(&mut script, Lookup::Readable(vec![logged("SM1", "other words")]), &[]);
    assert_eq!(effects, ["mark 1-0 queued", "slot 1-0 for 1"]);
}

#[test]
fn a_logged_text_that_is_known_to_be_another_is_no_match() {
    let mut script = in_doubt(Repeat::AskLog);
    script.advance(seconds(31));
    script.give(Input::DeadlinePassed);
    let log = Lookup::Readable(vec![logged("SM1", "hello there")]);
    assert_eq!(log_read(&mut script, log, &["SM1"]), ["mark 1-0 queued", "slot 1-0 for 1"]);
}

#[test]
fn white_space_does_not_make_it_another_text() {
    let mut script = in_doubt(Repeat::AskLog);
    script.advance(seconds(31));
    script.give(Input::DeadlinePassed);
    let log = Lookup::Readable(vec![logged("SM2", "hello there"), logged("SM1", "hello there ")]);
    assert_eq!(log_read(&mut script, log, &[]), ["mark 1-0 sent SM1"]);
}

#[test]
fn an_unreadable_log_is_tried_for_a_while_and_then_the_policy_decides() {
    let mut script = in_doubt(Repeat::AskLog);
    let unreadable = || Lookup::Unreadable { reason: "503".into() };
    script.advance(seconds(31));
    script.give(Input::DeadlinePassed);
    assert_eq!(log_read(&mut script, unreadable(), &[]), [""; 0]);
    script.advance(seconds(5));
    assert_eq!(script.give(Input::DeadlinePassed), ["read log 1-0"]);
    script.advance(seconds(600));
    let effects = log_read(&mut script, unreadable(), &[]);
    assert_eq!(effects, ["mark 1-0 given up", "text 1-0 failed unknown", "save"]);
}

#[test]
fn the_policy_may_be_to_send_again() {
    let mut script = in_doubt(Repeat::Never);
    script.policy.send.doubt = DoubtPolicy::Resend;
    assert_eq!(script.give(Input::DeadlinePassed), ["mark 1-0 queued", "slot 1-0 for 1"]);
}

#[test]
fn without_a_log_the_policy_decides_at_once() {
    let mut script = in_doubt(Repeat::Never);
    let effects = script.give(Input::DeadlinePassed);
    assert_eq!(effects, ["mark 1-0 given up", "text 1-0 failed unknown", "save"]);
}

#[test]
fn a_transport_that_knows_our_ids_is_simply_asked_again() {
    let mut script = in_doubt(Repeat::Safe);
    assert_eq!(script.give(Input::DeadlinePassed), ["slot 1-0 for 1"]);
}

#[test]
fn a_receipt_settles_a_doubtful_text() {
    let mut script = in_doubt(Repeat::AskLog);
    assert_eq!(script.sent("1-0"), ["mark 1-0 sent SM1-0"]);
}

#[test]
fn what_comes_back_for_another_text_changes_nothing() {
    let mut script = sending();
    assert_eq!(script.sent("9-0"), [""; 0]);
    assert_eq!(script.slot("1-0"), [""; 0]);
    assert_eq!(script.refused("9-0", SendError::OptedOut), [""; 0]);
    assert_eq!(log_read(&mut script, Lookup::Unsupported, &[]), [""; 0]);
}

#[test]
fn a_restored_retry_keeps_its_time_and_its_count() {
    let now = Script::new().now;
    let mut script = restored(RowState::Retry { at: now.plus(seconds(9)), tries: 3 }, Repeat::AskLog);
    assert_eq!(script.give(Input::DeadlinePassed), [""; 0]);
    script.advance(seconds(9));
    assert_eq!(script.give(Input::DeadlinePassed), ["slot 1-0 for 1"]);
    script.slot("1-0");
    let again = SendError::Retry { after: None, reason: "refused".into() };
    assert_eq!(script.refused("1-0", again), ["mark 1-0 retry 4"]);
    assert_eq!(id("1-0").turn, Sequence(1));
}

#[test]
fn a_doubtful_text_that_is_not_worth_sending_any_more_is_judged_and_not_asked_for_again() {
    let mut script = in_doubt(Repeat::Safe);
    script.advance(Policy::default().send.valid_for);
    let effects = script.give(Input::DeadlinePassed);
    assert_eq!(effects, ["mark 1-0 given up", "text 1-0 failed unknown", "save"]);
}

#[test]
fn a_receipt_for_a_text_that_was_never_tried_is_not_believed() {
    let mut script = Script::new();
    script.accept(1, text("hi"));
    script.replied(1, 1, answer("hello"));
    assert_eq!(script.sent("1-0"), [""; 0]);
    assert_eq!(script.slot("1-0"), ["mark 1-0 sending", "send 1-0 \"hello\""]);
}

#[test]
fn a_part_that_a_receipt_says_failed_stops_the_parts_behind_it() {
    use crate::words::{DeliveryFailure, Work};
    let mut script = Script::new();
    script.policy.send.text_max = 5;
    script.accept(1, text("hi"));
    script.replied(1, 1, Answer { items: vec![Item::Text("aaaa bbbb cccc".into())], ..Answer::default() });
    script.slot("1-0");
    script.sent("1-0");
    let failure = DeliveryFailure { outbound: id("1-0"), code: "30003".into(), reason: "off".into() };
    let effects = script.accept(2, Work::DeliveryFailed(failure));
    assert_eq!(effects[..2], ["mark 1-1 failed part_failed", "mark 1-2 failed part_failed"]);
    assert!(script.conversation.is_idle());
}

#[test]
fn attempts_may_be_counted() {
    let mut script = sending();
    script.policy.send.retries = Some(1);
    let again = || SendError::Retry { after: None, reason: "refused".into() };
    assert_eq!(script.refused("1-0", again()), ["mark 1-0 retry 1"]);
    script.advance(seconds(10));
    script.give(Input::DeadlinePassed);
    script.slot("1-0");
    let effects = script.refused("1-0", again());
    assert_eq!(effects, ["mark 1-0 failed retries_exhausted", "text 1-0 failed retries_exhausted", "save"]);
}

/// A text of ours that is requested during a turn goes ahead of the turn's answer, though it has the higher number.
#[test]
fn after_a_crash_a_text_that_was_begun_is_still_the_first_and_stays_together() {
    let now = Script::new().now;
    let row = |name: &str, state| {
        let (id, expires_at) = (id(name), now.plus(seconds(3_600)));
        (OutboundRow { id, body: name.into(), media: Vec::new(), expires_at, unasked: false, state }, 7)
    };
    let queued = |name| row(name, RowState::Queued);
    let sending = row("24-0", RowState::Sending { since: now });
    let mut script = Script::restored(None, vec![queued("16-0"), sending, queued("24-1"), queued("32-0")]);
    assert_eq!(script.sent("24-0"), ["mark 24-0 sent SM24-0", "slot 24-1 for 1"]);
    let mut script = Script::restored(None, vec![queued("16-0"), queued("16-1"), queued("24-1")]);
    assert_eq!(script.give(Input::DeadlinePassed), ["slot 24-1 for 1"]);
    script.slot("24-1");
    assert_eq!(script.sent("24-1"), ["mark 24-1 sent SM24-1", "slot 16-0 for 1"]);
}
