//! When texts are due that wait for nobody. A runtime's timers fire at whole milliseconds, which is as long as a gateway with time to spare
//! takes to acknowledge: so a thread of its own sleeps until each of them.

use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{self, UnboundedReceiver};

/// So many a second, evenly, from now on: each at its time, or as soon after it as it was possible.
pub(super) fn dues(rate: f64, until: Instant) -> UnboundedReceiver<Instant> {
    let (due, dues) = mpsc::unbounded_channel();
    let began = Instant::now();
    let times = (0_u64..).map(move |number| began + Duration::from_secs_f64(number as f64 / rate));
    let work = move || {
        for at in times.take_while(|at| *at < until) {
            thread::sleep(at.saturating_duration_since(Instant::now()));
            if due.send(at).is_err() {
                return;
            }
        }
    };
    // Without a thread the receiver is told that there is nothing more.
    let spawned = thread::Builder::new().name("pacer".into()).spawn(work);
    if let Err(error) = spawned {
        tracing::error!(%error, "no thread could be had, so nothing is sent");
    }
    dues
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_comes_in_order_and_not_before_its_time() {
        let began = Instant::now();
        let mut dues = dues(1_000.0, began + Duration::from_millis(20));
        let mut all = Vec::new();
        while let Some(due) = dues.recv().await {
            assert!(Instant::now() >= due, "too early");
            all.push(due);
        }
        assert!((20..=21).contains(&all.len()), "{}", all.len());
        assert!(all.windows(2).all(|two| two[1] - two[0] >= Duration::from_micros(999)));
        assert!(all[0] >= began);
    }
}
