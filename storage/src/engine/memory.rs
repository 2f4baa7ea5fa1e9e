//! An engine in memory, with the two halves of a disk: what was applied, and what was synced.
//!
//! For tests and for the simulation. A [`MemoryEngine`] is a handle: its clones share one disk, so that a test can count, let
//! the next write fail, pull the plug, and open a store again on what survived.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::{Batch, Engine, Order, Visit};
use crate::StoreError;

/// A handle to a disk in memory.
#[derive(Clone, Default)]
pub struct MemoryEngine {
    disk: Arc<Mutex<Disk>>,
    /// Syncs hang while it is shut.
    gate: Arc<Gate>,
    life: u64,
}

#[derive(Default)]
struct Gate {
    shut: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn shut(&self) {
        *self.shut.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    fn open(&self) {
        *self.shut.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let shut = self.shut.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.opened.wait_while(shut, |shut| *shut).unwrap_or_else(PoisonError::into_inner));
    }
}

#[derive(Default)]
struct Disk {
    /// What reads see.
    volatile: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What a crash leaves.
    synced: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What lies between the two, in order.
    unsynced: Vec<Batch>,
    /// Handles of an earlier life are dead.
    life: u64,
    applies: Calls,
    syncs: Calls,
    last_batch: usize,
    free_bytes: Option<u64>,
}

#[derive(Default)]
struct Calls {
    made: u64,
    failing: Option<u64>,
}

impl Calls {
    fn count(&mut self, what: &str) -> Result<(), StoreError> {
        self.made += 1;
        if self.failing == Some(self.made) {
            return Err(StoreError::Unusable(format!("{what} failed, as the test asked")));
        }
        Ok(())
    }
}

impl MemoryEngine {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Pulls the plug: everything that was not synced is gone, and this handle and its clones fail from now on.
    /// Returns a handle to what survived.
    #[must_use]
    pub fn crash(&self) -> Self {
        self.crash_keeping(0)
    }

    /// As [`MemoryEngine::crash`], but the first `batches` that were applied and not synced had reached the disk all the same: no
    /// disk promises to forget what it was not told to keep.
    #[must_use]
    pub fn crash_keeping(&self, batches: usize) -> Self {
        let mut disk = self.disk();
        let unsynced = std::mem::take(&mut disk.unsynced);
        for batch in unsynced.into_iter().take(batches) {
            write(&mut disk.synced, batch);
        }
        disk.volatile = disk.synced.clone();
        self.next_life(disk)
    }

    /// The process dies and the machine runs on: everything that was applied is there, synced or not, and what was not synced is
    /// lost with a later [`MemoryEngine::crash`]. This handle and its clones fail from now on.
    #[must_use]
    pub fn kill(&self) -> Self {
        self.next_life(self.disk())
    }

    fn next_life(&self, mut disk: MutexGuard<'_, Disk>) -> Self {
        disk.life += 1;
        disk.applies.failing = None;
        disk.syncs.failing = None;
        Self { disk: Arc::clone(&self.disk), gate: Arc::default(), life: disk.life }
    }

    /// Lets the `nth` apply from now fail, once; 1 is the next.
    pub fn fail_apply(&self, nth: u64) {
        let mut disk = self.disk();
        disk.applies.failing = Some(disk.applies.made + nth);
    }

    /// Lets the `nth` sync from now fail, once; 1 is the next.
    pub fn fail_sync(&self, nth: u64) {
        let mut disk = self.disk();
        disk.syncs.failing = Some(disk.syncs.made + nth);
    }

    /// Lets every sync from now hang, as with a disk that does not answer, until [`MemoryEngine::let_go`].
    pub fn hang(&self) {
        self.gate.shut();
    }

    /// The disk answers again.
    pub fn let_go(&self) {
        self.gate.open();
    }

    /// How many batches were applied, failed ones included.
    #[must_use]
    pub fn applies(&self) -> u64 {
        self.disk().applies.made
    }

    /// How many syncs were asked for, failed ones included.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.disk().syncs.made
    }

    /// How many keys the latest batch that was applied had.
    #[must_use]
    pub fn last_batch(&self) -> usize {
        self.disk().last_batch
    }

    /// Pretends that the disk has this much room left; `None`, the default, says nothing.
    pub fn set_free_bytes(&self, free: Option<u64>) {
        self.disk().free_bytes = free;
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        // A test that panicked while it held the lock has left the maps whole.
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn living(&self) -> Result<MutexGuard<'_, Disk>, StoreError> {
        let disk = self.disk();
        if disk.life == self.life { Ok(disk) } else { Err(StoreError::Unusable("the machine has crashed".into())) }
    }
}

