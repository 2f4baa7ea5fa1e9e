//! Lets the world happen: one process after another, each on a runtime of its own whose end is as sudden as a death, all on one
//! thread and in virtual time. What is due is done; then the troubles end, and everything must come to rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use raconteur_conversation::Conversation;
use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::time::UnixMillis;
use raconteur_storage::{KvStore, Store, StoreError};
use tokio::runtime;

use super::assistant::{Scripted, Voice};
use super::audit::audit;
use super::bugs::{Bug, BuggyStore, Disk};
use super::delivery::deliver;
use super::provider::Carrier;
use super::scenario::Event;
use super::speech::NAME;
use super::store::{WatchedStore, recollect};
use super::world::{SimulatedClock, World};
use crate::gateway::{Gateway, StartError, TenantSpec};
use crate::lane::LaneLimits;
use crate::port::{Assistant, Event as Happened, Forwarder, Observer, Transport};

/// More processes no seed needs.
const LIVES_MAX: usize = 200;
/// So long after the troubles everything must be at rest, in milliseconds of virtual time.
const PATIENCE: u64 = 3_600_000;
/// How often it is looked whether all is quiet.
const LOOK_EVERY: u64 = 1_000;

/// How a process ends.
enum End {
    Died,
    Failed,
    Drained,
    /// The world is at rest, or something is wrong: there is no next process.
    Finished,
}

/// Lets everything happen. What is wrong is found in the world.
pub(super) fn run(world: &Arc<World>) {
    let mut pause = 0;
    for _ in 0..LIVES_MAX {
        let Ok(runtime) = runtime::Builder::new_current_thread().enable_time().start_paused(true).build() else {
            return world.state().violate(|| "no runtime can be built".into());
        };
        let end = runtime.block_on(live(world, pause));
        drop(runtime);
        let mut state = world.state();
        state.counts.processes += 1;
        match end {
            End::Finished => return,
            // Its machine runs on, unless it has died with it.
            End::Failed | End::Drained => state.engine = state.engine.kill(),
            End::Died => {}
        }
        state.forget_process();
        pause = state.dice.within(10..8_000);
    }
    world.state().violate(|| "process after process has ended".into());
}

async fn live(world: &Arc<World>, pause: u64) -> End {
    world.state().begin_runtime(pause);
    let end = match Life::begin(world).await {
        Ok(life) => Box::pin(life.run()).await,
        Err(error) => {
            world.log(|| format!("the process cannot start: {error}"));
            End::Failed
        }
    };
    world.state().stop_clock();
    end
}

/// One process, and those that it has taken the shards from.
struct Life {
    world: Arc<World>,
    store: Arc<dyn Store>,
    process: u32,
    gateway: Gateway,
    zombies: Vec<(u32, Gateway)>,
}

impl Life {
    async fn begin(world: &Arc<World>) -> Result<Self, StartError> {
        let (engine, options, bug, reads_left) = {
            let state = world.state();
            (state.engine.clone(), state.scenario.options.clone(), state.bug, Arc::clone(&state.reads_left))
        };
        let lies = Arc::new(AtomicU64::new(0));
        let store = KvStore::open_in_task(Disk { engine, lies: Arc::clone(&lies), reads_left }, options)?;
        let store: Arc<dyn Store> = Arc::new(BuggyStore::new(Arc::new(store), bug, lies));
        recollect(world, &*store).await?;
        look_at_the_log(world, &*store).await?;
        let (process, gateway) = start(world, &store).await?;
        Ok(Self { world: Arc::clone(world), store, process, gateway, zombies: Vec::new() })
    }

    async fn run(mut self) -> End {
        loop {
            if self.world.is_dead(self.process) {
                return End::Died;
            }
            self.look();
            match self.at_rest().await {
                Ok(false) => {}
                Ok(true) => return self.finish().await,
                Err(error) => {
                    self.world.log(|| format!("the store cannot be read: {error}"));
                    return End::Failed;
                }
            }
            let due = {
                let mut state = self.world.state();
                state.send_again();
                state.next_due()
            };
            if let Some(event) = due {
                match self.happens(event).await {
                    Ok(life) => self = life,
                    Err(end) => return end,
                }
                continue;
            }
            let wait = self.world.state().until_next(LOOK_EVERY);
            tokio::select! {
                biased;
                () = self.world.rings() => {}
                ended = self.gateway.wait() => {
                    self.world.log(|| format!("the gateway has ended: {ended:?}"));
                    if !self.world.is_dead(self.process) {
                        return End::Failed;
                    }
                }
                () = tokio::time::sleep(Duration::from_millis(wait)) => {}
            }
        }
    }

