//! A person of ours takes a user over from the assistant: from then on nobody asks it, what the user says is kept for that person to
//! read, and what he writes goes out as any text that was requested. It ends when he hands the user back, or by itself.
//!
//! The session stays as it is, and each text of the user's starts its clock anew. STOP and its kind are obeyed as always; a text that a
//! voice gateway has at this moment goes its way.

use crate::Step;
use crate::effect::{Consumed, Effect, Notice};
use crate::time::UnixMillis;
use crate::words::{TAKEN_OVER, TakeOver, Work, WorkRecord};

impl Step<'_> {
    /// Whether what was accepted then is for a person.
    pub(crate) fn is_taken_over(&self, accepted_at: UnixMillis) -> bool {
        self.conversation.durable.taken_over.as_ref().is_some_and(|taken| taken.holds(accepted_at))
    }

    /// The assistant falls silent at once: what it would have said is not said. A second person takes over from the first.
    pub(crate) fn take_over(&mut self, record: WorkRecord, wanted: TakeOver) {
        let cancelled = self.cancel_question(TAKEN_OVER);
        // A session that was about to end has nobody left who ends it.
        if let Some(Work::TimedOut { session }) = cancelled {
            self.end_if(session);
        }
        self.conversation.durable.taken_over = Some(Box::new(wanted));
        self.emit(Effect::Report(Notice::TakenOver { sequence: record.sequence }));
        self.emit(Effect::Consume(Box::new(self.silent(record))));
    }

    /// What the user said meanwhile is not told to the assistant.
    pub(crate) fn hand_back(&mut self, record: WorkRecord) {
        let error = match self.conversation.durable.taken_over.take() {
            Some(taken) if taken.holds(record.accepted_at) => None,
            Some(_) | None => Some("nobody has taken over".to_owned()),
        };
        if error.is_none() {
            self.emit(Effect::Report(Notice::HandedBack { sequence: record.sequence }));
        }
        self.emit(Effect::Consume(Box::new(Consumed { error, ..self.silent(record) })));
    }

    /// A text, or a request to open a session, while a person answers the user.
    pub(crate) fn leave_to_person(&mut self, record: WorkRecord) {
        match &record.work {
            Work::Message(_) => {
                self.end_overdue(record.accepted_at);
                self.consume(record, 0, None, Vec::new());
            }
            Work::Start(_)
            | Work::End
            | Work::DeliveryFailed(_)
            | Work::Send(_)
            | Work::OpenPipe(_)
            | Work::ClosePipe { .. }
            | Work::Preference(_)
            | Work::Erase
            | Work::TakeOver(_)
            | Work::HandBack
            | Work::NoInput { .. }
            | Work::TimedOut { .. } => self.emit_failed(record, TAKEN_OVER),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Input;
    use crate::on::script::{Script, answer, minutes, text};
    use crate::policy::{Gather, TimeoutTurn};
    use crate::words::{SendText, StartSession, Within};

    const TAKEN: [&str; 2] = ["taken over by 16", "consume 16 asks 0 rows []"];

    fn take_over(script: &Script) -> Work {
        Work::TakeOver(TakeOver { by: "Ada".into(), until: script.now.plus(minutes(120)) })
    }

    /// A session of one turn, then a person takes over.
    fn taken_over() -> Script {
        let mut script = Script::new();
        script.accept(8, text("hi"));
        script.replied(8, 1, answer("hello"));
        let work = take_over(&script);
        assert_eq!(script.accept(16, work), TAKEN);
        script
    }

    #[test]
    fn the_assistant_is_silent_until_the_user_is_handed_back() {
        let mut script = taken_over();
        assert_eq!(script.accept(24, text("is anybody there?")), ["consume 24 asks 0 rows []"]);
        let reply = Work::Send(SendText { body: "I am".into(), media: Vec::new(), within: Within::Anywhere });
        assert_eq!(script.accept(32, reply), ["consume 32 asks 0 rows [32-0 \"I am\"]"]);
        assert_eq!(script.accept(40, Work::HandBack), ["handed back by 40", "consume 40 asks 0 rows []"]);
        assert_eq!(script.accept(48, text("thanks")), ["ask 48/1 \"thanks\" timeout 30s"]);
    }

    #[test]
    fn it_is_durable() {
        let script = taken_over();
        let mut again = Script::restored(Some(&script.conversation.snapshot()), Vec::new());
        assert_eq!(again.accept(24, text("hello?")), ["consume 24 asks 0 rows []"]);
        let view = crate::Conversation::view(&again.conversation.snapshot()).unwrap();
        assert_eq!(view.taken_over.unwrap().by, "Ada");
    }

    #[test]
    fn an_open_turn_is_cancelled_and_its_late_answer_is_dropped() {
        let mut script = Script::new();
        script.accept(8, text("hi"));
        let work = take_over(&script);
        let effects = script.accept(16, work);
        assert_eq!(effects, [&["consume 8 asks 1 error rows []"][..], &TAKEN].concat());
        assert_eq!(script.replied(8, 1, answer("late")), ["late answer 8/1"]);
        assert!(script.conversation.session().is_some(), "the session is still open");
    }

    #[test]
    fn texts_that_wait_for_their_turn_are_left_to_the_person() {
        let mut script = Script::new();
        script.policy.gather = Some(Gather { pause: Duration::from_secs(5), at_most: Duration::from_secs(20) });
        script.accept(8, text("one"));
        let work = take_over(&script);
        let effects = script.accept(16, work);
        assert_eq!(effects, [&TAKEN[..], &["consume 8 asks 0 rows []"]].concat());
    }

    #[test]
    fn it_ends_by_itself() {
        let mut script = taken_over();
        script.advance(minutes(121));
        let effects = script.accept(24, text("hello?"));
        assert!(effects.iter().any(|effect| effect.starts_with("ask 24/1")), "{effects:?}");
        assert_eq!(script.accept(32, Work::HandBack), ["consume 32 asks 0 error rows []"]);
    }

    #[test]
    fn a_text_keeps_the_session_open_and_silence_ends_it_without_a_word() {
        let mut script = taken_over();
        script.policy.timeout_turn = TimeoutTurn::Yes;
        script.advance(minutes(30));
        script.accept(24, text("still here"));
        script.advance(minutes(59));
        assert_eq!(script.give(Input::DeadlinePassed), [""; 0]);
        script.advance(minutes(1));
        assert_eq!(script.give(Input::DeadlinePassed), ["save", "end session Timeout"]);
    }

    #[test]
    fn a_session_that_was_about_to_end_ends() {
        let mut script = Script::new();
        script.policy.timeout_turn = TimeoutTurn::Yes;
        script.accept(8, text("hi"));
        script.replied(8, 1, answer("hello"));
        script.advance(minutes(60));
        script.give(Input::DeadlinePassed);
        let own = script.record(15, Work::TimedOut { session: script.conversation.session().unwrap().id });
        script.give(Input::WorkAccepted(own));
        let work = take_over(&script);
        let effects = script.accept(16, work);
        assert!(effects.contains(&"end session Timeout".to_owned()), "{effects:?}");
    }

    #[test]
    fn no_session_is_started_meanwhile() {
        let mut script = taken_over();
        let effects = script.accept(24, Work::Start(StartSession::default()));
        assert_eq!(effects, ["consume 24 asks 0 error rows []"]);
    }

    #[test]
    fn a_user_may_still_stop_our_texts() {
        let mut script = taken_over();
        script.policy.keywords.fill_in();
        let effects = script.accept(24, text("STOP"));
        assert!(effects.iter().any(|effect| effect.starts_with("opted out")), "{effects:?}");
    }
}
