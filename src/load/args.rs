//! What `raconteur load` takes on the command line, and what is wrong with it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use raconteur_conversation::address::Address;

use super::report::Limit;
use super::{Answers, Crowd, Latency, LoadOptions, OwnStore, Pace, Receipts, Second, StandIns, Target, Wire};
use crate::config::secret::Secret;

/// The account of a gateway of our own.
const ACCOUNT: &str = "AC00000000000000000000000000000001";

/// No span is longer.
const SPAN_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);

/// By which wire texts travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum WireName {
    /// Twilio's webhooks and REST API, with signatures
    #[default]
    Twilio,
    /// The simulated phone
    Phone,
}

/// Where a gateway of our own keeps its conversations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum StoreName {
    /// On disk, below the working directory, removed afterwards
    #[default]
    Sled,
    /// In memory
    Memory,
}

/// What counts as an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum AnswersName {
    /// The assistant repeats the text, as the stand-in does: order and duplicates are judged
    #[default]
    Echo,
    /// Any text; for a gateway whose assistant says something of its own
    Any,
}

/// What `load` takes.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct LoadArgs {
    /// Where the gateway is [default: one is started for this, with stand-ins for provider and assistant]
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// How texts travel
    #[arg(long, value_enum, default_value_t)]
    pub wire: WireName,
    /// The gateway's channel [default: the name of the wire]
    #[arg(long, value_name = "NAME")]
    pub channel: Option<String>,
    /// The number to text
    #[arg(long, value_name = "NUMBER", default_value = "+15550100")]
    pub to: Address,
    /// How many people text
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub texters: u32,
    /// For how long
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = humantime::parse_duration)]
    pub duration: Duration,
    /// For how long before that: what happens meanwhile is judged, but is in no rate, latency or cost
    #[arg(long, value_name = "SPAN", default_value = "0s", value_parser = humantime::parse_duration)]
    pub warm_up: Duration,
    /// Over which time they begin
    #[arg(long, value_name = "SPAN", default_value = "0s", value_parser = humantime::parse_duration)]
    pub ramp: Duration,
    /// How long a texter thinks before he texts again; 0s for no longer than until he is answered
    #[arg(long, value_name = "SPAN", default_value = "2s", value_parser = humantime::parse_duration, conflicts_with = "rate")]
    pub think: Duration,
    /// So many texts a second from all together, whatever the answers do
    #[arg(long, value_name = "TEXTS")]
    pub rate: Option<f64>,
    /// Of a hundred texts, how many are delivered twice by the provider
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    pub repeated: f64,
    /// How long the stand-in for the assistant takes: a span, or a median and a 99th percentile as in 300ms..2s
    #[arg(long, value_name = "SPAN", default_value = "0ms")]
    pub assistant_latency: Latency,
    /// Of a hundred questions, how many it fails
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    pub assistant_errors: f64,
    /// How long the stand-in for the provider takes
    #[arg(long, value_name = "SPAN", default_value = "0ms")]
    pub provider_latency: Latency,
    /// Of a hundred texts, how many it does not take at first
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    pub provider_errors: f64,
    /// How many texts a second it takes; the others get a 429
    #[arg(long, value_name = "TEXTS")]
    pub provider_limit: Option<u32>,
    /// Have it report every text as delivered
    #[arg(long)]
    pub receipts: bool,
    /// The store of a gateway that is started for this
    #[arg(long, value_enum, default_value_t, conflicts_with = "url")]
    pub store: StoreName,
    /// Keep that store in this directory and leave it there
    #[arg(long, value_name = "DIR", conflicts_with_all = ["url", "store"])]
    pub keep: Option<PathBuf>,
    /// A setting of a gateway that is started for this, as in engine.idle_after=10m
    #[arg(long, value_name = "KEY=VALUE", conflicts_with = "url", value_parser = setting)]
    pub set: Vec<(String, String)>,
    /// The process of the gateway at --url on this machine, to see what it costs
    #[arg(long, value_name = "ID", requires = "url")]
    pub pid: Option<u32>,
    /// What counts as an answer
    #[arg(long, value_enum, default_value_t)]
    pub answers: AnswersName,
    /// With --url and the wire twilio: the account that the gateway is configured with
    #[arg(long, value_name = "SID", requires = "url")]
    pub account_sid: Option<String>,
    /// The environment variable that has the account's token
    #[arg(long, value_name = "NAME", default_value = "TWILIO_AUTH_TOKEN")]
    pub auth_token_env: String,
    /// The gateway's public_url, where it is not --url
    #[arg(long, value_name = "URL", requires = "url")]
    pub public_url: Option<String>,
    /// Where the stand-in for the provider listens: the gateway's base_url
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    pub provider_listen: SocketAddr,
    /// Where the stand-in for the assistant listens: the url of a watson assistant of the gateway's
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    pub assistant_listen: SocketAddr,
    /// How long the last answers are waited for
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = humantime::parse_duration)]
    pub patience: Duration,
    /// How long the gateway is watched behind the last answer, until its memory is taken
    #[arg(long, value_name = "SPAN", default_value = "0s", value_parser = humantime::parse_duration)]
    pub cool_down: Duration,
    /// Write a page with plots to this file
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Print the figures as JSON
    #[arg(long)]
    pub json: bool,
    /// End with 1 when the gateway's share of a turn has a longer 99th percentile
    #[arg(long, value_name = "SPAN", value_parser = humantime::parse_duration)]
    pub max_p99: Option<Duration>,
    /// End with 1 when acknowledging has a longer 99th percentile
    #[arg(long, value_name = "SPAN", value_parser = humantime::parse_duration)]
    pub max_acknowledge_p99: Option<Duration>,
    /// End with 1 when more goes wrong than this; broken promises always end with 1
    #[arg(long, value_name = "COUNT")]
    pub max_faults: Option<u64>,
    /// End with 1 when fewer texts are answered in a second
    #[arg(long, value_name = "TURNS")]
    pub min_rate: Option<f64>,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE, as in engine.idle_after=10m")?;
    Ok((key.to_owned(), value.to_owned()))
}