    /// What can be seen from outside at any time.
    fn look(&self) {
        let (residents, mut state) = (self.gateway.headcount().inside(), self.world.state());
        let most = state.scenario.settings.max_resident;
        if residents > most {
            state.violate(|| format!("{residents} conversations are in memory, and {most} are allowed"));
        }
        if !state.healthy && state.time() >= state.scenario.trouble_until {
            state.log(|| "all is well from now on".into());
            state.healthy = true;
        }
    }

    /// Something is wrong; or all is well, nothing is under way, and every session has ended.
    async fn at_rest(&self) -> Result<bool, StoreError> {
        let keys = {
            let state = self.world.state();
            if state.violation.is_some() {
                return Ok(true);
            }
            if !state.healthy {
                return Ok(false);
            }
            state.scenario.keys.clone()
        };
        let is_delivered = self.world.state().is_delivered();
        let restless = if is_delivered { self.restless(&keys).await? } else { Some("something comes again".into()) };
        let mut state = self.world.state();
        if let Some(why) = restless.as_ref().filter(|_| state.time() > state.scenario.trouble_until + PATIENCE) {
            state.violate(|| format!("it has never come to rest: {why}"));
        }
        Ok(restless.is_none())
    }

    /// Who is not at rest, and why.
    async fn restless(&self, keys: &[ConversationKey]) -> Result<Option<String>, StoreError> {
        let left = self.store.work(UnixMillis(u64::MAX), None, 1).await?;
        if let Some(key) = left.keys.first() {
            return Ok(Some(format!("{} has something unread or unsettled", key.user)));
        }
        for key in keys {
            let snapshot = self.store.snapshot(key).await?.unwrap_or_default();
            if Conversation::view(&snapshot).is_ok_and(|view| view.session.is_some()) {
                return Ok(Some(format!("{} has an open session", key.user)));
            }
        }
        Ok(None)
    }

    async fn finish(self) -> End {
        let is_over = self.world.state().violation.is_some();
        if is_over {
            return End::Finished;
        }
        if audit(&self.world, &*self.store).await.is_err() {
            return End::Failed;
        }
        let drained = self.gateway.drain(Duration::from_secs(60)).await;
        let mut state = self.world.state();
        state.log(|| format!("the end: {drained:?}"));
        End::Finished
    }

    /// Lets one event happen. Returns how the process has ended, if it has.
    async fn happens(mut self, event: Event) -> Result<Self, End> {
        self.world.log(|| shown(&event));
        match event {
            Event::Deliver(delivery) => {
                {
                    let mut state = self.world.state();
                    let now = state.wall();
                    state.provider.hear(&delivery);
                    state.write_down(&delivery, now);
                }
                let inbox = self.gateway.inbox(delivery.key.tenant.as_str());
                let doors = (inbox, self.gateway.control());
                tokio::spawn(deliver(Arc::clone(&self.world), self.process, doors, *delivery));
            }
            Event::Crash => {
                self.world.state().die();
                return Err(End::Died);
            }
            Event::Drain(within) => return Err(self.drain(within).await),
            Event::TakeOver => return self.taken_over().await,
            Event::EndZombie(process) => {
                self.world.state().end_process(process);
                self.zombies.retain(|(zombie, _)| *zombie != process);
            }
            Event::FailApply(nth) => self.world.state().engine.fail_apply(nth),
            Event::FailSync(nth) => self.world.state().engine.fail_sync(nth),
            Event::FailRead(nth) => self.world.state().reads_left.store(nth, Ordering::Relaxed),
            Event::Jump(by) => self.world.state().jump(by),
            Event::Down(part, span) => self.world.state().take_down(part, span),
            Event::Room(room) => self.world.state().engine.set_free_bytes(room),
        }
        Ok(self)
    }

