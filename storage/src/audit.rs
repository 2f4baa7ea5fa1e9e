//! The audit log: who has asked for what, of all that a person of ours may ask. An entry is written before the deed, so that there is no
//! deed without one; what came of it stands in the transcript. It names nobody's user, so that an erasure need not touch it.

use std::time::Duration;

use raconteur_conversation::address::Address;
use raconteur_conversation::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// One thing that somebody has asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When.
    pub at: UnixMillis,
    /// Who: the name of a token, or what stands for a caller who needs none.
    pub who: String,
    /// What, in a word.
    pub what: String,
    /// In which of our numbers' conversations; `None` where it concerns none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Address>,
    /// With whom: the conversation's name in the log, from which no number can be found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// What exactly, where that is neither a text nor a number of a person: a dead letter, a text's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

impl AuditEntry {
    /// How long an entry is kept.
    pub const KEPT: Duration = Duration::from_secs(400 * 86_400);

    /// How many old entries go with a new one: more than one, so that they become fewer.
    pub(crate) const GO_WITH_ONE: usize = 2;

    /// Whether it may go at `now`.
    pub(crate) fn is_old(&self, now: UnixMillis) -> bool {
        self.at < now.minus(Self::KEPT)
    }
}
