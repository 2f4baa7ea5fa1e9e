//! A small world in virtual time: a store in memory that can crash, an assistant that does as it is told, a provider that
//! writes down what it gets. Reads like a story: `inbound`, `expects`, `advance`, `crash`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use raconteur_actors::gateway::{Builder, Gateway};
use raconteur_actors::inbox::{Inbox, Outcome, Refused};
use raconteur_actors::lane::LaneLimits;
use raconteur_actors::port::{Assistant, Clock, LogsReceived, Transport};
use raconteur_actors::{Settings, TenantSpec};
use raconteur_conversation::address::{Address, ConversationKey};
use raconteur_conversation::policy::{LoopGuard, MediaCheck, Policy};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{
    Answer, Arrival, AskError, AssistantState, InboundMessage, Item, LogPage, LogUnreadable, LoggedMessage, LoggedText,
    Lookup, Media, MediaVerdict, OutboundMessage, ProviderId, Question, Received, Repeat, SendError, SessionEnd, Work,
};
use raconteur_storage::engine::memory::MemoryEngine;
use raconteur_storage::{KvStore, Options, Store, TranscriptTurn};
use tokio::sync::Notify;
use tokio::time::Instant;

#[path = "received.rs"]
pub(crate) mod received;

use received::ReceivedLog;

pub(crate) const TENANT: &str = "+15550100";
/// No story takes longer, in virtual time.
const PATIENCE: Duration = Duration::from_secs(30 * 24 * 3_600);

/// What the assistant does with a question.
pub(crate) enum Does {
    Says(String),
    SaysAfter(Duration, String),
    Answers(Box<Answer>),
    Fails(AskError),
    Panics,
    NeverAnswers,
}

type Behaviour = Box<dyn Fn(&Question) -> Does + Send + Sync>;

/// An assistant that echoes, until it is told something else. It counts turns in its state.
pub(crate) struct Bot {
    behaviour: Mutex<Behaviour>,
    asked: Mutex<Vec<(String, u32, String)>>,
    ended: Mutex<Vec<SessionEnd>>,
    changed: Notify,
}

impl Bot {
    pub(crate) fn does(&self, behaviour: impl Fn(&Question) -> Does + Send + Sync + 'static) {
        *self.behaviour.lock().unwrap() = Box::new(behaviour);
    }

    /// Whom it was asked by, which attempt, and what.
    pub(crate) fn asked(&self) -> Vec<(String, u32, String)> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn ended(&self) -> usize {
        self.ended.lock().unwrap().len()
    }

    pub(crate) async fn was_asked(&self, times: usize) {
        until(&self.changed, || self.asked.lock().unwrap().len() >= times).await;
    }
}

fn answer(question: &Question, text: &str) -> Answer {
    let before = question.state.as_ref().and_then(|state| state.data.get().parse::<u32>().ok()).unwrap_or(0);
    let data = serde_json::value::RawValue::from_string((before + 1).to_string()).unwrap();
    let state = Some(AssistantState { assistant: "bot".into(), data });
    Answer { items: vec![Item::Text(text.replace("{n}", &(before + 1).to_string()))], state, ..Answer::default() }
}

#[async_trait]
impl Assistant for Bot {
    async fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        let entry = (question.key.user.to_string(), question.token.attempt, question.input.text().to_owned());
        self.asked.lock().unwrap().push(entry);
        self.changed.notify_waiters();
        let does = (self.behaviour.lock().unwrap())(question);
        match does {
            Does::Says(text) => Ok(answer(question, &text)),
            Does::SaysAfter(wait, text) => {
                tokio::time::timeout(wait, std::future::pending::<()>()).await.unwrap_err();
                Ok(answer(question, &text))
            }
            Does::Answers(answer) => Ok(*answer),
            Does::Fails(error) => Err(error),
            Does::Panics => panic!("the assistant was told to panic"),
            Does::NeverAnswers => std::future::pending().await,
        }
    }

    async fn end(&self, end: &SessionEnd) {
        self.ended.lock().unwrap().push(end.clone());
        self.changed.notify_waiters();
    }
}

/// What the provider does with a text.
pub(crate) enum Takes {
    It,
    /// Takes it, but the caller hears something else.
    ItButSays(SendError),
    ItAndPanics,
    ItAndNeverAnswers,
    Not(SendError),
}

