//! The section of the configuration that describes one sink, and all that can be wrong with it; and the rules that come of it.
//!
//! No problem repeats the value that is wrong: people paste secrets into the wrong line.

use std::path::PathBuf;
use std::time::Duration;

use raconteur_conversation::retry::Backoff;
use reqwest::Url;
use serde::Deserialize;

use super::http::Frame;
use super::texts::Texts;
use super::webhook;
use crate::client;
use crate::config::secret::Secret;

/// How many events of a sink may wait in memory to be written down.
const QUEUE_MAX: usize = 10_000;

/// At this size a segment of the spool is closed.
const SEGMENT_MAX_BYTES: u64 = 1024 * 1024;

/// The waits after attempts that failed.
const BACKOFF: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(300) };

/// Where reports go and what is in them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The whole address that events are posted to.
    pub url: String,
    /// Proves who we are: as `Bearer` to a JSON sink, as `Splunk` to a collector of Splunk's, which always wants one.
    #[serde(default)]
    pub token: Option<Secret>,
    /// A name, for Basic authorisation with a JSON sink.
    #[serde(default)]
    pub username: Option<String>,
    /// Its password.
    #[serde(default)]
    pub password: Option<Secret>,
    /// With what a webhook's events are signed: `whsec_` and at least 24 bytes as Base64.
    #[serde(default)]
    pub secret: Option<Secret>,
    /// What the events say they come from; Splunk gets `raconteur` where nothing is set.
    #[serde(default)]
    pub source: Option<String>,
    /// Splunk's index; where nothing is set, the token's own.
    #[serde(default)]
    pub index: Option<String>,
    /// What Splunk shows as the host; where nothing is set, what it sees by itself.
    #[serde(default)]
    pub host: Option<String>,
    /// How often what has happened is handed over.
    #[serde(default = "default_interval", with = "humantime_serde")]
    pub interval: Duration,
    /// How many events one POST has at most.
    #[serde(default = "default_batch_max")]
    pub batch_max: usize,
    /// Whether single texts and what becomes of them are reported.
    #[serde(default = "yes")]
    pub transcripts: bool,
    /// Whether totals are reported.
    #[serde(default = "yes")]
    pub usage: bool,
    /// How much of what was said is repeated.
    #[serde(default)]
    pub texts: Texts,
    /// The directory of what could not be handed over yet; beside the store where nothing is set.
    #[serde(default)]
    pub spool: Option<PathBuf>,
    /// How much it may hold; above that its oldest events are dropped.
    #[serde(default = "default_spool_max_bytes")]
    pub spool_max_bytes: u64,
    /// How long one POST may take.
    #[serde(default = "default_timeout", with = "humantime_serde")]
    pub timeout: Duration,
    /// How long a connection may take to come about.
    #[serde(default = "client::default_connect_timeout", with = "humantime_serde")]
    pub connect_timeout: Duration,
}

fn default_interval() -> Duration {
    Duration::from_secs(10)
}

fn default_batch_max() -> usize {
    500
}

fn yes() -> bool {
    true
}

fn default_spool_max_bytes() -> u64 {
    100 * 1024 * 1024
}

fn default_timeout() -> Duration {
    Duration::from_secs(10)
}

/// By which rules events are gathered, kept and handed over. A program may set what no configuration can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How often what has happened is handed over.
    pub interval: Duration,
    /// How many events a batch has at most.
    pub batch_max: usize,
    /// Whether single texts and what becomes of them are reported.
    pub transcripts: bool,
    /// Whether totals are reported.
    pub usage: bool,
    /// Whether it is reported what happens, as operators are told it, in place of both.
    pub happenings: bool,
    /// How much of what was said is repeated.
    pub texts: Texts,
    /// The directory of what could not be handed over yet.
    pub spool: PathBuf,
    /// How much it may hold; above that its oldest events are dropped.
    pub spool_max_bytes: u64,
    /// At this size a segment of the spool is closed, and may be handed over before the interval is over.
    pub segment_max_bytes: u64,
    /// How many events may wait in memory to be written down; further ones are dropped and counted.
    pub queue_max: usize,
    /// How long one batch may take.
    pub timeout: Duration,
    /// The waits after attempts that failed.
    pub backoff: Backoff,
}

impl Rules {
    /// The rules that hold where nothing else is said.
    #[must_use]
    pub fn new(spool: PathBuf) -> Self {
        Self {
            interval: default_interval(),
            batch_max: default_batch_max(),
            transcripts: true,
            usage: true,
            happenings: false,
            texts: Texts::Full,
            spool,
            spool_max_bytes: default_spool_max_bytes(),
            segment_max_bytes: SEGMENT_MAX_BYTES,
            queue_max: QUEUE_MAX,
            timeout: default_timeout(),
            backoff: BACKOFF,
        }
    }
}

