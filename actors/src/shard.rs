//! A shard: one claim, and the supervisor of its conversations. It brings a conversation into memory when there is something
//! to do, sends it back to disk when it is idle, and starts it again, after a pause, when it failed.
//!
//! What is accepted for a conversation in memory rings its bell and does not come by here (`bells.rs`): a shard hangs it, and takes it down
//! when the conversation has left or failed.
//!
//! It never waits: loading runs in a task and comes back as a message. It parks nothing: what a conversation misses while it
//! loads, leaves or restarts is in the store, and the entry remembers that it was woken.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::retry::Backoff;
use raconteur_conversation::words::{OutboundId, ProviderId};
use raconteur_storage::{Claim, DeadlineIndex, Loaded, StoreError};
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use tokio::time::Instant;

use crate::conversation::{Activation, ConversationActor, ConversationMsg, Fresh, Reason, Resident};
use crate::gateway::Fatal;
use crate::recovery::Suspect;
use crate::residents::Room;
use crate::runtime::{Runtime, Stage};
use crate::signs::Signs;
use crate::wheel::Origin;

/// After this long without a failure a conversation's failures are forgotten.
const FORGET_FAILURES: Duration = Duration::from_secs(60);

/// How many receipts are kept for a conversation that is being loaded: more than it can have texts under way.
const TAKEN_MAX: usize = 16;

/// What a shard is told.
#[derive(Debug)]
pub(crate) enum ShardMsg {
    /// This was accepted for this conversation, which had no bell. A hint, with a copy that saves reading it where it has one by now.
    Accepted(ConversationKey, Box<Fresh>),
    /// The store's sweep found work for it. Of interest only if it is not at work already.
    /// After an unclean start no suspect runs alone before this was looked at.
    Found(ConversationKey, Option<Suspect>),
    /// There is room for it now: it has waited for that.
    Enter(ConversationKey, Room),
    /// One of its deadlines has come.
    Due(ConversationKey, Origin),
    /// A receipt proves that one of its texts was taken.
    Taken(ConversationKey, OutboundId, ProviderId),
    /// What the store has of it.
    Loaded(ConversationKey, Result<Box<Loaded>, StoreError>),
    /// The pause after a failure is over.
    Restart(ConversationKey),
    /// Send back to disk those that have been idle for this long, the longest idle first, as far as the quota goes.
    Passivate(Duration, Quota),
    /// Let every conversation finish its turn and go; answer when none is left.
    Drain(RpcReplyPort<()>),
}

/// How many conversations of all shards together are to leave. Clones are the same quota.
#[derive(Clone, Debug)]
pub(crate) struct Quota(Arc<AtomicUsize>);

