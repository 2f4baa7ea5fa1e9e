//! Runs whole gateways in simulated worlds, one per seed, and says which seed has broken a promise.
//!
//! `cargo run --release --example simulate -- --seeds 10000`, then `-- --seed 4711` for the whole log of one; `-- --bugs` says which seed
//! is the first to find each of the bugs that are planted on purpose.

#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::process::ExitCode;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use raconteur_actors::simulation::{Bug, Log, Outcome, run};

const USAGE: &str =
    "options: --seeds N (default 1000), --from SEED (default 0), --seed S (one seed, with its whole log), --bugs";
/// A bug that no seed below this finds is not found.
const BUG_SEEDS: u64 = 1_000;

/// What is to be run.
enum Wanted {
    Seeds(Seeds),
    Bugs,
}

struct Seeds {
    from: u64,
    seeds: u64,
    log: Log,
}

fn wanted() -> Option<Wanted> {
    let mut wanted = Seeds { from: 0, seeds: 1_000, log: Log::Tail };
    let mut options = std::env::args().skip(1);
    while let Some(option) = options.next() {
        if option == "--bugs" {
            return Some(Wanted::Bugs);
        }
        let number = options.next()?.parse().ok()?;
        match option.as_str() {
            "--seeds" => wanted.seeds = number,
            "--from" => wanted.from = number,
            "--seed" => wanted = Seeds { from: number, seeds: 1, log: Log::Whole },
            _ => return None,
        }
    }
    Some(Wanted::Seeds(wanted))
}

fn report(outcome: &Outcome, violation: &str, log: Log) {
    match log {
        Log::Whole => println!("{}", outcome.log.join("\n")),
        Log::Tail => {}
    }
    println!("seed {}: {violation}", outcome.seed);
    println!("replay: cargo run --release --example simulate -- --seed {}", outcome.seed);
}

/// The first seed that finds each bug.
fn find_bugs() -> ExitCode {
    let mut missed = 0;
    for bug in Bug::ALL {
        let finds = |seed: &u64| run(*seed, Some(bug), Log::Tail).violation.is_some();
        match (0..BUG_SEEDS).find(finds) {
            Some(seed) => println!("{bug:?}: {seed}"),
            None => {
                missed += 1;
                println!("{bug:?}: not found");
            }
        }
    }
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn main() -> ExitCode {
    match wanted() {
        Some(Wanted::Seeds(wanted)) => run_seeds(&wanted),
        Some(Wanted::Bugs) => find_bugs(),
        None => {
            println!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// One seed after the other.
fn run_seeds(&Seeds { from, seeds, log }: &Seeds) -> ExitCode {
    let style = ProgressStyle::with_template("{pos}/{len} seeds {bar:30} {per_sec}, {eta} left, {msg}");
    let bar = ProgressBar::new(seeds).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let (began, mut violations, mut texts, mut processes) = (Instant::now(), 0_u64, 0_u64, 0_u64);
    for seed in from..from.saturating_add(seeds) {
        let outcome = run(seed, None, log);
        (texts, processes) = (texts + outcome.counts.texts, processes + outcome.counts.processes);
        match (&outcome.violation, log) {
            (Some(violation), _) => {
                violations += 1;
                bar.suspend(|| report(&outcome, violation, log));
            }
            (None, Log::Whole) => {
                bar.suspend(|| println!("{}\ndigest {:016x}", outcome.log.join("\n"), outcome.digest))
            }
            (None, Log::Tail) => {}
        }
        bar.set_message(format!("{violations} violations"));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let took = began.elapsed().as_secs_f64();
    println!("{seeds} seeds, {processes} processes, {texts} texts in {took:.1} s: {violations} violations");
    if violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
