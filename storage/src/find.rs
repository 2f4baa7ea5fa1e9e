//! Searching all conversations by their numbers. There is no index of them: a search goes through the keys, which is quick, but it looks
//! at no more of them than it is told and says where it stopped, so that no search is a long one.

use raconteur_conversation::address::{Address, ConversationKey};

use crate::Listed;

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// Only conversations of this tenant.
    pub tenant: Option<Address>,
    /// Only users whose number has this in it; empty for all.
    pub user: String,
    /// Only conversations whose snapshot has this in it somewhere, so that others need not be read by whoever knows what snapshots say;
    /// empty for all. One that is too large to tell by its beginning matches.
    pub holds: String,
    /// How many conversations are looked at, at most.
    pub looks: usize,
}

/// What was found, and where the search goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// What matches, each with its latest snapshot.
    pub listed: Vec<Listed>,
    /// How many conversations were looked at.
    pub looked: usize,
    /// The conversation to go on behind; `None` when there are no more.
    pub next: Option<ConversationKey>,
}

impl Search {
    /// Whether a conversation is one that is looked for, by its numbers.
    #[must_use]
    pub fn matches(&self, key: &ConversationKey) -> bool {
        self.tenant.as_ref().is_none_or(|tenant| *tenant == key.tenant) && key.user.as_str().contains(&self.user)
    }
}