type Reception = Box<dyn Fn(&OutboundMessage) -> Takes + Send + Sync>;

/// A provider that writes down what it takes.
pub(crate) struct Provider {
    reception: Mutex<Reception>,
    taken: Mutex<Vec<(String, String)>>,
    changed: Notify,
    pub(crate) repeat: Mutex<Repeat>,
    /// Media that go as links, once it is asked at all.
    pub(crate) links: Mutex<Option<Vec<String>>>,
    media: Mutex<Vec<Vec<String>>>,
    /// When each text was taken.
    times: Mutex<Vec<Instant>>,
    pub(crate) loop_guard: Mutex<Option<LoopGuard>>,
    /// What users have sent, once a test says that there is such a log.
    pub(crate) received: Mutex<Option<ReceivedLog>>,
}

impl Provider {
    /// Says what is to be with the log of what users have sent; from then on there is one.
    pub(crate) fn log<T>(&self, use_it: impl FnOnce(&mut ReceivedLog) -> T) -> T {
        use_it(self.received.lock().unwrap().get_or_insert_default())
    }

    pub(crate) fn does(&self, reception: impl Fn(&OutboundMessage) -> Takes + Send + Sync + 'static) {
        *self.reception.lock().unwrap() = Box::new(reception);
    }

    /// Everything that one user's phone has seen.
    pub(crate) fn seen_by(&self, user: &str) -> Vec<String> {
        self.taken.lock().unwrap().iter().filter(|(to, _)| to == user).map(|(_, body)| body.clone()).collect()
    }

    /// The media of every text.
    pub(crate) fn media(&self) -> Vec<Vec<String>> {
        self.media.lock().unwrap().clone()
    }

    /// When each text to one user was taken, in seconds from `began` on.
    pub(crate) fn times(&self, user: &str, began: Instant) -> Vec<u64> {
        let (taken, times) = (self.taken.lock().unwrap(), self.times.lock().unwrap());
        let to_user = taken.iter().zip(times.iter()).filter(|((to, _), _)| to == user);
        to_user.map(|(_, at)| at.duration_since(began).as_secs()).collect()
    }

    fn take(&self, message: &OutboundMessage) -> ProviderId {
        self.media.lock().unwrap().push(message.media.clone());
        self.times.lock().unwrap().push(Instant::now());
        let mut taken = self.taken.lock().unwrap();
        taken.push((message.key.user.to_string(), message.body.clone()));
        self.changed.notify_waiters();
        ProviderId(format!("SM{}", taken.len()))
    }
}

#[async_trait]
impl Transport for Provider {
    async fn send(&self, message: &OutboundMessage) -> Result<ProviderId, SendError> {
        let takes = (self.reception.lock().unwrap())(message);
        match takes {
            Takes::It => Ok(self.take(message)),
            Takes::ItButSays(error) => {
                self.take(message);
                Err(error)
            }
            Takes::ItAndPanics => {
                self.take(message);
                panic!("the transport was told to panic")
            }
            Takes::ItAndNeverAnswers => {
                self.take(message);
                std::future::pending().await
            }
            Takes::Not(error) => Err(error),
        }
    }

    async fn find(&self, message: &OutboundMessage, _since: UnixMillis) -> Lookup {
        let taken = self.taken.lock().unwrap();
        let to_user = taken.iter().enumerate().filter(|(_, (to, _))| to == message.key.user.as_str());
        let logged = |(index, (_, body)): (usize, &(String, String))| LoggedMessage {
            provider_id: ProviderId(format!("SM{}", index + 1)),
            body: body.clone(),
        };
        Lookup::Readable(to_user.map(logged).rev().collect())
    }

    fn logs_received(&self) -> LogsReceived {
        if self.received.lock().unwrap().is_some() { LogsReceived::Yes } else { LogsReceived::No }
    }

    async fn received_since(&self, _number: &Address, since: UnixMillis, page: Option<&LogPage>) -> Received {
        let (read, fails) = self.log(|log| (log.page(since, page), log.fails));
        self.changed.notify_waiters();
        match fails {
            Some(fails) => fails.now().await,
            None => read,
        }
    }

