//! A gateway's HTTP side over a store that keeps nothing: it notes what it was to keep, and answers that it is full. So every request is
//! taken as far as it goes, and none leaves anything behind for the next.

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use raconteur::config::ControlConfig;
use raconteur::config::secret::Secret;
use raconteur::conversation::address::{Address, ConversationKey, Shard};
use raconteur::conversation::policy::Policy;
use raconteur::conversation::time::UnixMillis;
use raconteur::conversation::words::{Answer, AskError, Question, Receipt, Sequence};
use raconteur::http::{App, Door, Limits, Mount, Refusals, Surface, app};
use raconteur::storage::engine::memory::MemoryEngine;
use raconteur::storage::{
    Accepted, AuditEntry, Claim, Day, DeadLetter, Expired, Expiry, ExpiryCursor, Found, KvStore, Limit, Listed, Loaded,
    Mark, NewWork, Opening, Options, Pending, Search, Step, Store, StoreError, TranscriptTurn, Usage, Version,
    WorkCursor, WorkPage,
};
use raconteur::transport::phone;
use raconteur::{Assistant, Gateway, Settings, TenantSpec, Transport};

use super::input::SESAME;

/// Our number, carried by the simulated phone.
pub(super) const TENANT: &str = "+15550100";

/// The most bytes that a body may have.
pub(super) const BODY_MAX: usize = 64 * 1_024;

/// The HTTP side, what was to be kept, and the gateway behind both, which must not go.
pub(super) struct Gate {
    pub(super) app: App,
    pub(super) shelf: Arc<Shelf>,
    _gateway: Gateway,
}

impl Gate {
    /// Starts the gateway, in a runtime of one thread.
    pub(super) async fn open() -> Self {
        let store = KvStore::open_in_task(MemoryEngine::new(), Options::default()).expect("memory can be opened");
        let shelf = Arc::new(Shelf { store, offered: Mutex::default() });
        let number = Address::parse(TENANT).expect("a number");
        let channel = Arc::new(Mutex::new(None));
        let opened = Arc::clone(&channel);
        let open = move |inbox: raconteur::Inbox| -> Result<Arc<dyn Transport>, String> {
            let phone = phone::open("phone", &phone::Settings::default(), inbox.clone()).map_err(|all| all.concat())?;
            let transport = Arc::clone(&phone.transport);
            *opened.lock().unwrap_or_else(PoisonError::into_inner) = Some((phone, inbox));
            Ok(transport)
        };
        let tenant = TenantSpec {
            number: number.clone(),
            channel: "phone".into(),
            assistant: "mute".into(),
            policy: Policy::default(),
            lane: Default::default(),
        };
        // Nothing is done that no request asks for.
        let settings = Settings { sweep_every: Duration::from_secs(86_400), ..Settings::default() };
        let builder = Gateway::builder(Arc::clone(&shelf) as _).settings(settings).try_channel("phone", open);
        let gateway = builder.assistant("mute", Arc::new(Mute)).tenant(tenant).start().await.expect("it starts");
        let (phone, inbox) = channel.lock().unwrap_or_else(PoisonError::into_inner).take().expect("it was opened");
        let mount = Mount { name: "phone".into(), webhook: phone.webhook, routes: phone.routes, inbox };
        let control = ControlConfig { token: Some(Secret::new(SESAME)), ..ControlConfig::default() };
        let app = app(Surface {
            operating: None,
            mounts: vec![mount],
            readiness: gateway.readiness(),
            limits: Limits {
                body_max_bytes: BODY_MAX,
                request_timeout: Duration::from_secs(10),
                requests_max: 10,
                control_requests_max: 10,
            },
            refusals: Arc::new(Refusals::new(u32::MAX)),
            unproven: Door::Open,
            control: gateway.control(),
            access: [(number, control)].into(),
            aliases: Default::default(),
        });
        Self { app, shelf, _gateway: gateway }
    }
}

/// Has nothing to say.
struct Mute;

#[async_trait]
impl Assistant for Mute {
    async fn ask(&self, _question: &Question) -> Result<Answer, AskError> {
        Ok(Answer::default())
    }
}

/// Keeps nothing that is offered.
pub(super) struct Shelf {
    store: KvStore<MemoryEngine>,
    offered: Mutex<Vec<NewWork>>,
}

