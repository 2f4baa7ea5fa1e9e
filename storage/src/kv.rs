//! [`KvStore`]: the [`Store`] over any [`Engine`]. All that writes, and `load`, goes through the committer's one queue; listings
//! and transcripts are read beside it.
//!
//! The committer runs on a thread of its own ([`KvStore::open`]) or, where there must be no threads, as a task
//! ([`KvStore::open_in_task`]); the code is the same.

mod find;
mod read;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use raconteur_conversation::address::{Address, ConversationKey, Shard};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{Receipt, Sequence};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use crate::background;
use crate::committer::{
    self, Health, Load, Offer, PreparedStep, PreparedWork, Pulse, Queue, Reply, Request, Shore, Voice, Writer,
};
use crate::engine::Engine;
use crate::erasure::Veil;
use crate::figures::Watch;
use crate::{
    Accepted, AuditEntry, Claim, Day, DeadLetter, Expired, Expiry, ExpiryCursor, Found, Limit, Listed, Loaded, Mark,
    NewWork, Opening, Pending, Search, Step, Store, StoreError, TranscriptTurn, Usage, Version, WorkCursor, WorkPage,
};

/// Requests that may wait for the committer, and as many offers; more make their callers wait.
const QUEUE_MAX: usize = 4_096;

/// How often the committer is looked at until it counts as stuck.
const LOOKS: u32 = 4;

/// The limits of a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many unread records one conversation may have.
    pub inbox_max: usize,
    /// How many unread records all conversations together may have.
    pub backlog_max: usize,
    /// With fewer bytes of disk left nothing is accepted; commits go on.
    pub min_free: u64,
    /// How long one batch may take to be written. After that the writer counts as stuck and the store as failed. Not looked at
    /// where the committer is a task.
    pub write_timeout: Duration,
    /// The salt of a store that is created; `None` draws one. For simulations, where nothing may be random.
    pub salt: Option<Uuid>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            inbox_max: 100,
            backlog_max: 100_000,
            min_free: 256 << 20,
            write_timeout: Duration::from_secs(30),
            salt: None,
        }
    }
}

/// A store over an engine. Dropping it without [`Store::close`] finishes what is in line and leaves it marked as not closed.
pub struct KvStore<E> {
    engine: Arc<E>,
    opening: Opening,
    doors: Option<Doors>,
    health: watch::Receiver<Health>,
    shore: Shore,
    pulse: Pulse,
    watch: Watch,
    write_timeout: Duration,
    /// The committer's thread is not waited for any more.
    stuck: AtomicBool,
    /// `None`: the committer is a task, and nothing may leave this thread.
    thread: Option<JoinHandle<()>>,
}

/// The ways to the committer.
struct Doors {
    requests: mpsc::Sender<Request>,
    offers: mpsc::Sender<Offer>,
}

impl<E: Engine> KvStore<E> {
    /// Opens or creates a store, with its committer on a thread of its own. Blocks while the engine is read.
    ///
    /// # Errors
    /// [`StoreError::Newer`], [`StoreError::Corrupt`], or what the engine reports.
    pub fn open(engine: E, options: Options) -> Result<Self, StoreError> {
        // Outside of a runtime it does not matter who wakes whom.
        let voice = Handle::try_current().map_or(Voice::Own, Voice::Task);
        let (mut store, committer) = Self::prepare(engine, options, voice)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .map_err(|error| StoreError::Unusable(format!("the committer cannot be started: {error}")))?;
        let thread = std::thread::Builder::new()
            .name("committer".into())
            .spawn(move || {
                background::stand_back();
                runtime.block_on(committer);
            })
            .map_err(|error| StoreError::Unusable(format!("the committer's thread cannot be started: {error}")))?;
        store.thread = Some(thread);
        Ok(store)
    }

