//! Which conversations one user has, and which numbers of ours there are: found in the keys alone, one look for each conversation and not
//! one for each record.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use raconteur_conversation::address::{Address, ConversationKey};

use super::DumpError;
use crate::StoreError;
use crate::committer::Meta;
use crate::engine::{Engine, Order};
use crate::fetch::{self, skip_garbage};
use crate::keys::{self, RecordKey};
use crate::record::{self, DeadLetter};

/// Who is found in a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Conversations of the user who was looked for, of which anything is kept.
    pub conversations: BTreeSet<ConversationKey>,
    /// Our numbers.
    pub tenants: BTreeSet<Address>,
}

/// Goes through a store for one user; without a user, only for our numbers. Changes nothing.
///
/// # Errors
/// [`DumpError::Empty`], or [`DumpError::Store`] when the store cannot be read.
pub fn places<E: Engine>(engine: &E, user: Option<&Address>) -> Result<Places, DumpError> {
    if Meta::read(engine)?.is_none() {
        return Err(DumpError::Empty { path: engine.describe() });
    }
    let mut found = Places::default();
    for prefix in keys::PLACED {
        let mut range = keys::placed_by(prefix);
        while let Some(key) = first(engine, &range)? {
            range.start = match keys::read_place(&key) {
                Some(place) => {
                    found.note(place.key(), user);
                    keys::behind_place(prefix, &place)
                }
                None => keys::successor(key),
            };
        }
    }
    let mut range = keys::all_usages();
    while let Some(key) = first(engine, &range)? {
        range.start = match keys::read_usage_tenant(&key) {
            Some(tenant) => {
                let behind = keys::behind_usages(&tenant);
                found.tenants.insert(tenant);
                behind
            }
            None => keys::successor(key),
        };
    }
    let mut range = keys::dead_letters(None);
    while let Some(key) = first(engine, &range)? {
        range.start = keys::successor(key.clone());
        let Some((sequence, 0)) = keys::read_tail(&key) else { continue };
        let letter = fetch::record(engine, &RecordKey::dead_letter(sequence))
            .and_then(|whole| Ok(whole.map(|(whole, _)| record::read_json::<DeadLetter>(&whole, 0)).transpose()?));
        found.note(skip_garbage(letter)?.and_then(|letter| letter.key), user);
    }
    Ok(found)
}

impl Places {
    fn note(&mut self, key: Option<ConversationKey>, user: Option<&Address>) {
        let Some(key) = key else { return };
        self.tenants.insert(key.tenant.clone());
        if user == Some(&key.user) {
            self.conversations.insert(key);
        }
    }
}

fn first<E: Engine>(engine: &E, range: &std::ops::Range<Vec<u8>>) -> Result<Option<Vec<u8>>, StoreError> {
    let mut first = None;
    engine.scan(range, Order::Ascending, &mut |key, _| {
        first = Some(key.to_vec());
        ControlFlow::Break(())
    })?;
    Ok(first)
}
