//! The section of the configuration that describes one Twilio account, and all that can be wrong with it.
//!
//! No problem repeats the value that is wrong: people paste secrets into the wrong line.

use std::time::Duration;

use raconteur_conversation::policy::LoopGuard;
use reqwest::Url;
use serde::Deserialize;

use crate::client;
use crate::config::secret::Secret;
use crate::guard::Exceptions;

/// The longest time that making a connection may be allowed to take.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(60);

/// No break between texts is longer.
const LOOP_GUARD_WITHIN_MAX: Duration = Duration::from_secs(600);

/// One Twilio account and where it reaches us.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `AC` and 32 hexadecimal digits.
    pub account_sid: String,
    /// Signs Twilio's requests and, where no API key is set, authorises ours.
    pub auth_token: Secret,
    /// A second token whose signatures are accepted while the first is being rotated.
    #[serde(default)]
    pub previous_auth_token: Option<Secret>,
    /// `SK` and 32 hexadecimal digits: an API key for our requests instead of the auth token.
    #[serde(default)]
    pub api_key_sid: Option<String>,
    /// The API key's secret.
    #[serde(default)]
    pub api_key_secret: Option<Secret>,
    /// The URL under which Twilio reaches the gateway, `https://host[:port][/prefix]`, written exactly as in Twilio's console:
    /// it is part of what is signed.
    pub public_url: String,
    /// Twilio's API.
    #[serde(default = "default_base_url")]
    pub base_url: String,
    /// How long making a connection to Twilio may take.
    #[serde(default = "client::default_connect_timeout", with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// Whether media are looked at before they are sent, so that what Twilio would refuse goes as a link.
    #[serde(default = "default_media_check")]
    pub media_check: bool,
    /// Whether Twilio's log is read, after a start and after a refusal, for texts that no webhook has brought.
    #[serde(default = "default_catch_up")]
    pub catch_up: bool,
    /// After so many texts to one user, each within `loop_guard_within` of the one before, Twilio fails further ones (error 14107);
    /// 0 where it does not look.
    #[serde(default = "default_loop_guard_texts")]
    pub loop_guard_texts: u16,
    /// After a break of this length Twilio counts anew.
    #[serde(default = "default_loop_guard_within", with = "humantime_serde")]
    pub loop_guard_within: Duration,
    /// What may be asked for the sake of an address that is not of the configuration, although it is not public.
    #[serde(skip)]
    pub outbound: Exceptions,
}

fn default_base_url() -> String {
    "https://api.twilio.com".into()
}

fn default_media_check() -> bool {
    true
}

fn default_catch_up() -> bool {
    true
}

/// Twilio's documentation has had 15, 20 and 30 of it; the lowest is safe with all.
fn default_loop_guard_texts() -> u16 {
    15
}

fn default_loop_guard_within() -> Duration {
    Duration::from_secs(30)
}

impl Settings {
    /// An account that is reached at `public_url`, with everything else at its default.
    #[must_use]
    pub fn new(account_sid: &str, auth_token: Secret, public_url: &str) -> Self {
        Self {
            account_sid: account_sid.to_owned(),
            auth_token,
            previous_auth_token: None,
            api_key_sid: None,
            api_key_secret: None,
            public_url: public_url.to_owned(),
            base_url: default_base_url(),
            connect_timeout: client::default_connect_timeout(),
            media_check: default_media_check(),
            catch_up: default_catch_up(),
            loop_guard_texts: default_loop_guard_texts(),
            loop_guard_within: default_loop_guard_within(),
            outbound: Exceptions::default(),
        }
    }

    /// What Twilio takes for a loop, if it looks.
    pub(super) fn loop_guard(&self) -> Option<LoopGuard> {
        let (texts, within) = (self.loop_guard_texts, self.loop_guard_within);
        (texts > 0).then_some(LoopGuard { texts, within })
    }