impl LoadArgs {
    /// The limits that were set.
    #[must_use]
    pub fn limits(&self) -> Vec<Limit> {
        let limits = [
            self.max_p99.map(Limit::TurnP99),
            self.max_acknowledge_p99.map(Limit::AcknowledgeP99),
            self.max_faults.map(Limit::Faults),
            self.min_rate.map(Limit::Rate),
        ];
        limits.into_iter().flatten().collect()
    }

    /// What is to be done; `on_second` is told how far it is.
    ///
    /// # Errors
    /// What is wrong with the arguments.
    pub fn options(&self, on_second: fn(&Second)) -> Result<LoadOptions, String> {
        self.check()?;
        let target = match &self.url {
            Some(url) => Target::Running { url: url.clone(), process: self.pid },
            None => Target::Own {
                binary: std::env::current_exe().map_err(|error| format!("this binary cannot be found: {error}"))?,
                store: match (&self.keep, self.store) {
                    (Some(path), _) => OwnStore::Kept(path.clone()),
                    (None, StoreName::Sled) => OwnStore::Sled,
                    (None, StoreName::Memory) => OwnStore::Memory,
                },
                settings: self.set.clone(),
            },
        };
        let (wire, name) = match self.wire {
            WireName::Phone => (Wire::Phone, "phone"),
            WireName::Twilio => (self.twilio()?, "twilio"),
        };
        let pace = self.rate.map_or(Pace::Thinking(self.think), Pace::Fixed);
        Ok(LoadOptions {
            target,
            wire,
            channel: self.channel.clone().unwrap_or_else(|| name.into()),
            tenant: self.to.clone(),
            crowd: Crowd {
                texters: self.texters,
                duration: self.warm_up + self.duration,
                ramp: self.ramp,
                pace,
                repeated_percent: self.repeated,
                waiting: 0,
            },
            warm_up: self.warm_up,
            standins: self.standins(),
            answers: match self.answers {
                AnswersName::Echo => Answers::Echo,
                AnswersName::Any => Answers::Any,
            },
            patience: self.patience,
            cool_down: self.cool_down,
            on_second,
        })
    }

    fn standins(&self) -> StandIns {
        StandIns {
            assistant_latency: self.assistant_latency,
            assistant_errors_percent: self.assistant_errors,
            provider_latency: self.provider_latency,
            provider_errors_percent: self.provider_errors,
            provider_limit: self.provider_limit,
            provider_listen: self.provider_listen,
            assistant_listen: self.assistant_listen,
            receipts: if self.receipts { Receipts::Sent } else { Receipts::None },
        }
    }

