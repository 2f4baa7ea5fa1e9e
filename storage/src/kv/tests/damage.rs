//! Records that cannot be read: each is set aside whole, and everything else goes on.

use std::ops::ControlFlow;

use super::grouping::{claim, in_task, key, text};
use super::*;
use crate::committer::FORMAT;
use crate::engine::{Batch, Order};
use crate::keys::{self, Place, RecordKey};

fn put(engine: &impl Engine, key: Vec<u8>, value: Option<&[u8]>) {
    engine.apply(Batch::from([(key, value.map(<[u8]>::to_vec))])).unwrap();
}

async fn accepted(store: &impl Store, id: &str) -> Sequence {
    match store.accept(text(1, id)).await {
        Ok(Accepted::Fresh { sequence, .. }) => sequence,
        other => panic!("{other:?}"),
    }
}

/// A store with a conversation of this snapshot, two unread records, and a deadline at 100.
async fn furnished(engine: &MemoryEngine, snapshot: Vec<u8>) -> (Arc<KvStore<MemoryEngine>>, Claim, [Sequence; 2]) {
    let store = in_task(engine);
    let claim = claim(&*store, 1).await;
    let unread = [accepted(&*store, "a").await, accepted(&*store, "b").await];
    let step = Step { snapshot: Some(snapshot), deadline: Some(UnixMillis(100)), ..Step::default() };
    store.commit(claim, &key(1), step).await.unwrap();
    (store, claim, unread)
}

fn record() -> RecordKey {
    RecordKey::conversation(&Place::of(&key(1)))
}

async fn deadlines(store: &impl Store) -> usize {
    store.deadlines(UnixMillis(1_000), None, 10).await.unwrap().len()
}

#[tokio::test]
async fn a_conversation_that_is_garbage_is_set_aside_and_starts_empty() {
    let engine = MemoryEngine::new();
    let (store, claim, unread) = furnished(&engine, b"snapshot".to_vec()).await;
    put(&engine, record().chunk(0), Some(b"\0garbage"));
    let stale = store.commit(claim, &key(1), Step { version: Version(1), ..Step::default() }).await;
    assert_eq!(stale, Err(StoreError::Stale));
    let loaded = store.load(claim, &key(1), 10).await.unwrap();
    assert_eq!((loaded.version, loaded.snapshot, loaded.damaged), (Version(0), None, 1));
    assert_eq!(loaded.unread.iter().map(|record| record.sequence).collect::<Vec<_>>(), unread);
    let letters = store.dead_letters(None, 10).await.unwrap();
    let [letter] = letters.as_slice() else { panic!("one letter: {letters:?}") };
    assert_eq!(letter.bytes.as_deref(), Some("0067617262616765"));
    assert_eq!(letter.key, Some(key(1)));
    assert!(letter.sequence > unread[1] && letter.reason.contains("damaged"), "{letter:?}");
    assert_eq!(store.load(claim, &key(1), 10).await.unwrap().damaged, 0);
    assert_eq!(engine.crash().get(&record().chunk(0)), Ok(None));
}

#[tokio::test]
async fn a_deadline_that_nobody_knows_any_more_is_not_listed_and_goes() {
    let engine = MemoryEngine::new();
    let (store, claim, _) = furnished(&engine, b"snapshot".to_vec()).await;
    assert_eq!(deadlines(&*store).await, 1);
    put(&engine, record().chunk(0), Some(b"\0garbage"));
    store.load(claim, &key(1), 10).await.unwrap();
    assert_eq!(deadlines(&*store).await, 0);
    store.load(claim, &key(1), 10).await.unwrap();
    assert_eq!(engine.get(&keys::deadline(UnixMillis(100), &Place::of(&key(1)))), Ok(None));
}

#[tokio::test]
async fn a_missing_or_changed_chunk_damages_the_conversation() {
    for value in [None, Some(&b"other bytes"[..])] {
        let engine = MemoryEngine::new();
        let (store, claim, _) = furnished(&engine, vec![7; 20_000]).await;
        put(&engine, record().chunk(3), value);
        let loaded = store.load(claim, &key(1), 10).await.unwrap();
        assert_eq!((loaded.snapshot, loaded.damaged, loaded.unread.len()), (None, 1, 2));
        assert_eq!(deadlines(&*store).await, 0, "its entry went along");
        let mut left = 0;
        let mut visit = |_: &[u8], _: &[u8]| {
            left += 1;
            ControlFlow::Continue(())
        };
        engine.scan(&record().range(), Order::Ascending, &mut visit).unwrap();
        assert_eq!(left, 0);
        let step = Step { snapshot: Some(b"anew".to_vec()), ..Step::default() };
        assert_eq!(store.commit(claim, &key(1), step).await, Ok(Version(1)));
    }
}

