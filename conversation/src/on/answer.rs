//! What a good answer comes to: texts, a list, a new state, and what its commands ordered, all in one step.
//!
//! In this order, whatever the order in which an answer lists them: settings, then media, then `smsActSetConversationConfig` (the
//! turn goes on with the new assistant, what was said is held), then the no-input turn, `terminateSession` last: it cancels a no-input turn.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use crate::Step;
use crate::command::{Command, CommandError, ConversationConfig, whole_number};
use crate::effect::{Effect, Notice, in_short};
use crate::keyword::Standing;
use crate::policy::{MediaCheck, Switchable};
use crate::turn::{self, Asked, Asking, Turn};
use crate::words::{Answer, AskInput, CommandCall, EndReason, Item, Precedence, Sequence, Work, WorkRecord};

/// `smsConversationResponseTimeout` must lie in this range, in milliseconds.
const RESPONSE_TIMEOUT_MS: std::ops::RangeInclusive<u64> = 100..=120_000;

/// So many media of one answer are looked at before they are sent.
const CHECKS_MAX: usize = 100;

/// What the commands of one answer add up to.
#[derive(Default)]
struct Orders {
    timeout: Option<Duration>,
    options_prefix: Option<String>,
    suggestions_prefix: Option<String>,
    media: Vec<String>,
    switch: Option<ConversationConfig>,
    no_input: bool,
    terminate: bool,
}