    async fn media_of(&self, text: &LoggedText) -> Result<Vec<Media>, LogUnreadable> {
        let unreadable = || LogUnreadable { reason: "as the test asked".into(), after: None };
        self.log(|log| {
            log.media_asked.push(text.id.clone());
            log.media.clone().ok_or_else(unreadable)
        })
    }

    fn repeat(&self) -> Repeat {
        *self.repeat.lock().unwrap()
    }

    fn loop_guard(&self) -> Option<LoopGuard> {
        *self.loop_guard.lock().unwrap()
    }

    fn media_check(&self) -> MediaCheck {
        if self.links.lock().unwrap().is_some() { MediaCheck::Ask } else { MediaCheck::No }
    }

    async fn judge_media(&self, url: &str) -> MediaVerdict {
        assert!(!url.contains("panic"), "the transport was told to panic");
        if url.contains("hang") {
            std::future::pending::<()>().await;
        }
        let links = self.links.lock().unwrap().clone().unwrap_or_default();
        match links.iter().any(|link| link == url) {
            true => MediaVerdict::AsLink { reason: "the provider would not take it".into() },
            false => MediaVerdict::AsMedia,
        }
    }
}

/// Virtual time, and seeds that count.
pub(crate) struct VirtualClock {
    began: Instant,
    seeds: AtomicU64,
}

impl Clock for VirtualClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(1_700_000_000_000).plus(self.began.elapsed())
    }

    fn seed(&self) -> u128 {
        u128::from(self.seeds.fetch_add(1, Ordering::Relaxed)) << 64 | 7
    }
}

/// Puts something between the gateway and its store.
pub(crate) type Wrap = Box<dyn Fn(Arc<dyn Store>) -> Arc<dyn Store>>;

/// Adds parts to a gateway that does not run yet.
pub(crate) type Parts = Box<dyn Fn(Builder) -> Builder>;

