//! A session: one stretch of a conversation, with its context, list, timeouts and clock.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::command::ConversationConfig;
use crate::policy::Policy;
use crate::render::Prefixes;
use crate::time::UnixMillis;
use crate::variable::SmsError;
use crate::words::{AssistantState, Choice, Sequence};

/// An open session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    /// `smsSessionID`.
    pub id: Uuid,
    /// When it was opened.
    pub opened_at: UnixMillis,
    /// The inactivity clock runs from here: the later of the last text's acceptance and its answer.
    pub clock_from: UnixMillis,
    /// When the latest of the user's texts in it was answered; `None` as long as he has said nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub texted_at: Option<UnixMillis>,
    /// How many turns were answered.
    pub turns: u32,
    /// `smsUserData`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data: Option<Box<RawValue>>,
    /// The timeout that was given at the start, in place of the tenant's.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "humantime_serde::option")]
    pub timeout: Option<Duration>,
    /// The timeout that the assistant has set with `setSessionTimeoutCount`; goes before the one from the start.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "humantime_serde::option")]
    pub timeout_set: Option<Duration>,
    /// `smsActSetOptionsConfig`, once the assistant has ordered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options_prefix: Option<String>,
    /// `smsActSetDisambiguationConfig`, once the assistant has ordered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestions_prefix: Option<String>,
    /// `smsActSetConversationConfig`, once the assistant has ordered it. Boxed like the error below: a session in memory seldom has either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Box<ConversationConfig>>,
    /// The turn that was answered last; 0 before the first, and where an older version has left the session.
    #[serde(default = "before_all")]
    pub last: Sequence,
    /// How many turns without the user's input have followed his last text.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub chained: u8,
    /// The assistant is being told that the user was silent for too long.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub timing_out: bool,
    /// `smsConversationResponseTimeout`, once the assistant has set it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "humantime_serde::option")]
    pub response_timeout: Option<Duration>,
    /// `smsError`: the latest failed text that the assistant has not been told of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Box<SmsError>>,
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
            texted_at: None,
            turns: 0,
            user_data: None,
            timeout: None,
            timeout_set: None,
            options_prefix: None,
            suggestions_prefix: None,
            config: None,
            last: before_all(),
            chained: 0,
            timing_out: false,
            response_timeout: None,
            error: None,
            list: Vec::new(),
            state: None,
        }
    }

    /// When it ends unless the user texts.
    #[must_use]
    pub fn deadline(&self, policy: &Policy) -> UnixMillis {
        self.clock_from.plus(self.timeout_set.or(self.timeout).unwrap_or(policy.session_timeout))
    }

    /// What stands before each entry of a list, and of a list of suggestions.
    #[must_use]
    pub fn prefixes<'a>(&'a self, policy: &'a Policy) -> Prefixes<'a> {
        Prefixes {
            options: self.options_prefix.as_deref().unwrap_or(&policy.options_prefix),
            suggestions: self.suggestions_prefix.as_deref().unwrap_or(&policy.suggestions_prefix),
        }
    }
}

fn before_all() -> Sequence {
    Sequence(0)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &u8) -> bool {
    *number == 0
}

/// Two sessions are equal when they would be written the same.
impl PartialEq for Session {
    fn eq(&self, other: &Self) -> bool {
        serde_json::to_value(self).ok() == serde_json::to_value(other).ok()
    }
}
