//! When texts are due that wait for nobody. A runtime's timers fire at whole milliseconds, which is as long as a gateway with time to spare
//! takes to acknowledge: so a thread of its own sleeps until they are due, and begins them itself.
//!
//! Each time that it wakes up costs an interrupt and takes a processor from somebody, often from the gateway that is being measured. So it
//! wakes up at most every [`GRAIN`], and what was due in between is begun together: late, and its latency counts from when it was due.

use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// So long at least from one time that it wakes up to the next.
const GRAIN: Duration = Duration::from_micros(500);

/// Calls `begin` so many times a second, evenly, from now on until then: with the number of the call and when it was due, at that time or as
/// soon after it as it was possible, within the caller's runtime. Whoever drops the future ends it.
pub(super) async fn pace(rate: f64, until: Instant, mut begin: impl FnMut(u64, Instant) + Send + 'static) {
    let (done, over) = oneshot::channel::<()>();
    let (began, runtime) = (Instant::now(), Handle::current());
    let work = move || {
        let _within = runtime.enter();
        let mut woken = began;
        let dues = (0_u64..).map(move |number| (number, began + Duration::from_secs_f64(number as f64 / rate)));
        for (number, due) in dues.take_while(|(_, due)| *due < until) {
            if Instant::now() < due {
                thread::sleep(due.max(woken + GRAIN).saturating_duration_since(Instant::now()));
                woken = Instant::now();
            }
            if done.is_closed() {
                return;
            }
            begin(number, due);
        }
    };
    match thread::Builder::new().name("pacer".into()).spawn(work) {
        // It ends by dropping its sender.
        Ok(_) => drop(over.await),
        Err(error) => tracing::error!(%error, "no thread could be had, so nothing is sent"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn each_comes_in_order_and_not_before_its_time() {
        let (began, until) = (Instant::now(), Instant::now() + Duration::from_millis(200));
        let (called, calls) = mpsc::channel();
        let begin = move |number, due| called.send((number, due, Instant::now())).expect("somebody listens");
        pace(5_000.0, until, begin).await;
        let calls: Vec<(u64, Instant, Instant)> = calls.into_iter().collect();
        let wanted = until.saturating_duration_since(calls[0].1).as_secs_f64() * 5_000.0;
        assert!((wanted - calls.len() as f64).abs() <= 1.0, "{wanted} {}", calls.len());
        assert!(calls.iter().zip(0..).all(|((number, due, at), wanted)| *number == wanted && due <= at));
        let apart = Duration::from_nanos(199_999);
        assert!(calls.windows(2).all(|two| two[1].1 - two[0].1 >= apart));
        assert!(calls[0].1 >= began);
    }

    #[tokio::test]
    async fn it_ends_with_whoever_waits_for_it() {
        let (called, mut calls) = tokio::sync::mpsc::unbounded_channel();
        let paced = pace(1_000.0, Instant::now() + Duration::from_secs(600), move |number, _| {
            let _ = called.send(number);
        });
        tokio::select! {
            () = paced => panic!("it has ten minutes"),
            first = calls.recv() => assert_eq!(first, Some(0)),
        }
        while calls.recv().await.is_some() {}
    }
}
