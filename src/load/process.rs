//! What a process of this machine costs, as Linux tells it in `/proc`; elsewhere nothing is known.

use std::fs;
use std::time::Duration;

/// The process with this id.
#[derive(Clone, Copy, Debug)]
pub(super) struct Process(pub(super) u32);

/// What it has cost so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cost {
    /// Processor time, that of the kernel for it included.
    pub(super) cpu: Duration,
    /// Resident memory in bytes.
    pub(super) memory: u64,
    /// The most that it ever was.
    pub(super) memory_peak: u64,
}

impl Process {
    /// What it has cost; `None` when there is no such process, or nothing can be known.
    pub(super) fn cost(self) -> Option<Cost> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).ok()?;
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0)).ok()?;
        Some(Cost {
            cpu: cpu(&stat)?,
            memory: kibibytes(&status, "VmRSS:")?,
            memory_peak: kibibytes(&status, "VmHWM:")?,
        })
    }
}

fn kibibytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with(name))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1_024)
}

/// The 14th and 15th fields, counted behind the name, which may have spaces.
fn cpu(stat: &str) -> Option<Duration> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system) = (fields.next()?.parse::<u64>().ok()?, fields.next()?.parse::<u64>().ok()?);
    let per_second = rustix::param::clock_ticks_per_second();
    Some(Duration::from_secs_f64((user + system) as f64 / per_second as f64))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_cost_something_and_a_missing_one_is_unknown() {
        let cost = Process(std::process::id()).cost().unwrap();
        assert!(cost.memory > 100_000 && cost.memory_peak >= cost.memory);
        assert_eq!(Process(u32::MAX).cost(), None);
    }

    #[test]
    fn a_name_with_spaces_and_brackets_is_passed_over() {
        let stat = "7 (a b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        assert_eq!(cpu(stat), Some(Duration::from_secs_f64(200.0 / ticks)));
    }
}
