//! A way to write tests that read like a story: what happens goes in, what is ordered comes out as short lines.

use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::address::{Address, ConversationKey};
use crate::effect::{Consumed, Effect, Erasure, Notice};
use crate::outbox::Phase;
use crate::policy::Policy;
use crate::time::UnixMillis;
use crate::words::{
    Answer, AskError, AskInput, Choice, CommandCall, InboundMessage, Item, OutboundRow, ProviderId, Question, RowState,
    SendError, Sequence, Token, Work, WorkRecord,
};
use crate::{Conversation, Input};

/// A conversation, its time and its rules.
pub(crate) struct Script {
    pub(crate) conversation: Conversation,
    pub(crate) now: UnixMillis,
    pub(crate) policy: Policy,
    question: Option<Question>,
}

impl Script {
    pub(crate) fn new() -> Self {
        Self::restored(None, Vec::new())
    }

    pub(crate) fn restored(snapshot: Option<&[u8]>, rows: Vec<(OutboundRow, u128)>) -> Self {
        let number = |text| Address::parse(text).unwrap();
        let key = ConversationKey { tenant: number("+15550100"), user: number("+15550199") };
        let (conversation, unreadable) = Conversation::restore(key, snapshot, rows);
        assert_eq!(unreadable, None);
        let now = UnixMillis(1_700_000_000_000);
        Self { conversation, now, policy: Policy::default(), question: None }
    }

    pub(crate) fn advance(&mut self, span: Duration) {
        self.now = self.now.plus(span);
    }

    pub(crate) fn record(&self, sequence: u64, work: Work) -> WorkRecord {
        let seed = u128::from(sequence) << 64;
        WorkRecord { sequence: Sequence(sequence), accepted_at: self.now, seed, attempts: 0, alone: false, work }
    }

    pub(crate) fn give(&mut self, input: Input) -> Vec<String> {
        let effects = self.conversation.handle(self.now, &self.policy, input);
        for effect in &effects {
            if let Effect::AskAssistant(question) = effect {
                self.question = Some((**question).clone());
            }
        }
        effects.iter().map(shown).collect()
    }

    pub(crate) fn accept(&mut self, sequence: u64, work: Work) -> Vec<String> {
        let record = self.record(sequence, work);
        self.give(Input::WorkAccepted(record))
    }

    pub(crate) fn replied(&mut self, turn: u64, attempt: u32, answer: Answer) -> Vec<String> {
        let token = Token { turn: Sequence(turn), attempt };
        self.give(Input::AssistantReplied { token, answer: Box::new(answer) })
    }

    pub(crate) fn failed(&mut self, turn: u64, attempt: u32, error: AskError) -> Vec<String> {
        self.give(Input::AssistantFailed { token: Token { turn: Sequence(turn), attempt }, error })
    }

    pub(crate) fn slot(&mut self, id: &str) -> Vec<String> {
        self.give(Input::SlotGranted { id: id.parse().unwrap() })
    }

    pub(crate) fn sent(&mut self, id: &str) -> Vec<String> {
        self.give(Input::TextSent { id: id.parse().unwrap(), provider_id: ProviderId(format!("SM{id}")) })
    }

    pub(crate) fn refused(&mut self, id: &str, error: SendError) -> Vec<String> {
        self.give(Input::SendFailed { id: id.parse().unwrap(), error })
    }

    pub(crate) fn last_question(&self) -> &Question {
        self.question.as_ref().unwrap()
    }
}

pub(crate) fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

pub(crate) fn text(body: &str) -> Work {
    Work::Message(InboundMessage { body: body.into(), ..InboundMessage::default() })
}

pub(crate) fn answer(text: &str) -> Answer {
    Answer { items: vec![Item::Text(text.into())], ..Answer::default() }
}

pub(crate) fn ordering(text: &str, commands: Vec<CommandCall>) -> Answer {
    Answer { commands, ..answer(text) }
}

pub(crate) fn options(title: &str, labels: &[&str]) -> Answer {
    let choice = |label: &&str| Choice {
        label: (*label).into(),
        input: RawValue::from_string(format!("{{\"text\":\"{label}\"}}")).unwrap(),
    };
    let choices = labels.iter().map(choice).collect();
    Answer { items: vec![Item::Options { title: title.into(), choices }], ..Answer::default() }
}

pub(crate) fn command(name: &str, parameters: Value) -> CommandCall {
    CommandCall { name: name.into(), parameters }
}

impl Conversation {
    /// The text at the head, where it waits for a slot.
    pub(crate) fn head_wanting_a_slot(&mut self) -> Option<String> {
        let head = self.outbox.head().filter(|entry| entry.phase == Phase::AwaitingSlot)?;
        Some(head.row.id.to_string())
    }

    /// The rows that are not settled, as the store would have them.
    pub(crate) fn rows(&mut self) -> Vec<(OutboundRow, u128)> {
        let entries = self.outbox.take_unsent(|_| true);
        entries.into_iter().map(|entry| (entry.row, entry.seed)).collect()
    }
}