/// Everything together.
pub(crate) struct World {
    pub(crate) bot: Arc<Bot>,
    pub(crate) provider: Arc<Provider>,
    pub(crate) policy: Policy,
    pub(crate) lane: LaneLimits,
    pub(crate) settings: Settings,
    /// The limits of the store.
    pub(crate) options: Options,
    pub(crate) wrap: Wrap,
    /// Adds parts to the gateway before it starts.
    pub(crate) parts: Parts,
    pub(crate) engine: MemoryEngine,
    /// The one number that is configured.
    pub(crate) number: String,
    clock: Arc<VirtualClock>,
    gateway: Option<Gateway>,
    ids: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        let echo: Behaviour = Box::new(|question| Does::Says(format!("{{n}}: {}", question.input.text())));
        let bot = Bot {
            behaviour: Mutex::new(echo),
            asked: Mutex::default(),
            ended: Mutex::default(),
            changed: Notify::new(),
        };
        let provider = Provider {
            reception: Mutex::new(Box::new(|_| Takes::It)),
            taken: Mutex::default(),
            changed: Notify::new(),
            repeat: Mutex::new(Repeat::AskLog),
            links: Mutex::default(),
            media: Mutex::default(),
            received: Mutex::default(),
            times: Mutex::default(),
            loop_guard: Mutex::default(),
        };
        let policy = Policy { failure_message: "sorry".into(), ..Policy::default() };
        Self {
            bot: Arc::new(bot),
            provider: Arc::new(provider),
            policy,
            lane: LaneLimits::default(),
            settings: Settings::default(),
            options: Options::default(),
            wrap: Box::new(|store| store),
            parts: Box::new(|builder| builder),
            engine: MemoryEngine::new(),
            number: TENANT.into(),
            clock: Arc::new(VirtualClock { began: Instant::now(), seeds: AtomicU64::new(1) }),
            gateway: None,
            ids: 0,
        }
    }

    pub(crate) async fn started() -> Self {
        let mut world = Self::new();
        world.start().await;
        world
    }

    pub(crate) async fn start(&mut self) {
        let store = KvStore::open_in_task(self.engine.clone(), self.options.clone()).unwrap();
        let provider = Arc::clone(&self.provider);
        let spec = TenantSpec {
            number: Address::parse(&self.number).unwrap(),
            channel: "test".into(),
            assistant: "bot".into(),
            policy: self.policy.clone(),
            lane: self.lane.clone(),
        };
        let builder = (self.parts)(Gateway::builder((self.wrap)(Arc::new(store))));
        let gateway = builder
            .clock(Arc::clone(&self.clock) as Arc<dyn Clock>)
            .settings(self.settings.clone())
            .try_channel("test", move |_inbox| Ok(provider))
            .assistant("bot", Arc::clone(&self.bot) as Arc<dyn Assistant>)
            .tenant(spec)
            .start()
            .await
            .unwrap();
        self.gateway = Some(gateway);
    }

    pub(crate) fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().unwrap()
    }

    pub(crate) fn inbox(&self) -> Inbox {
        self.gateway().inbox("test")
    }

    /// The user texts, with a fresh provider id.
    pub(crate) async fn inbound(&mut self, user: &str, body: &str) -> Outcome {
        self.ids += 1;
        let id = format!("id{}", self.ids);
        text(&self.inbox(), user, body, &id).await.unwrap()
    }

    /// The user texts, and the provider writes it down; whether anybody hears of it is another matter.
    pub(crate) fn logged(&mut self, user: &str, body: &str) -> String {
        self.ids += 1;
        let id = format!("id{}", self.ids);
        let message = InboundMessage { body: body.into(), ..InboundMessage::default() };
        let at = self.clock.now();
        let text = LoggedText { at, key: key(user), id: id.clone(), message, unlisted_media: 0 };
        self.provider.log(|log| log.texts.push(text));
        id
    }

    /// As [`World::logged`], and the provider offers it once.
    pub(crate) async fn offered(&mut self, user: &str, body: &str) -> Result<Outcome, Refused> {
        let id = self.logged(user, body);
        text(&self.inbox(), user, body, &id).await
    }

    pub(crate) fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    /// What was said, newest first.
    pub(crate) async fn transcript(&self, user: &str) -> Vec<TranscriptTurn> {
        self.gateway().control().transcript(&key(user), None, 100).await.unwrap()
    }

    /// Something else arrives.
    pub(crate) async fn arrives(&mut self, user: &str, work: Work) -> Outcome {
        self.ids += 1;
        let arrival = Arrival::Work { key: key(user), id: format!("id{}", self.ids), work };
        self.inbox().accept(arrival).await.unwrap()
    }

    /// Waits, in virtual time, until the user's phone has seen exactly these texts.
    pub(crate) async fn expects(&self, user: &str, texts: &[&str]) {
        until(&self.provider.changed, || self.provider.seen_by(user).len() >= texts.len()).await;
        assert_eq!(self.provider.seen_by(user), texts);
    }

    /// Waits until the assistant was told of so many ended sessions.
    pub(crate) async fn ends(&self, sessions: usize) {
        until(&self.bot.changed, || self.bot.ended() >= sessions).await;
    }

    pub(crate) async fn advance(&self, span: Duration) {
        // Not at once: whoever wakes in between must see its own time.
        tokio::time::timeout(span, std::future::pending::<()>()).await.unwrap_err();
    }

    /// The process dies: what was not synced is gone.
    pub(crate) async fn crash(&mut self) {
        drop(self.gateway.take());
        // Tasks of the dead process must not run on in the next one: let those that were killed end.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        self.engine = self.engine.crash();
    }

    pub(crate) async fn drain(&mut self, timeout: Duration) {
        self.gateway.take().unwrap().drain(timeout).await.unwrap();
    }
}

pub(crate) fn key(user: &str) -> ConversationKey {
    ConversationKey { tenant: Address::parse(TENANT).unwrap(), user: Address::parse(user).unwrap() }
}

pub(crate) async fn text(inbox: &Inbox, user: &str, body: &str, id: &str) -> Result<Outcome, Refused> {
    let work = Work::Message(InboundMessage { body: body.into(), ..InboundMessage::default() });
    inbox.accept(Arrival::Work { key: key(user), id: id.into(), work }).await
}

/// Waits, in virtual time, until something is so; it is looked at whenever the bell rings.
pub(crate) async fn until(bell: &Notify, is_so: impl Fn() -> bool) {
    let wait = async {
        loop {
            let rings = bell.notified();
            if is_so() {
                return;
            }
            rings.await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("what was waited for never came");
}

/// How many texts each user got, for a quick look at many.
pub(crate) fn counts(provider: &Provider) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (to, _) in provider.taken.lock().unwrap().iter() {
        *counts.entry(to.clone()).or_default() += 1;
    }
    counts
}
