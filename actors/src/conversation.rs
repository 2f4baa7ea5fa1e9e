//! The actor of one conversation: thin. It turns messages into the core's inputs, makes the core's changes durable, and only
//! then carries out its acts. All rules are the core's; all waiting happens in the tasks of `call.rs`.
//!
//! Its mailbox holds hints and answers, never the only copy of anything: an error or a panic here ends the actor, and its
//! shard starts it again from the store.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use raconteur_conversation::address::{ConversationId, ConversationKey};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{Others, OutboundId, ProviderId, Sequence, WorkRecord};
use raconteur_conversation::{Conversation, Effect, Input, SnapshotError};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tracing::Instrument;

use raconteur_storage::{Claim, DeadlineIndex, Loaded, Step, StoreError, Version};
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

use crate::call::{self, Done};
use crate::lane::Slot;
use crate::port::Timed;
use crate::recovery::{Alone, Suspect};
use crate::runtime::Runtime;
use crate::signs::{Look, Signs};
use crate::step;
use crate::tenant::Tenant;
use crate::wheel::{HORIZON, Origin};

mod acts;
mod admit;

/// What a conversation is told.
#[derive(Debug)]
pub(crate) enum ConversationMsg {
    /// This was accepted.
    Accepted(Box<Fresh>),
    /// Something was accepted.
    Wake,
    /// The store has work for it, which it may know of.
    Found(#[expect(dead_code, reason = "held until it is handled, never read")] Option<Suspect>),
    /// A deadline has come.
    Due(Origin),
    /// A call came back.
    Done(Done),
    /// A receipt proves that a text was taken.
    Taken(OutboundId, ProviderId),
    /// Its suspected message may run alone now.
    Admitted(Admission),
    /// Leave memory, if there is nothing to do.
    Passivate,
    /// Finish the turn, then leave memory.
    Leave,
}

/// A record that was accepted a moment ago, and the highest number of another one that was unread then.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) record: WorkRecord,
    pub(crate) behind: Option<Sequence>,
}

/// The right to run a suspected message alone.
pub(crate) struct Admission(pub(crate) Alone);

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Admission")
    }
}

/// Everything a conversation is started with.
pub(crate) struct Activation {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) claim: Claim,
    pub(crate) key: ConversationKey,
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) loaded: Loaded,
    pub(crate) reason: Reason,
    /// How the first step follows the list of deadlines.
    pub(crate) index: DeadlineIndex,
    /// Held until it has begun.
    pub(crate) looked_at: Option<Suspect>,
    pub(crate) signs: Arc<Signs>,
}

/// Why a conversation is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// There is something to do.
    Woken,
    /// It failed, with these words.
    Failed(String),
}

/// See the module.
pub(crate) struct ConversationActor;

/// A conversation's memory.
pub(crate) struct Resident {
    id: ConversationId,
    runtime: Arc<Runtime>,
    claim: Claim,
    tenant: Arc<Tenant>,
    signs: Arc<Signs>,
    conversation: Conversation,
    /// A snapshot that could not be read, until it is set aside.
    unreadable: Option<Box<(Vec<u8>, SnapshotError)>>,
    version: Version,
    /// The store has a record of it, and with that a deadline in its list.
    is_recorded: bool,
    /// The question that is with the assistant.
    asking: Option<(Sequence, AbortHandle)>,
    /// The deadline that the wheel has; a later one waits until this one fires.
    listed: Option<UnixMillis>,
    /// The slot for the text that the next step sends.
    slot: Option<(OutboundId, Slot)>,
    /// What was loaded and not yet looked at.
    pending: Option<Box<Beginning>>,
    /// A suspected message waits to run alone; until then nothing is read.
    waiting_alone: bool,
    /// The suspected message that runs, and the right to.
    trial: Option<(Sequence, Trial)>,
    /// It was told to leave, and does when it is quiet.
    leaving: bool,
    /// Nothing is listened to any more.
    left: bool,
}

/// What a conversation begins with.
struct Beginning {
    loaded: Loaded,
    reason: Reason,
    index: DeadlineIndex,
    /// Held until it has begun.
    _looked_at: Option<Suspect>,
}

/// How a suspected message runs.
#[expect(dead_code, reason = "held until the message is answered, never read")]
enum Trial {
    Together(Suspect),
    Alone(Alone),
}

/// However a conversation ends: its question would hold a slot for an answer that nobody waits for, and be asked beside the next one.
impl Drop for Resident {
    fn drop(&mut self) {
        if let Some((_, ask)) = self.asking.take() {
            ask.abort();
        }
    }
}

impl Actor for ConversationActor {
    type Msg = ConversationMsg;
    type State = Box<Resident>;
    type Arguments = Box<Activation>;

