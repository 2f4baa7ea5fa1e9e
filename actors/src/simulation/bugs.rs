//! Bugs on purpose. A simulation that finds nothing may be blind: each of these is planted in turn, and must be found.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use raconteur_conversation::address::{Address, ConversationKey, Shard};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{OutboundId, Receipt, RowState, Sequence};
use raconteur_storage::engine::memory::MemoryEngine;
use raconteur_storage::engine::{Batch, Engine, Order, Visit};
use raconteur_storage::{
    Accepted, AuditEntry, Claim, Day, DeadLetter, Expired, Expiry, ExpiryCursor, Found, Limit, Listed, Loaded, Mark,
    NewWork, Opening, Pending, Search, Step, Store, StoreError, TranscriptTurn, Usage, Version, WorkCursor, WorkPage,
};
use serde_json::Value;

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A text is acknowledged before it is on disk.
    AcknowledgedTooEarly,
    /// A commit returns before it is on disk, and what follows from it is done.
    ActedTooEarly,
    /// A claim that was lost is as good as any.
    LostFence,
    /// What settles one text settles the next one too.
    NeighbourSettled,
    /// The deadline of a commit is not kept.
    DroppedDeadline,
    /// The marks by which repeated texts are known go with the next sweep.
    ForgottenDuplicates,
    /// A conversation is loaded without its unsettled texts.
    ForgottenRows,
    /// A transport says that a text may be tried again, after the provider has taken it.
    RetryAfterTaking,
    /// A conversation is loaded with the snapshot before the latest.
    StaleSnapshot,
    /// How often a message was attempted is not written down.
    AttemptsNeverCounted,
    /// A receipt settles also what was never sent.
    ReceiptsSettleAnything,
    /// The sweep finds nothing: a hint that was lost is lost for ever.
    BlindSweep,
    /// Unread texts are loaded in the wrong order.
    ReorderedInbox,
    /// What a tenant has used is counted twice.
    UsageCountedTwice,
    /// The assistant does not get back what it had asked to keep.
    ForgottenContext,
    /// What a conversation tells itself is not kept.
    LostOwnTurn,
    /// Random bits repeat themselves.
    RepeatedSeeds,
    /// A lane lets everybody through.
    OpenLane,
    /// A conversation is loaded without its user's wish for no more texts.
    ForgottenStop,
    /// It is not written down that a text is about to leave.
    UnwrittenSend,
    /// The provider's log is read as empty.
    EmptyLog,
    /// Of a turn with several texts the last is not kept.
    LostLastRow,
    /// Of texts that were gathered into a turn only the last is answered.
    ForgottenGathered,
    /// A conversation is loaded as if somebody waited for all its texts.
    ForgottenNight,
    /// A conversation is loaded without the count of texts that have followed each other.
    ForgottenStreak,
    /// A conversation is loaded without the count of its user's turns.
    ForgottenPace,
    /// The provider's log of what users have sent is read as empty.
    UnreadWebhooks,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 27] = [
        Self::AcknowledgedTooEarly,
        Self::ActedTooEarly,
        Self::LostFence,
        Self::NeighbourSettled,
        Self::DroppedDeadline,
        Self::ForgottenDuplicates,
        Self::ForgottenRows,
        Self::RetryAfterTaking,
        Self::StaleSnapshot,
        Self::AttemptsNeverCounted,
        Self::ReceiptsSettleAnything,
        Self::BlindSweep,
        Self::ReorderedInbox,
        Self::UsageCountedTwice,
        Self::ForgottenContext,
        Self::LostOwnTurn,
        Self::RepeatedSeeds,
        Self::OpenLane,
        Self::ForgottenStop,
        Self::UnwrittenSend,
        Self::EmptyLog,
        Self::LostLastRow,
        Self::ForgottenGathered,
        Self::ForgottenNight,
        Self::ForgottenStreak,
        Self::ForgottenPace,
        Self::UnreadWebhooks,
    ];
}

/// A disk that can be made to say that it has written what it has not.
pub(super) struct Disk {
    pub(super) engine: MemoryEngine,
    pub(super) lies: Arc<AtomicU64>,
    pub(super) reads_left: Arc<AtomicU64>,
}

impl Disk {
    fn read(&self) -> Result<(), StoreError> {
        let left = self.reads_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if left == Ok(1) {
            Err(StoreError::Unusable("a read failed, as the seed would have it".into()))
        } else {
            Ok(())
        }
    }
}

impl Engine for Disk {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.read()?;
        self.engine.get(key)
    }

    fn scan(&self, range: &Range<Vec<u8>>, order: Order, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.read()?;
        self.engine.scan(range, order, visit)
    }

    fn apply(&self, batch: Batch) -> Result<(), StoreError> {
        self.engine.apply(batch)
    }

    fn sync(&self) -> Result<(), StoreError> {
        let lies = self.lies.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |lies| lies.checked_sub(1)).is_ok();
        if lies { Ok(()) } else { self.engine.sync() }
    }

    fn free_bytes(&self) -> Option<u64> {
        self.engine.free_bytes()
    }

    fn describe(&self) -> String {
        self.engine.describe()
    }
}

