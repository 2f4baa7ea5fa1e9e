//! The assistant answered, or did not. A failed attempt is repeated as the session or the tenant says; a failed turn gets the failure
//! message and leaves the context as it was. What a good answer comes to is told in `answer.rs`.

use std::sync::Arc;
use std::time::Duration;

use crate::Step;
use crate::effect::{Effect, Notice};
use crate::render;
use crate::turn::{Asked, Turn};
use crate::words::{Answer, AskError, EndReason, MediaVerdict, Token, Work};

/// No wait between two attempts is longer, whatever the assistant asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

impl Step<'_> {
    pub(crate) fn on_assistant_replied(&mut self, token: Token, answer: Answer) {
        let Some(mut turn) = self.take_turn(token, Waits::ForAnswer) else { return };
        let size = answer.state.as_ref().map_or(0, |state| state.data.get().len());
        if size > self.policy.max_context {
            let limit = self.policy.max_context;
            return self
                .fail_turn(turn, &format!("the assistant's state has {size} bytes, more than the {limit} allowed"));
        }
        match self.media_to_check(&answer) {
            urls if urls.is_empty() => self.take_answer(turn, answer),
            urls => {
                self.emit(Effect::CheckMedia { token, urls });
                turn.checking = Some(Box::new(answer));
                self.conversation.turn = Some(turn);
            }
        }
    }

    pub(crate) fn on_media_checked(&mut self, token: Token, verdicts: Vec<MediaVerdict>) {
        let Some(mut turn) = self.take_turn(token, Waits::ForMedia) else { return };
        let Some(answer) = turn.checking.take() else { return };
        for (url, verdict) in self.media_to_check(&answer).into_iter().zip(verdicts) {
            if let MediaVerdict::AsLink { reason } = verdict {
                self.emit(Effect::Report(Notice::MediaAsLink { reason }));
                turn.held.links.push(url);
            }
        }
        self.take_answer(turn, *answer);
    }

    /// The voice gateway has the text: that is all the answer it gets.
    pub(crate) fn on_forwarded(&mut self, token: Token) {
        let Some(turn) = self.take_turn(token, Waits::ForAnswer) else { return };
        self.consume(turn.record, token.attempt, None, Vec::new());
    }

    pub(crate) fn on_assistant_failed(&mut self, token: Token, error: &AskError) {
        let Some(mut turn) = self.take_turn(token, Waits::ForAnswer) else { return };
        let own_timeout = match &turn.asked {
            Asked::Assistant(_) => {
                self.conversation.session().is_some_and(|session| session.response_timeout.is_some())
            }
            Asked::Pipe(_) => false,
        };
        let retries = if own_timeout { 1 } else { self.policy.ask.retries };
        let wait = match error {
            AskError::Timeout(_) if own_timeout => Some(Duration::ZERO),
            AskError::Timeout(_) | AskError::Panicked => Some(self.policy.ask.interval),
            AskError::Unavailable { after, .. } => Some(after.unwrap_or_default().max(self.policy.ask.interval)),
            AskError::Rejected { .. } | AskError::Misconfigured { .. } | AskError::Malformed { .. } => None,
        };
        match wait {
            Some(wait) if token.attempt.saturating_sub(turn.attempts_before) <= retries => {
                self.emit(Effect::Report(Notice::AskAgain { token, reason: error.to_string() }));
                let effect = turn.again(wait.min(LONGEST_WAIT));
                self.emit(effect);
                self.conversation.turn = Some(turn);
            }
            _ => self.fail_turn(turn, &error.to_string()),
        }
    }

    /// The open turn, if this is the attempt that is under way; anything else is late.
    fn take_turn(&mut self, token: Token, waits: Waits) -> Option<Box<Turn>> {
        let open = self.conversation.turn.take();
        if open.as_ref().is_some_and(|turn| turn.token() == token && Waits::of(turn) == waits) {
            return open;
        }
        self.conversation.turn = open;
        self.emit(Effect::Report(Notice::LateAnswer { token }));
        None
    }

    /// What an earlier answer of the turn has said goes out all the same. Of a turn that was to end a silent session, the user hears
    /// nothing, and the session ends.
    pub(crate) fn fail_turn(&mut self, mut turn: Box<Turn>, reason: &str) {
        let token = turn.token();
        self.emit(Effect::Report(Notice::TurnFailed { token, reason: reason.to_owned() }));
        self.consume_joined(&mut turn, Some(reason));
        if let Work::TimedOut { .. } = turn.record.work {
            self.consume(turn.record, token.attempt, Some(reason.to_owned()), Vec::new());
            return self.end_session(EndReason::Timeout);
        }
        let mut said = self.say(turn.held);
        said.line(&self.apology(&turn.record));
        let rows = self.rows(&turn.record, &said.text, &said.media);
        self.consume(turn.record, token.attempt, Some(reason.to_owned()), rows);
    }

    /// Renders what a turn has to say; what an operator may want to know is noted.
    pub(crate) fn say(&mut self, held: crate::turn::Held) -> render::Rendered {
        let prefixes = match self.conversation.session() {
            Some(session) => session.prefixes(self.policy),
            None => {
                render::Prefixes { options: &self.policy.options_prefix, suggestions: &self.policy.suggestions_prefix }
            }
        };
        let mut rendered = render::render(held.items, prefixes, &held.links);
        for url in held.media {
            if held.links.contains(&url) {
                rendered.line(&url);
            } else if !rendered.media.contains(&url) {
                rendered.media.push(url);
            }
        }
        for notice in std::mem::take(&mut rendered.notices) {
            self.emit(Effect::Report(notice));
        }
        rendered
    }

    /// What the user gets when a turn fails.
    pub(crate) fn failure_message(&self) -> String {
        let switched = self.conversation.session().and_then(|session| session.config.as_ref()?.failure_message.clone());
        switched.unwrap_or_else(|| self.policy.failure_message.clone())
    }
}

