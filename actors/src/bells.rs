//! The bells of the conversations that are in memory. Who has accepted something for one rings it, and its shard, which hangs and takes
//! down the bell, need not pass that on: a hop less for each text, and no memory of a shard touched.
//!
//! A ring is a hint as any other, and may come before or behind what the shard was told earlier: the conversation looks into the store
//! whenever it was told of less than it was woken for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use raconteur_conversation::address::{ConversationKey, SHARDS};
use ractor::ActorRef;

use crate::conversation::{ConversationMsg, Fresh};
use crate::signs::Signs;

/// One conversation's.
struct Bell {
    actor: ActorRef<ConversationMsg>,
    signs: Arc<Signs>,
}

/// All of them, by their shards.
pub(crate) struct Bells(Vec<Mutex<BTreeMap<ConversationKey, Bell>>>);

impl Default for Bells {
    fn default() -> Self {
        Self((0..SHARDS).map(|_| Mutex::default()).collect())
    }
}

impl Bells {
    /// Tells a conversation of what was accepted for it. Comes back where there is no bell: it is not in memory.
    pub(crate) fn ring(&self, key: &ConversationKey, fresh: Box<Fresh>) -> Option<Box<Fresh>> {
        let bells = self.of_shard(key);
        let Some(Bell { actor, signs }) = bells.get(key) else { return Some(fresh) };
        signs.wake(Some(actor), fresh);
        None
    }

    /// From now on it is told directly.
    pub(crate) fn hang(&self, key: ConversationKey, actor: ActorRef<ConversationMsg>, signs: Arc<Signs>) {
        let mut bells = self.of_shard(&key);
        bells.insert(key, Bell { actor, signs });
    }

    /// From now on its shard is told. Whoever has rung before has left a sign.
    pub(crate) fn take_down(&self, key: &ConversationKey) {
        self.of_shard(key).remove(key);
    }

    fn of_shard(&self, key: &ConversationKey) -> MutexGuard<'_, BTreeMap<ConversationKey, Bell>> {
        self.0[usize::from(key.shard().0)].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
