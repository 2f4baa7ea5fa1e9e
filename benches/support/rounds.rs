//! One measurement of one contender, and medians of several. The floor is the benchmark's own program: its `main` is [`relay_or`].

#[path = "drive.rs"]
mod drive;
#[path = "relay.rs"]
mod relay;

use std::path::PathBuf;
use std::time::Duration;

use raconteur::load::{Crowd, LoadOptions, OwnStore, Report, Target, run};

pub(crate) use self::drive::crowd;
pub(crate) use self::relay::relay_or;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

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

/// Lets them text, and tells how it went behind the warm-up.
pub(crate) async fn measure(contender: Contender, crowd: Crowd, warm_up: Duration) -> Report {
    let options = LoadOptions { warm_up, ..drive::options(contender.target(), crowd) };
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
