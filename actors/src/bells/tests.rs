//! Conversations that are sent out of memory all the time while their users text several texts at once, on several threads: nobody's text
//! waits for the sweep, and each is answered once and in its turn.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use raconteur_conversation::address::Address;
use raconteur_conversation::policy::Policy;
use raconteur_conversation::words::{
    Answer, Arrival, AskError, InboundMessage, Item, OutboundMessage, ProviderId, Question, SendError, Work,
};
use raconteur_storage::engine::memory::MemoryEngine;
use raconteur_storage::{KvStore, Options};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::*;
use crate::gateway::{Gateway, TenantSpec};
use crate::inbox::Outcome;
use crate::lane::LaneLimits;
use crate::port::{Assistant, Transport};
use crate::runtime::{Runtime, Settings};
use crate::shard::{Quota, ShardMsg};

const USERS: usize = 6;
const ROUNDS: usize = 150;
/// Nothing is found by looking for it, and nobody leaves memory for having been idle.
const NEVER: Duration = Duration::from_secs(3_600);

/// So many texts of one user come at once, now and then more than are handed over beside the mailbox.
fn at_once(round: usize) -> usize {
    if round % 10 == 9 { 50 } else { 3 }
}

struct Echo;

#[async_trait]
impl Assistant for Echo {
    async fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        Ok(Answer { items: vec![Item::Text(question.input.text().to_owned())], ..Answer::default() })
    }
}

/// Hands each text to its user.
struct Phones(Mutex<BTreeMap<Address, UnboundedSender<String>>>);

#[async_trait]
impl Transport for Phones {
    async fn send(&self, message: &OutboundMessage) -> Result<ProviderId, SendError> {
        let phones = self.0.lock().unwrap();
        phones[&message.key.user].send(message.body.clone()).unwrap();
        Ok(ProviderId(message.id.to_string()))
    }
}

/// Asks for a conversation to leave memory if it has nothing to do, again and again for a moment.
async fn usher(runtime: Arc<Runtime>, key: ConversationKey, times: usize) {
    for _ in 0..times {
        runtime.tell(&key, ShardMsg::Passivate(Duration::ZERO, Quota::new(1)));
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn texts_that_come_while_their_conversation_leaves_are_answered_without_being_looked_for() {
    let number = |text: &str| Address::parse(text).unwrap();
    let phones = Arc::new(Phones(Mutex::default()));
    let tenant = TenantSpec {
        number: number("+15550100"),
        channel: "phones".into(),
        assistant: "echo".into(),
        policy: Policy { flood: None, ..Policy::default() },
        lane: LaneLimits::default(),
    };
    let given = Arc::clone(&phones);
    let gateway = Gateway::builder(Arc::new(KvStore::open(MemoryEngine::new(), Options::default()).unwrap()))
        .settings(Settings { sweep_every: NEVER, idle_after: NEVER, ..Settings::default() })
        .try_channel("phones", move |_inbox| Ok(given))
        .assistant("echo", Arc::new(Echo))
        .tenant(tenant)
        .start()
        .await
        .unwrap();
    let texting = (0..USERS).map(|user| {
        let key = ConversationKey { tenant: number("+15550100"), user: number(&format!("+1555{user:07}")) };
        let (ring, mut phone) = unbounded_channel();
        phones.0.lock().unwrap().insert(key.user.clone(), ring);
        let (inbox, runtime) = (gateway.inbox("phones"), Arc::clone(gateway.runtime()));
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                tokio::spawn(usher(Arc::clone(&runtime), key.clone(), 8 + round % 16));
                let text = |n: usize| {
                    let (inbox, key, body) = (inbox.clone(), key.clone(), format!("{round}.{n}"));
                    let id = format!("{} {body}", key.user.as_str());
                    let work = Work::Message(InboundMessage { body: body.clone(), ..InboundMessage::default() });
                    tokio::spawn(async move {
                        let outcome = inbox.accept(Arrival::Work { key, id, work }).await.unwrap();
                        let Outcome::Accepted(sequence) = outcome else { panic!("{outcome:?}") };
                        (sequence, body)
                    })
                };
                let mut texts = Vec::new();
                for accepting in Vec::from_iter((0..at_once(round)).map(text)) {
                    texts.push(accepting.await.unwrap());
                }
                texts.sort_unstable();
                for (_, text) in texts {
                    let answer = tokio::time::timeout(NEVER / 60, phone.recv()).await;
                    assert_eq!(answer.unwrap_or_else(|_| panic!("text {text} waits for the sweep")), Some(text));
                }
            }
        })
    });
    for user in Vec::from_iter(texting) {
        user.await.unwrap();
    }
    gateway.drain(NEVER).await.unwrap();
}
