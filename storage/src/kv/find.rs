//! What operators look for: conversations of all tenants by their numbers, and the audit log.

use std::ops::{ControlFlow, Range};

use raconteur_conversation::address::{ConversationKey, SHARDS, Shard};
use raconteur_conversation::words::Sequence;

use super::read::{json, sequences, snapshot, unless_newer};
use crate::chunks::Head;
use crate::engine::{Engine, Order};
use crate::keys::{self, Place, RecordKey};
use crate::{AuditEntry, Found, Listed, Search, StoreError};

/// A number is looked for among the keys alone, and what a snapshot holds among its bytes; only what matches is read.
pub(super) fn conversations<E: Engine>(
    engine: &E,
    search: &Search,
    after: Option<&ConversationKey>,
    limit: usize,
) -> Result<Found, StoreError> {
    let mut scan = Scan { looked: 0, last: None, matching: Vec::new(), limit };
    match &search.tenant {
        None => scan.through(engine, search, &keys::conversations_behind(after.map(Place::of).as_ref()))?,
        Some(tenant) => {
            // Shard by shard, so that other tenants' conversations are not even looked at.
            let mut after = after.filter(|key| key.tenant == *tenant);
            for shard in (after.map_or(0, |key| key.shard().0)..SHARDS).map(Shard) {
                let place = after.take().map(Place::of);
                scan.through(engine, search, &keys::conversations(shard, tenant, place.as_ref()))?;
                if scan.is_over(search) {
                    break;
                }
            }
        }
    }
    let next = if scan.is_over(search) { scan.last.as_ref().and_then(Place::key) } else { None };
    let mut listed = Vec::with_capacity(scan.matching.len());
    for key in scan.matching {
        let snapshot = unless_newer(snapshot(engine, &key))?;
        listed.push(Listed { key, snapshot });
    }
    Ok(Found { listed, looked: scan.looked, next })
}

/// How far a search has come.
struct Scan {
    looked: usize,
    last: Option<Place>,
    matching: Vec<ConversationKey>,
    limit: usize,
}

impl Scan {
    fn is_over(&self, search: &Search) -> bool {
        self.looked >= search.looks || self.matching.len() >= self.limit
    }

    fn through<E: Engine>(&mut self, engine: &E, search: &Search, range: &Range<Vec<u8>>) -> Result<(), StoreError> {
        engine.scan(range, Order::Ascending, &mut |key, first| {
            if let Some(place) = keys::read_conversation(key) {
                self.looked += 1;
                if may_hold(first, search.holds.as_bytes()) {
                    self.matching.extend(place.key().filter(|key| search.matches(key)));
                }
                self.last = Some(place);
            }
            if self.is_over(search) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    }
}

/// Whether the snapshot whose record begins with this value may have these bytes in it. Most are in one value; of others, and of damaged
/// ones, that is left to whoever reads them.
fn may_hold(first: &[u8], wanted: &[u8]) -> bool {
    let Some(letter) = wanted.first() else { return true };
    match Head::read(first) {
        Ok((head, inline)) if head.hashes.is_empty() => {
            inline.windows(wanted.len()).any(|window| window[0] == *letter && window == wanted)
        }
        Ok(_) | Err(_) => true,
    }
}

/// Newest first. One that cannot be read is passed over.
pub(super) fn audits<E: Engine>(
    engine: &E,
    before: Option<Sequence>,
    limit: usize,
) -> Result<Vec<(Sequence, AuditEntry)>, StoreError> {
    let mut entries = Vec::new();
    for sequence in sequences(engine, &keys::audits(before), Order::Descending, limit)? {
        let entry = unless_newer(json::<_, AuditEntry>(engine, &RecordKey::audit(sequence)))?;
        entries.extend(entry.map(|entry| (sequence, entry)));
    }
    Ok(entries)
}
