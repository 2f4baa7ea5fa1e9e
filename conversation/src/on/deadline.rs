//! Time has passed. The only thing that a conversation does by itself is to end a session whose user has been silent; retries
//! and look-ups that have become due are found by `delivery.rs` on the same occasion.

use crate::Step;
use crate::words::EndReason;

impl Step<'_> {
    /// Only here may silence end a session: whoever says that time has passed has given all texts that were accepted before.
    pub(crate) fn on_deadline_passed(&mut self) {
        self.take_controls();
        self.take_next_text();
        self.end_silent_session();
    }

    /// Ends the session if its time has come. An open turn delays that, and so does a text that was accepted in time.
    fn end_silent_session(&mut self) {
        let Some(deadline) = self.conversation.deadline(self.policy) else { return };
        if self.now < deadline || self.conversation.turn.is_some() {
            return;
        }
        if self.conversation.inbox.iter().all(|record| record.accepted_at > deadline) {
            self.end_session(EndReason::Timeout);
        }
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
}
