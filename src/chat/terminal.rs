//! The terminal: takes it over, reads keys, draws after everything that happens, and gives it back whatever happens, also on a panic.

use std::io::stdout;
use std::time::Duration;

use anyhow::Context;
use crossterm::event::{
    DisableBracketedPaste, EnableBracketedPaste, Event, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers,
};
use futures_util::StreamExt;
use raconteur_conversation::retry::Backoff;
use ratatui::DefaultTerminal;
use uuid::Uuid;

use super::ChatOptions;
use super::input::Edit;
use super::link::Link;
use super::screen::Screen;
use super::wire::{Events, Wire};

const BACKOFF: Backoff = Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(15) };

/// Whether the phone stays on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    GoOn,
    Leave,
}

pub(super) async fn run(options: &ChatOptions, wire: Wire, first: Events) -> anyhow::Result<()> {
    let mut terminal = Terminal::take_over()?;
    let mut link = Link::new(wire, first, BACKOFF);
    let mut screen = Screen::new(format!("{} ↔ {} ({})", options.user, options.tenant, options.channel));
    let mut keys = EventStream::new();
    let mut hang_up = std::pin::pin!(hang_up());
    loop {
        terminal.0.draw(|frame| screen.draw(frame)).context("cannot draw on the terminal")?;
        tokio::select! {
            biased;
            () = &mut hang_up => return Ok(()),
            event = keys.next() => {
                let Some(event) = event.transpose().context("cannot read the keyboard")? else { return Ok(()) };
                if on_event(&mut screen, &link, &event) == Then::Leave {
                    return Ok(());
                }
            }
            Some(news) = link.news.recv() => {
                on_news(&mut screen, news);
                // What has piled up is drawn at once.
                while let Ok(news) = link.news.try_recv() {
                    on_news(&mut screen, news);
                }
            }
        }
    }
}

fn on_news(screen: &mut Screen, news: super::model::News) {
    if screen.chat.hear(news).is_some() {
        screen.hold();
    }
}

/// Someone wants the process to end.
#[cfg(unix)]
async fn hang_up() {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::hangup()));
    let (Ok(mut terminate), Ok(mut hangup)) = signals else { return std::future::pending().await };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}

/// Elsewhere closing the window ends the process without asking.
#[cfg(not(unix))]
async fn hang_up() {
    std::future::pending().await
}

fn on_event(screen: &mut Screen, link: &Link, event: &Event) -> Then {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => return on_key(screen, link, *key),
        Event::Paste(text) => screen.input.insert(text),
        Event::Key(_) | Event::Resize(..) | Event::FocusGained | Event::FocusLost | Event::Mouse(_) => {}
    }
    Then::GoOn
}

fn on_key(screen: &mut Screen, link: &Link, key: KeyEvent) -> Then {
    if let Some(edit) = edit(key) {
        screen.input.edit(edit);
        return Then::GoOn;
    }
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    // Keys are somebody else's list, and most of them mean nothing here.
    if let KeyCode::Char(c) = key.code {
        match (control, c) {
            (true, 'c' | 'd') => return Then::Leave,
            (true, 'r') => screen.chat.resend().into_iter().for_each(|outgoing| link.post(outgoing)),
            (true, _) => {}
            (false, c) => screen.input.insert(c.encode_utf8(&mut [0; 4])),
        }
    } else if key.code == KeyCode::Esc {
        return Then::Leave;
    } else if key.code == KeyCode::Enter {
        return on_enter(screen, link);
    } else if key.code == KeyCode::PageUp {
        screen.page_up();
    } else if key.code == KeyCode::PageDown {
        screen.page_down();
    } else if key.code == KeyCode::Up {
        screen.scroll_up(1);
    } else if key.code == KeyCode::Down {
        screen.scroll_down(1);
    }
    Then::GoOn
}

fn on_enter(screen: &mut Screen, link: &Link) -> Then {
    let text = screen.input.take();
    match text.trim() {
        "" => {}
        "/quit" => return Then::Leave,
        _ => {
            screen.scroll_to_end();
            link.post(screen.chat.send(text, Uuid::new_v4(), super::now()));
        }
    }
    Then::GoOn
}

/// The keys that edit the line, as most shells have them.
fn edit(key: KeyEvent) -> Option<Edit> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let word = control || key.modifiers.contains(KeyModifiers::ALT);
    let edits = [
        (KeyCode::Left, if word { Edit::WordLeft } else { Edit::Left }),
        (KeyCode::Right, if word { Edit::WordRight } else { Edit::Right }),
        (KeyCode::Home, Edit::Home),
        (KeyCode::End, Edit::End),
        (KeyCode::Backspace, if word { Edit::DeleteWord } else { Edit::Backspace }),
        (KeyCode::Delete, Edit::Delete),
    ];
    let control_edits = [
        (KeyCode::Char('a'), Edit::Home),
        (KeyCode::Char('e'), Edit::End),
        (KeyCode::Char('w'), Edit::DeleteWord),
        (KeyCode::Char('u'), Edit::DeleteToStart),
        (KeyCode::Char('k'), Edit::DeleteToEnd),
        (KeyCode::Char('h'), Edit::Backspace),
    ];
    let known = control_edits.iter().filter(|_| control).chain(&edits);
    known.copied().find_map(|(code, edit)| (code == key.code).then_some(edit))
}

/// The terminal while it is ours; given back when dropped.
struct Terminal(DefaultTerminal);

impl Terminal {
    fn take_over() -> anyhow::Result<Self> {
        // This also gives the terminal back before a panic is reported on it.
        let terminal = ratatui::try_init().context("cannot take over the terminal: is it one?")?;
        let terminal = Self(terminal);
        crossterm::execute!(stdout(), EnableBracketedPaste).context("cannot set up the terminal")?;
        Ok(terminal)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Nothing is left to be done about a terminal that cannot be given back.
        let _ = crossterm::execute!(stdout(), DisableBracketedPaste);
        let _ = ratatui::try_restore();
    }
}

#[cfg(test)]
mod tests;