fn write(map: &mut BTreeMap<Vec<u8>, Vec<u8>>, batch: Batch) {
    for (key, value) in batch {
        match value {
            Some(value) => map.insert(key, value),
            None => map.remove(&key),
        };
    }
}

impl Engine for MemoryEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.living()?.volatile.get(key).cloned())
    }

    fn scan(&self, range: &Range<Vec<u8>>, order: Order, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let disk = self.living()?;
        if range.is_empty() {
            return Ok(());
        }
        let mut pairs = disk.volatile.range(range.clone());
        let mut next = || match order {
            Order::Ascending => pairs.next(),
            Order::Descending => pairs.next_back(),
        };
        while let Some((key, value)) = next() {
            if let ControlFlow::Break(()) = visit(key, value) {
                break;
            }
        }
        Ok(())
    }

    fn apply(&self, batch: Batch) -> Result<(), StoreError> {
        let mut disk = self.living()?;
        disk.applies.count("a write")?;
        disk.last_batch = batch.len();
        write(&mut disk.volatile, batch.clone());
        disk.unsynced.push(batch);
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.gate.pass();
        let mut disk = self.living()?;
        disk.syncs.count("a sync")?;
        for batch in std::mem::take(&mut disk.unsynced) {
            write(&mut disk.synced, batch);
        }
        Ok(())
    }

    fn free_bytes(&self) -> Option<u64> {
        self.disk().free_bytes
    }

    fn describe(&self) -> String {
        "memory".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(key: &str, value: &str) -> Batch {
        Batch::from([(key.into(), Some(value.into()))])
    }

    fn keys(engine: &MemoryEngine, from: &str, to: &str, order: Order) -> Vec<String> {
        let mut seen = Vec::new();
        let mut visit = |key: &[u8], _: &[u8]| {
            seen.push(String::from_utf8(key.to_vec()).unwrap());
            ControlFlow::Continue(())
        };
        engine.scan(&(from.into()..to.into()), order, &mut visit).unwrap();
        seen
    }

    #[test]
    fn a_crash_keeps_what_was_synced_and_kills_old_handles() {
        let before = MemoryEngine::new();
        before.apply(one("a", "1")).unwrap();
        before.sync().unwrap();
        before.apply(Batch::from([(b"a".to_vec(), None), (b"b".to_vec(), Some(b"2".to_vec()))])).unwrap();
        let after = before.crash();
        assert_eq!(after.get(b"a"), Ok(Some(b"1".to_vec())));
        assert_eq!(after.get(b"b"), Ok(None));
        assert!(before.apply(one("c", "3")).is_err() && before.get(b"a").is_err() && before.sync().is_err());
    }

    #[test]
    fn a_crash_may_keep_the_first_of_what_was_not_synced_and_a_killed_process_loses_nothing() {
        let engine = MemoryEngine::new();
        for key in ["a", "b", "c"] {
            engine.apply(one(key, "1")).unwrap();
        }
        let engine = engine.kill();
        assert_eq!(keys(&engine, "a", "d", Order::Ascending), ["a", "b", "c"]);
        let engine = engine.crash_keeping(2);
        assert_eq!(keys(&engine, "a", "d", Order::Ascending), ["a", "b"]);
        assert_eq!(keys(&engine.crash(), "a", "d", Order::Ascending), ["a", "b"]);
    }

    #[test]
    fn the_nth_write_or_sync_fails_once() {
        let engine = MemoryEngine::new();
        engine.fail_apply(2);
        assert!(engine.apply(one("a", "1")).is_ok());
        assert!(engine.apply(one("b", "1")).is_err());
        assert_eq!(engine.get(b"b"), Ok(None));
        assert!(engine.apply(one("b", "1")).is_ok());
        engine.fail_sync(1);
        assert!(engine.sync().is_err());
        assert!(engine.sync().is_ok());
        assert_eq!((engine.applies(), engine.syncs()), (3, 2));
    }

    #[test]
    fn a_scan_goes_both_ways_and_an_inverted_range_is_empty() {
        let engine = MemoryEngine::new();
        for key in ["a", "b", "c", "d"] {
            engine.apply(one(key, "")).unwrap();
        }
        assert_eq!(keys(&engine, "b", "d", Order::Ascending), ["b", "c"]);
        assert_eq!(keys(&engine, "b", "d", Order::Descending), ["c", "b"]);
        assert!(keys(&engine, "d", "b", Order::Ascending).is_empty());
    }
}
