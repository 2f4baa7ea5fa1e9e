//! The pure core of Raconteur: a conversation as a function of its inputs.
//!
//! # Contract
//!
//! A [`Conversation`] is made from what the store holds ([`Conversation::restore`]) and then driven by one call:
//! [`Conversation::handle`] takes the time, the tenant's [`policy::Policy`] and one [`Input`], and returns [`Effect`]s in the
//! order in which they are to be carried out. It reads no clock, draws no random number, does no input or output and never
//! blocks; given the same record, inputs and times it returns the same effects.
//!
//! **Commit, then act.** Effects are of four kinds ([`Effect::kind`]). A *question* may leave at once: it changes nothing of
//! ours and is put again after a crash. A *change* must be made durable. An *act* leaves only after the changes of the same
//! call are durable. A *note* is for logs and metrics. If the changes cannot be made durable, the conversation in memory is
//! worth nothing: drop it and restore it from the store.
//!
//! **One turn at a time.** Texts are taken strictly in order of acceptance, the next only when the turn before is committed.
//! Control requests and failed deliveries are taken while a turn is open.
//!
//! **Tokens.** Whatever comes back from outside names what it answers: an answer its [`words::Token`], a send its
//! [`words::OutboundId`]. What answers nothing that is still asked is dropped.
//!
//! What it does not do: it keeps no policy, knows no wire format, and decides neither when it is loaded nor where it runs.

pub mod address;
pub mod command;
pub mod effect;
mod flood;
pub mod input;
pub mod keyword;
mod on;
pub mod outbox;
pub mod policy;
pub mod quiet;
pub mod render;
pub mod retry;
pub mod segment;
pub mod session;
mod streak;
pub mod time;
pub mod turn;
pub mod variable;
pub mod words;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::address::ConversationKey;
use crate::effect::Remains;
use crate::keyword::Standing;
use crate::on::Held;
use crate::outbox::Outbox;
use crate::policy::Policy;
use crate::session::Session;
use crate::streak::Streak;
use crate::time::UnixMillis;
use crate::turn::{Asking, Turn};
use crate::words::{OutboundRow, Pipe, Sequence, TakeOver, WorkRecord};

pub use crate::effect::Effect;
pub use crate::input::Input;

/// One conversation: what is durable of it, and what it is busy with.
#[derive(Debug)]
pub struct Conversation {
    key: ConversationKey,
    durable: Durable,
    /// Boxed: most conversations in memory have none.
    turn: Option<Box<Turn>>,
    inbox: VecDeque<WorkRecord>,
    /// No further turn opens.
    closed: bool,
    seen: Option<Sequence>,
    /// The same for what it tells itself: such records have numbers behind their causes, not behind what was seen.
    seen_own: Option<Sequence>,
    /// The text whose turn has not come yet.
    held: Option<Held>,
    /// The record for which somebody was asked last.
    asked: Option<Asking>,
    outbox: Outbox,
}

/// What a snapshot holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Durable {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<Session>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pipe: Option<Box<Pipe>>,
    /// Since when the user wants none of our texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stopped_at: Option<UnixMillis>,
    /// With which record, or behind which: what he said before does not bring them back, and what was to be sent before is not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stopped_by: Option<Sequence>,
    /// A session that was over before the record that opened it was answered: that record opens another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<Uuid>,
    /// What was sent lately, where the provider stops what looks like a loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    streak: Option<Streak>,
    /// How far the user's turns have run ahead of the pace that he is allowed.
    #[serde(default, skip_serializing_if = "is_the_beginning")]
    ahead: UnixMillis,
    /// When everything before was deleted: the provider's log may still have texts that we no longer know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    erased_at: Option<UnixMillis>,
    /// Who answers the user in place of the assistant; this may have ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    taken_over: Option<Box<TakeOver>>,
}

impl Durable {
    /// As JSON. An assistant's state is most of it, and its length is known: what is written does not move while it grows.
    fn write(&self) -> Vec<u8> {
        const ROOM: usize = 512;
        let state = self.session.as_ref().and_then(|session| session.state.as_ref());
        let mut bytes = Vec::with_capacity(ROOM + state.map_or(0, |state| state.data.get().len()));
        serde_json::to_writer(&mut bytes, self).expect("a snapshot has only string keys and finite numbers");
        bytes
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_the_beginning(time: &UnixMillis) -> bool {
    *time == UnixMillis(0)
}

/// What a snapshot tells somebody who only looks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// The open session.
    pub session: Option<Session>,
    /// The pipe, which may have closed by itself since.
    pub pipe: Option<Pipe>,
    /// Since when the user wants none of our texts.
    pub stopped_at: Option<UnixMillis>,
    /// Who answers the user in place of the assistant; this may have ended by itself since.
    pub taken_over: Option<TakeOver>,
}

impl View {
    /// What stands in the snapshot of every user who has stopped our texts, and in few others: to pass others over without reading them.
    pub const STOPPED: &str = "\"stopped_at\":";

