//! Catching up: a text that came while nobody took it is in the provider's log. After every start, and after every refusal once
//! there is room again, the log is read and what is missing is accepted like any other text; what was accepted before is known by
//! its duplicate mark.
//!
//! This file knows from when on something may be missing for which number, and decides when to look; `reading` looks. Until when
//! nothing is missing is noted in the store every minute, with whatever is written then: so the next process knows where to begin.
//! A number that was never noted begins now, and what was sent to it before is nobody's business.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use raconteur_conversation::address::Address;
use raconteur_conversation::retry::Backoff;
use raconteur_conversation::time::UnixMillis;
use raconteur_storage::StoreError;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};

use crate::call::LOG_MARGIN;
use crate::port::LogsReceived;
use crate::runtime::{Runtime, Stage};

mod reading;

/// How often it is noted until when nothing is missing.
const NOTE_EVERY: Duration = Duration::from_secs(60);
/// So many logs are read at once.
const AT_ONCE: usize = 4;
/// However long refusals go on, a log is read after so many times the wait after one; and no more often than that when all went well.
const PATIENCE: u32 = 12;
/// No log that could not be read is left alone for longer, unless the provider asks for it.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// So long after a start the log is read once more: whoever stands before us may have turned texts away before it found us ready.
const AFTER_START: Duration = Duration::from_secs(120);

/// From when on something may be missing.
pub(crate) struct CatchUp {
    /// How long after a refusal the log is read.
    pause: Duration,
    /// The numbers whose log can be read.
    numbers: Mutex<BTreeMap<Address, Number>>,
    /// Rings when something is missing.
    bell: Notify,
}

/// One number.
struct Number {
    /// What was sent to it before is nobody's business, or was dealt with in an earlier life.
    floor: UnixMillis,
    missing: Option<Missing>,
    /// The log is being read from then on.
    reading: Option<UnixMillis>,
    /// How often in a row the log could not be read, or not all of it be taken.
    failures: u32,
    not_before: Instant,
    /// When the process began, until the log was read once more after that.
    began: Option<UnixMillis>,
}

struct Missing {
    since: UnixMillis,
    noticed: Instant,
    due: Instant,
}

/// How a reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// Nothing is missing any more.
    Complete,
    /// From then on something still is.
    Left(UnixMillis, Option<Duration>),
    /// There is no room for anything.
    Crowded,
    /// The log could not be read.
    Unreadable(Option<Duration>),
    /// There is no such log.
    Unsupported,
}

/// One reading that is to begin.
struct Due {
    number: Address,
    /// From when on something may be missing.
    since: UnixMillis,
    /// It goes no further back, whatever the margin.
    floor: UnixMillis,
}

/// One reading that has come to its end.
struct Read {
    number: Address,
    since: UnixMillis,
    ended: Ended,
}

impl CatchUp {
    pub(crate) fn new(pause: Duration) -> Self {
        Self { pause: pause.max(Duration::from_millis(1)), numbers: Mutex::default(), bell: Notify::new() }
    }

    /// Something that was sent to a number was not taken, now.
    pub(crate) fn owe(&self, number: &Address, at: UnixMillis) {
        let now = Instant::now();
        if let Some(number) = self.numbers().get_mut(number) {
            number.miss(at, now, now + self.pause);
            let missing = number.missing.as_mut().filter(|missing| missing.noticed < now);
            if let Some(missing) = missing {
                missing.due = (now + self.pause).min(missing.noticed + self.pause * PATIENCE);
            }
            self.bell.notify_one();
        }
    }

    /// Until when nothing is missing, for each number. Whoever reads on from there reads a margin more, and must not come to what lies
    /// before the floor: so it is at least that much later.
    fn heard(&self, now: UnixMillis) -> Vec<(Address, UnixMillis)> {
        let until = |number: &Number| {
            let missing = number.missing.as_ref().map(|missing| missing.since);
            missing.into_iter().chain(number.reading).fold(now, UnixMillis::min).max(number.floor.plus(LOG_MARGIN))
        };
        self.numbers().iter().map(|(address, number)| (address.clone(), until(number))).collect()
    }

    /// A number whose log is to be read now.
    fn take_due(&self, now: Instant) -> Option<Due> {
        let mut numbers = self.numbers();
        let (address, number) = numbers.iter_mut().find(|(_, number)| number.due().is_some_and(|due| due <= now))?;
        let since = number.missing.take()?.since;
        number.reading = Some(since);
        Some(Due { number: address.clone(), since, floor: number.floor })
    }

    /// When the next log is to be read.
    fn next_due(&self) -> Option<Instant> {
        self.numbers().values().filter_map(Number::due).min()
    }

