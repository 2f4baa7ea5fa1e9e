//! What the system says of this process, under the names that every Prometheus client has for it. Linux only; elsewhere nothing is shown.

use prometheus_client::collector::Collector;

/// See the module.
#[derive(Debug)]
pub(super) struct Process;

#[cfg(not(target_os = "linux"))]
impl Collector for Process {
    fn encode(&self, _: prometheus_client::encoding::DescriptorEncoder<'_>) -> std::fmt::Result {
        Ok(())
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fmt;
    use std::fs;

    use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
    use prometheus_client::metrics::MetricType;
    use prometheus_client::metrics::counter::ConstCounter;
    use prometheus_client::metrics::gauge::ConstGauge;

    use super::{Collector, Process};

    /// The unit of times in `/proc`, in parts of a second: the kernel shows them so whatever it counts in.
    const TICKS: f64 = 100.0;

    impl Collector for Process {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
            let times = Times::read();
            let cpu = times.as_ref().map(|times| times.cpu);
            let help = "Seconds of processor time that were used, by users and the system.";
            let out = encoder.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?;
            cpu.map_or(Ok(()), |cpu| ConstCounter::new(cpu).encode(out))?;
            let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
            let gauges = [
                (
                    "process_start_time_seconds",
                    "When the process began, in seconds of Unix time.",
                    times.as_ref().and_then(began),
                ),
                ("process_resident_memory_bytes", "Bytes of memory that are resident.", kilobytes(&status, "VmRSS:")),
                ("process_virtual_memory_bytes", "Bytes of address space.", kilobytes(&status, "VmSize:")),
                ("process_open_fds", "Files and connections that are open.", open_files()),
                ("process_max_fds", "How many may be.", most_files()),
                ("process_threads", "Threads of the system.", value(&status, "Threads:")),
            ];
            for (name, help, value) in gauges {
                let out = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
                value.map_or(Ok(()), |value| ConstGauge::new(value).encode(out))?;
            }
            Ok(())
        }
    }

    /// What `/proc/self/stat` has, in seconds.
    struct Times {
        cpu: f64,
        /// Since the system began.
        began: f64,
    }

    impl Times {
        fn read() -> Option<Self> {
            let stat = fs::read_to_string("/proc/self/stat").ok()?;
            Self::of(&stat)
        }

        /// The program's name stands in brackets and may have spaces; what follows is numbers, of which the first here is the third.
        fn of(stat: &str) -> Option<Self> {
            let (_, rest) = stat.rsplit_once(')')?;
            let fields: Vec<&str> = rest.split_whitespace().collect();
            let seconds = |field: usize| Some(fields.get(field - 3)?.parse::<f64>().ok()? / TICKS);
            Some(Self { cpu: seconds(14)? + seconds(15)?, began: seconds(22)? })
        }
    }

    fn began(times: &Times) -> Option<f64> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        Some(value(&stat, "btime")? + times.began)
    }

    /// The number behind a name at the beginning of a line.
    fn value(text: &str, name: &str) -> Option<f64> {
        let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
        rest.split_whitespace().next()?.parse().ok()
    }

    fn kilobytes(status: &str, name: &str) -> Option<f64> {
        Some(value(status, name)? * 1_024.0)
    }

    /// The folder itself is open while it is read.
    fn open_files() -> Option<f64> {
        Some(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64)
    }

    fn most_files() -> Option<f64> {
        value(&fs::read_to_string("/proc/self/limits").ok()?, "Max open files")
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_programs_name_with_brackets_and_spaces_does_not_shift_what_follows() {
            let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 9 0 0 0 250 50 0 0 20 0 9 0 12345 1 2 3";
            let Times { cpu, began } = Times::of(stat).unwrap();
            assert_eq!((cpu, began), (3.0, 123.45));
            assert!(Times::of("7 (a) S 1").is_none());
        }

        #[test]
        fn this_process_has_memory_and_files_and_began_before_now() {
            let status = fs::read_to_string("/proc/self/status").unwrap();
            assert!(kilobytes(&status, "VmRSS:").unwrap() > 1e5);
            assert!(open_files().unwrap() >= 1.0 && most_files().unwrap() >= open_files().unwrap());
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
            let age = now - began(&Times::read().unwrap()).unwrap();
            assert!((-2.0..86_400.0).contains(&age), "{age}");
        }
    }
}
