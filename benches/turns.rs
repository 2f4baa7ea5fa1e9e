//! What a durable turn costs, beside the floor: a stateless relay (axum, reqwest) that checks the same signatures, makes the same two
//! calls for each text, and keeps nothing. Both are driven by `raconteur load` over Twilio's wire format, with the same stand-ins, one
//! after the other in the same run, several times; medians are compared.
//!
//! ```text
//! cargo bench --bench turns                                  # 64, 256 and 1,024 texters, five rounds of 10 s each
//! RACONTEUR_BENCH_ROUNDS=3 RACONTEUR_BENCH_SECONDS=5 RACONTEUR_BENCH_TEXTERS=64 cargo bench --bench turns
//! ```

#![allow(clippy::print_stdout, reason = "a benchmark tells what it has found")]

#[cfg(unix)]
#[path = "support/rounds.rs"]
mod rounds;

#[cfg(unix)]
fn main() {
    rounds::relay_or(compare());
}

#[cfg(not(unix))]
fn main() {}

#[cfg(unix)]
async fn compare() {
    use std::time::Duration;

    use raconteur::load::Pace;
    use rounds::{Contender, crowd, from_environment, measure, median};

    let rounds = from_environment("RACONTEUR_BENCH_ROUNDS", 5);
    let texters: Vec<u32> = match std::env::var("RACONTEUR_BENCH_TEXTERS") {
        Ok(text) => text.split(',').filter_map(|number| number.trim().parse().ok()).collect(),
        Err(_) => vec![64, 256, 1_024],
    };
    let seconds = u64::try_from(from_environment("RACONTEUR_BENCH_SECONDS", 10)).expect("it is a small number");
    let contenders = [Contender::Floor, Contender::Sled, Contender::Memory];
    println!(
        "{:>8} {:>8} {:>10} {:>12} {:>10} {:>10} {:>10} {:>10}",
        "texters", "", "turns/s", "CPU/turn us", "ack p50", "ack p99", "turn p50", "turn p99"
    );
    for texters in texters {
        let mut reports: Vec<Vec<_>> = contenders.iter().map(|_| Vec::new()).collect();
        for _ in 0..rounds {
            for (contender, reports) in contenders.iter().zip(&mut reports) {
                let eager = crowd(texters, Pace::Thinking(Duration::ZERO), Duration::from_secs(seconds));
                reports.push(measure(*contender, eager, Duration::ZERO).await);
            }
        }
        let rates = reports.iter().map(|reports| median(reports, |report| report.turns_per_second));
        let costs = reports.iter().map(|reports| median(reports, |report| report.cpu_per_turn_us.unwrap_or(f64::NAN)));
        let (rates, costs): (Vec<f64>, Vec<f64>) = (rates.collect(), costs.collect());
        for (place, contender) in contenders.iter().enumerate() {
            let at = |figure: fn(&raconteur::load::Report) -> f64| median(&reports[place], figure);
            println!(
                "{texters:>8} {:>8} {:>10.0} {:>12.1} {:>10.2} {:>10.2} {:>10.2} {:>10.2}   {:.2} of the floor's rate, {:.2} times its CPU",
                contender.name(),
                rates[place],
                costs[place],
                at(|report| report.acknowledge.p50),
                at(|report| report.acknowledge.p99),
                at(|report| report.turn.p50),
                at(|report| report.turn.p99),
                rates[place] / rates[0],
                costs[place] / costs[0],
            );
        }
    }
}
