//! The world outside the process, and what it has seen: time, the disk, the queue of things to come, the log, the reference. It
//! outlives every process; each process has a number, and once it is dead nothing that it still tries has any effect.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{Sequence, Token};
use raconteur_storage::engine::memory::MemoryEngine;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Counts;
use super::bugs::Bug;
use super::dice::Dice;
use super::provider::Provider;
use super::received::ReceivedLog;
use super::reference::{Reference, SeenStep};
use super::scenario::{Delivery, Event, Part, Scenario};
use crate::port::Clock;

/// The wall-clock time at which every world begins.
pub(super) const BEGINNING: UnixMillis = UnixMillis(1_700_000_000_000);
/// How many lines of the log are kept for the report of a violation.
const LINES_KEPT: usize = 400;
/// So much cannot happen at once: something goes round in a circle.
const AT_ONCE_MAX: u32 = 20_000;
/// No seed kills its process more often at points of its own choice.
const DEATHS_MAX: u32 = 6;

/// See the module.
pub(super) struct World {
    state: Mutex<State>,
    bell: Arc<Notify>,
}

pub(super) struct State {
    /// Rings when the process has died, and when something was planned.
    bell: Arc<Notify>,
    pub(super) dice: Dice,
    odd_dice: Dice,
    pub(super) loss_dice: Dice,
    /// The disk fails to read when this has come to 1; 0 for never.
    pub(super) reads_left: Arc<AtomicU64>,
    pub(super) scenario: Arc<Scenario>,
    pub(super) engine: MemoryEngine,
    pub(super) queue: BTreeMap<(u64, u64), Event>,
    queued: u64,
    /// Milliseconds that had passed when this process began, and when that was.
    began: (u64, Option<Instant>),
    /// How far the wall clock is from the truth.
    pub(super) skew: i64,
    latest: UnixMillis,
    pub(super) healthy: bool,
    /// The processes that live.
    living: BTreeSet<u32>,
    processes: u32,
    /// The process that was the last to claim shards: all of them, as each does.
    pub(super) claimed_by: u32,
    deaths: u32,
    down: BTreeMap<Part, u64>,
    under_way: BTreeMap<(u32, String), usize>,
    pub(super) provider: Provider,
    pub(super) received: ReceivedLog,
    pub(super) reference: Reference,
    /// What was acknowledged, by tenant and id.
    pub(super) acknowledged: BTreeMap<(ConversationKey, String), Sequence>,
    /// Steps that were handed to the store and not yet answered.
    pub(super) pending: BTreeMap<(u32, ConversationKey), SeenStep>,
    /// Turns whose latest question went to the voice gateway, by process.
    pub(super) forwarded: BTreeSet<(u32, Sequence)>,
    /// Deliveries that were begun, and what came back undelivered. In the order in which they left: a runtime that ends drops
    /// its tasks in no certain order.
    couriers: u64,
    delivering: usize,
    returned: BTreeMap<u64, Delivery>,
    /// How often the assistant or the voice gateway has failed a turn.
    pub(super) failed: BTreeMap<Sequence, u32>,
    pub(super) counts: Counts,
    pub(super) bug: Option<Bug>,
    log: Log,
    pub(super) violation: Option<String>,
}

#[derive(Default)]
struct Log {
    digest: u64,
    lines: VecDeque<String>,
    whole: bool,
    /// How many lines were written at this time.
    at_once: (u64, u32),
}

impl World {
    pub(super) fn new(seed: u64, bug: Option<Bug>, whole_log: bool) -> Arc<Self> {
        let mut dice = Dice::new(seed);
        let scenario = Arc::new(Scenario::draw(&mut dice));
        let mut queue = BTreeMap::new();
        for (n, (at, event)) in (0..).zip(scenario.events.iter().cloned()) {
            queue.insert((at, n), event);
        }
        let bell = Arc::new(Notify::new());
        let state = State {
            bell: Arc::clone(&bell),
            odd_dice: dice.beside("oddities"),
            loss_dice: dice.beside("lost webhooks"),
            dice,
            reads_left: Arc::default(),
            queued: u64::try_from(queue.len()).unwrap_or(u64::MAX / 2),
            queue,
            engine: MemoryEngine::new(),
            began: (0, None),
            skew: 0,
            latest: BEGINNING,
            healthy: false,
            living: BTreeSet::new(),
            processes: 0,
            claimed_by: 0,
            deaths: 0,
            down: BTreeMap::new(),
            under_way: BTreeMap::new(),
            provider: Provider::default(),
            received: ReceivedLog::default(),
            reference: Reference::new(&scenario),
            acknowledged: BTreeMap::new(),
            pending: BTreeMap::new(),
            forwarded: BTreeSet::new(),
            couriers: 0,
            delivering: 0,
            returned: BTreeMap::new(),
            failed: BTreeMap::new(),
            counts: Counts::default(),
            bug,
            log: Log { digest: 0xcbf2_9ce4_8422_2325, lines: VecDeque::new(), whole: whole_log, at_once: (0, 0) },
            violation: None,
            scenario,
        };
        Arc::new(Self { state: Mutex::new(state), bell })
    }