#[tokio::test]
async fn a_damaged_work_record_is_set_aside_and_the_rest_is_returned() {
    let engine = MemoryEngine::new();
    let (store, claim, [first, second]) = furnished(&engine, b"snapshot".to_vec()).await;
    let work = RecordKey::work(&Place::of(&key(1)), first).chunk(0);
    let mut bytes = engine.get(&work).unwrap().unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    put(&engine, work.clone(), Some(&bytes));
    let loaded = store.load(claim, &key(1), 10).await.unwrap();
    assert_eq!((loaded.version, loaded.damaged), (Version(1), 1));
    assert_eq!(loaded.unread.iter().map(|record| record.sequence).collect::<Vec<_>>(), [second]);
    assert_eq!(engine.get(&work), Ok(None));
    assert_eq!(store.dead_letters(None, 10).await.unwrap().len(), 1);
    let answered = vec![crate::Answered { sequence: first, rows: Vec::new(), transcript: None }];
    let gone = Step { version: Version(1), answered, ..Step::default() };
    assert_eq!(store.commit(claim, &key(1), gone).await, Err(StoreError::Stale));
}

#[tokio::test]
async fn work_that_is_unreadable_at_opening_is_listed_so_that_it_is_set_aside() {
    let engine = MemoryEngine::new();
    drop(in_task(&engine));
    put(&engine, RecordKey::work(&Place::of(&key(1)), Sequence(5)).chunk(0), Some(b"?"));
    let store = in_task(&engine);
    let keys = store.work(UnixMillis(0), None, 10).await.unwrap().keys;
    assert_eq!(keys, [key(1)]);
    let claim = claim(&*store, 1).await;
    assert_eq!(store.load(claim, &key(1), 10).await.unwrap().damaged, 1);
    assert!(store.work(UnixMillis(0), None, 10).await.unwrap().keys.is_empty());
}

