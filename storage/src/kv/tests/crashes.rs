//! The plug is pulled at every write and every sync of a short life: what was acknowledged is there, and nothing is there in part.

use raconteur_conversation::words::{OutboundId, OutboundRow, RowState};

use super::grouping::{claim, in_task, key, text};
use super::*;
use crate::{Answered, DeadlineIndex};

const TURNS: u32 = 6;

/// What a life was told before it ended.
#[derive(Default)]
struct Told {
    accepted: Vec<(u32, Sequence)>,
    committed: u32,
}

fn turn(sequence: Sequence, number: u32) -> Step {
    let row = OutboundRow {
        id: OutboundId { turn: sequence, part: 0 },
        body: number.to_string(),
        media: Vec::new(),
        expires_at: UnixMillis(9),
        unasked: false,
        state: RowState::Queued,
    };
    Step {
        version: Version(u64::from(number)),
        // Of several chunks, so that there is something to tear.
        snapshot: Some(vec![u8::try_from(number).unwrap(); 10_000]),
        deadline: Some(UnixMillis(100 + u64::from(number))),
        index: DeadlineIndex::Exact,
        answered: vec![Answered { sequence, rows: vec![row], transcript: None }],
        ..Step::default()
    }
}

async fn live(store: &KvStore<MemoryEngine>) -> (Told, Result<(), StoreError>) {
    let mut told = Told::default();
    let ended = async {
        let claim = store.claim(&[key(1).shard()]).await?[0];
        for number in 0..TURNS {
            let Accepted::Fresh { sequence, .. } = store.accept(text(1, &number.to_string())).await? else {
                panic!("nothing repeats")
            };
            told.accepted.push((number, sequence));
            store.commit(claim, &key(1), turn(sequence, number)).await?;
            told.committed = number + 1;
        }
        Ok(())
    };
    let ended = ended.await;
    (told, ended)
}

async fn check(engine: MemoryEngine, told: &Told) {
    let store = in_task(&engine);
    let claim = claim(&*store, 1).await;
    let loaded = store.load(claim, &key(1), 100).await.unwrap();
    let version = u32::try_from(loaded.version.0).unwrap();
    assert_eq!(loaded.damaged, 0);
    assert!(version >= told.committed, "version {version}, told {}", told.committed);
    let deadlines = store.deadlines(UnixMillis(u64::MAX), None, 10).await.unwrap();
    match version.checked_sub(1) {
        None => assert!(loaded.snapshot.is_none() && deadlines.is_empty()),
        Some(last) => {
            assert_eq!(loaded.snapshot, Some(vec![u8::try_from(last).unwrap(); 10_000]));
            assert_eq!(deadlines, [(UnixMillis(100 + u64::from(last)), key(1))]);
        }
    }
    // A turn is either unread or has its row, never both and never neither.
    let unread: Vec<_> = loaded.unread.iter().map(|record| record.sequence).collect();
    let rows: Vec<_> = loaded.unsettled.iter().map(|(row, _)| row.id.turn).collect();
    assert_eq!(rows.len(), usize::try_from(version).unwrap());
    for (number, sequence) in &told.accepted {
        assert_eq!(rows.contains(sequence), *number < version);
        assert_eq!(unread.contains(sequence), *number >= version);
        let again = store.accept(text(1, &number.to_string())).await;
        assert_eq!(again, Ok(Accepted::Duplicate(*sequence)));
    }
    let next = store.accept(text(2, "next")).await.unwrap();
    let Accepted::Fresh { sequence: next, .. } = next else { panic!("it is new: {next:?}") };
    assert!(told.accepted.iter().all(|(_, sequence)| *sequence < next));
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_crash_at_any_write_and_nothing_is_torn() {
    for fail in [MemoryEngine::fail_apply, MemoryEngine::fail_sync] {
        let mut nth = 1;
        loop {
            let engine = MemoryEngine::new();
            let store = in_task(&engine);
            fail(&engine, nth);
            let (told, ended) = live(&store).await;
            check(engine.crash(), &told).await;
            if ended.is_ok() {
                assert_eq!(told.committed, TURNS);
                break;
            }
            nth += 1;
        }
        assert_eq!(nth, u64::from(2 * TURNS) + 2, "one claim and two writes a turn were interrupted");
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_the_whole_of_its_commit_or_nothing() {
    let engine = MemoryEngine::new();
    let store = in_task(&engine);
    let first = claim(&*store, 1).await;
    let Ok(Accepted::Fresh { sequence, .. }) = store.accept(text(1, "a")).await else { panic!("it is the first") };
    let other = Arc::clone(&store);
    let committing = tokio::spawn(async move { other.commit(first, &key(1), turn(sequence, 0)).await });
    tokio::task::yield_now().await;
    committing.abort();
    // Ordered behind it: whatever became of the commit is on disk when this returns.
    let loaded = store.load(first, &key(1), 10).await.unwrap();
    let after = in_task(&engine.crash());
    let second = claim(&*after, 1).await;
    let found = after.load(second, &key(1), 10).await.unwrap();
    assert_eq!((loaded.version, loaded.unread.len()), (found.version, found.unread.len()));
    assert_eq!(found.unread.len() + found.unsettled.len(), 1);
    assert_eq!(found.snapshot.is_some(), found.unread.is_empty());
}