    /// Never fails and never waits: a failure here would give the supervisor no event.
    async fn pre_start(
        &self,
        _myself: ActorRef<ConversationMsg>,
        activation: Box<Activation>,
    ) -> Result<Box<Resident>, ActorProcessingErr> {
        Ok(Box::new(Resident::new(*activation)))
    }

    async fn post_start(
        &self,
        myself: ActorRef<ConversationMsg>,
        resident: &mut Box<Resident>,
    ) -> Result<(), ActorProcessingErr> {
        let begun = Box::pin(resident.begin(&myself)).await;
        resident.survive(&myself, begun)?;
        resident.show_rest();
        Ok(())
    }

    /// Boxed whole: ractor keeps room for three of what is returned here, in each actor, for as long as it lives.
    fn handle(
        &self,
        myself: ActorRef<ConversationMsg>,
        message: ConversationMsg,
        resident: &mut Box<Resident>,
    ) -> impl Future<Output = Result<(), ActorProcessingErr>> + Send {
        Box::pin(async move {
            if resident.left {
                return Ok(());
            }
            let handled = resident.on_message(&myself, message).await;
            resident.survive(&myself, handled)?;
            resident.leave_if_quiet(&myself);
            resident.show_rest();
            Ok(())
        })
    }

    /// It has no children. Said in this way for the same reason: what comes by default keeps room for events.
    fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<ConversationMsg>,
        _event: SupervisionEvent,
        _resident: &mut Box<Resident>,
    ) -> impl Future<Output = Result<(), ActorProcessingErr>> + Send {
        std::future::ready(Ok(()))
    }
}

impl Resident {
    fn new(activation: Activation) -> Self {
        let Activation { runtime, claim, key, tenant, mut loaded, reason, index, looked_at, signs } = activation;
        let rows = std::mem::take(&mut loaded.unsettled);
        let id = runtime.log_id(&key);
        let is_recorded = loaded.snapshot.is_some() && !loaded.is_remains;
        let (conversation, unreadable) = Conversation::restore(key, loaded.snapshot.as_deref(), rows);
        let unreadable = unreadable.map(|error| {
            tracing::error!(conversation = %id, %error, "the conversation starts empty");
            Box::new((loaded.snapshot.take().unwrap_or_default(), error))
        });
        Self {
            id,
            runtime,
            claim,
            tenant,
            signs,
            conversation,
            unreadable,
            version: loaded.version,
            is_recorded,
            asking: None,
            listed: None,
            slot: None,
            pending: Some(Box::new(Beginning { loaded, reason, index, _looked_at: looked_at })),
            waiting_alone: false,
            trial: None,
            leaving: false,
            left: false,
        }
    }

    pub(crate) fn key(&self) -> &ConversationKey {
        self.conversation.key()
    }

    async fn on_message(
        &mut self,
        myself: &ActorRef<ConversationMsg>,
        message: ConversationMsg,
    ) -> Result<(), StoreError> {
        match message {
            ConversationMsg::Accepted(fresh) => self.on_accepted(myself, fresh).await,
            ConversationMsg::Wake => self.on_wake(myself).await,
            ConversationMsg::Found(_) if self.conversation.is_idle() => self.on_wake(myself).await,
            ConversationMsg::Found(_) => Ok(()),
            ConversationMsg::Due(origin) => self.on_due(myself, origin).await,
            ConversationMsg::Done(done) => self.on_done(myself, done).await,
            ConversationMsg::Taken(id, provider_id) => {
                self.run(myself, vec![Input::TextSent { id, provider_id }], DeadlineIndex::Lazy).await
            }
            ConversationMsg::Admitted(admission) => self.on_admitted(myself, admission).await,
            ConversationMsg::Passivate => {
                if self.is_at_rest() && !self.signs.is_woken() {
                    self.leave(myself);
                }
                Ok(())
            }
            ConversationMsg::Leave => {
                self.leaving = true;
                self.conversation.close_inbox();
                Ok(())
            }
        }
    }

    /// What is known of the inbox needs no look into the store: the ordinary text of an ordinary conversation, and those that came while it
    /// was busy.
    async fn on_accepted(&mut self, myself: &ActorRef<ConversationMsg>, first: Box<Fresh>) -> Result<(), StoreError> {
        let Look { mut fresh, is_all, .. } = self.signs.look();
        fresh.push(first);
        fresh.sort_unstable_by_key(|fresh| fresh.record.sequence);
        let has_room = self.conversation.waiting() + fresh.len() <= self.runtime.settings.unread_max;
        let may = is_all && has_room && !self.leaving && !self.waiting_alone;
        if !may || !self.knows_the_rest(&fresh) {
            return self.on_wake(myself).await;
        }
        let records = fresh.into_iter().map(|fresh| fresh.record).collect();
        self.run(myself, vec![Input::InboxRead(records)], DeadlineIndex::Lazy).await
    }

