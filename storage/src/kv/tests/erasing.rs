//! Erasures as they lie on the disk: in small batches however long a transcript is, whole after a crash at any write, and with nothing
//! left in which a number or a word could be read.

use raconteur_conversation::address::{Address, ConversationKey};
use raconteur_conversation::effect::{Erasure, Kept, Remains};
use raconteur_conversation::words::{InboundMessage, Sequence, Work};

use super::*;
use crate::committer::{FORMAT, Meta};
use crate::engine::{Batch, Order};
use crate::keys::{self, Place, RecordKey};
use crate::{Answered, Erase, record};

const WORD: &str = "xylophone";

fn key() -> ConversationKey {
    let address = |text| Address::parse(text).unwrap();
    ConversationKey { tenant: address("+15550100"), user: address("+15550177") }
}

fn text(id: &str) -> NewWork {
    let work = Work::Message(InboundMessage { body: WORD.into(), ..InboundMessage::default() });
    NewWork { key: key(), id: id.into(), accepted_at: UnixMillis(1), seed: 1, content: None, work }
}

fn page(sequence: Sequence) -> TranscriptTurn {
    let work = text("").work;
    let (accepted_at, answered_at) = (UnixMillis(1), UnixMillis(2));
    TranscriptTurn {
        sequence,
        session: None,
        work,
        accepted_at,
        asked_at: None,
        commands: Vec::new(),
        answered_at,
        asks: 1,
        error: None,
        answered_with: None,
        rows: Vec::new(),
    }
}

async fn accept(store: &impl Store, id: &str) -> Sequence {
    let Accepted::Fresh { sequence, .. } = store.accept(text(id)).await.unwrap() else { panic!("{id} was not taken") };
    sequence
}

fn erasing(version: Version, upto: Sequence) -> Step {
    let remains = Remains { snapshot: b"{}".to_vec(), kept: Kept::Lastingly };
    let erase = Some(Erase { erasure: Erasure { upto, remains }, at: UnixMillis(3) });
    Step { version, erase, ..Step::default() }
}

/// A conversation with a record, a deadline, two turns and an unread text. Returns what erases it.
async fn furnish(store: &impl Store, claim: Claim) -> Step {
    let mut version = Version(0);
    for id in ["1", "2"] {
        let sequence = accept(store, id).await;
        let answered = vec![Answered { sequence, rows: Vec::new(), transcript: Some(page(sequence)) }];
        let snapshot = Some(format!("{{\"a\":\"{WORD}\",\"b\":\"{}\"}}", "c".repeat(9_000)).into_bytes());
        let step = Step { version, snapshot, deadline: Some(UnixMillis(9)), answered, ..Step::default() };
        version = store.commit(claim, &key(), step).await.unwrap();
    }
    accept(store, "3").await;
    let request = accept(store, "erase").await;
    erasing(version, request)
}

fn open(engine: &MemoryEngine) -> KvStore<MemoryEngine> {
    KvStore::open_in_task(engine.clone(), Options::default()).unwrap()
}

async fn claim(store: &impl Store) -> Claim {
    store.claim(&[key().shard()]).await.unwrap()[0]
}

