//! What the committer knows between requests, and how it judges everything but steps: accepting, claims, forgetting.

use std::sync::Arc;

use raconteur_conversation::address::{Address, ConversationKey, Shard};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{Sequence, Work};

use super::draft::Draft;
use super::erasing::Erasing;
use super::inboxes::{Inboxes, Unread};
use super::marks::Marks;
use super::prepared::PreparedWork;
use super::recent::Recent;
use super::tide::Tide;
use crate::chunks::Head;
use crate::engine::{Batch, Engine};
use crate::fetch::Values;
use crate::figures::Figures;
use crate::keys::{self, Place, RecordKey};
use crate::marks::Mark;
use crate::{Accepted, Claim, Limit, Options, StoreError, Usage};

/// So many sequences are reserved with one write.
const SEQUENCE_BLOCK: u64 = 4_096;

/// Who may commit in one shard.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fence {
    pub(super) epoch: u64,
    /// Somebody of this process has it.
    pub(super) held: bool,
}

/// The writer's state.
pub(crate) struct Writer<E> {
    pub(super) engine: Arc<E>,
    pub(super) tide: Tide,
    pub(super) options: Options,
    /// What this round writes.
    pub(super) batch: Batch,
    pub(super) bytes: usize,
    pub(super) inboxes: Inboxes,
    /// One for each shard.
    pub(super) fences: Vec<Fence>,
    /// The next sequence, and the first that is not reserved.
    pub(super) next: Sequence,
    pub(super) reserved: Sequence,
    /// Whether the disk is short of room, once this round has looked.
    pub(super) short: Option<bool>,
    /// The version that the store needs.
    pub(super) format: u32,
    /// Which ids were accepted.
    pub(super) marks: Marks,
    /// What is written with the next batch, and makes none of its own.
    pub(super) heard: Batch,
    /// What is left behind for whoever watches.
    pub(super) figures: Arc<Figures>,
    /// What it knows of erasures.
    pub(super) erasing: Erasing,
    /// What is likely to be settled next.
    pub(super) recent: Recent,
}

impl<E: Engine> Writer<E> {
    /// Begins a round.
    pub(super) fn begin(&mut self) {
        self.short = None;
    }

    /// What is left behind for whoever watches.
    pub(crate) fn figures(&self) -> Arc<Figures> {
        Arc::clone(&self.figures)
    }

    /// Leaves behind what a round of so many requests has come to.
    pub(super) fn note_round(&self, requests: usize) {
        self.figures.batch_requests.add(requests as u64);
        self.figures.unread.set(self.inboxes.total() as u64);
    }

