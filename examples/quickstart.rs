//! The shortest way to a conversation: the parts of a gateway put together by hand, with the demo bot as assistant, and a
//! transport that hands its texts to this program.
//!
//! `cargo run --example quickstart`

#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::sync::Arc;

use async_trait::async_trait;
use raconteur::actors::lane::LaneLimits;
use raconteur::assistant::script;
use raconteur::conversation::address::{Address, ConversationKey};
use raconteur::conversation::policy::Policy;
use raconteur::conversation::words::{Arrival, InboundMessage, OutboundMessage, ProviderId, SendError, Work};
use raconteur::storage::engine::memory::MemoryEngine;
use raconteur::storage::{KvStore, Options};
use raconteur::{Gateway, TenantSpec, Transport};
use tokio::sync::mpsc;

/// A transport is whatever can send a text.
struct Screen(mpsc::UnboundedSender<String>);

#[async_trait]
impl Transport for Screen {
    async fn send(&self, message: &OutboundMessage) -> Result<ProviderId, SendError> {
        let _ = self.0.send(message.body.clone());
        Ok(ProviderId(message.id.to_string()))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (screen, mut answers) = mpsc::unbounded_channel();
    let store = Arc::new(KvStore::open(MemoryEngine::new(), Options::default())?);
    let bot = script::open("demo", &script::Settings::default()).map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let number: Address = "+15550100".parse()?;
    let gateway = Gateway::builder(store)
        .channel("screen", |_inbox| Screen(screen))
        .assistant("demo", bot)
        .tenant(TenantSpec {
            number: number.clone(),
            channel: "screen".into(),
            assistant: "demo".into(),
            policy: Policy::default(),
            lane: LaneLimits::default(),
        })
        .start()
        .await?;

    let inbox = gateway.inbox("screen");
    let key = ConversationKey { tenant: number, user: "+15550199".parse()? };
    for (n, text) in ["hi", "my name is Ada", "what is my name?", "bye"].into_iter().enumerate() {
        println!("> {text}");
        let work = Work::Message(InboundMessage { body: text.into(), ..InboundMessage::default() });
        // When this returns, the text is durable; a second one with the same id would be a duplicate.
        inbox.accept(Arrival::Work { key: key.clone(), id: format!("text-{n}"), work }).await?;
        let answer = answers.recv().await.unwrap_or_default();
        println!("< {}", answer.replace('\n', "\n  "));
    }
    gateway.drain(std::time::Duration::from_secs(5)).await?;
    Ok(())
}
