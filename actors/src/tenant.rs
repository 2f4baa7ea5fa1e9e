//! Tenants: one of our numbers each, with its rules, its two ports and its lane; and the directory of them all.
//!
//! The directory is read on every arrival and every activation and replaced as a whole when the configuration changes. A
//! conversation holds the tenant that it was activated with; a changed tenant takes effect at the next activation.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use raconteur_conversation::address::Address;
use raconteur_conversation::policy::Policy;
use raconteur_conversation::time::UnixMillis;

use crate::lane::Lane;
use crate::port::{Assistant, Transport};

/// One of our numbers and everything that belongs to it.
pub(crate) struct Tenant {
    /// The number, as the provider writes it.
    pub number: Address,
    /// The channel that its texts come through; an arrival from another channel is refused.
    pub channel: Arc<str>,
    /// Its rules.
    pub policy: Policy,
    /// Who carries its texts.
    pub transport: Arc<dyn Transport>,
    /// Who answers.
    pub assistant: Arc<dyn Assistant>,
    /// What its calls share.
    pub lane: Lane,
}

/// All tenants, by number.
#[derive(Default)]
pub(crate) struct Directory {
    tenants: ArcSwap<BTreeMap<Address, Arc<Tenant>>>,
}

impl Directory {
    pub(crate) fn replace(&self, tenants: impl IntoIterator<Item = Tenant>) {
        let by_number = tenants.into_iter().map(|tenant| (tenant.number.clone(), Arc::new(tenant))).collect();
        self.tenants.store(Arc::new(by_number));
    }

    pub(crate) fn find(&self, number: &Address) -> Option<Arc<Tenant>> {
        self.tenants.load().get(number).cloned()
    }

    /// Since when turns are kept, of each number that does not keep them for ever.
    pub(crate) fn kept_since(&self, now: UnixMillis) -> Vec<(Address, UnixMillis)> {
        let tenants = self.tenants.load();
        let since = |tenant: &Arc<Tenant>| Some((tenant.number.clone(), now.minus(tenant.policy.turns_kept()?)));
        tenants.values().filter_map(since).collect()
    }

    /// All tenants, in the order of their numbers.
    pub(crate) fn all(&self) -> Vec<Arc<Tenant>> {
        self.tenants.load().values().cloned().collect()
    }

    /// The numbers of one channel.
    pub(crate) fn numbers(&self, channel: &str) -> Vec<Address> {
        let tenants = self.tenants.load();
        tenants.values().filter(|tenant| &*tenant.channel == channel).map(|tenant| tenant.number.clone()).collect()
    }

    /// The last digits of every number of one channel, for a log line that helps without giving numbers away.
    pub(crate) fn last_digits(&self, channel: &str) -> Vec<String> {
        let tenants = self.tenants.load();
        tenants
            .values()
            .filter(|tenant| &*tenant.channel == channel)
            .map(|tenant| tenant.number.last_digits())
            .collect()
    }
}
