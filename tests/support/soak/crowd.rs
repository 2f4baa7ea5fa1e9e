//! The users: texts at a rate that does not depend on the answers, from new users and from such as come back, each user one at a time.
//!
//! Among the texts are some with media, some that come twice, some that the bot answers late or at length, STOP and START; beside them go
//! receipts, and texts that a business sends by REST. A text that is not acknowledged comes again, with the same id, until it is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::assistant::Assistant;
use super::dice::Dice;
use super::gateway::{CONTROL, TENANT};
use super::provider::{Provider, Took};
use crate::support::twilio::{ACCOUNT, TOKEN, signature};

const PUBLIC_URL: &str = "https://sms.example.com";

/// A request without an answer after this long is posted again.
const PATIENCE: Duration = Duration::from_secs(10);

/// After a refusal a request comes again this much later, and after each further one twice as much, up to [`WAITS_MOST`]: who is refused
/// is not to take the processor from who is served.
const WAITS_FIRST: Duration = Duration::from_millis(100);
const WAITS_MOST: Duration = Duration::from_secs(5);

/// How often it is looked at what is due.
const TICK: Duration = Duration::from_millis(10);

/// What was done so far.
#[derive(Default)]
pub(crate) struct Counters {
    /// Texts that were acknowledged.
    pub(crate) accepted: AtomicU64,
    /// Of these, STOP.
    pub(crate) stops: AtomicU64,
    /// Requests that were not answered, or answered with 503, and came again.
    pub(crate) repeated: AtomicU64,
    /// Texts by REST that were accepted.
    pub(crate) requested: AtomicU64,
    /// Receipts that were taken.
    pub(crate) receipts: AtomicU64,
    /// Texts that were due while nobody was free to send them.
    pub(crate) late: AtomicU64,
}

/// Everything that the users' tasks share.
pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) gateway: String,
    pub(crate) provider: Provider,
    pub(crate) assistant: Assistant,
    pub(crate) counters: Counters,
}

/// A user.
pub(crate) struct User {
    number: String,
    texts: usize,
    has_stopped: bool,
    /// His latest text gets an answer in several parts, of which only the first is waited for.
    awaits_parts: bool,
}

/// What a user does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Text(&'static str),
    Media,
    Twice,
    Stop,
    Start,
    Requested,
}

/// The users who are at leisure, and how many there may be.
struct Lounge {
    idle: Vec<User>,
    born: usize,
    most: usize,
    dice: Dice,
}

/// All users, and what those do who are not at leisure.
pub(crate) struct Crowd {
    world: Arc<World>,
    lounge: Arc<Mutex<Lounge>>,
    busy: JoinSet<()>,
}

impl Crowd {
    /// At most so many users.
    pub(crate) fn new(world: Arc<World>, most: usize, dice: Dice) -> Self {
        let lounge = Arc::new(Mutex::new(Lounge { idle: Vec::new(), born: 0, most, dice }));
        Self { world, lounge, busy: JoinSet::new() }
    }

    /// So many texts a second for so long, whatever becomes of them.
    pub(crate) async fn talk(&mut self, rate: f64, span: Duration) {
        let began = Instant::now();
        let mut offered = 0_u64;
        while began.elapsed() < span {
            let due = (began.elapsed().as_secs_f64() * rate) as u64;
            while offered < due {
                offered += 1;
                self.let_one_speak();
            }
            while self.busy.try_join_next().is_some() {}
            tokio::time::sleep(TICK).await;
        }
    }

