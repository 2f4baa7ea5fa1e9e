//! An assistant of one's own: a few lines of Rust that answer, remember, offer a list and give a command. Everything else is the
//! ordinary configured server with its simulated phone.
//!
//! `cargo run --example custom_assistant` texts it once and ends; with `-- --serve` it stays, for `raconteur chat`.

#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::sync::Arc;

use async_trait::async_trait;
use raconteur::config::{Config, StoreKind};
use raconteur::conversation::address::ConversationKey;
use raconteur::conversation::words::{
    Answer, Arrival, AskError, AssistantState, Choice, CommandCall, InboundMessage, Item, Question, Work,
};
use raconteur::{Assistant, Server};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// Counts, and knows two tricks.
struct Counter;

#[async_trait]
impl Assistant for Counter {
    async fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        // What was returned as `state` comes back with the next question of the same session, also after a restart.
        let before: u32 = question.state.as_ref().and_then(|state| state.data.get().parse().ok()).unwrap_or(0);
        let count = before + 1;
        let state = AssistantState { assistant: "counter".into(), data: raw(&json!(count)) };
        let mut answer = Answer { state: Some(state), ..Answer::default() };
        match question.input.text().trim().to_lowercase().as_str() {
            "menu" => {
                let choice =
                    |label: &str, text: &str| Choice { label: label.into(), input: raw(&json!({ "text": text })) };
                let choices = vec![choice("Count", "count"), choice("Leave", "bye")];
                answer.items.push(Item::Options { title: "What shall it be?".into(), choices });
            }
            "bye" => {
                answer.items.push(Item::Text(format!("Goodbye after {count} texts.")));
                answer.commands.push(CommandCall { name: "terminateSession".into(), parameters: Value::Null });
            }
            _ => answer.items.push(Item::Text(format!("That was text {count}. Try menu."))),
        }
        Ok(answer)
    }
}

fn raw(value: &Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("a JSON value can be written as JSON")
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut config = Config::defaults();
    config.store.kind = StoreKind::Memory;
    config.tenants[0].assistant = "counter".into();
    let serve = std::env::args().any(|argument| argument == "--serve");
    if !serve {
        config.server.listen.set_port(0);
    }
    let server = Server::start_with(config, |builder| builder.assistant("counter", Arc::new(Counter))).await?;
    if serve {
        println!("text it: raconteur chat --url http://{}", server.address());
        return Ok(server.run(async { tokio::signal::ctrl_c().await.unwrap_or_default() }).await?);
    }

    let phone = server.gateway().inbox("phone");
    let key = ConversationKey { tenant: "+15550100".parse()?, user: "+15550199".parse()? };
    // "2" picks "Leave" from the list of the turn before.
    for (n, text) in ["hi", "menu", "2"].into_iter().enumerate() {
        let work = Work::Message(InboundMessage { body: text.into(), ..InboundMessage::default() });
        phone.accept(Arrival::Work { key: key.clone(), id: format!("text-{n}"), work }).await?;
    }
    let mut every = tokio::time::interval(std::time::Duration::from_millis(20));
    let mut transcript = Vec::new();
    while transcript.len() < 3 {
        every.tick().await;
        transcript = phone.transcript(&key, None, 3).await?;
    }
    for turn in transcript.iter().rev() {
        if let Work::Message(message) = &turn.work {
            println!("> {}", message.body);
        }
        for row in &turn.rows {
            println!("< {}", row.row.body.replace('\n', "\n  "));
        }
    }
    server.stop().await?;
    Ok(())
}
