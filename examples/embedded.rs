//! A configured gateway inside another program: the program has its own routes, its own runtime and its own way to stop; the
//! gateway brings its configuration, its store and its HTTP side. Two of them live in one process here.
//!
//! `cargo run --example embedded`

#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::path::Path;

use axum::Router;
use axum::routing::get;
use raconteur::config::{self, Config};
use raconteur::conversation::address::ConversationKey;
use raconteur::conversation::words::{Arrival, StartSession, Work};
use raconteur::{Gateway, Server};
use tokio::net::TcpListener;

const CONFIG: &str = r#"
[server]
listen = "127.0.0.1:0"

[log]
level = "warn"
"#;

fn configured(dir: &Path) -> anyhow::Result<Config> {
    let file = dir.join("raconteur.toml");
    std::fs::write(&file, CONFIG)?;
    let mut config = config::load(Some(&file), std::iter::empty())
        .map_err(|problems| anyhow::anyhow!("{}", problems.iter().map(ToString::to_string).collect::<String>()))?;
    config.store.path = dir.join("data");
    Ok(config)
}

/// The program's business: it starts a conversation from its own side, and the assistant speaks first.
async fn remind(gateway: &Gateway, user: &str) -> anyhow::Result<()> {
    let key = ConversationKey { tenant: "+15550100".parse()?, user: user.parse()? };
    let start = StartSession {
        user_data: Some(serde_json::value::to_raw_value(&"appointment 42")?),
        ..StartSession::default()
    };
    gateway.inbox("phone").accept(Arrival::Work { key, id: "reminder-42".into(), work: Work::Start(start) }).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (left, right) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let first = Server::start(configured(left.path())?).await?;
    let second = Server::start(configured(right.path())?).await?;

    // The program's own HTTP side, beside the gateways'.
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let app = Router::new().route("/", get(|| async { "this is the program, not the gateway" }));
    let own = tokio::spawn(axum::serve(listener, app).into_future());

    println!("program:  http://{address}");
    for server in [&first, &second] {
        println!("gateway:  http://{}  ready: {}", server.address(), server.gateway().is_running());
    }
    remind(first.gateway(), "+15550199").await?;

    // The program decides when to stop; open turns are answered first.
    first.stop().await?;
    second.stop().await?;
    own.abort();
    println!("both gateways have stopped; their conversations are on disk");
    Ok(())
}
