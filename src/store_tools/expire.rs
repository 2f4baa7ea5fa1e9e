//! Retention in a store that nobody is using: what a running gateway deletes in the course of a day, at once.

use std::time::Duration;

use raconteur_conversation::Conversation;
use raconteur_conversation::address::{Address, SHARDS, Shard};
use raconteur_conversation::time::UnixMillis;
use raconteur_storage::dump;
use raconteur_storage::engine::sled::SledEngine;
use raconteur_storage::{Expired, Expiry, Store, StoreError};

use super::person::{now, using};
use super::{Done, Place, ToolError};
use crate::config::Config;

/// How many records are looked at between two writes.
const AT_ONCE: usize = 1_000;

/// Since when turns are kept, of which numbers.
type Rules = Vec<(Address, UnixMillis)>;

impl Place {
    pub(super) async fn expire(
        &self,
        config: &Config,
        tenant: Option<&Address>,
        older_than: Option<Duration>,
    ) -> Result<Done, ToolError> {
        let engine = self.open()?;
        let mut rules = rules(&engine, config, older_than)?;
        rules.retain(|(number, _)| tenant.is_none_or(|tenant| number == tenant));
        if rules.is_empty() {
            return Err(ToolError::NoRule);
        }
        let removed = using(engine, async |store| Ok(carry_out(&*store, &rules).await?)).await?;
        let path = self.path.display();
        let compact =
            format!("Their bytes leave the disk with: raconteur store compact --discard-old --store {path}\n");
        Ok(Self::done(format!("Removed {removed} record(s) from {path}.\n{compact}")))
    }
}

/// What the command line says for every number that the store knows, or else what the configuration says for some.
fn rules(engine: &SledEngine, config: &Config, older_than: Option<Duration>) -> Result<Rules, ToolError> {
    let now = now();
    if let Some(span) = older_than {
        let tenants = dump::places(engine, None)?.tenants;
        return Ok(tenants.into_iter().map(|tenant| (tenant, now.minus(span))).collect());
    }
    let kept = config.tenants.iter().filter_map(|tenant| Some((tenant, tenant.policy.turns_kept()?)));
    Ok(kept.map(|(tenant, kept)| (tenant.number.clone(), now.minus(kept))).collect())
}

async fn carry_out(store: &dyn Store, rules: &Rules) -> Result<usize, StoreError> {
    let mut all = 0;
    for (tenant, before) in rules {
        for shard in (0..SHARDS).map(Shard) {
            let mut from = None;
            loop {
                let is_spent = Conversation::is_spent;
                let expiry = Expiry { tenant: tenant.clone(), shard, before: *before, is_spent };
                let Expired { next, removed, looked: _ } = store.expire(expiry, from, AT_ONCE).await?;
                all += removed;
                from = next;
                if from.is_none() {
                    break;
                }
            }
        }
    }
    let mut after = None;
    loop {
        let Expired { next, removed, looked: _ } = store.expire_dead_letters(rules, after, AT_ONCE).await?;
        all += removed;
        after = next;
        if after.is_none() {
            return Ok(all);
        }
    }
}
