//! Reads JSON bodies: every wrong shape is answered with the field that is wrong and what belongs there. A field that nobody knows is
//! an error, since it is most often a slip.

use raconteur_conversation::address::Address;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::problem::Problem;

/// The longest text that is taken, in characters; it is sent in as many parts as it needs.
const TEXT_MAX: usize = 16_000;
/// More media than this are of no use in one request.
const MEDIA_MAX: usize = 10;
/// The longest address of a medium or a webhook, in bytes.
const URL_MAX: usize = 2_048;
/// The most data for the assistant, in bytes: it is kept with the session and goes along with every question. Watson takes 100 kB of context.
const DATA_MAX: usize = 100_000;
/// The longest timeout, in seconds.
const SECONDS_MAX: u64 = 365 * 86_400;

/// The fields of a body.
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    map: Map<String, Value>,
    example: &'static str,
}

impl<'a> Fields<'a> {
    /// Reads a body that must be an object of `known` fields. An empty body is an object without any.
    pub(super) fn read(bytes: &'a [u8], known: &[&str], example: &'static str) -> Result<Self, Problem> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self { bytes: b"{}", map: Map::new(), example });
        }
        let wrong = |what: &str| Problem::invalid(format!("the body {what}: send {example}"));
        let value = serde_json::from_slice(bytes).map_err(|error| {
            wrong(&format!("is not JSON, or nested too deep (line {}, column {})", error.line(), error.column()))
        })?;
        let Value::Object(map) = value else { return Err(wrong("is not a JSON object")) };
        if let Some(stranger) = map.keys().find(|name| !known.contains(&name.as_str())) {
            let stranger: String = stranger.chars().take(40).collect();
            return Err(wrong(&format!("has an unknown field {stranger:?} (there are {})", known.join(", "))));
        }
        Ok(Self { bytes, map, example })
    }

    /// A field that is there and not `null`.
    fn get(&self, name: &str) -> Option<&Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    fn wrong(&self, name: &str, what: &str) -> Problem {
        Problem::invalid(format!("\"{name}\" {what}: send {}", self.example))
    }

    fn string(&self, name: &str) -> Result<Option<&str>, Problem> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(name, "is not a string")),
        }
    }

    /// The person's number.
    pub(super) fn user(&self) -> Result<Address, Problem> {
        let text = self.string("user")?.ok_or_else(|| self.wrong("user", "is missing"))?;
        Address::parse(text).map_err(|error| Problem::invalid(format!("\"user\": {error}")))
    }

    /// A text that is not empty.
    pub(super) fn text(&self) -> Result<Option<String>, Problem> {
        match self.string("text")? {
            Some(text) if text.trim().is_empty() => Err(self.wrong("text", "is empty")),
            Some(text) if text.chars().count() > TEXT_MAX => {
                Err(self.wrong("text", &format!("has more than {TEXT_MAX} characters")))
            }
            text => Ok(text.map(ToOwned::to_owned)),
        }
    }

    /// Addresses of media.
    pub(super) fn media(&self) -> Result<Vec<String>, Problem> {
        let entries = match self.get("media") {
            None => return Ok(Vec::new()),
            Some(Value::Array(entries)) if entries.len() <= MEDIA_MAX => entries,
            Some(Value::Array(_)) => return Err(self.wrong("media", &format!("has more than {MEDIA_MAX} entries"))),
            Some(_) => return Err(self.wrong("media", "is not a list of addresses")),
        };
        let address = |entry: &Value| entry.as_str().filter(|url| is_address(url)).map(ToOwned::to_owned);
        entries
            .iter()
            .map(|entry| {
                address(entry).ok_or_else(|| self.wrong("media", "has an entry that is no http:// or https:// address"))
            })
            .collect()
    }

    /// The address of a webhook.
    pub(super) fn webhook(&self) -> Result<String, Problem> {
        match self.string("webhook")? {
            Some(url) if is_address(url) && reqwest::Url::parse(url).is_ok() => Ok(url.to_owned()),
            Some(_) => Err(self.wrong("webhook", "is no http:// or https:// address")),
            None => Err(self.wrong("webhook", "is missing")),
        }
    }

    /// A number of seconds.
    pub(super) fn seconds(&self, name: &str) -> Result<Option<std::time::Duration>, Problem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.as_u64().filter(|seconds| (1..=SECONDS_MAX).contains(seconds)) {
            Some(seconds) => Ok(Some(std::time::Duration::from_secs(seconds))),
            None => Err(self.wrong(name, &format!("is not a whole number of seconds from 1 to {SECONDS_MAX}"))),
        }
    }

    /// One of a few words.
    pub(super) fn word(&self, name: &str, words: &[&'static str]) -> Result<Option<&'static str>, Problem> {
        let Some(text) = self.string(name)? else { return Ok(None) };
        let word = words.iter().copied().find(|word| *word == text);
        word.map(Some).ok_or_else(|| self.wrong(name, &format!("is none of {}", words.join(", "))))
    }

    /// Any JSON, byte for byte, up to [`DATA_MAX`].
    pub(super) fn verbatim(&self, name: &str) -> Result<Option<Box<RawValue>>, Problem> {
        if self.get(name).is_none() {
            return Ok(None);
        }
        let members: std::collections::BTreeMap<String, &RawValue> =
            serde_json::from_slice(self.bytes).map_err(|_| self.wrong(name, "cannot be read"))?;
        match members.get(name) {
            Some(raw) if raw.get().len() > DATA_MAX => {
                Err(self.wrong(name, &format!("has more than {DATA_MAX} bytes")))
            }
            found => Ok(found.map(|raw| (*raw).to_owned())),
        }
    }
}

fn is_address(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty())
        && url.len() <= URL_MAX
        && !url.contains(|c: char| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_for_the_assistant_may_not_be_larger_than_a_session_can_keep() {
        let body = |bytes: usize| format!("{{\"user_data\": \"{}\"}}", "x".repeat(bytes - 2));
        let read = |body: &str| {
            Fields::read(body.as_bytes(), &["user_data"], "it").and_then(|fields| fields.verbatim("user_data"))
        };
        assert!(read(&body(100_000)).is_ok());
        assert!(read(&body(100_001)).is_err());
    }
}