    /// The same for those whom a person has taken over, now or before.
    pub const TAKEN_OVER: &str = "\"taken_over\":";
}

/// A snapshot that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the conversation's snapshot cannot be read: {0}")]
pub struct SnapshotError(String);

impl Conversation {
    /// A conversation as the store has it: the latest snapshot (`None` where there is none) and the outbound rows that are not
    /// settled, in order, each with the seed of the work record that it answers. A snapshot that is not one of ours gives a
    /// conversation that starts empty, and the reason; whoever restores it sets the bytes aside.
    #[must_use]
    pub fn restore(
        key: ConversationKey,
        snapshot: Option<&[u8]>,
        rows: Vec<(OutboundRow, u128)>,
    ) -> (Self, Option<SnapshotError>) {
        let (durable, unreadable) = match snapshot.map(serde_json::from_slice) {
            Some(Ok(durable)) => (durable, None),
            Some(Err(error)) => (Durable::default(), Some(SnapshotError(error.to_string()))),
            None => (Durable::default(), None),
        };
        let outbox = Outbox::restore(rows);
        let inbox = VecDeque::new();
        let (turn, seen, seen_own, held, asked) = (None, None, None, None, None);
        (Self { key, durable, turn, inbox, closed: false, seen, seen_own, held, asked, outbox }, unreadable)
    }

    /// Reads a snapshot without bringing the conversation to life.
    ///
    /// # Errors
    /// When it is not one of ours.
    pub fn view(snapshot: &[u8]) -> Result<View, SnapshotError> {
        match serde_json::from_slice(snapshot) {
            Ok(Durable { session, pipe, stopped_at, taken_over, .. }) => {
                let (pipe, taken_over) = (pipe.map(|pipe| *pipe), taken_over.map(|taken| *taken));
                Ok(View { session, pipe, stopped_at, taken_over })
            }
            Err(error) => Err(SnapshotError(error.to_string())),
        }
    }

    /// What stays of a conversation when everything that is kept of it is deleted at `now`, by whoever has the store to himself. A
    /// snapshot that cannot be read goes whole.
    #[must_use]
    pub fn remains(snapshot: Option<&[u8]>, now: UnixMillis) -> Remains {
        let view = snapshot.and_then(|snapshot| Self::view(snapshot).ok());
        Durable::erased(view.and_then(|view| view.stopped_at), now).1
    }

    /// Whether a snapshot says nothing any more: no session, no pipe, nothing that the user wants. One that cannot be read may.
    #[must_use]
    pub fn is_spent(snapshot: &[u8]) -> bool {
        Self::view(snapshot).is_ok_and(|view| view == View::default())
    }

    /// Lets one thing happen, at `now`, under the tenant's rules.
    pub fn handle(&mut self, now: UnixMillis, policy: &Policy, input: Input) -> Vec<Effect> {
        let mut step = Step { conversation: self, now, policy, effects: Vec::new() };
        match input {
            Input::WorkAccepted(record) => step.on_work_accepted(record),
            Input::InboxRead(records) => step.on_inbox_read(records),
            Input::MessageConvicted { record, reason } => step.on_message_convicted(record, &reason),
            Input::AssistantReplied { token, answer } => step.on_assistant_replied(token, *answer),
            Input::AssistantFailed { token, error } => step.on_assistant_failed(token, &error),
            Input::MediaChecked { token, verdicts } => step.on_media_checked(token, verdicts),
            Input::Forwarded { token } => step.on_forwarded(token),
            Input::SlotGranted { id } => step.on_slot_granted(id),
            Input::TextSent { id, provider_id } => step.on_text_sent(id, provider_id),
            Input::SendFailed { id, error } => step.on_send_failed(id, error),
            Input::LogRead { id, lookup, others } => step.on_log_read(id, lookup, &others),
            Input::DeadlinePassed => step.on_deadline_passed(),
        }
        step.advance();
        let effects = step.effects;
        self.give_back();
        effects
    }

    /// Keeps no room for what has passed: a conversation is idle far longer than it is at work.
    fn give_back(&mut self) {
        if self.inbox.is_empty() {
            self.inbox = VecDeque::new();
        }
        self.outbox.give_back();
    }

