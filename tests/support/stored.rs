//! A store of as many conversations as a test wants, written through the store's own interface, many at once.

use std::path::Path;
use std::sync::Arc;

use raconteur_conversation::address::{Address, ConversationKey, SHARDS, Shard};
use raconteur_conversation::time::UnixMillis;
use raconteur_storage::{Claim, KvStore, Options, Step, Store, engine};
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
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is later than 1970");
    UnixMillis(u64::try_from(since.as_millis()).expect("it is not that late"))
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

    pub(crate) async fn commit(&self, key: &ConversationKey, step: Step) {
        self.store.commit(self.claims[usize::from(key.shard().0)], key, step).await.expect("it is written");
    }

    /// For what is not a step.
    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    pub(crate) async fn close(self) {
        self.store.close().await.expect("it closes");
    }
}
