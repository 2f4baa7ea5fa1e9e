//! How a step is judged and what it writes; and the two lesser ways in which outbound rows change, settlements and receipts.
//!
//! A row's state lies in its work record as long as it is unsettled; the transcript's page gets it when it settles. Pages read
//! before then are completed from the work record, so that a row on its way costs one write and not two.

use std::collections::BTreeSet;

use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::segment;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{OutboundId, OutboundRow, Receipt, RowState, Sequence, Work, WorkRecord};

use super::Writer;
use super::draft::{Draft, Outbox, Page};
use super::inboxes::Unread;
use super::prepared::{PreparedAnswer, PreparedStep};
use super::recent::Kept;
use crate::chunks::{self, Damage, Head, NOT_INDEXED};
use crate::engine::Engine;
use crate::erasure::Left;
use crate::fetch::{self, Values};
use crate::keys::{self, Place, RecordKey};
use crate::record::{self, Delivery, TranscriptRow};
use crate::usage::Change;
use crate::{Answered, Claim, DeadLetter, DeadlineIndex, Mark, Step, StoreError, Usage, Version};

impl<E: Engine> Writer<E> {
    pub(super) fn commit(
        &mut self,
        claim: Claim,
        key: &ConversationKey,
        prepared: PreparedStep,
    ) -> Result<Version, StoreError> {
        self.check(claim, key)?;
        let PreparedStep { mut step, answers } = prepared;
        for letter in step.dead_letters.iter_mut().filter(|letter| letter.sequence == DeadLetter::FRESH) {
            letter.sequence = self.draw();
        }
        let place = Place::of(key);
        let reach = step.erase.as_ref().map(|erase| self.reach(erase));
        let kept = self.recent.take(&place, turns(&step.marks));
        let mut draft = self.draft();
        draft.kept = kept;
        for (at, used) in used(&step) {
            draft.count(at, used);
        }
        let version = draft.conversation(&place, &step)?;
        let mut enqueued = Vec::with_capacity(step.enqueued.len());
        for own in &step.enqueued {
            enqueued.push(draft.enqueue(&place, own)?);
        }
        let mut answered = Vec::with_capacity(step.answered.len());
        for (answer, prepared) in step.answered.into_iter().zip(answers) {
            let sequence = answer.sequence;
            let unread = self.inboxes.find(&place, sequence).filter(|_| !answered.contains(&sequence));
            draft.answer(&place, unread.ok_or(StoreError::Stale)?, (answer, prepared));
            answered.push(sequence);
        }
        for (sequence, attempts, alone) in step.attempts {
            let unread = self.inboxes.find(&place, sequence).filter(|_| !answered.contains(&sequence));
            unread.ok_or(StoreError::Stale)?;
            draft.attempts(&place, sequence, attempts, alone)?;
        }
        draft.marks(&place, &step.marks)?;
        for letter in &step.dead_letters {
            draft.dead_letter(letter)?;
        }
        if let (Some(erase), Some(reach)) = (&step.erase, reach) {
            draft.erase(&place, erase.at, reach)?;
        }
        let kept = std::mem::take(&mut draft.kept);
        let changes = draft.into_counted(&key.tenant)?;
        self.take(changes);
        self.keep(&place, kept);
        for sequence in answered {
            self.inboxes.remove(&place, sequence);
        }
        for own in enqueued {
            self.inboxes.add(place.clone(), own);
        }
        if let Some(reach) = reach {
            self.inboxes.remove_upto(&place, reach.upto);
            self.recent.clear();
        }
        Ok(version)
    }

    pub(super) fn settle(&mut self, claim: Claim, key: &ConversationKey, marks: &[Mark]) -> Result<(), StoreError> {
        self.check(claim, key)?;
        let place = Place::of(key);
        let kept = self.recent.take(&place, turns(marks));
        let mut draft = self.draft();
        draft.kept = kept;
        draft.marks(&place, marks)?;
        let kept = std::mem::take(&mut draft.kept);
        let changes = draft.into_counted(&key.tenant)?;
        self.take(changes);
        self.keep(&place, kept);
        Ok(())
    }

