//! The words of retention: what is old, and how far looking for it has come.

use raconteur_conversation::address::{Address, Shard};
use raconteur_conversation::time::UnixMillis;

/// What is to go of one tenant's conversations in one shard: pages that were answered before then and are settled, and with its last page
/// a record that says nothing any more. Never what is unread or not settled.
#[derive(Clone, Debug)]
pub struct Expiry {
    /// Whose.
    pub tenant: Address,
    /// Where.
    pub shard: Shard,
    /// What is older goes.
    pub before: UnixMillis,
    /// Whether a snapshot says nothing any more. The store knows no rules of conversation.
    pub is_spent: fn(&[u8]) -> bool,
}

/// A place in the walk through what may be old.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiryCursor(pub(crate) Vec<u8>);

/// How far one call has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired<C> {
    /// Where the next call goes on; `None` at the end.
    pub next: Option<C>,
    /// How many records it has looked at.
    pub looked: usize,
    /// How many of them went.
    pub removed: usize,
}
