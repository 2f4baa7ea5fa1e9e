//! Retention: pages and dead letters that are old enough go, and with its last page a conversation's record that says nothing any more.
//! Never what is unread, nor what is not settled. Each call looks at a bounded number of records and says where the next goes on.

use std::ops::{ControlFlow, Range};

use raconteur_conversation::address::Address;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::Sequence;

use super::Writer;
use super::draft::Draft;
use crate::chunks::{Head, NOT_INDEXED};
use crate::engine::{Engine, Order};
use crate::fetch::{self, Values, skip_garbage};
use crate::keys::{self, Place, RecordKey};
use crate::{DeadLetter, Expired, Expiry, ExpiryCursor, StoreError};

impl<E: Engine> Writer<E> {
    /// First through the pages, then through the records.
    pub(super) fn expire(
        &mut self,
        expiry: &Expiry,
        from: Option<ExpiryCursor>,
        limit: usize,
    ) -> Result<Expired<ExpiryCursor>, StoreError> {
        let pages = keys::pages_of(expiry.shard, &expiry.tenant);
        let records = keys::records_of(expiry.shard, &expiry.tenant);
        let from = from.map_or(pages.start, |ExpiryCursor(from)| from);
        let mut walk = Walk { next: Some(from), looked: 0, removed: 0, limit };
        if walk.next.as_ref().is_some_and(|from| *from < records.end) {
            self.walk_records(expiry, &records.end, &mut walk)?;
        } else {
            self.walk_pages(expiry, &pages.end, &mut walk)?;
            if walk.next.is_none() {
                walk.next = Some(records.start);
                self.walk_records(expiry, &records.end, &mut walk)?;
            }
        }
        let Walk { next, looked, removed, .. } = walk;
        Ok(Expired { next: next.map(ExpiryCursor), looked, removed })
    }

    fn walk_pages(&mut self, expiry: &Expiry, end: &[u8], walk: &mut Walk) -> Result<(), StoreError> {
        while let Some(key) = walk.first(&*self.engine, end)? {
            let Some((place, sequence, _)) = keys::read_page(&key) else {
                walk.next = Some(keys::successor(key));
                continue;
            };
            let behind = keys::transcript_between(&place, None, sequence).end;
            let mut draft = self.draft();
            // What is damaged, or hidden by an erasure, is passed over.
            let page = draft.page(&place, sequence)?;
            if page.as_ref().is_some_and(|page| page.turn.answered_at >= expiry.before) {
                // Those behind it are younger.
                walk.next = Some(keys::transcript(&place, None).end);
                continue;
            }
            walk.next = Some(behind);
            let is_settled = draft.value(&RecordKey::work(&place, sequence).chunk(0))?.is_none();
            if page.is_some() && is_settled {
                draft.remove_all(&RecordKey::transcript(&place, sequence).range())?;
                let changes = draft.into_changes();
                self.take(changes);
                walk.removed += 1;
            }
        }
        Ok(())
    }

    fn walk_records(&mut self, expiry: &Expiry, end: &[u8], walk: &mut Walk) -> Result<(), StoreError> {
        while let Some(key) = walk.first(&*self.engine, end)? {
            let Some(place) = keys::read_place(&key) else {
                walk.next = Some(keys::successor(key));
                continue;
            };
            let record = RecordKey::conversation(&place);
            walk.next = Some(record.range().end);
            let mut draft = self.draft();
            let is_spent = |snapshot: &[u8]| (expiry.is_spent)(snapshot);
            let snapshot = skip_garbage(fetch::snapshot(&draft, &place))?;
            if snapshot.is_some_and(|(_, snapshot)| is_spent(&snapshot)) && draft.is_all(&place)? {
                draft.forget(&place)?;
                let changes = draft.into_changes();
                self.take(changes);
                walk.removed += 1;
            }
        }
        Ok(())
    }

    /// The same for dead letters, by tenant.
    pub(super) fn expire_dead_letters(
        &mut self,
        rules: &[(Address, UnixMillis)],
        after: Option<Sequence>,
        limit: usize,
    ) -> Result<Expired<Sequence>, StoreError> {
        let numbers = self.letters_behind(after, limit)?;
        let before = |letter: &DeadLetter| {
            let tenant = &letter.key.as_ref()?.tenant;
            rules.iter().find(|(ruled, _)| ruled == tenant).map(|(_, before)| *before)
        };
        let mut removed = 0;
        for sequence in &numbers {
            let is_old = |letter: &DeadLetter| before(letter).is_some_and(|before| letter.at < before);
            removed += usize::from(self.remove_letter(*sequence, is_old)?);
        }
        let next = numbers.last().copied().filter(|_| numbers.len() == limit);
        Ok(Expired { next, looked: numbers.len(), removed })
    }
}

/// How far a call has come.
struct Walk {
    /// `None` when there is nothing further.
    next: Option<Vec<u8>>,
    looked: usize,
    removed: usize,
    limit: usize,
}

impl Walk {
    /// The next key to look at; `None` when there is none before `end`, or it has looked at enough.
    fn first<E: Engine>(&mut self, engine: &E, end: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(from) = &self.next else { return Ok(None) };
        if self.looked == self.limit {
            return Ok(None);
        }
        let mut first = None;
        engine.scan(&(from.clone()..end.to_vec()), Order::Ascending, &mut |key, _| {
            first = Some(key.to_vec());
            ControlFlow::Break(())
        })?;
        match &first {
            Some(_) => self.looked += 1,
            None => self.next = None,
        }
        Ok(first)
    }
}

impl<E: Engine> Draft<'_, E> {
    fn remove_all(&mut self, range: &Range<Vec<u8>>) -> Result<(), StoreError> {
        for key in self.keys_in(range)? {
            self.remove(key);
        }
        Ok(())
    }

    /// Whether a conversation's record is all that is kept of it.
    fn is_all(&self, place: &Place) -> Result<bool, StoreError> {
        for range in [keys::transcript(place, None), keys::works_of(place)] {
            if self.has_any(&range)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn forget(&mut self, place: &Place) -> Result<(), StoreError> {
        let record = RecordKey::conversation(place);
        if let Some(Ok((Head { indexed, .. }, _))) = self.value(&record.chunk(0))?.as_deref().map(Head::read)
            && indexed != NOT_INDEXED
        {
            self.remove(keys::deadline(UnixMillis(indexed), place));
        }
        self.remove_all(&record.range())
    }
}
