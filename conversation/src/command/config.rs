//! What `smsActSetConversationConfig` may say: which assistant the session goes on with. What is left out stays as it is.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{CommandError, is_public_address, malformed, whole_number};

/// The longest text of any parameter, in bytes.
const TEXT_MAX: usize = 2_048;

/// `convConnectTimeout` and `convReadTimeout` must lie in this range, in milliseconds.
const TIMEOUT_MS: std::ops::RangeInclusive<u64> = 100..=600_000;

/// The parameters of `smsActSetConversationConfig`. It holds credentials, so it never shows itself in a log; it is kept with the
/// session, since the assistant has asked for just that.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConversationConfig {
    /// `url`: the service, or the service orchestration engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `workspaceID`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<String>,
    /// `username`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// `password`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// `apikey`, in place of a name and a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apikey: Option<String>,
    /// `convApiVersion`: a date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// `tokenAuthEnabled`: whether the key is exchanged for a token first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_auth: Option<bool>,
    /// `tokenServiceProviderURL`, also written `…Url`: where it is exchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_url: Option<String>,
    /// `conversationFailedReplyMessage`: what the user gets when a turn fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_message: Option<String>,
    /// `convConnectTimeout`, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", with = "humantime_serde::option")]
    pub connect_timeout: Option<Duration>,
    /// `convReadTimeout`, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", with = "humantime_serde::option")]
    pub read_timeout: Option<Duration>,
}

/// What is given as `to`, `null` counting as nothing.
fn text(parameters: &Map<String, Value>, names: &[&str]) -> Result<Option<String>, CommandError> {
    let Some((name, value)) = names.iter().find_map(|name| Some((name, parameters.get(*name)?))) else {
        return Ok(None);
    };
    match value {
        Value::Null => Ok(None),
        Value::String(text) if text.is_empty() => Ok(None),
        Value::String(text) if text.len() <= TEXT_MAX => Ok(Some(text.clone())),
        Value::String(_) => Err(malformed(&format!("{name} is longer than {TEXT_MAX} bytes"))),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(malformed(&format!("{name} must be a text")))
        }
    }
}

fn address(parameters: &Map<String, Value>, names: &[&str]) -> Result<Option<String>, CommandError> {
    match text(parameters, names)? {
        Some(url) if is_public_address(&url) => Ok(Some(url)),
        Some(_) => Err(malformed(&format!("{} must begin with https:// or http://", names[0]))),
        None => Ok(None),
    }
}

fn flag(parameters: &Map<String, Value>, name: &str) -> Result<Option<bool>, CommandError> {
    match parameters.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(Value::String(text)) if text.trim().eq_ignore_ascii_case("true") => Ok(Some(true)),
        Some(Value::String(text)) if text.trim().eq_ignore_ascii_case("false") => Ok(Some(false)),
        Some(_) => Err(malformed(&format!("{name} must be true or false"))),
    }
}

fn millis(parameters: &Map<String, Value>, name: &str) -> Result<Option<Duration>, CommandError> {
    match parameters.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match whole_number(value).filter(|millis| TIMEOUT_MS.contains(millis)) {
            Some(millis) => Ok(Some(Duration::from_millis(millis))),
            None => Err(malformed(&format!("{name} must be 100 to 600000 milliseconds"))),
        },
    }
}

impl ConversationConfig {
    /// Reads the parameters. What is not known is passed over: IBM's list may be longer than what is stored of it.
    pub(super) fn read(parameters: &Value) -> Result<Self, CommandError> {
        let Value::Object(parameters) = parameters else { return Err(malformed("it needs parameters, such as url")) };
        let config = Self {
            url: address(parameters, &["url", "URL"])?,
            workspace_id: text(parameters, &["workspaceID", "workspaceId"])?,
            username: text(parameters, &["username"])?,
            password: text(parameters, &["password"])?,
            apikey: text(parameters, &["apikey", "apiKey"])?,
            api_version: text(parameters, &["convApiVersion"])?,
            token_auth: flag(parameters, "tokenAuthEnabled")?,
            token_url: address(parameters, &["tokenServiceProviderURL", "tokenServiceProviderUrl"])?,
            failure_message: text(parameters, &["conversationFailedReplyMessage"])?,
            connect_timeout: millis(parameters, "convConnectTimeout")?,
            read_timeout: millis(parameters, "convReadTimeout")?,
        };
        if config == Self::default() {
            return Err(malformed("it names nothing that could be switched, such as url or workspaceID"));
        }
        Ok(config)
    }

