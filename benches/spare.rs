//! How fast a text is answered by a gateway that has time to spare: at half of what it can take, and when hardly anybody texts. Beside it,
//! in the same rounds: the floor (see `turns`), and the disk alone, with one block made durable every two milliseconds.
//!
//! ```text
//! cargo bench --bench spare                                  # five rounds of a good minute each; medians are told
//! RACONTEUR_BENCH_ROUNDS=7 cargo bench --bench spare
//! ```
//!
//! Every span begins when a text, or a block, was due, not when somebody got around to it. A disk that stands still for a hundredth of
//! the time therefore shows in its own slowest hundredth as it does in that of the gateway.

#![allow(clippy::print_stdout, reason = "a benchmark tells what it has found")]

#[cfg(unix)]
#[path = "support/rounds.rs"]
mod rounds;

#[cfg(unix)]
fn main() {
    rounds::relay_or(spare::measure());
}

#[cfg(not(unix))]
fn main() {}

#[cfg(unix)]
mod spare {
    use std::fs::File;
    use std::io;
    use std::os::unix::fs::FileExt;
    use std::path::Path;
    use std::time::{Duration, Instant};

    use hdrhistogram::Histogram;
    use raconteur::load::{Pace, Report};

    use super::rounds::{self, Contender, crowd, from_environment, median};

    /// How long the disk is watched, and the gateway at half of the rate behind its warm-up: the same, so that the same hundredth is told.
    const WATCHED: Duration = Duration::from_secs(10);

    /// The first seconds of a process: code that was never run, sessions that have to be opened.
    const WARM_UP: Duration = Duration::from_secs(3);

    /// How often a block is written.
    const BLOCK_EVERY: Duration = Duration::from_millis(2);

    const BLOCK: usize = 4_096;

    /// Blocks of the file, one behind the other overwritten.
    const BLOCKS: u64 = 256;

    pub(super) async fn measure() {
        let count = from_environment("RACONTEUR_BENCH_ROUNDS", 5).max(1);
        let contenders = [Contender::Floor, Contender::Sled, Contender::Memory];
        let mut disk = Vec::new();
        let mut half: [Vec<Report>; 3] = Default::default();
        let mut idle: [Vec<Report>; 3] = Default::default();
        for _ in 0..count {
            disk.push(
                tokio::task::spawn_blocking(disk_alone).await.expect("it ends").expect("the disk can be written"),
            );
            let eager = crowd(64, Pace::Thinking(Duration::ZERO), Duration::from_secs(6));
            let most = rounds::measure(Contender::Sled, eager, Duration::from_secs(1)).await.turns_per_second;
            for (contender, reports) in contenders.iter().zip(&mut half) {
                let steady = crowd(256, Pace::Fixed(most / 2.0), WARM_UP + WATCHED);
                reports.push(rounds::measure(*contender, steady, WARM_UP).await);
            }
            for (contender, reports) in contenders.iter().zip(&mut idle) {
                let few = crowd(4, Pace::Thinking(Duration::from_millis(50)), Duration::from_secs(5));
                reports.push(rounds::measure(*contender, few, Duration::ZERO).await);
            }
        }
        println!(
            "{:>14} {:>8} {:>9} {:>12} {:>10} {:>10} {:>10} {:>10}   turn p99, each round",
            "", "", "texts/s", "CPU/turn us", "ack p50", "ack p99", "turn p50", "turn p99"
        );
        let at = |quantile| median(&disk, |spans: &Histogram<u64>| millis(spans, quantile));
        print!(
            "{:>14} {:>8} {:>9} {:>12} {:>10.2} {:>10.2} {:>10} {:>10}  ",
            "the disk alone",
            "",
            "",
            "",
            at(0.5),
            at(0.99),
            "",
            ""
        );
        tell(disk.iter().map(|spans| millis(spans, 0.99)));
        for (what, all) in [("half of most", &half), ("hardly any", &idle)] {
            for (contender, reports) in contenders.iter().zip(all) {
                line(what, *contender, reports);
            }
        }
    }

    fn line(what: &str, contender: Contender, reports: &[Report]) {
        let at = |figure: fn(&Report) -> f64| median(reports, figure);
        print!(
            "{what:>14} {:>8} {:>9.0} {:>12.1} {:>10.2} {:>10.2} {:>10.2} {:>10.2}  ",
            contender.name(),
            at(|report| report.turns_per_second),
            at(|report| report.cpu_per_turn_us.unwrap_or(f64::NAN)),
            at(|report| report.acknowledge.p50),
            at(|report| report.acknowledge.p99),
            at(|report| report.added.p50),
            at(|report| report.added.p99),
        );
        tell(reports.iter().map(|report| report.added.p99));
    }

    fn tell(figures: impl Iterator<Item = f64>) {
        figures.for_each(|figure| print!(" {figure:.1}"));
        println!();
    }

    fn millis(spans: &Histogram<u64>, quantile: f64) -> f64 {
        spans.value_at_quantile(quantile) as f64 / 1_000.0
    }

    /// Overwrites one block after the other and waits until each is durable; microseconds since it was due.
    fn disk_alone() -> io::Result<Histogram<u64>> {
        let home = tempfile::tempdir_in(Path::new("."))?;
        let file = File::create_new(home.path().join("blocks"))?;
        for block in 0..BLOCKS {
            file.write_all_at(&[1; BLOCK], block * BLOCK as u64)?;
        }
        file.sync_all()?;
        let mut spans = Histogram::new_with_bounds(1, 60_000_000, 3).expect("three digits of a minute are few enough");
        let (began, mut due) = (Instant::now(), Duration::ZERO);
        for block in (0..BLOCKS).cycle() {
            if due >= WATCHED {
                break;
            }
            std::thread::sleep(due.saturating_sub(began.elapsed()));
            file.write_all_at(&[2; BLOCK], block * BLOCK as u64)?;
            file.sync_data()?;
            let span = began.elapsed().saturating_sub(due);
            spans.saturating_record(u64::try_from(span.as_micros()).unwrap_or(u64::MAX));
            due += BLOCK_EVERY;
        }
        Ok(spans)
    }
}
