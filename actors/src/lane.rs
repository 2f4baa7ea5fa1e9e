//! A lane: what a tenant's calls share. Slots bound how many asks and how many sends are under way at once; sends are also
//! paced by segments per second, and a number can be told to pause.
//!
//! A lane belongs to one tenant, so a slow assistant or a throttled number slows only its own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// The limits of a lane.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneLimits {
    /// How many questions may be with the assistant at once.
    pub asks_max: usize,
    /// How many texts may be with the provider at once.
    pub sends_max: usize,
    /// How many segments may leave per second; `None` for as many as the provider takes.
    pub segments_per_second: Option<f64>,
    /// How many segments may leave at once after a quiet time.
    pub burst_segments: u32,
}

impl Default for LaneLimits {
    fn default() -> Self {
        Self { asks_max: 1_024, sends_max: 64, segments_per_second: None, burst_segments: 10 }
    }
}

/// A tenant's lane.
pub struct Lane {
    asks: Arc<Semaphore>,
    sends: Arc<Semaphore>,
    pace: Mutex<Pace>,
    /// Held while waiting for the pace: who comes first goes first, or short texts would pass a long one for ever.
    line: tokio::sync::Mutex<()>,
    /// How many slots there are of each kind: for asks, for sends.
    slots: [usize; 2],
}

/// How much is under way at once, of one number or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Questions with an assistant.
    pub asks: usize,
    /// Texts with the provider.
    pub sends: usize,
    /// Numbers that send nothing for a while.
    pub paused: usize,
}

/// The right to make one call; given back when dropped.
#[derive(Debug)]
pub struct Slot {
    _permit: OwnedSemaphorePermit,
}

impl Lane {
    /// A lane with these limits. A limit of zero slots is taken as one.
    #[must_use]
    pub fn new(limits: &LaneLimits) -> Self {
        let slots = [limits.asks_max, limits.sends_max].map(|most| most.clamp(1, Semaphore::MAX_PERMITS));
        let [asks, sends] = slots.map(|most| Arc::new(Semaphore::new(most)));
        Self { asks, sends, pace: Mutex::new(Pace::new(limits)), line: tokio::sync::Mutex::default(), slots }
    }

    /// What is under way just now.
    pub(crate) fn traffic(&self) -> Traffic {
        let taken = |slots: usize, semaphore: &Semaphore| slots - semaphore.available_permits().min(slots);
        let paused = self.with_pace(|pace| Instant::now() < pace.paused_until);
        Traffic {
            asks: taken(self.slots[0], &self.asks),
            sends: taken(self.slots[1], &self.sends),
            paused: usize::from(paused),
        }
    }

    /// Waits for room to ask.
    pub(crate) async fn ask_slot(&self) -> Slot {
        slot(Arc::clone(&self.asks)).await
    }

    /// Room to send this many segments now, if there is.
    pub(crate) fn try_send_slot(&self, segments: u32) -> Option<Slot> {
        let permit = Arc::clone(&self.sends).try_acquire_owned().ok()?;
        let _first = self.line.try_lock().ok()?;
        let ready = self.with_pace(|pace| pace.try_take(Instant::now(), segments)).is_none();
        ready.then_some(Slot { _permit: permit })
    }

    /// Waits for room to send this many segments.
    pub(crate) async fn send_slot(&self, segments: u32) -> Slot {
        let slot = slot(Arc::clone(&self.sends)).await;
        let _first = self.line.lock().await;
        while let Some(wait) = self.with_pace(|pace| pace.try_take(Instant::now(), segments)) {
            tokio::time::sleep_until(wait).await;
        }
        slot
    }

    /// Nothing is sent from this number for a while.
    pub(crate) fn pause(&self, span: Duration) {
        let until = Instant::now() + span.min(Duration::from_secs(24 * 3_600));
        self.with_pace(|pace| pace.paused_until = pace.paused_until.max(until));
    }