    /// Opens or creates a store, with its committer as a task of the current tokio runtime and all reads on the caller's thread:
    /// for deterministic tests over an engine in memory.
    ///
    /// # Errors
    /// As [`KvStore::open`].
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open_in_task(engine: E, options: Options) -> Result<Self, StoreError> {
        let (store, committer) = Self::prepare(engine, options, Voice::Own)?;
        tokio::spawn(committer);
        Ok(store)
    }

    fn prepare(
        engine: E,
        options: Options,
        voice: Voice,
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static), StoreError> {
        let engine = Arc::new(engine);
        let (tide, shore) = committer::tide();
        let write_timeout = options.write_timeout;
        let (writer, opening) = Writer::open(Arc::clone(&engine), options, tide)?;
        let (requests, requested) = mpsc::channel(QUEUE_MAX);
        let (offers, offered) = mpsc::channel(QUEUE_MAX);
        let watch = Watch::new(writer.figures(), &requests, &offers);
        let (alarm, health) = watch::channel(Health::Open);
        let (pulse, stuck) = (Pulse::default(), AtomicBool::new(false));
        let queue = Queue { requests: requested, offers: offered };
        let committer = committer::run(writer, queue, alarm, (pulse.clone(), voice));
        let doors = Some(Doors { requests, offers });
        let store = Self { engine, opening, doors, health, shore, pulse, watch, write_timeout, stuck, thread: None };
        Ok((store, committer))
    }

    /// Something that tells how much it has to do and how fast it is, and can be kept after it is gone.
    #[must_use]
    pub fn watch(&self) -> Watch {
        self.watch.clone()
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.queue(request(reply)).await?;
        answer.await.unwrap_or_else(|_| Err(self.refusal()))
    }

    async fn queue(&self, request: Request) -> Result<(), StoreError> {
        let sent = match self.doors.as_ref().filter(|_| !self.is_stuck()) {
            Some(doors) => doors.requests.send(request).await.is_ok(),
            None => false,
        };
        if sent { Ok(()) } else { Err(self.refusal()) }
    }

    fn is_stuck(&self) -> bool {
        self.stuck.load(Ordering::Acquire)
    }

    /// Why the committer did not answer.
    fn refusal(&self) -> StoreError {
        if self.is_stuck() {
            let waited = self.write_timeout;
            return StoreError::Unusable(format!("its writer is stuck: a batch was not written within {waited:?}"));
        }
        match &*self.health.borrow() {
            Health::Open => StoreError::Unusable("its writer has stopped".into()),
            Health::Closed => StoreError::Unusable("it is closed".into()),
            Health::Failed(error) => error.clone(),
        }
    }

    /// Resolves when one round of the committer has gone on for longer than `write_timeout`. A process that was stopped for a while
    /// finds time gone that the committer did not have: so it is also looked at a few times.
    async fn is_found_stuck(&self) {
        if self.thread.is_none() {
            return std::future::pending().await;
        }
        let (mut seen, mut since, mut looks) = (None, Instant::now(), 0);
        loop {
            tokio::time::sleep(self.write_timeout / LOOKS).await;
            let round = self.pulse.under_way();
            if round.is_none() || round != seen {
                (seen, since, looks) = (round, Instant::now(), 0);
                continue;
            }
            looks += 1;
            if looks >= LOOKS && since.elapsed() >= self.write_timeout {
                self.stuck.store(true, Ordering::Release);
                return;
            }
        }
    }