    fn twilio(&self) -> Result<Wire, String> {
        if self.url.is_none() {
            // Nobody but the two processes of this load ever sees it.
            let token = format!("{:032x}", fastrand::u128(..));
            return Ok(Wire::Twilio { account_sid: ACCOUNT.into(), auth_token: Secret::new(&token), public_url: None });
        }
        let account_sid =
            self.account_sid.clone().ok_or("--account-sid is missing: the one that the gateway is configured with")?;
        let name = &self.auth_token_env;
        let token =
            std::env::var(name).map_err(|_| format!("the environment has no {name}: put the account's token there"))?;
        Ok(Wire::Twilio { account_sid, auth_token: Secret::new(&token), public_url: self.public_url.clone() })
    }

    fn check(&self) -> Result<(), String> {
        let percents = [
            ("--repeated", self.repeated),
            ("--assistant-errors", self.assistant_errors),
            ("--provider-errors", self.provider_errors),
        ];
        if let Some((name, _)) = percents.iter().find(|(_, percent)| !(0.0..=100.0).contains(percent)) {
            return Err(format!("{name} must be from 0 to 100"));
        }
        if self.rate.is_some_and(|rate| !(0.01..=1e6).contains(&rate)) {
            return Err("--rate must be from 0.01 to 1000000 texts a second".into());
        }
        let spans = [
            ("--duration", self.duration, Duration::from_secs(1)),
            ("--warm-up", self.warm_up, Duration::ZERO),
            ("--ramp", self.ramp, Duration::ZERO),
            ("--think", self.think, Duration::ZERO),
            ("--patience", self.patience, Duration::ZERO),
            ("--cool-down", self.cool_down, Duration::ZERO),
        ];
        if let Some((name, _, least)) = spans.iter().find(|(_, span, least)| !(*least..=SPAN_MAX).contains(span)) {
            let [least, most] = [*least, SPAN_MAX].map(humantime::format_duration);
            return Err(format!("{name} must be from {least} to {most}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: LoadArgs,
    }

    fn parse(line: &str) -> Result<LoadOptions, String> {
        let line =
            Line::try_parse_from(format!("load {line}").split_whitespace()).map_err(|error| error.to_string())?;
        line.args.options(|_| ())
    }

    #[test]
    fn nothing_at_all_is_a_gateway_of_our_own() {
        let options = parse("").unwrap();
        assert!(matches!(options.target, Target::Own { store: OwnStore::Sled, .. }));
        assert!(matches!(options.wire, Wire::Twilio { public_url: None, .. }));
        assert_eq!((options.channel.as_str(), options.crowd.pace), ("twilio", Pace::Thinking(Duration::from_secs(2))));
    }

    #[test]
    fn warming_up_comes_before_the_time_that_is_measured() {
        let options = parse("--duration 10s --warm-up 3s").unwrap();
        assert_eq!((options.crowd.duration, options.warm_up), (Duration::from_secs(13), Duration::from_secs(3)));
        assert_eq!(parse("").unwrap().warm_up, Duration::ZERO);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_to_do() {
        for (line, words) in [
            ("--repeated 101", "--repeated must be from 0 to 100"),
            ("--rate 0", "--rate must be"),
            ("--rate NaN", "--rate must be"),
            ("--duration 10ms", "--duration must be from 1s to 30days"),
            ("--duration 1000years", "--duration must be"),
            ("--warm-up 584000000000years", "--warm-up must be"),
            ("--patience 31days", "--patience must be"),
            ("--cool-down 31days", "--cool-down must be"),
            ("--rate 5 --think 1s", "cannot be used with"),
            ("--url http://127.0.0.1:1", "--account-sid is missing"),
            ("--url http://127.0.0.1:1 --account-sid AC1 --auth-token-env NO_SUCH_TOKEN", "no NO_SUCH_TOKEN"),
            ("--pid 1", "--url"),
            ("--set idle", "KEY=VALUE"),
            ("--texters 0", "0 is not in"),
            ("--assistant-latency 2s..1s", "median"),
        ] {
            let refusal = parse(line).unwrap_err();
            assert!(refusal.contains(words), "{line}: {refusal}");
        }
    }

    #[test]
    fn limits_are_those_that_were_set() {
        let line = Line::try_parse_from(["load", "--max-p99", "50ms", "--max-faults", "0"]).unwrap();
        assert_eq!(line.args.limits(), [Limit::TurnP99(Duration::from_millis(50)), Limit::Faults(0)]);
    }
}