/// What an open turn waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waits {
    ForAnswer,
    ForMedia,
}

impl Waits {
    fn of(turn: &Turn) -> Self {
        if turn.checking.is_some() { Self::ForMedia } else { Self::ForAnswer }
    }
}

impl Turn {
    /// One more attempt.
    fn again(&mut self, wait: Duration) -> Effect {
        match &mut self.asked {
            Asked::Assistant(question) => {
                let again = Arc::make_mut(question);
                again.token.attempt += 1;
                (again.delay, again.repeated) = (wait, true);
                Effect::AskAssistant(Arc::clone(question))
            }
            Asked::Pipe(forward) => {
                forward.token.attempt += 1;
                forward.delay = wait;
                Effect::Forward(forward.clone())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;
    use serde_json::{Value, json};

    use super::*;
    use crate::on::script::{Script, answer, command, options, text};
    use crate::words::AssistantState;

    fn state(data: &str) -> AssistantState {
        AssistantState { assistant: "assistant".into(), data: RawValue::from_string(data.into()).unwrap() }
    }

    #[test]
    fn an_answer_is_committed_with_its_state_and_sent() {
        let mut script = Script::new();
        script.accept(1, text("hi"));
        let effects = script.replied(1, 1, Answer { state: Some(state("{\"n\":1}")), ..answer("hello") });
        assert_eq!(effects, ["consume 1 asks 1 rows [1-0 \"hello\"]", "slot 1-0 for 1"]);
        script.accept(2, text("more"));
        assert_eq!(script.last_question().state, Some(state("{\"n\":1}")));
    }

    #[test]
    fn a_late_or_repeated_answer_is_dropped() {
        let mut script = Script::new();
        script.accept(1, text("hi"));
        script.failed(1, 1, AskError::Timeout(Duration::from_secs(30)));
        assert_eq!(script.replied(1, 1, answer("late")), ["late answer 1/1"]);
        script.replied(1, 2, answer("in time"));
        assert_eq!(script.replied(1, 2, answer("again")), ["late answer 1/2"]);
    }

    #[test]
    fn a_failed_attempt_is_repeated_with_the_same_turn_id_after_the_interval() {
        let mut script = Script::new();
        script.accept(1, text("hi"));
        let turn_id = script.last_question().turn_id;
        let error = AskError::Unavailable { after: None, reason: "503".into() };
        let effects = script.failed(1, 1, error);
        assert_eq!(effects[1], "ask 1/2 \"hi\" after 2s timeout 30s");
        assert_eq!(script.last_question().turn_id, turn_id);
    }

    #[test]
    fn after_the_last_retry_the_user_gets_the_failure_message_and_the_context_stays() {
        let mut script = Script::new();
        script.policy.failure_message = "sorry".into();
        script.accept(1, text("hi"));
        script.replied(1, 1, Answer { state: Some(state("1")), ..answer("hello") });
        script.accept(2, text("more"));
        for attempt in 1..=2 {
            script.failed(2, attempt, AskError::Panicked);
        }
        let effects = script.failed(2, 3, AskError::Panicked);
        assert!(effects.contains(&"consume 2 asks 3 error rows [2-0 \"sorry\"]".to_owned()), "{effects:?}");
        script.accept(3, text("still there?"));
        assert_eq!(script.last_question().state, Some(state("1")));
    }

    #[test]
    fn what_another_attempt_cannot_mend_is_not_repeated() {
        for error in [
            AskError::Rejected { reason: "no".into() },
            AskError::Misconfigured { reason: "key".into() },
            AskError::Malformed { reason: "json".into() },
        ] {
            let mut script = Script::new();
            script.accept(1, text("hi"));
            let effects = script.failed(1, 1, error);
            assert!(effects.iter().any(|effect| effect.starts_with("consume 1 asks 1 error")), "{effects:?}");
        }
    }

    #[test]
    fn the_sessions_response_timeout_gives_exactly_one_more_attempt_from_the_next_turn_on() {
        let mut script = Script::new();
        script.accept(1, text("hi"));
        script.replied(1, 1, Answer { response_timeout: Some(json!("500")), ..answer("hello") });
        let effects = script.accept(2, text("more"));
        assert_eq!(effects, ["ask 2/1 \"more\" timeout 500ms"]);
        let effects = script.failed(2, 1, AskError::Timeout(Duration::from_millis(500)));
        assert_eq!(effects[1], "ask 2/2 \"more\" timeout 500ms");
        let effects = script.failed(2, 2, AskError::Timeout(Duration::from_millis(500)));
        assert!(effects.iter().any(|effect| effect.starts_with("consume 2 asks 2 error")), "{effects:?}");
    }

    #[test]
    fn a_response_timeout_out_of_range_or_shape_is_reported_and_ignored() {
        for value in [json!(99), json!(120_001), json!(-5), json!("soon"), json!([500]), json!(true), json!(500.5)] {
            let mut script = Script::new();
            script.accept(1, text("hi"));
            let effects = script.replied(1, 1, Answer { response_timeout: Some(value), ..answer("hello") });
            assert!(effects[0].starts_with("bad response timeout"), "{effects:?}");
            assert_eq!(script.accept(2, text("more")), ["ask 2/1 \"more\" timeout 30s"]);
        }
    }

    #[test]
    fn terminate_session_sends_the_text_first_and_the_next_text_starts_afresh() {
        let mut script = Script::new();
        script.accept(1, text("bye"));
        let first = script.last_question().variables.session;
        let goodbye = Answer { commands: vec![command("terminateSession", Value::Null)], ..answer("Goodbye") };
        let effects = script.replied(1, 1, Answer { state: Some(state("7")), ..goodbye });
        let expected = ["consume 1 asks 1 rows [1-0 \"Goodbye\"]", "save", "end session Terminated", "slot 1-0 for 1"];
        assert_eq!(effects, expected);
        script.accept(2, text("hi"));
        assert_ne!(script.last_question().variables.session, first);
        assert_eq!(script.last_question().state, None);
    }

    #[test]
    fn send_media_sends_the_text_with_the_media() {
        let mut script = Script::new();
        script.accept(1, text("bill"));
        let call = command("smsActSendMedia", json!({"mediaURL": ["https://m.example/1"]}));
        let effects = script.replied(1, 1, Answer { commands: vec![call], ..answer("Here") });
        assert_eq!(effects[0], "consume 1 asks 1 rows [1-0 \"Here\" +1 media]");
    }

    #[test]
    fn unknown_and_malformed_commands_are_reported_and_do_not_spoil_the_turn() {
        let mut script = Script::new();
        script.accept(1, text("hi"));
        let commands = vec![command("dance", Value::Null), command("smsActSendMedia", json!({}))];
        let effects = script.replied(1, 1, Answer { commands, ..answer("hello") });
        assert_eq!(effects[0], "unknown command dance");
        assert!(effects[1].starts_with("malformed command smsActSendMedia"));
        assert_eq!(effects[2], "consume 1 asks 1 rows [1-0 \"hello\"]");
    }

    #[test]
    fn a_list_is_valid_for_one_turn() {
        let mut script = Script::new();
        script.accept(1, text("menu"));
        let effects = script.replied(1, 1, options("Which?", &["Boat", "Car"]));
        assert_eq!(effects[0], "consume 1 asks 1 rows [1-0 \"Which?\\n1. Boat\\n2. Car\"]");
        assert_eq!(script.accept(2, text("2")), ["ask 2/1 choice {\"text\":\"Car\"} timeout 30s"]);
        script.replied(2, 1, answer("Car it is"));
        assert_eq!(script.accept(3, text("2")), ["ask 3/1 \"2\" timeout 30s"]);
    }

    #[test]
    fn an_oversized_state_fails_the_turn_and_the_old_one_stays() {
        let mut script = Script::new();
        script.policy.max_context = 8;
        script.accept(1, text("hi"));
        script.replied(1, 1, Answer { state: Some(state("1")), ..answer("hello") });
        script.accept(2, text("grow"));
        let effects = script.replied(2, 1, Answer { state: Some(state("\"123456789\"")), ..answer("big") });
        assert!(effects.iter().any(|effect| effect.starts_with("consume 2 asks 1 error")), "{effects:?}");
        script.accept(3, text("hi"));
        assert_eq!(script.last_question().state, Some(state("1")));
    }

    #[test]
    fn an_answer_with_nothing_to_say_sends_nothing() {
        let mut script = Script::new();
        script.accept(1, text("hi"));
        assert_eq!(script.replied(1, 1, Answer::default()), ["consume 1 asks 1 rows []"]);
    }

    #[test]
    fn state_of_another_assistant_is_not_handed_over() {
        let mut script = Script::new();
        script.accept(1, text("hi"));
        let foreign = AssistantState { assistant: "other".into(), ..state("1") };
        script.replied(1, 1, Answer { state: Some(foreign), ..answer("hello") });
        script.accept(2, text("more"));
        assert_eq!(script.last_question().state, None);
    }
}
