//! The task behind one sink: writes what is observed into the spool, closes a segment every interval, and hands closed segments
//! over in order, with growing waits while the sink is away.
//!
//! It alone owns the spool and the sending, so there is nothing to lock. The spool blocks and is lent to a thread that may; the
//! sending goes on meanwhile. No event is in memory only for longer than it takes to write it, and none is sent before.

use std::collections::BTreeMap;
use std::future::{self, Future};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use raconteur_conversation::address::Address;
use raconteur_conversation::time::UnixMillis;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::Origin;
use super::event::{ReportEvent, Usage, What};
use super::loss::{self, Cause, Loss};
use super::settings::Rules;
use super::sink::{Batch, PostError, Sink};
use super::spool::Spool;
use super::tally::{Tally, Totals};

/// How many events are written at once.
const WRITE_MAX: usize = 1_000;

/// A sink is not believed when it asks for a longer wait.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// A program may ask for a shorter interval, but not for none.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);

/// See the module.
pub(super) struct Courier {
    pub(super) name: String,
    pub(super) sink: Arc<dyn Sink>,
    pub(super) rules: Rules,
    pub(super) origin: Arc<Origin>,
    /// The counters of every tenant whose events go to this sink.
    pub(super) tallies: BTreeMap<Address, Arc<Tally>>,
    /// `None` while it is lent, or when the thread it was lent to is lost.
    pub(super) spool: Option<Spool>,
    /// How many attempts have failed since the last that did not.
    pub(super) failures: u32,
    /// Where the current usage interval began.
    pub(super) counted_from: UnixMillis,
}

/// How the sending stands.
enum Sending {
    /// There is nothing to send.
    Idle,
    /// A batch is on its way.
    Posting(Arc<Batch>, Pin<Box<dyn Future<Output = Result<(), PostError>> + Send>>),
    /// The sink is away until then.
    Waiting(Instant),
}

/// What the sending waited for.
enum Moved {
    Answered(Arc<Batch>, Result<(), PostError>),
    Waited,
}

impl Sending {
    /// Waits until there is something to do for it. May be given up and called again.
    async fn moved(&mut self) -> Moved {
        match self {
            Self::Idle => future::pending().await,
            Self::Posting(batch, answer) => {
                let answer = answer.await;
                Moved::Answered(Arc::clone(batch), answer)
            }
            Self::Waiting(until) => {
                sleep_until(*until).await;
                Moved::Waited
            }
        }
    }
}

