//! Commands: what an assistant orders beside what it says.
//!
//! [`Command::parse`] gives a name and parameters their meaning, with the spellings that IBM's own documents are known to slip into.
//! Where a command was found in a wire format is the assistant's business; when it takes effect is `on/`'s.

mod config;

use std::time::Duration;

use serde_json::Value;

pub use config::ConversationConfig;

/// `setSessionTimeoutCount` must lie in this range, in seconds.
const TIMEOUT_SECONDS: std::ops::RangeInclusive<u64> = 1..=365 * 86_400;

/// The longest `prefixText`, in characters.
const PREFIX_MAX: usize = 100;

/// More media than this are of no use in one command.
const MEDIA_MAX: usize = 100;

/// The longest address, in bytes.
const URL_MAX: usize = 2_048;

/// A command that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `terminateSession`: the text of the turn is still sent, then the session ends.
    TerminateSession,
    /// `smsActSendMedia`: send these media with the text of the turn.
    SendMedia {
        /// Public addresses, in order; at least one.
        urls: Vec<String>,
    },
    /// `smsActSetOptionsConfig`: from this turn on, what stands before each entry of a list.
    SetOptionsPrefix(String),
    /// `smsActSetDisambiguationConfig`: the same for lists of suggestions.
    SetSuggestionsPrefix(String),
    /// `smsActForceNoInputTurn`: another turn at once, without the user, with the text `smsNoInputTurn`.
    ForceNoInputTurn,
    /// `setSessionTimeoutCount`: replaces the session timeout in this session.
    SetSessionTimeout(Duration),
    /// `smsActSetConversationConfig`: the session goes on with another assistant, at once.
    SetConversationConfig(Box<ConversationConfig>),
}

/// A command that was not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Nobody knows that name.
    #[error("no such command")]
    Unknown,
    /// The name is known, the parameters make no sense.
    #[error("{0}")]
    Malformed(String),
}

impl Command {
    /// Every name that is known, in IBM's spelling.
    pub const NAMES: [&str; 7] = [
        "terminateSession",
        "smsActSendMedia",
        "smsActSetOptionsConfig",
        "smsActSetDisambiguationConfig",
        "smsActForceNoInputTurn",
        "setSessionTimeoutCount",
        "smsActSetConversationConfig",
    ];

    /// Reads a command. The letters' case does not matter, nor whether the name begins as a voice gateway's does (`vgwAct`), as
    /// IBM's pages print it in places.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(name: &str, parameters: &Value) -> Result<Self, CommandError> {
        match canonical(name).as_str() {
            "terminatesession" => Ok(Self::TerminateSession),
            "smsactsendmedia" => media_urls(parameters).map(|urls| Self::SendMedia { urls }),
            "smsactsetoptionsconfig" => prefix_text(parameters).map(Self::SetOptionsPrefix),
            "smsactsetdisambiguationconfig" => prefix_text(parameters).map(Self::SetSuggestionsPrefix),
            "smsactforcenoinputturn" => Ok(Self::ForceNoInputTurn),
            "setsessiontimeoutcount" | "smsactsetsessiontimeoutcount" => {
                timeout(parameters).map(Self::SetSessionTimeout)
            }
            "smsactsetconversationconfig" => {
                ConversationConfig::read(parameters).map(|config| Self::SetConversationConfig(Box::new(config)))
            }
            _ => Err(CommandError::Unknown),
        }
    }
}

/// A name without the differences that do not matter.
fn canonical(name: &str) -> String {
    let name = name.trim().to_ascii_lowercase();
    match name.strip_prefix("vsmsact").or_else(|| name.strip_prefix("vgwact")) {
        Some(act) => format!("smsact{act}"),
        None => name,
    }
}

fn malformed(what: &str) -> CommandError {
    CommandError::Malformed(what.to_owned())
}

fn media_urls(parameters: &Value) -> Result<Vec<String>, CommandError> {
    let given = &parameters["mediaURL"];
    let given: Vec<&Value> = given
        .as_array()
        .map_or_else(|| if given.is_null() { Vec::new() } else { vec![given] }, |urls| urls.iter().collect());
    if given.is_empty() {
        return Err(malformed("mediaURL must be a list of at least one public address"));
    }
    if given.len() > MEDIA_MAX {
        return Err(malformed("mediaURL has more than 100 addresses"));
    }
    given.into_iter().map(media_url).collect()
}

fn media_url(value: &Value) -> Result<String, CommandError> {
    let url = value.as_str().filter(|url| url.len() <= URL_MAX && is_public_address(url));
    url.map(ToOwned::to_owned).ok_or_else(|| {
        malformed("mediaURL must hold addresses of at most 2048 bytes that begin with https:// or http://")
    })
}

/// Whether something is an address that a provider could fetch.
pub(crate) fn is_public_address(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !url.contains(|c: char| c.is_whitespace() || c.is_control()))
}

fn prefix_text(parameters: &Value) -> Result<String, CommandError> {
    let text = parameters["prefixText"].as_str().ok_or_else(|| malformed("prefixText must be a text"))?;
    if !text.contains("%s") {
        return Err(malformed("prefixText must contain %s, which becomes the entry's number"));
    }
    if text.chars().count() > PREFIX_MAX {
        return Err(malformed("prefixText has more than 100 characters"));
    }
    Ok(text.to_owned())
}