    /// So many users at a time, each of whom does one thing, waits until he has all that is to come and makes room for another, for so
    /// long. Returns how many texts a second were acknowledged.
    pub(crate) async fn converse(&mut self, users: usize, span: Duration) -> f64 {
        let began = Instant::now();
        let before = self.world.counters.accepted.load(Ordering::Relaxed);
        for _ in 0..users {
            let (world, lounge) = (Arc::clone(&self.world), Arc::clone(&self.lounge));
            self.busy.spawn(async move {
                while began.elapsed() < span {
                    let next = enter(&lounge).next(&world);
                    let (mut user, deed) = next.expect("there are more users than may talk at once");
                    user.act(&world, deed).await;
                    while !world.provider.has_all(&user.number) {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    enter(&lounge).idle.push(user);
                }
            });
        }
        self.settle().await;
        let accepted = self.world.counters.accepted.load(Ordering::Relaxed) - before;
        accepted as f64 / began.elapsed().as_secs_f64()
    }

    /// Until everybody has got his acknowledgement.
    pub(crate) async fn settle(&mut self) {
        while let Some(ended) = self.busy.join_next().await {
            ended.expect("users do not fail");
        }
    }

    fn let_one_speak(&mut self) {
        let Some((mut user, deed)) = enter(&self.lounge).next(&self.world) else {
            self.world.counters.late.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let (world, lounge) = (Arc::clone(&self.world), Arc::clone(&self.lounge));
        self.busy.spawn(async move {
            user.act(&world, deed).await;
            enter(&lounge).idle.push(user);
        });
    }
}

fn enter(lounge: &Mutex<Lounge>) -> MutexGuard<'_, Lounge> {
    lounge.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lounge {
    /// Who does something next, and what. None when everybody is busy.
    fn next(&mut self, world: &World) -> Option<(User, Deed)> {
        let wants_newcomer = self.born < self.most && self.dice.once_in(10);
        let found = if wants_newcomer { None } else { self.somebody() };
        let user = match found {
            Some(user) => user,
            None if self.born < self.most => self.newcomer(),
            None => return None,
        };
        let deed = self.deed(&user, world);
        Some((user, deed))
    }

    fn somebody(&mut self) -> Option<User> {
        let most = u64::try_from(self.idle.len()).expect("they can be counted");
        let which = (most > 0).then(|| self.dice.within(0..most))?;
        Some(self.idle.swap_remove(usize::try_from(which).expect("they can be counted")))
    }

    fn newcomer(&mut self) -> User {
        self.born += 1;
        User { number: format!("+1555{:07}", self.born), texts: 0, has_stopped: false, awaits_parts: false }
    }

    fn deed(&mut self, user: &User, world: &World) -> Deed {
        if user.has_stopped {
            return Deed::Start;
        }
        match self.dice.within(0..100) {
            0..=3 => Deed::Media,
            4..=7 => Deed::Twice,
            8..=11 => Deed::Requested,
            12..=13 => Deed::Text("long"),
            14..=18 => Deed::Text("slow"),
            // Who stops our texts gets no answer that is still on its way.
            19..=20 if !user.awaits_parts && world.provider.has_all(&user.number) => Deed::Stop,
            _ => Deed::Text("plain"),
        }
    }
}

impl User {
    async fn act(&mut self, world: &World, deed: Deed) {
        match deed {
            Deed::Text(kind) => self.text(world, kind, &[]).await,
            Deed::Media => {
                let media =
                    [("NumMedia", "1"), ("MediaUrl0", "https://media.example/1"), ("MediaContentType0", "image/png")];
                self.text(world, "media", &media).await;
            }
            Deed::Twice => {
                self.text(world, "twice", &[]).await;
                world.post(&self.number, &self.sid(), "twice over", &[]).await;
            }
            Deed::Stop | Deed::Start => {
                self.texts += 1;
                self.has_stopped = deed == Deed::Stop;
                let word = if self.has_stopped { "STOP" } else { "START" };
                world.counters.stops.fetch_add(u64::from(self.has_stopped), Ordering::Relaxed);
                world.post(&self.number, &self.sid(), word, &[]).await;
                world.counters.accepted.fetch_add(1, Ordering::Relaxed);
            }
            Deed::Requested => self.requested(world).await,
        }
    }

    async fn text(&mut self, world: &World, kind: &str, media: &[(&str, &str)]) {
        self.texts += 1;
        self.awaits_parts = kind == "long";
        let text = format!("{} {kind}", self.texts);
        world.provider.expect_answer(&self.number, &format!("re {text}"));
        world.post(&self.number, &self.sid(), &text, media).await;
        world.counters.accepted.fetch_add(1, Ordering::Relaxed);
    }

    async fn requested(&mut self, world: &World) {
        self.texts += 1;
        let text = format!("from us, {}", self.texts);
        world.provider.expect_request(&self.number, &text);
        world.request(&self.number, &text, &self.sid()).await;
        world.counters.requested.fetch_add(1, Ordering::Relaxed);
    }

    /// The id of the latest text.
    fn sid(&self) -> String {
        format!("SM{:0>16}{:016}", &self.number[1..], self.texts)
    }
}

impl World {
    /// Posts a text as Twilio does, until it is acknowledged.
    async fn post(&self, user: &str, sid: &str, text: &str, media: &[(&str, &str)]) {
        let mut fields =
            vec![("AccountSid", ACCOUNT), ("MessageSid", sid), ("From", user), ("To", TENANT), ("Body", text)];
        if media.is_empty() {
            fields.push(("NumMedia", "0"));
        }
        fields.extend(media);
        self.until(StatusCode::OK, || self.signed("/channels/twilio/inbound", &fields)).await;
    }

    /// Asks for a text by REST, until it is accepted.
    async fn request(&self, user: &str, text: &str, key: &str) {
        let url = format!("{}/v1/tenants/{TENANT}/texts", self.gateway);
        let body = json!({"user": user, "text": text}).to_string();
        let request = || self.client.post(&url).bearer_auth(CONTROL).header("Idempotency-Key", key).body(body.clone());
        self.until(StatusCode::ACCEPTED, request).await;
    }

    fn signed(&self, path: &str, fields: &[(&str, &str)]) -> reqwest::RequestBuilder {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.client
            .post(format!("{}{path}", self.gateway))
            .header("X-Twilio-Signature", signature(TOKEN, &format!("{PUBLIC_URL}{path}"), fields))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body)
    }

    /// The same request again and again, until it is answered so. Only a refusal for now and silence may come in between; any other
    /// answer is wrong.
    async fn until(&self, wanted: StatusCode, request: impl Fn() -> reqwest::RequestBuilder) {
        let mut wait = WAITS_FIRST;
        loop {
            match request().timeout(PATIENCE).send().await.map(|response| response.status()) {
                Ok(status) if status == wanted => return,
                Ok(StatusCode::SERVICE_UNAVAILABLE) | Err(_) => {
                    self.counters.repeated.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(WAITS_MOST);
                }
                Ok(status) => return self.provider.complain(format!("answered {status} and not {wanted}")),
            }
        }
    }
}

/// Posts receipts for what the provider has taken: of every second text, in order or the wrong way round, sometimes twice.
pub(crate) async fn receipts(world: Arc<World>, mut taken: mpsc::UnboundedReceiver<Took>, mut dice: Dice) {
    let mut posting = JoinSet::new();
    while let Some(Took { sid, user, callback }) = taken.recv().await {
        while posting.try_join_next().is_some() {}
        let words: &'static [&'static str] = match dice.within(0..8) {
            0 => &["sent", "delivered"],
            1 => &["delivered", "sent"],
            2 => &["delivered", "delivered"],
            3 => &["sent"],
            _ => continue,
        };
        let world = Arc::clone(&world);
        posting.spawn(async move {
            let Some(path) = callback.strip_prefix(PUBLIC_URL) else { return };
            for word in words {
                let fields = [
                    ("AccountSid", ACCOUNT),
                    ("MessageSid", sid.as_str()),
                    ("From", TENANT),
                    ("To", user.as_str()),
                    ("MessageStatus", word),
                ];
                world.until(StatusCode::OK, || world.signed(path, &fields)).await;
                world.counters.receipts.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    while posting.join_next().await.is_some() {}
}
