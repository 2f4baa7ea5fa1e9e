//! Commands: what an assistant orders beside what it says.
//!
//! [`Command::parse`] gives a name and parameters their meaning, with the spellings that IBM's own documents are known to slip into.
//! Where a command was found in a wire format is the assistant's business; when it takes effect is `on/`'s.

use serde_json::Value;

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
    /// Reads a command.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(name: &str, parameters: &Value) -> Result<Self, CommandError> {
        match name {
            "terminateSession" => Ok(Self::TerminateSession),
            "smsActSendMedia" | "vsmsActSendMedia" => media_urls(parameters).map(|urls| Self::SendMedia { urls }),
            _ => Err(CommandError::Unknown),
        }
    }
}

fn media_urls(parameters: &Value) -> Result<Vec<String>, CommandError> {
    let given = &parameters["mediaURL"];
    let given: Vec<&Value> = given
        .as_array()
        .map_or_else(|| if given.is_null() { Vec::new() } else { vec![given] }, |urls| urls.iter().collect());
    if given.is_empty() {
        return Err(CommandError::Malformed("mediaURL must be a list of at least one public address".into()));
    }
    given.into_iter().map(media_url).collect()
}

fn media_url(value: &Value) -> Result<String, CommandError> {
    let is_public =
        |url: &&str| (url.starts_with("https://") || url.starts_with("http://")) && !url.contains(char::is_whitespace);
    let url = value.as_str().filter(is_public);
    url.map(ToOwned::to_owned).ok_or_else(|| {
        CommandError::Malformed("mediaURL must hold addresses that begin with https:// or http://".into())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn known_commands_are_understood() {
        assert_eq!(Command::parse("terminateSession", &Value::Null), Ok(Command::TerminateSession));
        let urls = vec!["https://a.example/1.png".to_owned()];
        for parameters in
            [json!({"mediaURL": ["https://a.example/1.png"]}), json!({"mediaURL": "https://a.example/1.png"})]
        {
            for name in ["smsActSendMedia", "vsmsActSendMedia"] {
                assert_eq!(Command::parse(name, &parameters), Ok(Command::SendMedia { urls: urls.clone() }));
            }
        }
    }

    #[test]
    fn unknown_and_malformed_commands_are_told_apart() {
        assert_eq!(Command::parse("terminatesession", &Value::Null), Err(CommandError::Unknown));
        for parameters in [
            Value::Null,
            json!([]),
            json!({}),
            json!({"mediaURL": []}),
            json!({"mediaURL": 5}),
            json!({"mediaURL": ["ftp://a"]}),
            json!({"mediaURL": ["https://a b"]}),
            json!({"mediaURL": ["https://a", null]}),
        ] {
            let parsed = Command::parse("smsActSendMedia", &parameters);
            assert!(matches!(parsed, Err(CommandError::Malformed(_))), "{parameters}");
        }
    }
}