/// A store that has one of the bugs.
pub(super) struct BuggyStore {
    inner: Arc<dyn Store>,
    bug: Option<Bug>,
    lies: Arc<AtomicU64>,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    claims: BTreeMap<Shard, Claim>,
    /// Of each conversation, the snapshots of the last two commits.
    snapshots: BTreeMap<ConversationKey, [Option<Vec<u8>>; 2]>,
}

impl BuggyStore {
    pub(super) fn new(inner: Arc<dyn Store>, bug: Option<Bug>, lies: Arc<AtomicU64>) -> Self {
        Self { inner, bug, lies, memory: Mutex::default() }
    }

    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lie(&self, bug: Bug) {
        if self.has(bug) {
            self.lies.store(1, Ordering::Relaxed);
        }
    }

    fn latest(&self, claim: Claim) -> Claim {
        if !self.has(Bug::LostFence) {
            return claim;
        }
        self.memory().claims.get(&claim.shard).copied().unwrap_or(claim)
    }
}

fn without(field: &str, snapshot: Vec<u8>) -> Vec<u8> {
    let Ok(Value::Object(mut kept)) = serde_json::from_slice(&snapshot) else { return snapshot };
    kept.remove(field);
    serde_json::to_vec(&kept).unwrap_or(snapshot)
}

fn unwrite_sends(step: &mut Step) {
    let is_sending = |state: &RowState| matches!(state, RowState::Sending { .. });
    step.marks.retain(|mark| !is_sending(&mark.state));
    let rows = step.answered.iter_mut().flat_map(|answered| &mut answered.rows);
    rows.filter(|row| is_sending(&row.state)).for_each(|row| row.state = RowState::Queued);
}

#[async_trait]
impl Store for BuggyStore {
    fn opening(&self) -> Opening {
        self.inner.opening()
    }

    async fn accept(&self, new: NewWork) -> Result<Accepted, StoreError> {
        self.lie(Bug::AcknowledgedTooEarly);
        self.inner.accept(new).await
    }

    async fn claim(&self, shards: &[Shard]) -> Result<Vec<Claim>, StoreError> {
        let claims = self.inner.claim(shards).await?;
        self.memory().claims.extend(claims.iter().map(|claim| (claim.shard, *claim)));
        Ok(claims)
    }

    async fn release(&self, claims: &[Claim]) -> Result<(), StoreError> {
        self.inner.release(claims).await
    }

    async fn load(&self, claim: Claim, key: &ConversationKey, unread_max: usize) -> Result<Loaded, StoreError> {
        let mut loaded = self.inner.load(self.latest(claim), key, unread_max).await?;
        match self.bug {
            Some(Bug::ForgottenRows) => loaded.unsettled.clear(),
            Some(Bug::ReorderedInbox) => loaded.unread.reverse(),
            Some(Bug::ForgottenNight) => {
                for (row, _) in &mut loaded.unsettled {
                    row.unasked = false;
                }
            }
            Some(Bug::ForgottenStop) => loaded.snapshot = loaded.snapshot.map(|kept| without("stopped_at", kept)),
            Some(Bug::ForgottenStreak) => loaded.snapshot = loaded.snapshot.map(|kept| without("streak", kept)),
            Some(Bug::ForgottenPace) => loaded.snapshot = loaded.snapshot.map(|kept| without("ahead", kept)),
            Some(Bug::StaleSnapshot) => {
                if let Some([before, _]) = self.memory().snapshots.get(key) {
                    loaded.snapshot.clone_from(before);
                }
            }
            Some(_) | None => {}
        }
        Ok(loaded)
    }

    async fn commit(&self, claim: Claim, key: &ConversationKey, mut step: Step) -> Result<Version, StoreError> {
        self.lie(Bug::ActedTooEarly);
        match self.bug {
            Some(Bug::DroppedDeadline) => step.deadline = None,
            Some(Bug::AttemptsNeverCounted) => step.attempts.clear(),
            Some(Bug::LostOwnTurn) => step.enqueued.clear(),
            Some(Bug::UnwrittenSend) => unwrite_sends(&mut step),
            Some(Bug::ForgottenGathered) => {
                let is_gathered = |page: &TranscriptTurn| page.answered_with.is_some();
                step.answered.retain(|answered| !answered.transcript.as_ref().is_some_and(is_gathered));
            }
            Some(Bug::LostLastRow) => {
                step.answered.iter_mut().filter(|answered| answered.rows.len() > 1).for_each(|answered| {
                    answered.rows.pop();
                });
            }
            Some(Bug::StaleSnapshot) if step.snapshot.is_some() => {
                let mut memory = self.memory();
                let kept = memory.snapshots.entry(key.clone()).or_default();
                kept.swap(0, 1);
                kept[1].clone_from(&step.snapshot);
            }
            Some(_) | None => {}
        }
        self.inner.commit(self.latest(claim), key, step).await
    }

