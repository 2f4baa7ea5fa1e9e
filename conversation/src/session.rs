//! A session: one stretch of a conversation, with its context, list, timeouts and clock.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::policy::Policy;
use crate::time::UnixMillis;
use crate::variable::SmsError;
use crate::words::{AssistantState, Choice};

/// An open session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    /// `smsSessionID`.
    pub id: Uuid,
    /// When it was opened.
    pub opened_at: UnixMillis,
    /// The inactivity clock runs from here: the later of the last text's acceptance and its answer.
    pub clock_from: UnixMillis,
    /// How many turns were answered.
    pub turns: u32,
    /// `smsUserData`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data: Option<Box<RawValue>>,
    /// The timeout that was given at the start, in place of the tenant's.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "humantime_serde::option")]
    pub timeout: Option<Duration>,
    /// `smsConversationResponseTimeout`, once the assistant has set it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "humantime_serde::option")]
    pub response_timeout: Option<Duration>,
    /// `smsError`: the latest failed text that the assistant has not been told of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<SmsError>,
    /// The list that the user may answer by number, in the next turn only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub list: Vec<Choice>,
    /// What the assistant wants kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<AssistantState>,
}

impl Session {
    /// A fresh session. Its GUID follows from the seed of the record that opened it, so that a repeat opens the same.
    #[must_use]
    pub fn open(seed: u128, now: UnixMillis) -> Self {
        Self {
            id: Uuid::new_v5(&Uuid::from_u128(seed), b"session"),
            opened_at: now,
            clock_from: now,
            turns: 0,
            user_data: None,
            timeout: None,
            response_timeout: None,
            error: None,
            list: Vec::new(),
            state: None,
        }
    }

    /// When it ends unless the user texts.
    #[must_use]
    pub fn deadline(&self, policy: &Policy) -> UnixMillis {
        self.clock_from.plus(self.timeout.unwrap_or(policy.session_timeout))
    }
}

/// Two sessions are equal when they would be written the same.
impl PartialEq for Session {
    fn eq(&self, other: &Self) -> bool {
        serde_json::to_value(self).ok() == serde_json::to_value(other).ok()
    }
}
