//! What an operator sees of a running gateway beside what the store has: what has just happened, which conversations were busy last, and
//! how much is going on, how fast and how well.
//!
//! It hangs on the [`Observer`], keeps a bounded amount of each in memory, and forgets it with the process. It has numbers of people, so
//! it is shown to operators only (`http/control/operator`), and never a word of what was said.

mod figures;
mod happening;
mod health;
mod recents;
mod ring;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use raconteur_actors::clock::SystemClock;
use raconteur_actors::port::{Clock, Event, Observer};
use raconteur_conversation::address::{Address, ConversationKey};
use raconteur_conversation::effect::Notice;
use raconteur_conversation::time::UnixMillis;

use self::figures::Figures;
use self::health::Health;
use self::recents::Recents;
use self::ring::Ring;

pub use self::figures::{Series, Totals};
pub use self::happening::{Details, Happening};
pub use self::health::{Side, Wellness};
pub use self::ring::{EventId, Heard, Listener, Posted};

/// What is shown of one gateway.
pub struct Board {
    clock: Arc<dyn Clock>,
    ring: Arc<Ring>,
    figures: Mutex<Figures>,
    health: Mutex<Health>,
    recents: Mutex<Recents>,
}

impl Default for Board {
    fn default() -> Self {
        Self::new(Arc::new(SystemClock::default()))
    }
}

impl Board {
    /// An empty one, by this clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let began = clock.now();
        Self {
            clock,
            ring: Arc::new(Ring::new(began)),
            figures: Mutex::new(Figures::new(began)),
            health: Mutex::default(),
            recents: Mutex::default(),
        }
    }

    /// Listens from here on, or from behind an event that is remembered still.
    #[must_use]
    pub fn listen(&self, behind: Option<EventId>) -> Option<Listener> {
        Ring::listen(&self.ring, behind)
    }

    /// Whom the gateway was busy with last, latest first.
    #[must_use]
    pub fn recents(
        &self,
        limit: usize,
        wanted: impl Fn(&ConversationKey) -> bool,
    ) -> Vec<(ConversationKey, UnixMillis)> {
        lock(&self.recents).latest(limit, wanted)
    }

    /// When something was last heard of a conversation, as far as is remembered.
    #[must_use]
    pub fn heard_of(&self, key: &ConversationKey) -> Option<UnixMillis> {
        lock(&self.recents).heard_of(key)
    }

    /// How much went on of late, in equal steps up to now.
    #[must_use]
    pub fn series(&self) -> Series {
        lock(&self.figures).series(self.clock.now())
    }

    /// How much went on since the process began.
    #[must_use]
    pub fn totals(&self) -> Totals {
        lock(&self.figures).totals()
    }

    /// How a tenant's assistant and provider are.
    #[must_use]
    pub fn wellness(&self, tenant: &Address) -> Wellness {
        lock(&self.health).of(tenant)
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> UnixMillis {
        self.clock.now()
    }
}

impl Observer for Board {
    fn observe(&self, key: &ConversationKey, event: &Event<'_>) {
        let now = self.clock.now();
        lock(&self.figures).count(now, event);
        lock(&self.health).hear(&key.tenant, now, event);
        lock(&self.recents).hear(key, now);
        if let Event::Noted(Notice::Erased { .. }) = event {
            lock(&self.recents).forget(key);
            self.ring.forget(key);
        }
        if let Some(happening) = Happening::of(event) {
            self.ring.post(now, key, happening);
        }
    }
}

/// What is behind the lock is never left half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
