//! Someone asks that everything be deleted that is kept of a person. The conversation forgets it at once, also during a turn, and says what
//! may stay: that the user wants none of our texts, and when this was.
//!
//! A text that is being sent at this moment goes its way, and nobody hears what became of it. What is accepted later is a new, empty
//! conversation's. That all of it is deleted together, and never half of it, is the store's affair.

use crate::effect::{Effect, Erasure, Kept, Notice, Remains};
use crate::outbox::Outbox;
use crate::time::UnixMillis;
use crate::words::{EndReason, WorkRecord};
use crate::{Durable, Step};

impl Step<'_> {
    /// What was accepted before the request goes, asked or not; what was accepted after it stays.
    pub(crate) fn erase_requested(&mut self, record: &WorkRecord) {
        let upto = record.sequence;
        self.conversation.turn.take_if(|turn| turn.record.sequence < upto);
        self.conversation.inbox.retain(|waiting| waiting.sequence > upto);
        self.conversation.outbox = Outbox::default();
        // The assistant forgets its part of it.
        self.end_session(EndReason::Requested);
        let (durable, remains) = Durable::erased(self.conversation.durable.stopped_at, self.now);
        // How fast he was texted and texts is nothing about him, and no erasure is a way around the limits.
        let Durable { streak, ahead, .. } = self.conversation.durable;
        self.conversation.durable = Durable { streak, ahead, ..durable };
        self.emit(Effect::Erase(Erasure { upto, remains }));
        self.emit(Effect::Report(Notice::Erased { sequence: upto }));
    }
}

impl Durable {
    /// What a conversation knows after an erasure, and how that is kept.
    pub(crate) fn erased(stopped_at: Option<UnixMillis>, now: UnixMillis) -> (Self, Remains) {
        let durable = Self { stopped_at, erased_at: Some(now), ..Self::default() };
        let kept = if stopped_at.is_some() { Kept::Lastingly } else { Kept::ForAWhile };
        let snapshot = durable.write();
        (durable, Remains { snapshot, kept })
    }
}

#[cfg(test)]
mod tests {
    use crate::Input;
    use crate::on::script::{Script, answer, minutes, text};
    use crate::words::{LoggedMessage, Lookup, Others, ProviderId, SendError, SendText, Within, Work};

    const EMPTY: &str = "leave {\"erased_at\":1700000000000} ForAWhile";

    #[test]
    fn an_erasure_cancels_the_turn_and_drops_its_late_answer_and_what_waits() {
        let mut script = Script::new();
        script.accept(8, text("hi"));
        script.accept(16, text("more"));
        let effects = script.accept(24, Work::Erase);
        let expected = ["save", "end session Requested", &format!("erase up to 24, {EMPTY}"), "erased by 24"];
        assert_eq!(effects, expected);
        assert_eq!(script.replied(8, 1, answer("late")), ["late answer 8/1"]);
        assert!(script.conversation.is_idle() && script.conversation.session().is_none());
        assert_eq!(script.conversation.deadline(&script.policy), None);
    }

    #[test]
    fn what_was_accepted_after_the_request_is_a_new_conversations() {
        let mut script = Script::new();
        script.accept(8, text("hi"));
        let first = script.last_question().variables.session;
        script.replied(8, 1, answer("hello"));
        for (sequence, work) in [(16, text("old")), (24, Work::Erase)] {
            let record = script.record(sequence, work);
            script.conversation.inbox.push_back(record);
        }
        let effects = script.accept(32, text("new"));
        assert_eq!(effects[4..], ["session started by User", "ask 32/1 \"new\" timeout 30s"], "{effects:?}");
        assert_ne!(script.last_question().variables.session, first);
        assert_eq!(script.last_question().state, None);
    }

    #[test]
    fn a_text_that_is_being_sent_comes_back_to_nobody_and_no_other_is_sent() {
        let mut script = Script::new();
        script.policy.send.text_max = 5;
        script.accept(8, text("hi"));
        script.replied(8, 1, answer("aaaa bbbb"));
        script.slot("8-0");
        script.accept(16, Work::Erase);
        assert_eq!(script.sent("8-0"), [""; 0]);
        assert_eq!(script.refused("8-0", SendError::OptedOut), [""; 0]);
        assert_eq!(script.slot("8-1"), [""; 0]);
        assert_eq!(script.conversation.next_attempt(&script.policy), None);
    }