    /// Resolves when a write has failed.
    async fn has_failed(&self) -> StoreError {
        let mut health = self.health.clone();
        loop {
            if let Health::Failed(error) = &*health.borrow_and_update() {
                return error.clone();
            }
            if health.changed().await.is_err() {
                // Closed: it will not fail any more.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Reads beside the committer; never blocks the runtime where threads are allowed.
    async fn read<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&E) -> Result<T, StoreError> + Send + 'static,
    {
        if self.is_stuck() || !matches!(&*self.health.borrow(), Health::Open) {
            return Err(self.refusal());
        }
        let found = if self.thread.is_none() {
            read(&self.engine)
        } else {
            let engine = Arc::clone(&self.engine);
            let reading = tokio::task::spawn_blocking(move || read(&engine)).await;
            reading.unwrap_or_else(|_| Err(StoreError::Unusable("a read has failed in an unforeseen way".into())))
        }?;
        if self.shore.is_safe().await { Ok(found) } else { Err(self.refusal()) }
    }
}

impl<E> Drop for KvStore<E> {
    fn drop(&mut self) {
        self.doors = None;
        if self.stuck.load(Ordering::Acquire) {
            // Its thread may hang for ever, and would have whoever drops this hang with it.
            return;
        }
        // The engine, and with it the lock on its files, must be free when this returns. The committer never waits for anybody.
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's writer has panicked");
        }
    }
}

#[async_trait]
impl<E: Engine> Store for KvStore<E> {
    fn opening(&self) -> Opening {
        self.opening
    }

    async fn accept(&self, new: NewWork) -> Result<Accepted, StoreError> {
        let (work, (reply, answer)) = (PreparedWork::new(new)?, oneshot::channel());
        let sent = match self.doors.as_ref().filter(|_| !self.is_stuck()) {
            Some(doors) => doors.offers.send(Offer { work, reply }).await.is_ok(),
            None => false,
        };
        let answered = if sent { answer.await.ok() } else { None };
        answered.unwrap_or_else(|| Err(self.refusal()))
    }

    async fn claim(&self, shards: &[Shard]) -> Result<Vec<Claim>, StoreError> {
        self.ask(|reply| Request::Claim(shards.to_vec(), reply)).await
    }

    async fn release(&self, claims: &[Claim]) -> Result<(), StoreError> {
        self.ask(|reply| Request::Release(claims.to_vec(), reply)).await
    }

    async fn load(&self, claim: Claim, key: &ConversationKey, unread_max: usize) -> Result<Loaded, StoreError> {
        self.ask(|reply| Request::Load(Load { claim, key: key.clone(), unread_max, reply })).await
    }

    async fn commit(&self, claim: Claim, key: &ConversationKey, step: Step) -> Result<Version, StoreError> {
        let step = Box::new(PreparedStep::new(step)?);
        self.ask(|reply| Request::Commit(claim, key.clone(), step, reply)).await
    }

    async fn settle(&self, claim: Claim, key: &ConversationKey, marks: Vec<Mark>) {
        // Lost with the store: `failed` tells, and the texts are looked up after the restart.
        drop(self.queue(Request::Settle(claim, key.clone(), marks)).await);
    }

    async fn receipt(&self, key: &ConversationKey, receipt: &Receipt, at: UnixMillis) -> Result<bool, StoreError> {
        self.ask(|reply| Request::Receipt(key.clone(), receipt.clone(), at, reply)).await
    }

    async fn work(&self, now: UnixMillis, after: Option<WorkCursor>, limit: usize) -> Result<WorkPage, StoreError> {
        self.read(move |engine| read::work(engine, now, after, limit)).await
    }

    async fn deadlines(
        &self,
        until: UnixMillis,
        after: Option<(UnixMillis, ConversationKey)>,
        limit: usize,
    ) -> Result<Vec<(UnixMillis, ConversationKey)>, StoreError> {
        let listed = self.read(move |engine| read::deadlines(engine, until, after, limit)).await?;
        if !listed.unknown.is_empty() {
            self.queue(Request::DropDeadlines(listed.unknown)).await?;
        }
        Ok(listed.entries)
    }

    async fn forget_duplicates(&self, before: UnixMillis, limit: usize) -> Result<(), StoreError> {
        self.ask(|reply| Request::ForgetDuplicates(before, limit, reply)).await
    }

    async fn is_known(&self, tenant: &Address, id: &str) -> Result<bool, StoreError> {
        self.ask(|reply| Request::IsKnown(tenant.clone(), id.to_owned(), reply)).await
    }

