//! The ways to the conversations that are in memory. Who has accepted something for one knocks at its door, and its shard, which opens
//! and closes it, need not pass that on: a hop less for each text, and no memory of a shard touched.
//!
//! A knock is a hint as any other, and may come before or behind what the shard was told earlier: the conversation looks into the store
//! whenever it was told of less than it was woken for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use raconteur_conversation::address::{ConversationKey, SHARDS};
use ractor::ActorRef;

use crate::conversation::{ConversationMsg, Fresh};
use crate::signs::Signs;

/// One conversation's.
struct Door {
    actor: ActorRef<ConversationMsg>,
    signs: Arc<Signs>,
}

/// Those of one shard.
type Corridor = Mutex<BTreeMap<ConversationKey, Door>>;

/// All of them.
pub(crate) struct Doors(Vec<Corridor>);

impl Default for Doors {
    fn default() -> Self {
        Self((0..SHARDS).map(|_| Corridor::default()).collect())
    }
}

impl Doors {
    /// Tells a conversation of what was accepted for it. What it cannot be told comes back: it is not in memory.
    pub(crate) fn knock(&self, key: &ConversationKey, fresh: Box<Fresh>) -> Option<Box<Fresh>> {
        let corridor = self.corridor(key);
        let Some(Door { actor, signs }) = corridor.get(key) else { return Some(fresh) };
        signs.knock(Some(actor), fresh);
        None
    }

    /// From now on it is told directly.
    pub(crate) fn open(&self, key: ConversationKey, actor: ActorRef<ConversationMsg>, signs: Arc<Signs>) {
        self.corridor(&key).insert(key.clone(), Door { actor, signs });
    }

    /// From now on its shard is told. Whoever knocked before has left a sign.
    pub(crate) fn close(&self, key: &ConversationKey) {
        self.corridor(key).remove(key);
    }

    fn corridor(&self, key: &ConversationKey) -> MutexGuard<'_, BTreeMap<ConversationKey, Door>> {
        let corridor = &self.0[usize::from(key.shard().0)];
        corridor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
