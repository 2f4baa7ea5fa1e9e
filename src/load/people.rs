//! Who texts when. Either people, who wait for answers, think, send several texts in a row and fall silent; or a fixed rate that waits
//! for nobody. A text's latency counts from when it was due.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::task::{JoinHandle, JoinSet};

use super::books::Books;
use super::pacer;
use super::wire::Line;
use super::{Crowd, Pace};

/// One visit in twenty is followed by a long silence, so many times as long as usual.
const SILENCE: (f64, f64) = (0.05, 10.0);

/// How likely two and three texts in a row are.
const IN_A_ROW: [f64; 2] = [0.15, 0.05];

/// All texters. Each sends one text after the other, so that the order in which the gateway accepts them is known.
pub(super) struct People {
    books: Arc<Books>,
    line: Line,
    turns: Vec<Mutex<()>>,
    /// Texts that were due and have not been acknowledged or given up.
    under_way: AtomicU64,
}

impl People {
    pub(super) fn new(texters: u32, books: Arc<Books>, line: Line) -> Self {
        Self { books, line, turns: (0..texters).map(|_| Mutex::new(())).collect(), under_way: AtomicU64::new(0) }
    }

    /// Whether every text has got through or was given up.
    pub(super) fn are_silent(&self) -> bool {
        self.under_way.load(Ordering::Acquire) == 0
    }

    /// Lets them text, and returns when the time is over.
    pub(super) async fn text(self: Arc<Self>, crowd: &Crowd) {
        let until = Instant::now() + crowd.duration;
        match crowd.pace {
            Pace::Thinking(think) => self.think(crowd, think, until).await,
            Pace::Fixed(rate) => self.keep_pace(rate, until).await,
        }
    }

    async fn think(self: Arc<Self>, crowd: &Crowd, think: Duration, until: Instant) {
        let began = Instant::now();
        let mut all = JoinSet::new();
        for texter in 0..crowd.texters {
            let people = Arc::clone(&self);
            let begins = began + crowd.ramp.mul_f64(f64::from(texter) / f64::from(crowd.texters));
            all.spawn(async move {
                tokio::time::sleep_until(begins.into()).await;
                // What is still open when the time is over is waited for by somebody else.
                let _ = tokio::time::timeout_at(until.into(), people.live(texter, think, until)).await;
            });
        }
        while all.join_next().await.is_some() {}
    }

    async fn live(self: &Arc<Self>, texter: u32, think: Duration, until: Instant) {
        let mut dice = fastrand::Rng::new();
        while Instant::now() < until {
            for text in 0..in_a_row(think, &mut dice) {
                if text > 0 {
                    tokio::time::sleep(Duration::from_millis(dice.u64(200..800))).await;
                }
                let _ = self.says(texter, Instant::now()).await;
            }
            self.books.all_heard(texter).await;
            if !think.is_zero() {
                tokio::time::sleep(thought(think, &mut dice)).await;
            }
        }
    }

    async fn keep_pace(self: Arc<Self>, rate: f64, until: Instant) {
        let texters = self.turns.len() as u64;
        let begin = move |number: u64, due| {
            let texter = u32::try_from(number % texters).expect("there are not more texters than that");
            drop(self.says(texter, due));
        };
        pacer::pace(rate, until, begin).await;
    }

    /// Sends a text that was due then, in a task of its own: once it was begun, it is not given up because the time is over.
    fn says(self: &Arc<Self>, texter: u32, due: Instant) -> JoinHandle<()> {
        let people = Arc::clone(self);
        people.under_way.fetch_add(1, Ordering::AcqRel);
        tokio::spawn(async move {
            let _turn = people.turns[texter as usize].lock().await;
            let text = people.books.says(texter, due);
            people.line.send(text, due).await;
            people.under_way.fetch_sub(1, Ordering::AcqRel);
        })
    }
}

fn in_a_row(think: Duration, dice: &mut fastrand::Rng) -> u32 {
    let drawn = dice.f64();
    match () {
        () if think.is_zero() => 1,
        () if drawn < IN_A_ROW[1] => 3,
        () if drawn < IN_A_ROW[0] + IN_A_ROW[1] => 2,
        () => 1,
    }
}

/// Exponentially distributed about its mean, now and then much longer.
fn thought(mean: Duration, dice: &mut fastrand::Rng) -> Duration {
    let times = if dice.f64() < SILENCE.0 { SILENCE.1 } else { 1.0 };
    mean.mul_f64(-(1.0 - dice.f64()).ln() * times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_think_as_long_as_was_asked_for_and_are_silent_now_and_then() {
        let mut dice = fastrand::Rng::with_seed(1);
        let thoughts: Vec<Duration> = (0..20_000).map(|_| thought(Duration::from_secs(1), &mut dice)).collect();
        let mean = thoughts.iter().sum::<Duration>().as_secs_f64() / 20_000.0;
        assert!((1.35..1.55).contains(&mean), "{mean}");
        assert!(thoughts.iter().filter(|thought| thought.as_secs() >= 10).count() > 200);
    }

    #[test]
    fn several_texts_in_a_row_come_only_from_who_thinks() {
        let mut dice = fastrand::Rng::with_seed(1);
        let texts: Vec<u32> = (0..10_000).map(|_| in_a_row(Duration::from_secs(1), &mut dice)).collect();
        let share = |wanted: u32| texts.iter().filter(|texts| **texts == wanted).count();
        assert!((1_300..1_700).contains(&share(2)) && (400..600).contains(&share(3)));
        assert!((0..100).all(|_| in_a_row(Duration::ZERO, &mut dice) == 1));
    }
}
