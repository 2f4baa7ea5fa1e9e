//! How the first of two places has been doing, and therefore where the next question goes.
//!
//! It is told of every outcome and asks nobody by itself. Whoever is dropped in the middle tells by its [`Watch`].

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

/// Where a question goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// To the first place.
    First,
    /// To the first place, to see whether it is there again.
    Trial,
    /// To the second.
    Second,
}

enum Standing {
    /// The first place is asked; so many failures in a row.
    First { failures: u32 },
    /// The second is asked; the first is tried again then.
    Second { trial_at: Instant },
}

/// What is known of the first place.
pub(super) struct Health {
    name: String,
    fail_over_after: u32,
    fail_back_after: Duration,
    standing: Mutex<Standing>,
}

impl Health {
    /// Nothing has failed yet.
    pub(super) fn new(name: &str, fail_over_after: u32, fail_back_after: Duration) -> Self {
        let standing = Mutex::new(Standing::First { failures: 0 });
        Self { name: name.to_owned(), fail_over_after, fail_back_after, standing }
    }

    /// Where the next question goes. Only one is told to try.
    pub(super) fn route(&self) -> Route {
        let now = Instant::now();
        match &mut *self.standing() {
            Standing::First { .. } => Route::First,
            Standing::Second { trial_at } if now >= *trial_at => {
                *trial_at = now + self.fail_back_after;
                Route::Trial
            }
            Standing::Second { .. } => Route::Second,
        }
    }

    /// Watches a question to the first place whose caller waits so long.
    pub(super) fn watch(&self, timeout: Duration) -> Watch<'_> {
        Watch { health: self, began: Instant::now(), timeout, settled: false }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().expect("nobody panics with the standing in hand")
    }

    fn answered(&self) {
        let mut standing = self.standing();
        if let Standing::Second { .. } = *standing {
            tracing::info!(
                assistant = self.name,
                "the assistant answers at its first address again: questions go back to it"
            );
        }
        *standing = Standing::First { failures: 0 };
    }

    fn failed(&self) {
        let mut standing = self.standing();
        let Standing::First { failures } = &mut *standing else { return };
        *failures += 1;
        if *failures >= self.fail_over_after {
            tracing::warn!(
                assistant = self.name,
                failures,
                "the assistant is unavailable at its first address: questions go to the backup"
            );
            *standing = Standing::Second { trial_at: Instant::now() + self.fail_back_after };
        }
    }
}

/// One question that is with the first place. Dropped at the end of its caller's patience, it counts as a failure.
pub(super) struct Watch<'a> {
    health: &'a Health,
    began: Instant,
    timeout: Duration,
    settled: bool,
}

impl Watch<'_> {
    /// It was answered.
    pub(super) fn answered(self) {
        self.health.answered();
        self.settle();
    }

    /// It could not be.
    pub(super) fn failed(self) {
        self.health.failed();
        self.settle();
    }

    /// It came to an end that says nothing.
    pub(super) fn settle(mut self) {
        self.settled = true;
    }
}

/// A question may also be taken back, which says nothing about the place: only one that has waited nearly as long as it may was given up.
impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if !self.settled && self.began.elapsed() >= self.timeout.mul_f64(0.9) {
            self.health.failed();
        }
    }
}
