//! Quiet hours: what nobody has asked for rests until they are over. It keeps its place: once an answer that the user waits for stands
//! behind it, he is awake, and both go in order.
//!
//! Which text rests is decided when its turn to go has come, by what the clock and the tenant's rules say then; what it is marked
//! with says only when to look again.

use crate::Step;
use crate::effect::Effect;
use crate::outbox::Phase;
use crate::time::UnixMillis;
use crate::words::{RowState, Within, Work};

impl Step<'_> {
    /// Whether what is sent for this is no answer to the user: what a request sends or starts, unless he is talking to us or to a voice
    /// gateway; what is said to him since he was silent; and what the assistant adds by itself in a session in which he has said nothing.
    pub(crate) fn is_unasked(&self, work: &Work) -> bool {
        match work {
            Work::Start(_) | Work::TimedOut { .. } => true,
            Work::Send(send) => match send.within {
                Within::Anywhere => true,
                Within::Session => !self.is_in_talk(),
                Within::Pipe(_) => false,
            },
            Work::NoInput { .. } => self.texted_at().is_none(),
            Work::Message(_)
            | Work::End
            | Work::DeliveryFailed(_)
            | Work::OpenPipe(_)
            | Work::ClosePipe { .. }
            | Work::Preference(_)
            | Work::TakeOver(_)
            | Work::HandBack
            | Work::Erase => false,
        }
    }

    /// It is quiet, and the user has texted in the open session since it became so. What he has said before does not count when a text
    /// that could not go by day is to go by night.
    fn is_in_talk(&self) -> bool {
        let Some((quiet, texted_at)) = self.policy.quiet_hours.as_ref().zip(self.texted_at()) else { return false };
        let over_at = quiet.until(self.now);
        over_at.is_some() && texted_at <= self.now && quiet.until(texted_at) == over_at
    }

    fn texted_at(&self) -> Option<UnixMillis> {
        self.conversation.session().and_then(|session| session.texted_at)
    }

    /// It stays in doubt: what rests has surely not been taken.
    pub(crate) fn leave_head(&mut self, until: UnixMillis) {
        if let Some(entry) = self.conversation.outbox.head() {
            entry.phase = Phase::Idle;
            entry.look_at = until;
        }
    }

    /// Nobody is woken for it.
    pub(crate) fn rest_head(&mut self, until: UnixMillis) {
        let Some(entry) = self.conversation.outbox.head() else { return };
        let tries = entry.tries;
        // A pause that has brought it here is over: nobody is to be woken for the end of that again and again.
        entry.phase = Phase::Idle;
        entry.row.state = RowState::Held { until, tries };
        let (id, state) = (entry.row.id, entry.row.state.clone());
        self.emit(Effect::Mark { id, state });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Input;
    use crate::on::script::{Script, answer, command, minutes, ordering, text};
    use crate::policy::TimeoutTurn;
    use crate::quiet::QuietHours;
    use crate::words::{SendError, SendText, StartSession};

    /// 22:13:20 by a clock on UTC; it is quiet until 8.
    fn at_night() -> Script {
        let mut script = Script::new();
        script.policy.quiet_hours = Some(QuietHours { from: 21 * 60, to: 8 * 60, offsets: Vec::new() });
        script.policy.keywords.fill_in();
        script
    }

    fn until_morning(script: &Script) -> Duration {
        script.policy.quiet_hours.as_ref().unwrap().until(script.now).unwrap().since(script.now)
    }

    fn evening(mut script: Script) -> Script {
        script.now = script.now.minus(minutes(120));
        script
    }

    fn send(body: &str, within: Within) -> Work {
        Work::Send(SendText { body: body.into(), media: Vec::new(), within })
    }

    fn news() -> Work {
        send("news", Within::Anywhere)
    }

    #[test]
    fn a_requested_text_rests_until_the_morning_and_counts_as_fresh_then() {
        let mut script = at_night();
        assert_eq!(script.accept(8, news()), ["consume 8 asks 0 rows [8-0 \"news\" held]"]);
        assert!(script.conversation.is_idle());
        let wait = until_morning(&script);
        assert_eq!(script.conversation.next_attempt(&script.policy), Some(script.now.plus(wait)));
        script.advance(wait - Duration::from_millis(1));
        assert_eq!(script.give(Input::DeadlinePassed), [""; 0]);
        script.advance(Duration::from_millis(1));
        assert_eq!(script.give(Input::DeadlinePassed), ["slot 8-0 for 1"]);
        script.advance(script.policy.send.valid_for - Duration::from_secs(1));
        assert_eq!(script.slot("8-0")[0], "mark 8-0 sending");
    }

    #[test]
    fn a_text_that_goes_to_rest_makes_room_for_what_came_with_it() {
        let mut script = at_night();
        script.policy.outbox_max = 1;
        let news = script.record(8, news());
        let question = script.record(16, text("hi"));
        let said = script.give(Input::InboxRead(vec![news, question]));
        assert_eq!(said[0], "consume 8 asks 0 rows [8-0 \"news\" held]");
        assert_eq!(said.last().unwrap(), "ask 16/1 \"hi\" timeout 30s");
    }

    #[test]
    fn by_day_nothing_rests() {
        let mut script = evening(at_night());
        assert_eq!(script.accept(8, news()), ["consume 8 asks 0 rows [8-0 \"news\"]", "slot 8-0 for 1"]);
    }

    #[test]
    fn an_answer_never_rests() {
        let mut script = at_night();
        script.accept(8, text("hi"));
        let effects = script.replied(8, 1, answer("hello"));
        assert_eq!(effects, ["consume 8 asks 1 rows [8-0 \"hello\"]", "slot 8-0 for 1"]);
    }

    #[test]
    fn what_waits_before_an_answer_goes_with_it_in_order() {
        let mut script = at_night();
        script.accept(8, news());
        script.accept(16, news());
        script.accept(24, text("hi"));
        assert_eq!(script.replied(24, 1, answer("hello"))[1..], ["slot 8-0 for 1"]);
        script.slot("8-0");
        assert_eq!(script.sent("8-0")[1..], ["slot 16-0 for 1"]);
        script.slot("16-0");
        assert_eq!(script.sent("16-0")[1..], ["slot 24-0 for 1"]);
        script.slot("24-0");
        script.sent("24-0");
        assert_eq!(script.accept(32, news()), ["consume 32 asks 0 rows [32-0 \"news\" held]"]);
    }

    #[test]
    fn what_stands_behind_an_answer_rests_when_the_answer_has_gone() {
        let mut script = at_night();
        script.accept(8, text("hi"));
        script.replied(8, 1, answer("hello"));
        script.accept(16, news());
        script.slot("8-0");
        assert_eq!(script.sent("8-0"), ["mark 8-0 sent SM8-0"]);
    }

    #[test]
    fn a_text_that_could_not_go_by_day_rests_as_well_and_loses_no_time_by_it() {
        let mut script = evening(at_night());
        script.accept(8, news());
        script.slot("8-0");
        let down = SendError::Retry { after: Some(minutes(120)), reason: "down".into() };
        assert_eq!(script.refused("8-0", down), ["mark 8-0 retry 1"]);
        script.advance(minutes(120));
        assert_eq!(script.give(Input::DeadlinePassed), ["mark 8-0 held 1"]);
        let rows = script.conversation.rows();
        let mut again = Script::restored(Some(&script.conversation.snapshot()), rows);
        (again.now, again.policy) = (script.now, script.policy.clone());
        assert_eq!(again.give(Input::DeadlinePassed), [""; 0]);
        again.advance(until_morning(&again));
        assert_eq!(again.give(Input::DeadlinePassed), ["slot 8-0 for 1"]);
        again.slot("8-0");
        let down = SendError::Retry { after: None, reason: "down".into() };
        assert_eq!(again.refused("8-0", down), ["mark 8-0 retry 2"]);
    }

    #[test]
    fn a_slot_that_comes_when_it_has_become_quiet_sends_nothing() {
        let mut script = evening(at_night());
        script.accept(8, news());
        script.advance(minutes(120));
        assert_eq!(script.slot("8-0"), ["mark 8-0 held 0"]);
    }

    #[test]
    fn stop_drops_what_rests_and_is_confirmed_at_once() {
        let mut script = at_night();
        script.accept(8, news());
        let effects = script.accept(16, text("STOP"));
        assert_eq!(effects[1], "mark 8-0 failed opted_out");
        assert_eq!(effects.last().unwrap(), "slot 16-0 for 1");
    }

    #[test]
    fn a_session_that_is_started_at_night_waits_for_the_user_from_the_morning_on() {
        let mut script = at_night();
        script.accept(8, Work::Start(StartSession::default()));
        let effects = script.replied(8, 1, answer("Your bill is due."));
        assert_eq!(effects, ["consume 8 asks 1 rows [8-0 \"Your bill is due.\" held]"]);
        let ends_at = script.now.plus(until_morning(&script)).plus(script.policy.session_timeout);
        assert_eq!(script.conversation.deadline(&script.policy), Some(ends_at));
        let effects = script.accept(16, text("I am awake"));
        assert_eq!(effects, ["ask 16/1 \"I am awake\" timeout 30s"]);
        assert_eq!(script.replied(16, 1, answer("Good."))[1..], ["slot 8-0 for 1"]);
    }

    #[test]
    fn what_an_assistant_adds_by_itself_rests_with_what_it_follows_and_not_otherwise() {
        let on = || vec![command("smsActForceNoInputTurn", serde_json::Value::Null)];
        let mut script = at_night();
        script.accept(8, Work::Start(StartSession::default()));
        script.replied(8, 1, ordering("One.", on()));
        assert_eq!(script.replied(9, 1, answer("Two.")), ["consume 9 asks 1 rows [9-0 \"Two.\" held]"]);
        let mut script = at_night();
        script.accept(8, text("hi"));
        script.replied(8, 1, ordering("One.", on()));
        assert_eq!(script.replied(9, 1, answer("Two.")), ["consume 9 asks 1 rows [9-0 \"Two.\"]"]);
    }

    fn sent(script: &mut Script, id: &str) {
        script.slot(id);
        script.sent(id);
    }

    #[test]
    fn what_an_assistant_adds_to_an_answer_goes_though_a_text_that_rests_stands_before_it() {
        let on = vec![command("smsActForceNoInputTurn", serde_json::Value::Null)];
        let mut script = at_night();
        script.accept(8, text("hi"));
        script.replied(8, 1, ordering("One.", on));
        sent(&mut script, "8-0");
        assert_eq!(script.accept(16, news()), ["consume 16 asks 0 rows [16-0 \"news\" held]"]);
        let effects = script.replied(9, 1, answer("Two."));
        assert_eq!(effects, ["consume 9 asks 1 rows [9-0 \"Two.\"]", "slot 16-0 for 1"]);
    }

    #[test]
    fn what_an_assistant_adds_to_words_of_the_evening_that_nobody_has_answered_rests() {
        let on = vec![command("smsActForceNoInputTurn", serde_json::Value::Null)];
        let mut script = evening(at_night());
        script.accept(8, Work::Start(StartSession::default()));
        script.replied(8, 1, ordering("One.", on));
        sent(&mut script, "8-0");
        script.advance(minutes(120));
        assert_eq!(script.replied(9, 1, answer("Two.")), ["consume 9 asks 1 rows [9-0 \"Two.\" held]"]);
    }

    #[test]
    fn a_text_in_a_session_of_the_evening_that_could_not_go_rests() {
        let mut script = evening(at_night());
        script.policy.session_timeout = minutes(600);
        script.accept(8, text("hi"));
        script.replied(8, 1, answer("hello"));
        sent(&mut script, "8-0");
        script.accept(16, send("I am a person.", Within::Session));
        script.slot("16-0");
        let down = SendError::Retry { after: Some(minutes(120)), reason: "down".into() };
        script.refused("16-0", down);
        script.advance(minutes(120));
        assert_eq!(script.give(Input::DeadlinePassed)[0], "mark 16-0 held 1");
    }

    /// A provider that knows our ids is given a text in doubt once more. Not at night, since it may not have been taken.
    #[test]
    fn a_text_in_doubt_that_may_be_sent_once_more_rests_as_well() {
        let mut script = evening(at_night());
        script.policy.send.repeat = crate::words::Repeat::Safe;
        script.policy.send.valid_for = minutes(600);
        script.accept(8, news());
        script.slot("8-0");
        script.advance(minutes(120));
        script.refused("8-0", SendError::Unknown { reason: "the connection broke".into() });
        assert_eq!(script.conversation.head_wanting_a_slot(), None);
        assert_eq!(script.slot("8-0"), [""; 0]);
        let wait = until_morning(&script);
        assert_eq!(script.conversation.next_attempt(&script.policy), Some(script.now.plus(wait)));
        script.advance(wait);
        assert_eq!(script.give(Input::DeadlinePassed), ["slot 8-0 for 1"]);
    }

    #[test]
    fn a_session_whose_start_has_failed_is_no_talk() {
        let mut script = at_night();
        script.policy.ask.retries = 0;
        script.accept(8, Work::Start(StartSession::default()));
        script.failed(8, 1, crate::words::AskError::Panicked);
        assert!(script.accept(16, send("I am a person.", Within::Session))[0].ends_with("held]"));
    }

    #[test]
    fn words_to_a_user_who_was_silent_rest() {
        let mut script = evening(at_night());
        script.policy.timeout_turn = TimeoutTurn::Yes;
        script.policy.session_timeout = minutes(120);
        script.accept(8, text("hi"));
        script.replied(8, 1, answer("hello"));
        script.slot("8-0");
        script.sent("8-0");
        script.advance(minutes(120));
        script.give(Input::DeadlinePassed);
        let effects = script.replied(15, 1, answer("Are you there?"));
        assert_eq!(effects[0], "consume 15 asks 1 rows [15-0 \"Are you there?\" held]");
    }

    #[test]
    fn a_text_in_a_session_rests_unless_the_user_has_texted_since_it_became_quiet() {
        let within = || send("I am a person.", Within::Session);
        let mut script = at_night();
        script.accept(8, text("hi"));
        script.replied(8, 1, answer("hello"));
        script.slot("8-0");
        script.sent("8-0");
        assert_eq!(script.accept(16, within())[1], "slot 16-0 for 1");
        assert!(script.accept(24, news())[0].ends_with("held]"));
        let mut script = evening(at_night());
        script.policy.session_timeout = minutes(600);
        script.accept(8, text("hi"));
        script.replied(8, 1, answer("hello"));
        script.slot("8-0");
        script.sent("8-0");
        script.advance(minutes(120));
        assert!(script.accept(16, within())[0].ends_with("held]"));
        let mut script = at_night();
        script.accept(8, Work::Start(StartSession { text: Some("Hello.".into()), ..StartSession::default() }));
        assert!(script.accept(16, within())[0].ends_with("held]"));
    }

    #[test]
    fn a_text_to_who_is_on_the_phone_does_not_rest() {
        let mut script = at_night();
        let id = uuid::Uuid::from_u128(5);
        script.accept(
            8,
            Work::OpenPipe(crate::words::Pipe { id, webhook: "https://v.example".into(), expires_at: None }),
        );
        let effects = script.accept(16, send("Your code is 1.", Within::Pipe(id)));
        assert_eq!(effects[1], "slot 16-0 for 1");
    }

    #[test]
    fn however_much_rests_the_user_gets_his_answer() {
        let mut script = at_night();
        script.policy.outbox_max = 2;
        script.accept(8, news());
        script.accept(16, news());
        assert_eq!(script.accept(24, news()), [""; 0]);
        assert_eq!(script.accept(32, text("hi"))[1], "ask 32/1 \"hi\" timeout 30s");
    }

    #[test]
    fn other_hours_hold_as_soon_as_the_tenant_has_them() {
        let mut script = at_night();
        script.accept(8, news());
        let rows = script.conversation.rows();
        let again = |quiet_hours| {
            let mut again = Script::restored(None, rows.clone());
            again.now = script.now.plus(until_morning(&script));
            again.policy.quiet_hours = quiet_hours;
            again
        };
        let longer = Some(QuietHours { from: 0, to: 9 * 60, offsets: Vec::new() });
        assert_eq!(again(longer).give(Input::DeadlinePassed), ["mark 8-0 held 0"]);
        let mut none = again(None);
        none.now = script.now;
        assert_eq!(none.give(Input::DeadlinePassed), ["slot 8-0 for 1"]);
    }

    #[test]
    fn a_receipt_for_a_text_that_rests_is_not_believed() {
        let mut script = at_night();
        script.accept(8, news());
        let mut again = Script::restored(None, script.conversation.rows());
        (again.now, again.policy) = (script.now, script.policy.clone());
        assert_eq!(again.sent("8-0"), [""; 0]);
    }
}