    /// This, where it says something; otherwise what was ordered before. Credentials go together: a new key or name leaves none of the
    /// old ones, and neither does a new address, which must not be told what was meant for another.
    #[must_use]
    pub fn over(self, before: Option<Self>) -> Self {
        let before = before.unwrap_or_default();
        let elsewhere = self.url.is_some() && self.url != before.url;
        let own_credentials = elsewhere || self.apikey.is_some() || self.username.is_some();
        let (username, password, apikey) = if own_credentials {
            (self.username, self.password, self.apikey)
        } else {
            (before.username, before.password, before.apikey)
        };
        Self {
            url: self.url.or(before.url),
            workspace_id: self.workspace_id.or(before.workspace_id),
            username,
            password,
            apikey,
            api_version: self.api_version.or(before.api_version),
            token_auth: self.token_auth.or(before.token_auth),
            token_url: self.token_url.or(before.token_url),
            failure_message: self.failure_message.or(before.failure_message),
            connect_timeout: self.connect_timeout.or(before.connect_timeout),
            read_timeout: self.read_timeout.or(before.read_timeout),
        }
    }

    /// Whether anything in it concerns whom to ask, rather than how long to wait and what to say.
    #[must_use]
    pub fn names_a_target(&self) -> bool {
        self.url.is_some() || self.workspace_id.is_some()
    }
}

/// Only which parameters are set.
impl fmt::Debug for ConversationConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConversationConfig")
            .field("url", &self.url.is_some())
            .field("workspace_id", &self.workspace_id)
            .field("credentials", &(self.apikey.is_some() || self.username.is_some()))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_parameter_of_ibms_list_is_read_in_either_spelling() {
        let config = ConversationConfig::read(&json!({
            "url": "https://w.example/api", "workspaceID": "w-1", "username": "u", "password": "p", "apikey": "k",
            "convApiVersion": "2018-07-10", "tokenAuthEnabled": "true",
            "tokenServiceProviderUrl": "https://iam.example/identity/token",
            "conversationFailedReplyMessage": "Sorry.", "convConnectTimeout": "500", "convReadTimeout": 2000,
            "somethingNew": 1,
        }))
        .unwrap();
        let expected = ConversationConfig {
            url: Some("https://w.example/api".into()),
            workspace_id: Some("w-1".into()),
            username: Some("u".into()),
            password: Some("p".into()),
            apikey: Some("k".into()),
            api_version: Some("2018-07-10".into()),
            token_auth: Some(true),
            token_url: Some("https://iam.example/identity/token".into()),
            failure_message: Some("Sorry.".into()),
            connect_timeout: Some(Duration::from_millis(500)),
            read_timeout: Some(Duration::from_secs(2)),
        };
        assert_eq!(config, expected);
        let stored = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<ConversationConfig>(&stored).unwrap(), expected);
    }

    #[test]
    fn what_is_left_out_stays_and_credentials_go_together() {
        let before = ConversationConfig {
            url: Some("https://a".into()),
            username: Some("u".into()),
            password: Some("p".into()),
            ..ConversationConfig::default()
        };
        let named = ConversationConfig { workspace_id: Some("w".into()), ..ConversationConfig::default() };
        let merged = named.clone().over(Some(before.clone()));
        assert_eq!((merged.url, merged.username), (before.url.clone(), before.username.clone()));
        let keyed = ConversationConfig { apikey: Some("k".into()), ..named }.over(Some(before));
        assert_eq!((keyed.username, keyed.password, keyed.apikey.as_deref()), (None, None, Some("k")));
        let again = |url: &str| ConversationConfig { url: Some(url.into()), ..ConversationConfig::default() };
        let keyed = ConversationConfig { apikey: Some("k".into()), ..again("https://a") };
        assert_eq!(again("https://a").over(Some(keyed.clone())).apikey.as_deref(), Some("k"));
        assert_eq!(again("https://b").over(Some(keyed)).apikey, None);
    }

    #[test]
    fn wrong_parameters_are_named() {
        let table = [
            (json!(null), "it needs parameters"),
            (json!({}), "it names nothing"),
            (json!({"url": "soe.example"}), "url must begin"),
            (json!({"url": 5}), "url must be a text"),
            (json!({"workspaceID": "w".repeat(3_000)}), "workspaceID is longer"),
            (json!({"tokenAuthEnabled": "maybe"}), "tokenAuthEnabled must be"),
            (json!({"convReadTimeout": 5}), "convReadTimeout must be"),
        ];
        for (parameters, expected) in table {
            let Err(CommandError::Malformed(reason)) = ConversationConfig::read(&parameters) else {
                panic!("{parameters} was taken")
            };
            assert!(reason.starts_with(expected), "{parameters}: {reason}");
        }
    }

    #[test]
    fn credentials_do_not_show() {
        let config = ConversationConfig { apikey: Some("sesame".into()), ..ConversationConfig::default() };
        assert!(!format!("{config:?}").contains("sesame"));
    }
}
