//! The sections of the process itself: server, store, log and engine, with their defaults and their limits.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};
#[cfg(feature = "cli")]
use tracing_subscriber::filter::{EnvFilter, ParseError};

use super::checks::{Checks, days, millis, secs};
use super::secret::Secret;
use super::token::{self, Credential};
use crate::guard::{Exceptions, Network};
use crate::tls::TlsFiles;

/// `[server]`: where HTTP is listened to, and how much of it at once.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// The address and port to listen on; port 0 takes any free one.
    #[serde(deserialize_with = "socket_address")]
    pub listen: SocketAddr,
    /// The largest request body that is read, in bytes; a larger one gets 413.
    pub body_max_bytes: usize,
    /// A request that is not answered after this long gets 503.
    #[serde(with = "humantime_serde")]
    pub request_timeout: Duration,
    /// How many requests of providers are worked on at once; one more gets 503.
    pub requests_max: usize,
    /// How many requests to the REST interface are worked on at once; one more gets 503.
    pub control_requests_max: usize,
    /// Further paths under which something of ours is found: `"/sms.receiver/SmsRecv" = "/channels/twilio/inbound"`.
    pub aliases: BTreeMap<String, String>,
    /// How many connections may be open at once; one more waits until another has closed.
    pub connections_max: usize,
    /// How long a client may take to send the head of its next request, the wait for it included; then its connection is closed.
    #[serde(with = "humantime_serde")]
    pub header_timeout: Duration,
    /// The largest head of a request, in bytes; a larger one gets 431.
    pub header_max_bytes: usize,
    /// How many requests of one client may be refused (401, 403) in a minute; further ones get 429.
    pub refusals_max: u32,
    /// The proxies whose word on a client's address (`X-Forwarded-For`) is taken.
    pub trusted_proxies: Vec<Network>,
    /// What may be asked for the sake of an address that is not of the configuration, although it is not public.
    pub outbound_allow: Exceptions,
    /// Whether what asks nobody who he is (the simulated phone, the metrics) is open to other machines.
    pub open_beyond_loopback: bool,
    /// Whoever has this may read the metrics, from wherever; without it, only this machine may.
    pub metrics_token: Option<Secret>,
    /// Who may use the console and the operators' interface; as long as there is nobody, whoever is on this machine.
    pub operators: Vec<Credential>,
    /// By which certificate HTTPS is spoken; without it, plain HTTP is.
    pub tls: Option<TlsFiles>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            body_max_bytes: 64 * 1_024,
            request_timeout: secs(10),
            requests_max: 4_096,
            control_requests_max: 256,
            aliases: BTreeMap::new(),
            connections_max: 8_192,
            header_timeout: secs(20),
            header_max_bytes: 16 * 1_024,
            refusals_max: 60,
            trusted_proxies: Vec::new(),
            outbound_allow: Exceptions::default(),
            open_beyond_loopback: false,
            metrics_token: None,
            operators: Vec::new(),
            tls: None,
        }
    }
}

impl ServerConfig {
    pub(super) fn check(&self, checks: &mut Checks<'_>) {
        checks.number("body_max_bytes", self.body_max_bytes, 1_024..=16 * 1_024 * 1_024);
        checks.duration("request_timeout", self.request_timeout, millis(100)..=secs(300));
        checks.number("requests_max", self.requests_max, 1..=1_000_000);
        checks.number("control_requests_max", self.control_requests_max, 1..=1_000_000);
        checks.number("connections_max", self.connections_max, 1..=1_000_000);
        checks.duration("header_timeout", self.header_timeout, millis(100)..=secs(300));
        checks.number("header_max_bytes", self.header_max_bytes, 8 * 1_024..=1_024 * 1_024);
        checks.number("refusals_max", self.refusals_max, 1..=60_000);
        token::check(checks, "operators", &self.operators);
        if let Some(Err((key, problem))) = self.tls.as_ref().map(TlsFiles::load) {
            checks.fail(&format!("tls.{key}"), problem);
        }
        for (alias, target) in &self.aliases {
            let is_path = |path: &str| path.starts_with('/') && !path.contains(['?', '#', ' ', '%', '{', '}']);
            if !is_path(alias) || !is_path(target) || self.aliases.contains_key(target) {
                let message = format!("`{alias}` must be a path that begins with / and stand for another path of ours");
                checks.fail("aliases", message);
            }
        }
    }
}

fn socket_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(|_| {
        de::Error::custom(
            "expected an IP address and a port from 0 to 65535, such as \"127.0.0.1:8080\" or \"[::]:8080\"",
        )
    })
}

/// Where conversations are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// On this machine's disk.
    Sled,
    /// In memory: all is lost at the end of the process.
    Memory,
}

