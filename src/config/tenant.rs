//! `[[tenants]]`: one of our numbers, who carries its texts, who answers them, and by which rules.

use std::time::Duration;

use raconteur_actors::lane::LaneLimits;
use raconteur_conversation::address::Address;
use raconteur_conversation::policy::{
    AskPolicy, DoubtPolicy, FloodLimit, Gather, Greeting, InboundStart, KeywordHandling, KeywordPolicy, Policy,
    SendPolicy, TimeoutTurn,
};
use raconteur_conversation::retry::Backoff;
use serde::Deserialize;

use super::checks::{Checks, days, millis, secs};
use super::quiet::QuietKeys;
use super::secret::Secret;
use super::token::{self, Credential, TokenHash};

/// The largest context that may be asked for, in bytes: a conversation's record has room for it, and for all else that belongs there.
const CONTEXT_MAX: usize = 1_024 * 1_024;
const _: () = assert!(CONTEXT_MAX + 512 * 1_024 <= raconteur_storage::SNAPSHOT_MAX);

/// One tenant.
#[derive(Clone, Debug, PartialEq)]
pub struct TenantConfig {
    /// Our number.
    pub number: Address,
    /// The name of the channel that carries its texts.
    pub channel: String,
    /// The name of the assistant that answers.
    pub assistant: String,
    /// The rules of its conversations. What depends on the transport (`text_max`, `media_max`, `repeat`) is still at its default.
    pub policy: Policy,
    /// How much is done for it at once.
    pub lane: LaneLimits,
    /// Who may control its sessions by REST; nobody, where nothing is set.
    pub control: ControlConfig,
    /// The name of the report sink that gets its transcripts and its usage.
    pub report: Option<String>,
    /// The name of the report sink of kind webhook that is told of what happens.
    pub events: Option<String>,
    /// Where it begins in the configuration.
    pub place: String,
}

/// `[tenants.control]`: how a caller of the REST interface proves that he may.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ControlConfig {
    /// A name, for Basic authorisation.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// A token, for Bearer authorisation.
    pub token: Option<Secret>,
    /// The hash of a token, in its stead: then the configuration holds no secret.
    pub token_sha256: Option<TokenHash>,
    /// Further tokens, each with what it may do.
    pub tokens: Vec<Credential>,
}

/// The keys of one `[[tenants]]` section as they are written.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TenantKeys {
    pub(super) number: Option<Address>,
    pub(super) channel: Option<String>,
    pub(super) assistant: Option<String>,
    pub(super) report: Option<String>,
    pub(super) events: Option<String>,
    #[serde(with = "humantime_serde")]
    session_timeout: Duration,
    inbound_start: bool,
    greeting: GreetingKey,
    timeout_turn: bool,
    #[serde(with = "humantime_serde")]
    timeout_turn_grace: Duration,
    max_chained_turns: u8,
    failure_message: String,
    options_prefix: String,
    suggestions_prefix: String,
    #[serde(with = "humantime_serde")]
    answer_within: Duration,
    max_context_bytes: usize,
    outbox_max: usize,
    poison_attempts: u8,
    turns_max: u32,
    #[serde(with = "humantime_serde")]
    turns_within: Duration,
    #[serde(with = "humantime_serde::option")]
    gather: Option<Duration>,
    #[serde(with = "humantime_serde")]
    gather_max: Duration,
    #[serde(with = "humantime_serde::option")]
    transcripts_kept: Option<Duration>,
    ask: AskKeys,
    send: SendKeys,
    lane: LaneKeys,
    control: ControlConfig,
    keywords: KeywordKeys,
    quiet_hours: Option<QuietKeys>,
}

#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct KeywordKeys {
    obeyed: bool,
    stop_message: Option<String>,
    start_message: Option<String>,
    help_message: Option<String>,
}

impl Default for KeywordKeys {
    fn default() -> Self {
        let KeywordPolicy { handling, stop_message, start_message, help_message } = KeywordPolicy::default();
        Self { obeyed: handling == KeywordHandling::Obeyed, stop_message, start_message, help_message }
    }
}

