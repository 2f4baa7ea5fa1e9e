//! How many turns one user may have: so many at once, then one each time its share of the span has passed. When a turn is opened is
//! seen by its first question: only where the lane has room for everybody at once.

use std::collections::{BTreeMap, BTreeSet};

use raconteur_conversation::policy::{FloodLimit, Policy};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::Sequence;

use super::expected::{Checked, expect};

/// No world has so many users.
const ROOM: usize = 10;

/// See the module.
pub(super) struct Pace {
    limit: Option<FloodLimit>,
    /// When each turn was opened, of those that were answered.
    opened: BTreeMap<Sequence, UnixMillis>,
}

impl Pace {
    pub(super) fn new(policy: &Policy, asks_max: usize) -> Self {
        Self { limit: policy.flood.filter(|_| asks_max >= ROOM), opened: BTreeMap::new() }
    }

    /// A turn that was set aside has not counted either, nor one that was opened in an earlier life and then not asked.
    pub(super) fn set_aside(&mut self, turn: Sequence) {
        self.opened.remove(&turn);
    }

    /// A turn is opened, perhaps not for the first time. One that was open before and was not answered has not counted.
    pub(super) fn opens(&mut self, turn: Sequence, at: UnixMillis, answered: &BTreeSet<Sequence>) -> Checked {
        let Some(limit) = self.limit else { return Ok(()) };
        // After a clock has gone back, what was counted before is nobody's business.
        if self.opened.values().any(|opened| *opened > at) {
            self.opened.clear();
        }
        self.opened.retain(|turn, _| answered.contains(turn));
        self.opened.insert(turn, at);
        let share = (limit.within / limit.turns.max(1)).as_millis().max(1);
        for from in self.opened.values() {
            let turns = self.opened.values().filter(|opened| *opened >= from).count();
            // Shares are whole milliseconds.
            let most = u128::from(limit.turns.max(1)) + (at.since(*from).as_millis() + u128::from(limit.turns)) / share;
            let good = u128::try_from(turns).is_ok_and(|turns| turns <= most);
            expect(good, || {
                format!("turn {turn} is the {turns}th from {from:?} to {at:?}, and {most} are allowed by {limit:?}")
            })?;
        }
        Ok(())
    }
}
