//! One soak: a stand-in for Twilio, the binary, the users, and somebody who looks at all of it at regular times.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::assistant::Assistant;
use super::audit;
use super::crowd::{Crowd, World, receipts};
use super::dice::Dice;
use super::gateway::{Gateway, Held, Setup, TENANT};
use super::provider::Provider;
use super::samples::Sample;

/// What has not come after this long never comes.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often it is looked whether something has come.
const LOOK: Duration = Duration::from_millis(50);

/// For so many looks nothing must change before a process counts as at rest.
const LOOKS_AT_REST: usize = 20;

/// A run that is under way.
pub(crate) struct Run {
    world: Arc<World>,
    gateway: Arc<Gateway>,
    crowd: Crowd,
    receipts: JoinHandle<()>,
    began: Instant,
    samples: Arc<Mutex<Vec<Sample>>>,
    looking: JoinHandle<()>,
    under_load: usize,
}

/// What came of it.
pub(crate) struct Ended {
    /// Everything that is wrong, one line each.
    pub(crate) problems: Vec<String>,
    /// All of them, the wait for the end included.
    pub(crate) samples: Vec<Sample>,
    /// Those while users texted.
    pub(crate) under_load: Vec<Sample>,
    /// The last of them.
    pub(crate) last: Sample,
    /// What the store takes on the disk, and what of it is alive.
    pub(crate) disk: audit::Disk,
    pub(crate) stops: u64,
    pub(crate) requested: u64,
    pub(crate) receipts: u64,
    late: u64,
    lists: u64,
}

#[expect(clippy::print_stdout, reason = "whoever runs this for long wants to see how it gets on")]
pub(crate) fn tell(text: &str) {
    println!("{text}");
}

impl Run {
    /// Starts everything; `every` so often it is looked at.
    pub(crate) async fn start(setup: &Setup<'_>, users: usize, every: Duration) -> Self {
        let (provider, taken) = Provider::start(TENANT);
        let assistant = Assistant::start();
        let gateway = Arc::new(Gateway::start([&provider.base_url, &assistant.url], setup).await);
        let client = raconteur::client::client(Duration::from_secs(5)).expect("a client can be made");
        let address = format!("http://{}", gateway.address);
        let world = Arc::new(World { client, gateway: address, provider, assistant, counters: Default::default() });
        let receipts = tokio::spawn(receipts(Arc::clone(&world), taken, Dice::new(7, 2)));
        let crowd = Crowd::new(Arc::clone(&world), users, Dice::new(7, 1));
        let (began, samples) = (Instant::now(), Arc::new(Mutex::new(Vec::new())));
        let looking =
            tokio::spawn(look_every(every, (Arc::clone(&gateway), Arc::clone(&world)), began, Arc::clone(&samples)));
        Self { world, gateway, crowd, receipts, began, samples, looking, under_load: 0 }
    }

    /// What there is now.
    pub(crate) async fn look(&self) -> Sample {
        look(&self.gateway, &self.world, self.began).await
    }

    /// How many texts a second are acknowledged to users who wait for each answer.
    pub(crate) async fn capacity(&mut self, users: usize, span: Duration) -> f64 {
        self.crowd.converse(users, span).await
    }

    /// So many texts a second for so long.
    pub(crate) async fn load(&mut self, rate: f64, span: Duration) {
        self.crowd.talk(rate, span).await;
        self.under_load = self.samples().len();
    }

    /// Waits until everybody has got everything and nobody is in memory any more, hangs up, stops the gateway and looks into its store.
    pub(crate) async fn finish(mut self) -> Ended {
        self.crowd.settle().await;
        let coming = async {
            while self.world.provider.missing() > 0 || self.look().await.told.residents > 0 {
                tokio::time::sleep(LOOK).await;
            }
        };
        let came = timeout(PATIENCE, coming).await;
        let last = self.look().await;
        self.looking.abort();
        let _ = self.looking.await;
        let Self { world, gateway, crowd, receipts, began, samples, under_load, .. } = self;
        drop(crowd);
        receipts.abort();
        while Arc::strong_count(&world) > 1 {
            tokio::time::sleep(LOOK).await;
        }
        let mut problems = world.provider.problems();
        if came.is_err() {
            problems.push(format!("something never came to its end: {last:?}"));
        }
        let World { provider, assistant, counters, client, .. } =
            Arc::into_inner(world).expect("all who used it have ended");
        let lists = provider.books().lists;
        // Whoever is connected hangs up; then only what is the process's own is left.
        drop((provider, assistant, client));
        let gateway = Arc::into_inner(gateway).expect("nobody looks any more");
        let last = Sample { held: at_rest(&gateway).await, at: began.elapsed(), ..last };
        let mut samples = std::mem::take(&mut *samples.lock().unwrap_or_else(PoisonError::into_inner));
        let under_load = samples[..under_load.min(samples.len())].to_vec();
        samples.push(last);
        let stopped = gateway.stop().await;
        problems.extend(audit::nothing_is_open(&stopped.store()).await);
        let disk = audit::disk(&stopped).await;
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let [stops, requested] = [&counters.stops, &counters.requested].map(count);
        let [receipts, late] = [&counters.receipts, &counters.late].map(count);
        Ended { problems, samples, under_load, last, disk, stops, requested, receipts, late, lists }
    }

    fn samples(&self) -> Vec<Sample> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What the process holds once its descriptors no longer become fewer. Looks are counted and not time, of which a slow machine may take
/// as much as it likes between two of them.
async fn at_rest(gateway: &Gateway) -> Held {
    let (mut held, mut unchanged) = (gateway.held(), 0);
    while unchanged < LOOKS_AT_REST {
        tokio::time::sleep(LOOK).await;
        let now = gateway.held();
        unchanged = if now.descriptors < held.descriptors { 0 } else { unchanged + 1 };
        held = now;
    }
    held
}

async fn look(gateway: &Gateway, world: &World, began: Instant) -> Sample {
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let counters = &world.counters;
    Sample {
        at: began.elapsed(),
        held: gateway.held(),
        told: gateway.told(&world.client).await,
        accepted: count(&counters.accepted),
        repeated: count(&counters.repeated),
        missing: world.provider.missing() as u64,
    }
}

async fn look_every(
    every: Duration,
    (gateway, world): (Arc<Gateway>, Arc<World>),
    began: Instant,
    samples: Arc<Mutex<Vec<Sample>>>,
) {
    let mut times = tokio::time::interval(every);
    loop {
        times.tick().await;
        let sample = look(&gateway, &world, began).await;
        samples.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
    }
}

impl Ended {
    /// What was done and what it took.
    pub(crate) fn summary(&self) -> String {
        let Self { last, disk, stops, requested, receipts, late, lists, .. } = self;
        let texts = last.accepted.max(1);
        format!(
            "{} texts acknowledged in {:.0?} ({} posted again, {late} not offered), {} turns, {stops} times STOP, {} sessions timed out, \
             {requested} texts by REST, {receipts} receipts, {lists} pages of the log read; {} KiB of memory, {} descriptors, {} threads at the end; the \
             store has {} bytes on disk, {} a text, of which {} are alive, {} a text; compacted it has {} bytes; a new \
             process that has opened it takes {} KiB",
            last.accepted,
            last.at,
            last.repeated,
            last.told.turns,
            last.told.timeouts,
            last.held.resident_kib,
            last.held.descriptors,
            last.held.threads,
            disk.bytes,
            disk.bytes / texts,
            disk.alive,
            disk.alive / texts,
            disk.compacted,
            disk.reopened_kib,
        )
    }
}