impl Courier {
    /// Runs until it is told until when to close, or nobody is left to tell.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<ReportEvent>, mut closing: oneshot::Receiver<Instant>) {
        // What an earlier process left.
        let mut sending = self.begin().await;
        let interval = self.rules.interval.max(SHORTEST_INTERVAL);
        let mut next_turn = Instant::now() + interval;
        let mut events = Vec::new();
        let until = loop {
            tokio::select! {
                biased;
                until = &mut closing => break until.unwrap_or_else(|_| Instant::now()),
                moved = sending.moved() => sending = self.go_on(moved).await,
                () = sleep_until(next_turn) => {
                    sending = self.turn_over(sending).await;
                    // From now on, or a slow disk would leave no time for the queue.
                    next_turn = Instant::now() + interval;
                }
                count = queue.recv_many(&mut events, WRITE_MAX) => {
                    if count == 0 {
                        break Instant::now();
                    }
                    self.write(std::mem::take(&mut events)).await;
                    sending = self.begin_if_idle(sending).await;
                }
            }
        };
        self.close(queue, sending, until).await;
    }

    /// Writes down what is still queued, then hands over what it can until then.
    async fn close(mut self, mut queue: mpsc::Receiver<ReportEvent>, mut sending: Sending, until: Instant) {
        queue.close();
        let mut events = Vec::new();
        while queue.recv_many(&mut events, WRITE_MAX).await > 0 {
            self.write(std::mem::take(&mut events)).await;
        }
        self.report_usage().await;
        self.rotate().await;
        // One more attempt, also where the sink was away a moment ago.
        if !matches!(sending, Sending::Posting(..)) {
            sending = self.begin().await;
        }
        while let Sending::Posting(..) = sending {
            let Ok(moved) = timeout_at(until, sending.moved()).await else { break };
            sending = self.go_on(moved).await;
        }
    }

    /// An interval is over.
    async fn turn_over(&mut self, sending: Sending) -> Sending {
        self.report_usage().await;
        match sending {
            Sending::Waiting(_) => {
                self.with_spool(Spool::sync).await;
                sending
            }
            Sending::Idle | Sending::Posting(..) => {
                self.rotate().await;
                self.begin_if_idle(sending).await
            }
        }
    }

    async fn rotate(&mut self) {
        let lost = self.with_spool(Spool::rotate).await.unwrap_or_default();
        self.count(&lost);
    }

    async fn write(&mut self, events: Vec<ReportEvent>) {
        let lost = self.with_spool(move |spool| spool.append(&events)).await.unwrap_or_default();
        self.count(&lost);
    }

    /// Writes a usage event for every tenant in whose conversations something has happened.
    async fn report_usage(&mut self) {
        let now = self.origin.clock.now();
        let from = std::mem::replace(&mut self.counted_from, now);
        if !self.rules.usage {
            return;
        }
        let event = |(tenant, tally): (&Address, &Arc<Tally>)| {
            let totals = tally.take();
            (totals != Totals::default()).then(|| usage(&self.origin, tenant, (from, now), totals))
        };
        let events: Vec<ReportEvent> = self.tallies.iter().filter_map(event).collect();
        if !events.is_empty() {
            self.write(events).await;
        }
    }

    async fn begin_if_idle(&mut self, sending: Sending) -> Sending {
        match sending {
            Sending::Idle => self.begin().await,
            Sending::Posting(..) | Sending::Waiting(_) => sending,
        }
    }

    /// Begins to hand over the oldest events, if there are any.
    async fn begin(&mut self) -> Sending {
        let most = self.rules.batch_max;
        let (batch, lost) = self.with_spool(move |spool| spool.next_batch(most)).await.unwrap_or_default();
        self.count(&lost);
        let Some(batch) = batch.map(Arc::new) else { return Sending::Idle };
        let (sink, patience, sent) = (Arc::clone(&self.sink), self.rules.timeout, Arc::clone(&batch));
        Sending::Posting(
            batch,
            Box::pin(async move {
                let late = |_| PostError::Retry { after: None, reason: "the sink did not answer in time".into() };
                timeout(patience, sink.post(&sent)).await.map_err(late)?
            }),
        )
    }

    async fn go_on(&mut self, moved: Moved) -> Sending {
        let Moved::Answered(batch, answer) = moved else { return self.begin().await };
        match answer {
            Ok(()) => {
                if std::mem::take(&mut self.failures) > 0 {
                    tracing::info!(report = self.name, "the sink takes reports again");
                }
                self.with_spool(move |spool| spool.done(batch.place)).await;
                self.begin().await
            }
            Err(PostError::Refused { reason }) => {
                let events = batch.events.len();
                tracing::error!(report = self.name, events, reason, "the sink refuses events; they are kept aside");
                let (tenant, events) = (batch.tenant.clone(), u64::try_from(events).unwrap_or(u64::MAX));
                self.count(&[Loss { tenant, events, cause: Cause::Refused }]);
                self.with_spool(move |spool| spool.refuse(&batch)).await;
                self.begin().await
            }
            Err(PostError::Retry { after, reason }) => Sending::Waiting(Instant::now() + self.wait(after, &reason)),
        }
    }

    /// How long to wait after one more failure.
    fn wait(&mut self, after: Option<Duration>, reason: &str) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let random = u64::try_from(self.origin.clock.seed() & u128::from(u64::MAX)).unwrap_or_default();
        let wait = self.rules.backoff.after(self.failures, random).max(after.unwrap_or_default().min(LONGEST_WAIT));
        if self.failures == 1 {
            tracing::warn!(report = self.name, reason, "the sink takes no reports; they wait in the spool");
        } else {
            tracing::debug!(
                report = self.name,
                reason,
                failures = self.failures,
                ?wait,
                "the sink takes no reports yet"
            );
        }
        wait
    }

    fn count(&self, lost: &[Loss]) {
        for Loss { tenant, events, cause } in lost {
            // The tenant may be one of an earlier configuration.
            let tally = Address::parse(tenant).ok().and_then(|tenant| self.tallies.get(&tenant));
            loss::count(&self.origin.losses, tally.map(|tally| &**tally), (*cause, *events));
        }
    }

    /// Lends the spool to a thread that may block.
    async fn with_spool<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Spool) -> T + Send + 'static,
    ) -> Option<T> {
        let mut spool = self.spool.take()?;
        let lent = tokio::task::spawn_blocking(move || {
            let result = work(&mut spool);
            (spool, result)
        });
        match lent.await {
            Ok((spool, result)) => {
                self.spool = Some(spool);
                Some(result)
            }
            Err(error) => {
                tracing::error!(report = self.name, %error, "the spool is lost: nothing more is reported");
                None
            }
        }
    }
}

fn usage(origin: &Origin, tenant: &Address, (from, to): (UnixMillis, UnixMillis), totals: Totals) -> ReportEvent {
    let Totals { inbound, outbound, failed, dropped, refused } = totals;
    let what = What::Usage(Usage {
        instance: origin.instance,
        from_ms: from,
        to_ms: to,
        inbound,
        outbound,
        failed,
        dropped_events: dropped,
        refused_events: refused,
    });
    ReportEvent { what, event_id: origin.next_event(), tenant: tenant.clone(), at_ms: to }
}
