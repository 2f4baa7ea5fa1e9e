//! Turns that were answered a moment ago and have texts on their way. What comes next is that these are settled, milliseconds later, and
//! what that changes need then not be looked up and read again.
//!
//! Whoever changes an outbox or a page in another way forgets it here first. What is not here is read.

use foldhash::HashMap;
use raconteur_conversation::words::Sequence;

use super::draft::{Outbox, Page};
use crate::keys::Place;

/// So many are kept twice over: when there are as many young ones, the old ones go.
const GENERATION: usize = 1_024;

/// What takes more values than this is read: so few bound what all of it takes.
const CHUNKS_MAX: u16 = 2;

/// What the store has of such a turn.
pub(super) struct Kept {
    pub(super) outbox: Outbox,
    /// `None`: no page of it is kept.
    pub(super) page: Option<Page>,
}

/// See the module. A turn's number is its own among all conversations.
#[derive(Default)]
pub(super) struct Recent {
    young: HashMap<Sequence, (Place, Kept)>,
    old: HashMap<Sequence, (Place, Kept)>,
}

impl Recent {
    pub(super) fn keep(&mut self, place: &Place, turn: Sequence, kept: Kept) {
        if kept.outbox.chunks > CHUNKS_MAX || kept.page.as_ref().is_some_and(|page| page.chunks > CHUNKS_MAX) {
            return;
        }
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(turn, (place.clone(), kept));
    }

    /// Takes what is kept of this conversation's turns.
    pub(super) fn take(&mut self, place: &Place, turns: impl Iterator<Item = Sequence>) -> Vec<(Sequence, Kept)> {
        let mut found = Vec::new();
        for turn in turns {
            match self.young.remove(&turn).or_else(|| self.old.remove(&turn)) {
                Some((whose, kept)) if whose == *place => found.push((turn, kept)),
                Some(_) | None => {}
            }
        }
        found
    }

    pub(super) fn forget(&mut self, turn: Sequence) {
        self.young.remove(&turn);
        self.old.remove(&turn);
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