    fn keep(&mut self, place: &Place, kept: Vec<(Sequence, Kept)>) {
        kept.into_iter().for_each(|(turn, kept)| self.recent.keep(place, turn, kept));
    }

    pub(super) fn receipt(
        &mut self,
        key: &ConversationKey,
        receipt: &Receipt,
        at: UnixMillis,
    ) -> Result<bool, StoreError> {
        self.recent.forget(receipt.outbound.turn);
        let mut draft = self.draft();
        let known = draft.receipt(&Place::of(key), receipt, at)?;
        let changes = draft.into_counted(&key.tenant)?;
        self.take(changes);
        Ok(known)
    }
}

impl<E: Engine> Draft<'_, E> {
    /// Checks the version; writes the snapshot, if there is one, and moves its deadline.
    fn conversation(&mut self, place: &Place, step: &Step) -> Result<Version, StoreError> {
        let record = RecordKey::conversation(place);
        let mut is_remains = false;
        let head = match self.value(&record.chunk(0))?.as_deref().map(Head::read) {
            None => {
                let left = self.left(place)?;
                is_remains = left.is_some();
                let version = left.map_or(0, |left| left.version.0);
                Head { version, indexed: NOT_INDEXED, hashes: Vec::new() }
            }
            Some(Ok((head, _))) => head,
            Some(Err(Damage::Newer(found))) => return Err(fetch::newer(found)),
            // Loading it again sets it aside.
            Some(Err(Damage::Garbage(_))) => return Err(StoreError::Stale),
        };
        if head.version != step.version.0 {
            return Err(StoreError::Stale);
        }
        let version = head.version.saturating_add(1);
        let Some(snapshot) = &step.snapshot else {
            let Some(erase) = &step.erase else { return Ok(step.version) };
            self.leave(place, &head, &Left::of(erase, Version(version)))?;
            return Ok(Version(version));
        };
        if is_remains {
            self.remove(self.left_at(place));
        }
        let indexed = follow(head.indexed, step.deadline, step.index);
        if indexed != head.indexed {
            if head.indexed != NOT_INDEXED {
                self.remove(keys::deadline(UnixMillis(head.indexed), place));
            }
            if indexed != NOT_INDEXED {
                self.put(keys::deadline(UnixMillis(indexed), place), Vec::new());
            }
        }
        for (index, value) in chunks::rewrite(&head.hashes, version, indexed, snapshot)? {
            match value {
                Some(value) => self.put(record.chunk(index), value),
                None => self.remove(record.chunk(index)),
            }
        }
        Ok(Version(version))
    }

    /// Replaces a work record by its rows that are not settled, or by nothing, and adds its page.
    fn answer(&mut self, place: &Place, unread: Unread, (answer, mut prepared): (Answered, PreparedAnswer)) {
        let Answered { sequence, mut rows, transcript } = answer;
        if let Some(first) = prepared.rows.first_mut() {
            record::rewrite_seed(first, unread.seed);
        }
        let chunks = self.replace(&RecordKey::work(place, sequence), prepared.rows, unread.chunks);
        let page = transcript.map(|turn| {
            let chunks = self.replace(&RecordKey::transcript(place, sequence), prepared.page, 0);
            Page { turn, chunks }
        });
        rows.retain(|row| !row.state.is_settled());
        if !rows.is_empty() {
            self.kept.push((sequence, Kept { outbox: Outbox { rows, seed: unread.seed, chunks }, page }));
        }
    }

    /// Its number was never used: it follows from one that was drawn, and is used once.
    fn enqueue(&mut self, place: &Place, own: &WorkRecord) -> Result<Unread, StoreError> {
        let record = RecordKey::work(place, own.sequence);
        if self.value(&record.chunk(0))?.is_some() {
            return Err(StoreError::Stale);
        }
        let values = record::write_own(own)?;
        let chunks = u16::try_from(values.len()).expect("a record has at most 65,535 values");
        self.replace(&record, values, 0);
        Ok(Unread { sequence: own.sequence, seed: own.seed, chunks })
    }

    fn attempts(&mut self, place: &Place, sequence: Sequence, attempts: u8, alone: bool) -> Result<(), StoreError> {
        let key = RecordKey::work(place, sequence).chunk(0);
        let mut first = self.value(&key)?.ok_or(StoreError::Stale)?;
        record::rewrite_attempts(&mut first, attempts, alone);
        self.put(key, first);
        Ok(())
    }

    fn marks(&mut self, place: &Place, marks: &[Mark]) -> Result<(), StoreError> {
        let turns: BTreeSet<Sequence> = turns(marks).collect();
        for turn in turns {
            let kept = self.kept.iter().position(|(kept, _)| *kept == turn).map(|place| self.kept.swap_remove(place).1);
            let (mut outbox, page) = match kept {
                Some(Kept { outbox, page }) => (outbox, Some(page)),
                None => match self.outbox(place, turn)? {
                    Some(outbox) => (outbox, None),
                    None => continue,
                },
            };
            let mut changed = false;
            let mut began = Vec::new();
            for mark in marks {
                if let Some(row) = unsettled(&mut outbox, mark) {
                    began.extend(since(&row.state).map(|since| (row.id, since)));
                    row.state = mark.state.clone();
                    changed = true;
                }
            }
            if changed {
                outbox.chunks = self.put_outbox(place, turn, &outbox)?;
            }
            if outbox.rows.iter().any(|row| row.state.is_settled()) {
                let page = match page {
                    Some(page) => page,
                    None => self.page(place, turn)?,
                };
                page.map(|page| self.settle_page(place, turn, page, (&outbox.rows, &began))).transpose()?;
            } else if let Some(page) = page {
                self.kept.push((turn, Kept { outbox, page }));
            }
        }
        Ok(())
    }

    /// Brings rows that are settled now to the transcript, with the times at which the calls began that took them.
    fn settle_page(
        &mut self,
        place: &Place,
        turn: Sequence,
        mut page: Page,
        (rows, began): (&[OutboundRow], &[(OutboundId, UnixMillis)]),
    ) -> Result<(), StoreError> {
        for row in rows.iter().filter(|row| row.state.is_settled()) {
            if let Some(shown) = shown(&mut page, row) {
                let used = settled(&shown.row.state, row);
                shown.row.state = row.state.clone();
                let is_sent = matches!(row.state, RowState::Sent { .. });
                let began = began.iter().find(|(id, _)| *id == row.id).filter(|_| is_sent);
                shown.sent_at = began.map(|(_, at)| *at).or(shown.sent_at);
                self.count(page.turn.answered_at, used);
            }
        }
        self.put_page(place, turn, &page)
    }

    fn receipt(&mut self, place: &Place, receipt: &Receipt, at: UnixMillis) -> Result<bool, StoreError> {
        let turn = receipt.outbound.turn;
        let mut page = self.page(place, turn)?;
        let mut shown =
            page.as_mut().and_then(|page| page.turn.rows.iter_mut().find(|row| row.row.id == receipt.outbound));
        let mut known = shown.is_some();
        let given_up = shown.as_ref().is_some_and(|shown| shown.row.state == RowState::GivenUp);
        let mut changed = shown.as_mut().is_some_and(|shown| deliver(shown, receipt, at));
        let mut used = match &shown {
            Some(shown) if given_up => Change { more: settled(&RowState::Queued, &shown.row), less: FAILED },
            Some(_) | None => Change::default(),
        };
        if shown.as_ref().is_none_or(|shown| !shown.row.state.is_settled()) {
            let mut outbox = self.outbox(place, turn)?;
            let row = outbox.as_mut().and_then(|outbox| outbox.rows.iter_mut().find(|row| row.id == receipt.outbound));
            let found = row.is_some();
            known |= found;
            // A text that was never tried cannot have a receipt: whatever this is, it must not keep the text from being sent.
            if row.as_ref().is_none_or(|row| row.state != RowState::Queued) {
                let began = row.as_ref().and_then(|row| since(&row.state));
                row.into_iter().for_each(|row| row.state = sent(receipt));
                if let Some(outbox) = outbox.filter(|_| found) {
                    self.put_outbox(place, turn, &outbox)?;
                }
                if let Some(shown) = shown {
                    let row = OutboundRow { state: sent(receipt), ..shown.row.clone() };
                    used = settled(&shown.row.state, &row).into();
                    shown.row = row;
                    shown.sent_at = began.or(shown.sent_at);
                    changed = true;
                }
            }
        }
        if let Some(page) = page.filter(|_| changed) {
            self.count(page.turn.answered_at, used);
            self.put_page(place, turn, &page)?;
        }
        Ok(known)
    }
}