impl Quota {
    pub(crate) fn new(most: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(most)))
    }

    fn is_used_up(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// Whether one more is to leave.
    fn take(&self) -> bool {
        self.0.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

/// See the module.
pub(crate) struct ShardActor;

/// A shard's memory.
pub(crate) struct Shard {
    runtime: Arc<Runtime>,
    claim: Claim,
    entries: BTreeMap<ConversationKey, Entry>,
    /// Nothing is brought into memory again.
    closing: bool,
    /// Who waits until none is left.
    draining: Option<RpcReplyPort<()>>,
}

struct Entry {
    /// `None` while it is being loaded, or waits to be started again.
    live: Option<ActorRef<ConversationMsg>>,
    signs: Arc<Signs>,
    /// What the next activation is to be told. Boxed, like the failure: one that is in memory and well has neither.
    next: Option<Box<Next>>,
    failure: Option<Box<Failure>>,
    _room: Room,
}

/// What a conversation is told that is being loaded.
#[derive(Default)]
struct Next {
    /// Why it is being started again; `None` for an ordinary activation.
    reason: Option<String>,
    /// How the first step follows the list of deadlines: exactly when a listed one has brought it into memory.
    index: DeadlineIndex,
    /// Given up once it was looked at.
    looked_at: Option<Suspect>,
    /// Texts that a receipt proved taken meanwhile.
    taken: Vec<(OutboundId, ProviderId)>,
}

/// How often a conversation has failed lately.
struct Failure {
    count: u32,
    at: Instant,
}

impl Entry {
    /// A deadline has come before it was in memory.
    fn listed(&mut self, origin: Origin) {
        match origin {
            Origin::Listed => self.next().index = DeadlineIndex::Exact,
            Origin::Armed => {}
        }
    }

    fn next(&mut self) -> &mut Next {
        self.next.get_or_insert_default()
    }
}

impl Actor for ShardActor {
    type Msg = ShardMsg;
    type State = Shard;
    type Arguments = (Arc<Runtime>, Claim);

    async fn pre_start(
        &self,
        _myself: ActorRef<ShardMsg>,
        (runtime, claim): (Arc<Runtime>, Claim),
    ) -> Result<Shard, ActorProcessingErr> {
        Ok(Shard { runtime, claim, entries: BTreeMap::new(), closing: false, draining: None })
    }

    async fn handle(
        &self,
        myself: ActorRef<ShardMsg>,
        message: ShardMsg,
        shard: &mut Shard,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ShardMsg::Accepted(key, fresh) => shard.wake(&myself, key, fresh),
            ShardMsg::Found(key, looked_at) => shard.found(&myself, &key, looked_at),
            ShardMsg::Enter(key, room) => shard.admitted(&myself, key, room),
            ShardMsg::Due(key, origin) => shard.due(&myself, &key, origin),
            ShardMsg::Taken(key, id, provider_id) => shard.taken(&key, id, provider_id),
            ShardMsg::Loaded(key, Ok(loaded)) => shard.activate(&myself, key, *loaded).await,
            ShardMsg::Loaded(key, Err(error)) => shard.load_failed(&key, error),
            ShardMsg::Restart(key) => shard.restart(&myself, key),
            ShardMsg::Passivate(idle_after, quota) => shard.passivate(idle_after, &quota),
            ShardMsg::Drain(reply) => shard.drain(reply),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<ShardMsg>,
        event: SupervisionEvent,
        shard: &mut Shard,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorTerminated(who, state, _) => {
                let resident = state.and_then(|mut state| state.take::<Box<Resident>>().ok());
                if let Some(key) = shard.whose(who.get_id(), resident.map(|resident| resident.key().clone())) {
                    shard.left(&myself, key);
                }
            }
            SupervisionEvent::ActorFailed(who, error) => {
                if let Some(key) = shard.whose(who.get_id(), None) {
                    shard.failed(&myself, &key, &error.to_string());
                }
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        Ok(())
    }
}

impl Shard {
    fn wake(&mut self, myself: &ActorRef<ShardMsg>, key: ConversationKey, fresh: Box<Fresh>) {
        let Some(entry) = self.entries.get(&key) else { return self.enter(myself, key) };
        entry.signs.wake(entry.live.as_ref(), fresh);
    }

    fn found(&mut self, myself: &ActorRef<ShardMsg>, key: &ConversationKey, looked_at: Option<Suspect>) {
        if let Some(Entry { live: Some(actor), signs, .. }) = self.entries.get(key) {
            if looked_at.is_some() || signs.is_at_rest() {
                let _ = actor.cast(ConversationMsg::Found(looked_at));
            }
            return;
        }
        if !self.entries.contains_key(key) {
            self.enter(myself, key.clone());
        }
        if let Some(entry) = self.entries.get_mut(key).filter(|_| looked_at.is_some()) {
            entry.next().looked_at = looked_at;
        }
    }

    fn due(&mut self, myself: &ActorRef<ShardMsg>, key: &ConversationKey, origin: Origin) {
        match self.entries.get_mut(key) {
            Some(Entry { live: Some(actor), .. }) => {
                let _ = actor.cast(ConversationMsg::Due(origin));
            }
            Some(entry) => entry.listed(origin),
            None => {
                self.enter(myself, key.clone());
                if let Some(entry) = self.entries.get_mut(key) {
                    entry.listed(origin);
                }
            }
        }
    }

    /// Of use only to a conversation that has the text in doubt; one that is on disk finds it settled there.
    fn taken(&mut self, key: &ConversationKey, id: OutboundId, provider_id: ProviderId) {
        match self.entries.get_mut(key) {
            Some(Entry { live: Some(actor), .. }) => {
                let _ = actor.cast(ConversationMsg::Taken(id, provider_id));
            }
            Some(entry) => {
                let taken = &mut entry.next().taken;
                if taken.len() < TAKEN_MAX {
                    taken.push((id, provider_id));
                }
            }
            None => {}
        }
    }

    /// Brings a conversation into memory, if there is room; otherwise it stands in line or is found by the sweep.
    fn enter(&mut self, myself: &ActorRef<ShardMsg>, key: ConversationKey) {
        // Texts of a number that is not configured rest in the store, and the sweep names them again and again.
        let Some(tenant) = self.runtime.directory.find(&key.tenant).filter(|_| !self.closing) else { return };
        // Every conversation would have a copy of our number of its own.
        let key = ConversationKey { tenant: tenant.number.clone(), ..key };
        if let Some(room) = self.runtime.residents.enter(&key) {
            self.begin(myself, key, room);
        }
    }

    /// Its turn in the line has come.
    fn admitted(&mut self, myself: &ActorRef<ShardMsg>, key: ConversationKey, room: Room) {
        if self.closing || self.entries.contains_key(&key) || self.runtime.directory.find(&key.tenant).is_none() {
            drop(room);
            return self.let_next_in();
        }
        self.begin(myself, key, room);
    }

    fn begin(&mut self, myself: &ActorRef<ShardMsg>, key: ConversationKey, room: Room) {
        let entry = Entry { live: None, signs: Arc::default(), next: None, failure: None, _room: room };
        self.entries.insert(key.clone(), entry);
        self.load(myself, key);
    }

    fn load(&self, myself: &ActorRef<ShardMsg>, key: ConversationKey) {
        let (runtime, claim, shard) = (Arc::clone(&self.runtime), self.claim, myself.clone());
        tokio::spawn(async move {
            let loaded = runtime.store.load(claim, &key, runtime.settings.unread_max).await;
            let _ = shard.cast(ShardMsg::Loaded(key, loaded.map(Box::new)));
        });
    }

    async fn activate(&mut self, myself: &ActorRef<ShardMsg>, key: ConversationKey, loaded: Loaded) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let Some(tenant) = self.runtime.directory.find(&key.tenant) else {
            tracing::debug!(conversation = %self.runtime.log_id(&key), "its tenant is not configured");
            self.forget(&key);
            return;
        };
        let Next { reason, index, looked_at, taken } = *entry.next.take().unwrap_or_default();
        let activation = Activation {
            runtime: Arc::clone(&self.runtime),
            claim: self.claim,
            key: key.clone(),
            tenant,
            loaded,
            reason: reason.map_or(Reason::Woken, Reason::Failed),
            index,
            looked_at,
            signs: Arc::clone(&entry.signs),
        };
        let missed = entry.signs.look().is_woken;
        match ConversationActor::spawn_linked(None, ConversationActor, Box::new(activation), myself.get_cell()).await {
            Ok((actor, _)) => {
                entry.live = Some(actor.clone());
                for (id, provider_id) in taken {
                    let _ = actor.cast(ConversationMsg::Taken(id, provider_id));
                }
                if missed && entry.signs.hint() {
                    let _ = actor.cast(ConversationMsg::Wake);
                }
                self.runtime.bells.hang(key, actor, Arc::clone(&entry.signs));
            }
            Err(error) => {
                entry.next().taken = taken;
                self.pause(myself, &key, Some(error.to_string()));
            }
        }
    }

    /// A record that this version cannot read is one conversation's affair; a store that cannot be read is everybody's.
    fn load_failed(&mut self, key: &ConversationKey, error: StoreError) {
        self.forget(key);
        match error {
            StoreError::Newer { .. } | StoreError::Corrupt { .. } => {
                tracing::error!(conversation = %self.runtime.log_id(key), %error, "a conversation cannot be loaded");
            }
            StoreError::Fenced(_)
            | StoreError::Stale
            | StoreError::Locked { .. }
            | StoreError::Behind { .. }
            | StoreError::Incomplete { .. }
            | StoreError::WrongPlace { .. }
            | StoreError::Unusable(_) => {
                self.runtime.fail(Fatal::Store(error));
            }
        }
    }

    /// The conversation of an actor that has ended, by what that said itself. Where it could not, all of them are looked at: seldom.
    fn whose(&self, id: ActorId, said: Option<ConversationKey>) -> Option<ConversationKey> {
        let is_its = |entry: &Entry| entry.live.as_ref().is_some_and(|actor| actor.get_id() == id);
        match said {
            Some(key) => Some(key).filter(|key| self.entries.get(key).is_some_and(is_its)),
            None => self.entries.iter().find(|(_, entry)| is_its(entry)).map(|(key, _)| key.clone()),
        }
    }

    /// A conversation left by itself.
    fn left(&mut self, myself: &ActorRef<ShardMsg>, key: ConversationKey) {
        self.runtime.bells.take_down(&key);
        let signs = self.entries.get(&key).map(|entry| Arc::clone(&entry.signs)).unwrap_or_default();
        // Once in a while that is nothing; again and again it must not keep a processor busy.
        if signs.overtaken.swap(false, Ordering::AcqRel) && !self.closing {
            return self.pause(myself, &key, None);
        }
        self.forget(&key);
        if signs.is_woken() {
            self.enter(myself, key);
        }
    }

    fn failed(&mut self, myself: &ActorRef<ShardMsg>, key: &ConversationKey, error: &str) {
        tracing::error!(conversation = %self.runtime.log_id(key), error, "a conversation failed and is started again");
        self.pause(myself, key, Some(error.to_owned()));
    }

    /// Starts a conversation again after a while, longer each time: with the reason where it has failed.
    fn pause(&mut self, myself: &ActorRef<ShardMsg>, key: &ConversationKey, reason: Option<String>) {
        self.runtime.bells.take_down(key);
        let Some(entry) = self.entries.get_mut(key) else { return };
        let lately = entry.failure.take().filter(|failure| failure.at.elapsed() < FORGET_FAILURES);
        let count = lately.map_or(0, |failure| failure.count).saturating_add(1);
        entry.failure = Some(Box::new(Failure { count, at: Instant::now() }));
        entry.next().reason = reason;
        entry.live = None;
        let settings = &self.runtime.settings;
        let backoff = Backoff { first: settings.restart_first, longest: settings.restart_longest };
        let (wait, shard, key) = (backoff.after(count, 0), myself.clone(), key.clone());
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            let _ = shard.cast(ShardMsg::Restart(key));
        });
    }

    fn restart(&mut self, myself: &ActorRef<ShardMsg>, key: ConversationKey) {
        if self.closing {
            return self.forget(&key);
        }
        if self.entries.contains_key(&key) {
            self.load(myself, key);
        }
    }

    fn passivate(&self, idle_after: Duration, quota: &Quota) {
        // Where memory is full all shards are asked many times a second, and most of them when enough have left.
        if quota.is_used_up() {
            return;
        }
        let now = Instant::now();
        let mut idle = Vec::new();
        for entry in self.entries.values() {
            if let Some(actor) = &entry.live
                && entry.signs.is_at_rest()
                && !entry.signs.is_woken()
            {
                let active_at = entry.signs.active_at();
                if now.saturating_duration_since(active_at) >= idle_after {
                    idle.push((active_at, actor));
                }
            }
        }
        idle.sort_by_key(|(active_at, _)| *active_at);
        for (_, actor) in idle.into_iter().take_while(|_| quota.take()) {
            let _ = actor.cast(ConversationMsg::Passivate);
        }
    }

    fn drain(&mut self, reply: RpcReplyPort<()>) {
        for entry in self.entries.values() {
            if let Some(actor) = &entry.live {
                let _ = actor.cast(ConversationMsg::Leave);
            }
        }
        self.entries.retain(|_, entry| entry.live.is_some());
        self.closing = true;
        self.draining = Some(reply);
        self.report_drained();
    }

    fn forget(&mut self, key: &ConversationKey) {
        self.entries.remove(key);
        self.let_next_in();
        self.report_drained();
    }

    /// The place that has just become free goes to who has waited longest for one.
    fn let_next_in(&self) {
        if let Some((next, room)) = self.runtime.residents.next() {
            self.runtime.tell(&next.clone(), ShardMsg::Enter(next, room));
        }
    }

    fn report_drained(&mut self) {
        if self.entries.is_empty()
            && let Some(reply) = self.draining.take()
        {
            let _ = reply.send(());
            debug_assert!(!matches!(self.runtime.stage(), Stage::Running));
        }
    }
}
