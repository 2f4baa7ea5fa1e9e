//! What a record is, by its key.

use serde::{Deserialize, Serialize};

use super::walk::Raw;
use crate::keys::Name;

/// What a record is, or by its key should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A conversation's own record.
    Conversation,
    /// The mark of an accepted id, or a page of them.
    Duplicate,
    /// A page of a transcript.
    Page,
    /// Until when nothing is missing of what was sent to a number.
    Heard,
    /// The fence of a shard.
    Claim,
    /// An entry of the deadline index.
    Deadline,
    /// What a tenant used on one day.
    Usage,
    /// An erasure that is not carried out to its end.
    Erasure,
    /// What remains of an erased conversation.
    Remains,
    /// A work record, unread or answered.
    Work,
    /// Something that was set aside.
    DeadLetter,
    /// An entry of the audit log.
    Audit,
    /// A key that is not in the table.
    Unknown,
}

impl Kind {
    pub(super) fn of(raw: &Raw) -> Self {
        match &raw.name {
            Some(Name::Conversation(..)) => Self::Conversation,
            Some(Name::Duplicate(..) | Name::Marks(_)) => Self::Duplicate,
            Some(Name::Page(..)) => Self::Page,
            Some(Name::Heard(_)) => Self::Heard,
            Some(Name::Claim(_)) => Self::Claim,
            Some(Name::Deadline(..)) => Self::Deadline,
            Some(Name::Usage(..)) => Self::Usage,
            Some(Name::Erasure(_)) => Self::Erasure,
            Some(Name::Remains(_)) => Self::Remains,
            Some(Name::Work(..)) => Self::Work,
            Some(Name::DeadLetter(..)) => Self::DeadLetter,
            Some(Name::Audit(..)) => Self::Audit,
            None => Self::Unknown,
        }
    }
}