#[tokio::test]
async fn a_record_of_a_newer_version_is_left_alone() {
    let engine = MemoryEngine::new();
    let (store, claim, _) = furnished(&engine, b"snapshot".to_vec()).await;
    let mut bytes = engine.get(&record().chunk(0)).unwrap().unwrap();
    bytes[0] = 2;
    put(&engine, record().chunk(0), Some(&bytes));
    let newer = StoreError::Newer { found: 2, supported: 1 };
    assert_eq!(store.load(claim, &key(1), 10).await.unwrap_err(), newer);
    assert_eq!(store.commit(claim, &key(1), Step::default()).await, Err(newer));
    assert_eq!(engine.get(&record().chunk(0)), Ok(Some(bytes)));
    assert!(store.dead_letters(None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_store_of_a_newer_format_is_not_opened() {
    let engine = MemoryEngine::new();
    drop(in_task(&engine));
    put(&engine, keys::META_FORMAT.to_vec(), Some(&7_u32.to_be_bytes()));
    let refused = KvStore::open_in_task(engine, Options::default()).err();
    assert_eq!(refused, Some(StoreError::Newer { found: 7, supported: FORMAT }));
}

#[tokio::test]
async fn records_without_a_format_are_no_store() {
    let engine = MemoryEngine::new();
    put(&engine, b"something".to_vec(), Some(b"else"));
    assert!(matches!(KvStore::open_in_task(engine, Options::default()).err(), Some(StoreError::Corrupt { .. })));
}

#[cfg(feature = "sled")]
#[tokio::test]
async fn a_store_of_a_newer_format_on_disk_is_not_opened_and_not_changed() {
    let disk = on_disk::Disk::new();
    drop(disk.open(Options::default()).await);
    let engine = disk.engine().unwrap();
    put(&engine, keys::META_FORMAT.to_vec(), Some(&7_u32.to_be_bytes()));
    engine.sync().unwrap();
    drop(engine);
    for _ in 0..2 {
        let refused = KvStore::open(disk.engine().unwrap(), Options::default()).err();
        assert_eq!(refused, Some(StoreError::Newer { found: 7, supported: FORMAT }));
    }
}

/// An engine that cannot read a tenant's usage while it is told not to.
struct Blind(MemoryEngine, std::sync::atomic::AtomicBool);

impl Engine for Blind {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match key.first() {
            Some(b'u') if self.1.load(std::sync::atomic::Ordering::Relaxed) => {
                Err(StoreError::Unusable("blind".into()))
            }
            _ => self.0.get(key),
        }
    }
    fn scan(
        &self,
        range: &std::ops::Range<Vec<u8>>,
        order: Order,
        visit: &mut crate::engine::Visit<'_>,
    ) -> Result<(), StoreError> {
        self.0.scan(range, order, visit)
    }
    fn apply(&self, batch: Batch) -> Result<(), StoreError> {
        self.0.apply(batch)
    }
    fn sync(&self) -> Result<(), StoreError> {
        self.0.sync()
    }
    fn free_bytes(&self) -> Option<u64> {
        None
    }
    fn describe(&self) -> String {
        self.0.describe()
    }
}

#[tokio::test]
async fn a_counter_that_cannot_be_read_leaves_nothing_of_a_request_behind() {
    let store = KvStore::open_in_task(Blind(MemoryEngine::new(), false.into()), Options::default()).unwrap();
    let blind = |is_blind| store.engine.1.store(is_blind, std::sync::atomic::Ordering::Relaxed);
    let claim = claim(&store, 1).await;
    blind(true);
    assert!(store.accept(text(1, "a")).await.is_err());
    assert!(store.load(claim, &key(1), 10).await.unwrap().unread.is_empty(), "what was refused is not there");
    blind(false);
    let sequence = accepted(&store, "a").await;
    let page = crate::TranscriptTurn {
        sequence,
        session: None,
        work: text(1, "a").work,
        accepted_at: UnixMillis(1),
        asked_at: None,
        commands: Vec::new(),
        answered_at: UnixMillis(2),
        asks: 1,
        answered_with: None,
        error: None,
        rows: Vec::new(),
    };
    let answered = vec![crate::Answered { sequence, rows: Vec::new(), transcript: Some(page) }];
    let step = Step { snapshot: Some(b"s".to_vec()), answered, ..Step::default() };
    blind(true);
    assert!(store.commit(claim, &key(1), step.clone()).await.is_err());
    assert_eq!(store.load(claim, &key(1), 10).await.unwrap().unread.len(), 1);
    blind(false);
    assert_eq!(store.commit(claim, &key(1), step).await, Ok(Version(1)));
}

#[tokio::test]
async fn a_conversation_that_cannot_be_read_hides_none_of_its_neighbours_from_a_list() {
    let engine = MemoryEngine::new();
    let store = in_task(&engine);
    let shard = key(1).shard();
    let neighbours: Vec<u32> = (1..100_000).filter(|user| key(*user).shard() == shard).take(4).collect();
    let claim = claim(&*store, 1).await;
    for user in &neighbours {
        let step = Step { snapshot: Some(b"s".to_vec()), ..Step::default() };
        store.commit(claim, &key(*user), step).await.unwrap();
    }
    let record = |user| RecordKey::conversation(&Place::of(&key(user))).chunk(0);
    put(&engine, record(neighbours[0]), Some(b"\0garbage"));
    let mut newer = engine.get(&record(neighbours[1])).unwrap().unwrap();
    newer[0] = 2;
    put(&engine, record(neighbours[1]), Some(&newer));
    let page = store.conversations(&key(1).tenant, None, 3).await.unwrap();
    let listed: Vec<_> = page.into_iter().map(|listed| (listed.key, listed.snapshot)).collect();
    let expected = [(0, None), (1, None), (2, Some(b"s".to_vec()))];
    assert_eq!(listed, expected.map(|(index, snapshot): (usize, _)| (key(neighbours[index]), snapshot)));
}

#[tokio::test]
async fn a_dead_letter_and_a_page_of_a_newer_version_hide_no_others() {
    let engine = MemoryEngine::new();
    let (store, claim, [first, second]) = furnished(&engine, b"snapshot".to_vec()).await;
    let letter = |sequence| DeadLetter {
        sequence,
        key: None,
        at: UnixMillis(1),
        reason: "a test".into(),
        work: None,
        bytes: None,
    };
    let answered = |sequence| crate::Answered { sequence, rows: Vec::new(), transcript: Some(page(sequence)) };
    let step = Step {
        version: Version(1),
        answered: [first, second].map(answered).into(),
        dead_letters: [first, second].map(letter).into(),
        ..Step::default()
    };
    store.commit(claim, &key(1), step).await.unwrap();
    for record in [RecordKey::dead_letter(first), RecordKey::transcript(&Place::of(&key(1)), first)] {
        let mut value = engine.get(&record.chunk(0)).unwrap().unwrap();
        value[0] = 2;
        put(&engine, record.chunk(0), Some(&value));
    }
    let letters = store.dead_letters(None, 10).await.unwrap();
    assert_eq!(letters.iter().map(|letter| letter.sequence).collect::<Vec<_>>(), [second]);
    let pages = store.transcript(&key(1), None, 10).await.unwrap();
    assert_eq!(pages.iter().map(|page| page.sequence).collect::<Vec<_>>(), [second]);
}

fn page(sequence: Sequence) -> TranscriptTurn {
    TranscriptTurn {
        sequence,
        session: None,
        work: text(1, "a").work,
        accepted_at: UnixMillis(1),
        asked_at: None,
        commands: Vec::new(),
        answered_at: UnixMillis(2),
        asks: 1,
        error: None,
        answered_with: None,
        rows: Vec::new(),
    }
}
