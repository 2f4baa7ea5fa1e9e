//! The settings of a Watson v2 assistant and everything that can be wrong with them.
//!
//! There are two address schemes in use, and the settings choose between them by `environment_id`. Whether the ids exist, only Watson
//! knows: the first question tells.

use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;

use crate::config::secret::Secret;

const CONNECT_TIMEOUT_MIN: Duration = Duration::from_millis(100);
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(60);

/// The longest id that is taken. IBM's are UUIDs.
const ID_MAX: usize = 256;

/// How to reach one watsonx assistant.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The service's address from the instance's credentials, up to `/instances/...`, without `/v2`.
    pub url: String,
    /// The assistant's id. Without `environment_id` it may also be an environment's id, as IBM's older tools have it.
    pub assistant_id: String,
    /// The environment's id: chooses the addresses with `/environments/` (IBM's SDK 11 and newer).
    #[serde(default)]
    pub environment_id: Option<String>,
    /// The API version, a date.
    #[serde(default = "default_version")]
    pub version: String,
    /// The instance's API key.
    pub apikey: Secret,
    /// How long a connection may take to come about.
    #[serde(default = "default_connect_timeout", with = "humantime_serde")]
    pub connect_timeout: Duration,
}

fn default_version() -> String {
    "2024-08-25".into()
}

fn default_connect_timeout() -> Duration {
    Duration::from_secs(5)
}

impl Settings {
    /// `.../sessions?version=...`, when nothing is wrong.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub(super) fn sessions_url(&self) -> Result<Url, Vec<String>> {
        let mut problems = self.problems();
        match base(&self.url) {
            Err(problem) => {
                problems.insert(0, problem);
                Err(problems)
            }
            Ok(_) if !problems.is_empty() => Err(problems),
            Ok(mut url) => {
                let mut segments = url.path_segments_mut().expect("an http address has a path");
                segments.pop_if_empty().extend(["v2", "assistants", &self.assistant_id]);
                if let Some(environment) = &self.environment_id {
                    segments.extend(["environments", environment]);
                }
                segments.push("sessions");
                drop(segments);
                url.query_pairs_mut().append_pair("version", &self.version);
                Ok(url)
            }
        }
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut expect = |holds: bool, problem: &str| {
            if !holds {
                problems.push(problem.to_owned());
            }
        };
        expect(is_id(&self.assistant_id), "assistant_id is not an id: copy it from the assistant's settings");
        expect(
            self.environment_id.as_deref().is_none_or(is_id),
            "environment_id is not an id: copy it from the environment's settings, or leave it out",
        );
        expect(is_date(&self.version), "version is not a date: write it like 2024-08-25");
        expect(is_key(self.apikey.expose()), "apikey is empty or has white space in it: copy it again");
        expect(
            (CONNECT_TIMEOUT_MIN..=CONNECT_TIMEOUT_MAX).contains(&self.connect_timeout),
            "connect_timeout is out of range: choose between 100ms and 60s",
        );
        problems
    }
}

/// Whether a text can stand in an address as it is, and cannot be a step up in it.
pub(super) fn is_id(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    (1..=ID_MAX).contains(&text.len()) && text.bytes().all(plain) && !text.bytes().all(|b| b == b'.')
}

/// Whether what goes there leaves this machine without encryption. Allowed, since a private network may have a proxy that adds it.
pub(super) fn is_readable_on_the_way(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let stays_here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    url.scheme() == "http" && !stays_here
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| !c.is_whitespace() && !c.is_control())
}

fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return false };
    let number = |part: &str, digits: usize| match part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()) {
        true => part.parse::<u32>().ok(),
        false => None,
    };
    number(year, 4).is_some()
        && number(month, 2).is_some_and(|month| (1..=12).contains(&month))
        && number(day, 2).is_some_and(|day| (1..=31).contains(&day))
}

/// The service's address. What is wrong with it is said without quoting it, since people paste keys into addresses.
fn base(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("url is no address ({error}): copy it from the credentials"))?;
    if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
        return Err("url must begin with https://".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("url holds credentials: move them to apikey".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("url must end before any ? or #: the version has a setting of its own".into());
    }
    if url.path_segments().is_some_and(|mut segments| segments.any(|segment| segment == "v2")) {
        return Err("url must end before /v2: the rest is made from the ids".into());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> Settings {
        Settings {
            url: url.into(),
            assistant_id: "a-1".into(),
            environment_id: None,
            version: default_version(),
            apikey: Secret::new("key"),
            connect_timeout: default_connect_timeout(),
        }
    }

    #[test]
    fn the_address_is_made_for_both_schemes_with_or_without_a_final_slash() {
        for url in ["https://w.example/instances/i", "https://w.example/instances/i/"] {
            let old = settings(url);
            let new = Settings { environment_id: Some("e-1".into()), ..old.clone() };
            let shown = |settings: &Settings| settings.sessions_url().unwrap().to_string();
            assert_eq!(shown(&old), "https://w.example/instances/i/v2/assistants/a-1/sessions?version=2024-08-25");
            let expected =
                "https://w.example/instances/i/v2/assistants/a-1/environments/e-1/sessions?version=2024-08-25";
            assert_eq!(shown(&new), expected);
        }
    }

    #[test]
    fn a_wrong_address_is_refused_without_being_quoted() {
        let table = [
            ("", "url is no address"),
            ("w.example", "url is no address"),
            ("ftp://w.example", "url must begin with https://"),
            ("https://apikey:sesame@w.example", "url holds credentials"),
            ("https://w.example?version=1", "url must end before any ?"),
            ("https://w.example/instances/i/v2/assistants", "url must end before /v2"),
        ];
        for (url, expected) in table {
            let problems = settings(url).sessions_url().unwrap_err();
            assert!(problems.len() == 1 && problems[0].starts_with(expected), "{url}: {problems:?}");
            assert!(!problems[0].contains("sesame"));
        }
    }

    #[test]
    fn only_http_to_another_machine_can_be_read_on_the_way() {
        let readable = |url: &str| is_readable_on_the_way(&Url::parse(url).unwrap());
        assert!(readable("http://w.example") && readable("http://10.0.0.1:9080"));
        for safe in ["https://w.example", "http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1"] {
            assert!(!readable(safe), "{safe}");
        }
    }

    #[test]
    fn ids_dates_and_keys_are_judged_by_their_letters() {
        for (good, bad) in [("0c1d-e2", ""), ("a.b", ".."), ("x", "a/b"), ("x~y", "a b"), ("1", "a%2Fb"), ("x", "é")] {
            assert!(is_id(good) && !is_id(bad), "{good} {bad}");
        }
        assert!(!is_id(&"a".repeat(257)));
        for bad in ["2024-8-25", "2024-13-01", "2024-00-10", "2024-01-32", "+024-01-01", "2024-08-25-1", "today", ""] {
            assert!(is_date("2024-08-25") && !is_date(bad), "{bad}");
        }
        assert!(is_key("sesame") && !is_key("") && !is_key("open sesame"));
    }
}