    /// Everything that is wrong, one line each, beginning with the setting's name.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !is_sid(&self.account_sid, "AC") {
            problems
                .push("account_sid: must be AC and 32 hexadecimal digits, as on the first page of the console".into());
        }
        // An empty key would accept signatures that anybody can make.
        if self.auth_token.expose().is_empty() {
            problems.push("auth_token: is empty: copy it from the first page of the console".into());
        }
        if self.previous_auth_token.as_ref().is_some_and(|token| token.expose().is_empty()) {
            problems.push("previous_auth_token: is empty: leave it out unless the auth token is being rotated".into());
        }
        problems.extend(self.api_key_problem());
        problems.extend(check_url("public_url", &self.public_url));
        if Url::parse(&self.public_url).is_ok_and(|url| url.host_str().is_some_and(|host| host.contains('_'))) {
            problems
                .push("public_url: Twilio refuses a host name with an underscore (error 21609): use another".into());
        }
        problems.extend(check_url("base_url", &self.base_url));
        if self.connect_timeout.is_zero() || self.connect_timeout > CONNECT_TIMEOUT_MAX {
            problems.push(format!("connect_timeout: must be above 0 and at most {}s", CONNECT_TIMEOUT_MAX.as_secs()));
        }
        if (1..=2).contains(&self.loop_guard_texts) {
            problems.push("loop_guard_texts: must be at least 3, or 0 where Twilio does not look".into());
        }
        if self.loop_guard_within.is_zero() || self.loop_guard_within > LOOP_GUARD_WITHIN_MAX {
            problems
                .push(format!("loop_guard_within: must be above 0 and at most {}s", LOOP_GUARD_WITHIN_MAX.as_secs()));
        }
        problems
    }

    fn api_key_problem(&self) -> Option<String> {
        match (&self.api_key_sid, &self.api_key_secret) {
            (None, None) => None,
            (Some(_), None) => Some("api_key_secret: is missing: api_key_sid is of no use without it".into()),
            (None, Some(_)) => Some("api_key_sid: is missing: api_key_secret is of no use without it".into()),
            (Some(sid), Some(_)) if !is_sid(sid, "SK") => {
                Some("api_key_sid: must be SK and 32 hexadecimal digits, as the console shows it".into())
            }
            (Some(_), Some(secret)) if secret.expose().is_empty() => {
                Some("api_key_secret: is empty: the console shows it once, when the key is made".into())
            }
            (Some(_), Some(_)) => None,
        }
    }
}

fn is_sid(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|digits| {
        digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    })
}

