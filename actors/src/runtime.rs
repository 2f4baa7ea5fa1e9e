//! What the gateway's parts share: store, clock, tenants, shards, wheel, and the limits. Made by the gateway, owned by nobody.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use raconteur_conversation::address::{ConversationId, ConversationKey, Shard};
use raconteur_conversation::time::UnixMillis;
use raconteur_storage::{Opening, Store};
use ractor::ActorRef;
use tokio::sync::watch;

use crate::bells::Bells;
use crate::catch_up::CatchUp;
use crate::conversation::Fresh;
use crate::gateway::Fatal;
use crate::port::{Clock, Event, Forwarder, Incident, Observer, Timed};
use crate::recovery::Recovery;
use crate::residents::Residents;
use crate::shard::ShardMsg;
use crate::tenant::Directory;
use crate::wheel::Wheel;

/// The limits of a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A conversation that has been idle for this long leaves memory.
    pub idle_after: Duration,
    /// How many conversations may be in memory at once.
    pub max_resident: usize,
    /// How often the store is swept for work whose hint was lost.
    pub sweep_every: Duration,
    /// How many unread texts of one conversation are taken into memory at once.
    pub unread_max: usize,
    /// The first wait before a failed conversation is started again; doubled each time up to `restart_longest`.
    pub restart_first: Duration,
    /// The longest such wait.
    pub restart_longest: Duration,
    /// How long the marks that recognise a repeated text are kept.
    pub remember_duplicates: Duration,
    /// How often each conversation is looked at for turns that are older than its tenant keeps them.
    pub expire_every: Duration,
    /// How long after a text was refused the provider's log is read for it. A log that cannot be read, or that has texts for which
    /// there is no room yet, is read again after a wait that doubles from here on up to five minutes.
    pub catch_up_after: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            idle_after: Duration::from_secs(30),
            max_resident: 100_000,
            sweep_every: Duration::from_secs(1),
            unread_max: 100,
            restart_first: Duration::from_millis(100),
            restart_longest: Duration::from_secs(30),
            remember_duplicates: Duration::from_secs(72 * 3_600),
            expire_every: Duration::from_secs(24 * 3_600),
            catch_up_after: Duration::from_secs(5),
        }
    }
}

pub(crate) struct Runtime {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: Settings,
    pub(crate) opening: Opening,
    pub(crate) directory: Directory,
    pub(crate) forwarder: Option<Arc<dyn Forwarder>>,
    pub(crate) observers: Vec<Arc<dyn Observer>>,
    pub(crate) residents: Residents,
    pub(crate) bells: Bells,
    pub(crate) catch_up: CatchUp,
    pub(crate) recovery: Recovery,
    pub(crate) wheel: Wheel,
    pub(crate) stage: watch::Sender<Stage>,
    pub(crate) shards: OnceLock<Vec<ActorRef<ShardMsg>>>,
}

/// How far the gateway has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Starting,
    Running,
    Draining,
    Stopped,
    Failed(Fatal),
}

impl Runtime {
    pub(crate) fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    /// Tells everybody who wants to know.
    pub(crate) fn incident(&self, incident: &Incident) {
        for observer in &self.observers {
            observer.observe_incident(incident);
        }
    }

    /// Tells everybody who wants to know how long something has taken.
    pub(crate) fn timed(&self, what: Timed<'_>, took: Duration) {
        for observer in &self.observers {
            observer.observe_time(what, took);
        }
    }

    /// Tells everybody who wants to know of something in a conversation.
    pub(crate) fn observed(&self, key: &ConversationKey, event: &Event<'_>) {
        for observer in &self.observers {
            observer.observe(key, event);
        }
    }

    /// A conversation's name for logs.
    pub(crate) fn log_id(&self, key: &ConversationKey) -> ConversationId {
        key.log_id(self.opening.salt)
    }

    pub(crate) fn stage(&self) -> Stage {
        self.stage.borrow().clone()
    }

    /// The gateway cannot go on: everybody who waits for it is told. The first reason stays.
    pub(crate) fn fail(&self, fatal: Fatal) {
        self.stage.send_if_modified(|stage| match stage {
            Stage::Starting | Stage::Running | Stage::Draining => {
                *stage = Stage::Failed(fatal);
                true
            }
            Stage::Stopped | Stage::Failed(_) => false,
        });
    }

    /// Tells a conversation of what was just accepted for it: itself where it is in memory, else its shard.
    pub(crate) fn wake(&self, key: ConversationKey, fresh: Box<Fresh>) {
        if let Some(fresh) = self.bells.ring(&key, fresh) {
            self.tell(&key.clone(), ShardMsg::Accepted(key, fresh));
        }
    }

    /// Tells the shard of a conversation something. Lost before the shards run and after they stopped: the store is the truth.
    pub(crate) fn tell(&self, key: &ConversationKey, message: ShardMsg) {
        self.tell_shard(key.shard(), message);
    }

    /// As [`Runtime::tell`], for what concerns a whole shard.
    pub(crate) fn tell_shard(&self, shard: Shard, message: ShardMsg) {
        let shard = self.shards.get().and_then(|shards| shards.get(usize::from(shard.0)));
        if let Some(shard) = shard {
            let _ = shard.cast(message);
        }
    }
}
