//! A text was accepted: it waits its turn, opens a session if none is open, and becomes a question. A text that made its
//! conversation fail is set aside here.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Map;
use uuid::Uuid;

use crate::Step;
use crate::effect::{Consumed, Effect, Notice, StartedBy};
use crate::keyword::Standing;
use crate::policy::{Greeting, InboundStart};
use crate::session::Session;
use crate::time::UnixMillis;
use crate::turn::{self, Asked, Asking, Turn};
use crate::variable::Variables;
use crate::words::{
    AskInput, EndReason, Forward, InboundMessage, Media, OnOpen, OutboundId, OutboundRow, Pipe, Precedence, Question,
    RowState, SESSION_OPEN, Sequence, SessionEnd, Signal, StartSession, TAKEN_OVER, Token, Work, WorkRecord,
};

/// Why a text that may open no session was not answered, as the transcript shows it.
const NO_SESSION: &str = "no session was open, and inbound_start is false";

impl Step<'_> {
    pub(crate) fn on_work_accepted(&mut self, record: WorkRecord) {
        if self.is_new(&record) {
            self.conversation.inbox.push_back(record);
        }
    }

    pub(crate) fn on_inbox_read(&mut self, records: Vec<WorkRecord>) {
        for record in records {
            self.on_work_accepted(record);
            if self.policy.gather.is_none() {
                self.advance();
            }
        }
    }

    pub(crate) fn on_message_convicted(&mut self, record: WorkRecord, reason: &str) {
        if !self.is_new(&record) {
            return;
        }
        self.emit(Effect::SetAside { record: Box::new(record.clone()), reason: reason.to_owned() });
        match record.work {
            Work::Message(_) | Work::Start(_) | Work::NoInput { .. } => self.fail(record, 0, reason),
            Work::TimedOut { session } => {
                self.emit_failed(record, reason);
                self.end_if(session);
            }
            // The user said nothing, and hears nothing of it.
            Work::End
            | Work::DeliveryFailed(_)
            | Work::Send(_)
            | Work::OpenPipe(_)
            | Work::ClosePipe { .. }
            | Work::Preference(_)
            | Work::TakeOver(_)
            | Work::HandBack
            | Work::Erase => self.emit_failed(record, reason),
        }
    }

    pub(crate) fn emit_failed(&mut self, record: WorkRecord, reason: &str) {
        let consumed = Consumed { error: Some(reason.to_owned()), ..self.silent(record) };
        self.emit(Effect::Consume(Box::new(consumed)));
    }

    /// Whether a record was not given before; from now on it was.
    fn is_new(&mut self, record: &WorkRecord) -> bool {
        let seen = match record.work.precedence() {
            Precedence::Own => &mut self.conversation.seen_own,
            Precedence::InTurn | Precedence::Control => &mut self.conversation.seen,
        };
        let sequence = Some(record.sequence);
        let is_new = sequence > *seen;
        if is_new {
            *seen = sequence;
        }
        is_new
    }

    /// Opens the turn of a record, and of the texts before it that were gathered into it.
    pub(crate) fn open_turn(&mut self, record: WorkRecord, joined: Vec<WorkRecord>) {
        match &record.work {
            Work::Message(_) => self.open_message(record, joined),
            Work::Start(start) => {
                let start = start.clone();
                self.open_start(record, start);
            }
            Work::NoInput { session } => {
                let session = *session;
                self.open_own(record, session, Signal::NoInput);
            }
            Work::TimedOut { session } => {
                let session = *session;
                self.open_own(record, session, Signal::SessionTimeout);
            }
            Work::End
            | Work::DeliveryFailed(_)
            | Work::Send(_)
            | Work::OpenPipe(_)
            | Work::ClosePipe { .. }
            | Work::Preference(_)
            | Work::TakeOver(_)
            | Work::HandBack
            | Work::Erase => self.take_control(record),
        }
    }

    /// What was gathered belongs to the session of its first text.
    fn open_message(&mut self, record: WorkRecord, joined: Vec<WorkRecord>) {
        if let Some(limit) = &self.policy.flood {
            self.conversation.durable.ahead = limit.take(self.conversation.durable.ahead, self.now);
        }
        let message = turn::message(&record, &joined);
        let first = joined.first().unwrap_or(&record);
        let (seed, accepted_at) = (first.seed, first.accepted_at);
        if let Some(pipe) = self.conversation.durable.pipe.clone().filter(|pipe| pipe.is_open(accepted_at)) {
            return self.forward(record, message, *pipe);
        }
        self.end_overdue(accepted_at);
        if self.conversation.durable.session.is_none() {
            match self.policy.inbound_start {
                InboundStart::Allowed => {
                    let session = self.fresh_session(seed, accepted_at);
                    self.open_session(session, StartedBy::from(&record.work));
                }
                InboundStart::Refused => {
                    for record in joined.into_iter().chain([record]) {
                        self.emit(Effect::Report(Notice::NoSession { sequence: record.sequence }));
                        self.emit_failed(record, NO_SESSION);
                    }
                    return;
                }
            }
        }
        let list = self.conversation.session().map_or(&[][..], |session| &session.list);
        let input = turn::interpret(&message.body, list);
        let is_new = |session: &Session| session.last == Sequence(0) && session.turns == 0;
        let is_first = self.conversation.session().is_some_and(is_new);
        match self.policy.greeting {
            Greeting::Welcome if is_first => self.ask((record, joined), AskInput::Start, Vec::new(), Some(input)),
            Greeting::Welcome | Greeting::Direct => self.ask((record, joined), input, message.media, None),
        }
    }

    /// The session's own record opens no second one when it is taken once more after a crash.
    fn open_start(&mut self, record: WorkRecord, start: StartSession) {
        if self.is_taken_over(record.accepted_at) {
            return self.emit_failed(record, TAKEN_OVER);
        }
        let mut session = self.fresh_session(record.seed, self.now);
        if self.conversation.session().is_none_or(|open| open.id != session.id) {
            match start.on_open {
                OnOpen::Replace => self.end_session(EndReason::Replaced),
                OnOpen::Refuse => self.end_overdue(record.accepted_at),
            }
            if self.conversation.session().is_some() {
                return self.emit_failed(record, SESSION_OPEN);
            }
            session.user_data = start.user_data;
            session.timeout = start.timeout;
            self.open_session(session, StartedBy::Request);
        }
        match start.text {
            Some(text) => {
                let rows = self.rows(&record, &text, &[]);
                self.consume(record, 0, None, rows);
            }
            None => self.ask((record, Vec::new()), AskInput::Start, Vec::new(), None),
        }
    }

    /// What a conversation tells itself counts only in the session in which it was said, only while it is fresh, and only for a user who
    /// wants our texts.
    fn open_own(&mut self, record: WorkRecord, session: Uuid, signal: Signal) {
        let fresh = match signal {
            Signal::NoInput => self.now.since(record.accepted_at) <= self.policy.answer_within,
            Signal::SessionTimeout => self.now.since(record.accepted_at) <= self.policy.timeout_turn_grace,
        };
        let wanted = self.conversation.standing() == Standing::Receives && !self.is_taken_over(self.now);
        if fresh && wanted && self.conversation.session().is_some_and(|open| open.id == session) {
            return self.ask((record, Vec::new()), AskInput::Signal(signal), Vec::new(), None);
        }
        self.emit(Effect::Consume(Box::new(self.silent(record))));
        match signal {
            Signal::NoInput => {}
            Signal::SessionTimeout => self.end_if(session),
        }
    }

    pub(crate) fn end_if(&mut self, session: Uuid) {
        if self.conversation.session().is_some_and(|open| open.id == session) {
            self.end_session(EndReason::Timeout);
        }
    }

    fn ask(
        &mut self,
        (record, joined): (WorkRecord, Vec<WorkRecord>),
        input: AskInput,
        media: Vec<Media>,
        next: Option<AskInput>,
    ) {
        self.conversation.asked = Some(Asking::new(record.sequence, self.now));
        let question = Arc::new(self.question((&record, &joined), input, media));
        self.emit(Effect::AskAssistant(Arc::clone(&question)));
        self.conversation.turn = Some(Box::new(Turn::new((record, joined), Asked::Assistant(question), next)));
    }

    /// While a pipe is open the user talks to a voice gateway; a session that is open as well is left alone.
    fn forward(&mut self, record: WorkRecord, message: InboundMessage, pipe: Pipe) {
        let forward = Forward {
            token: Token { turn: record.sequence, attempt: 1 },
            turn_id: turn::id(&record, &[]),
            key: self.conversation.key.clone(),
            pipe,
            body: message.body,
            media: message.media,
            accepted_at: record.accepted_at,
            delay: Duration::ZERO,
            timeout: self.policy.ask.timeout,
        };
        let forward = Box::new(forward);
        self.conversation.asked = Some(Asking::new(record.sequence, self.now));
        self.emit(Effect::Forward(forward.clone()));
        self.conversation.turn = Some(Box::new(Turn::new((record, Vec::new()), Asked::Pipe(forward), None)));
    }

    /// A text accepted after its session's deadline opens a new one, however late we come to it; one accepted before it belongs
    /// to the old session, even if the deadline has passed while it waited.
    pub(crate) fn end_overdue(&mut self, accepted_at: UnixMillis) {
        let deadline = self.conversation.session().map(|session| session.deadline(self.policy));
        if deadline.is_some_and(|deadline| accepted_at > deadline) {
            self.end_session(EndReason::Timeout);
        }
    }

    /// The same for every attempt at the record that opens it. Not the same again once it was over: who was told so must not meet it
    /// once more.
    fn fresh_session(&self, seed: u128, from: UnixMillis) -> Session {
        let session = Session::open(seed, from);
        match self.conversation.durable.ended {
            Some(ended) if ended == session.id => Session::open(ended.as_u128(), from),
            Some(_) | None => session,
        }
    }

    fn open_session(&mut self, session: Session, by: StartedBy) {
        self.emit(Effect::Report(Notice::SessionStarted { session: session.id, by }));
        self.conversation.durable.session = Some(session);
    }

    /// Ends the open session, if there is one.
    pub(crate) fn end_session(&mut self, reason: EndReason) {
        let Some(session) = self.conversation.durable.session.take() else { return };
        if session.last == Sequence(0) {
            self.conversation.durable.ended = Some(session.id);
        }
        let state = session.state.filter(|state| state.assistant == self.policy.assistant);
        let end = SessionEnd { key: self.conversation.key.clone(), session: session.id, reason, state };
        self.emit(Effect::Save);
        self.emit(Effect::EndSession(Box::new(end)));
    }

    pub(crate) fn question(
        &self,
        (record, joined): (&WorkRecord, &[WorkRecord]),
        input: AskInput,
        media: Vec<Media>,
    ) -> Question {
        let session = self.conversation.session().expect("a turn is opened only within a session");
        let key = &self.conversation.key;
        let variables = Variables {
            tenant: key.tenant.clone(),
            user: key.user.clone(),
            session: session.id,
            user_data: session.user_data.clone(),
            session_timeout: session.timeout,
            error: session.error.as_deref().cloned(),
            media,
        };
        let read_timeout = session.config.as_ref().and_then(|config| config.read_timeout);
        Question {
            token: Token { turn: record.sequence, attempt: 1 },
            turn_id: turn::id(record, joined),
            key: key.clone(),
            input,
            variables,
            state: session.state.clone().filter(|state| state.assistant == self.policy.assistant),
            repeated: record.attempts > 0 || joined.iter().any(|record| record.attempts > 0),
            config: session.config.as_deref().cloned(),
            extra: Map::new(),
            delay: Duration::ZERO,
            timeout: session.response_timeout.or(read_timeout).unwrap_or(self.policy.ask.timeout),
        }
    }

    /// What the user is told of a record that failed: nothing of a session that a request was to start, for he waits for nothing.
    pub(crate) fn apology(&self, record: &WorkRecord) -> String {
        if matches!(record.work, Work::Start(_)) { String::new() } else { self.failure_message() }
    }

    /// The user gets the failure message for this record, which is thereby answered.
    pub(crate) fn fail(&mut self, record: WorkRecord, asks: u32, error: &str) {
        let rows = self.rows(&record, &self.apology(&record), &[]);
        self.consume(record, asks, Some(error.to_owned()), rows);
    }

    /// Texts that were gathered into a turn are answered with it.
    pub(crate) fn consume_joined(&mut self, turn: &mut Turn, error: Option<&str>) {
        let (asks, answered_with) = (turn.token().attempt, Some(turn.record.sequence));
        let asked_at = self.asked_at(turn.record.sequence);
        for record in std::mem::take(&mut turn.joined) {
            let error = error.map(str::to_owned);
            let consumed = Consumed { asks, asked_at, error, answered_with, ..self.silent(record) };
            self.emit(Effect::Consume(Box::new(consumed)));
        }
    }

    /// The record is answered with these rows.
    pub(crate) fn consume(&mut self, record: WorkRecord, asks: u32, error: Option<String>, rows: Vec<OutboundRow>) {
        self.conversation.durable.ended = None;
        // Whoever is to be texted in the morning has from then on to answer.
        let from = rows.first().map_or(self.now, |row| row.held_until().unwrap_or(self.now));
        let session = self.conversation.durable.session.as_mut().map(|session| {
            session.clock_from = record.accepted_at.max(from);
            if let Work::Message(_) = record.work {
                session.texted_at = Some(record.accepted_at.max(self.now));
            }
            session.last = record.sequence;
            session.id
        });
        self.queue(&rows, record.seed);
        let (asked_at, commands) = (self.asked_at(record.sequence), self.ordered(record.sequence));
        let consumed = Consumed { session, asked_at, asks, commands, error, rows, ..self.silent(record) };
        self.emit(Effect::Consume(Box::new(consumed)));
    }

    /// These rows are to be sent, behind all others.
    pub(crate) fn queue(&mut self, rows: &[OutboundRow], seed: u128) {
        for row in rows {
            self.conversation.outbox.push(row.clone(), seed);
        }
    }

    /// Outbound rows for a text and media, as many as the transport needs, whether or not the user wants them.
    pub(crate) fn rows_in_any_case(&self, record: &WorkRecord, text: &str, media: &[String]) -> Vec<OutboundRow> {
        let pieces = crate::render::pieces(text, media, &self.policy.send);
        let quiet = self.policy.quiet_hours.as_ref().filter(|_| self.is_unasked(&record.work));
        let valid_for = self.policy.send.valid_for;
        let expires_at = quiet.map_or_else(|| self.now.plus(valid_for), |quiet| quiet.after(self.now, valid_for));
        let until = quiet.and_then(|quiet| quiet.until(self.now));
        let row = |(part, piece): (u16, crate::render::Piece)| OutboundRow {
            id: OutboundId { turn: record.sequence, part },
            body: piece.body,
            media: piece.media,
            expires_at,
            unasked: quiet.is_some(),
            state: until.map_or(RowState::Queued, |until| RowState::Held { until, tries: 0 }),
        };
        (0..u16::MAX).zip(pieces).map(row).collect()
    }
}

#[cfg(test)]
#[path = "inbound_tests.rs"]
mod tests;
