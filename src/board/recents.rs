//! Whom the gateway was busy with last. The store has its conversations in an order of its own, so this is what a live list begins with.

use std::cmp::Reverse;
use std::collections::HashMap;

use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::time::UnixMillis;

/// So many conversations are shown, and up to twice as many remembered.
const RECENTS_MAX: usize = 1_000;

/// Conversations, and when something was last heard of them. They are put into order where somebody asks for that, and not for
/// everything that is heard.
#[derive(Default)]
pub(super) struct Recents {
    heard: u64,
    /// By conversation: its place in the order, and when that was.
    places: HashMap<ConversationKey, (u64, UnixMillis)>,
}

impl Recents {
    pub(super) fn hear(&mut self, key: &ConversationKey, at: UnixMillis) {
        self.heard += 1;
        let place = (self.heard, at);
        if let Some(known) = self.places.get_mut(key) {
            *known = place;
            return;
        }
        // Half of them at once, so that it costs each of those who come little.
        if self.places.len() == 2 * RECENTS_MAX {
            let mut places: Vec<u64> = self.places.values().map(|(heard, _)| *heard).collect();
            let oldest = *places.select_nth_unstable(RECENTS_MAX).1;
            self.places.retain(|_, (heard, _)| *heard >= oldest);
        }
        self.places.insert(key.clone(), place);
    }

    pub(super) fn forget(&mut self, key: &ConversationKey) {
        self.places.remove(key);
    }

    pub(super) fn latest(
        &self,
        limit: usize,
        wanted: impl Fn(&ConversationKey) -> bool,
    ) -> Vec<(ConversationKey, UnixMillis)> {
        let mut latest: Vec<_> = self.places.iter().collect();
        latest.sort_unstable_by_key(|(_, (heard, _))| Reverse(*heard));
        let shown = latest.into_iter().take(RECENTS_MAX).filter(|(key, _)| wanted(key)).take(limit);
        shown.map(|(key, (_, at))| (key.clone(), *at)).collect()
    }

    pub(super) fn heard_of(&self, key: &ConversationKey) -> Option<UnixMillis> {
        self.places.get(key).map(|(_, at)| *at)
    }
}
