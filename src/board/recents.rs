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
            let oldest = self.oldest();
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
        let oldest = self.oldest();
        let is_shown = |key: &ConversationKey, heard: u64| heard >= oldest && wanted(key);
        let mut latest: Vec<_> = self.places.iter().filter(|(key, (heard, _))| is_shown(key, *heard)).collect();
        latest.sort_unstable_by_key(|(_, (heard, _))| Reverse(*heard));
        latest.into_iter().take(limit).map(|(key, (_, at))| (key.clone(), *at)).collect()
    }

    pub(super) fn heard_of(&self, key: &ConversationKey) -> Option<UnixMillis> {
        self.places.get(key).map(|(_, at)| *at)
    }

    /// The place of the oldest of those that are remembered.
    fn oldest(&self) -> u64 {
        let mut places: Vec<u64> = self.places.values().map(|(heard, _)| *heard).collect();
        let Some(behind) = places.len().checked_sub(RECENTS_MAX) else { return 0 };
        *places.select_nth_unstable(behind).1
    }
}
