//! Places in lists as callers get them: words without a meaning of their own, to be given back as they are.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use raconteur_conversation::address::{Address, ConversationKey};
use raconteur_conversation::words::Sequence;

use crate::http::control::Admitted;
use crate::http::control::problem::Problem;

/// The place behind a conversation.
pub(super) fn behind(key: &ConversationKey) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{}\n{}", key.tenant, key.user))
}

fn read(text: &str) -> Option<ConversationKey> {
    let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let (tenant, user) = text.split_once('\n')?;
    Some(ConversationKey { tenant: Address::parse(tenant).ok()?, user: Address::parse(user).ok()? })
}

impl Admitted {
    /// The conversation behind which a list goes on.
    pub(super) fn after_conversation(&self) -> Result<Option<ConversationKey>, Problem> {
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
        assert_eq!(read(&behind(&key)), Some(key));
        for garbage in ["", "x", "!!", "K30K", &BASE64_URL_SAFE_NO_PAD.encode("+15550100")] {
            assert_eq!(read(garbage), None, "{garbage}");
        }
    }
}