/// Keys and values in which the number or the word stands.
fn traces(engine: &impl Engine) -> Vec<Vec<u8>> {
    let number = key().user.to_string();
    let holds = |bytes: &[u8], word: &str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
    let mut found = Vec::new();
    engine
        .scan(&keys::everything(), Order::Ascending, &mut |key, value| {
            if [key, value].iter().any(|bytes| holds(bytes, &number) || holds(bytes, WORD)) {
                found.push(key.to_vec());
            }
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    found
}

#[tokio::test]
async fn a_hundred_thousand_turns_go_in_bounded_batches_and_leave_no_trace() {
    let engine = MemoryEngine::new();
    let erase = {
        let store = open(&engine);
        let claim = claim(&store).await;
        furnish(&store, claim).await
    };
    let place = Place::of(&key());
    let mut pages = Batch::new();
    for number in 0..100_000 {
        let record = RecordKey::transcript(&place, Sequence(number));
        pages.insert(record.chunk(0), Some(record::write_json(&page(Sequence(number))).unwrap().remove(0)));
    }
    engine.apply(pages).unwrap();
    engine.sync().unwrap();
    let meta = Batch::from([(keys::META_SEQUENCE.to_vec(), Some(800_000_u64.to_be_bytes().to_vec()))]);
    engine.apply(meta).unwrap();
    let store = open(&engine);
    let claim = claim(&store).await;
    let request = accept(&store, "erase all").await;
    let step = erasing(erase.version, request);
    store.commit(claim, &key(), step).await.unwrap();
    assert!(engine.last_batch() < 30, "{}", engine.last_batch());
    assert!(store.transcript(&key(), None, 10).await.unwrap().is_empty());
    let mut calls = 0;
    while store.remove_erased(1_000).await.unwrap() {
        calls += 1;
        assert!(engine.last_batch() <= 1_001, "{}", engine.last_batch());
    }
    assert!((100..110).contains(&calls), "{calls}");
    assert_eq!(traces(&engine), Vec::<Vec<u8>>::new());
}

#[tokio::test]
async fn after_a_crash_at_any_write_an_erasure_has_happened_whole_or_not_at_all() {
    let (mut before, mut after) = (0, 0);
    for nth in 1.. {
        let engine = MemoryEngine::new();
        let store = open(&engine);
        let held = claim(&store).await;
        let erase = furnish(&store, held).await;
        engine.fail_sync(nth);
        let committed = store.commit(held, &key(), erase).await.is_ok();
        let mut finished = committed;
        while finished && store.remove_erased(1).await.map_err(|_| finished = false) == Ok(true) {}
        drop(store);
        let engine = engine.crash();
        let store = open(&engine);
        let held = claim(&store).await;
        let loaded = store.load(held, &key(), 100).await.unwrap();
        let turns = store.transcript(&key(), None, 10).await.unwrap().len();
        if committed {
            after += 1;
            assert!(loaded.unread.is_empty() && loaded.is_remains && turns == 0);
        } else {
            before += 1;
            assert_eq!((loaded.unread.len(), turns, loaded.is_remains), (2, 2, false));
            continue;
        }
        while store.remove_erased(1).await.unwrap() {}
        assert_eq!(traces(&engine), Vec::<Vec<u8>>::new());
        if finished {
            break;
        }
    }
    assert!(before == 1 && after > 3, "{before} {after}");
}

#[tokio::test]
async fn only_a_store_in_which_something_was_erased_is_closed_to_older_versions() {
    let engine = MemoryEngine::new();
    engine.apply(Meta { format: 1, clean: true, salt: uuid::Uuid::nil(), sequence: None }.write()).unwrap();
    let store = open(&engine);
    let held = claim(&store).await;
    let erase = furnish(&store, held).await;
    let format = || engine.get(keys::META_FORMAT).unwrap();
    assert_eq!(format(), Some(1_u32.to_be_bytes().to_vec()));
    store.commit(held, &key(), erase).await.unwrap();
    assert_eq!(format(), Some(2_u32.to_be_bytes().to_vec()));
    drop(store);
    assert!(KvStore::open_in_task(engine.crash(), Options::default()).is_ok());
    // One that was begun by this version is closed to them from the beginning.
    let engine = MemoryEngine::new();
    let store = open(&engine);
    let held = claim(&store).await;
    let erase = furnish(&store, held).await;
    store.commit(held, &key(), erase).await.unwrap();
    assert_eq!(engine.get(keys::META_FORMAT).unwrap(), Some(FORMAT.to_be_bytes().to_vec()));
}

#[tokio::test]
async fn the_mark_of_an_erasure_that_is_damaged_is_removed_and_hides_nothing() {
    let engine = MemoryEngine::new();
    let store = open(&engine);
    let held = claim(&store).await;
    furnish(&store, held).await;
    engine.apply(Batch::from([(keys::erasure(&Place::of(&key())), Some(b"short".to_vec()))])).unwrap();
    assert!(store.remove_erased(10).await.unwrap() && !store.remove_erased(10).await.unwrap());
    assert_eq!(store.transcript(&key(), None, 10).await.unwrap().len(), 2);
}

/// While the first is carried out to its end, in one write with the second.
#[tokio::test]
async fn a_second_erasure_reaches_as_far_as_it_should() {
    let engine = MemoryEngine::new();
    let store = open(&engine);
    let held = claim(&store).await;
    let first = furnish(&store, held).await;
    let version = store.commit(held, &key(), first).await.unwrap();
    let sequence = accept(&store, "4").await;
    let answered = vec![Answered { sequence, rows: Vec::new(), transcript: Some(page(sequence)) }];
    let step = Step { version, snapshot: Some(b"{}".to_vec()), answered, ..Step::default() };
    let version = store.commit(held, &key(), step).await.unwrap();
    let request = accept(&store, "erase again").await;
    let key = key();
    let (second, removed) =
        tokio::join!(store.commit(held, &key, erasing(version, request)), store.remove_erased(1_000));
    assert!(second.is_ok() && removed.unwrap());
    assert!(store.transcript(&key, None, 10).await.unwrap().is_empty());
    while store.remove_erased(1_000).await.unwrap() {}
    assert_eq!(traces(&engine), Vec::<Vec<u8>>::new());
}