impl Step<'_> {
    /// Everything in an answer that the transport may not take, each address once, and no more than anybody should look at: the rest
    /// goes as it is.
    pub(crate) fn media_to_check(&self, answer: &Answer) -> Vec<String> {
        match self.policy.send.media_check {
            MediaCheck::No => return Vec::new(),
            MediaCheck::Ask => {}
        }
        let mut urls: Vec<String> = Vec::new();
        let shown = answer
            .items
            .iter()
            .filter_map(|item| if let Item::Media(media) = item { Some(&media.source) } else { None });
        let ordered = answer.commands.iter().filter_map(|call| match Command::parse(&call.name, &call.parameters) {
            Ok(Command::SendMedia { urls }) => Some(urls),
            Ok(_) | Err(_) => None,
        });
        for url in shown.cloned().chain(ordered.flatten()) {
            if urls.len() == CHECKS_MAX {
                break;
            }
            if !urls.contains(&url) {
                urls.push(url);
            }
        }
        urls
    }

    /// Takes a good answer: the turn is over, or goes on with another question.
    pub(crate) fn take_answer(&mut self, mut turn: Box<Turn>, answer: Answer) {
        if let Some(asked) = &mut self.conversation.asked {
            let names = answer.commands.iter().map(|call| in_short(&call.name));
            asked.commands.extend(names);
            asked.commands.truncate(Asking::COMMANDS_MAX);
        }
        let orders = self.orders(answer.commands);
        let response_timeout = self.response_timeout(answer.response_timeout.as_ref());
        let told = if let Asked::Assistant(question) = &turn.asked { question.variables.error.clone() } else { None };
        // Copied only where it may be needed: it holds the assistant's state.
        if turn.before.is_none() && (turn.next.is_some() || orders.switch.is_some()) {
            turn.before = self.conversation.session().cloned().map(Box::new);
        }
        if let Some(session) = &mut self.conversation.durable.session {
            session.state = answer.state;
            session.response_timeout = response_timeout.or(session.response_timeout);
            session.timeout_set = orders.timeout.or(session.timeout_set);
            session.options_prefix = orders.options_prefix.or(session.options_prefix.take());
            session.suggestions_prefix = orders.suggestions_prefix.or(session.suggestions_prefix.take());
            if session.error.as_deref() == told.as_ref() {
                session.error = None;
            }
        }
        let times_out = matches!(turn.record.work, Work::TimedOut { .. });
        turn.held.ends |= times_out || orders.terminate || answer.items.contains(&Item::EndSession);
        turn.held.no_input |= orders.no_input;
        turn.held.items.extend(answer.items);
        turn.held.media.extend(orders.media);
        let switched = orders.switch.is_some_and(|config| self.switch(config));
        // Of a session that ends, the new assistant need not hear.
        let welcome = (switched && !turn.held.ends).then_some(AskInput::Start);
        match turn.next.take().or(welcome) {
            Some(AskInput::Start) if turn.switches >= self.policy.max_chained_turns => {
                self.emit(Effect::Report(Notice::TooManyChainedTurns));
                self.complete(turn);
            }
            Some(input) => self.ask_next(turn, input),
            None => self.complete(turn),
        }
    }

    /// Asks another question in the same turn. What the user has said is put whatever the limit on further questions.
    fn ask_next(&mut self, mut turn: Box<Turn>, input: AskInput) {
        turn.questions = turn.questions.saturating_add(1);
        if let AskInput::Start = input {
            turn.switches = turn.switches.saturating_add(1);
        }
        let media = match &input {
            AskInput::Text(_) | AskInput::Choice { .. } => turn::message(&turn.record, &turn.joined).media,
            AskInput::Start | AskInput::Signal(_) => Vec::new(),
        };
        let attempts = turn.token().attempt;
        let mut question = self.question((&turn.record, &turn.joined), input, media);
        question.token.attempt = attempts + 1;
        question.turn_id = Uuid::new_v5(&question.turn_id, &[turn.questions]);
        turn.attempts_before = attempts;
        let question = Arc::new(question);
        self.emit(Effect::AskAssistant(Arc::clone(&question)));
        turn.asked = Asked::Assistant(question);
        self.conversation.turn = Some(turn);
    }

    fn complete(&mut self, mut turn: Box<Turn>) {
        self.consume_joined(&mut turn, None);
        let Turn { record, held, .. } = *turn;
        let asks = turn.asked.token().attempt;
        let (ends, no_input) = (held.ends, held.no_input);
        let said = self.say(held);
        let is_own = record.work.precedence() == Precedence::Own;
        if let Some(session) = &mut self.conversation.durable.session {
            session.turns = session.turns.saturating_add(1);
            session.chained = if is_own { session.chained.saturating_add(1) } else { 0 };
            // The user has not answered the list that was shown before a forced turn: it holds, unless there is a new one.
            if !is_own || !said.list.is_empty() {
                session.list = said.list;
            }
        }
        let rows = self.rows(&record, &said.text, &said.media);
        let (sequence, seed, times_out) = (record.sequence, record.seed, matches!(record.work, Work::TimedOut { .. }));
        self.consume(record, asks, None, rows);
        if times_out {
            self.end_session(EndReason::Timeout);
        } else if ends {
            self.end_session(EndReason::Terminated);
        } else if no_input {
            self.chain(sequence, seed);
        }
    }

    /// Another turn follows without the user. Not for one who has stopped our texts: nothing is asked for him.
    fn chain(&mut self, sequence: Sequence, seed: u128) {
        if self.conversation.standing() == Standing::HasStopped {
            return self.emit(Effect::Report(Notice::HasStopped { sequence }));
        }
        let Some(session) = self.conversation.session() else { return };
        let next = sequence.chained().filter(|_| session.chained < self.policy.max_chained_turns);
        match next {
            Some(next) => {
                let work = Work::NoInput { session: session.id };
                self.enqueue(next, seed, work);
            }
            None => self.emit(Effect::Report(Notice::TooManyChainedTurns)),
        }
    }

    /// The conversation tells itself something.
    pub(crate) fn enqueue(&mut self, sequence: Sequence, cause: u128, work: Work) {
        let seed = Uuid::new_v5(&Uuid::from_u128(cause), b"own").as_u128();
        let record = WorkRecord { sequence, accepted_at: self.now, seed, attempts: 0, alone: false, work };
        self.conversation.seen_own = Some(sequence);
        if !self.conversation.closed {
            self.conversation.inbox.push_back(record.clone());
        }
        self.emit(Effect::Enqueue(Box::new(record)));
    }

    /// The session goes on with another assistant; returns whether it is to be asked at once.
    fn switch(&mut self, config: ConversationConfig) -> bool {
        match self.policy.switchable {
            Switchable::No => {
                self.emit(Effect::Report(Notice::CannotSwitch));
                return false;
            }
            Switchable::Yes => {}
        }
        let Some(session) = &mut self.conversation.durable.session else { return false };
        let asks = config.names_a_target();
        let config = config.over(session.config.take().map(|config| *config));
        session.config = Some(Box::new(config));
        self.emit(Effect::Report(Notice::Switched));
        asks
    }

    fn orders(&mut self, calls: Vec<CommandCall>) -> Orders {
        let mut orders = Orders::default();
        for CommandCall { name, parameters } in calls {
            match Command::parse(&name, &parameters) {
                Ok(Command::SendMedia { urls }) => orders.media.extend(urls),
                Ok(Command::TerminateSession) => orders.terminate = true,
                Ok(Command::SetOptionsPrefix(prefix)) => orders.options_prefix = Some(prefix),
                Ok(Command::SetSuggestionsPrefix(prefix)) => orders.suggestions_prefix = Some(prefix),
                Ok(Command::ForceNoInputTurn) => orders.no_input = true,
                Ok(Command::SetSessionTimeout(timeout)) => orders.timeout = Some(timeout),
                Ok(Command::SetConversationConfig(config)) => orders.switch = Some(config.over(orders.switch.take())),
                Err(CommandError::Unknown) => {
                    let name = in_short(&name);
                    self.emit(Effect::Report(Notice::UnknownCommand { name }));
                }
                Err(CommandError::Malformed(reason)) => {
                    let name = in_short(&name);
                    self.emit(Effect::Report(Notice::MalformedCommand { name, reason }));
                }
            }
        }
        orders
    }

    /// The response timeout that an assistant has set, if it is one.
    fn response_timeout(&mut self, value: Option<&Value>) -> Option<Duration> {
        let value = value.filter(|value| !value.is_null())?;
        let millis = whole_number(value).filter(|millis| RESPONSE_TIMEOUT_MS.contains(millis));
        if millis.is_none() {
            let value = in_short(&value.to_string());
            self.emit(Effect::Report(Notice::BadResponseTimeout { value }));
        }
        millis.map(Duration::from_millis)
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
