//! `raconteur chat`: a phone in the terminal that talks to a running gateway over HTTP, through a channel of simulated phones.
//!
//! `model` is what the phone knows, `wire` and `link` are how it talks, `screen` (with `layout` and `input`) is how it
//! looks, `terminal` brings these together. Where stdin or stdout is no terminal, `lines` speaks plain lines instead, for
//! scripts and tests. It knows nothing of the gateway's inside.

mod input;
mod layout;
mod lines;
mod link;
mod model;
mod screen;
mod terminal;
mod wire;

use std::io::IsTerminal;
use std::time::{Duration, SystemTime};

use raconteur_conversation::address::Address;
use raconteur_conversation::time::UnixMillis;

/// How long line mode waits for answers, unless told otherwise.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Who texts whom, and where the gateway is.
#[derive(Clone, Debug)]
pub struct ChatOptions {
    /// The gateway's address, such as `http://127.0.0.1:8080`.
    pub url: String,
    /// The name of its channel of simulated phones.
    pub channel: String,
    /// The number that is texted.
    pub tenant: Address,
    /// The number that texts.
    pub user: Address,
    /// How long line mode waits for the next answer after its input has ended; [`PATIENCE`] is a good value.
    pub patience: Duration,
}

/// Runs the phone until the user leaves, or in line mode until its input has ended and all is answered.
///
/// # Errors
/// When no gateway answers, it has no such channel, the terminal cannot be used, or in line mode when a text was not taken or not
/// answered in time.
pub async fn run(options: ChatOptions) -> anyhow::Result<()> {
    let wire = wire::Wire::new(&options)?;
    let first = wire.events(wire::Since::Latest).await?;
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        terminal::run(&options, wire, first).await
    } else {
        lines::run(wire, first, options.patience).await
    }
}

fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis::default().plus(since)
}

#[cfg(test)]
mod tests;