/// When the call began that may have taken the text.
fn since(state: &RowState) -> Option<UnixMillis> {
    match state {
        RowState::Sending { since } | RowState::Unknown { since } => Some(*since),
        RowState::Queued
        | RowState::Held { .. }
        | RowState::Retry { .. }
        | RowState::Sent { .. }
        | RowState::Failed { .. }
        | RowState::GivenUp => None,
    }
}

/// What a text adds that was not sent, or of which nobody knows.
const FAILED: Usage = Usage { inbound: 0, answered: 0, outbound: 0, outbound_segments: 0, failed: 1 };

/// What the answers of a step add to the usage, and when.
fn used(step: &Step) -> Vec<(UnixMillis, Usage)> {
    let page = |answer: &Answered| {
        let page = answer.transcript.as_ref().filter(|page| page.error.is_none())?;
        let is_text = matches!(page.work, Work::Message(_));
        is_text.then(|| (page.answered_at, Usage { answered: 1, ..Usage::default() }))
    };
    step.answered.iter().filter_map(page).collect()
}

/// What a row adds to the usage when it settles.
fn settled(before: &RowState, row: &OutboundRow) -> Usage {
    match &row.state {
        _ if before.is_settled() => Usage::default(),
        RowState::Sent { .. } => {
            let outbound_segments = u64::from(segment::count(&row.body).max(1));
            Usage { outbound: 1, outbound_segments, ..Usage::default() }
        }
        RowState::Failed { .. } | RowState::GivenUp => FAILED,
        RowState::Queued
        | RowState::Held { .. }
        | RowState::Sending { .. }
        | RowState::Retry { .. }
        | RowState::Unknown { .. } => Usage::default(),
    }
}

