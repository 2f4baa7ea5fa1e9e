//! Events that never reach their sink: whose, how many, and why. Each is counted twice: for its tenant's usage, and for the metrics.

use super::tally::Tally;
use crate::metrics::Losses;

/// Some events of one tenant that never reach the sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Loss {
    /// Whose; empty where that cannot be told.
    pub(super) tenant: String,
    /// How many.
    pub(super) events: u64,
    /// Why.
    pub(super) cause: Cause,
}

/// Why events never reach the sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// They came faster than they could be written down.
    QueueFull,
    /// They were the oldest in a full spool.
    SpoolFull,
    /// They could not be written or read.
    SpoolFailed,
    /// The sink refused them.
    Refused,
}

/// Counts a loss. There is no tally for a tenant that is no longer configured, or not known.
pub(super) fn count(losses: &Losses, tally: Option<&Tally>, (cause, events): (Cause, u64)) {
    let counter = match cause {
        Cause::QueueFull => &losses.queue_full,
        Cause::SpoolFull => &losses.spool_full,
        Cause::SpoolFailed => &losses.spool_failed,
        Cause::Refused => &losses.refused,
    };
    counter.inc_by(events);
    let Some(tally) = tally else { return };
    match cause {
        Cause::QueueFull | Cause::SpoolFull | Cause::SpoolFailed => tally.drop_events(events),
        Cause::Refused => tally.refuse_events(events),
    }
}