/// `[store]`: where conversations are kept, and how much may pile up.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// `sled` keeps them on disk, `memory` loses all at the end.
    pub kind: StoreKind,
    /// The directory of the store, from the working directory; one process at a time.
    pub path: PathBuf,
    /// How much of the store is held in memory, in bytes.
    pub cache_bytes: u64,
    /// Once its journal has so many bytes, what is in it is brought to where it stays. With more of them what is written again and again is
    /// brought there more rarely, and a start after a hard stop takes longer.
    pub journal_bytes: u64,
    /// How many unread texts one conversation may have; one more gets 503.
    pub inbox_max: usize,
    /// How many unread texts all conversations may have together; one more gets 503.
    pub backlog_max: usize,
    /// With less disk space than this left, in bytes, texts get 503; 0 never looks.
    pub min_free_bytes: u64,
    /// How long a text is remembered so that a repetition is known as one.
    #[serde(with = "humantime_serde")]
    pub duplicates_kept: Duration,
    /// How long one batch may take to be written; after that the process ends with a failure.
    #[serde(with = "humantime_serde")]
    pub write_timeout: Duration,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            kind: StoreKind::Sled,
            path: PathBuf::from("./data"),
            cache_bytes: 12 * 1_024 * 1_024,
            journal_bytes: 8 * 1_024 * 1_024,
            inbox_max: 100,
            backlog_max: 100_000,
            min_free_bytes: 256 * 1_024 * 1_024,
            duplicates_kept: days(3),
            write_timeout: secs(30),
        }
    }
}

impl StoreConfig {
    pub(super) fn check(&self, checks: &mut Checks<'_>) {
        if self.path.as_os_str().is_empty() {
            checks.fail("path", "`path` is empty: name a directory such as \"./data\"");
        }
        checks.number("cache_bytes", self.cache_bytes, 1_024 * 1_024..=1 << 40);
        checks.number("journal_bytes", self.journal_bytes, 64 * 1_024..=1 << 30);
        checks.number("inbox_max", self.inbox_max, 1..=100_000);
        checks.number("backlog_max", self.backlog_max, 1..=100_000_000);
        if self.backlog_max >= 1 && self.inbox_max > self.backlog_max {
            let message = "`inbox_max` of one conversation is more than `backlog_max` of all: make it at most that";
            checks.fail("inbox_max", message);
        }
        checks.number("min_free_bytes", self.min_free_bytes, 0..=1 << 50);
        checks.duration("duplicates_kept", self.duplicates_kept, secs(60)..=days(30));
        checks.duration("write_timeout", self.write_timeout, millis(100)..=secs(3_600));
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line each, for people.
    Text,
    /// One JSON object each, for machines.
    Json,
}

/// `[log]`: what is logged, to standard error.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// off, error, warn, info, debug or trace; also by module, as in "info,raconteur=debug".
    pub level: String,
    /// `text` for people, `json` for machines.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::Text }
    }
}

impl LogConfig {
    pub(super) fn check(&self, checks: &mut Checks<'_>) {
        let levels = ["off", "error", "warn", "info", "debug", "trace"];
        let known = |word: &str| levels.iter().any(|level| level.eq_ignore_ascii_case(word.trim()));
        // A bare word that is no level would be taken for a module's name, and a slip such as `inof` would pass.
        let mut directives = self.level.split(',');
        let is_known = directives.all(|directive| directive.contains(['=', '[']) || known(directive));
        if !is_known {
            checks.fail(
                "level",
                format!("expected one of {}, or a list such as \"info,raconteur=debug\"", levels.join(", ")),
            );
        }
        #[cfg(feature = "cli")]
        if is_known && let Err(error) = self.filter() {
            checks.fail(
                "level",
                format!(
                    "not understood ({error}): write a level such as info, or a list such as \"info,raconteur=debug\""
                ),
            );
        }
    }

    /// The filter that the level describes.
    #[cfg(feature = "cli")]
    pub(crate) fn filter(&self) -> Result<EnvFilter, ParseError> {
        EnvFilter::builder().parse(&self.level)
    }
}

/// `[engine]`: how conversations come and go.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineConfig {
    /// A conversation with nothing to do for this long leaves memory; it stays in the store.
    #[serde(with = "humantime_serde")]
    pub idle_after: Duration,
    /// How many conversations are in memory at once; further ones wait in the store.
    pub max_resident: usize,
    /// How long turns under way may take to finish at shutdown.
    #[serde(with = "humantime_serde")]
    pub drain_timeout: Duration,
    /// How often the store is searched for work that nobody was told of.
    #[serde(with = "humantime_serde")]
    pub sweep_every: Duration,
    /// How long after a text was refused the provider's log is read for it.
    #[serde(with = "humantime_serde")]
    pub catch_up_after: Duration,
    /// After so long without a sign of life from its own threads the process ends with a failure.
    #[serde(with = "humantime_serde")]
    pub stall_timeout: Duration,
    /// How long one round through all conversations takes, in search of what is older than `transcripts_kept`.
    #[serde(with = "humantime_serde")]
    pub expire_every: Duration,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            idle_after: secs(30),
            max_resident: 100_000,
            drain_timeout: secs(30),
            sweep_every: secs(1),
            catch_up_after: secs(5),
            stall_timeout: secs(60),
            expire_every: days(1),
        }
    }
}

impl EngineConfig {
    pub(super) fn check(&self, checks: &mut Checks<'_>) {
        checks.duration("idle_after", self.idle_after, millis(100)..=days(1));
        checks.number("max_resident", self.max_resident, 1..=10_000_000);
        checks.duration("drain_timeout", self.drain_timeout, millis(100)..=secs(3_600));
        checks.duration("sweep_every", self.sweep_every, millis(10)..=secs(3_600));
        checks.duration("catch_up_after", self.catch_up_after, millis(10)..=secs(3_600));
        checks.duration("stall_timeout", self.stall_timeout, secs(1)..=secs(3_600));
        checks.duration("expire_every", self.expire_every, secs(60)..=days(30));
    }
}
