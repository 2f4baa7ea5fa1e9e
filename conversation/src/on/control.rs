//! Requests from our side, and what the conversation hears about its own texts. They are taken while a turn is open.

use crate::Step;
use crate::effect::{Consumed, Effect, Notice};
use crate::keyword::{HAS_STOPPED, Standing};
use crate::time::UnixMillis;
use crate::turn::{Asked, Turn};
use crate::variable::SmsError;
use crate::words::{DeliveryFailure, EndReason, OutboundId, Precedence, SendText, Sequence, Within, Work, WorkRecord};

/// Why a turn was cancelled, as the transcript shows it.
const ENDED: &str = "the session was ended by request";

impl Step<'_> {
    /// Takes every control request out of the inbox, in order, past the texts that wait. A text of ours waits for room in the outbox,
    /// so that there is a limit to what may be requested.
    pub(crate) fn take_controls(&mut self) {
        loop {
            let has_room = self.conversation.may_request(self.policy);
            let is_next = |record: &WorkRecord| {
                let is_send = matches!(record.work, Work::Send(_));
                self.precedence(record) == Precedence::Control && (has_room || !is_send)
            };
            let Some(position) = self.conversation.inbox.iter().position(is_next) else { return };
            let record = self.conversation.inbox.remove(position).expect("the position was just found");
            self.take_control(record);
        }
    }

    /// Carries out one control request.
    pub(crate) fn take_control(&mut self, record: WorkRecord) {
        if let Some(keyword) = self.conversation.keyword(self.policy, &record) {
            return self.obey(record, keyword);
        }
        match &record.work {
            Work::End => self.end_requested(record),
            Work::DeliveryFailed(failure) => {
                let DeliveryFailure { outbound, code, reason } = failure.clone();
                self.drop_rest_of(outbound);
                self.note_failed_text(outbound, code, reason);
                self.emit(Effect::Consume(Box::new(self.silent(record))));
            }
            Work::Send(send) => {
                let send = send.clone();
                self.send_requested(record, &send);
            }
            Work::OpenPipe(pipe) => {
                self.conversation.durable.pipe = Some(Box::new(pipe.clone()));
                self.emit(Effect::Consume(Box::new(self.silent(record))));
            }
            Work::ClosePipe { id } => {
                self.conversation.durable.pipe.take_if(|pipe| pipe.id == *id);
                self.emit(Effect::Consume(Box::new(self.silent(record))));
            }
            Work::Erase => self.erase_requested(&record),
            Work::TakeOver(wanted) => {
                let wanted = wanted.clone();
                self.take_over(record, wanted);
            }
            Work::HandBack => self.hand_back(record),
            Work::Preference(keyword) => {
                let keyword = *keyword;
                self.on_preference(record, keyword);
            }
            Work::Message(_) | Work::Start(_) | Work::NoInput { .. } | Work::TimedOut { .. } => {
                self.conversation.inbox.push_front(record);
            }
        }
    }

    /// A text of ours goes behind those that are on their way already. The session's clock does not move: it waits for the user.
    fn send_requested(&mut self, record: WorkRecord, send: &SendText) {
        let place = match &send.within {
            _ if self.conversation.standing() == Standing::HasStopped => Err(HAS_STOPPED),
            Within::Anywhere => Ok(()),
            Within::Session if self.conversation.session().is_some() => Ok(()),
            Within::Session => Err("no session is open"),
            Within::Pipe(id) => match &self.conversation.durable.pipe {
                Some(pipe) if pipe.id == *id && pipe.is_open(record.accepted_at) => Ok(()),
                Some(_) | None => Err("the pipe is closed"),
            },
        };
        let consumed = match place {
            Ok(()) => {
                let rows = self.rows(&record, &send.body, &send.media);
                self.queue(&rows, record.seed);
                Consumed { rows, ..self.silent(record) }
            }
            Err(reason) => {
                self.emit(Effect::Report(Notice::NothingToActIn { sequence: record.sequence, reason }));
                Consumed { error: Some(reason.into()), ..self.silent(record) }
            }
        };
        self.emit(Effect::Consume(Box::new(consumed)));
    }

    /// The open turn is cancelled with its session: what it would have said no longer has a place. A text on its way to a voice gateway
    /// is none of the session's.
    fn end_requested(&mut self, record: WorkRecord) {
        self.cancel_question(ENDED);
        self.emit(Effect::Consume(Box::new(self.silent(record))));
        self.end_session(EndReason::Requested);
    }

    /// The open turn is over, unless a voice gateway has it; nobody waits for its answer any more. Says what it was.
    pub(crate) fn cancel_question(&mut self, why: &str) -> Option<Work> {
        let is_question = |turn: &mut Box<Turn>| match turn.asked {
            Asked::Assistant(_) => true,
            Asked::Pipe(_) => false,
        };
        let mut turn = self.conversation.turn.take_if(is_question)?;
        let (asks, work) = (turn.token().attempt, turn.record.work.clone());
        self.consume_joined(&mut turn, Some(why));
        self.consume(turn.record, asks, Some(why.into()), Vec::new());
        Some(work)
    }

    /// When somebody was first asked for a record, where it was the last one for which anybody was.
    pub(crate) fn asked_at(&self, sequence: Sequence) -> Option<UnixMillis> {
        self.conversation.asked.as_ref().filter(|asked| asked.sequence == sequence).map(|asked| asked.at)
    }

    /// What the answers to a record have ordered: told once.
    pub(crate) fn ordered(&mut self, sequence: Sequence) -> Vec<String> {
        let asked = self.conversation.asked.as_mut().filter(|asked| asked.sequence == sequence);
        asked.map(|asked| std::mem::take(&mut asked.commands)).unwrap_or_default()
    }

    /// A record that is answered without a word, and without moving the session's clock.
    pub(crate) fn silent(&self, record: WorkRecord) -> Consumed {
        let session = self.conversation.session().map(|session| session.id);
        let answered_at = self.now;
        let (asked_at, error, answered_with) = (None, None, None);
        let (commands, rows) = (Vec::new(), Vec::new());
        Consumed { record, session, asked_at, answered_at, asks: 0, commands, error, answered_with, rows }
    }

    /// The assistant is told of it with the next question, as `smsError`.
    pub(crate) fn note_failed_text(&mut self, id: OutboundId, code: String, reason: String) {
        if let Some(session) = &mut self.conversation.durable.session {
            let error = SmsError { code: code.clone(), message: reason.clone(), outbound: id, at: self.now };
            session.error = Some(Box::new(error));
        }
        self.emit(Effect::Report(Notice::TextFailed { id, code, reason }));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::value::RawValue;

    use super::*;
    use crate::on::script::{Script, answer, text};
    use crate::words::StartSession;

    fn failure(turn: u64) -> Work {
        let outbound = OutboundId { turn: Sequence(turn), part: 0 };
        Work::DeliveryFailed(DeliveryFailure { outbound, code: "30003".into(), reason: "unreachable".into() })
    }

    #[test]
    fn an_end_request_cancels_the_open_turn_and_drops_its_late_answer() {
        let mut script = Script::new();
        script.accept(1, text("hi"));
        let effects = script.accept(2, Work::End);
        let expected = ["consume 1 asks 1 error rows []", "consume 2 asks 0 rows []", "save", "end session Requested"];
        assert_eq!(effects, expected);
        assert_eq!(script.replied(1, 1, answer("late")), ["late answer 1/1"]);
        assert!(script.conversation.session().is_none());
    }

    #[test]
    fn an_end_request_without_a_session_is_just_answered() {
        let mut script = Script::new();
        assert_eq!(script.accept(1, Work::End), ["consume 1 asks 0 rows []"]);
    }

    #[test]
    fn an_end_request_passes_texts_that_wait() {
        let mut script = Script::new();
        script.accept(1, text("one"));
        script.accept(2, text("two"));
        let effects = script.accept(3, Work::End);
        assert!(effects.iter().any(|effect| effect == "end session Requested"));
        assert!(effects.iter().any(|effect| effect.starts_with("ask 2/1")), "{effects:?}");
    }

    #[test]
    fn a_start_request_lets_the_assistant_speak_first_with_data_and_timeout() {
        let mut script = Script::new();
        let start = StartSession {
            user_data: Some(RawValue::from_string("{\"caseId\":42}".into()).unwrap()),
            timeout: Some(Duration::from_secs(600)),
            ..StartSession::default()
        };
        let effects = script.accept(1, Work::Start(start));
        assert_eq!(effects, ["session started by Request", "ask 1/1 start timeout 30s"]);
        let variables = script.last_question().variables.to_json();
        assert_eq!(variables["smsUserData"]["caseId"], 42);
        assert_eq!(variables["smsSessionTimeoutCount"], 600);
        script.replied(1, 1, answer("Your bill is due"));
        let deadline = script.conversation.deadline(&script.policy);
        assert_eq!(deadline, Some(script.now.plus(Duration::from_secs(600))));
    }

    #[test]
    fn a_start_request_replaces_an_open_session() {
        let mut script = Script::new();
        script.accept(1, text("hi"));
        script.replied(1, 1, answer("hello"));
        let effects = script.accept(2, Work::Start(StartSession::default()));
        assert_eq!(effects[..2], ["save", "end session Replaced"]);
    }

    #[test]
    fn a_start_request_that_is_repeated_after_a_crash_does_not_replace_its_own_session() {
        let mut script = Script::new();
        script.accept(1, text("hi"));
        script.replied(1, 1, answer("hello"));
        script.accept(2, Work::Start(StartSession::default()));
        let mut again = Script::restored(Some(&script.conversation.snapshot()), Vec::new());
        assert_eq!(again.accept(2, Work::Start(StartSession::default())), ["ask 2/1 start timeout 30s"]);
    }

    #[test]
    fn a_failed_delivery_reaches_the_assistant_once_with_the_next_turn() {
        let mut script = Script::new();
        script.accept(1, text("hi"));
        script.replied(1, 1, answer("hello"));
        let effects = script.accept(2, failure(1));
        assert_eq!(effects, ["text 1-0 failed 30003", "consume 2 asks 0 rows []"]);
        script.accept(3, text("more"));
        assert_eq!(script.last_question().variables.error.as_ref().map(|error| error.code.as_str()), Some("30003"));
        script.replied(3, 1, answer("ok"));
        script.accept(4, text("and?"));
        assert_eq!(script.last_question().variables.error, None);
    }

    #[test]
    fn a_failure_learned_during_a_turn_is_kept_for_the_next() {
        let mut script = Script::new();
        script.accept(1, text("hi"));
        script.replied(1, 1, answer("hello"));
        script.accept(2, text("more"));
        script.accept(3, failure(1));
        script.replied(2, 1, answer("ok"));
        script.accept(4, text("and?"));
        assert!(script.last_question().variables.error.is_some());
    }

    fn send(body: &str, within: Within) -> Work {
        Work::Send(SendText { body: body.into(), media: Vec::new(), within })
    }

    fn pipe(expires_at: Option<crate::time::UnixMillis>) -> crate::words::Pipe {
        crate::words::Pipe { id: uuid::Uuid::from_u128(5), webhook: "https://voice.example/sms".into(), expires_at }
    }

    #[test]
    fn a_start_request_with_a_text_sends_it_and_asks_nobody_before_the_user_answers() {
        let mut script = Script::new();
        let start = StartSession { text: Some("Your car is ready.".into()), ..StartSession::default() };
        let effects = script.accept(8, Work::Start(start));
        assert_eq!(effects[..2], ["session started by Request", "consume 8 asks 0 rows [8-0 \"Your car is ready.\"]"]);
        assert_eq!(script.accept(16, text("thanks")), ["ask 16/1 \"thanks\" timeout 30s"]);
    }

    #[test]
    fn a_requested_text_is_sent_during_a_turn_and_does_not_move_the_clock() {
        let mut script = Script::new();
        script.accept(8, text("hi"));
        script.replied(8, 1, answer("hello"));
        let deadline = script.conversation.deadline(&script.policy);
        script.accept(16, text("more"));
        script.advance(Duration::from_secs(60));
        let effects = script.accept(24, send("By the way", Within::Session));
        assert_eq!(effects, ["consume 24 asks 0 rows [24-0 \"By the way\"]"]);
        assert_eq!(script.conversation.deadline(&script.policy), deadline);
    }

    #[test]
    fn a_requested_text_needs_what_it_says_it_needs() {
        let mut script = Script::new();
        let effects = script.accept(8, send("hi", Within::Session));
        assert_eq!(effects, ["nothing for 8 to act in: no session is open", "consume 8 asks 0 error rows []"]);
        let effects = script.accept(16, send("hi", Within::Pipe(uuid::Uuid::from_u128(5))));
        assert_eq!(effects, ["nothing for 16 to act in: the pipe is closed", "consume 16 asks 0 error rows []"]);
        assert_eq!(script.accept(24, send("hi", Within::Anywhere))[0], "consume 24 asks 0 rows [24-0 \"hi\"]");
        assert!(script.conversation.session().is_none());
    }

    #[test]
    fn while_a_pipe_is_open_texts_go_to_the_voice_gateway_and_keep_the_session_open() {
        let mut script = Script::new();
        script.accept(8, text("hi"));
        script.replied(8, 1, answer("hello"));
        assert_eq!(script.accept(16, Work::OpenPipe(pipe(None))), ["consume 16 asks 0 rows []"]);
        script.advance(Duration::from_secs(60));
        assert_eq!(script.accept(24, text("4711")), ["forward 24/1 \"4711\""]);
        let token = crate::words::Token { turn: Sequence(24), attempt: 1 };
        assert_eq!(script.give(crate::Input::Forwarded { token }), ["consume 24 asks 1 rows []"]);
        let ends_at = script.now.plus(script.policy.session_timeout);
        assert_eq!(script.conversation.deadline(&script.policy), Some(ends_at));
        let effects = script.accept(32, send("Thanks", Within::Pipe(uuid::Uuid::from_u128(5))));
        assert_eq!(effects[0], "consume 32 asks 0 rows [32-0 \"Thanks\"]");
        script.accept(40, Work::ClosePipe { id: uuid::Uuid::from_u128(6) });
        assert_eq!(script.accept(48, text("5")), ["forward 48/1 \"5\""]);
        script.accept(56, Work::ClosePipe { id: uuid::Uuid::from_u128(5) });
        script.give(crate::Input::Forwarded { token: crate::words::Token { turn: Sequence(48), attempt: 1 } });
        assert_eq!(script.accept(64, text("back")), ["ask 64/1 \"back\" timeout 30s"]);
    }

    #[test]
    fn a_voice_gateway_that_does_not_answer_is_tried_again_and_then_the_user_is_told() {
        let mut script = Script::new();
        script.policy.ask.retries = 1;
        script.policy.failure_message = "sorry".into();
        script.accept(8, Work::OpenPipe(pipe(None)));
        script.accept(16, text("4711"));
        let down = || crate::words::AskError::Unavailable { after: None, reason: "503".into() };
        assert_eq!(script.failed(16, 1, down())[1], "forward 16/2 \"4711\" after 2s");
        let effects = script.failed(16, 2, down());
        assert!(effects.contains(&"consume 16 asks 2 error rows [16-0 \"sorry\"]".to_owned()), "{effects:?}");
    }

    #[test]
    fn a_user_who_has_said_nothing_hears_no_apology() {
        let mut script = Script::new();
        script.policy.ask.retries = 0;
        script.accept(8, Work::Start(StartSession::default()));
        let effects = script.failed(8, 1, crate::words::AskError::Rejected { reason: "no".into() });
        assert!(effects.contains(&"consume 8 asks 1 error rows []".to_owned()), "{effects:?}");
    }

    #[test]
    fn a_pipe_closes_by_itself() {
        let mut script = Script::new();
        let expires_at = Some(script.now.plus(Duration::from_secs(60)));
        script.accept(8, Work::OpenPipe(pipe(expires_at)));
        script.advance(Duration::from_secs(60));
        assert!(script.accept(16, text("hi")).iter().any(|effect| effect.starts_with("ask 16/1")));
    }

    #[test]
    fn an_end_request_leaves_a_text_alone_that_is_on_its_way_through_a_pipe() {
        let mut script = Script::new();
        script.accept(8, text("hi"));
        script.replied(8, 1, answer("hello"));
        script.accept(16, Work::OpenPipe(pipe(None)));
        script.accept(24, text("4711"));
        assert_eq!(script.accept(32, Work::End), ["consume 32 asks 0 rows []", "save", "end session Requested"]);
        let token = crate::words::Token { turn: Sequence(24), attempt: 1 };
        assert_eq!(script.give(crate::Input::Forwarded { token }), ["consume 24 asks 1 rows []"]);
    }

    #[test]
    fn requested_texts_wait_while_the_outbox_is_full_and_other_requests_do_not() {
        let mut script = Script::new();
        script.policy.outbox_max = 2;
        script.accept(8, send("one", Within::Anywhere));
        script.accept(16, send("two", Within::Anywhere));
        assert_eq!(script.accept(24, send("three", Within::Anywhere)), [""; 0]);
        assert_eq!(script.accept(32, Work::End), ["consume 32 asks 0 rows []"]);
        script.slot("8-0");
        let effects = script.sent("8-0");
        assert!(effects.contains(&"consume 24 asks 0 rows [24-0 \"three\"]".to_owned()), "{effects:?}");
    }

    #[test]
    fn a_text_that_expires_makes_room_for_a_requested_one() {
        let mut script = Script::new();
        script.policy.outbox_max = 1;
        script.accept(8, send("one", Within::Anywhere));
        script.accept(16, send("two", Within::Anywhere));
        script.advance(script.policy.send.valid_for);
        let effects = script.slot("8-0");
        assert!(effects.contains(&"consume 16 asks 0 rows [16-0 \"two\"]".to_owned()), "{effects:?}");
    }

    #[test]
    fn a_start_request_leaves_an_open_session_alone_where_it_is_to() {
        let start = || {
            let (text, on_open) = (Some("Your car is ready.".into()), crate::words::OnOpen::Refuse);
            Work::Start(StartSession { text, on_open, ..StartSession::default() })
        };
        let mut script = Script::new();
        assert_eq!(script.accept(8, start())[0], "session started by Request");
        let session = script.conversation.session().unwrap().id;
        assert_eq!(script.accept(16, start()), ["consume 16 asks 0 error rows []"]);
        assert_eq!(script.conversation.session().map(|session| session.id), Some(session));
        script.advance(crate::on::script::minutes(61));
        let effects = script.accept(24, start());
        assert_eq!(effects[..3], ["save", "end session Timeout", "session started by Request"]);
    }
}
