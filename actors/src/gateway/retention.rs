//! Deletes turns and dead letters that are older than their tenant keeps them, beside everything else and hardly to be noticed.
//!
//! Once a day (`expire_every`) each shard has its turn: 1,024 spans of 84 s, by the clock, so that a restart needs to know nothing. With each
//! sweep at most [`LOOKS`] records are looked at. Tenants without a rule cost nothing. Of a conversation in which nothing is old one page
//! and one record are read: with a million conversations that is 23 looks a second. Where there is more than fits into its span, a shard
//! takes longer and the next ones begin later; they are caught up with as fast as [`LOOKS_BEHIND`] allows.

use std::collections::VecDeque;
use std::sync::Arc;

use raconteur_conversation::Conversation;
use raconteur_conversation::address::{Address, SHARDS, Shard};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::Sequence;
use raconteur_storage::{Expiry, ExpiryCursor, StoreError};

use super::{Fatal, upkeep};
use crate::runtime::{Runtime, Stage};

/// How many records are looked at with each sweep, and at once.
const LOOKS: usize = 200;

/// How many with each sweep while shards wait for their turn: more a second than texts come, or what is old would pile up.
const LOOKS_BEHIND: usize = 5_000;

/// What is left to do in the present shard.
struct Round {
    shard: Shard,
    tenants: VecDeque<(Address, UnixMillis)>,
    from: Option<ExpiryCursor>,
    letters: Letters,
}

/// How far the dead letters were gone through: all of them with the first shard.
enum Letters {
    Done,
    Behind(Option<Sequence>),
}

pub(super) async fn run(runtime: Arc<Runtime>) {
    let mut every = upkeep::rounds(&runtime);
    let mut round = Round::begin(&runtime, due(&runtime));
    while runtime.stage() == Stage::Running {
        every.tick().await;
        if let Err(error) = round.go_on(&runtime).await {
            return runtime.fail(Fatal::Store(error));
        }
    }
}

/// The shard whose span this is.
fn due(runtime: &Runtime) -> Shard {
    let round = u64::try_from(runtime.settings.expire_every.as_millis()).unwrap_or(u64::MAX);
    let span = (round / u64::from(SHARDS)).max(1);
    Shard(u16::try_from(runtime.now().0 / span % u64::from(SHARDS)).unwrap_or_default())
}

/// How many records may be looked at with one sweep. The shard whose turn comes next does not wait yet.
fn allowance(present: Shard, due: Shard) -> usize {
    let behind = (due.0 + SHARDS - present.0) % SHARDS;
    if behind > 1 { LOOKS_BEHIND } else { LOOKS }
}

impl Round {
    fn begin(runtime: &Runtime, shard: Shard) -> Self {
        let letters = if shard == Shard(0) { Letters::Behind(None) } else { Letters::Done };
        let tenants = runtime.directory.kept_since(runtime.now()).into();
        Self { shard, tenants, from: None, letters }
    }

    /// Does as much as one sweep may, in this shard and in those that are due as well.
    async fn go_on(&mut self, runtime: &Runtime) -> Result<(), StoreError> {
        let mut looks = allowance(self.shard, due(runtime));
        while looks > 0 {
            let looked = if let Some((tenant, before)) = self.tenants.front().cloned() {
                self.expire(runtime, (tenant, before), looks.min(LOOKS)).await?
            } else if let Letters::Behind(after) = self.letters {
                self.expire_letters(runtime, after, looks.min(LOOKS)).await?
            } else if self.shard == due(runtime) {
                return Ok(());
            } else {
                *self = Self::begin(runtime, Shard((self.shard.0 + 1) % SHARDS));
                0
            };
            // Also what finds nothing is a question to the store.
            looks = looks.saturating_sub(looked + 1);
        }
        Ok(())
    }

    async fn expire(
        &mut self,
        runtime: &Runtime,
        (tenant, before): (Address, UnixMillis),
        limit: usize,
    ) -> Result<usize, StoreError> {
        let expiry = Expiry { tenant, shard: self.shard, before, is_spent: Conversation::is_spent };
        let expired = runtime.store.expire(expiry, self.from.take(), limit).await?;
        self.from = expired.next;
        if self.from.is_none() {
            self.tenants.pop_front();
        }
        Ok(expired.looked)
    }

    async fn expire_letters(
        &mut self,
        runtime: &Runtime,
        after: Option<Sequence>,
        limit: usize,
    ) -> Result<usize, StoreError> {
        let rules = runtime.directory.kept_since(runtime.now());
        if rules.is_empty() {
            self.letters = Letters::Done;
            return Ok(0);
        }
        let expired = runtime.store.expire_dead_letters(&rules, after, limit).await?;
        self.letters = expired.next.map_or(Letters::Done, |after| Letters::Behind(Some(after)));
        Ok(expired.looked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_looked_at_only_while_shards_wait_for_their_turn() {
        let table = [(5, 5, LOOKS), (5, 6, LOOKS), (5, 7, LOOKS_BEHIND), (1_023, 0, LOOKS), (1_023, 1, LOOKS_BEHIND)];
        for (present, due, looks) in table {
            assert_eq!(allowance(Shard(present), Shard(due)), looks, "{present} {due}");
        }
    }
}
