//! The audit log: a new entry under a number of its own, and the oldest ones that have been kept long enough go with it.

use std::ops::ControlFlow;

use raconteur_conversation::words::Sequence;

use super::Writer;
use crate::engine::{Engine, Order};
use crate::fetch;
use crate::keys::{self, RecordKey};
use crate::{AuditEntry, StoreError, record};

impl<E: Engine> Writer<E> {
    pub(super) fn audit(&mut self, entry: &AuditEntry) -> Result<Sequence, StoreError> {
        let values = record::write_json(entry)?;
        let sequence = self.draw();
        let mut draft = self.draft();
        draft.replace(&RecordKey::audit(sequence), values, 0);
        for old in self.oldest_audits()? {
            let record = RecordKey::audit(old);
            let read = fetch::record(&*self.engine, &record).and_then(|found| {
                Ok(found.map(|(whole, _)| record::read_json::<AuditEntry>(&whole, 0)).transpose()?)
            });
            // One that cannot be read tells nobody anything.
            if fetch::skip_garbage(read)?.is_none_or(|kept| kept.is_old(entry.at)) {
                for key in draft.keys_in(&record.range())? {
                    draft.remove(key);
                }
            }
        }
        let changes = draft.into_changes();
        self.take(changes);
        Ok(sequence)
    }

    fn oldest_audits(&self) -> Result<Vec<Sequence>, StoreError> {
        let mut oldest = Vec::new();
        self.engine.scan(&keys::audits(None), Order::Ascending, &mut |key, _| {
            if oldest.len() == AuditEntry::GO_WITH_ONE {
                return ControlFlow::Break(());
            }
            oldest.extend(keys::read_tail(key).filter(|(_, chunk)| *chunk == 0).map(|(sequence, _)| sequence));
            ControlFlow::Continue(())
        })?;
        Ok(oldest)
    }
}
