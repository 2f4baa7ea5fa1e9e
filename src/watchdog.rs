//! Notices when the process's own threads do not run any more: when every one of them is blocked, say in a library that waits where
//! it must not, nothing is answered, no timeout fires and nobody is told. A task that beats shows that they run, and a plain thread
//! beside the runtime misses it when they do not.
//!
//! The thread looks a few times before it is sure, each time after a wait of its own: a process that was stopped or a machine that
//! slept has missed beats for which nobody is to blame. What is to be done then is the caller's business.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often it is looked for a beat before one counts as missing.
const LOOKS: u32 = 8;

/// Watches the runtime that it is called in, for as long as that lives, and calls `silent` from a thread of its own once there was no
/// beat for `patience`.
///
/// # Errors
/// When there can be no further thread.
///
/// # Panics
/// Outside a tokio runtime.
pub fn watch(patience: Duration, silent: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let (beats, pause) = (Arc::<AtomicU64>::default(), patience / LOOKS);
    let beating = Arc::clone(&beats);
    tokio::spawn(async move {
        loop {
            beating.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(pause).await;
        }
    });
    std::thread::Builder::new().name("watchdog".into()).spawn(move || {
        if is_silent(&beats, pause) {
            silent();
        }
    })
}

/// Returns when there is no beat any more: `true` if there should be one, `false` when the runtime has ended.
fn is_silent(beats: &Arc<AtomicU64>, pause: Duration) -> bool {
    let (mut seen, mut missed) = (0, 0);
    loop {
        std::thread::sleep(pause);
        if Arc::strong_count(beats) == 1 {
            return false;
        }
        let now = beats.load(Ordering::Relaxed);
        missed = if now == seen { missed + 1 } else { 0 };
        seen = now;
        // One look more than there are: the first may have come right behind a beat.
        if missed > LOOKS {
            return true;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap()
    }

    #[test]
    fn a_runtime_whose_threads_are_all_blocked_is_noticed() {
        let runtime = runtime();
        let (told, silent) = mpsc::channel();
        let (release, blocked) = mpsc::channel::<()>();
        let blocked = Arc::new(std::sync::Mutex::new(blocked));
        runtime.block_on(async {
            watch(Duration::from_millis(400), move || told.send(()).unwrap()).unwrap();
            for _ in 0..2 {
                let blocked = Arc::clone(&blocked);
                tokio::spawn(async move { blocked.lock().unwrap().recv() });
            }
        });
        silent.recv_timeout(Duration::from_secs(60)).expect("it is noticed");
        drop(release);
    }

    #[test]
    fn a_runtime_that_works_is_left_alone_and_one_that_has_ended_is_not_missed() {
        let runtime = runtime();
        let (told, silent) = mpsc::channel();
        let thread = runtime.block_on(async { watch(Duration::from_secs(2), move || told.send(()).unwrap()) }).unwrap();
        // Longer than its patience.
        assert_eq!(silent.recv_timeout(Duration::from_secs(3)), Err(mpsc::RecvTimeoutError::Timeout));
        drop(runtime);
        thread.join().unwrap();
        assert_eq!(silent.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    }
}