    /// How much the round writes so far.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Writes and syncs the batch. Nothing is written and nothing synced when it is empty.
    pub(super) fn write_out(&mut self) -> Result<(), StoreError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        self.batch.append(&mut self.heard);
        self.marks.write(&mut self.batch);
        self.tide.rise();
        self.engine.apply(std::mem::take(&mut self.batch))?;
        self.engine.sync()?;
        self.tide.settle();
        Ok(())
    }

    /// Marks the store as closed cleanly.
    pub(super) fn close(&mut self) -> Result<(), StoreError> {
        self.batch.insert(keys::META_CLEAN.to_vec(), Some(vec![1]));
        self.write_out()
    }

    pub(super) fn draft(&self) -> Draft<'_, E> {
        Draft::new(&self.engine, &self.batch, &self.erasing)
    }

    /// Makes a request's changes part of the round.
    pub(super) fn take(&mut self, changes: Batch) {
        let size = |value: &Option<Vec<u8>>| value.as_ref().map_or(0, Vec::len);
        self.bytes += changes.iter().map(|(key, value)| key.len() + size(value)).sum::<usize>();
        if self.batch.is_empty() {
            self.batch = changes;
        } else {
            self.batch.extend(changes);
        }
    }

    /// The next sequence. Its reservation belongs to the round, not to the request: it stands even if the request is refused.
    pub(super) fn draw(&mut self) -> Sequence {
        let drawn = self.next;
        self.next = Sequence(drawn.0 + Sequence::STRIDE);
        if self.next > self.reserved {
            self.reserved = Sequence(drawn.0 + SEQUENCE_BLOCK * Sequence::STRIDE);
            self.batch.insert(keys::META_SEQUENCE.to_vec(), Some(self.reserved.0.to_be_bytes().to_vec()));
        }
        drawn
    }

    pub(super) fn accept(&mut self, work: PreparedWork) -> Result<Accepted, StoreError> {
        let PreparedWork { new, values } = work;
        let tenant = &new.key.tenant;
        let name = self.marks.name(tenant, &new.id);
        if let Some(earlier) = self.marks.find(&self.draft(), tenant, &name)? {
            let same = earlier.content.is_none() || earlier.content == new.content;
            let sequence = earlier.sequence;
            return Ok(if same { Accepted::Duplicate(sequence) } else { Accepted::Conflict(sequence) });
        }
        let place = Place::of(&new.key);
        if let Some(limit) = self.limit(&place) {
            return Ok(Accepted::Full(limit));
        }
        let sequence = self.draw();
        let chunks = u16::try_from(values.len()).expect("a record has at most 65,535 values");
        let mut draft = self.draft();
        draft.replace(&RecordKey::work(&place, sequence), values, 0);
        if let Work::Message(_) = new.work {
            draft.count(new.accepted_at, Usage { inbound: 1, ..Usage::default() });
        }
        let changes = draft.into_counted(tenant)?;
        self.take(changes);
        let mark = Mark { sequence, at: new.accepted_at, content: new.content };
        self.marks.remember(&mut self.batch, (tenant, name), mark);
        let behind = self.inboxes.highest(&place);
        self.inboxes.add(place, Unread { sequence, seed: new.seed, chunks });
        Ok(Accepted::Fresh { sequence, behind })
    }

    fn limit(&mut self, place: &Place) -> Option<Limit> {
        if self.inboxes.count(place) >= self.options.inbox_max {
            return Some(Limit::Inbox);
        }
        if self.inboxes.total() >= self.options.backlog_max {
            return Some(Limit::Backlog);
        }
        self.is_short().then_some(Limit::Disk)
    }

    fn is_short(&mut self) -> bool {
        let (engine, min_free) = (&self.engine, self.options.min_free);
        let figures = &self.figures;
        *self.short.get_or_insert_with(|| {
            let free = engine.free_bytes();
            free.into_iter().for_each(|free| figures.free_bytes.set(free));
            free.is_some_and(|free| free < min_free)
        })
    }

    pub(super) fn note_heard(&mut self, heard: Vec<(Address, UnixMillis)>) {
        let pair = |(tenant, at): (Address, UnixMillis)| (keys::heard(&tenant), Some(at.0.to_be_bytes().to_vec()));
        self.heard.extend(heard.into_iter().map(pair));
    }

    /// The limit that new offers would come upon, or that is so near that many would.
    pub(super) fn crowded(&mut self) -> Option<Limit> {
        if self.inboxes.total() >= self.options.backlog_max - self.options.backlog_max / 10 {
            return Some(Limit::Backlog);
        }
        self.is_short().then_some(Limit::Disk)
    }

    pub(super) fn claim(&mut self, shards: &[Shard]) -> Vec<Claim> {
        let mut claims = Vec::with_capacity(shards.len());
        for shard in shards {
            // One process holds the whole store, so whoever claims again does it in place of the claim before.
            let Some(fence) = self.fences.get_mut(usize::from(shard.0)) else { continue };
            *fence = Fence { epoch: fence.epoch.wrapping_add(1), held: true };
            self.batch.insert(keys::shard(*shard), Some(fence.epoch.to_be_bytes().to_vec()));
            claims.push(Claim { shard: *shard, epoch: fence.epoch });
        }
        claims
    }

    pub(super) fn release(&mut self, claims: &[Claim]) {
        for claim in claims {
            if let Some(fence) = self.fences.get_mut(usize::from(claim.shard.0))
                && fence.epoch == claim.epoch
            {
                fence.held = false;
            }
        }
    }

    /// Whether the claim is the latest on the conversation's shard.
    pub(super) fn check(&self, claim: Claim, key: &ConversationKey) -> Result<(), StoreError> {
        let fence = self.fences.get(usize::from(claim.shard.0)).copied().unwrap_or_default();
        let holds = fence.held && fence.epoch == claim.epoch && claim.shard == key.shard();
        if holds { Ok(()) } else { Err(StoreError::Fenced(claim.shard)) }
    }

    pub(super) fn forget_duplicates(&mut self, before: UnixMillis, limit: usize) -> Result<(), StoreError> {
        self.marks.forget(&*self.engine, &mut self.batch, (before, limit))?;
        self.forget_remains(before, limit)
    }

    /// Whether an id was accepted.
    pub(super) fn is_known(&self, tenant: &Address, id: &str) -> Result<bool, StoreError> {
        Ok(self.marks.find(&self.draft(), tenant, &self.marks.name(tenant, id))?.is_some())
    }

    /// Removes entries of the deadline index which no conversation's record names: what a damaged record leaves behind.
    pub(super) fn drop_deadlines(&mut self, entries: &[(UnixMillis, ConversationKey)]) -> Result<(), StoreError> {
        for (at, key) in entries {
            let place = Place::of(key);
            let mut draft = self.draft();
            let first = draft.value(&RecordKey::conversation(&place).chunk(0))?;
            if !names(first.as_deref(), *at) {
                draft.remove(keys::deadline(*at, &place));
            }
            let changes = draft.into_changes();
            self.take(changes);
        }
        Ok(())
    }
}

/// Whether a conversation's record, by its first value, has its deadline listed at `at`.
pub(crate) fn names(first: Option<&[u8]>, at: UnixMillis) -> bool {
    first.and_then(|first| Head::read(first).ok()).is_some_and(|(head, _)| head.indexed == at.0)
}