impl KeywordKeys {
    fn check(&self, checks: &mut Checks<'_>) {
        let messages = [
            ("keywords.stop_message", &self.stop_message),
            ("keywords.start_message", &self.start_message),
            ("keywords.help_message", &self.help_message),
        ];
        for (key, message) in messages {
            checks.length(key, message.as_deref().unwrap_or_default(), 1_600);
        }
    }

    fn into_policy(self) -> KeywordPolicy {
        let Self { obeyed, stop_message, start_message, help_message } = self;
        let handling = if obeyed { KeywordHandling::Obeyed } else { KeywordHandling::LeftToTheAssistant };
        KeywordPolicy { handling, stop_message, start_message, help_message }
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum GreetingKey {
    Direct,
    Welcome,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct AskKeys {
    #[serde(with = "humantime_serde")]
    timeout: Duration,
    retries: u32,
    #[serde(with = "humantime_serde")]
    interval: Duration,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SendKeys {
    #[serde(with = "humantime_serde")]
    timeout: Duration,
    #[serde(with = "humantime_serde")]
    valid_for: Duration,
    retries: Option<u32>,
    #[serde(with = "humantime_serde")]
    backoff_first: Duration,
    #[serde(with = "humantime_serde")]
    backoff_longest: Duration,
    #[serde(with = "humantime_serde")]
    pause: Duration,
    #[serde(with = "humantime_serde")]
    reconcile_after: Duration,
    #[serde(with = "humantime_serde")]
    reconcile_for: Duration,
    doubt: DoubtKey,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum DoubtKey {
    GiveUp,
    Resend,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LaneKeys {
    asks_max: usize,
    sends_max: usize,
    segments_per_second: Option<f64>,
    burst_segments: Option<u32>,
}

impl Default for TenantKeys {
    fn default() -> Self {
        let Policy {
            assistant: _,
            session_timeout,
            failure_message,
            options_prefix,
            suggestions_prefix,
            inbound_start,
            greeting,
            timeout_turn,
            timeout_turn_grace,
            max_chained_turns,
            switchable: _,
            keywords: _,
            ask: _,
            send: _,
            answer_within,
            max_context,
            outbox_max,
            poison_attempts,
            flood,
            gather: _,
            quiet_hours: _,
            transcripts_kept,
        } = Policy::default();
        let FloodLimit { turns: turns_max, within: turns_within } = flood.expect("users are limited by default");
        Self {
            number: None,
            channel: None,
            assistant: None,
            report: None,
            events: None,
            session_timeout,
            inbound_start: inbound_start == InboundStart::Allowed,
            greeting: match greeting {
                Greeting::Direct => GreetingKey::Direct,
                Greeting::Welcome => GreetingKey::Welcome,
            },
            timeout_turn: timeout_turn == TimeoutTurn::Yes,
            timeout_turn_grace,
            max_chained_turns,
            failure_message,
            options_prefix,
            suggestions_prefix,
            answer_within,
            max_context_bytes: max_context,
            outbox_max,
            poison_attempts,
            turns_max,
            turns_within,
            gather: None,
            gather_max: secs(10),
            transcripts_kept,
            ask: AskKeys::default(),
            send: SendKeys::default(),
            lane: LaneKeys::default(),
            control: ControlConfig::default(),
            keywords: KeywordKeys::default(),
            quiet_hours: None,
        }
    }
}

impl Default for AskKeys {
    fn default() -> Self {
        let AskPolicy { timeout, retries, interval } = Policy::default().ask;
        Self { timeout, retries, interval }
    }
}

impl Default for SendKeys {
    fn default() -> Self {
        let SendPolicy {
            timeout,
            valid_for,
            retries,
            backoff,
            pause,
            reconcile_after,
            reconcile_for,
            doubt,
            text_max: _,
            media_max: _,
            repeat: _,
            media_check: _,
            loop_guard: _,
        } = Policy::default().send;
        let doubt = match doubt {
            DoubtPolicy::GiveUp => DoubtKey::GiveUp,
            DoubtPolicy::Resend => DoubtKey::Resend,
        };
        let Backoff { first: backoff_first, longest: backoff_longest } = backoff;
        Self {
            timeout,
            valid_for,
            retries,
            backoff_first,
            backoff_longest,
            pause,
            reconcile_after,
            reconcile_for,
            doubt,
        }
    }
}

impl Default for LaneKeys {
    fn default() -> Self {
        let LaneLimits { asks_max, sends_max, segments_per_second, burst_segments: _ } = LaneLimits::default();
        Self { asks_max, sends_max, segments_per_second, burst_segments: None }
    }
}

impl TenantKeys {
    /// Notes values out of range, and required keys that are not there.
    pub(super) fn check(&self, checks: &mut Checks<'_>) {
        checks.duration("session_timeout", self.session_timeout, secs(1)..=days(365));
        if self.failure_message.trim().is_empty() {
            checks.fail("failure_message", "`failure_message` is empty: say what the user gets when a turn fails");
        }
        checks.length("failure_message", &self.failure_message, 1_600);
        checks.duration("timeout_turn_grace", self.timeout_turn_grace, secs(1)..=days(1));
        checks.number("max_chained_turns", self.max_chained_turns, 0..=6);
        for (key, prefix) in
            [("options_prefix", &self.options_prefix), ("suggestions_prefix", &self.suggestions_prefix)]
        {
            checks.length(key, prefix, 100);
            if !prefix.contains("%s") {
                checks
                    .fail(key, format!("`{key}` has no %s, which becomes the entry's number: write it like \"%s. \""));
            }
        }
        checks.duration("answer_within", self.answer_within, secs(1)..=days(30));
        checks.number("max_context_bytes", self.max_context_bytes, 1_024..=CONTEXT_MAX);
        checks.number("outbox_max", self.outbox_max, 1..=10_000);
        checks.number("poison_attempts", self.poison_attempts, 1..=100);
        checks.number("turns_max", self.turns_max, 0..=1_000_000);
        checks.duration("turns_within", self.turns_within, secs(1)..=days(1));
        if let Some(gather) = self.gather {
            checks.duration("gather", gather, millis(100)..=secs(60));
            checks.ordered(("gather", gather), ("gather_max", self.gather_max));
        }
        checks.duration("gather_max", self.gather_max, millis(100)..=secs(600));
        if let Some(kept) = self.transcripts_kept {
            checks.duration("transcripts_kept", kept, secs(60)..=days(36_500));
            // Until then a text may be looked up among those that were sent.
            checks.ordered(("send.valid_for", self.send.valid_for), ("transcripts_kept", kept));
        }
        self.ask.check(checks);
        self.send.check(checks);
        self.lane.check(checks);
        self.control.check(checks);
        self.keywords.check(checks);
        if let Some(quiet) = &self.quiet_hours {
            quiet.check(checks);
        }
    }

    /// The tenant, unless it lacks a number, a channel or an assistant.
    pub(super) fn into_tenant(self, place: String) -> Option<TenantConfig> {
        let (number, channel, assistant) = (self.number?, self.channel?, self.assistant?);
        let policy = Policy {
            assistant: assistant.clone(),
            session_timeout: self.session_timeout,
            failure_message: self.failure_message,
            options_prefix: self.options_prefix,
            suggestions_prefix: self.suggestions_prefix,
            inbound_start: if self.inbound_start { InboundStart::Allowed } else { InboundStart::Refused },
            greeting: match self.greeting {
                GreetingKey::Direct => Greeting::Direct,
                GreetingKey::Welcome => Greeting::Welcome,
            },
            timeout_turn: if self.timeout_turn { TimeoutTurn::Yes } else { TimeoutTurn::No },
            timeout_turn_grace: self.timeout_turn_grace,
            max_chained_turns: self.max_chained_turns,
            switchable: Policy::default().switchable,
            keywords: self.keywords.into_policy(),
            ask: AskPolicy { timeout: self.ask.timeout, retries: self.ask.retries, interval: self.ask.interval },
            send: self.send.into_policy(),
            answer_within: self.answer_within,
            max_context: self.max_context_bytes,
            outbox_max: self.outbox_max,
            poison_attempts: self.poison_attempts,
            flood: (self.turns_max > 0).then_some(FloodLimit { turns: self.turns_max, within: self.turns_within }),
            gather: self.gather.map(|pause| Gather { pause, at_most: self.gather_max }),
            quiet_hours: self.quiet_hours.and_then(QuietKeys::into_policy),
            transcripts_kept: self.transcripts_kept,
        };
        let (lane, control) = (self.lane.into_config(), self.control);
        let (report, events) = (self.report, self.events);
        Some(TenantConfig { number, channel, assistant, policy, lane, control, report, events, place })
    }
}

impl ControlConfig {
    fn check(&self, checks: &mut Checks<'_>) {
        match (&self.username, &self.password) {
            (Some(name), _) if name.is_empty() || name.contains(':') => {
                checks.fail("control.username", "`control.username` is empty or has a colon in it: use another name");
            }
            (Some(_), None) => {
                checks.fail("control.username", "`control.username` is of no use without `control.password`: set both");
            }
            (None, Some(_)) => {
                checks.fail("control.password", "`control.password` is of no use without `control.username`: set both");
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
        if self.token.is_some() && self.token_sha256.is_some() {
            checks.fail(
                "control.token_sha256",
                "`control.token` is set too: keep one of them, or use [[tenants.control.tokens]]",
            );
        }
        token::check(checks, "control.tokens", &self.tokens);
    }
}

impl AskKeys {
    fn check(&self, checks: &mut Checks<'_>) {
        checks.duration("ask.timeout", self.timeout, millis(100)..=secs(600));
        checks.number("ask.retries", self.retries, 0..=100);
        checks.duration("ask.interval", self.interval, millis(1)..=secs(600));
    }
}

impl SendKeys {
    fn check(&self, checks: &mut Checks<'_>) {
        checks.duration("send.timeout", self.timeout, millis(10)..=secs(600));
        checks.duration("send.valid_for", self.valid_for, secs(1)..=days(7));
        if let Some(retries) = self.retries {
            checks.number("send.retries", retries, 0..=1_000);
        }
        checks.duration("send.backoff_first", self.backoff_first, millis(10)..=secs(3_600));
        checks.duration("send.backoff_longest", self.backoff_longest, millis(10)..=days(1));
        let (first, longest) = (self.backoff_first, self.backoff_longest);
        checks.ordered(("send.backoff_first", first), ("send.backoff_longest", longest));
        checks.duration("send.pause", self.pause, millis(10)..=secs(3_600));
        checks.duration("send.reconcile_after", self.reconcile_after, millis(10)..=secs(3_600));
        checks.duration("send.reconcile_for", self.reconcile_for, secs(1)..=days(1));
    }

    fn into_policy(self) -> SendPolicy {
        SendPolicy {
            timeout: self.timeout,
            valid_for: self.valid_for,
            retries: self.retries,
            backoff: Backoff { first: self.backoff_first, longest: self.backoff_longest },
            pause: self.pause,
            reconcile_after: self.reconcile_after,
            reconcile_for: self.reconcile_for,
            doubt: match self.doubt {
                DoubtKey::GiveUp => DoubtPolicy::GiveUp,
                DoubtKey::Resend => DoubtPolicy::Resend,
            },
            ..Policy::default().send
        }
    }
}

impl LaneKeys {
    fn check(&self, checks: &mut Checks<'_>) {
        checks.number("lane.asks_max", self.asks_max, 1..=100_000);
        checks.number("lane.sends_max", self.sends_max, 1..=10_000);
        match (self.segments_per_second, self.burst_segments) {
            (Some(pace), _) => checks.number("lane.segments_per_second", pace, 0.01..=10_000.0),
            (None, Some(_)) => checks.fail(
                "lane.burst_segments",
                "`lane.burst_segments` means nothing without `lane.segments_per_second`: set that too, or take this out",
            ),
            (None, None) => {}
        }
        if let Some(burst) = self.burst_segments {
            checks.number("lane.burst_segments", burst, 1..=100_000);
        }
    }

    fn into_config(self) -> LaneLimits {
        LaneLimits {
            asks_max: self.asks_max,
            sends_max: self.sends_max,
            segments_per_second: self.segments_per_second,
            burst_segments: self.burst_segments.unwrap_or(LaneLimits::default().burst_segments),
        }
    }
}
