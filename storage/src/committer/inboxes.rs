//! Which unread records there are, in memory: so that limits are judged and answers checked without reading the disk. Holds an
//! entry only for conversations that have unread records; the store's limit on all of them bounds it.

use foldhash::HashMap;
use raconteur_conversation::words::Sequence;

use crate::keys::Place;

/// What is remembered of one unread record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unread {
    pub(crate) sequence: Sequence,
    pub(crate) seed: u128,
    /// How many values it takes.
    pub(crate) chunks: u16,
}

/// All unread records.
#[derive(Default)]
pub(crate) struct Inboxes {
    by_place: HashMap<Place, Vec<Unread>>,
    total: usize,
}

impl Inboxes {
    /// Of all conversations together.
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    pub(crate) fn count(&self, place: &Place) -> usize {
        self.by_place.get(place).map_or(0, Vec::len)
    }

    /// The highest number of a conversation's unread records.
    pub(crate) fn highest(&self, place: &Place) -> Option<Sequence> {
        self.by_place.get(place)?.iter().map(|unread| unread.sequence).max()
    }

    pub(crate) fn find(&self, place: &Place, sequence: Sequence) -> Option<Unread> {
        self.by_place.get(place)?.iter().copied().find(|unread| unread.sequence == sequence)
    }

    pub(crate) fn add(&mut self, place: Place, unread: Unread) {
        self.by_place.entry(place).or_default().push(unread);
        self.total += 1;
    }

    /// Removes those that have this number or a lower one.
    pub(crate) fn remove_upto(&mut self, place: &Place, upto: Sequence) {
        let Some(inbox) = self.by_place.get_mut(place) else { return };
        let before = inbox.len();
        inbox.retain(|unread| unread.sequence > upto);
        self.total -= before - inbox.len();
        if inbox.is_empty() {
            self.by_place.remove(place);
        }
    }

    pub(crate) fn remove(&mut self, place: &Place, sequence: Sequence) {
        let Some(inbox) = self.by_place.get_mut(place) else { return };
        let Some(at) = inbox.iter().position(|unread| unread.sequence == sequence) else { return };
        inbox.remove(at);
        self.total -= 1;
        if inbox.is_empty() {
            self.by_place.remove(place);
        }
    }
}
