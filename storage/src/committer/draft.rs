//! The changes of one request while it is judged. They see everything judged before, and join the batch only when the whole
//! request is found good: a refused one leaves nothing behind.

use std::collections::BTreeSet;
use std::ops::{ControlFlow, Range};

use raconteur_conversation::address::Address;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{OutboundRow, Sequence};

use super::erasing::Erasing;
use super::recent::Kept;
use crate::engine::{Batch, Engine, Order};
use crate::erasure::{self, Left};
use crate::fetch::{self, FetchError, Values};
use crate::keys::{self, Place, RecordKey};
use crate::record::{self, DeadLetter, TranscriptTurn, WorkHead, WorkKind};
use crate::usage::Change;
use crate::{Day, StoreError, Usage};

/// Changes over a batch over an engine.
pub(super) struct Draft<'a, E> {
    engine: &'a E,
    batch: &'a Batch,
    erasing: &'a Erasing,
    changes: Batch,
    /// What its changes add to the usage of which days.
    used: Vec<(Day, Change)>,
    /// Turns of its conversation that need not be read; and when it is done, those that need not be the next time.
    pub(super) kept: Vec<(Sequence, Kept)>,
}

impl<E: Engine> Values for Draft<'_, E> {
    fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.changes.get(key).or_else(|| self.batch.get(key)) {
            Some(written) => Ok(written.clone()),
            None => self.engine.get(key),
        }
    }
}

/// The rows of an answered record.
pub(super) struct Outbox {
    pub(super) rows: Vec<OutboundRow>,
    pub(super) seed: u128,
    pub(super) chunks: u16,
}

/// A page of the transcript, to be changed.
pub(super) struct Page {
    pub(super) turn: TranscriptTurn,
    pub(super) chunks: u16,
}

impl<'a, E: Engine> Draft<'a, E> {
    pub(super) fn new(engine: &'a E, batch: &'a Batch, erasing: &'a Erasing) -> Self {
        Self { engine, batch, erasing, changes: Batch::new(), used: Vec::new(), kept: Vec::new() }
    }

    /// What it has come to.
    pub(super) fn into_changes(self) -> Batch {
        self.changes
    }

    /// What it has come to, with what that adds to the tenant's usage.
    pub(super) fn into_counted(mut self, tenant: &Address) -> Result<Batch, StoreError> {
        for (day, used) in std::mem::take(&mut self.used) {
            let key = keys::usage(tenant, day);
            let mut total = self.value(&key)?.map_or_else(Usage::default, |bytes| Usage::read(&bytes));
            total.add(&used.more);
            total.take(&used.less);
            self.put(key, total.write());
        }
        Ok(self.changes)
    }

    /// Changes the usage of a day.
    pub(super) fn count(&mut self, at: UnixMillis, used: impl Into<Change>) {
        let used = used.into();
        if used != Change::default() {
            self.used.push((Day::of(at), used));
        }
    }

    pub(super) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.changes.insert(key, Some(value));
    }

    pub(super) fn remove(&mut self, key: Vec<u8>) {
        self.changes.insert(key, None);
    }

    /// Writes a record over one that had `old` values. Returns how many it has now.
    pub(super) fn replace(&mut self, record: &RecordKey, values: Vec<Vec<u8>>, old: u16) -> u16 {
        let mut index = 0;
        for value in values {
            self.put(record.chunk(index), value);
            index += 1;
        }
        for surplus in index..old {
            self.remove(record.chunk(surplus));
        }
        index
    }

    pub(super) fn dead_letter(&mut self, letter: &DeadLetter) -> Result<(), StoreError> {
        self.replace(&RecordKey::dead_letter(letter.sequence), record::write_json(letter)?, 0);
        Ok(())
    }

    /// The unsettled rows of one turn; `None` when there are none.
    pub(super) fn outbox(&self, place: &Place, turn: Sequence) -> Result<Option<Outbox>, StoreError> {
        let fetch = || -> Result<_, FetchError> {
            let Some((whole, chunks)) = fetch::record(self, &RecordKey::work(place, turn))? else { return Ok(None) };
            let head = WorkHead::read(&whole)?;
            match head.kind {
                WorkKind::Unread { .. } => Ok(None),
                WorkKind::Answered { .. } => {
                    Ok(Some(Outbox { rows: record::read_answered(&whole)?, seed: head.seed, chunks }))
                }
            }
        };
        fetch::skip_garbage(fetch())
    }

    /// Writes the rows that are still unsettled, or removes the record when none is. Returns how many values it has now.
    pub(super) fn put_outbox(&mut self, place: &Place, turn: Sequence, outbox: &Outbox) -> Result<u16, StoreError> {
        let values = record::write_unsettled(&outbox.rows, outbox.seed)?;
        Ok(self.replace(&RecordKey::work(place, turn), values, outbox.chunks))
    }

    /// What remains of a conversation that has no record.
    pub(super) fn left(&self, place: &Place) -> Result<Option<Left>, StoreError> {
        self.erasing.veil.left(self, place)
    }

    /// Where it is kept.
    pub(super) fn left_at(&self, place: &Place) -> Vec<u8> {
        self.erasing.veil.key(place)
    }

    /// Every key of a range that has, or may have, a value.
    pub(super) fn keys_in(&self, range: &Range<Vec<u8>>) -> Result<BTreeSet<Vec<u8>>, StoreError> {
        let written = self.batch.range(range.clone()).chain(self.changes.range(range.clone()));
        let mut keys: BTreeSet<Vec<u8>> = written.map(|(key, _)| key.clone()).collect();
        self.engine.scan(range, Order::Ascending, &mut |key, _| {
            keys.insert(key.to_vec());
            ControlFlow::Continue(())
        })?;
        Ok(keys)
    }

    /// Whether a key of a range has a value.
    pub(super) fn has_any(&self, range: &Range<Vec<u8>>) -> Result<bool, StoreError> {
        let written = |key: &[u8]| self.changes.get(key).or_else(|| self.batch.get(key));
        let new = self.batch.range(range.clone()).chain(self.changes.range(range.clone()));
        let mut any = new.into_iter().any(|(key, _)| written(key).is_some_and(Option::is_some));
        self.engine.scan(range, Order::Ascending, &mut |key, _| {
            any |= written(key).is_none_or(Option::is_some);
            if any { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(any)
    }

    /// A turn's page; `None` when none was kept, or it was erased.
    pub(super) fn page(&self, place: &Place, turn: Sequence) -> Result<Option<Page>, StoreError> {
        if self.erasing.is_under_way && erasure::under_way(self, place)?.is_some_and(|reach| turn <= reach.upto) {
            return Ok(None);
        }
        let fetch = || -> Result<_, FetchError> {
            let Some((whole, chunks)) = fetch::record(self, &RecordKey::transcript(place, turn))? else {
                return Ok(None);
            };
            Ok(Some(Page { turn: record::read_json(&whole, 0)?, chunks }))
        };
        fetch::skip_garbage(fetch())
    }

    pub(super) fn put_page(&mut self, place: &Place, turn: Sequence, page: &Page) -> Result<(), StoreError> {
        self.replace(&RecordKey::transcript(place, turn), record::write_json(&page.turn)?, page.chunks);
        Ok(())
    }
}