    fn settle(&self, Read { number: address, since, ended }: Read) {
        let now = Instant::now();
        let mut numbers = self.numbers();
        let Some(number) = numbers.get_mut(&address) else { return };
        number.reading = None;
        match ended {
            Ended::Complete => {
                number.failures = 0;
                number.not_before = now + self.pause * PATIENCE;
                if let Some(began) = number.began.take() {
                    number.miss(began, now, now + AFTER_START);
                }
            }
            Ended::Crowded => number.miss(since, now, now + self.pause),
            Ended::Left(since, after) => number.retry(since, now, (self.pause, after)),
            Ended::Unreadable(after) => number.retry(since, now, (self.pause, after)),
            Ended::Unsupported => {
                numbers.remove(&address);
            }
        }
    }

    fn numbers(&self) -> MutexGuard<'_, BTreeMap<Address, Number>> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Number {
    /// A number of which it was noted, or not, until when nothing is missing.
    fn new(noted: Option<UnixMillis>, now: Instant, wall: UnixMillis) -> Self {
        let mut number = Self { floor: wall, missing: None, reading: None, failures: 0, not_before: now, began: None };
        if let Some(until) = noted {
            // One that is further ahead than any floor would have it was noted by a clock that has gone back since.
            let is_sound = until <= wall.plus(LOG_MARGIN);
            number.floor = if is_sound { until.minus(LOG_MARGIN) } else { UnixMillis(0) };
            number.miss(until.min(wall), now, now);
            number.began = Some(wall);
        }
        number
    }

    /// Something is missing since then, and is looked for from `due` on; what was missing before is not looked for later.
    fn miss(&mut self, since: UnixMillis, now: Instant, due: Instant) {
        match &mut self.missing {
            Some(missing) => missing.since = missing.since.min(since),
            None => self.missing = Some(Missing { since, noticed: now, due }),
        }
    }

    /// The log is read again after a wait that grows.
    fn retry(&mut self, since: UnixMillis, now: Instant, (pause, after): (Duration, Option<Duration>)) {
        self.failures = self.failures.saturating_add(1);
        let wait = Backoff { first: pause, longest: LONGEST_WAIT.max(pause) }.after(self.failures, 0);
        self.not_before = now + wait.max(after.unwrap_or_default());
        self.miss(since, now, self.not_before);
    }

    fn due(&self) -> Option<Instant> {
        let missing = self.missing.as_ref().filter(|_| self.reading.is_none())?;
        Some(missing.due.max(self.not_before))
    }
}

/// Finds out from when on something may be missing, and notes of every other number that nothing is until now.
pub(crate) async fn begin(runtime: &Runtime) -> Result<(), StoreError> {
    let heard: BTreeMap<Address, UnixMillis> = runtime.store.heard().await?.into_iter().collect();
    let (now, wall) = (Instant::now(), runtime.now());
    let mut numbers = BTreeMap::new();
    for tenant in runtime.directory.all() {
        match tenant.transport.logs_received() {
            LogsReceived::No => continue,
            LogsReceived::Yes => {}
        }
        let noted = heard.get(&tenant.number).copied();
        numbers.insert(tenant.number.clone(), Number::new(noted, now, wall));
    }
    *runtime.catch_up.numbers() = numbers;
    runtime.store.note_heard(runtime.catch_up.heard(wall)).await;
    Ok(())
}

/// Reads logs whenever something is missing, and notes every minute until when nothing is.
pub(crate) async fn run(runtime: Arc<Runtime>) {
    let mut minute = tokio::time::interval(NOTE_EVERY);
    minute.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut readings: FuturesUnordered<BoxFuture<'static, Read>> = FuturesUnordered::new();
    while runtime.stage() == Stage::Running {
        while readings.len() < AT_ONCE
            && let Some(due) = runtime.catch_up.take_due(Instant::now())
        {
            readings.push(Box::pin(read(Arc::clone(&runtime), due)));
        }
        let due = runtime.catch_up.next_due().filter(|_| readings.len() < AT_ONCE);
        tokio::select! {
            biased;
            Some(read) = readings.next(), if !readings.is_empty() => runtime.catch_up.settle(read),
            _ = minute.tick() => note(&runtime).await,
            () = runtime.catch_up.bell.notified() => {}
            () = until(due) => {}
        }
    }
}

/// A gateway that does not run takes nothing, so it has heard nothing either.
async fn note(runtime: &Runtime) {
    if runtime.stage() == Stage::Running {
        runtime.store.note_heard(runtime.catch_up.heard(runtime.now())).await;
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

async fn read(runtime: Arc<Runtime>, due: Due) -> Read {
    let ended = match runtime.directory.find(&due.number) {
        Some(tenant) => reading::read(&runtime, &tenant, &due).await,
        None => Ended::Unsupported,
    };
    Read { number: due.number, since: due.since, ended }
}
