//! The latest events, and who listens for more. An event has a number within this process, so that whoever comes back goes on where he
//! was as long as it is remembered; otherwise he is told that there is a gap, and looks at everything anew.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::time::UnixMillis;
use serde::Serialize;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::happening::{Details, Happening};
use super::lock;

/// So many events are remembered, and may wait for one listener.
const EVENTS_MAX: usize = 2_048;

/// So many may listen at once.
const LISTENERS_MAX: usize = 64;

/// Names an event: which process, and which of its events. Written `1764111600000-17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventId {
    /// When the process began.
    pub began: UnixMillis,
    /// Counted from 1.
    pub number: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.began.0, self.number)
    }
}

impl FromStr for EventId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (began, number) = text.split_once('-').ok_or(())?;
        Ok(Self { began: UnixMillis(began.parse().map_err(drop)?), number: number.parse().map_err(drop)? })
    }
}

/// An event as it is told.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Posted {
    /// Its name.
    #[serde(serialize_with = "as_text")]
    pub id: EventId,
    /// What has happened, in a word.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// When.
    pub at_ms: UnixMillis,
    /// In whose conversation.
    #[serde(flatten)]
    pub key: ConversationKey,
    /// What belongs to it.
    pub data: Details,
}

fn as_text<S: serde::Serializer>(id: &EventId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

/// What is remembered.
#[derive(Default)]
struct Latest {
    events: VecDeque<Posted>,
    /// Of the latest event.
    number: u64,
    /// Of the latest for which there was no more room.
    gone: u64,
}

/// The latest events.
pub(super) struct Ring {
    began: UnixMillis,
    latest: Mutex<Latest>,
    live: broadcast::Sender<Arc<Posted>>,
}

impl Ring {
    pub(super) fn new(began: UnixMillis) -> Self {
        Self { began, latest: Mutex::default(), live: broadcast::channel(EVENTS_MAX).0 }
    }

    pub(super) fn post(&self, at_ms: UnixMillis, key: &ConversationKey, Happening { kind, data }: Happening) {
        let mut latest = lock(&self.latest);
        latest.number += 1;
        let id = EventId { began: self.began, number: latest.number };
        let posted = Posted { id, kind, at_ms, key: key.clone(), data };
        // Still under the lock, so that nobody hears them in another order. Mostly nobody listens.
        if self.live.receiver_count() > 0 {
            let _ = self.live.send(Arc::new(posted.clone()));
        }
        if latest.events.len() == EVENTS_MAX {
            latest.gone = latest.events.pop_front().map_or(latest.gone, |oldest| oldest.id.number);
        }
        latest.events.push_back(posted);
    }

    /// What has happened with this user is told to nobody who comes back.
    pub(super) fn forget(&self, key: &ConversationKey) {
        lock(&self.latest).events.retain(|posted| posted.key != *key);
    }

    /// `None` when too many listen already.
    pub(super) fn listen(ring: &Arc<Self>, behind: Option<EventId>) -> Option<Listener> {
        let latest = lock(&ring.latest);
        if ring.live.receiver_count() >= LISTENERS_MAX {
            return None;
        }
        let live = ring.live.subscribe();
        let known = latest.gone..=latest.number;
        let (missed, past) = match behind {
            None => (false, VecDeque::new()),
            Some(id) if id.began == ring.began && known.contains(&id.number) => {
                let missed = latest.events.iter().filter(|posted| posted.id.number > id.number);
                (false, missed.cloned().map(Arc::new).collect())
            }
            Some(_) => (true, VecDeque::new()),
        };
        let at = EventId { began: ring.began, number: latest.number };
        Some(Listener { live, past, missed, at })
    }
}

/// Who hears of everything that happens.
pub struct Listener {
    live: broadcast::Receiver<Arc<Posted>>,
    past: VecDeque<Arc<Posted>>,
    missed: bool,
    /// The latest event when he began to listen.
    pub at: EventId,
}

/// What a listener hears next.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// Something has happened.
    Posted(Arc<Posted>),
    /// Some events are not told: look at everything anew.
    Gap,
}

impl Listener {
    /// The next event; `None` when nothing more will come.
    pub async fn next(&mut self) -> Option<Heard> {
        if std::mem::take(&mut self.missed) {
            return Some(Heard::Gap);
        }
        if let Some(posted) = self.past.pop_front() {
            return Some(Heard::Posted(posted));
        }
        match self.live.recv().await {
            Ok(posted) => Some(Heard::Posted(posted)),
            Err(RecvError::Lagged(_)) => Some(Heard::Gap),
            Err(RecvError::Closed) => None,
        }
    }
}