    fn with_pace<T>(&self, use_it: impl FnOnce(&mut Pace) -> T) -> T {
        use_it(&mut self.pace.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn slot(semaphore: Arc<Semaphore>) -> Slot {
    Slot { _permit: semaphore.acquire_owned().await.expect("a lane's semaphore is never closed") }
}

/// The generic cell rate algorithm: one point in time says how far the number has run ahead of its pace.
struct Pace {
    per_segment: Duration,
    burst: Duration,
    ahead: Instant,
    paused_until: Instant,
}

impl Pace {
    fn new(limits: &LaneLimits) -> Self {
        let rate = limits.segments_per_second.filter(|rate| rate.is_finite() && *rate > 0.0);
        let per_segment = rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64((1.0 / rate).min(86_400.0)));
        let burst = per_segment.saturating_mul(limits.burst_segments.max(1));
        let now = Instant::now();
        Self { per_segment, burst, ahead: now, paused_until: now }
    }

    /// Takes room, or says when to come again. What is larger than the whole burst may go when nothing is ahead of it.
    fn try_take(&mut self, now: Instant, segments: u32) -> Option<Instant> {
        if now < self.paused_until {
            return Some(self.paused_until);
        }
        let cost = self.per_segment.saturating_mul(segments.max(1));
        let ahead = self.ahead.max(now) + cost;
        let allowed = now + self.burst.max(cost);
        if ahead > allowed {
            return Some(now + (ahead - allowed));
        }
        self.ahead = ahead;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paced(rate: f64, burst: u32) -> Lane {
        let limits = LaneLimits { segments_per_second: Some(rate), burst_segments: burst, ..LaneLimits::default() };
        Lane::new(&limits)
    }

    #[tokio::test(start_paused = true)]
    async fn an_unpaced_lane_is_bounded_by_its_slots_only() {
        let lane = Lane::new(&LaneLimits { sends_max: 2, ..LaneLimits::default() });
        let (first, _second) = (lane.try_send_slot(9), lane.try_send_slot(9));
        assert!(first.is_some() && lane.try_send_slot(1).is_none());
        drop(first);
        assert!(lane.try_send_slot(1).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn segments_leave_at_the_pace_with_a_burst() {
        let lane = paced(2.0, 3);
        let began = Instant::now();
        for _ in 0..7 {
            drop(lane.send_slot(1).await);
        }
        assert_eq!(began.elapsed().as_secs(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_text_costs_its_segments_and_still_gets_through() {
        let lane = paced(1.0, 1);
        let began = Instant::now();
        drop(lane.send_slot(5).await);
        drop(lane.send_slot(1).await);
        assert_eq!(began.elapsed().as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_text_is_not_passed_by_short_ones_for_ever() {
        let lane = Arc::new(paced(1.0, 10));
        drop(lane.send_slot(10).await);
        let short = |lane: Arc<Lane>| async move {
            for _ in 0..100 {
                drop(lane.send_slot(1).await);
            }
        };
        let crowd: Vec<_> = (0..3).map(|_| tokio::spawn(short(Arc::clone(&lane)))).collect();
        tokio::task::yield_now().await;
        let began = Instant::now();
        drop(lane.send_slot(5).await);
        assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
        crowd.iter().for_each(tokio::task::JoinHandle::abort);
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_number_sends_nothing_until_the_pause_is_over() {
        let lane = Lane::new(&LaneLimits::default());
        lane.pause(Duration::from_secs(60));
        assert!(lane.try_send_slot(1).is_none());
        let began = Instant::now();
        drop(lane.send_slot(1).await);
        assert_eq!(began.elapsed().as_secs(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_under_way_is_known_and_whether_the_number_pauses() {
        let lane = Lane::new(&LaneLimits { asks_max: 2, sends_max: 3, ..LaneLimits::default() });
        let held = (lane.ask_slot().await, lane.try_send_slot(1), lane.try_send_slot(1));
        assert_eq!(lane.traffic(), Traffic { asks: 1, sends: 2, paused: 0 });
        drop(held);
        lane.pause(Duration::from_secs(60));
        assert_eq!(lane.traffic(), Traffic { asks: 0, sends: 0, paused: 1 });
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(lane.traffic(), Traffic::default());
    }

    #[tokio::test(start_paused = true)]
    async fn no_limit_can_be_set_that_stops_a_lane_for_ever() {
        for rate in [f64::NAN, f64::INFINITY, 0.0, -1.0] {
            let limits = LaneLimits { asks_max: 0, sends_max: 0, segments_per_second: Some(rate), burst_segments: 0 };
            let lane = Lane::new(&limits);
            drop(lane.ask_slot().await);
            drop(lane.send_slot(1).await);
        }
    }
}