    async fn crowded(&self) -> Result<Option<Limit>, StoreError> {
        self.ask(Request::Crowded).await
    }

    async fn heard(&self) -> Result<Vec<(Address, UnixMillis)>, StoreError> {
        self.read(read::heard).await
    }

    async fn note_heard(&self, heard: Vec<(Address, UnixMillis)>) {
        // Lost with the store: then more of the log is read after the next start.
        drop(self.queue(Request::NoteHeard(heard)).await);
    }

    async fn remove_erased(&self, limit: usize) -> Result<bool, StoreError> {
        self.ask(|reply| Request::RemoveErased(limit, reply)).await
    }

    async fn expire(
        &self,
        expiry: Expiry,
        from: Option<ExpiryCursor>,
        limit: usize,
    ) -> Result<Expired<ExpiryCursor>, StoreError> {
        self.ask(|reply| Request::Expire(expiry, from, limit, reply)).await
    }

    async fn expire_dead_letters(
        &self,
        rules: &[(Address, UnixMillis)],
        after: Option<Sequence>,
        limit: usize,
    ) -> Result<Expired<Sequence>, StoreError> {
        self.ask(|reply| Request::ExpireLetters(rules.to_vec(), after, limit, reply)).await
    }

    async fn transcript(
        &self,
        key: &ConversationKey,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Vec<TranscriptTurn>, StoreError> {
        let key = key.clone();
        self.read(move |engine| read::transcript(engine, &key, before, limit)).await
    }

    async fn pending(
        &self,
        key: &ConversationKey,
        after: Option<Sequence>,
        limit: usize,
    ) -> Result<Vec<Pending>, StoreError> {
        let key = key.clone();
        self.read(move |engine| read::pending(engine, &key, after, limit)).await
    }

    async fn snapshot(&self, key: &ConversationKey) -> Result<Option<Vec<u8>>, StoreError> {
        let (key, veil) = (key.clone(), Veil::new(self.opening.salt));
        self.read(move |engine| read::snapshot_or_remains(engine, veil, &key)).await
    }

    async fn conversations(
        &self,
        tenant: &Address,
        after: Option<&Address>,
        limit: usize,
    ) -> Result<Vec<Listed>, StoreError> {
        let (tenant, after) = (tenant.clone(), after.cloned());
        self.read(move |engine| read::conversations(engine, &tenant, after.as_ref(), limit)).await
    }

    async fn find(&self, search: &Search, after: Option<&ConversationKey>, limit: usize) -> Result<Found, StoreError> {
        let (search, after) = (search.clone(), after.cloned());
        self.read(move |engine| find::conversations(engine, &search, after.as_ref(), limit)).await
    }

    async fn usage(&self, tenant: &Address, days: RangeInclusive<Day>) -> Result<Vec<(Day, Usage)>, StoreError> {
        let tenant = tenant.clone();
        self.read(move |engine| read::usage(engine, &tenant, &days)).await
    }

    async fn dead_letters(&self, after: Option<Sequence>, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
        self.read(move |engine| read::dead_letters(engine, after, limit)).await
    }

    async fn discard(&self, letter: Sequence) -> Result<bool, StoreError> {
        self.ask(|reply| Request::Discard(letter, reply)).await
    }

    async fn audit(&self, entry: AuditEntry) -> Result<Sequence, StoreError> {
        self.ask(|reply| Request::Audit(entry, reply)).await
    }

    async fn audits(&self, before: Option<Sequence>, limit: usize) -> Result<Vec<(Sequence, AuditEntry)>, StoreError> {
        self.read(move |engine| find::audits(engine, before, limit)).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        if matches!(&*self.health.borrow(), Health::Closed) {
            return Ok(());
        }
        self.ask(Request::Close).await
    }

    async fn failed(&self) -> StoreError {
        tokio::select! {
            biased;
            error = self.has_failed() => error,
            () = self.is_found_stuck() => self.refusal(),
        }
    }
}