/// The one thing that most needs saying about a URL that is not usable as it stands.
fn check_url(setting: &str, text: &str) -> Option<String> {
    let problem = |what: &str| Some(format!("{setting}: {what}: write https://host or https://host/prefix"));
    // The parser mends white space, backslashes and missing slashes; Twilio signs what was typed.
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return problem("has a character that no URL has");
    }
    let Some((_, rest)) = text.split_once("://").filter(|(scheme, _)| ["http", "https"].contains(scheme)) else {
        return problem("must begin with https:// or http://");
    };
    let Ok(url) = Url::parse(text) else {
        return problem("is not a URL");
    };
    if rest.starts_with('/') || url.host_str().is_none_or(str::is_empty) {
        return problem("has no host");
    }
    if text.contains(['?', '#']) {
        return problem("must have neither a query nor a fragment");
    }
    if rest.split('/').next().is_some_and(|authority| authority.contains('@')) {
        return problem("must not hold a user name or password");
    }
    None
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::transport::twilio) const ACCOUNT: &str = "AC11111111111111111111111111111111";
    pub(in crate::transport::twilio) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    pub(in crate::transport::twilio) fn settings() -> Settings {
        Settings {
            account_sid: ACCOUNT.into(),
            auth_token: Secret::new(TOKEN),
            previous_auth_token: None,
            api_key_sid: None,
            api_key_secret: None,
            public_url: "https://sms.example.com".into(),
            base_url: default_base_url(),
            connect_timeout: client::default_connect_timeout(),
            media_check: default_media_check(),
            catch_up: default_catch_up(),
            loop_guard_texts: default_loop_guard_texts(),
            loop_guard_within: default_loop_guard_within(),
            outbound: Exceptions::default(),
        }
    }

    #[test]
    fn good_settings_have_no_problems() {
        let urls = [
            "https://sms.example.com/",
            "http://127.0.0.1:8080/a/b",
            "https://[2001:db8::1]:8443",
            "https://A.example",
        ];
        for public_url in urls {
            let settings = Settings { public_url: public_url.into(), ..settings() };
            assert_eq!(settings.problems(), Vec::<String>::new(), "{public_url}");
        }
    }

    #[test]
    fn every_problem_is_reported_at_once_and_no_value_is_repeated() {
        let bad = Settings {
            account_sid: "AC-secret-by-mistake".into(),
            auth_token: Secret::new(""),
            previous_auth_token: Some(Secret::new("")),
            api_key_sid: Some("SK1".into()),
            api_key_secret: Some(Secret::new("hush")),
            public_url: "https://my_host.example".into(),
            base_url: "ftp://api.twilio.com".into(),
            connect_timeout: Duration::ZERO,
            media_check: false,
            catch_up: false,
            loop_guard_texts: 2,
            loop_guard_within: Duration::ZERO,
            outbound: Exceptions::default(),
        };
        let problems = bad.problems();
        let names: Vec<&str> = problems.iter().filter_map(|problem| problem.split(':').next()).collect();
        let all = [
            "account_sid",
            "auth_token",
            "previous_auth_token",
            "api_key_sid",
            "public_url",
            "base_url",
            "connect_timeout",
            "loop_guard_texts",
            "loop_guard_within",
        ];
        assert_eq!(names, all);
        assert!(
            problems.iter().all(|problem| !problem.contains("mistake") && !problem.contains("hush")),
            "{problems:?}"
        );
    }

    #[test]
    fn urls_that_twilio_could_not_use_are_refused() {
        let bad = [
            "sms.example.com",
            "https:sms.example.com",
            "https:///x",
            "https://",
            "https://h?x=1",
            "https://h/#rc=2",
            "https://user:pw@h",
            "https://h:99999",
            "https://h ost",
            "https:\\\\h",
            "HTTPS://h",
            " https://h",
            "https://hé",
        ];
        for public_url in bad {
            let settings = Settings { public_url: public_url.into(), ..settings() };
            let problems = settings.problems();
            assert!(problems.len() == 1 && problems[0].starts_with("public_url: "), "{public_url}: {problems:?}");
        }
    }

    #[test]
    fn half_an_api_key_is_refused() {
        let sid = Settings { api_key_sid: Some(ACCOUNT.replace("AC", "SK")), ..settings() };
        let secret = Settings { api_key_secret: Some(Secret::new("s")), ..settings() };
        let empty = Settings { api_key_secret: Some(Secret::new("")), ..sid.clone() };
        assert!(sid.problems()[0].starts_with("api_key_secret: is missing"));
        assert!(secret.problems()[0].starts_with("api_key_sid: is missing"));
        assert!(empty.problems()[0].starts_with("api_key_secret: is empty"));
    }

    #[test]
    fn settings_are_read_from_toml_with_defaults_and_without_surprises() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, format!("{TOKEN}\n")).unwrap();
        let text = format!(
            "account_sid = \"{ACCOUNT}\"\nauth_token = {{ file = {path:?} }}\npublic_url = \"https://sms.example.com\"\n"
        );
        let read: Settings = toml::from_str(&text).unwrap();
        assert_eq!((read.base_url.as_str(), read.connect_timeout), ("https://api.twilio.com", Duration::from_secs(5)));
        assert_eq!(read.auth_token.expose(), TOKEN);
        assert!(!format!("{read:?}").contains(TOKEN));
        let slower: Settings = toml::from_str(&format!("{text}connect_timeout = \"250ms\"\n")).unwrap();
        assert_eq!(slower.connect_timeout, Duration::from_millis(250));
        let unchecked: Settings = toml::from_str(&format!("{text}media_check = false\n")).unwrap();
        assert!(read.media_check && !unchecked.media_check);
        let lax: Settings = toml::from_str(&format!("{text}catch_up = false\n")).unwrap();
        assert!(read.catch_up && !lax.catch_up);
        assert_eq!(read.loop_guard(), Some(LoopGuard { texts: 15, within: Duration::from_secs(30) }));
        let unguarded: Settings = toml::from_str(&format!("{text}loop_guard_texts = 0\n")).unwrap();
        assert_eq!(unguarded.loop_guard(), None);
        assert!(toml::from_str::<Settings>(&format!("{text}colour = \"red\"\n")).is_err());
    }
}
