//! Line mode, for scripts and tests: each line of stdin is a text, each text that comes is printed behind `< `. It ends when stdin has
//! ended and all is answered; what the transcript knew before is not printed.

use std::io::{BufRead, Write};
use std::time::Duration;

use anyhow::{Context, bail};
use raconteur_conversation::retry::Backoff;
use tokio::sync::mpsc;
use tokio::time::Instant;
use uuid::Uuid;

use super::link::Link;
use super::model::{Chat, Line, News};
use super::wire::{Events, Wire};

/// An answer may have several texts: after the last answer has begun, this long without a further text means that it is complete.
const QUIET: Duration = Duration::from_millis(500);

const BACKOFF: Backoff = Backoff { first: Duration::from_millis(250), longest: Duration::from_secs(2) };

pub(super) async fn run(wire: Wire, first: Events, patience: Duration) -> anyhow::Result<()> {
    let (typed, lines) = mpsc::channel(1);
    // A blocking read of stdin cannot be given up, so it gets a thread that the process need not wait for.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            if typed.blocking_send(line).is_err() {
                return;
            }
        }
    });
    converse(Link::new(wire, first, BACKOFF), lines, &mut std::io::stdout(), patience).await
}

/// Sends what comes from `lines` and writes what is answered to `out`.
///
/// # Errors
/// When a text was not taken, or for `patience` after the last line nothing came while an answer was due.
pub(super) async fn converse(
    mut link: Link,
    mut lines: mpsc::Receiver<std::io::Result<String>>,
    out: &mut (impl Write + Send),
    patience: Duration,
) -> anyhow::Result<()> {
    let mut chat = Chat::new();
    let mut ended = false;
    let mut last = Instant::now();
    loop {
        let wait = if ended && chat.open() == 0 { QUIET } else { patience };
        tokio::select! {
            line = lines.recv(), if !ended && chat.is_up_to_date() => {
                last = Instant::now();
                match line.transpose().context("cannot read stdin")? {
                    None => ended = true,
                    Some(text) if text.trim() == "/quit" => ended = true,
                    Some(text) if text.trim().is_empty() => {}
                    Some(text) => link.post(chat.send(text, Uuid::new_v4(), super::now())),
                }
            }
            Some(news) = link.news.recv() => {
                // A line that comes and goes is no progress.
                if !matches!(news, News::Line(_)) {
                    last = Instant::now();
                }
                if let Some(text) = chat.hear(news) {
                    writeln!(out, "{}", printed(&text)).and_then(|()| out.flush()).context("cannot write to stdout")?;
                }
                if let Some(reason) = chat.failure() {
                    bail!("a text was not taken: {reason}");
                }
            }
            () = tokio::time::sleep_until(last + wait), if ended || !chat.is_up_to_date() => {
                return conclude(&chat, patience);
            }
        }
    }
}

fn conclude(chat: &Chat, patience: Duration) -> anyhow::Result<()> {
    let (open, patience) = (chat.open(), humantime::format_duration(patience));
    if let Line::Lost { reason, .. } = chat.line()
        && (open > 0 || !chat.is_up_to_date())
    {
        bail!("the line was lost and did not come back within {patience}: {reason}");
    }
    if !chat.is_up_to_date() {
        bail!("the gateway did not tell the past within {patience}");
    }
    match open {
        0 => Ok(()),
        1 => bail!("1 text was not answered within {patience}"),
        _ => bail!("{open} texts were not answered within {patience}"),
    }
}

/// One text, its further lines indented, so that `^< ` counts texts. Control characters could play tricks on a terminal.
fn printed(text: &str) -> String {
    let clean: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    format!("< {}", clean.replace('\n', "\n  "))
}
