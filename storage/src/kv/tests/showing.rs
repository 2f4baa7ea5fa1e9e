//! Reads go beside the committer: what they have seen of a batch is shown when the batch is durable, and not before.

use std::ops::{ControlFlow, Range};
use std::sync::{Condvar, Mutex};

use super::grouping::{key, text};
use super::*;
use crate::engine::{Batch, Order, Visit};

/// An engine whose syncs wait until they are let through, or fail.
#[derive(Clone, Default)]
struct Slow {
    memory: MemoryEngine,
    gate: Arc<(Mutex<Gate>, Condvar)>,
}

#[derive(Default)]
struct Gate {
    held: bool,
    fails: bool,
    waiting: usize,
    scans: usize,
}

impl Slow {
    fn change(&self, change: impl FnOnce(&mut Gate)) {
        change(&mut self.gate.0.lock().unwrap());
        self.gate.1.notify_all();
    }

    fn until(&self, holds: impl Fn(&Gate) -> bool) {
        drop(self.gate.1.wait_while(self.gate.0.lock().unwrap(), |gate| !holds(gate)).unwrap());
    }
}

impl Engine for Slow {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.memory.get(key)
    }

    fn scan(&self, range: &Range<Vec<u8>>, order: Order, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let mut seen = false;
        self.memory.scan(range, order, &mut |key, value| {
            seen = true;
            visit(key, value)
        })?;
        if seen {
            self.change(|gate| gate.scans += 1);
        }
        Ok(())
    }

    fn apply(&self, batch: Batch) -> Result<(), StoreError> {
        self.memory.apply(batch)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.change(|gate| gate.waiting += 1);
        self.until(|gate| !gate.held);
        let fails = self.gate.0.lock().unwrap().fails;
        self.change(|gate| gate.waiting -= 1);
        if fails { Err(StoreError::Unusable("as the test asked".into())) } else { self.memory.sync() }
    }

    fn free_bytes(&self) -> Option<u64> {
        None
    }

    fn describe(&self) -> String {
        self.memory.describe()
    }
}

/// A store with a text that is written and not synced, and a read that has seen it.
async fn seen_too_early() -> (Slow, tokio::task::JoinHandle<Result<usize, StoreError>>) {
    let engine = Slow::default();
    let store = Arc::new(KvStore::open(engine.clone(), Options::default()).unwrap());
    engine.change(|gate| gate.held = true);
    let accepting = Arc::clone(&store);
    tokio::spawn(async move { accepting.accept(text(1, "a")).await });
    let gate = engine.clone();
    tokio::task::spawn_blocking(move || gate.until(|gate| gate.waiting == 1)).await.unwrap();
    let scans = engine.gate.0.lock().unwrap().scans;
    let reading = tokio::spawn(async move { store.work(UnixMillis(0), None, 10).await.map(|page| page.keys.len()) });
    let gate = engine.clone();
    tokio::task::spawn_blocking(move || gate.until(|gate| gate.scans > scans)).await.unwrap();
    (engine, reading)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_durable_yet_is_not_shown() {
    let (engine, reading) = seen_too_early().await;
    for _ in 0..2_000 {
        assert!(!reading.is_finished(), "it was shown before it was durable");
        tokio::task::yield_now().await;
    }
    engine.change(|gate| gate.held = false);
    assert_eq!(reading.await.unwrap(), Ok(1));
    let mut kept = 0;
    let mut visit = |_: &[u8], _: &[u8]| {
        kept += 1;
        ControlFlow::Continue(())
    };
    let range = crate::keys::works_of(&crate::keys::Place::of(&key(1)));
    engine.memory.crash().scan(&range, Order::Ascending, &mut visit).unwrap();
    assert_eq!(kept, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_will_never_be_durable_is_never_shown() {
    let (engine, reading) = seen_too_early().await;
    engine.change(|gate| (gate.held, gate.fails) = (false, true));
    assert_eq!(reading.await.unwrap(), Err(StoreError::Unusable("as the test asked".into())));
}
