//! Places in lists as callers get them: words without a meaning of their own, to be given back as they are.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use raconteur_conversation::address::{Address, ConversationKey};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::Sequence;

use crate::http::control::Admitted;
use crate::http::control::problem::Problem;

/// The place behind a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct After {
    pub(super) key: ConversationKey,
    /// When it would have woken, in a list that is in that order.
    pub(super) at: Option<UnixMillis>,
}

impl From<ConversationKey> for After {
    fn from(key: ConversationKey) -> Self {
        Self { key, at: None }
    }
}

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConversationKey { tenant, user } = &self.key;
        let at = self.at.map(|at| format!("\n{}", at.0)).unwrap_or_default();
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(format!("{tenant}\n{user}{at}")))
    }
}

fn read(text: &str) -> Option<After> {
    let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let (tenant, rest) = text.split_once('\n')?;
    let (user, at) = match rest.split_once('\n') {
        Some((user, at)) => (user, Some(UnixMillis(at.parse().ok()?))),
        None => (rest, None),
    };
    let key = ConversationKey { tenant: Address::parse(tenant).ok()?, user: Address::parse(user).ok()? };
    Some(After { key, at })
}

impl Admitted {
    /// The conversation behind which a list goes on.
    pub(super) fn after(&self) -> Result<Option<After>, Problem> {
        let Some(text) = self.query("after") else { return Ok(None) };
        read(&text).map(Some).ok_or_else(|| Problem::invalid("after must be the `next` of an earlier page"))
    }

    /// The number before or behind which a list goes on.
    pub(super) fn sequence(&self, name: &str) -> Result<Option<Sequence>, Problem> {
        let Some(text) = self.query(name) else { return Ok(None) };
        let number =
            text.parse().map_err(|_| Problem::invalid(format!("{name} must be the `next` of an earlier page")))?;
        Ok(Some(Sequence(number)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_back_and_garbage_is_none() {
        let number = |text| Address::parse(text).unwrap();
        let key = ConversationKey { tenant: number("+15550100"), user: number("whatsapp:+15550199") };
        for at in [None, Some(UnixMillis(1_764_111_600_000))] {
            let after = After { key: key.clone(), at };
            assert_eq!(read(&after.to_string()), Some(after));
        }
        let encoded = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        for garbage in ["", "x", "!!", "K30K", &encoded("+15550100"), &encoded("+15550100\n+15550199\nsoon")] {
            assert_eq!(read(garbage), None, "{garbage}");
        }
    }
}
