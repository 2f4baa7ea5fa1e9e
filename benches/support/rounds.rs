//! One measurement of one contender, and medians of several.

use std::path::PathBuf;
use std::time::Duration;

use raconteur::config::secret::Secret;
use raconteur::conversation::address::Address;
use raconteur::load::{
    Answers, Crowd, Latency, LoadOptions, OwnStore, Pace, Receipts, Report, StandIns, Target, Wire, run,
};

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    /// The stateless relay.
    Floor,
    /// The gateway with its store on disk.
    Sled,
    /// The gateway with its store in memory.
    Memory,
}

impl Contender {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Sled => "sled",
            Self::Memory => "memory",
        }
    }

    fn target(self) -> Target {
        let gateway = PathBuf::from(env!("CARGO_BIN_EXE_raconteur"));
        match self {
            Self::Floor => {
                let binary = std::env::current_exe().expect("this program has a file");
                Target::Own { binary, store: OwnStore::Memory, settings: Vec::new() }
            }
            Self::Sled => Target::Own { binary: gateway, store: OwnStore::Sled, settings: Vec::new() },
            Self::Memory => Target::Own { binary: gateway, store: OwnStore::Memory, settings: Vec::new() },
        }
    }
}

/// So many texters, for so long.
pub(crate) fn crowd(texters: u32, pace: Pace, duration: Duration) -> Crowd {
    Crowd { texters, duration, ramp: Duration::ZERO, pace, repeated_percent: 0.0, waiting: 0 }
}

/// Lets them text, and tells how it went behind the warm-up.
pub(crate) async fn measure(contender: Contender, crowd: Crowd, warm_up: Duration) -> Report {
    let anywhere = "127.0.0.1:0".parse().expect("it is an address");
    let instant = Latency::Fixed(Duration::ZERO);
    let options = LoadOptions {
        target: contender.target(),
        wire: Wire::Twilio {
            account_sid: "AC00000000000000000000000000000001".into(),
            auth_token: Secret::new("0123456789abcdef"),
            public_url: None,
        },
        channel: "twilio".into(),
        tenant: Address::parse("+15550100").expect("it is a number"),
        crowd,
        warm_up,
        standins: StandIns {
            assistant_latency: instant,
            assistant_errors_percent: 0.0,
            provider_latency: instant,
            provider_errors_percent: 0.0,
            provider_limit: None,
            provider_listen: anywhere,
            assistant_listen: anywhere,
            receipts: Receipts::None,
        },
        answers: Answers::Echo,
        patience: Duration::from_secs(30),
        cool_down: Duration::ZERO,
        on_second: |_| (),
    };
    let report = run(options).await.expect("it can be measured");
    // The floor keeps no order: a text that comes before the one before it was answered may overtake it.
    let only_order = report.unanswered == 0 && report.faults.iter().all(|(kind, _)| *kind == "answers out of order");
    let is_excused = contender == Contender::Floor && only_order;
    assert!(is_excused || report.failures(&[]).is_empty(), "{contender:?}: {:?}", report.faults);
    report
}

/// The median of one figure.
pub(crate) fn median<T>(reports: &[T], figure: impl Fn(&T) -> f64) -> f64 {
    let mut figures: Vec<f64> = reports.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// A number from the environment.
pub(crate) fn from_environment(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
