//! The texts of one conversation that are not settled, in the order in which they must go.
//!
//! Only the head is ever tried: a text that waits for another attempt, or is in doubt, holds back those behind it and nobody
//! else. This file keeps the queue and says what the head needs next; what happens to it is in `on/delivery.rs`.

use std::collections::VecDeque;

use crate::policy::Policy;
use crate::time::UnixMillis;
use crate::words::{OutboundId, OutboundRow, Repeat, RowState};

/// The queue.
#[derive(Debug, Default)]
pub struct Outbox {
    entries: VecDeque<Entry>,
}

/// One unsettled text.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) row: OutboundRow,
    pub(crate) seed: u128,
    pub(crate) phase: Phase,
    /// An unreadable log is not read again before then, and a text in doubt not sent again.
    pub(crate) look_at: UnixMillis,
    /// How many attempts have failed.
    pub(crate) tries: u32,
    /// It was handed to the provider at least once: a receipt for it can be true.
    pub(crate) tried: bool,
}

/// What is under way for the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Idle,
    AwaitingSlot,
    Calling,
    ReadingLog,
    /// It waits for the end of a streak: not worth leaving memory for.
    Pausing {
        /// When to look again.
        until: UnixMillis,
    },
}

impl Phase {
    /// Nothing is under way that will come back by itself.
    fn is_waiting(self) -> bool {
        match self {
            Self::Idle | Self::Pausing { .. } => true,
            Self::AwaitingSlot | Self::Calling | Self::ReadingLog => false,
        }
    }
}

/// What the head needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing now: it is being tried, or its time has not come, or there is none.
    Nothing,
    /// Room in the lane.
    Slot,
    /// Rest: it is quiet until then.
    Rest(UnixMillis),
    /// To be left in doubt until then, since it may not have been taken and it is quiet.
    Leave(UnixMillis),
    /// It is no longer worth sending.
    Expire,
    /// A look into the provider's log.
    Log,
    /// The tenant's word on what to do with a doubtful text.
    Verdict,
}

impl Outbox {
    /// The queue as the store has it. A text whose call may have been under way is in doubt.
    ///
    /// The store has the rows by number, and a text that is requested during a turn goes ahead of the turn's answer: the one that was
    /// begun comes first again, with what is left of it. Behind another one its receipt would find it no head, and its own entry in the
    /// provider's log would be struck out as known: it would be sent twice.
    #[must_use]
    pub(crate) fn restore(rows: Vec<(OutboundRow, u128)>) -> Self {
        let begun = rows.iter().find(|(row, _)| is_begun(&row.state)).or_else(|| half_sent(&rows));
        let begun = begun.map(|(row, _)| row.id.turn);
        let mut entries: Vec<Entry> = rows.into_iter().map(|(row, seed)| Entry::new(row, seed)).collect();
        entries.sort_by_key(|entry| Some(entry.row.id.turn) != begun);
        Self { entries: entries.into() }
    }

