//! After an unclean start: which message may have killed the process.
//!
//! A message that was being worked on when the process died gets one more attempt on its record before it runs again. One with
//! too many runs alone, after all others, and only if the process keeps dying then is it to blame. This file is the gate
//! that lets them through one at a time, last.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Mutex, Notify, OwnedMutexGuard};

/// Counts the suspects that run together, and holds those that must run alone.
#[derive(Default)]
pub(crate) struct Recovery {
    together: Arc<Together>,
    alone: Arc<Mutex<()>>,
}

#[derive(Debug, Default)]
struct Together {
    running: AtomicUsize,
    changed: Notify,
}

/// One suspect is running among others, or has still to be looked at, until this is dropped.
#[derive(Debug)]
pub(crate) struct Suspect(Arc<Together>);

/// One suspect is running alone, until this is dropped.
pub(crate) struct Alone(#[expect(dead_code, reason = "held, not read")] OwnedMutexGuard<()>);

impl Recovery {
    pub(crate) fn suspect(&self) -> Suspect {
        self.together.running.fetch_add(1, Ordering::AcqRel);
        Suspect(Arc::clone(&self.together))
    }

    /// Waits until no other suspect runs.
    pub(crate) async fn alone(&self) -> Alone {
        let guard = Arc::clone(&self.alone).lock_owned().await;
        loop {
            let changed = self.together.changed.notified();
            if self.together.running.load(Ordering::Acquire) == 0 {
                return Alone(guard);
            }
            changed.await;
        }
    }
}

impl Drop for Suspect {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.changed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_suspect_runs_alone_only_after_the_others() {
        let recovery = Arc::new(Recovery::default());
        let (first, second) = (recovery.suspect(), recovery.suspect());
        let waiting = tokio::spawn({
            let recovery = Arc::clone(&recovery);
            async move { recovery.alone().await }
        });
        drop(first);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(second);
        let alone = waiting.await.unwrap();
        let next = recovery.alone();
        tokio::pin!(next);
        assert!(futures_util::poll!(&mut next).is_pending());
        drop(alone);
        next.await;
    }
}
