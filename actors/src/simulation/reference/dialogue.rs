//! One conversation of the reference: its session, its pipe, what it has promised itself, and what each answered record must say.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use raconteur_conversation::Conversation;
use raconteur_conversation::keyword::HAS_STOPPED;
use raconteur_conversation::policy::{Greeting, InboundStart};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{
    OnOpen, OutboundId, OutboundRow, Pipe, SESSION_OPEN, SendText, Sequence, StartSession, Within, Work, WorkRecord,
};
use raconteur_storage::{Mark, TranscriptTurn};
use uuid::Uuid;

use super::expected::{Checked, Expected, expect, same, silent};
use super::gathered::{Gathered, has_waited};
use super::night::Night;
use super::open::Open;
use super::pace::Pace;
use super::standing::Standing;
use super::{How, Rules, SeenStep};
use crate::simulation::keywords::Wish;
use crate::simulation::speech::{self, Speech, speech};

/// See the module.
pub(super) struct Dialogue {
    rules: Rules,
    session: Option<Open>,
    pipe: Option<Pipe>,
    /// There was a pipe. It may have gone since a turn began.
    was_piped: bool,
    pub(super) standing: Standing,
    /// What it owes itself: turns without the user.
    own: BTreeMap<Sequence, Uuid>,
    /// Sessions that an accepted record may open; by a request they replace the open one.
    openers: BTreeMap<Uuid, bool>,
    opened: BTreeSet<Uuid>,
    told: BTreeSet<Uuid>,
    timed_out: BTreeSet<Uuid>,
    gathered: Gathered,
    /// Texts that are attempted again: each alone, and without a wait for others.
    pub(super) attempted: BTreeSet<Sequence>,
    pub(super) night: Night,
    pace: Pace,
    latest_in_turn: Option<Sequence>,
    latest_send: Option<Sequence>,
    pub(super) answered: BTreeSet<Sequence>,
    /// Its texts, in order.
    pub(super) rows: Vec<OutboundId>,
    /// Those that have not come to their end.
    unsettled: BTreeSet<OutboundId>,
}

