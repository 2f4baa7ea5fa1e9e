//! How each tenant's assistant and provider are, by what came of what was asked of them last.

use std::collections::BTreeMap;

use raconteur_actors::port::Event;
use raconteur_conversation::address::Address;
use raconteur_conversation::effect::Notice;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::RowState;
use serde::Serialize;

/// One of the two that a tenant depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Side {
    /// How often all went well since the process began.
    pub ok: u64,
    /// How often it did not.
    pub failed: u64,
    /// How often it did not, since it last did.
    pub failed_in_a_row: u64,
    /// When all went well last.
    pub last_ok_at_ms: Option<UnixMillis>,
    /// When it last did not.
    pub last_failed_at_ms: Option<UnixMillis>,
    /// Why not, in plain words.
    pub last_failure: Option<String>,
}

impl Side {
    fn well(&mut self, now: UnixMillis) {
        self.ok += 1;
        self.failed_in_a_row = 0;
        self.last_ok_at_ms = Some(now);
    }

    fn ill(&mut self, now: UnixMillis, why: &str) {
        self.failed += 1;
        self.failed_in_a_row += 1;
        self.last_failed_at_ms = Some(now);
        self.last_failure = Some(why.chars().take(300).collect());
    }
}

/// How the two are on which a tenant depends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Wellness {
    /// Who answers.
    pub assistant: Side,
    /// Who carries texts.
    pub provider: Side,
}

#[derive(Default)]
pub(super) struct Health {
    /// No more than there are numbers of ours.
    tenants: BTreeMap<Address, Wellness>,
}

impl Health {
    pub(super) fn of(&self, tenant: &Address) -> Wellness {
        self.tenants.get(tenant).cloned().unwrap_or_default()
    }

    pub(super) fn hear(&mut self, tenant: &Address, now: UnixMillis, event: &Event<'_>) {
        if !self.tenants.contains_key(tenant) {
            self.tenants.insert(tenant.clone(), Wellness::default());
        }
        let Some(Wellness { assistant, provider }) = self.tenants.get_mut(tenant) else { return };
        match event {
            Event::Answered(consumed) if consumed.asks > 0 && consumed.error.is_none() => assistant.well(now),
            Event::Noted(Notice::AskAgain { reason, .. } | Notice::TurnFailed { reason, .. }) => {
                assistant.ill(now, reason);
            }
            Event::Settled(_, RowState::Sent { .. }) => provider.well(now),
            Event::Noted(Notice::TextFailed { code, reason, .. }) => provider.ill(now, &format!("{reason} ({code})")),
            Event::Noted(Notice::TextInDoubt { reason, .. }) => provider.ill(now, reason),
            Event::Answered(_)
            | Event::Settled(..)
            | Event::Noted(_)
            | Event::Accepted(..)
            | Event::Receipt(_)
            | Event::SessionEnded(_) => {}
        }
    }
}
