//! A store full of conversations, left behind by a process that died.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use raconteur::conversation::address::{Address, ConversationKey, SHARDS, Shard};
use raconteur::conversation::effect::Effect;
use raconteur::conversation::policy::Policy;
use raconteur::conversation::time::UnixMillis;
use raconteur::conversation::words::{Answer, AssistantState, InboundMessage, Item, Work, WorkRecord};
use raconteur::conversation::{Conversation, Input};
use raconteur::load::{first_words, number_of};
use raconteur::storage::engine::sled::SledEngine;
use raconteur::storage::{Accepted, Answered, Claim, KvStore, NewWork, Options, Step, Store, TranscriptTurn, Version};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant};

use super::drive::TENANT;

/// How many conversations are written at once.
const AT_ONCE: u32 = 1_024;

/// So many are begun in a second: about as many turns as a gateway gets done on two cores. What the store tidies up in a second of its own
/// has its time then, as it would have while people text.
const RATE: f64 = 8_000.0;

/// Writes so many conversations, each with a session and a page, and the first `waiting` of them with an unanswered text instead. Then it
/// kills the process.
pub(crate) async fn write(path: &Path, conversations: u32, waiting: u32) {
    let engine = SledEngine::open(path, 256 << 20).expect("it opens");
    let store = Arc::new(KvStore::open(engine, Options::default()).expect("it opens"));
    let shards: Vec<Shard> = (0..SHARDS).map(Shard).collect();
    let claims: Arc<Vec<Claim>> = Arc::new(store.claim(&shards).await.expect("nobody else has them"));
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    for first in 0..AT_ONCE {
        let (store, claims) = (Arc::clone(&store), Arc::clone(&claims));
        tasks.spawn(async move {
            for texter in (first..conversations).step_by(AT_ONCE as usize) {
                tokio::time::sleep_until(began + Duration::from_secs_f64(f64::from(texter) / RATE)).await;
                furnish(&*store, &claims, texter, texter < waiting).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("everything is written");
    }
    std::fs::write(mark(path), "").expect("there is room");
    // Nothing is closed and nothing is tidied up: whoever opens it finds it as after a kill, since that is what this is.
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
}

/// Whether a store has everything that it was to have.
pub(crate) fn is_written(path: &Path) -> bool {
    mark(path).exists()
}

fn mark(store: &Path) -> PathBuf {
    store.with_extension("written")
}

async fn furnish(store: &dyn Store, claims: &[Claim], texter: u32, waits: bool) {
    let number = |text: &str| Address::parse(text).expect("it is a number");
    let key = ConversationKey { tenant: number(TENANT), user: number(&number_of(texter)) };
    let body = if waits { first_words(texter) } else { "hello".into() };
    let (accepted_at, work) = (now(), Work::Message(InboundMessage { body, ..InboundMessage::default() }));
    let id = format!("SM{:032x}", fastrand::Rng::with_seed(u64::from(texter)).u128(..));
    let new =
        NewWork { key: key.clone(), id, accepted_at, seed: u128::from(texter), content: None, work: work.clone() };
    let Ok(Accepted::Fresh { sequence, .. }) = store.accept(new).await else { panic!("it is accepted") };
    if waits {
        return;
    }
    let (snapshot, deadline) = talk(
        &key,
        WorkRecord { sequence, accepted_at, seed: u128::from(texter), attempts: 0, alone: false, work: work.clone() },
    );
    let page = TranscriptTurn {
        sequence,
        session: None,
        work,
        accepted_at,
        asked_at: None,
        commands: Vec::new(),
        answered_at: accepted_at,
        asks: 1,
        error: None,
        answered_with: None,
        rows: Vec::new(),
    };
    let answered = vec![Answered { sequence, rows: Vec::new(), transcript: Some(page) }];
    let step = Step { version: Version(0), snapshot: Some(snapshot), deadline, answered, ..Step::default() };
    let claim = claims.iter().find(|claim| claim.shard == key.shard()).expect("all are claimed");
    store.commit(*claim, &key, step).await.expect("it is committed");
}

/// A conversation's snapshot after one turn with a kilobyte of context, and its deadline.
fn talk(key: &ConversationKey, record: WorkRecord) -> (Vec<u8>, Option<UnixMillis>) {
    let data = RawValue::from_string(context(record.seed)).expect("it is JSON");
    let (policy, now) = (Policy { assistant: "load".into(), ..Policy::default() }, record.accepted_at);
    let (mut conversation, _) = Conversation::restore(key.clone(), None, Vec::new());
    let asked = conversation.handle(now, &policy, Input::WorkAccepted(record));
    let token = asked.iter().find_map(|effect| {
        let Effect::AskAssistant(question) = effect else { return None };
        Some(question.token)
    });
    let state = Some(AssistantState { assistant: "load".into(), data });
    let answer = Box::new(Answer { items: vec![Item::Text("hello".into())], state, ..Answer::default() });
    conversation.handle(now, &policy, Input::AssistantReplied { token: token.expect("it asks"), answer });
    (conversation.snapshot(), conversation.deadline(&policy))
}

/// What an assistant keeps of a conversation: names that every context has, words, numbers that no other one has, and a state of the
/// assistant's own, which is noise to everybody else.
fn context(seed: u128) -> String {
    #[rustfmt::skip]
    const WORDS: [&str; 16] = [
        "Ada", "Grace", "Alan", "Edsger",
        "Lime Street", "Mill Lane", "Station Road", "High Street",
        "delivered", "on its way", "packed", "returned",
        "Monday", "Tuesday", "Thursday", "Saturday",
    ];
    let mut rng = fastrand::Rng::with_seed(u64::try_from(seed).expect("it is a texter's number"));
    let session = uuid::Uuid::from_u128(rng.u128(..)).to_string();
    let own: String = (0..220).map(|_| rng.alphanumeric()).collect();
    let [name, street, parcel, day] = [0, 4, 8, 12].map(|first| WORDS[first + rng.usize(..4)]);
    let order = format!("A-{:08}", rng.u32(..100_000_000));
    let system = json!({
        "turn_count": 1, "timezone": "Europe/Berlin", "locale": "en-us", "user_id": session, "state": own,
        "session_start_time": "2026-11-27T13:05:12.345Z",
    });
    let variables = json!({
        "customer_name": name, "order_number": order, "street": street, "parcel": parcel, "delivery_day": day,
    });
    let skills = json!({"actions skill": {"skill_variables": variables, "system": {}}});
    let context = json!({"global": {"system": system, "session_id": session}, "skills": skills});
    json!({"session_id": session, "context": context}).to_string()
}

fn now() -> UnixMillis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is past 1970");
    UnixMillis(u64::try_from(since.as_millis()).expect("it is before the end of time"))
}
