//! A session of the reference that is open: what the assistant has counted in it, what the user was offered, and when it is over.

use std::time::Duration;

use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{OutboundRow, RowState};
use raconteur_storage::TranscriptTurn;
use uuid::Uuid;

/// See the module.
pub(super) struct Open {
    pub(super) id: Uuid,
    /// How many turns the assistant has counted.
    pub(super) n: u32,
    pub(super) clock_from: UnixMillis,
    pub(super) timeout: Duration,
    /// What the user was last offered.
    pub(super) offered: &'static [&'static str],
    pub(super) own_turns: u8,
    /// A turn was taken in it.
    pub(super) begun: bool,
    /// The assistant may have spoken first in a turn that failed for a user who hears nothing.
    pub(super) perhaps_greeted: bool,
}

impl Open {
    pub(super) fn new(id: Uuid, clock_from: UnixMillis, timeout: Duration) -> Self {
        Self { id, n: 0, clock_from, timeout, offered: &[], own_turns: 0, begun: false, perhaps_greeted: false }
    }

    pub(super) fn deadline(&self) -> UnixMillis {
        self.clock_from.plus(self.timeout)
    }

    /// Its clock runs from the later of a text's acceptance and its answer; where that rests, from when it goes.
    pub(super) fn touch(&mut self, page: &TranscriptTurn, rows: &[OutboundRow]) {
        self.begun = true;
        let goes_at = rows.first().map_or(page.answered_at, |row| match &row.state {
            RowState::Held { until, .. } => *until,
            RowState::Queued
            | RowState::Sending { .. }
            | RowState::Retry { .. }
            | RowState::Unknown { .. }
            | RowState::Sent { .. }
            | RowState::Failed { .. }
            | RowState::GivenUp => page.answered_at,
        });
        self.clock_from = page.accepted_at.max(goes_at);
    }
}