fn timeout(parameters: &Value) -> Result<Duration, CommandError> {
    let seconds = whole_number(&parameters["count"]).filter(|seconds| TIMEOUT_SECONDS.contains(seconds));
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| malformed("count must be a whole number of seconds, at least 1 and at most a year"))
}

/// A number as dialogs write it: `200`, `200.0` or `"200"`.
pub(crate) fn whole_number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| {
            let number = number.as_f64().filter(|number| number.fract() == 0.0)?;
            format!("{number:.0}").parse().ok()
        }),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn is_malformed(name: &str, parameters: &Value) -> bool {
        matches!(Command::parse(name, parameters), Err(CommandError::Malformed(_)))
    }

    #[test]
    fn all_seven_commands_are_understood() {
        let urls = vec!["https://a.example/1.png".to_owned()];
        let table = [
            ("terminateSession", Value::Null, Command::TerminateSession),
            ("smsActSendMedia", json!({"mediaURL": urls}), Command::SendMedia { urls: urls.clone() }),
            ("smsActSetOptionsConfig", json!({"prefixText": "%s) "}), Command::SetOptionsPrefix("%s) ".into())),
            (
                "smsActSetDisambiguationConfig",
                json!({"prefixText": "Enter %s for:"}),
                Command::SetSuggestionsPrefix("Enter %s for:".into()),
            ),
            ("smsActForceNoInputTurn", json!({}), Command::ForceNoInputTurn),
            ("setSessionTimeoutCount", json!({"count": 200}), Command::SetSessionTimeout(Duration::from_secs(200))),
        ];
        for (name, parameters, expected) in table {
            assert_eq!(Command::parse(name, &parameters), Ok(expected), "{name}");
        }
        let switched = Command::parse("smsActSetConversationConfig", &json!({"url": "https://soe.example/v1"}));
        assert!(matches!(switched, Ok(Command::SetConversationConfig(config)) if config.workspace_id.is_none()));
        assert_eq!(Command::NAMES.len(), 7);
    }

    #[test]
    fn spellings_that_ibms_pages_slip_into_are_tolerated() {
        let urls = json!({"mediaURL": "https://a.example/1.png"});
        for name in ["smsActSendMedia", "vsmsActSendMedia", "SMSACTSENDMEDIA", " smsActSendMedia "] {
            assert!(matches!(Command::parse(name, &urls), Ok(Command::SendMedia { .. })), "{name}");
        }
        let prefix = json!({"prefixText": "%s."});
        assert!(matches!(Command::parse("vgwActSetOptionsConfig", &prefix), Ok(Command::SetOptionsPrefix(_))));
        assert!(Command::parse("terminatesession", &Value::Null).is_ok());
        for count in [json!("200"), json!(200.0), json!(" 200 ")] {
            let parsed = Command::parse("setSessionTimeoutCount", &json!({"count": count}));
            assert_eq!(parsed, Ok(Command::SetSessionTimeout(Duration::from_secs(200))), "{count}");
        }
    }

    #[test]
    fn unknown_and_malformed_commands_are_told_apart() {
        for name in ["", "dance", "vgwActPlayText", "smsAct"] {
            assert_eq!(Command::parse(name, &Value::Null), Err(CommandError::Unknown), "{name}");
        }
        for parameters in [
            Value::Null,
            json!([]),
            json!({}),
            json!({"mediaURL": []}),
            json!({"mediaURL": 5}),
            json!({"mediaURL": ["ftp://a"]}),
            json!({"mediaURL": ["https://"]}),
            json!({"mediaURL": ["https://a b"]}),
            json!({"mediaURL": ["https://a", null]}),
        ] {
            assert!(is_malformed("smsActSendMedia", &parameters), "{parameters}");
        }
        for parameters in [Value::Null, json!({"prefixText": 1}), json!({"prefixText": "."}), json!({"prefix": "%s"})] {
            assert!(is_malformed("smsActSetOptionsConfig", &parameters), "{parameters}");
            assert!(is_malformed("smsActSetDisambiguationConfig", &parameters), "{parameters}");
        }
        assert!(is_malformed("smsActSetOptionsConfig", &json!({"prefixText": format!("%s{}", "x".repeat(99))})));
        for count in [json!(0), json!(-1), json!(1.5), json!("soon"), json!(null), json!([1]), json!(40_000_000)] {
            assert!(is_malformed("setSessionTimeoutCount", &json!({"count": count})), "{count}");
        }
    }

    #[test]
    fn a_list_of_media_has_a_limit_and_so_has_each_address() {
        let urls = |number: usize| json!({"mediaURL": vec!["https://a.example/1.png"; number]});
        assert!(Command::parse("smsActSendMedia", &urls(100)).is_ok());
        assert!(is_malformed("smsActSendMedia", &urls(101)));
        let long = |bytes: usize| json!({"mediaURL": format!("https://{}", "a".repeat(bytes - 8))});
        assert!(Command::parse("smsActSendMedia", &long(2_048)).is_ok());
        assert!(is_malformed("smsActSendMedia", &long(2_049)));
    }
}