    /// Everything happens on one thread, and nobody holds this across an await.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a line into the log.
    pub(super) fn log(&self, line: impl FnOnce() -> String) {
        self.state().log(line);
    }

    /// Whether a process has died meanwhile, or the world has come to its end.
    pub(super) fn is_dead(&self, process: u32) -> bool {
        !self.state().living.contains(&process)
    }

    /// Where the process may die. It does not come back from there.
    pub(super) async fn may_die(&self, process: u32, place: &str) {
        let dies = {
            let mut state = self.state();
            let rate = if state.healthy || state.deaths >= DEATHS_MAX { 0 } else { state.scenario.trouble.crash };
            let dies = state.dice.chance(rate);
            if dies {
                state.log(|| format!("the process dies {place}"));
                state.die();
            }
            dies || !state.living.contains(&process)
        };
        if dies {
            std::future::pending::<()>().await;
        }
    }

    /// Resolves when there is something to look at: a process has died, or something was planned.
    pub(super) async fn rings(&self) {
        self.bell.notified().await;
    }

    /// Resolves when a process has died.
    pub(super) async fn death(&self, process: u32) {
        while !self.is_dead(process) {
            self.bell.notified().await;
        }
    }

    /// Waits for a while; for ever if the process dies meanwhile.
    pub(super) async fn pass(&self, process: u32, span: Duration) {
        tokio::time::sleep(span).await;
        if self.is_dead(process) {
            std::future::pending::<()>().await;
        }
    }

    /// One more of something is under way, until what is returned is dropped.
    pub(super) fn begin(self: &Arc<Self>, process: u32, what: String, most: usize) -> UnderWay {
        let mut state = self.state();
        let count = state.under_way.entry((process, what.clone())).or_default();
        *count += 1;
        if *count > most {
            let count = *count;
            state.violate(|| format!("{count} of {what} at once, and {most} are allowed"));
        }
        drop(state);
        UnderWay { world: Arc::clone(self), key: (process, what) }
    }
}

/// How something goes wrong that nobody waits for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Oddity {
    Panics,
    Hangs,
}

impl Oddity {
    /// Does what it says.
    pub(super) async fn happen(self) {
        match self {
            // Not `panic!`: that would call the hook, which prints.
            Self::Panics => std::panic::resume_unwind(Box::new("it was told to panic")),
            Self::Hangs => std::future::pending().await,
        }
    }
}

/// See [`World::begin`].
pub(super) struct UnderWay {
    world: Arc<World>,
    key: (u32, String),
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.world.state();
        if let Some(count) = state.under_way.get_mut(&self.key) {
            *count -= 1;
        }
    }
}

impl State {
    /// Milliseconds since the beginning, by a clock that never jumps.
    pub(super) fn time(&self) -> u64 {
        let (before, instant) = self.began;
        let since = instant.map_or(0, |instant| instant.elapsed().as_millis());
        before + u64::try_from(since).unwrap_or(0)
    }

    /// What the process takes for the time.
    pub(super) fn wall(&self) -> UnixMillis {
        UnixMillis(BEGINNING.0.saturating_add(self.time()).saturating_add_signed(self.skew))
    }

    /// The latest time that the wall clock has ever shown.
    pub(super) fn latest(&mut self) -> UnixMillis {
        self.latest = self.latest.max(self.wall());
        self.latest
    }

    pub(super) fn jump(&mut self, by: i64) {
        self.latest();
        self.skew += by;
        self.latest();
    }

    /// A process begins now. Time goes on from where the last one has left it, and `pause` later.
    pub(super) fn begin_runtime(&mut self, pause: u64) {
        self.began = (self.began.0 + pause, Some(Instant::now()));
    }

    /// The runtime of a process is about to end, and its clock with it.
    pub(super) fn stop_clock(&mut self) {
        self.began = (self.time(), None);
        self.living.clear();
    }

    /// Its last calls have ended with it.
    pub(super) fn forget_process(&mut self) {
        self.under_way.clear();
        self.send_again();
    }

    pub(super) fn next_courier(&mut self) -> u64 {
        self.couriers += 1;
        self.delivering += 1;
        self.couriers
    }

    pub(super) fn courier_returns(&mut self, number: u64, undelivered: Option<Delivery>) {
        self.delivering -= 1;
        if let Some(delivery) = undelivered.filter(|delivery| !self.leaves_it_at_that(delivery)) {
            self.returned.insert(number, delivery);
            self.bell.notify_one();
        }
    }

    /// What came back undelivered leaves again after a while.
    pub(super) fn send_again(&mut self) {
        for delivery in std::mem::take(&mut self.returned).into_values() {
            let after = self.dice.within(200..4_000);
            self.plan(after, Event::Deliver(Box::new(delivery)));
        }
    }