impl Settings {
    /// One POST for each event, and of what happens instead of what was said.
    pub(super) fn tell_each(&mut self) {
        (self.batch_max, self.transcripts, self.usage) = (1, false, false);
    }

    /// The rules of these settings; `beside` is the spool's directory where none is set.
    pub(super) fn rules(&self, beside: PathBuf) -> Rules {
        Rules {
            interval: self.interval,
            batch_max: self.batch_max,
            transcripts: self.transcripts,
            usage: self.usage,
            happenings: self.secret.is_some(),
            texts: self.texts,
            spool_max_bytes: self.spool_max_bytes,
            timeout: self.timeout,
            ..Rules::new(self.spool.clone().unwrap_or(beside))
        }
    }

    /// What whoever sets it up should know.
    pub(super) fn advice(&self, frame: Frame) -> Vec<String> {
        let mut advice = Vec::new();
        let Ok(url) = Url::parse(&self.url) else { return advice };
        if client::is_readable_on_the_way(&url) {
            advice.push("the url is http: credentials and every text can be read on the way".into());
        }
        if frame == Frame::SplunkHec && url.path() == "/" {
            advice.push("the url has no path: a collector of Splunk's is at /services/collector/event".into());
        }
        advice
    }

    /// Everything that is wrong, one line each, beginning with the setting's name.
    pub(super) fn problems(&self, frame: Frame) -> Vec<String> {
        let mut problems: Vec<String> = url_problem(&self.url).into_iter().collect();
        problems.extend(self.credential_problems(frame).into_iter().map(str::to_owned));
        let mut expect = |holds: bool, problem: &str| {
            if !holds {
                problems.push(problem.to_owned());
            }
        };
        if frame == Frame::Json {
            expect(self.index.is_none(), "index is of no use with kind json: leave it out");
            expect(self.host.is_none(), "host is of no use with kind json: leave it out");
        }
        if frame == Frame::Webhook {
            expect(
                self.index.is_none() && self.host.is_none(),
                "index and host are of no use with kind webhook: leave them out",
            );
            let secret = self.secret.as_ref();
            expect(secret.is_some(), "secret is missing: a webhook's events are signed with it");
            let problem = "secret is not whsec_ and 24 to 64 bytes as Base64: make one with `openssl rand -base64 32`";
            expect(secret.is_none_or(|secret| webhook::key(secret).is_some()), problem);
        } else {
            expect(self.secret.is_none(), "secret is of use with kind webhook only: leave it out");
        }
        for (text, problem) in [
            (&self.source, "source is empty or too long: give it 1 to 200 characters, or leave it out"),
            (&self.index, "index is empty or too long: give it 1 to 200 characters, or leave it out"),
            (&self.host, "host is empty or too long: give it 1 to 200 characters, or leave it out"),
        ] {
            expect(text.as_ref().is_none_or(|text| (1..=200).contains(&text.len())), problem);
        }
        let (millis, secs) = (Duration::from_millis, Duration::from_secs);
        let within = |value: Duration, low: Duration, high: Duration| (low..=high).contains(&value);
        let interval = within(self.interval, secs(1), secs(3_600));
        expect(interval, "interval is out of range: choose between 1s and 1h");
        expect((1..=10_000).contains(&self.batch_max), "batch_max is out of range: choose between 1 and 10000");
        let spool = self.spool.as_ref().is_none_or(|path| !path.as_os_str().is_empty());
        expect(spool, "spool is empty: name a directory, or leave it out");
        // Below that there is no room for an open segment beside a closed one.
        expect(
            (4 * SEGMENT_MAX_BYTES..=1 << 40).contains(&self.spool_max_bytes),
            "spool_max_bytes is out of range: choose between 4194304 (4 MiB) and 1099511627776 (1 TiB)",
        );
        let timeout = within(self.timeout, millis(100), secs(300));
        expect(timeout, "timeout is out of range: choose between 100ms and 5m");
        problems.extend(client::connect_timeout_problem(self.connect_timeout));
        problems
    }

    fn credential_problems(&self, frame: Frame) -> Vec<&'static str> {
        let mut problems = Vec::new();
        if self.token.as_ref().is_some_and(|token| !token.can_be_key()) {
            problems.push("token is empty or has a character that no token has: copy it again");
        }
        if frame == Frame::SplunkHec {
            if self.token.is_none() {
                problems.push("token is missing: a collector of Splunk's wants one");
            }
            if self.username.is_some() || self.password.is_some() {
                problems.push("username and password are of no use with kind splunk_hec: leave them out");
            }
            return problems;
        }
        match (&self.username, &self.password) {
            (None, None) => {}
            (Some(_), None) => problems.push("password is missing: username is of no use without it"),
            (None, Some(_)) => problems.push("username is missing: password is of no use without it"),
            (Some(_), Some(_)) if self.token.is_some() => {
                problems.push("token and username are both set: choose one of them");
            }
            (Some(name), Some(_)) if name.is_empty() || name.contains([':', '\r', '\n']) => {
                problems.push("username is empty or has a colon in it: Basic authorisation knows no such name");
            }
            (Some(_), Some(_)) => {}
        }
        problems
    }
}