    async fn drain(self, within: Duration) -> End {
        for (zombie, _) in &self.zombies {
            self.world.state().end_process(*zombie);
        }
        drop(self.zombies);
        tokio::select! {
            biased;
            () = self.world.death(self.process) => End::Died,
            drained = self.gateway.drain(within) => {
                self.world.log(|| format!("drained: {drained:?}"));
                if self.world.is_dead(self.process) { End::Died } else { End::Drained }
            }
        }
    }

    async fn taken_over(mut self) -> Result<Self, End> {
        match start(&self.world, &self.store).await {
            Ok((process, gateway)) => {
                let zombie =
                    (std::mem::replace(&mut self.process, process), std::mem::replace(&mut self.gateway, gateway));
                let mut state = self.world.state();
                let after = state.dice.within(500..10_000);
                state.plan(after, Event::EndZombie(zombie.0));
                drop(state);
                self.zombies.push(zombie);
                Ok(self)
            }
            Err(_) if self.world.is_dead(self.process) => Err(End::Died),
            Err(_) => Err(End::Failed),
        }
    }
}

fn shown(event: &Event) -> String {
    if let Event::Deliver(delivery) = event {
        return format!("{} comes {}", delivery.key.user, delivery.id);
    }
    format!("{event:?}")
}

/// Before a process starts: what came meanwhile is in the provider's log, and what came to a number before it was first noted will not be
/// looked for there.
async fn look_at_the_log(world: &World, store: &dyn Store) -> Result<(), StoreError> {
    let heard = store.heard().await?;
    let mut state = world.state();
    state.hear_what_came_meanwhile();
    for line in &Arc::clone(&state.scenario).lines {
        if heard.iter().all(|(number, _)| *number != line.number) {
            state.received.forgive(&line.number);
        }
    }
    Ok(())
}

/// Starts a gateway over the store, as a process of its own.
async fn start(world: &Arc<World>, store: &Arc<dyn Store>) -> Result<(u32, Gateway), StartError> {
    let (process, scenario, bug) = {
        let mut state = world.state();
        let process = state.new_process();
        state.log(|| format!("process {process} starts"));
        (process, Arc::clone(&state.scenario), state.bug)
    };
    let scripted = || Scripted { world: Arc::clone(world), process };
    let watched = WatchedStore { inner: Arc::clone(store), world: Arc::clone(world), process };
    let mut builder = Gateway::builder(Arc::new(watched))
        .clock(Arc::new(SimulatedClock(Arc::clone(world))))
        .settings(scenario.settings.clone())
        .assistant(NAME, Arc::new(scripted()) as Arc<dyn Assistant>)
        .forwarder(Arc::new(Voice(scripted())) as Arc<dyn Forwarder>)
        .observer(Arc::new(Diary { world: Arc::clone(world), process }));
    for line in &scenario.lines {
        let carrier = Carrier { world: Arc::clone(world), process, line: line.clone() };
        let open_lane = bug == Some(Bug::OpenLane);
        builder = builder.try_channel(line.number.as_str(), move |_| Ok(Arc::new(carrier) as Arc<dyn Transport>));
        builder = builder.tenant(TenantSpec {
            number: line.number.clone(),
            channel: line.number.as_str().into(),
            assistant: NAME.into(),
            policy: line.policy.clone(),
            lane: if open_lane { LaneLimits::default() } else { line.lane.clone() },
        });
    }
    Ok((process, builder.start().await?))
}

/// Hears of everything that has happened.
struct Diary {
    world: Arc<World>,
    process: u32,
}

impl Observer for Diary {
    fn observe(&self, key: &ConversationKey, event: &Happened<'_>) {
        if self.world.is_dead(self.process) {
            return;
        }
        let mut state = self.world.state();
        match event {
            Happened::SessionEnded(end) => {
                let checked = state.reference.told_of_end(key, end.session);
                state.check(checked);
                state.counts.sessions += 1;
            }
            Happened::Settled(id, row) => state.log(|| format!("{} settled {id}: {row:?}", key.user)),
            Happened::Noted(notice) => state.log(|| format!("{} {notice:?}", key.user)),
            Happened::Answered(_) | Happened::Accepted(..) | Happened::Receipt(_) => {}
        }
    }
}
