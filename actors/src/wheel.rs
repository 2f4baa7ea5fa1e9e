//! Deadlines. One task per process holds those of the next few minutes and tells the shard when one has come.
//!
//! Two sorts: *listed* ones come from the store's list and outlive the process; *armed* ones are a conversation's own reminders
//! (a retry, a look into the provider's log), which the store's sweep would find as well. Neither is exact about who fires
//! twice: a conversation that is woken early looks at its own state and goes back to sleep.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::time::UnixMillis;
use raconteur_storage::DeadlineIndex;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::gateway::Fatal;
use crate::runtime::{Runtime, Stage};
use crate::shard::ShardMsg;

/// How far ahead the wheel looks.
pub(crate) const HORIZON: Duration = Duration::from_secs(300);
/// How often the store's list is read again; less than the horizon, so that nothing falls between two readings.
const RELOAD: Duration = Duration::from_secs(60);
/// How many listed deadlines are read at once; the rest follows a moment later, so that a million overdue ones do not burst in.
const PAGE: usize = 1_000;
/// The wheel never sleeps longer, so that a jump of the wall clock is noticed within this time.
const NAP: Duration = Duration::from_secs(1);

/// Where a deadline comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The store's list.
    Listed,
    /// A conversation's own reminder.
    Armed,
}

impl Origin {
    /// How the step that it leads to follows the store's list: a listed entry must not fire again.
    pub(crate) fn index(self) -> DeadlineIndex {
        match self {
            Self::Listed => DeadlineIndex::Exact,
            Self::Armed => DeadlineIndex::Lazy,
        }
    }
}

/// The way to the wheel.
#[derive(Clone)]
pub(crate) struct Wheel {
    arm: mpsc::UnboundedSender<(UnixMillis, ConversationKey, Origin)>,
}

pub(crate) type Arming = mpsc::UnboundedReceiver<(UnixMillis, ConversationKey, Origin)>;

impl Wheel {
    /// The two ends.
    pub(crate) fn new() -> (Self, Arming) {
        let (arm, arming) = mpsc::unbounded_channel();
        (Self { arm }, arming)
    }

    /// Reminds a conversation at `at`, if that is within the horizon; what is further off is on the store's list.
    pub(crate) fn arm(&self, now: UnixMillis, at: UnixMillis, key: &ConversationKey, origin: Origin) {
        if at <= now.plus(HORIZON) {
            let _ = self.arm.send((at, key.clone(), origin));
        }
    }
}

/// Runs until the gateway drains or fails.
pub(crate) async fn run(runtime: Arc<Runtime>, mut arming: Arming) {
    let mut held = Held::default();
    let mut stage = runtime.stage.subscribe();
    let mut reload_at = Instant::now();
    loop {
        if Instant::now() >= reload_at {
            reload_at = Instant::now() + held.reload(&runtime).await;
        }
        held.fire(&runtime);
        let until = held.next_after(runtime.now()).min(reload_at);
        tokio::select! {
            biased;
            _ = stage.wait_for(|stage| !matches!(stage, Stage::Starting | Stage::Running)) => return,
            Some((at, key, origin)) = arming.recv() => held.add(at, key, origin),
            () = tokio::time::sleep_until(until) => {}
        }
    }
}

#[derive(Default)]
struct Held {
    deadlines: BTreeMap<(UnixMillis, ConversationKey), Origin>,
    /// Where the next page of the store's list begins; `None` when the list was read to the horizon.
    page_from: Option<(UnixMillis, ConversationKey)>,
}

impl Held {
    fn add(&mut self, at: UnixMillis, key: ConversationKey, origin: Origin) {
        let known = self.deadlines.entry((at, key)).or_insert(origin);
        if origin == Origin::Listed {
            *known = origin;
        }
    }

    /// Tells every conversation whose time has come.
    fn fire(&mut self, runtime: &Runtime) {
        let now = runtime.now();
        while let Some(first) = self.deadlines.first_entry().filter(|first| first.key().0 <= now) {
            let ((_, key), origin) = first.remove_entry();
            runtime.tell(&key, ShardMsg::Due(key.clone(), origin));
        }
    }

    fn next_after(&self, now: UnixMillis) -> Instant {
        let wait = self.deadlines.first_key_value().map_or(NAP, |((at, _), _)| at.since(now).min(NAP));
        Instant::now() + wait
    }

    /// Reads one page of the store's list; returns when to read the next.
    async fn reload(&mut self, runtime: &Runtime) -> Duration {
        let until = runtime.now().plus(HORIZON);
        let page = match runtime.store.deadlines(until, self.page_from.take(), PAGE).await {
            Ok(page) => page,
            Err(error) => {
                runtime.fail(Fatal::Store(error));
                return RELOAD;
            }
        };
        let full = page.len() == PAGE;
        self.page_from = page.last().cloned().filter(|_| full);
        for (at, key) in page {
            self.add(at, key, Origin::Listed);
        }
        if full { Duration::from_millis(100) } else { RELOAD }
    }
}