    pub(super) fn new_process(&mut self) -> u32 {
        self.processes += 1;
        self.living.insert(self.processes);
        self.processes
    }

    pub(super) fn end_process(&mut self, process: u32) {
        self.living.remove(&process);
    }

    /// The process dies, and perhaps power is lost.
    pub(super) fn die(&mut self) {
        self.deaths += 1;
        self.counts.crashes += 1;
        let engine = if self.dice.chance(500) {
            let kept = self.dice.pick(&[0, 0, 1, 100]);
            self.log(|| format!("power is lost; {kept} batches that were not synced are kept"));
            self.engine.crash_keeping(kept)
        } else {
            self.engine.kill()
        };
        self.engine = engine;
        self.living.clear();
        self.bell.notify_one();
    }

    pub(super) fn plan(&mut self, after: u64, event: Event) {
        self.queued += 1;
        let at = self.time() + after;
        self.queue.insert((at, self.queued), event);
        self.bell.notify_one();
    }

    /// What is due.
    pub(super) fn next_due(&mut self) -> Option<Event> {
        let now = self.time();
        let first = self.queue.first_entry().filter(|first| first.key().0 <= now)?;
        Some(first.remove())
    }

    /// How long it is until something is due, at most so long.
    pub(super) fn until_next(&self, most: u64) -> u64 {
        let next = self.queue.first_key_value().map_or(most, |((at, _), _)| at.saturating_sub(self.time()));
        let trouble_ends = self.scenario.trouble_until.saturating_sub(self.time());
        let bound = if self.healthy { most } else { trouble_ends.max(1) };
        next.min(bound)
    }

    /// Everything that comes from outside was acknowledged.
    pub(super) fn is_delivered(&self) -> bool {
        self.delivering == 0
            && self.received.is_read()
            && self.returned.is_empty()
            && !self.queue.values().any(|event| matches!(event, Event::Deliver(_)))
    }

    pub(super) fn take_down(&mut self, part: Part, span: u64) {
        let until = self.time() + span;
        self.down.insert(part, until);
    }

    pub(super) fn is_down(&self, part: Part) -> bool {
        !self.healthy && self.down.get(&part).is_some_and(|until| self.time() < *until)
    }

    /// Whether something goes wrong now that goes wrong so often.
    pub(super) fn goes_wrong(&mut self, per_mille: u64) -> bool {
        let wrong = self.dice.chance(per_mille);
        wrong && !self.healthy
    }

    /// Whether something that is asked beside the way of a text is odd now, and how.
    pub(super) fn oddity(&mut self) -> Option<Oddity> {
        let (rate, kind) = (self.scenario.trouble.oddities, [Oddity::Panics, Oddity::Hangs]);
        let odd = self.odd_dice.chance(rate).then(|| self.odd_dice.pick(&kind));
        odd.filter(|_| !self.healthy)
    }

    pub(super) fn log(&mut self, line: impl FnOnce() -> String) {
        let line = format!("{:>9} {}", self.time(), line());
        for byte in line.bytes() {
            self.log.digest = (self.log.digest ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        if !self.log.whole && self.log.lines.len() >= LINES_KEPT {
            self.log.lines.pop_front();
        }
        self.log.lines.push_back(line);
        let (time, lines) = self.log.at_once;
        self.log.at_once = if time == self.time() { (time, lines + 1) } else { (self.time(), 1) };
        if lines == AT_ONCE_MAX {
            self.violation.get_or_insert_with(|| "it goes round in a circle".into());
            self.bell.notify_one();
        }
    }

    /// Somebody is asked. With the first attempt a turn begins, which counts if it is the user's.
    pub(super) fn opens(&mut self, key: &ConversationKey, token: Token) {
        let at = self.wall();
        if token.attempt == 1 {
            let checked = self.reference.opened(key, token.turn, at);
            self.check(checked);
        }
    }

    /// Something is wrong. The first finding stays.
    pub(super) fn violate(&mut self, what: impl FnOnce() -> String) {
        if self.violation.is_none() {
            let what = what();
            self.log(|| format!("VIOLATION {what}"));
            self.violation = Some(what);
            self.bell.notify_one();
        }
    }

    pub(super) fn check(&mut self, result: Result<(), String>) {
        if let Err(what) = result {
            self.violate(|| what);
        }
    }

    pub(super) fn digest(&self) -> u64 {
        self.log.digest
    }

    pub(super) fn lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log.lines).into()
    }
}

/// Time and randomness as a process sees them.
pub(super) struct SimulatedClock(pub(super) Arc<World>);

impl Clock for SimulatedClock {
    fn now(&self) -> UnixMillis {
        self.0.state().wall()
    }

    fn seed(&self) -> u128 {
        let mut state = self.0.state();
        let seed = state.dice.wide();
        if state.bug == Some(Bug::RepeatedSeeds) { seed % 8 } else { seed }
    }
}
