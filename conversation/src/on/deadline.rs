//! Time has passed. The only thing that a conversation does by itself is to end a session whose user has been silent, perhaps
//! after it has told the assistant; retries
//! and look-ups that have become due are found by `delivery.rs` on the same occasion.

use crate::Step;
use crate::effect::{Effect, Notice};
use crate::keyword::Standing;
use crate::policy::TimeoutTurn;
use crate::words::{EndReason, Sequence, Work, WorkRecord};

impl Step<'_> {
    /// Only here may silence end a session: whoever says that time has passed has given all texts that were accepted before.
    pub(crate) fn on_deadline_passed(&mut self) {
        self.take_controls();
        self.take_next_text();
        self.end_silent_session();
    }

    /// Ends the session if its time has come. An open turn delays that, and so does a text that was accepted in time.
    fn end_silent_session(&mut self) {
        if self.has_lost_its_timeout_turn() {
            return self.end_session(EndReason::Timeout);
        }
        let Some(deadline) = self.conversation.deadline(self.policy) else { return };
        if self.now < deadline || self.conversation.turn.is_some() {
            return;
        }
        if self.conversation.inbox.iter().any(|record| record.accepted_at <= deadline) {
            return;
        }
        // A session that an older version has left does not say which turn was its last: any number may be taken.
        let stopped = self.conversation.standing() == Standing::HasStopped;
        let has_no_number = self.conversation.session().is_some_and(|session| session.last == Sequence(0));
        match self.policy.timeout_turn {
            TimeoutTurn::No => self.end_session(EndReason::Timeout),
            // Nothing is asked for him.
            TimeoutTurn::Yes if stopped || self.is_taken_over(self.now) => self.end_session(EndReason::Timeout),
            TimeoutTurn::Yes if has_no_number || self.now.since(deadline) > self.policy.timeout_turn_grace => {
                self.emit(Effect::Report(Notice::TimeoutTurnSkipped));
                self.end_session(EndReason::Timeout);
            }
            TimeoutTurn::Yes => self.tell_of_timeout(),
        }
    }

    /// The record of the turn that should end the session is gone: it was damaged, and set aside when it was loaded.
    fn has_lost_its_timeout_turn(&self) -> bool {
        let is_timing_out = self.conversation.session().is_some_and(|session| session.timing_out);
        let is_own = |record: &WorkRecord| matches!(record.work, Work::TimedOut { .. });
        is_timing_out && self.conversation.turn.is_none() && !self.conversation.inbox.iter().any(is_own)
    }

    /// The assistant is told first, by a turn of the conversation's own; the session ends with it.
    fn tell_of_timeout(&mut self) {
        let Some(session) = &mut self.conversation.durable.session else { return };
        session.timing_out = true;
        let (sequence, id) = (session.last.of_timeout(), session.id);
        self.enqueue(sequence, id.as_u128(), Work::TimedOut { session: id });
        self.emit(Effect::Save);
    }
}

#[cfg(test)]
mod tests {
    use crate::Input;
    use crate::on::script::{Script, answer, minutes, text};

    #[test]
    fn a_silent_session_ends_at_its_deadline_and_not_before() {
        let mut script = Script::new();
        script.accept(1, text("hi"));
        script.replied(1, 1, answer("hello"));
        script.slot("1-0");
        script.sent("1-0");
        script.advance(minutes(59));
        assert_eq!(script.give(Input::DeadlinePassed), [""; 0]);
        script.advance(minutes(1));
        assert_eq!(script.give(Input::DeadlinePassed), ["save", "end session Timeout"]);
        assert_eq!(script.give(Input::DeadlinePassed), [""; 0]);
    }

    #[test]
    fn the_clock_runs_from_the_answer_of_the_last_text() {
        let mut script = Script::new();
        script.accept(1, text("hi"));
        script.advance(minutes(10));
        script.replied(1, 1, answer("hello"));
        script.advance(minutes(55));
        assert_eq!(script.give(Input::DeadlinePassed), ["slot 1-0 for 1"; 0]);
        assert!(script.conversation.session().is_some());
    }

    #[test]
    fn an_open_turn_delays_the_end() {
        let mut script = Script::new();
        script.accept(1, text("hi"));
        script.advance(minutes(70));
        assert_eq!(script.give(Input::DeadlinePassed), [""; 0]);
        script.replied(1, 1, answer("finally"));
        assert!(script.conversation.session().is_some());
    }

    #[test]
    fn a_text_in_time_is_taken_before_the_end_whatever_was_accepted_before_it() {
        let mut script = Script::new();
        script.accept(1, text("hi"));
        let session = script.last_question().variables.session;
        script.replied(1, 1, answer("hello"));
        let outbound = crate::words::OutboundId { turn: crate::words::Sequence(1), part: 0 };
        let failure = crate::words::DeliveryFailure { outbound, code: "30003".into(), reason: "unreachable".into() };
        let records =
            [script.record(2, crate::words::Work::DeliveryFailed(failure)), script.record(3, text("in time"))];
        script.advance(minutes(90));
        for record in records {
            script.give(Input::WorkAccepted(record));
        }
        assert_eq!(script.last_question().variables.session, session);
    }