/// Where the index is to have the conversation.
fn follow(indexed: u64, deadline: Option<UnixMillis>, index: DeadlineIndex) -> u64 {
    let wanted = deadline.map_or(NOT_INDEXED, |at| at.0);
    match index {
        DeadlineIndex::Lazy => wanted.min(indexed),
        DeadlineIndex::Exact => wanted,
    }
}

fn turns(marks: &[Mark]) -> impl Iterator<Item = Sequence> {
    marks.iter().map(|mark| mark.id.turn)
}

fn unsettled<'a>(outbox: &'a mut Outbox, mark: &Mark) -> Option<&'a mut OutboundRow> {
    outbox.rows.iter_mut().find(|row| row.id == mark.id && !row.state.is_settled())
}

fn shown<'a>(page: &'a mut Page, row: &OutboundRow) -> Option<&'a mut TranscriptRow> {
    page.turn.rows.iter_mut().find(|shown| shown.row.id == row.id)
}

fn sent(receipt: &Receipt) -> RowState {
    RowState::Sent { provider_id: receipt.provider_id.clone() }
}

/// Notes a receipt that outranks what is known. Returns whether anything changed.
fn deliver(shown: &mut TranscriptRow, receipt: &Receipt, at: UnixMillis) -> bool {
    let proves = shown.row.state == RowState::GivenUp;
    if proves {
        shown.row.state = sent(receipt);
    }
    let outranks = shown.delivery.as_ref().is_none_or(|known| receipt.status.rank() > known.status.rank());
    if outranks {
        shown.delivery = Some(Delivery { status: receipt.status, at, code: receipt.code.clone() });
    }
    proves || outranks
}
