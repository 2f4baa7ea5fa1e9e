//! A store of as many conversations as a test wants, written through the store's own interface, many at once.

use std::path::Path;
use std::sync::Arc;

use raconteur_actors::clock::SystemClock;
use raconteur_actors::port::Clock;
use raconteur_conversation::address::{Address, ConversationKey, SHARDS, Shard};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{OutboundId, OutboundRow, RowState, Work};
use raconteur_storage::{
    Accepted, Answered, Claim, KvStore, NewWork, Options, Step, Store, TranscriptRow, TranscriptTurn, Version, engine,
};
use serde_json::Value;
use tokio::task::JoinSet;

/// How many are written at once.
const AT_ONCE: u32 = 1_024;

/// How long a session goes on from now.
const AN_HOUR_MS: u64 = 3_600_000;

/// A store that a gateway can be started on once it is closed.
pub(crate) struct Stored {
    store: Arc<KvStore<engine::sled::SledEngine>>,
    claims: Arc<Vec<Claim>>,
}

pub(crate) fn now() -> UnixMillis {
    SystemClock::default().now()
}

pub(crate) fn key(tenant: &str, user: &str) -> ConversationKey {
    let number = |text: &str| Address::parse(text).expect("it is a number");
    ConversationKey { tenant: number(tenant), user: number(user) }
}

impl Stored {
    pub(crate) async fn create(path: &Path) -> Self {
        let engine = engine::sled::SledEngine::open(path, 256 << 20).expect("it opens");
        let store = KvStore::open(engine, Options { min_free: 0, ..Options::default() }).expect("it opens");
        let shards: Vec<Shard> = (0..SHARDS).map(Shard).collect();
        let claims = Arc::new(store.claim(&shards).await.expect("nobody else has them"));
        Self { store: Arc::new(store), claims }
    }

    /// Writes so many, each as `like` has it for its number: whose it is, and its snapshot. Where there is a session in it, it has a
    /// deadline.
    pub(crate) async fn fill(&self, count: u32, like: fn(u32) -> (ConversationKey, Value)) {
        let mut tasks = JoinSet::new();
        for first in 0..AT_ONCE {
            let (store, claims) = (Arc::clone(&self.store), Arc::clone(&self.claims));
            tasks.spawn(async move {
                for number in (first..count).step_by(AT_ONCE as usize) {
                    let (key, snapshot) = like(number);
                    let deadline = snapshot.get("session").map(|_| UnixMillis(now().0 + AN_HOUR_MS));
                    let snapshot = Some(snapshot.to_string().into_bytes());
                    let claim = claims[usize::from(key.shard().0)];
                    let step = Step { snapshot, deadline, ..Step::default() };
                    store.commit(claim, &key, step).await.expect("it is written");
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.expect("everything is written");
        }
    }

    /// Adds a turn to a conversation that has had `before` of them, with these texts and what else `like` says of it.
    pub(crate) async fn turn(
        &self,
        (key, before): (&ConversationKey, u32),
        (work, texts): (Work, &[(&str, RowState)]),
        like: impl FnOnce(&mut TranscriptTurn),
    ) {
        let (at, id) = (now(), format!("turn {before}"));
        let new = NewWork { key: key.clone(), id, accepted_at: at, seed: 0, content: None, work: work.clone() };
        let accepted = self.store.accept(new).await.expect("it is accepted");
        let Accepted::Fresh { sequence, .. } = accepted else { panic!("{accepted:?}") };
        let rows = (0_u16..).zip(texts).map(|(part, text)| row(OutboundId { turn: sequence, part }, text)).collect();
        let mut page = TranscriptTurn {
            sequence,
            session: None,
            work,
            accepted_at: at,
            asked_at: Some(UnixMillis(at.0 + 3)),
            answered_at: UnixMillis(at.0 + 640),
            asks: 1,
            commands: Vec::new(),
            error: None,
            answered_with: None,
            rows,
        };
        like(&mut page);
        let answered = vec![Answered { sequence, rows: Vec::new(), transcript: Some(page) }];
        let (version, snapshot) = (Version(u64::from(before)), Some(b"{}".to_vec()));
        self.commit(key, Step { version, snapshot, answered, ..Step::default() }).await;
    }

    pub(crate) async fn commit(&self, key: &ConversationKey, step: Step) {
        self.store.commit(self.claims[usize::from(key.shard().0)], key, step).await.expect("it is written");
    }

    pub(crate) async fn close(self) {
        self.store.close().await.expect("it closes");
    }
}

fn row(id: OutboundId, (text, state): &(&str, RowState)) -> TranscriptRow {
    let at = now();
    let (body, expires_at) = ((*text).to_owned(), UnixMillis(at.0 + AN_HOUR_MS));
    let row = OutboundRow { id, body, media: Vec::new(), expires_at, unasked: false, state: state.clone() };
    TranscriptRow { row, delivery: None, sent_at: Some(UnixMillis(at.0 + 655)) }
}