    /// Whether nothing is missing before or between these, which are in order.
    fn knows_the_rest(&self, fresh: &[Box<Fresh>]) -> bool {
        let before = std::iter::once(None).chain(fresh.iter().map(|fresh| Some(fresh.record.sequence)));
        before.zip(fresh).all(|(before, fresh)| {
            fresh.behind.is_none_or(|behind| before >= Some(behind) || self.conversation.has_seen(behind))
        })
    }

    async fn on_wake(&mut self, myself: &ActorRef<ConversationMsg>) -> Result<(), StoreError> {
        drop(self.signs.look());
        if self.leaving || self.waiting_alone {
            return Ok(());
        }
        let unread = self.fetch().await?;
        self.run(myself, unread, DeadlineIndex::Lazy).await
    }

    /// Texts that were accepted before a deadline are taken before it, so the store is read first.
    async fn on_due(&mut self, myself: &ActorRef<ConversationMsg>, origin: Origin) -> Result<(), StoreError> {
        if self.leaving || self.waiting_alone {
            return Ok(());
        }
        let mut inputs = self.fetch().await?;
        inputs.push(Input::DeadlinePassed);
        self.run(myself, inputs, origin.index()).await
    }

    async fn on_done(&mut self, myself: &ActorRef<ConversationMsg>, done: Done) -> Result<(), StoreError> {
        let input = match done {
            Done::Asked(token, Ok(answer)) => Input::AssistantReplied { token, answer },
            Done::Asked(token, Err(error)) => Input::AssistantFailed { token, error },
            Done::Forwarded(token, Ok(())) => Input::Forwarded { token },
            Done::Forwarded(token, Err(error)) => Input::AssistantFailed { token, error },
            Done::MediaChecked(token, verdicts) => Input::MediaChecked { token, verdicts },
            Done::Sent(id, Ok(provider_id)) => Input::TextSent { id, provider_id },
            Done::Sent(id, Err(error)) => Input::SendFailed { id, error },
            Done::SlotFree(id, slot) => {
                self.slot = Some((id, slot));
                Input::SlotGranted { id }
            }
            Done::LogRead(id, since, lookup) => {
                let others = self.other_texts(since).await?;
                Input::LogRead { id, lookup, others }
            }
        };
        self.run(myself, vec![input], DeadlineIndex::Lazy).await
    }

    /// All texts that were, or may have been, sent from `since` on: each one that were missing could be taken for a text in doubt
    /// that has the same words.
    async fn other_texts(&self, since: UnixMillis) -> Result<Others, StoreError> {
        // A text may be sent as long after its turn as it is worth sending.
        let oldest = since.minus(self.tenant.policy.sent_within());
        let (mut others, mut before) = (Others::default(), None);
        loop {
            let turns = self.runtime.store.transcript(self.conversation.key(), before, step::TRANSCRIPT_PAGE).await?;
            turns.iter().flat_map(|turn| &turn.rows).for_each(|row| step::note(&mut others, row));
            match turns.last() {
                Some(turn) if turn.answered_at >= oldest => before = Some(turn.sequence),
                Some(_) | None => return Ok(others),
            }
        }
    }

    /// What is unread, as inputs; the core passes over what it has seen.
    async fn fetch(&self) -> Result<Vec<Input>, StoreError> {
        let most = self.runtime.settings.unread_max;
        let loaded = self.runtime.store.load(self.claim, self.conversation.key(), most).await?;
        if loaded.version != self.version {
            return Err(StoreError::Stale);
        }
        Ok(vec![Input::InboxRead(admit::spared(loaded.unread))])
    }

    /// Lets the core handle these inputs as one step: its changes become durable together, then its acts are carried out.
    async fn run(
        &mut self,
        myself: &ActorRef<ConversationMsg>,
        inputs: Vec<Input>,
        index: DeadlineIndex,
    ) -> Result<(), StoreError> {
        let now = self.runtime.now();
        let mut effects = Vec::new();
        for input in inputs {
            effects.extend(self.conversation.handle(now, &self.tenant.policy, input));
        }
        let effects = self.grant_slots(myself, now, effects);
        self.make_durable(now, &effects, index).await?;
        self.end_trial(&effects);
        self.carry_out(myself, effects);
        self.remind(now);
        Ok(())
    }

