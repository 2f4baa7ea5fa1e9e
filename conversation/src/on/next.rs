//! Whose turn is next: what the conversation tells itself, then what came in, in order. A text waits where its user floods, and where
//! texts are gathered, until he has said all.
//!
//! **Gathering.** Texts that follow each other become one turn once no other has come for a pause, or the first has waited long
//! enough. A text that picks from the list which is open is a turn by itself, at once, and so is each that goes to a voice gateway.
//! Only times of acceptance count, so neither a restart nor a look at the inbox makes the wait longer or shorter.

use crate::effect::{Effect, Notice};
use crate::keyword::Standing;
use crate::policy::{Gather, Policy};
use crate::time::UnixMillis;
use crate::turn;
use crate::words::{AskInput, Precedence, Sequence, Work, WorkRecord};
use crate::{Conversation, Step};

/// Why a text that waited too long was not answered, as the transcript shows it.
const TOO_OLD: &str = "the text waited longer than answer_within";

/// A text whose turn has not come yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    sequence: Sequence,
    pub(crate) until: UnixMillis,
    by: HeldBy,
}

/// What holds a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HeldBy {
    /// Its user has had more turns than one user may.
    Flood,
    /// More may follow.
    Gathering,
}

impl Conversation {
    /// Whether the first of these records, which came in one after the other, could be asked about now. Otherwise nothing has been begun
    /// with it.
    #[must_use]
    pub fn may_begin(&self, now: UnixMillis, policy: &Policy, records: &[WorkRecord]) -> bool {
        let in_turn = records.iter().filter(|record| self.precedence(policy, record) == Precedence::InTurn);
        let texts = self.group(policy, in_turn);
        self.may_ask(policy) && (texts.is_empty() || self.held(now, policy, &texts).is_none())
    }

    /// The texts at the head that make one turn: none where something else is at the head. What picks from a list is joined to nothing.
    fn group<'a>(&self, policy: &Policy, in_turn: impl Iterator<Item = &'a WorkRecord>) -> Vec<&'a WorkRecord> {
        let mut texts: Vec<&WorkRecord> = Vec::new();
        for record in in_turn.take_while(|record| matches!(record.work, Work::Message(_))) {
            let joins = |text| self.may_be_joined(policy, text);
            if texts.first().is_some_and(|first| !joins(first) || !joins(record)) {
                break;
            }
            texts.push(record);
        }
        texts
    }

    /// Whether other texts may be taken together with this one. One that was attempted before is attempted alone: so that a failure shows
    /// which of them is to blame.
    fn may_be_joined(&self, policy: &Policy, text: &WorkRecord) -> bool {
        let Work::Message(message) = &text.work else { return false };
        let list = self.session().map_or(&[][..], |session| &session.list);
        let picks = matches!(turn::interpret(&message.body, list), AskInput::Choice { .. });
        let is_forwarded = self.durable.pipe.as_ref().is_some_and(|pipe| pipe.is_open(text.accepted_at));
        policy.gather.is_some() && text.attempts == 0 && !picks && !is_forwarded
    }

    /// Until when these texts have to wait for their turn, though no other turn is open.
    fn held(&self, now: UnixMillis, policy: &Policy, texts: &[&WorkRecord]) -> Option<Held> {
        let (first, last) = (texts.first()?, texts.last()?);
        let gather = policy.gather.filter(|_| self.may_be_joined(policy, first));
        let gathered = gather.and_then(|gather| gather.open_until(now, first.accepted_at, last.accepted_at));
        let flood = policy.flood.and_then(|limit| limit.closed_until(self.durable.ahead, now));
        let (until, by) = match (flood, gathered) {
            (Some(flood), gathered) => (flood.max(gathered.unwrap_or(flood)), HeldBy::Flood),
            (None, Some(gathered)) => (gathered, HeldBy::Gathering),
            (None, None) => return None,
        };
        Some(Held { sequence: first.sequence, until, by })
    }
}

impl Gather {
    /// Until when more may come; `None` where the wait is over. A clock that has gone back ends it.
    fn open_until(&self, now: UnixMillis, first: UnixMillis, last: UnixMillis) -> Option<UnixMillis> {
        let until = last.plus(self.pause).min(first.plus(self.at_most));
        (first <= now && now < until).then_some(until)
    }
}

impl Step<'_> {
    /// Takes what is next, if no turn is open and the outbox has room: what the conversation tells itself before what came in.
    pub(crate) fn take_next_text(&mut self) {
        let was_held = self.conversation.held.take();
        while self.conversation.turn.is_none() && self.conversation.may_ask(self.policy) {
            if let Some(own) = self.take_own() {
                self.open_turn(own, Vec::new());
                continue;
            }
            let in_turn = || {
                let inbox = self.conversation.inbox.iter().enumerate();
                inbox.filter(|(_, record)| self.precedence(record) == Precedence::InTurn)
            };
            let Some((next, first)) = in_turn().next() else { return };
            let too_old = self.now.since(first.accepted_at) > self.policy.answer_within;
            if self.conversation.standing() == Standing::HasStopped {
                self.take_at(next).into_iter().for_each(|record| self.withhold(record));
            } else if self.is_taken_over(first.accepted_at) {
                self.take_at(next).into_iter().for_each(|record| self.leave_to_person(record));
            } else if too_old {
                self.take_at(next).into_iter().for_each(|record| self.fail(record, 0, TOO_OLD));
            } else {
                let texts = self.conversation.group(self.policy, in_turn().map(|(_, record)| record));
                if let Some(held) = self.conversation.held(self.now, self.policy, &texts) {
                    return self.hold(held, was_held);
                }
                let count = texts.len().max(1);
                let positions: Vec<usize> = in_turn().take(count).map(|(position, _)| position).collect();
                self.open_next(&positions);
            }
        }
    }

    /// What the conversation tells itself goes before everything that came in.
    fn take_own(&mut self) -> Option<WorkRecord> {
        let own = self.conversation.inbox.iter().position(|record| record.work.precedence() == Precedence::Own)?;
        self.take_at(own)
    }

    fn take_at(&mut self, position: usize) -> Option<WorkRecord> {
        self.conversation.inbox.remove(position)
    }

    /// Opens one turn with these records, which are given by their places in the inbox, in order.
    fn open_next(&mut self, positions: &[usize]) {
        let mut records: Vec<WorkRecord> =
            positions.iter().rev().filter_map(|position| self.take_at(*position)).collect();
        records.reverse();
        let last = records.pop();
        last.into_iter().for_each(|last| self.open_turn(last, std::mem::take(&mut records)));
    }

    /// The texts stay where they are until their turn comes.
    fn hold(&mut self, held: Held, was_held: Option<Held>) {
        let is_known = was_held.is_some_and(|was| was.sequence == held.sequence && was.by == held.by);
        self.conversation.held = Some(held);
        match held.by {
            HeldBy::Flood if !is_known => self.emit(Effect::Report(Notice::SlowedDown { sequence: held.sequence })),
            HeldBy::Flood | HeldBy::Gathering => {}
        }
    }
}

#[cfg(test)]
#[path = "next_tests.rs"]
mod tests;
