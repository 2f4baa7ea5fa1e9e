//! The store as the gateway sees it: every step is shown to the reference, and before and after each the process may die.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use async_trait::async_trait;
use raconteur_conversation::address::{Address, ConversationKey, Shard};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{OutboundId, Receipt, Sequence, Work};
use raconteur_storage::{
    Accepted, AuditEntry, Claim, Day, DeadLetter, Expired, Expiry, ExpiryCursor, Found, Limit, Listed, Loaded, Mark,
    NewWork, Opening, Pending, Search, Step, Store, StoreError, TranscriptTurn, Usage, Version, WorkCursor, WorkPage,
};

use super::reference::{SeenStep, said};
use super::world::World;

/// See the module.
pub(super) struct WatchedStore {
    pub(super) inner: Arc<dyn Store>,
    pub(super) world: Arc<World>,
    pub(super) process: u32,
}

impl WatchedStore {
    /// Of a step that failed nobody knows, before the next start, whether it is on disk.
    fn was_committed(&self, key: &ConversationKey, what: &str, committed: &Result<Version, StoreError>) {
        let mut state = self.world.state();
        state.log(|| format!("{} commit {what}: {committed:?}", key.user));
        match committed {
            Ok(_) => {
                let Some(step) = state.pending.remove(&(self.process, key.clone())) else { return };
                let latest = state.latest();
                let checked = state.reference.committed(key, step, latest);
                state.check(checked);
                state.counts.commits += 1;
            }
            Err(StoreError::Fenced(_) | StoreError::Stale) => {
                state.pending.remove(&(self.process, key.clone()));
            }
            Err(_) => {}
        }
    }
}

/// Answering such a text fails its conversation, as a bug in it would.
fn is_poisonous(step: &Step) -> bool {
    let turns = step.answered.iter().filter_map(|answered| answered.transcript.as_ref());
    let mut good = turns.filter(|turn| turn.error.is_none());
    good.any(|turn| said(&turn.work).starts_with("poison"))
}

fn seen(step: &Step) -> SeenStep {
    let pages = step.answered.iter().filter_map(|answered| Some((answered.transcript.clone()?, answered.rows.clone())));
    SeenStep {
        answered: pages.collect(),
        marks: step.marks.clone(),
        enqueued: step.enqueued.clone(),
        snapshot: step.snapshot.clone(),
        dead_letters: step.dead_letters.iter().map(|letter| letter.sequence).collect(),
        attempted: step.attempts.iter().map(|(sequence, ..)| *sequence).collect(),
        forwarded: Vec::new(),
    }
}

fn shown(step: &Step) -> String {
    let pages = step.answered.iter().filter_map(|answered| answered.transcript.as_ref());
    let pages: Vec<String> = pages.map(|page| format!("{} {}", page.sequence, said(&page.work))).collect();
    let own: Vec<String> = step.enqueued.iter().map(|own| own.sequence.to_string()).collect();
    let attempts = &step.attempts;
    format!("{pages:?} own {own:?} marks {:?} attempts {attempts:?} until {:?}", step.marks, step.deadline)
}

#[async_trait]
impl Store for WatchedStore {
    fn opening(&self) -> Opening {
        self.inner.opening()
    }

    async fn accept(&self, new: NewWork) -> Result<Accepted, StoreError> {
        self.world.may_die(self.process, "before it has accepted").await;
        self.world.state().reference.offered(&new.key, new.seed, &new.work);
        let (key, id, work) = (new.key.clone(), new.id.clone(), new.work.clone());
        let accepted = self.inner.accept(new).await;
        match &accepted {
            Ok(Accepted::Fresh { sequence, .. } | Accepted::Duplicate(sequence))
                if !self.world.is_dead(self.process) =>
            {
                let mut state = self.world.state();
                state.reference.accepted(*sequence, &work);
                let checked = state.received.accepted(&key, &id, *sequence);
                state.check(checked);
            }
            Ok(_) | Err(_) => {}
        }
        self.world.log(|| format!("{} accept {id}: {accepted:?}", key.user));
        self.world.may_die(self.process, "after it has accepted").await;
        accepted
    }

    async fn claim(&self, shards: &[Shard]) -> Result<Vec<Claim>, StoreError> {
        let claims = self.inner.claim(shards).await?;
        self.world.state().claimed_by = self.process;
        Ok(claims)
    }

    async fn release(&self, claims: &[Claim]) -> Result<(), StoreError> {
        self.inner.release(claims).await
    }

    async fn load(&self, claim: Claim, key: &ConversationKey, unread_max: usize) -> Result<Loaded, StoreError> {
        self.world.may_die(self.process, "before it has loaded").await;
        let loaded = self.inner.load(claim, key, unread_max).await;
        self.world.log(|| {
            let loaded = loaded.as_ref().map(|loaded| (loaded.version.0, loaded.unread.len(), loaded.unsettled.len()));
            format!("{} load: {loaded:?}", key.user)
        });
        if let Some(loaded) = loaded.as_ref().ok().filter(|_| !self.world.is_dead(self.process)) {
            let unsettled: BTreeSet<OutboundId> = loaded.unsettled.iter().map(|(row, _)| row.id).collect();
            self.world.state().reference.unsettled(key, &unsettled);
        }
        loaded
    }

