//! Marks in pages: those of a stretch of time together, and in memory an index of the pages by ids.

use std::ops::ControlFlow;

use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::Sequence;
use uuid::Uuid;

use super::index::{Found, Index};
use crate::StoreError;
use crate::chunks::Damage;
use crate::committer::pass::Pass;
use crate::engine::{Batch, Engine, Order};
use crate::fetch::Values;
use crate::keys;
use crate::marks::{self, Entries, Entry, Mark, Page};

/// A page with so many bytes is full. One more mark never makes a value of it that is too long.
const FULL: usize = 1_024;

/// See the module.
pub(in crate::committer) struct Pages {
    index: Index,
    /// The page that is being filled. It is written with each round that adds to it, and the journal brings it to the map once.
    open: Option<Page>,
    /// It has marks that are in no batch yet.
    is_ahead: bool,
    forgetting: Pass,
}

impl Pages {
    /// Reads which ids there are. A page that cannot be read is left out, and goes when old ones are forgotten.
    pub(super) fn open<E: Engine>(engine: &E, salt: Uuid) -> Result<Self, StoreError> {
        let mut index = Index::new(salt);
        let (mut found, mut damaged) = (Found::default(), 0_u64);
        engine.scan(&keys::all_marks(), Order::Ascending, &mut |key, value| {
            let sound = keys::read_marks(key).is_some_and(|first| find_all(&index, &mut found, (first, value)).is_ok());
            damaged += u64::from(!sound);
            ControlFlow::Continue(())
        })?;
        if damaged > 0 {
            tracing::error!(
                pages = damaged,
                "duplicate marks are damaged: repeats of their texts will be taken for new ones"
            );
        }
        index.fill(found);
        Ok(Self { index, open: None, is_ahead: false, forgetting: Pass::default() })
    }

    pub(super) fn find(&self, values: &impl Values, tenant: &str, id: &[u8]) -> Result<Option<Mark>, StoreError> {
        for first in self.index.pages(tenant, id) {
            let found = match self.open.as_ref().filter(|open| open.first() == first) {
                Some(open) => search(open.entries(), tenant, id),
                None => {
                    let value = values.value(&keys::marks(first))?;
                    value.and_then(|value| search(marks::read(first, &value).ok()?, tenant, id))
                }
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    pub(super) fn remember(&mut self, batch: &mut Batch, entry: &Entry<'_>) {
        if self.open.as_ref().is_some_and(|open| open.length() >= FULL) {
            self.turn_over(batch);
        }
        let open = self.open.get_or_insert_with(|| Page::new(entry.mark.sequence));
        open.push(entry);
        self.index.add(entry.tenant, entry.id, open.first());
        self.is_ahead = true;
    }

    pub(super) fn write(&mut self, batch: &mut Batch) {
        if let Some(open) = self.open.as_ref().filter(|_| self.is_ahead) {
            batch.insert(keys::marks(open.first()), Some(open.value()));
            self.is_ahead = false;
        }
    }

    /// Ends the page that is being filled.
    fn turn_over(&mut self, batch: &mut Batch) {
        self.write(batch);
        self.open = None;
    }

    /// Goes through all pages, over and over, however old their marks say they are: a clock that was once ahead must not keep those behind.
    pub(super) fn forget<E: Engine>(
        &mut self,
        engine: &E,
        batch: &mut Batch,
        (before, limit): (UnixMillis, usize),
    ) -> Result<(), StoreError> {
        let is_old = |entry: &Entry<'_>| entry.mark.at < before;
        if self.open.as_ref().is_some_and(|open| open.entries().flatten().any(|entry| is_old(&entry))) {
            self.turn_over(batch);
        }
        let index = &mut self.index;
        self.forgetting.go_on(engine, keys::all_marks(), limit, |key, value| {
            let value = match batch.get(key) {
                // It has gone with this round already.
                Some(None) => return 0,
                Some(Some(written)) => written.clone(),
                None => value.to_vec(),
            };
            let Some(first) = keys::read_marks(key) else {
                batch.insert(key.to_vec(), None);
                return 0;
            };
            let mut seen = 0;
            let (mut rest, mut forgets) = (Page::new(first), false);
            // What is behind damage is not in the index.
            for entry in marks::read(first, &value).into_iter().flatten().map_while(Result::ok) {
                seen += 1;
                if is_old(&entry) {
                    forgets = true;
                    index.remove(entry.tenant, entry.id, first);
                } else {
                    rest.push(&entry);
                }
            }
            if forgets || rest.is_empty() {
                batch.insert(key.to_vec(), (!rest.is_empty()).then(|| rest.value()));
            }
            seen
        })
    }
}

/// Finds a page's marks.
fn find_all(index: &Index, found: &mut Found, (first, value): (Sequence, &[u8])) -> Result<(), Damage> {
    for entry in marks::read(first, value)? {
        let entry = entry?;
        index.find(found, (entry.tenant, entry.id), first);
    }
    Ok(())
}

fn search(entries: Entries<'_>, tenant: &str, id: &[u8]) -> Option<Mark> {
    let mut sound = entries.map_while(Result::ok);
    sound.find(|entry| entry.id == id && entry.tenant == tenant).map(|entry| entry.mark)
}
