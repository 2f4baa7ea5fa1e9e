//! What a conversation and those who wake it tell each other beside its mailbox.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ractor::ActorRef;
use tokio::time::Instant;

use crate::conversation::{ConversationMsg, Fresh};

/// See the module.
pub(crate) struct Signs {
    /// How often it was woken since it last looked. Told of the first time only, it looks into the store when there were more.
    pub(crate) wakes: AtomicU32,
    /// Set by a conversation that leaves because somebody else has moved it on in the store.
    pub(crate) overtaken: AtomicBool,
    /// The conversation has nothing to do, as far as it has read its messages: only then is it worth asking whether it leaves, or has
    /// missed anything. A crowded gateway looks ten times a second, and a message to each of thousands that are busy would be the most
    /// that it does.
    pub(crate) at_rest: AtomicBool,
    /// When somebody last had something for it.
    active_at: Mutex<Instant>,
}

impl Default for Signs {
    fn default() -> Self {
        Self {
            wakes: AtomicU32::default(),
            overtaken: AtomicBool::default(),
            at_rest: AtomicBool::default(),
            active_at: Mutex::new(Instant::now()),
        }
    }
}

impl Signs {
    pub(crate) fn is_woken(&self) -> bool {
        self.wakes.load(Ordering::Acquire) > 0
    }

    pub(crate) fn is_at_rest(&self) -> bool {
        self.at_rest.load(Ordering::Acquire)
    }

    pub(crate) fn active_at(&self) -> Instant {
        *self.activity()
    }

    fn activity(&self) -> MutexGuard<'_, Instant> {
        self.active_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes one that is not in memory, or the one that is, which is told of the first time only.
    pub(crate) fn wake(&self, actor: Option<&ActorRef<ConversationMsg>>, fresh: Box<Fresh>) {
        *self.activity() = Instant::now();
        let before = self.wakes.fetch_add(1, Ordering::AcqRel);
        if let Some(actor) = actor
            && before == 0
        {
            // A failing cast means that it is leaving or has failed: whoever takes its bell down finds it woken.
            let _ = actor.cast(ConversationMsg::Accepted(fresh));
        }
    }
}