    async fn commit(&self, claim: Claim, key: &ConversationKey, step: Step) -> Result<Version, StoreError> {
        self.world.may_die(self.process, "before a commit").await;
        if is_poisonous(&step) {
            self.world.log(|| format!("{} fails of a poisonous text", key.user));
            // Not `panic!`: that would call the hook, which prints.
            std::panic::resume_unwind(Box::new("sprung by a poisonous text"));
        }
        let mut step_seen = seen(&step);
        {
            let mut state = self.world.state();
            let turns = step_seen.answered.iter().map(|(page, _)| page.sequence);
            step_seen.forwarded = turns.filter(|turn| state.forwarded.contains(&(self.process, *turn))).collect();
            state.pending.insert((self.process, key.clone()), step_seen);
        }
        let what = shown(&step);
        let has_lost_it = self.world.state().claimed_by != self.process;
        let committed = self.inner.commit(claim, key, step).await;
        if has_lost_it && committed.is_ok() {
            self.world.state().violate(|| format!("{}: a process has committed that had lost its shard", key.user));
        }
        self.was_committed(key, &what, &committed);
        self.world.may_die(self.process, "after a commit").await;
        committed
    }

    async fn settle(&self, claim: Claim, key: &ConversationKey, marks: Vec<Mark>) {
        self.world.may_die(self.process, "between a send and its note").await;
        {
            let mut state = self.world.state();
            state.log(|| format!("{} settle {marks:?}", key.user));
            state.reference.settled(key, &marks);
        }
        self.inner.settle(claim, key, marks).await;
        self.world.may_die(self.process, "after a note").await;
    }

    async fn receipt(&self, key: &ConversationKey, receipt: &Receipt, at: UnixMillis) -> Result<bool, StoreError> {
        self.world.may_die(self.process, "before a receipt").await;
        let known = self.inner.receipt(key, receipt, at).await;
        self.world.log(|| format!("{} receipt {} {:?}: {known:?}", key.user, receipt.outbound, receipt.status));
        self.world.may_die(self.process, "after a receipt").await;
        known
    }

    async fn work(&self, now: UnixMillis, after: Option<WorkCursor>, limit: usize) -> Result<WorkPage, StoreError> {
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
        self.inner.usage(tenant, days).await
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

/// Decides, after a process has died, which of its last steps are on disk, shows those to the reference, and checks that none is
/// missing which was answered before.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn recollect(world: &World, store: &dyn Store) -> Result<(), StoreError> {
    loop {
        let Some(((process, key), step)) = world.state().pending.pop_first() else { break };
        let on_disk = match is_on_disk(store, &key, &step).await {
            Ok(on_disk) => on_disk,
            Err(error) => {
                // The next start decides.
                world.state().pending.insert((process, key), step);
                return Err(error);
            }
        };
        if on_disk {
            let mut state = world.state();
            state.log(|| format!("{} the last step before the death is on disk", key.user));
            let known = state.reference.answered(&key);
            if step.answered.iter().any(|(page, _)| known.contains(&page.sequence)) {
                continue;
            }
            let latest = state.latest();
            let checked = state.reference.committed(&key, step, latest);
            state.check(checked);
        }
    }
    let keys = world.state().scenario.keys.clone();
    for key in keys {
        let pages = transcript(store, &key).await?;
        let mut state = world.state();
        let missing =
            state.reference.answered(&key).into_iter().find(|turn| pages.iter().all(|page| page.sequence != *turn));
        if let Some(turn) = missing {
            state.violate(|| format!("{}: turn {turn} was committed, and is not there after a restart", key.user));
        }
    }
    Ok(())
}

async fn is_on_disk(store: &dyn Store, key: &ConversationKey, step: &SeenStep) -> Result<bool, StoreError> {
    match step.answered.first() {
        Some((page, _)) => has_page(store, key, page.sequence).await,
        None => Ok(step.snapshot.is_some() && store.snapshot(key).await? == step.snapshot),
    }
}

async fn has_page(store: &dyn Store, key: &ConversationKey, turn: Sequence) -> Result<bool, StoreError> {
    let page = store.transcript(key, Some(Sequence(turn.0 + 1)), 1).await?;
    Ok(page.first().is_some_and(|page| page.sequence == turn))
}

/// A conversation's whole transcript, newest first.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn transcript(store: &dyn Store, key: &ConversationKey) -> Result<Vec<TranscriptTurn>, StoreError> {
    let mut all = Vec::new();
    loop {
        let before = all.last().map(|turn: &TranscriptTurn| turn.sequence);
        let page = store.transcript(key, before, 500).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// Whether a record is of the kind that comes from outside.
pub(super) fn is_from_outside(work: &Work) -> bool {
    match work {
        Work::NoInput { .. } | Work::TimedOut { .. } => false,
        Work::Message(_)
        | Work::Start(_)
        | Work::End
        | Work::DeliveryFailed(_)
        | Work::Send(_)
        | Work::OpenPipe(_)
        | Work::ClosePipe { .. }
        | Work::Preference(_)
        | Work::TakeOver(_)
        | Work::HandBack
        | Work::Erase => true,
    }
}