impl Dialogue {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            standing: Standing::new(rules.policy.keywords.clone(), rules.heed),
            night: Night::new(&rules.policy),
            pace: Pace::new(&rules.policy, rules.asks_max),
            rules,
            session: None,
            pipe: None,
            was_piped: false,
            own: BTreeMap::new(),
            openers: BTreeMap::new(),
            opened: BTreeSet::new(),
            told: BTreeSet::new(),
            timed_out: BTreeSet::new(),
            gathered: Gathered::default(),
            attempted: BTreeSet::new(),
            latest_in_turn: None,
            latest_send: None,
            answered: BTreeSet::new(),
            rows: Vec::new(),
            unsettled: BTreeSet::new(),
        }
    }

    pub(super) fn may_open(&mut self, session: Uuid, by_request: bool) {
        self.openers.insert(session, by_request);
    }

    /// A record was answered.
    pub(super) fn page(
        &mut self,
        page: &TranscriptTurn,
        rows: &[OutboundRow],
        latest: UnixMillis,
        how: How,
    ) -> Checked {
        expect(self.answered.insert(page.sequence), || "it was answered before".into())?;
        if how.is_dead || page.asks == 0 {
            self.pace.set_aside(page.sequence);
        }
        match &page.work {
            Work::Message(message) => match self.standing.wish(page, &message.body) {
                Some(wish) => self.obey(page, rows, wish),
                None => {
                    self.in_order(page.sequence)?;
                    match page.answered_with {
                        Some(with) => self.gathered.join(page, rows, with),
                        None => self.message(page, rows, &message.body, latest, how),
                    }
                }
            },
            Work::Start(start) => {
                self.in_order(page.sequence)?;
                self.start(page, rows, start, latest, how)
            }
            Work::NoInput { session } => {
                let owed = self.own.remove(&page.sequence);
                expect(owed == Some(*session), || "nobody has ordered it".into())?;
                self.own_turn(page, rows, "smsNoInputTurn")
            }
            Work::TimedOut { session } => {
                self.own.remove(&page.sequence);
                expect(self.timed_out.insert(*session), || "its session times out a second time".into())?;
                if page.asks > 0 {
                    self.own_turn(page, rows, "smsResponseTimeout")?;
                }
                self.session.take_if(|open| open.id == *session);
                Ok(())
            }
            Work::End => {
                self.session.take_if(|_| !how.is_dead);
                silent(rows)
            }
            Work::Send(send) => {
                // A turn that is not answered yet may have opened the session.
                if page.session.is_some() {
                    self.belongs(page, latest)?;
                }
                if how.is_dead { silent(rows) } else { self.send(page, rows, send) }
            }
            // Nobody takes anything over here.
            Work::DeliveryFailed(_) | Work::Erase | Work::TakeOver(_) | Work::HandBack => silent(rows),
            Work::Preference(keyword) => {
                if !how.is_dead {
                    self.standing.prefer(page, *keyword);
                }
                silent(rows)
            }
            Work::OpenPipe(pipe) => {
                if !how.is_dead {
                    (self.pipe, self.was_piped) = (Some(pipe.clone()), true);
                }
                silent(rows)
            }
            Work::ClosePipe { id } => {
                self.pipe.take_if(|pipe| pipe.id == *id && !how.is_dead);
                silent(rows)
            }
        }
    }

    /// A keyword is followed at once, whatever waits and whoever is asked.
    fn obey(&mut self, page: &TranscriptTurn, rows: &[OutboundRow], wish: Wish) -> Checked {
        expect(page.asks == 0, || format!("the assistant was asked about a keyword: {wish:?}"))?;
        let text = self.standing.obey(page, rows, wish);
        same(rows, &Expected { text, media: Vec::new() })
    }

    /// Texts and starts are taken in the order of their acceptance.
    fn in_order(&mut self, sequence: Sequence) -> Checked {
        let before = self.latest_in_turn.replace(sequence);
        expect(before < Some(sequence), || format!("it was taken after {before:?}"))
    }

    fn message(
        &mut self,
        page: &TranscriptTurn,
        rows: &[OutboundRow],
        body: &str,
        latest: UnixMillis,
        how: How,
    ) -> Checked {
        let offered = self.session.as_ref().map_or(&[][..], |open| open.offered);
        let first = self.gathered.first().unwrap_or(page).clone();
        let body = &self.gathered.complete((page, body), self.rules.policy.gather, offered)?;
        if let Some(error) = &page.error {
            return self.failed(page, rows, error, (latest, how));
        }
        if let Some(gather) = self.rules.policy.gather.filter(|_| self.rules.is_steady && !how.forwarded)
            && !speech::picks(body, offered)
            && !self.attempted.contains(&first.sequence)
        {
            has_waited(page, &first, gather)?;
        }
        if how.forwarded {
            expect(self.was_piped, || "it was handed to a voice gateway, and there was never a pipe".into())?;
            // A user who talks is not silent, whoever listens.
            if let Some(open) = self.session.as_mut().filter(|open| Some(open.id) == page.session) {
                open.touch(page, rows);
            }
            return silent(rows);
        }
        self.belongs(page, latest)?;
        let welcomes = self.rules.policy.greeting == Greeting::Welcome;
        let Some(open) = self.session.as_mut() else { return Err("no session is open".into()) };
        let mut expected = Expected::default();
        if welcomes && !open.begun {
            open.n += 1;
            expected.add(speech("welcome", open.n), self.rules.judges);
        }
        open.n += 1;
        open.own_turns = 0;
        let said = speech(&speech::meant(body, open.offered), open.n);
        open.offered = said.choices;
        self.spoken(page, rows, said, expected)
    }

    fn start(
        &mut self,
        page: &TranscriptTurn,
        rows: &[OutboundRow],
        start: &StartSession,
        latest: UnixMillis,
        how: How,
    ) -> Checked {
        if page.error.as_deref() == Some(SESSION_OPEN) {
            let stays = start.on_open == OnOpen::Refuse && self.session.is_some() && page.asks == 0;
            expect(stays, || "nothing stands in its way".into())?;
            return silent(rows);
        }
        if page.error.is_none() || page.asks > 0 {
            self.belongs(page, latest)?;
            if let (Some(timeout), Some(open)) = (start.timeout, self.session.as_mut()) {
                open.timeout = timeout;
            }
        }
        if let Some(error) = &page.error {
            return self.failed(page, rows, error, (latest, how));
        }
        let Some(open) = self.session.as_mut() else { return Err("no session is open".into()) };
        if let Some(text) = &start.text {
            open.touch(page, rows);
            expect(!self.standing.has_stopped(), || "it was started for a user who had stopped our texts".into())?;
            return same(rows, &Expected { text: text.clone(), media: Vec::new() });
        }
        open.n += 1;
        let said = speech("welcome", open.n);
        open.offered = said.choices;
        self.spoken(page, rows, said, Expected::default())
    }

    /// A turn without the user: silent where its session is over.
    fn own_turn(&mut self, page: &TranscriptTurn, rows: &[OutboundRow], signal: &str) -> Checked {
        if page.asks == 0 && page.error.is_none() {
            return silent(rows);
        }
        let Some(open) = self.session.as_mut().filter(|open| Some(open.id) == page.session) else {
            return Err("it was taken outside its session".into());
        };
        if page.error.is_some() {
            open.touch(page, rows);
            let sorry = Expected { text: self.rules.policy.failure_message.clone(), media: Vec::new() };
            let says_nothing = rows.is_empty();
            return if says_nothing { Ok(()) } else { self.says(rows, &sorry) };
        }
        open.n += 1;
        open.own_turns += 1;
        let said = speech(signal, open.n);
        self.spoken(page, rows, said, Expected::default())
    }

    /// The assistant has answered: this is what it comes to.
    fn spoken(&mut self, page: &TranscriptTurn, rows: &[OutboundRow], said: Speech, mut expected: Expected) -> Checked {
        expect(page.asks > 0, || "it was answered, and nobody was asked".into())?;
        let Some(open) = self.session.as_mut() else { return Err("no session is open".into()) };
        open.touch(page, rows);
        if let Some(seconds) = said.timeout {
            open.timeout = Duration::from_secs(seconds);
        }
        let (ends, again, id) = (said.ends, said.again, open.id);
        let may_chain = open.own_turns < self.rules.policy.max_chained_turns;
        expected.add(said, self.rules.judges);
        if ends {
            self.session = None;
        } else if again
            && may_chain
            && !self.standing.has_stopped()
            && let Some(next) = page.sequence.chained()
        {
            self.own.insert(next, id);
        }
        self.says(rows, &expected)
    }

    /// It is said, unless the user wants nothing said.
    fn says(&self, rows: &[OutboundRow], expected: &Expected) -> Checked {
        if self.standing.has_stopped() { silent(rows) } else { same(rows, expected) }
    }

    /// Requested texts are taken in their order, and wait while too many texts are on their way.
    fn send(&mut self, page: &TranscriptTurn, rows: &[OutboundRow], send: &SendText) -> Checked {
        let before = self.latest_send.replace(page.sequence);
        expect(before < Some(page.sequence), || format!("it was taken after {before:?}"))?;
        let (waiting, most) = (self.unsettled.len(), self.rules.policy.outbox_max);
        expect(waiting < most, || format!("it was taken while {waiting} texts waited, and {most} are allowed"))?;
        let may = !self.standing.has_stopped()
            && match &send.within {
                Within::Anywhere => true,
                Within::Session => self.session.is_some(),
                Within::Pipe(id) => {
                    self.pipe.as_ref().is_some_and(|pipe| pipe.id == *id && pipe.is_open(page.accepted_at))
                }
            };
        expect(may == page.error.is_none(), || format!("error: {:?}", page.error))?;
        if may { same(rows, &Expected { text: send.body.clone(), media: send.media.clone() }) } else { silent(rows) }
    }

    /// A failed turn leaves the context as it was, and the user is told, unless somebody else has ended it.
    fn failed(
        &mut self,
        page: &TranscriptTurn,
        rows: &[OutboundRow],
        error: &str,
        (latest, how): (UnixMillis, How),
    ) -> Checked {
        if error == HAS_STOPPED {
            expect(page.asks == 0, || "it was asked all the same".into())?;
            self.standing.passes_over(page)?;
            return silent(rows);
        }
        if error.contains("inbound_start") {
            let refuses = self.rules.policy.inbound_start == InboundStart::Refused;
            if self.session.as_ref().is_some_and(|open| latest >= open.deadline()) {
                self.session = None;
            }
            expect(refuses && self.session.is_none(), || "a session may be opened".into())?;
            return silent(rows);
        }
        // A turn that was ended before it began to ask may have been one for the voice gateway.
        let piped = how.forwarded || (self.was_piped && page.session.is_none());
        if page.asks > 0 && !how.is_dead && !piped {
            self.belongs(page, latest)?;
        }
        if let Some(open) = self.session.as_mut().filter(|open| Some(open.id) == page.session) {
            let welcomes = self.rules.policy.greeting == Greeting::Welcome && page.asks > 1;
            open.perhaps_greeted = welcomes && !open.begun && self.standing.has_stopped();
            open.touch(page, rows);
        }
        if error.contains("by request") {
            return silent(rows);
        }
        // Who has said nothing waits for nothing.
        if let Work::Start(_) = page.work {
            return silent(rows);
        }
        let sorry = self.rules.policy.failure_message.clone();
        let greeted = rows.first().is_some_and(|row| row.body.contains(":welcome"));
        let mut expected = Expected::default();
        if greeted && let Some(open) = &mut self.session {
            // The assistant had spoken first, before its second answer failed.
            open.n += 1;
            expected.add(speech("welcome", open.n), self.rules.judges);
        }
        expected.line(&sorry);
        self.says(rows, &expected)
    }

    /// The record was taken in the open session, or has opened one: for that the one before must be over.
    fn belongs(&mut self, page: &TranscriptTurn, latest: UnixMillis) -> Checked {
        let Some(id) = page.session else { return Err("it was taken outside a session".into()) };
        if self.session.as_ref().is_some_and(|open| open.id == id) {
            return Ok(());
        }
        self.open(id, page.accepted_at, latest)
    }

    fn open(&mut self, id: Uuid, from: UnixMillis, latest: UnixMillis) -> Checked {
        let Some(by_request) = self.openers.get(&id).copied() else {
            return Err("nothing has opened its session".into());
        };
        expect(self.opened.insert(id), || "its session was over".into())?;
        if let Some(open) = &self.session {
            let overdue = latest >= open.deadline();
            expect(overdue || by_request, || format!("session {} was given up before its time", open.id))?;
        }
        self.session = Some(Open::new(id, from, self.rules.policy.session_timeout));
        Ok(())
    }

    /// It has told itself something.
    pub(super) fn promises_itself(&mut self, own: &WorkRecord) -> Checked {
        let session = match &own.work {
            Work::NoInput { session } => {
                return expect(self.own.get(&own.sequence) == Some(session), || {
                    format!("turn {} was ordered by nobody", own.sequence)
                });
            }
            Work::TimedOut { session } => *session,
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
            | Work::Erase => return Err(format!("it has told itself {}", super::said(&own.work))),
        };
        let is_open = self.session.as_ref().is_some_and(|open| open.id == session);
        expect(is_open, || "a session times out that is not open".into())?;
        expect(!self.standing.has_stopped(), || "it is to be asked for a user who has stopped our texts".into())?;
        self.own.insert(own.sequence, session);
        Ok(())
    }

    /// After a step: nothing is left half done.
    pub(super) fn is_whole(&self) -> Checked {
        self.gathered.is_whole()
    }

    /// After a step: what rests may.
    pub(super) fn lets_rest(&self, step: &SeenStep) -> Checked {
        self.night.lets_rest(step, &self.unsettled)
    }

    /// A text begins to leave.
    pub(super) fn lets_leave(&self, id: OutboundId, at: UnixMillis) -> Checked {
        self.night.lets_leave(id, at, &self.unsettled)
    }

    /// A turn of the user's is opened.
    pub(super) fn opens(&mut self, turn: Sequence, at: UnixMillis) -> Checked {
        self.pace.opens(turn, at, &self.answered)
    }

    /// Its texts, behind all others.
    pub(super) fn queue(&mut self, rows: &[OutboundRow]) {
        self.rows.extend(rows.iter().map(|row| row.id));
        self.unsettled.extend(rows.iter().map(|row| row.id));
    }

    /// None of its texts but these is on its way.
    pub(super) fn unsettled(&mut self, ids: &BTreeSet<OutboundId>) {
        self.unsettled.retain(|id| ids.contains(id));
    }

    /// Some of its texts have come to their end.
    pub(super) fn settle(&mut self, marks: &[Mark]) {
        for mark in marks.iter().filter(|mark| mark.state.is_settled()) {
            self.unsettled.remove(&mark.id);
        }
    }

    /// The snapshot must hold the open session and what the assistant has counted in it.
    pub(super) fn compare(&mut self, snapshot: &[u8], latest: UnixMillis) -> Checked {
        let view = Conversation::view(snapshot).map_err(|error| error.to_string())?;
        let (stopped, wanted) = (view.stopped_at.is_some(), self.standing.has_stopped());
        expect(stopped == wanted, || format!("its user has stopped our texts: {stopped}, and he has said: {wanted}"))?;
        let Some(session) = view.session else {
            let Some(open) = &self.session else { return Ok(()) };
            let overdue = latest >= open.deadline();
            expect(overdue, || format!("session {} has ended before its time", open.id))?;
            self.session = None;
            return Ok(());
        };
        // A session that a turn has opened which is not answered yet.
        if self.session.as_ref().is_none_or(|open| open.id != session.id) {
            self.open(session.id, session.opened_at, latest)?;
        }
        if let Some(open) = self.session.as_mut().filter(|open| !open.begun) {
            open.clock_from = session.opened_at;
            open.timeout = session.timeout.unwrap_or(open.timeout);
        }
        let counted = session.state.as_ref().map_or(Ok(0), |state| state.data.get().parse::<u32>());
        if let Some(open) = self.session.as_mut().filter(|open| open.perhaps_greeted) {
            open.perhaps_greeted = false;
            open.n += u32::from(counted == Ok(open.n + 1));
        }
        let n = self.session.as_ref().map_or(0, |open| open.n);
        expect(counted == Ok(n), || format!("the assistant has counted {counted:?}, and {n} turns were committed"))
    }

    pub(super) fn told_of_end(&mut self, session: Uuid) -> Checked {
        expect(self.told.insert(session), || format!("session {session} has ended twice"))?;
        let is_open = self.session.as_ref().is_some_and(|open| open.id == session);
        expect(!is_open, || format!("session {session} is told to be over and is open"))
    }

    pub(super) fn finished(&self) -> Checked {
        expect(self.own.is_empty(), || format!("turns that were ordered were never taken: {:?}", self.own.keys()))?;
        expect(self.session.is_none(), || "a silent session has never ended".into())
    }
}
