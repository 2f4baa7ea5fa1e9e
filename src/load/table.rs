//! A report as a table for a terminal.

use std::fmt::Write as _;

use super::report::{Percentiles, Report};

impl Report {
    /// The figures, in lines of at most 80 characters where numbers allow.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = format!("{}\n\n", self.what);
        let _ = write!(text, "{:<34}{:>10.1}", "seconds", self.seconds);
        let _ = if self.warm_up > 0.0 {
            writeln!(text, "   (after {:.1} of warming up)", self.warm_up)
        } else {
            writeln!(text)
        };
        for (name, count) in [("texts", self.texts), ("acknowledged", self.acknowledged), ("answered", self.answered)] {
            let _ = writeln!(text, "{name:<34}{count:>10}");
        }
        let _ = writeln!(text, "{:<34}{:>10}", "never answered", self.unanswered);
        let _ = writeln!(text, "{:<34}{:>10.1}", "turns per second", self.turns_per_second);
        if let (Some(cpu), Some(cores)) = (self.cpu_per_turn_us, self.cpu_cores) {
            let _ = writeln!(text, "{:<34}{cpu:>10.1}   ({cores:.2} cores)", "the gateway's CPU per turn, us");
        }
        if let Some(started) = self.started_in {
            let _ = writeln!(text, "{:<34}{started:>10.0}", "the gateway's start, ms");
        }
        if let (Some(memory), Some(peak)) = (self.memory, self.memory_peak) {
            let (memory, peak) = (mebibytes(memory), mebibytes(peak));
            let _ = writeln!(text, "{:<34}{memory:>10.1}   (at most {peak:.1})", "the gateway's memory, MiB");
        }
        let _ =
            writeln!(text, "\n{:<22}{:>9}{:>9}{:>9}{:>9}{:>9}", "milliseconds", "p50", "p90", "p99", "p99.9", "max");
        let rows = [
            ("acknowledge", &self.acknowledge),
            ("turn", &self.turn),
            ("turn, gateway's share", &self.added),
            ("texters' own delay", &self.lateness),
        ];
        for (name, Percentiles { count, p50, p90, p99, p999, max, .. }) in rows {
            if *count > 0 {
                let _ = writeln!(text, "{name:<22}{p50:>9.2}{p90:>9.2}{p99:>9.2}{p999:>9.2}{max:>9.2}");
            }
        }
        if !self.faults.is_empty() {
            text.push('\n');
        }
        for (name, count) in &self.faults {
            let _ = writeln!(text, "{name:<34}{count:>10}");
        }
        text
    }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}
