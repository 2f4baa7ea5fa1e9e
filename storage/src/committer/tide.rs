//! How far batches have been begun and how far they are durable. Whoever reads beside the committer may have seen the latest batch
//! before it was synced, and shows nothing of it until it is: a loss of power must not take back what somebody was shown.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

/// The committer's side.
pub(crate) struct Tide {
    begun: Arc<AtomicU64>,
    durable: watch::Sender<u64>,
}

/// The readers' side.
#[derive(Clone)]
pub(crate) struct Shore {
    begun: Arc<AtomicU64>,
    durable: watch::Receiver<u64>,
}

/// Both sides.
pub(crate) fn tide() -> (Tide, Shore) {
    let begun = Arc::<AtomicU64>::default();
    let (sender, receiver) = watch::channel(0);
    (Tide { begun: Arc::clone(&begun), durable: sender }, Shore { begun, durable: receiver })
}

impl Tide {
    /// From now on readers may see more than is durable.
    pub(super) fn rise(&self) {
        self.begun.fetch_add(1, Ordering::SeqCst);
    }

    /// All that was begun is durable.
    pub(super) fn settle(&self) {
        self.durable.send_replace(self.begun.load(Ordering::SeqCst));
    }
}

impl Shore {
    /// Returns when all that could be seen until now is durable; `false` if that will never be.
    pub(crate) async fn is_safe(&self) -> bool {
        let seen = self.begun.load(Ordering::SeqCst);
        let mut durable = self.durable.clone();
        durable.wait_for(|durable| *durable >= seen).await.is_ok()
    }
}