    async fn settle(&self, claim: Claim, key: &ConversationKey, mut marks: Vec<Mark>) {
        if self.has(Bug::NeighbourSettled) {
            let next = |id: OutboundId| OutboundId { part: id.part + 1, ..id };
            let too: Vec<Mark> = marks.iter().map(|mark| Mark { id: next(mark.id), ..mark.clone() }).collect();
            marks.extend(too);
        }
        self.inner.settle(self.latest(claim), key, marks).await;
    }

    async fn receipt(&self, key: &ConversationKey, receipt: &Receipt, at: UnixMillis) -> Result<bool, StoreError> {
        let claim = self.memory().claims.get(&key.shard()).copied();
        if let Some(claim) = claim.filter(|_| self.has(Bug::ReceiptsSettleAnything)) {
            let state = RowState::Sent { provider_id: receipt.provider_id.clone() };
            self.inner.settle(claim, key, vec![Mark { id: receipt.outbound, state }]).await;
        }
        self.inner.receipt(key, receipt, at).await
    }

    async fn work(&self, now: UnixMillis, after: Option<WorkCursor>, limit: usize) -> Result<WorkPage, StoreError> {
        // Whoever asks for everything is the audit.
        if self.has(Bug::BlindSweep) && now < UnixMillis(u64::MAX) {
            return Ok(WorkPage::default());
        }
        self.inner.work(now, after, limit).await
    }

    async fn deadlines(
        &self,
        until: UnixMillis,
        after: Option<(UnixMillis, ConversationKey)>,
        limit: usize,
    ) -> Result<Vec<(UnixMillis, ConversationKey)>, StoreError> {
        self.inner.deadlines(until, after, limit).await
    }

    async fn forget_duplicates(&self, before: UnixMillis, limit: usize) -> Result<(), StoreError> {
        let before = if self.has(Bug::ForgottenDuplicates) { UnixMillis(u64::MAX) } else { before };
        self.inner.forget_duplicates(before, limit).await
    }

    async fn is_known(&self, tenant: &Address, id: &str) -> Result<bool, StoreError> {
        self.inner.is_known(tenant, id).await
    }

    async fn crowded(&self) -> Result<Option<Limit>, StoreError> {
        self.inner.crowded().await
    }

    async fn heard(&self) -> Result<Vec<(Address, UnixMillis)>, StoreError> {
        self.inner.heard().await
    }

    async fn note_heard(&self, heard: Vec<(Address, UnixMillis)>) {
        self.inner.note_heard(heard).await;
    }

    async fn remove_erased(&self, limit: usize) -> Result<bool, StoreError> {
        self.inner.remove_erased(limit).await
    }

    async fn expire(
        &self,
        expiry: Expiry,
        from: Option<ExpiryCursor>,
        limit: usize,
    ) -> Result<Expired<ExpiryCursor>, StoreError> {
        self.inner.expire(expiry, from, limit).await
    }

    async fn expire_dead_letters(
        &self,
        rules: &[(Address, UnixMillis)],
        after: Option<Sequence>,
        limit: usize,
    ) -> Result<Expired<Sequence>, StoreError> {
        self.inner.expire_dead_letters(rules, after, limit).await
    }

    async fn pending(
        &self,
        key: &ConversationKey,
        after: Option<Sequence>,
        limit: usize,
    ) -> Result<Vec<Pending>, StoreError> {
        self.inner.pending(key, after, limit).await
    }

    async fn transcript(
        &self,
        key: &ConversationKey,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Vec<TranscriptTurn>, StoreError> {
        self.inner.transcript(key, before, limit).await
    }

    async fn snapshot(&self, key: &ConversationKey) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.snapshot(key).await
    }

    async fn conversations(
        &self,
        tenant: &Address,
        after: Option<&Address>,
        limit: usize,
    ) -> Result<Vec<Listed>, StoreError> {
        self.inner.conversations(tenant, after, limit).await
    }

    async fn usage(&self, tenant: &Address, days: RangeInclusive<Day>) -> Result<Vec<(Day, Usage)>, StoreError> {
        let mut used = self.inner.usage(tenant, days).await?;
        if self.has(Bug::UsageCountedTwice) {
            used.iter_mut().for_each(|(_, used)| used.answered *= 2);
        }
        Ok(used)
    }

    async fn find(&self, search: &Search, after: Option<&ConversationKey>, limit: usize) -> Result<Found, StoreError> {
        self.inner.find(search, after, limit).await
    }

    async fn dead_letters(&self, after: Option<Sequence>, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
        self.inner.dead_letters(after, limit).await
    }

    async fn discard(&self, letter: Sequence) -> Result<bool, StoreError> {
        self.inner.discard(letter).await
    }

    async fn audit(&self, entry: AuditEntry) -> Result<Sequence, StoreError> {
        self.inner.audit(entry).await
    }

    async fn audits(&self, before: Option<Sequence>, limit: usize) -> Result<Vec<(Sequence, AuditEntry)>, StoreError> {
        self.inner.audits(before, limit).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.inner.close().await
    }

    async fn failed(&self) -> StoreError {
        self.inner.failed().await
    }
}
