//! A store that counts what it is asked, takes its time to accept, and panics when it is told to.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use raconteur_conversation::address::{Address, ConversationKey, Shard};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{Receipt, Sequence, Work};
use raconteur_storage::{
    Accepted, AuditEntry, Claim, Day, DeadLetter, Expired, Expiry, ExpiryCursor, Found, Limit, Listed, Loaded, Mark,
    NewWork, Opening, Pending, Search, Step, Store, StoreError, TranscriptTurn, Usage, Version, WorkCursor, WorkPage,
};

/// What is watched, and what the store does besides.
#[derive(Default)]
pub(crate) struct Watch {
    pub(crate) loads: AtomicUsize,
    pub(crate) commits: AtomicUsize,
    pub(crate) accept_takes_ms: AtomicU64,
    pub(crate) deadlines_panic: AtomicBool,
    /// Committing the answer to a text or a receipt with "poison" in it panics, as a bug in the conversation would.
    pub(crate) poison_panics: AtomicBool,
    /// Every commit finds that somebody else has been faster.
    pub(crate) commits_are_stale: AtomicBool,
}

impl Watch {
    pub(crate) fn loads(&self) -> usize {
        self.loads.load(Ordering::Relaxed)
    }

    pub(crate) fn commits(&self) -> usize {
        self.commits.load(Ordering::Relaxed)
    }
}

fn is_poisonous(step: &Step) -> bool {
    let turns = step.answered.iter().filter_map(|answered| answered.transcript.as_ref());
    let mut answered = turns.filter(|turn| turn.error.is_none());
    answered.any(|turn| match &turn.work {
        Work::Message(message) => message.body.contains("poison"),
        Work::DeliveryFailed(failure) => failure.reason.contains("poison"),
        Work::Send(send) => send.body.contains("poison"),
        Work::Start(_)
        | Work::End
        | Work::OpenPipe(_)
        | Work::ClosePipe { .. }
        | Work::Erase
        | Work::TakeOver(_)
        | Work::HandBack
        | Work::Preference(_)
        | Work::NoInput { .. }
        | Work::TimedOut { .. } => false,
    })
}

/// The store.
pub(crate) struct Watched(pub(crate) Arc<dyn Store>, pub(crate) Arc<Watch>);

