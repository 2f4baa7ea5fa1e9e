//! A transport of one's own, as an actor: it owns its connection (here: a pretended one), receives by itself and hands what it
//! receives to the inbox, and is started again whenever it fails. The gateway and its crates are not touched.
//!
//! `cargo run --example custom_transport`

#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use raconteur::actors::ractor::{Actor, ActorProcessingErr, ActorRef};
use raconteur::config::{Config, StoreKind};
use raconteur::conversation::address::ConversationKey;
use raconteur::conversation::words::{
    Arrival, InboundMessage, LoggedMessage, Lookup, ProviderId, Received, Repeat, Work,
};
use raconteur::{Inbox, Manners, Server, TransportActor, TransportMsg};
use tokio::sync::mpsc;

/// What stands for the other end of the line.
type Line = mpsc::UnboundedSender<(String, String)>;

/// Speaks some protocol of its own with some provider.
struct CarrierPigeon;

/// What the actor keeps while it lives. What must outlive it is in the gateway's store already.
struct Loft {
    line: Line,
    flown: Vec<LoggedMessage>,
}

impl Actor for CarrierPigeon {
    type Msg = TransportMsg;
    type State = Loft;
    type Arguments = Line;

    async fn pre_start(&self, _me: ActorRef<TransportMsg>, line: Line) -> Result<Loft, ActorProcessingErr> {
        // Here a real one would connect and log in; an error has it started again a little later.
        Ok(Loft { line, flown: Vec::new() })
    }

    async fn handle(
        &self,
        _me: ActorRef<TransportMsg>,
        message: TransportMsg,
        loft: &mut Loft,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            TransportMsg::Send(text, reply) => {
                let pigeon = ProviderId(format!("pigeon-{}", text.id));
                loft.flown.push(LoggedMessage { provider_id: pigeon.clone(), body: text.body.clone() });
                loft.line.send((text.key.user.to_string(), text.body))?;
                let _ = reply.send(Ok(pigeon));
            }
            // A pigeon that found nobody at home is not in any log.
            TransportMsg::ReceivedSince(_number, _since, _page, reply) => {
                let _ = reply.send(Received::Unsupported);
            }
            // After a crash the gateway asks what was sent, so that nothing goes twice.
            TransportMsg::Find(_text, _since, reply) => {
                let newest_first = loft.flown.iter().rev().cloned().collect();
                let _ = reply.send(Lookup::Readable(newest_first));
            }
        }
        Ok(())
    }
}

/// The receiving half: whatever arrives is durable when `accept` returns; then the other side may forget it.
async fn receive(inbox: &Inbox, user: &str, id: &str, body: &str) -> anyhow::Result<()> {
    let key = ConversationKey { tenant: "+15550100".parse()?, user: user.parse()? };
    let work = Work::Message(InboundMessage { body: body.into(), ..InboundMessage::default() });
    inbox.accept(Arrival::Work { key, id: id.into(), work }).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut config = Config::defaults();
    config.store.kind = StoreKind::Memory;
    config.server.listen.set_port(0);
    config.tenants[0].channel = "pigeon".into();
    let (line, mut flights) = mpsc::unbounded_channel();
    let server = Server::start_with(config, |builder| {
        builder.channel("pigeon", |_inbox| {
            // A longer text goes in several parts, each with a pigeon of its own, in order.
            let manners = Manners { text_max: 500, media_max: 0, ..Manners::default() };
            TransportActor::keep(Repeat::AskLog, move || CarrierPigeon::spawn(None, CarrierPigeon, line.clone()))
                .with(manners)
        })
    })
    .await?;

    let inbox = server.gateway().inbox("pigeon");
    for (n, text) in ["hi", "my name is Ada", "bye"].into_iter().enumerate() {
        println!("> {text}");
        receive(&inbox, "+15550199", &format!("coo-{n}"), text).await?;
        let (to, body) = flights.recv().await.unwrap_or_default();
        println!("< by pigeon to {to}: {}", body.replace('\n', "\n  "));
    }
    server.stop().await?;
    Ok(())
}