    #[test]
    fn a_clock_that_was_ahead_for_a_while_does_not_keep_a_session_open() {
        let mut script = Script::new();
        script.accept(1, text("hi"));
        script.advance(minutes(60 * 24 * 365));
        script.replied(1, 1, answer("hello"));
        script.now = script.now.minus(minutes(60 * 24 * 365));
        script.accept(2, text("more"));
        script.replied(2, 1, answer("ok"));
        assert_eq!(script.conversation.deadline(&script.policy), Some(script.now.plus(minutes(60))));
    }

    #[test]
    fn a_clock_that_goes_back_ends_nothing() {
        let mut script = Script::new();
        script.advance(minutes(600));
        script.accept(1, text("hi"));
        script.replied(1, 1, answer("hello"));
        script.now = crate::time::UnixMillis(0);
        script.give(Input::DeadlinePassed);
        assert!(script.conversation.session().is_some());
    }

    /// A session that has been silent until its deadline, where the assistant is told.
    fn silent() -> Script {
        let mut script = Script::new();
        script.policy.timeout_turn = crate::policy::TimeoutTurn::Yes;
        script.accept(8, text("hi"));
        script.replied(8, 1, answer("hello"));
        script.slot("8-0");
        script.sent("8-0");
        script.advance(minutes(60));
        script
    }

    #[test]
    fn the_assistant_is_told_of_the_timeout_its_words_are_sent_and_then_the_session_ends() {
        let mut script = silent();
        let effects = script.give(Input::DeadlinePassed);
        let expected = ["enqueue 15 timed out", "save", "ask 15/1 signal smsResponseTimeout timeout 30s"];
        assert_eq!(effects, expected);
        assert_eq!(script.conversation.deadline(&script.policy), None);
        let effects = script.replied(15, 1, answer("I have to go."));
        let expected =
            ["consume 15 asks 1 rows [15-0 \"I have to go.\"]", "save", "end session Timeout", "slot 15-0 for 1"];
        assert_eq!(effects, expected);
    }

    #[test]
    fn a_text_during_the_timeout_turn_opens_a_new_session() {
        let mut script = silent();
        script.give(Input::DeadlinePassed);
        let first = script.last_question().variables.session;
        script.advance(minutes(1));
        assert_eq!(script.accept(16, text("wait!")), [""; 0]);
        script.replied(15, 1, answer("I have to go."));
        assert_eq!(script.last_question().input.text(), "wait!");
        assert_ne!(script.last_question().variables.session, first);
    }

    #[test]
    fn a_timeout_turn_that_fails_ends_the_session_silently() {
        let mut script = silent();
        script.give(Input::DeadlinePassed);
        let effects = script.failed(15, 1, crate::words::AskError::Rejected { reason: "no".into() });
        assert_eq!(effects[1..], ["consume 15 asks 1 error rows []", "save", "end session Timeout"]);
    }

    #[test]
    fn a_timeout_turn_that_comes_too_late_is_left_out() {
        let mut script = silent();
        script.advance(minutes(6));
        assert_eq!(script.give(Input::DeadlinePassed), ["timeout turn skipped", "save", "end session Timeout"]);
        let mut script = silent();
        script.give(Input::DeadlinePassed);
        let session = script.conversation.session().unwrap().id;
        let record = script.record(15, crate::words::Work::TimedOut { session });
        let mut late = Script::restored(Some(&script.conversation.snapshot()), Vec::new());
        late.now = script.now.plus(minutes(6));
        assert_eq!(
            late.give(Input::WorkAccepted(record)),
            ["consume 15 asks 0 rows []", "save", "end session Timeout"]
        );
    }

    #[test]
    fn a_session_whose_timeout_turn_was_lost_ends_all_the_same() {
        let mut script = silent();
        script.give(Input::DeadlinePassed);
        assert_eq!(script.give(Input::DeadlinePassed), [""; 0]);
        let mut again = Script::restored(Some(&script.conversation.snapshot()), Vec::new());
        again.now = script.now;
        assert_eq!(again.give(Input::DeadlinePassed), ["save", "end session Timeout"]);
    }

    /// Numbers were drawn without room between them then: any number for its timeout turn may be taken.
    #[test]
    fn a_session_that_an_older_version_has_left_ends_silently_and_is_not_greeted_again() {
        let script = silent();
        let mut snapshot: serde_json::Value = serde_json::from_slice(&script.conversation.snapshot()).unwrap();
        snapshot["session"].as_object_mut().unwrap().remove("last").unwrap();
        let restored = || {
            let mut old = Script::restored(Some(snapshot.to_string().as_bytes()), Vec::new());
            (old.now, old.policy) = (script.now, script.policy.clone());
            old
        };
        let expected = ["timeout turn skipped", "save", "end session Timeout"];
        assert_eq!(restored().give(Input::DeadlinePassed), expected);
        let mut old = restored();
        old.policy.greeting = crate::policy::Greeting::Welcome;
        assert_eq!(old.accept(16, text("more")), ["ask 16/1 \"more\" timeout 30s"]);
    }

    #[test]
    fn a_session_that_times_out_hears_no_further_assistant() {
        let mut script = silent();
        script.policy.switchable = crate::policy::Switchable::Yes;
        script.give(Input::DeadlinePassed);
        let url = serde_json::json!({"url": "https://b.example"});
        let switch = vec![crate::on::script::command("smsActSetConversationConfig", url)];
        let effects = script.replied(15, 1, crate::on::script::ordering("Bye.", switch));
        let expected = ["switched", "consume 15 asks 1 rows [15-0 \"Bye.\"]", "save", "end session Timeout"];
        assert_eq!(effects[..4], expected);
    }
}
