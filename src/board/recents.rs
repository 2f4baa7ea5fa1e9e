//! Whom the gateway was busy with last. The store has its conversations in an order of its own, so this is what a live list begins with.

use std::collections::{BTreeMap, HashMap};

use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::time::UnixMillis;

/// So many conversations are remembered.
const RECENTS_MAX: usize = 1_000;

/// Conversations in the order in which something was last heard of them.
#[derive(Default)]
pub(super) struct Recents {
    heard: u64,
    /// By conversation: its place in the order, and when that was.
    places: HashMap<ConversationKey, (u64, UnixMillis)>,
    order: BTreeMap<u64, ConversationKey>,
}

impl Recents {
    pub(super) fn hear(&mut self, key: &ConversationKey, at: UnixMillis) {
        self.heard += 1;
        match self.places.get_mut(key) {
            Some(place) => {
                let before = std::mem::replace(place, (self.heard, at)).0;
                let kept = self.order.remove(&before);
                self.order.insert(self.heard, kept.unwrap_or_else(|| key.clone()));
            }
            None => {
                self.places.insert(key.clone(), (self.heard, at));
                self.order.insert(self.heard, key.clone());
            }
        }
        if self.order.len() > RECENTS_MAX
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.places.remove(&oldest);
        }
    }

    pub(super) fn forget(&mut self, key: &ConversationKey) {
        if let Some((place, _)) = self.places.remove(key) {
            self.order.remove(&place);
        }
    }

    pub(super) fn latest(
        &self,
        limit: usize,
        wanted: impl Fn(&ConversationKey) -> bool,
    ) -> Vec<(ConversationKey, UnixMillis)> {
        let keys = self.order.values().rev().filter(|key| wanted(key)).take(limit);
        keys.filter_map(|key| Some((key.clone(), self.heard_of(key)?))).collect()
    }

    pub(super) fn heard_of(&self, key: &ConversationKey) -> Option<UnixMillis> {
        self.places.get(key).map(|(_, at)| *at)
    }
}
