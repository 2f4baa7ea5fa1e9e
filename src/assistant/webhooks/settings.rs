//! The `webhooks` part of an assistant's section, and everything that can be wrong with it.
//!
//! Each problem begins with the dotted key that it is about, by which the section finds its place. No problem repeats an address or a
//! secret: people paste one into the other.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use reqwest::Url;
use serde::Deserialize;

use crate::client;
use crate::config::secret::Secret;

/// So many log webhooks one assistant may have, as IBM's do.
const LOG_MAX: usize = 5;

/// How long a webhook may be waited for.
const TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(30);

/// The longest secret that IBM takes, and so do we, in bytes.
const SECRET_MAX: usize = 1_024;

/// So many headers one webhook may be sent beside ours.
const HEADERS_MAX: usize = 20;

/// What we or HTTP itself must say.
const RESERVED: [&str; 6] =
    ["host", "content-type", "content-length", "transfer-encoding", "connection", "x-watson-assistant-webhook-return"];

/// Which webhooks stand around an assistant.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Sees each question before the assistant does.
    #[serde(default)]
    pub pre: Option<HookSettings>,
    /// Sees each answer before it counts.
    #[serde(default)]
    pub post: Option<HookSettings>,
    /// Are told of each question with its answer.
    #[serde(default)]
    pub log: Vec<HookSettings>,
}

/// How to reach one webhook.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookSettings {
    /// Where it is: https, or http on this machine.
    pub url: String,
    /// Signs the token by which the webhook knows us; without it, none is sent.
    #[serde(default)]
    pub secret: Option<Secret>,
    /// Further headers, such as one with a key.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// How long it may take.
    #[serde(default = "default_timeout", with = "humantime_serde")]
    pub timeout: Duration,
    /// What becomes of the turn when it fails; `None` goes on. Nothing waits for a log webhook, so it has no such choice.
    #[serde(default)]
    pub on_error: Option<OnError>,
}

/// What becomes of a turn whose webhook fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// It goes on as if there were no webhook.
    Continue,
    /// It fails.
    Fail,
}

fn default_timeout() -> Duration {
    Duration::from_secs(10)
}

impl HookSettings {
    /// A webhook at `url`, everything else at its default.
    #[must_use]
    pub fn at(url: &str) -> Self {
        Self { url: url.into(), secret: None, headers: BTreeMap::new(), timeout: default_timeout(), on_error: None }
    }

    /// Everything that is wrong, each beginning with `key` and the name of the setting.
    fn problems(&self, key: &str) -> Vec<String> {
        let mut problems: Vec<String> =
            address_problem(&self.url).map(|what| format!("{key}.url {what}")).into_iter().collect();
        let secret = self.secret.as_ref().map_or(1, |secret| secret.expose().len());
        if !(1..=SECRET_MAX).contains(&secret) {
            problems.push(format!("{key}.secret must have at least 1 byte and at most {SECRET_MAX}: choose another"));
        }
        if !TIMEOUT.contains(&self.timeout) {
            problems.push(format!("{key}.timeout is out of range: set it from 1s to 30s"));
        }
        problems.extend(self.header_problems().into_iter().map(|what| format!("{key}.headers {what}")));
        problems
    }

    fn header_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.headers.len() > HEADERS_MAX {
            problems.push(format!("has more than {HEADERS_MAX} entries: take some out"));
        }
        for (name, value) in &self.headers {
            let lower = name.to_ascii_lowercase();
            if HeaderName::try_from(name).is_err() {
                problems.push(format!("has `{name}`, which is not the name of a header: mend it"));
            } else if RESERVED.contains(&lower.as_str()) {
                problems.push(format!("has `{name}`, which is ours to send: take it out"));
            } else if lower == "authorization" && self.secret.is_some() {
                problems.push(format!("has `{name}`, where the signed token goes: take that or `secret` out"));
            }
            if HeaderValue::from_str(value.expose()).is_err() {
                problems.push(format!("has a value for `{name}` with characters that no header may have: mend it"));
            }
        }
        problems
    }
}

impl Settings {
    /// Everything that is wrong, one line each, beginning with the dotted key.
    pub(super) fn problems(&self) -> Vec<String> {
        let named = [("pre", &self.pre), ("post", &self.post)];
        let mut problems: Vec<String> =
            named.iter().filter_map(|(key, hook)| Some(hook.as_ref()?.problems(key))).flatten().collect();
        if self.log.len() > LOG_MAX {
            problems.push(format!("log has {} entries: keep at most {LOG_MAX}", self.log.len()));
        }
        for (index, hook) in self.log.iter().enumerate() {
            problems.extend(hook.problems(&format!("log.{index}")));
            if hook.on_error.is_some() {
                problems.push(format!("log.{index}.on_error means nothing, since no turn waits for it: take it out"));
            }
        }
        problems
    }
}

