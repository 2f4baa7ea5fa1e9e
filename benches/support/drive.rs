//! What the loads of all benchmarks have in common: Twilio's wire format, and stand-ins that answer at once.

use std::time::Duration;

use raconteur::config::secret::Secret;
use raconteur::conversation::address::Address;
use raconteur::load::{Answers, Crowd, Latency, LoadOptions, Pace, Receipts, StandIns, Target, Wire};

/// The number that everybody texts.
pub(crate) const TENANT: &str = "+15550100";

/// So many texters, for so long.
pub(crate) fn crowd(texters: u32, pace: Pace, duration: Duration) -> Crowd {
    Crowd { texters, duration, ramp: Duration::ZERO, pace, repeated_percent: 0.0, waiting: 0 }
}

/// A load without a warm-up, whose last answers are waited for for half a minute.
pub(crate) fn options(target: Target, crowd: Crowd) -> LoadOptions {
    let anywhere = "127.0.0.1:0".parse().expect("it is an address");
    let instant = Latency::Fixed(Duration::ZERO);
    LoadOptions {
        target,
        wire: Wire::Twilio {
            account_sid: "AC00000000000000000000000000000001".into(),
            auth_token: Secret::new("0123456789abcdef"),
            public_url: None,
        },
        channel: "twilio".into(),
        tenant: Address::parse(TENANT).expect("it is a number"),
        crowd,
        warm_up: Duration::ZERO,
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
    }
}