    /// Where the lane has room at once, the text is committed as being sent in the same step; otherwise a task waits for room.
    fn grant_slots(
        &mut self,
        myself: &ActorRef<ConversationMsg>,
        now: UnixMillis,
        mut effects: Vec<Effect>,
    ) -> Vec<Effect> {
        let mut granted = Vec::new();
        effects.retain(|effect| {
            let Effect::RequestSlot { id, segments } = effect else { return true };
            match self.tenant.lane.try_send_slot(*segments) {
                Some(slot) => {
                    self.slot = Some((*id, slot));
                    granted.extend(self.conversation.handle(now, &self.tenant.policy, Input::SlotGranted { id: *id }));
                }
                // It stays in the store and goes with the next start.
                None if self.leaving => {}
                None => call::wait_for_slot(myself.clone(), Arc::clone(&self.tenant), *id, *segments),
            }
            false
        });
        effects.extend(granted);
        effects
    }

    /// Commits what must be durable before anything leaves; hands in what may be written later.
    async fn make_durable(
        &mut self,
        now: UnixMillis,
        effects: &[Effect],
        index: DeadlineIndex,
    ) -> Result<(), StoreError> {
        let mut changes = step::changes(self.conversation.key(), now, effects);
        // Of one that was erased, or never was, nothing is listed: its name is not written down for that.
        let must_rearm = index == DeadlineIndex::Exact && self.is_recorded && changes.step.erase.is_none();
        if !changes.awaited && !must_rearm {
            if !changes.step.marks.is_empty() {
                let marks = std::mem::take(&mut changes.step.marks);
                self.runtime.store.settle(self.claim, self.conversation.key(), marks).await;
            }
            return Ok(());
        }
        let mut step = Step { version: self.version, index, ..changes.step };
        if changes.snapshot || must_rearm {
            step.snapshot = Some(self.conversation.snapshot());
            step.deadline = self.conversation.deadline(&self.tenant.policy);
            // One that has passed waits for an open turn or a text that came in time, and their answer sets a new one.
            let listed = self.listed.filter(|at| *at > now && !must_rearm);
            if let Some(at) = step.deadline.filter(|at| *at > now && listed.is_none_or(|listed| *at < listed)) {
                self.runtime.wheel.arm(now, at, self.conversation.key(), Origin::Listed);
                self.listed = Some(at);
            }
        }
        let is_recorded = step.snapshot.is_some() || (self.is_recorded && step.erase.is_none());
        let turn = || step::turn(effects).map(tracing::field::display);
        let span = tracing::debug_span!("commit", conversation = %self.id, turn = turn());
        let began = Instant::now();
        let committed = self.runtime.store.commit(self.claim, self.conversation.key(), step).instrument(span).await;
        self.version = committed?;
        self.runtime.timed(Timed::Commit, began.elapsed());
        self.is_recorded = is_recorded;
        Ok(())
    }

    /// Arms the conversation's own reminder. Its deadline is armed when it is committed.
    fn remind(&self, now: UnixMillis) {
        if let Some(at) = self.conversation.next_attempt(&self.tenant.policy) {
            // One that is idle leaves memory, and the sweep finds it. One that waits for room in its outbox is left alone by the sweep:
            // nobody else reminds it of what is further off than the wheel looks.
            let at = if self.conversation.is_idle() { at } else { at.min(now.plus(HORIZON)) };
            self.runtime.wheel.arm(now, at, self.conversation.key(), Origin::Armed);
        }
    }

    /// Where somebody else has moved the conversation on, no message is to blame: it leaves, and is loaded again as it is now.
    fn survive(
        &mut self,
        myself: &ActorRef<ConversationMsg>,
        result: Result<(), StoreError>,
    ) -> Result<(), ActorProcessingErr> {
        match result {
            Err(error @ (StoreError::Stale | StoreError::Fenced(_))) => {
                tracing::warn!(conversation = %self.id, %error, "the conversation is loaded again");
                self.signs.hint();
                self.signs.overtaken.store(error == StoreError::Stale, Ordering::Release);
                self.leave(myself);
                Ok(())
            }
            result => Ok(result?),
        }
    }

    fn is_at_rest(&self) -> bool {
        self.conversation.is_idle() && !self.waiting_alone
    }

    /// Lets its shard see whether it has nothing to do.
    fn show_rest(&self) {
        self.signs.at_rest.store(self.is_at_rest(), Ordering::Release);
    }

    fn leave_if_quiet(&mut self, myself: &ActorRef<ConversationMsg>) {
        if self.leaving && !self.left && self.conversation.is_quiet() {
            self.leave(myself);
        }
    }

    fn leave(&mut self, myself: &ActorRef<ConversationMsg>) {
        self.left = true;
        let _ = myself.drain();
    }
}
