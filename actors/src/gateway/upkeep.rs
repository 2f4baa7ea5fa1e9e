//! What a gateway does besides: it sweeps the store for work whose hint was lost, sends idle conversations back to disk,
//! forgets old duplicate marks, deletes what was erased, and watches that the store is alive.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use raconteur_storage::{StoreError, WorkCursor};
use tokio::task::JoinHandle;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::Fatal;
use crate::recovery::Suspect;
use crate::runtime::{Runtime, Stage};
use crate::shard::{Quota, ShardMsg};

/// How many conversations one page of the sweep names, and how long it pauses before the next: what an earlier process has left, be it
/// much, must not keep those waiting who text now.
const PAGE: usize = 50;
const PAGE_EVERY: Duration = Duration::from_millis(25);
/// The same where memory is full. Who is found then mostly waits as well, and a backlog has many pages.
const CROWDED_PAGE: usize = 1_000;
const CROWDED_PAGE_EVERY: Duration = Duration::from_secs(1);
/// How many duplicate marks are looked at at once, and how often in a round: more a second than texts come, or they would pile up.
const MARKS: usize = 500;
const MARKS_TIMES: usize = 10;
/// How many values of erased conversations are deleted at once, and how often in a round at most: a long transcript must not hold
/// back those who write beside it.
const ERASED: usize = 500;
const ERASED_TIMES: usize = 20;
/// How often idle conversations are looked for; when memory is full, how often room is made.
const PASSIVATE_EVERY: Duration = Duration::from_secs(5);
const SQUEEZE_EVERY: Duration = Duration::from_millis(100);

/// Runs one of these beside the actors. None is started again: if it panics, the gateway ends rather than run on without it.
pub(super) fn spawn(
    runtime: &Arc<Runtime>,
    name: &'static str,
    work: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    let runtime = Arc::clone(runtime);
    tokio::spawn(async move {
        if AssertUnwindSafe(work).catch_unwind().await.is_err() {
            runtime.fail(Fatal::Lost(name.into()));
        }
    })
}

/// When another look at the store is due.
pub(super) fn rounds(runtime: &Runtime) -> Interval {
    let mut every = tokio::time::interval(runtime.settings.sweep_every.max(Duration::from_millis(10)));
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    every
}

/// Finds what needs doing: everything once at the start, then one page after another. The store is the truth; a hint that was
/// lost costs no more than one round of this.
pub(super) async fn sweep(runtime: Arc<Runtime>) {
    let mut every = rounds(&runtime);
    let mut cursor = None;
    // What an earlier process left is looked at as a whole before a suspect among it runs alone.
    let mut first_round = runtime.opening.unclean.then(|| runtime.recovery.suspect());
    while runtime.stage() == Stage::Running {
        if cursor.is_none() {
            every.tick().await;
        }
        match sweep_page(&runtime, cursor.take(), first_round.as_ref()).await {
            Ok(next) => cursor = next,
            Err(error) => return runtime.fail(Fatal::Store(error)),
        }
        if cursor.is_none() {
            first_round = None;
        }
    }
}

async fn sweep_page(
    runtime: &Runtime,
    cursor: Option<WorkCursor>,
    first_round: Option<&Suspect>,
) -> Result<Option<WorkCursor>, StoreError> {
    // A shorter line is filled from here.
    let crowded = runtime.residents.waiting() >= CROWDED_PAGE;
    let (limit, pause) = if crowded { (CROWDED_PAGE, CROWDED_PAGE_EVERY) } else { (PAGE, PAGE_EVERY) };
    let page = runtime.store.work(runtime.now(), cursor, limit).await?;
    for key in page.keys {
        let looked_at = first_round.map(|_| runtime.recovery.suspect());
        runtime.tell(&key.clone(), ShardMsg::Found(key, looked_at));
    }
    if page.next.is_some() {
        tokio::time::sleep(pause).await;
    }
    Ok(page.next)
}

/// Forgets old duplicate marks and deletes what was erased.
pub(super) async fn tidy(runtime: Arc<Runtime>) {
    let mut every = rounds(&runtime);
    while runtime.stage() == Stage::Running {
        every.tick().await;
        if let Err(error) = tidy_once(&runtime).await {
            return runtime.fail(Fatal::Store(error));
        }
    }
}

async fn tidy_once(runtime: &Runtime) -> Result<(), StoreError> {
    let before = runtime.now().minus(runtime.settings.remember_duplicates);
    for _ in 0..MARKS_TIMES {
        runtime.store.forget_duplicates(before, MARKS).await?;
    }
    for _ in 0..ERASED_TIMES {
        if !runtime.store.remove_erased(ERASED).await? {
            break;
        }
    }
    Ok(())
}

/// Sends idle conversations back to disk; when somebody waits to get in, as many of them as wait, however short they have been idle.
pub(super) async fn passivate(runtime: Arc<Runtime>) {
    let idle_after = runtime.settings.idle_after;
    let (mut last, mut rounds) = (Instant::now(), 0_usize);
    while matches!(runtime.stage(), Stage::Starting | Stage::Running) {
        tokio::time::sleep(SQUEEZE_EVERY).await;
        let waiting = runtime.residents.waiting();
        let (span, wanted) = if waiting > 0 {
            (Duration::ZERO, waiting)
        } else if last.elapsed() >= PASSIVATE_EVERY.min(idle_after.max(SQUEEZE_EVERY)) {
            (idle_after, usize::MAX)
        } else {
            continue;
        };
        last = Instant::now();
        let (mut shards, quota) = (runtime.residents.shards(), Quota::new(wanted));
        // Not always the same shards first, since they have less and less.
        rounds = rounds.wrapping_add(1);
        let first = rounds % shards.len().max(1);
        shards.rotate_left(first);
        for shard in shards {
            runtime.tell_shard(shard, ShardMsg::Passivate(span, quota.clone()));
        }
    }
}

/// Ends the gateway when the store does.
pub(super) async fn watch_store(runtime: Arc<Runtime>) {
    let error = runtime.store.failed().await;
    runtime.fail(Fatal::Store(error));
}