    pub(crate) fn push(&mut self, row: OutboundRow, seed: u128) {
        self.entries.push_back(Entry::new(row, seed));
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many there are but for those that rest.
    pub(crate) fn on_their_way(&self) -> usize {
        let rests = |entry: &&Entry| matches!(entry.row.state, RowState::Held { .. });
        self.entries.len() - self.entries.iter().filter(rests).count()
    }

    /// Until when the head must rest, since it is quiet and nobody waits for it nor for anything behind it.
    pub(crate) fn rests_until(&self, now: UnixMillis, policy: &Policy) -> Option<UnixMillis> {
        let quiet = policy.quiet_hours.as_ref()?;
        if self.entries.iter().all(|entry| entry.row.unasked) { quiet.until(now) } else { None }
    }

    pub(crate) fn head(&mut self) -> Option<&mut Entry> {
        self.entries.front_mut()
    }

    /// Which text is the head.
    pub(crate) fn head_id(&self) -> Option<OutboundId> {
        self.entries.front().map(|entry| entry.row.id)
    }

    /// The head, if it is the text that is named.
    pub(crate) fn head_is(&mut self, id: OutboundId) -> Option<&mut Entry> {
        self.entries.front_mut().filter(|entry| entry.row.id == id)
    }

    pub(crate) fn pop(&mut self) -> Option<Entry> {
        self.entries.pop_front()
    }

    /// Keeps no room where nothing is left.
    pub(crate) fn give_back(&mut self) {
        if self.entries.is_empty() {
            self.entries = VecDeque::new();
        }
    }

    /// Takes out what is surely not with the provider, of all texts or some. What is in doubt may have been taken: it stays until that is
    /// known.
    pub(crate) fn take_unsent(&mut self, is_meant: impl Fn(OutboundId) -> bool) -> Vec<Entry> {
        let is_taken = |entry: &Entry| {
            let is_unsent = match entry.row.state {
                RowState::Queued | RowState::Held { .. } | RowState::Retry { .. } => true,
                RowState::Sending { .. }
                | RowState::Unknown { .. }
                | RowState::Sent { .. }
                | RowState::Failed { .. }
                | RowState::GivenUp => false,
            };
            is_unsent && is_meant(entry.row.id)
        };
        let (taken, kept) = self.entries.drain(..).partition::<Vec<_>, _>(is_taken);
        self.entries = kept.into();
        taken
    }

    /// Something is under way that will come back as an input, or is about to be.
    pub(crate) fn is_busy(&self) -> bool {
        self.entries.front().is_some_and(|entry| entry.phase != Phase::Idle)
    }

    /// A text is with the provider at this moment.
    pub(crate) fn is_calling(&self) -> bool {
        self.entries.front().is_some_and(|entry| entry.phase == Phase::Calling)
    }

    pub(crate) fn need(&self, now: UnixMillis, policy: &Policy) -> Need {
        let Some(entry) = self.entries.front() else { return Need::Nothing };
        if !entry.phase.is_waiting() {
            return Need::Nothing;
        }
        match &entry.row.state {
            RowState::Queued | RowState::Held { .. } | RowState::Retry { .. } if now >= entry.row.expires_at => {
                Need::Expire
            }
            RowState::Retry { at, .. } if now < *at => Need::Nothing,
            RowState::Queued | RowState::Retry { .. } => self.rests_until(now, policy).map_or(Need::Slot, Need::Rest),
            RowState::Held { until: known, .. } => match self.rests_until(now, policy) {
                Some(until) if until == *known => Need::Nothing,
                Some(until) => Need::Rest(until),
                None => Need::Slot,
            },
            RowState::Sending { since } | RowState::Unknown { since } => match policy.send.repeat {
                Repeat::Safe if now >= entry.row.expires_at => Need::Verdict,
                Repeat::Safe => match self.rests_until(now, policy) {
                    Some(until) if until == entry.look_at => Need::Nothing,
                    Some(until) => Need::Leave(until),
                    None => Need::Slot,
                },
                Repeat::Never => Need::Verdict,
                Repeat::AskLog if now >= entry.look_from(*since, policy) => Need::Log,
                Repeat::AskLog => Need::Nothing,
            },
            RowState::Sent { .. } | RowState::Failed { .. } | RowState::GivenUp => Need::Nothing,
        }
    }

    /// When the head wants to be looked at again; `None` when something is under way or nothing waits.
    pub(crate) fn next_wake(&self, policy: &Policy) -> Option<UnixMillis> {
        let entry = self.entries.front().filter(|entry| entry.phase.is_waiting())?;
        if let Phase::Pausing { until } = entry.phase {
            return Some(until.min(entry.row.expires_at));
        }
        match &entry.row.state {
            RowState::Queued => Some(entry.row.expires_at),
            RowState::Held { until, .. } => Some((*until).min(entry.row.expires_at)),
            RowState::Retry { at, .. } => Some((*at).min(entry.row.expires_at)),
            RowState::Sending { since } | RowState::Unknown { since } => Some(entry.look_from(*since, policy)),
            RowState::Sent { .. } | RowState::Failed { .. } | RowState::GivenUp => None,
        }
    }
}

/// It was handed to the provider at least once.
fn is_begun(state: &RowState) -> bool {
    match state {
        RowState::Queued | RowState::Held { tries: 0, .. } => false,
        RowState::Held { .. }
        | RowState::Sending { .. }
        | RowState::Retry { .. }
        | RowState::Unknown { .. }
        | RowState::Sent { .. }
        | RowState::Failed { .. }
        | RowState::GivenUp => true,
    }
}

/// A row whose earlier parts have gone: the first of its turn that is there, and not the first part.
fn half_sent(rows: &[(OutboundRow, u128)]) -> Option<&(OutboundRow, u128)> {
    let mut turn = None;
    rows.iter().find(|(row, _)| turn.replace(row.id.turn) != Some(row.id.turn) && row.id.part > 0)
}

impl Entry {
    fn new(row: OutboundRow, seed: u128) -> Self {
        let tried = is_begun(&row.state);
        let tries = match row.state {
            RowState::Held { tries, .. } | RowState::Retry { tries, .. } => tries,
            RowState::Queued
            | RowState::Sending { .. }
            | RowState::Unknown { .. }
            | RowState::Sent { .. }
            | RowState::Failed { .. }
            | RowState::GivenUp => 0,
        };
        Self { row, seed, phase: Phase::Idle, look_at: UnixMillis(0), tries, tried }
    }

    /// Not before the call itself must have ended: where only the conversation has failed it may still be under way.
    fn look_from(&self, since: UnixMillis, policy: &Policy) -> UnixMillis {
        let reconcile_after = match &self.row.state {
            RowState::Sending { .. } => policy.send.reconcile_after.max(policy.send.timeout),
            RowState::Unknown { .. }
            | RowState::Queued
            | RowState::Held { .. }
            | RowState::Retry { .. }
            | RowState::Sent { .. }
            | RowState::Failed { .. }
            | RowState::GivenUp => policy.send.reconcile_after,
        };
        since.plus(reconcile_after).max(self.look_at)
    }
}