    /// What must be kept of this conversation, as bytes for [`Conversation::restore`]. What an open turn has changed so far is not
    /// part of it: after a crash the turn is taken again from its first question.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        match self.before_turn() {
            Some(before) => {
                // A text that has failed since is no part of the turn.
                let error = self.session().and_then(|open| open.error.as_ref()).or(before.error.as_ref()).cloned();
                let session = Some(Session { error, ..before.clone() });
                let Durable { session: _, pipe, stopped_at, stopped_by, ended, streak, ahead, erased_at, taken_over } =
                    &self.durable;
                let (pipe, taken_over) = (pipe.clone(), taken_over.clone());
                let (stopped_at, stopped_by, ended) = (*stopped_at, *stopped_by, *ended);
                let (streak, ahead, erased_at) = (*streak, *ahead, *erased_at);
                let durable =
                    Durable { session, pipe, stopped_at, stopped_by, ended, streak, ahead, erased_at, taken_over };
                durable.write()
            }
            None => self.durable.write(),
        }
    }

    /// The open session without what an open turn has changed in it: of a turn that is not answered nothing is kept, whatever else is
    /// committed meanwhile.
    fn before_turn(&self) -> Option<&Session> {
        let before = self.turn.as_ref()?.before.as_deref()?;
        self.session().filter(|open| open.id == before.id).map(|_| before)
    }

    /// When the open session times out: the deadline that must outlive the process. None for a session that is timing out already:
    /// it ends with the turn that tells the assistant.
    #[must_use]
    pub fn deadline(&self, policy: &Policy) -> Option<UnixMillis> {
        let session = self.before_turn().or(self.session())?;
        (!session.timing_out).then(|| session.deadline(policy))
    }

    /// When it wants [`Input::DeadlinePassed`]: a text of ours is to be tried or looked up once more, or one of the user's has its turn.
    #[must_use]
    pub fn next_attempt(&self, policy: &Policy) -> Option<UnixMillis> {
        let turn = self.held.as_ref().map(|held| held.until);
        self.outbox.next_wake(policy).into_iter().chain(turn).min()
    }

    /// Nothing is asked, sent or looked up at this moment, and no text waits.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.turn.is_none() && self.inbox.is_empty() && !self.outbox.is_busy()
    }

    /// No call is under way whose outcome would be in doubt if it were abandoned: no turn is open and no text is being sent.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.turn.is_none() && !self.outbox.is_calling()
    }

    /// The outbox has room for another answer; until it has, nothing is asked. What rests until quiet hours are over keeps nobody from an
    /// answer.
    #[must_use]
    pub fn may_ask(&self, policy: &Policy) -> bool {
        self.outbox.on_their_way() < policy.outbox_max
    }

    /// The outbox has room for another text that is requested; until it has, none is taken.
    #[must_use]
    pub fn may_request(&self, policy: &Policy) -> bool {
        self.outbox.len() < policy.outbox_max
    }

    /// Forgets what waits, so that no further turn opens, and takes up nothing that the conversation tells itself. All that stays in the
    /// store and is answered by the next process.
    pub fn close_inbox(&mut self) {
        self.closed = true;
        self.held = None;
        self.inbox.clear();
    }

    /// Whether the user wants our texts.
    #[must_use]
    pub fn standing(&self) -> Standing {
        if self.durable.stopped_at.is_some() { Standing::HasStopped } else { Standing::Receives }
    }

    /// Whether the user wanted our texts before he said what has this number, or what answers it was written.
    fn standing_before(&self, sequence: Sequence) -> Standing {
        match self.durable.stopped_by {
            Some(stop) if sequence <= stop => Standing::Receives,
            Some(_) | None => self.standing(),
        }
    }

    /// Whether everything that came in up to the record of this number was given to it.
    #[must_use]
    pub fn has_seen(&self, sequence: Sequence) -> bool {
        self.seen >= Some(sequence)
    }

    /// How many records that it was given wait for their turn.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.inbox.len()
    }

    /// Whose conversation this is.
    #[must_use]
    pub fn key(&self) -> &ConversationKey {
        &self.key
    }

    /// The open session.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        self.durable.session.as_ref()
    }
}

/// One call of [`Conversation::handle`], while it runs. Each kind of input adds its handlers to it in a file under `on/`.
struct Step<'a> {
    conversation: &'a mut Conversation,
    now: UnixMillis,
    policy: &'a Policy,
    effects: Vec<Effect>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_stopped_and_who_is_taken_over_is_told_by_what_stands_in_the_snapshot() {
        let holds = |durable: &Durable| {
            let snapshot = serde_json::to_string(durable).unwrap();
            [View::STOPPED, View::TAKEN_OVER].map(|mark| snapshot.contains(mark))
        };
        let session = Some(Session::open(1, UnixMillis(5)));
        let talking = Durable { session, ..Durable::default() };
        assert_eq!([holds(&Durable::default()), holds(&talking)], [[false, false]; 2]);
        let stopped = Durable { stopped_at: Some(UnixMillis(5)), ..Durable::default() };
        assert_eq!(holds(&stopped), [true, false]);
        let taken_over = Some(Box::new(words::TakeOver { by: "Ada".into(), until: UnixMillis(9) }));
        assert_eq!(holds(&Durable { taken_over, ..Durable::default() }), [false, true]);
    }
}
