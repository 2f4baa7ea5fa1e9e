//! The assistant answered, or did not. A good answer becomes texts, a list, a new state and perhaps the session's end, all in
//! one step; a failed attempt is repeated as the session or the tenant says; a failed turn gets the failure message and
//! leaves the context as it was.

use std::time::Duration;

use serde_json::Value;

use crate::Step;
use crate::command::{Command, CommandError};
use crate::effect::{Effect, Notice};
use crate::render;
use crate::turn::Turn;
use crate::words::{Answer, AskError, CommandCall, EndReason, Token};

/// `smsConversationResponseTimeout` must lie in this range, in milliseconds.
const RESPONSE_TIMEOUT_MS: std::ops::RangeInclusive<u64> = 100..=120_000;

/// No wait between two attempts is longer, whatever the assistant asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What the commands of one answer add up to.
#[derive(Default)]
struct Orders {
    media: Vec<String>,
    terminate: Option<EndReason>,
}

impl Step<'_> {
    pub(crate) fn on_assistant_replied(&mut self, token: Token, answer: Answer) {
        let Some(turn) = self.take_turn(token) else { return };
        let size = answer.state.as_ref().map_or(0, |state| state.data.get().len());
        if size > self.policy.max_context {
            let limit = self.policy.max_context;
            return self
                .fail_turn(turn, &format!("the assistant's state has {size} bytes, more than the {limit} allowed"));
        }
        self.complete(turn, answer);
    }

    pub(crate) fn on_assistant_failed(&mut self, token: Token, error: &AskError) {
        let Some(mut turn) = self.take_turn(token) else { return };
        let own_timeout = self.conversation.session().is_some_and(|session| session.response_timeout.is_some());
        let retries = if own_timeout { 1 } else { self.policy.ask.retries };
        let wait = match error {
            AskError::Timeout(_) if own_timeout => Some(Duration::ZERO),
            AskError::Timeout(_) | AskError::Panicked => Some(self.policy.ask.interval),
            AskError::Unavailable { after, .. } => Some(after.unwrap_or_default().max(self.policy.ask.interval)),
            AskError::Rejected { .. } | AskError::Misconfigured { .. } | AskError::Malformed { .. } => None,
        };
        match wait {
            Some(wait) if token.attempt <= retries => {
                self.emit(Effect::Report(Notice::AskAgain { token, reason: error.to_string() }));
                turn.question.token.attempt += 1;
                turn.question.delay = wait.min(LONGEST_WAIT);
                self.emit(Effect::AskAssistant(Box::new(turn.question.clone())));
                self.conversation.turn = Some(turn);
            }
            _ => self.fail_turn(turn, &error.to_string()),
        }
    }

    /// The open turn, if this is the attempt that is under way; anything else is late.
    fn take_turn(&mut self, token: Token) -> Option<Turn> {
        let open = self.conversation.turn.take();
        if open.as_ref().is_some_and(|turn| turn.token() == token) {
            return open;
        }
        self.conversation.turn = open;
        self.emit(Effect::Report(Notice::LateAnswer { token }));
        None
    }

    fn fail_turn(&mut self, turn: Turn, reason: &str) {
        let token = turn.token();
        self.emit(Effect::Report(Notice::TurnFailed { token, reason: reason.to_owned() }));
        self.fail(turn.record, token.attempt, reason);
    }

    fn complete(&mut self, turn: Turn, answer: Answer) {
        let orders = self.orders(answer.commands);
        let response_timeout = self.response_timeout(answer.response_timeout.as_ref());
        let rendered = render::render(answer.items, self.policy);
        for notice in rendered.notices {
            self.emit(Effect::Report(notice));
        }
        if let Some(session) = &mut self.conversation.durable.session {
            session.turns = session.turns.saturating_add(1);
            session.list = rendered.list;
            session.state = answer.state;
            session.response_timeout = response_timeout.or(session.response_timeout);
            if session.error == turn.question.variables.error {
                session.error = None;
            }
        }
        let asks = turn.token().attempt;
        let rows = self.rows(&turn.record, &rendered.text, &orders.media);
        self.consume(turn.record, asks, None, rows);
        if let Some(reason) = orders.terminate {
            self.end_session(reason);
        }
    }

    fn orders(&mut self, calls: Vec<CommandCall>) -> Orders {
        let mut orders = Orders::default();
        for CommandCall { name, parameters } in calls {
            match Command::parse(&name, &parameters) {
                Ok(Command::SendMedia { urls }) => orders.media.extend(urls),
                Ok(Command::TerminateSession) => orders.terminate = Some(EndReason::Terminated),
                Err(CommandError::Unknown) => self.emit(Effect::Report(Notice::UnknownCommand { name })),
                Err(CommandError::Malformed(reason)) => {
                    self.emit(Effect::Report(Notice::MalformedCommand { name, reason }));
                }
            }
        }
        orders
    }

    /// The response timeout that an assistant has set, if it is one.
    fn response_timeout(&mut self, value: Option<&Value>) -> Option<Duration> {
        let value = value.filter(|value| !value.is_null())?;
        let millis = match value {
            Value::Number(number) => number.as_u64().or_else(|| whole_millis(number.as_f64()?)),
            Value::String(text) => text.trim().parse().ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        let millis = millis.filter(|millis| RESPONSE_TIMEOUT_MS.contains(millis));
        if millis.is_none() {
            let shown: String = value.to_string().chars().take(80).collect();
            self.emit(Effect::Report(Notice::BadResponseTimeout { value: shown }));
        }
        millis.map(Duration::from_millis)
    }
}

/// `2000.0` is what some dialogs make of 2000.
fn whole_millis(number: f64) -> Option<u64> {
    let text = format!("{number:.0}");
    (number.fract() == 0.0).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serde_json::value::RawValue;

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