/// What is wrong with the address is said without quoting it, since people paste keys into addresses.
fn url_problem(text: &str) -> Option<String> {
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => return Some(format!("url is no address ({error}): write it whole, with its path")),
    };
    if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
        return Some("url must begin with https://".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("url holds credentials: move them to token, or to username and password".into());
    }
    url.fragment().map(|_| "url must end before any #: nothing behind it is ever sent".into())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Good settings for either kind.
    pub(in crate::reporting) fn settings(url: &str) -> Settings {
        toml::from_str::<Settings>(&format!("url = {url:?}")).unwrap()
    }

    fn json(change: impl FnOnce(&mut Settings)) -> Vec<String> {
        let mut settings = settings("https://r.example/in");
        change(&mut settings);
        settings.problems(Frame::Json)
    }

    #[test]
    fn good_settings_have_no_problems_and_the_documented_defaults() {
        assert_eq!(json(|_| ()), [""; 0]);
        let rules = settings("https://r.example/in?x=1").rules("data.reports/audit".into());
        assert_eq!(rules, Rules::new("data.reports/audit".into()));
        let hec =
            Settings { token: Some(Secret::new("t")), ..settings("https://s.example:8088/services/collector/event") };
        assert_eq!(hec.problems(Frame::SplunkHec), [""; 0]);
        assert_eq!(hec.advice(Frame::SplunkHec), [""; 0]);
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once_and_nothing_is_quoted() {
        let problems = json(|settings| {
            settings.url = "ftp://sesame.example".into();
            settings.token = Some(Secret::new("open sesame"));
            settings.username = Some("sesame".into());
            settings.index = Some("sesame".into());
            settings.host = Some(String::new());
            settings.interval = Duration::from_millis(999);
            settings.batch_max = 0;
            settings.spool = Some(PathBuf::new());
            settings.spool_max_bytes = 1_024;
            settings.timeout = Duration::ZERO;
            settings.connect_timeout = Duration::from_secs(61);
        });
        let named: Vec<&str> = problems.iter().filter_map(|problem| problem.split(' ').next()).collect();
        let all = [
            "url",
            "token",
            "password",
            "index",
            "host",
            "host",
            "interval",
            "batch_max",
            "spool",
            "spool_max_bytes",
            "timeout",
            "connect_timeout",
        ];
        assert_eq!(named, all, "{problems:#?}");
        assert!(problems.iter().all(|problem| !problem.contains("sesame")), "{problems:#?}");
    }

    #[test]
    fn credentials_must_suit_the_kind() {
        let secret = || Some(Secret::new("s"));
        let name = |name: &str| Some(name.to_owned());
        let starts = |problems: &[String], expected: &str| {
            assert!(problems.len() == 1 && problems[0].starts_with(expected), "{expected}: {problems:?}");
        };
        starts(&json(|settings| settings.password = secret()), "username is missing");
        let both = |settings: &mut Settings| (settings.username, settings.password) = (name("ada"), secret());
        assert_eq!(json(both), [""; 0]);
        starts(&json(|settings| (both(settings), settings.token = secret()).1), "token and username are both set");
        starts(&json(|settings| (both(settings), settings.username = name("a:b")).1), "username is empty or has");
        let hec = settings("https://s.example/services/collector/event");
        starts(&hec.problems(Frame::SplunkHec), "token is missing");
        let hec = Settings { token: secret(), username: name("ada"), ..hec };
        starts(&hec.problems(Frame::SplunkHec), "username and password are of no use");
    }

    #[test]
    fn a_wrong_address_is_refused_without_being_quoted() {
        let table = [
            ("", "url is no address"),
            ("r.example", "url is no address"),
            ("ftp://r.example", "url must begin with https://"),
            ("https://ada:sesame@r.example", "url holds credentials"),
            ("https://r.example/#sesame", "url must end before any #"),
        ];
        for (url, expected) in table {
            let problems = settings(url).problems(Frame::Json);
            assert!(problems.len() == 1 && problems[0].starts_with(expected), "{url}: {problems:?}");
            assert!(!problems[0].contains("sesame"));
        }
    }

    #[test]
    fn advice_is_given_where_texts_can_be_read_and_where_a_path_is_missing() {
        let plain = settings("http://10.0.0.1:8088");
        assert_eq!(plain.advice(Frame::SplunkHec).len(), 2);
        assert_eq!(plain.advice(Frame::Json).len(), 1);
        for safe in ["https://r.example", "http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1"] {
            assert_eq!(settings(safe).advice(Frame::Json), [""; 0], "{safe}");
        }
    }
}