    #[test]
    fn requests_that_wait_for_room_go_with_the_rest() {
        let mut script = Script::new();
        script.policy.outbox_max = 1;
        let send = |body: &str| Work::Send(SendText { body: body.into(), media: Vec::new(), within: Within::Anywhere });
        script.accept(8, send("one"));
        script.accept(16, send("two"));
        let effects = script.accept(24, Work::Erase);
        assert_eq!(effects, [&format!("erase up to 24, {EMPTY}"), "erased by 24"]);
        assert!(script.conversation.is_idle());
    }

    #[test]
    fn a_stop_outlives_the_erasure_and_a_start_lifts_it() {
        let mut script = Script::new();
        script.accept(8, text("STOP"));
        let effects = script.accept(16, Work::Erase);
        let left = "{\"stopped_at\":1700000000000,\"erased_at\":1700000000000}";
        assert_eq!(effects[0], format!("erase up to 16, leave {left} Lastingly"));
        let mut again = Script::restored(Some(left.as_bytes()), Vec::new());
        assert_eq!(again.accept(24, text("hm"))[0], "has stopped 24");
        assert_eq!(again.accept(32, text("START"))[0], "opted in");
        assert!(again.accept(40, text("hi")).contains(&"ask 40/1 \"hi\" timeout 30s".to_owned()));
    }

    #[test]
    fn whoever_erases_from_outside_leaves_the_same() {
        let now = crate::time::UnixMillis(1_700_000_000_000);
        let mut script = Script::new();
        script.accept(8, text("STOP"));
        let remains = crate::Conversation::remains(Some(&script.conversation.snapshot()), now);
        let effects = script.accept(16, Work::Erase);
        let left = String::from_utf8(remains.snapshot).unwrap();
        assert_eq!(effects[0], format!("erase up to 16, leave {left} {:?}", remains.kept));
        for nothing in [None, Some(&b"garbage"[..])] {
            let remains = crate::Conversation::remains(nothing, now);
            assert_eq!(remains.snapshot, b"{\"erased_at\":1700000000000}");
        }
    }

    #[test]
    fn a_pipe_and_its_open_turn_go_as_well() {
        let mut script = Script::new();
        let pipe =
            crate::words::Pipe { id: uuid::Uuid::from_u128(5), webhook: "https://v.example".into(), expires_at: None };
        script.accept(8, Work::OpenPipe(pipe));
        assert_eq!(script.accept(16, text("4711")), ["forward 16/1 \"4711\""]);
        script.accept(24, Work::Erase);
        let token = crate::words::Token { turn: crate::words::Sequence(16), attempt: 1 };
        assert_eq!(script.give(Input::Forwarded { token }), ["late answer 16/1"]);
        assert!(script.accept(32, text("hi")).iter().any(|effect| effect.starts_with("ask 32/1")));
    }

    /// Whatever the log has may be a text that was sent before and is no longer known.
    #[test]
    fn soon_after_an_erasure_a_text_in_doubt_is_not_taken_for_one_that_was_erased() {
        let log = || LoggedMessage { provider_id: ProviderId("SM1".into()), body: "ok".into() };
        let doubtful = |wait| {
            let mut script = Script::new();
            script.accept(8, Work::Erase);
            script.advance(wait);
            script.accept(16, text("hi"));
            script.replied(16, 1, answer("ok"));
            script.slot("16-0");
            script.refused("16-0", SendError::Unknown { reason: "no answer".into() });
            script.advance(minutes(1));
            script.give(Input::DeadlinePassed);
            script
        };
        let read = |mut script: Script, logged| {
            let (id, lookup) = ("16-0".parse().unwrap(), Lookup::Readable(logged));
            script.give(Input::LogRead { id, lookup, others: Others::default() })
        };
        assert_eq!(read(doubtful(minutes(5)), vec![log()])[0], "mark 16-0 given up");
        assert_eq!(read(doubtful(minutes(5)), Vec::new())[0], "mark 16-0 queued");
        assert_eq!(read(doubtful(minutes(61)), vec![log()])[0], "mark 16-0 sent SM1");
    }

    #[test]
    fn a_snapshot_is_spent_once_it_says_nothing_any_more() {
        let mut script = Script::new();
        script.accept(8, text("hi"));
        script.replied(8, 1, answer("hello"));
        let spent = |script: &Script| crate::Conversation::is_spent(&script.conversation.snapshot());
        assert!(!spent(&script), "a session is open");
        script.accept(16, Work::End);
        assert!(spent(&script));
        script.accept(24, text("STOP"));
        assert!(!spent(&script), "the user wants none of our texts");
        assert!(!crate::Conversation::is_spent(b"garbage"));
    }
}