#[async_trait]
impl Store for Watched {
    fn opening(&self) -> Opening {
        self.0.opening()
    }
    async fn accept(&self, new: NewWork) -> Result<Accepted, StoreError> {
        let takes = Duration::from_millis(self.1.accept_takes_ms.load(Ordering::Relaxed));
        let _ = tokio::time::timeout(takes, std::future::pending::<()>()).await;
        self.0.accept(new).await
    }
    async fn claim(&self, shards: &[Shard]) -> Result<Vec<Claim>, StoreError> {
        self.0.claim(shards).await
    }
    async fn release(&self, claims: &[Claim]) -> Result<(), StoreError> {
        self.0.release(claims).await
    }
    async fn load(&self, claim: Claim, key: &ConversationKey, unread_max: usize) -> Result<Loaded, StoreError> {
        self.1.loads.fetch_add(1, Ordering::Relaxed);
        self.0.load(claim, key, unread_max).await
    }
    async fn commit(&self, claim: Claim, key: &ConversationKey, step: Step) -> Result<Version, StoreError> {
        self.1.commits.fetch_add(1, Ordering::Relaxed);
        assert!(!(self.1.poison_panics.load(Ordering::Relaxed) && is_poisonous(&step)), "sprung by a poisonous text");
        if self.1.commits_are_stale.load(Ordering::Relaxed) {
            return Err(StoreError::Stale);
        }
        self.0.commit(claim, key, step).await
    }
    async fn settle(&self, claim: Claim, key: &ConversationKey, marks: Vec<Mark>) {
        self.0.settle(claim, key, marks).await;
    }
    async fn receipt(&self, key: &ConversationKey, receipt: &Receipt, at: UnixMillis) -> Result<bool, StoreError> {
        self.0.receipt(key, receipt, at).await
    }
    async fn work(&self, now: UnixMillis, after: Option<WorkCursor>, limit: usize) -> Result<WorkPage, StoreError> {
        self.0.work(now, after, limit).await
    }
    async fn deadlines(
        &self,
        until: UnixMillis,
        after: Option<(UnixMillis, ConversationKey)>,
        limit: usize,
    ) -> Result<Vec<(UnixMillis, ConversationKey)>, StoreError> {
        assert!(!self.1.deadlines_panic.load(Ordering::Relaxed), "the store was told to panic");
        self.0.deadlines(until, after, limit).await
    }
    async fn forget_duplicates(&self, before: UnixMillis, limit: usize) -> Result<(), StoreError> {
        self.0.forget_duplicates(before, limit).await
    }
    async fn is_known(&self, tenant: &Address, id: &str) -> Result<bool, StoreError> {
        self.0.is_known(tenant, id).await
    }
    async fn crowded(&self) -> Result<Option<Limit>, StoreError> {
        self.0.crowded().await
    }
    async fn heard(&self) -> Result<Vec<(Address, UnixMillis)>, StoreError> {
        self.0.heard().await
    }
    async fn note_heard(&self, heard: Vec<(Address, UnixMillis)>) {
        self.0.note_heard(heard).await;
    }
    async fn remove_erased(&self, limit: usize) -> Result<bool, StoreError> {
        self.0.remove_erased(limit).await
    }
    async fn expire(
        &self,
        expiry: Expiry,
        from: Option<ExpiryCursor>,
        limit: usize,
    ) -> Result<Expired<ExpiryCursor>, StoreError> {
        self.0.expire(expiry, from, limit).await
    }
    async fn expire_dead_letters(
        &self,
        rules: &[(Address, UnixMillis)],
        after: Option<Sequence>,
        limit: usize,
    ) -> Result<Expired<Sequence>, StoreError> {
        self.0.expire_dead_letters(rules, after, limit).await
    }
    async fn transcript(
        &self,
        key: &ConversationKey,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Vec<TranscriptTurn>, StoreError> {
        self.0.transcript(key, before, limit).await
    }
    async fn pending(
        &self,
        key: &ConversationKey,
        after: Option<Sequence>,
        limit: usize,
    ) -> Result<Vec<Pending>, StoreError> {
        self.0.pending(key, after, limit).await
    }
    async fn snapshot(&self, key: &ConversationKey) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.snapshot(key).await
    }
    async fn conversations(
        &self,
        tenant: &Address,
        after: Option<&Address>,
        limit: usize,
    ) -> Result<Vec<Listed>, StoreError> {
        self.0.conversations(tenant, after, limit).await
    }
    async fn usage(&self, tenant: &Address, days: RangeInclusive<Day>) -> Result<Vec<(Day, Usage)>, StoreError> {
        self.0.usage(tenant, days).await
    }
    async fn find(&self, search: &Search, after: Option<&ConversationKey>, limit: usize) -> Result<Found, StoreError> {
        self.0.find(search, after, limit).await
    }

    async fn dead_letters(&self, after: Option<Sequence>, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
        self.0.dead_letters(after, limit).await
    }
    async fn discard(&self, letter: Sequence) -> Result<bool, StoreError> {
        self.0.discard(letter).await
    }

    async fn audit(&self, entry: AuditEntry) -> Result<Sequence, StoreError> {
        self.0.audit(entry).await
    }

    async fn audits(&self, before: Option<Sequence>, limit: usize) -> Result<Vec<(Sequence, AuditEntry)>, StoreError> {
        self.0.audits(before, limit).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.0.close().await
    }
    async fn failed(&self) -> StoreError {
        self.0.failed().await
    }
}