fn shown(effect: &Effect) -> String {
    match effect {
        Effect::AskAssistant(question) => shown_question(question),
        Effect::CheckMedia { token, urls } => format!("check media {token} {urls:?}"),
        Effect::Forward(forward) => {
            let after = if forward.delay.is_zero() { String::new() } else { format!(" after {:?}", forward.delay) };
            format!("forward {} {:?}{after}", forward.token, forward.body)
        }
        Effect::Enqueue(record) => format!("enqueue {} {}", record.sequence, shown_work(&record.work)),
        Effect::RequestSlot { id, segments } => format!("slot {id} for {segments}"),
        Effect::ReadLog(message) => format!("read log {}", message.id),
        Effect::Consume(consumed) => shown_consumed(consumed),
        Effect::Mark { id, state } => format!("mark {id} {}", shown_state(state)),
        Effect::Save => "save".into(),
        Effect::Erase(Erasure { upto, remains }) => {
            let snapshot = String::from_utf8_lossy(&remains.snapshot);
            format!("erase up to {upto}, leave {snapshot} {:?}", remains.kept)
        }
        Effect::SetAside { record, reason } => format!("set aside {}: {reason}", record.sequence),
        Effect::Send(message) => format!("send {} {:?}", message.id, message.body),
        Effect::EndSession(end) => format!("end session {:?}", end.reason),
        Effect::Report(notice) => shown_notice(notice),
    }
}

fn shown_work(work: &Work) -> &'static str {
    match work {
        Work::NoInput { .. } => "no input",
        Work::TimedOut { .. } => "timed out",
        Work::Message(_)
        | Work::Start(_)
        | Work::End
        | Work::DeliveryFailed(_)
        | Work::Send(_)
        | Work::OpenPipe(_)
        | Work::ClosePipe { .. }
        | Work::Preference(_)
        | Work::TakeOver(_)
        | Work::HandBack
        | Work::Erase => "something else",
    }
}

fn shown_question(question: &Question) -> String {
    let input = match &question.input {
        AskInput::Text(text) => format!("{text:?}"),
        AskInput::Choice { input, .. } => format!("choice {}", input.get()),
        AskInput::Start => "start".into(),
        AskInput::Signal(signal) => format!("signal {}", signal.text()),
    };
    let after = if question.delay.is_zero() { String::new() } else { format!(" after {:?}", question.delay) };
    format!("ask {} {input}{after} timeout {:?}", question.token, question.timeout)
}

fn shown_consumed(consumed: &Consumed) -> String {
    let row = |row: &OutboundRow| {
        let media = if row.media.is_empty() { String::new() } else { format!(" +{} media", row.media.len()) };
        let held = if row.held_until().is_some() { " held" } else { "" };
        format!("{} {:?}{media}{held}", row.id, row.body)
    };
    let rows: Vec<String> = consumed.rows.iter().map(row).collect();
    let error = if consumed.error.is_some() { " error" } else { "" };
    format!("consume {} asks {}{error} rows [{}]", consumed.record.sequence, consumed.asks, rows.join(", "))
}

fn shown_state(state: &RowState) -> String {
    match state {
        RowState::Queued => "queued".into(),
        RowState::Held { tries, .. } => format!("held {tries}"),
        RowState::Sending { .. } => "sending".into(),
        RowState::Retry { tries, .. } => format!("retry {tries}"),
        RowState::Unknown { .. } => "unknown".into(),
        RowState::Sent { provider_id } => format!("sent {}", provider_id.0),
        RowState::Failed { code, .. } => format!("failed {code}"),
        RowState::GivenUp => "given up".into(),
    }
}

fn shown_notice(notice: &Notice) -> String {
    match notice {
        Notice::UnknownCommand { name } => format!("unknown command {name}"),
        Notice::MalformedCommand { name, reason } => format!("malformed command {name}: {reason}"),
        Notice::BadResponseTimeout { value } => format!("bad response timeout {value}"),
        Notice::UnsupportedItem { response_type } => format!("unsupported item {response_type}"),
        Notice::AgentWanted { note } => format!("agent wanted {note:?}"),
        Notice::MediaAsLink { reason } => format!("media as link: {reason}"),
        Notice::TooManyChainedTurns => "too many chained turns".into(),
        Notice::CannotSwitch => "cannot switch".into(),
        Notice::NoSession { sequence } => format!("no session for {sequence}"),
        Notice::OptedOut { by } => format!("opted out by {by:?}"),
        Notice::OptedIn => "opted in".into(),
        Notice::HasStopped { sequence } => format!("has stopped {sequence}"),
        Notice::NothingToActIn { sequence, reason } => format!("nothing for {sequence} to act in: {reason}"),
        Notice::TimeoutTurnSkipped => "timeout turn skipped".into(),
        Notice::Erased { sequence } => format!("erased by {sequence}"),
        Notice::TakenOver { sequence } => format!("taken over by {sequence}"),
        Notice::HandedBack { sequence } => format!("handed back by {sequence}"),
        Notice::Switched => "switched".into(),
        Notice::SlowedDown { sequence } => format!("slowed down {sequence}"),
        Notice::LateAnswer { token } => format!("late answer {token}"),
        Notice::AskAgain { token, .. } => format!("ask again after {token}"),
        Notice::TurnFailed { token, .. } => format!("turn failed {token}"),
        Notice::TextFailed { id, code, .. } => format!("text {id} failed {code}"),
        Notice::TextInDoubt { id, .. } => format!("text {id} in doubt"),
        Notice::SessionStarted { by, .. } => format!("session started by {by:?}"),
    }
}