impl Shelf {
    /// What was offered since this was last asked.
    pub(super) fn offered(&self) -> Vec<NewWork> {
        std::mem::take(&mut *self.offered.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Store for Shelf {
    fn opening(&self) -> Opening {
        self.store.opening()
    }

    async fn accept(&self, new: NewWork) -> Result<Accepted, StoreError> {
        self.offered.lock().unwrap_or_else(PoisonError::into_inner).push(new);
        Ok(Accepted::Full(Limit::Backlog))
    }

    async fn claim(&self, shards: &[Shard]) -> Result<Vec<Claim>, StoreError> {
        self.store.claim(shards).await
    }

    async fn release(&self, claims: &[Claim]) -> Result<(), StoreError> {
        self.store.release(claims).await
    }

    async fn load(&self, claim: Claim, key: &ConversationKey, unread_max: usize) -> Result<Loaded, StoreError> {
        self.store.load(claim, key, unread_max).await
    }

    async fn commit(&self, claim: Claim, key: &ConversationKey, step: Step) -> Result<Version, StoreError> {
        self.store.commit(claim, key, step).await
    }

    async fn settle(&self, claim: Claim, key: &ConversationKey, marks: Vec<Mark>) {
        self.store.settle(claim, key, marks).await;
    }

    async fn is_known(&self, tenant: &Address, id: &str) -> Result<bool, StoreError> {
        self.store.is_known(tenant, id).await
    }

    async fn crowded(&self) -> Result<Option<Limit>, StoreError> {
        self.store.crowded().await
    }

    async fn heard(&self) -> Result<Vec<(Address, UnixMillis)>, StoreError> {
        self.store.heard().await
    }

    async fn note_heard(&self, heard: Vec<(Address, UnixMillis)>) {
        self.store.note_heard(heard).await;
    }

    async fn remove_erased(&self, limit: usize) -> Result<bool, StoreError> {
        self.store.remove_erased(limit).await
    }

    async fn expire(
        &self,
        expiry: Expiry,
        from: Option<ExpiryCursor>,
        limit: usize,
    ) -> Result<Expired<ExpiryCursor>, StoreError> {
        self.store.expire(expiry, from, limit).await
    }

    async fn expire_dead_letters(
        &self,
        rules: &[(Address, UnixMillis)],
        after: Option<Sequence>,
        limit: usize,
    ) -> Result<Expired<Sequence>, StoreError> {
        self.store.expire_dead_letters(rules, after, limit).await
    }

    async fn pending(
        &self,
        key: &ConversationKey,
        after: Option<Sequence>,
        limit: usize,
    ) -> Result<Vec<Pending>, StoreError> {
        self.store.pending(key, after, limit).await
    }

    async fn receipt(&self, key: &ConversationKey, receipt: &Receipt, at: UnixMillis) -> Result<bool, StoreError> {
        self.store.receipt(key, receipt, at).await
    }

    async fn work(&self, now: UnixMillis, after: Option<WorkCursor>, limit: usize) -> Result<WorkPage, StoreError> {
        self.store.work(now, after, limit).await
    }

    async fn deadlines(
        &self,
        until: UnixMillis,
        after: Option<(UnixMillis, ConversationKey)>,
        limit: usize,
    ) -> Result<Vec<(UnixMillis, ConversationKey)>, StoreError> {
        self.store.deadlines(until, after, limit).await
    }

    async fn forget_duplicates(&self, before: UnixMillis, limit: usize) -> Result<(), StoreError> {
        self.store.forget_duplicates(before, limit).await
    }

    async fn transcript(
        &self,
        key: &ConversationKey,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Vec<TranscriptTurn>, StoreError> {
        self.store.transcript(key, before, limit).await
    }

    async fn snapshot(&self, key: &ConversationKey) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.snapshot(key).await
    }

    async fn conversations(
        &self,
        tenant: &Address,
        after: Option<&Address>,
        limit: usize,
    ) -> Result<Vec<Listed>, StoreError> {
        self.store.conversations(tenant, after, limit).await
    }

    async fn usage(&self, tenant: &Address, days: RangeInclusive<Day>) -> Result<Vec<(Day, Usage)>, StoreError> {
        self.store.usage(tenant, days).await
    }

    async fn find(&self, search: &Search, after: Option<&ConversationKey>, limit: usize) -> Result<Found, StoreError> {
        self.store.find(search, after, limit).await
    }

    async fn dead_letters(&self, after: Option<Sequence>, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
        self.store.dead_letters(after, limit).await
    }

    async fn discard(&self, letter: Sequence) -> Result<bool, StoreError> {
        self.store.discard(letter).await
    }

    async fn audit(&self, entry: AuditEntry) -> Result<Sequence, StoreError> {
        self.store.audit(entry).await
    }

    async fn audits(&self, before: Option<Sequence>, limit: usize) -> Result<Vec<(Sequence, AuditEntry)>, StoreError> {
        self.store.audits(before, limit).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.store.close().await
    }

    async fn failed(&self) -> StoreError {
        self.store.failed().await
    }
}