/// What is wrong with an address.
fn address_problem(text: &str) -> Option<&'static str> {
    let Ok(url) = Url::parse(text) else { return Some("is no address: write https://host/path") };
    if !(url.scheme() == "https" || (url.scheme() == "http" && client::stays_here(&url))) {
        return Some("must begin with https://: http is for this machine only");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("holds credentials: move them to `headers`");
    }
    url.fragment().map(|_| "must end before any #: a server never sees it")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(change: impl FnOnce(&mut HookSettings)) -> Vec<String> {
        let mut hook = HookSettings::at("https://hooks.example/pre");
        change(&mut hook);
        Settings { pre: Some(hook), ..Settings::default() }.problems()
    }

    #[test]
    fn only_https_or_this_machine_may_see_what_users_write() {
        let good = ["https://h.example/x?key=1", "http://localhost:1/x", "http://127.0.0.1:9", "http://[::1]:9/x"];
        for url in good {
            assert_eq!(found(|hook| hook.url = url.into()), Vec::<String>::new(), "{url}");
        }
        let bad = [
            ("", "pre.url is no address"),
            ("hooks.example", "pre.url is no address"),
            ("http://h.example", "pre.url must begin with https://"),
            ("http://10.0.0.1", "pre.url must begin with https://"),
            ("ftp://127.0.0.1", "pre.url must begin with https://"),
            ("https://user:sesame@h.example", "pre.url holds credentials"),
            ("https://h.example/#x", "pre.url must end before any #"),
        ];
        for (url, expected) in bad {
            let problems = found(|hook| hook.url = url.into());
            assert!(problems.len() == 1 && problems[0].starts_with(expected), "{url}: {problems:?}");
            assert!(!problems[0].contains("sesame"));
        }
    }

    #[test]
    fn the_limits_of_a_webhook_are_kept_at_both_ends() {
        for timeout in [Duration::from_secs(1), Duration::from_secs(30)] {
            assert_eq!(found(|hook| hook.timeout = timeout), Vec::<String>::new());
        }
        for timeout in [Duration::from_millis(999), Duration::from_millis(30_001)] {
            assert!(found(|hook| hook.timeout = timeout)[0].starts_with("pre.timeout is out of range"));
        }
        assert_eq!(found(|hook| hook.secret = Some(Secret::new(&"k".repeat(1_024)))), Vec::<String>::new());
        for secret in [String::new(), "k".repeat(1_025)] {
            assert!(found(|hook| hook.secret = Some(Secret::new(&secret)))[0].starts_with("pre.secret must have"));
        }
    }

    #[test]
    fn headers_that_are_none_or_not_theirs_to_set_are_refused() {
        let headers = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), Secret::new(value))]);
        assert_eq!(found(|hook| hook.headers = headers("X-Api-Key", "k")), Vec::<String>::new());
        assert_eq!(found(|hook| hook.headers = headers("Authorization", "Basic k")), Vec::<String>::new());
        for (name, value, expected) in [
            ("x y", "k", "pre.headers has `x y`, which is not the name"),
            ("Host", "k", "pre.headers has `Host`, which is ours"),
            ("x-key", "a\nb", "pre.headers has a value for `x-key`"),
        ] {
            let problems = found(|hook| hook.headers = headers(name, value));
            assert!(problems.len() == 1 && problems[0].starts_with(expected), "{problems:?}");
        }
        let both = found(|hook| {
            hook.headers = headers("authorization", "k");
            hook.secret = Some(Secret::new("s"));
        });
        assert!(both[0].starts_with("pre.headers has `authorization`, where the signed token goes"), "{both:?}");
        let many = (0..21).map(|n| (format!("x-{n}"), Secret::new("k"))).collect();
        assert!(found(|hook| hook.headers = many)[0].starts_with("pre.headers has more than 20 entries"));
    }

    #[test]
    fn there_are_at_most_five_log_webhooks_and_none_has_a_policy() {
        let hook = HookSettings::at("https://h.example");
        let five = Settings { log: vec![hook.clone(); 5], ..Settings::default() };
        assert_eq!(five.problems(), Vec::<String>::new());
        let six = Settings { log: vec![hook.clone(); 6], ..Settings::default() };
        assert_eq!(six.problems(), ["log has 6 entries: keep at most 5"]);
        let strict = HookSettings { on_error: Some(OnError::Fail), ..hook.clone() };
        let problems = Settings { log: vec![hook, strict], ..Settings::default() }.problems();
        assert!(problems.len() == 1 && problems[0].starts_with("log.1.on_error means nothing"), "{problems:?}");
    }
}
