//! How the gateway grows: stores of a thousand to a million conversations, and many live ones.
//!
//! ```text
//! cargo bench --bench scale
//! RACONTEUR_BENCH_STORED=1000,1000000 RACONTEUR_BENCH_LIVE=100000 cargo bench --bench scale
//! ```
//!
//! For each number of stored conversations a store is written by a process of its own, in which each has an open session with a kilobyte
//! of context and a deadline, and a thousand of them a text that is not answered; then that is killed. A gateway is started on what it
//! leaves: how long until it takes texts, until the thousand are answered, what memory it takes in the end and at most, and how long a turn
//! takes with a conversation that has to be read from disk. Then a few of them talk, as many and as often whatever is stored, so that
//! nothing but what is stored can make their turns dearer. Then one is started on the same store, killed, and started again: the first
//! start after a kill reads all that was written since the start before, the second next to nothing.
//!
//! For live conversations: what each takes in memory beyond an empty gateway; and what each takes that has left memory, as the difference
//! between four times as many and as many: what the store holds for all of them together has its own limits.

#![allow(clippy::print_stdout, reason = "a benchmark tells what it has found")]

#[cfg(unix)]
#[path = "support/drive.rs"]
mod drive;

#[cfg(unix)]
#[path = "support/furnish.rs"]
mod furnish;

#[cfg(unix)]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[cfg(not(unix))]
fn main() {}

#[cfg(unix)]
fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime can be made");
    match scale::job() {
        Some((store, stored, waiting)) => runtime.block_on(furnish::write(&store, stored, waiting)),
        None => runtime.block_on(scale::measure()),
    }
}

#[cfg(unix)]
mod scale {
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::ExitStatusExt;
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    use raconteur::load::{Crowd, LoadOptions, OwnStore, Pace, Report, Target, run};

    use super::{drive, furnish};

    /// Conversations with an unanswered text.
    const WAITING: u32 = 1_000;

    /// How many talk for long, how many texts they send in a second altogether, and for how many seconds.
    const TALKERS: (u32, f64, u64) = (400, 1_000.0, 15);

    /// How many times as many conversations leave memory in the second run. What the allocator has not given back yet differs by megabytes
    /// from run to run: the more conversations it is divided by, the better.
    const MORE_IDLE: u32 = 4;

    /// Where a process that is to write a store finds which.
    const JOB: [&str; 3] = ["RACONTEUR_BENCH_JOB_STORE", "RACONTEUR_BENCH_JOB_STORED", "RACONTEUR_BENCH_JOB_WAITING"];

    /// The store that this process is to write, if that is what it was started for.
    pub(super) fn job() -> Option<(PathBuf, u32, u32)> {
        let number = |name| std::env::var(name).ok()?.parse().ok();
        Some((std::env::var_os(JOB[0])?.into(), number(JOB[1])?, number(JOB[2])?))
    }

    /// Writes a store, in a process that is killed when everything is in it.
    fn leave_behind(store: &Path, stored: u32, waiting: u32) {
        let myself = std::env::current_exe().expect("it has a path");
        let values = [store.display().to_string(), stored.to_string(), waiting.to_string()];
        let ended = Command::new(myself).envs(JOB.into_iter().zip(values)).stdin(Stdio::null()).status();
        assert_eq!(ended.expect("it can be started").signal(), Some(9), "it was to be killed");
        assert!(furnish::is_written(store), "it was to write everything first");
    }

    /// Starts a gateway on a store, and waits until it takes texts.
    fn start(home: &Path, store: &Path) -> (Child, Duration) {
        let file = home.join("raconteur.toml");
        let text = format!(
            r#"[server]
listen = "127.0.0.1:0"
[log]
level = "warn"
[store]
kind = "sled"
path = {:?}
[channels.phone]
kind = "phone"
[assistants.load]
kind = "watson"
url = "http://127.0.0.1:9"
assistant_id = "load"
environment_id = "load"
username = "load"
password = {{ env = "LOAD_PASSWORD" }}
[[tenants]]
number = {:?}
channel = "phone"
assistant = "load"
"#,
            store.display().to_string(),
            drive::TENANT
        );
        std::fs::write(&file, text).expect("there is room");
        let mut command = Command::new(env!("CARGO_BIN_EXE_raconteur"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("RACONTEUR_")) {
            command.env_remove(name);
        }
        command.arg("--config").arg(&file).arg("serve").env("LOAD_PASSWORD", "load");
        let began = Instant::now();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("it can be started");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped"))
            .read_line(&mut line)
            .expect("it says where it listens");
        assert!(line.contains("http://"), "it did not start: {line}");
        (child, began.elapsed())
    }

    fn kill((mut child, started_in): (Child, Duration)) -> Duration {
        child.kill().and_then(|()| child.wait()).expect("it can be killed");
        started_in
    }

    fn numbers(name: &str, default: &str) -> Vec<u32> {
        let text = std::env::var(name).unwrap_or_else(|_| default.into());
        text.split(',').filter_map(|number| number.trim().parse().ok()).collect()
    }

    pub(super) async fn measure() {
        println!(
            "{:>10} {:>10} {:>10} {:>12} {:>10} {:>10} {:>10} {:>10} {:>10} {:>12} {:>12} {:>10}",
            "stored",
            "start ms",
            "again ms",
            "waiting, s",
            "memory MiB",
            "most MiB",
            "ack p50",
            "cold p50",
            "cold p99",
            "cold CPU us",
            "warm CPU us",
            "disk MiB"
        );
        for stored in numbers("RACONTEUR_BENCH_STORED", "1000,10000,100000,1000000") {
            stored_line(stored).await;
        }
        println!("\n{:>10} {:>12} {:>14} {:>14}", "live", "empty MiB", "live, bytes", "idle, bytes");
        for live in numbers("RACONTEUR_BENCH_LIVE", "1000,100000") {
            live_line(live).await;
        }
    }

    async fn stored_line(stored: u32) {
        let home = tempfile::tempdir_in(Path::new(".")).expect("there is room");
        let store = home.path().join("store");
        leave_behind(&store, stored, WAITING.min(stored / 2));
        // Every text goes to another conversation, none of which was in memory.
        let cold = (stored - WAITING.min(stored / 2)).min(6_000);
        let span = Duration::from_secs_f64(f64::from(cold) / 300.0);
        let strangers = Crowd { waiting: WAITING.min(stored / 2), ..crowd(stored, span, 300.0) };
        let report =
            run(options(OwnStore::Kept(store.clone()), strangers, Vec::new())).await.expect("it can be measured");
        assert_eq!(report.failures(&[]), [] as [&str; 0], "{:?}", report.faults);
        let disk = size(&store);
        let (texters, rate, seconds) = TALKERS;
        let talkers = crowd(texters, Duration::from_secs(seconds), rate);
        let talk = run(options(OwnStore::Kept(store.clone()), talkers, Vec::new())).await.expect("it can be measured");
        assert_eq!(talk.failures(&[]), [] as [&str; 0], "{:?}", talk.faults);
        // The first finds what this load has left, and is killed as well.
        let _ = kill(start(home.path(), &store));
        let again = kill(start(home.path(), &store));
        let resumed =
            report.each_second.iter().find(|second| second.waiting < 100).map_or(f64::NAN, |s| s.second as f64);
        println!(
            "{stored:>10} {:>10.0} {:>10.0} {resumed:>12.0} {:>10.1} {:>10.1} {:>10.2} {:>10.2} {:>10.2} {:>12.1} {:>12.1} {:>10.1}",
            report.started_in.unwrap_or(f64::NAN),
            again.as_secs_f64() * 1_000.0,
            mebibytes(report.memory),
            mebibytes(report.memory_peak),
            report.acknowledge.p50,
            report.added.p50,
            report.added.p99,
            report.cpu_per_turn_us.unwrap_or(f64::NAN),
            talk.cpu_per_turn_us.unwrap_or(f64::NAN),
            mebibytes(Some(disk)),
        );
    }

    async fn live_line(live: u32) {
        let settings = |idle: &str| {
            let set = |key: &str, value: &str| (key.to_owned(), value.to_owned());
            vec![
                set("engine.idle_after", idle),
                set("engine.max_resident", "1000000"),
                // What these hold is not of one conversation, and an empty gateway has not filled it.
                set("store.cache_bytes", "1048576"),
                set("store.journal_bytes", "1048576"),
            ]
        };
        let once = |texters: u32, idle: &str| {
            let seconds = u64::from(texters / 2_000).max(5);
            let crowd = crowd(texters, Duration::from_secs(seconds), f64::from(texters) / seconds as f64);
            let options = options(OwnStore::Sled, crowd, settings(idle));
            async { run(options).await.expect("it can be measured") }
        };
        let few = crowd(10, Duration::from_secs(5), 2.0);
        let empty = run(options(OwnStore::Sled, few, settings("1h"))).await.expect("it can be measured");
        let (resident, idle) = (once(live, "1h").await, once(live, "1s").await);
        let more_idle = once(live * MORE_IDLE, "1s").await;
        let each = |more: &Report, less: &Report, between: u32| {
            (more.memory.unwrap_or(0) as f64 - less.memory.unwrap_or(0) as f64) / f64::from(between)
        };
        println!(
            "{live:>10} {:>12.1} {:>14.0} {:>14.0}",
            mebibytes(empty.memory),
            each(&resident, &empty, live),
            each(&more_idle, &idle, live * (MORE_IDLE - 1))
        );
    }

    /// So many who text so many times a second altogether, whether they were answered or not.
    fn crowd(texters: u32, duration: Duration, rate: f64) -> Crowd {
        drive::crowd(texters, Pace::Fixed(rate), duration)
    }

    fn options(store: OwnStore, crowd: Crowd, settings: Vec<(String, String)>) -> LoadOptions {
        let target = Target::Own { binary: PathBuf::from(env!("CARGO_BIN_EXE_raconteur")), store, settings };
        LoadOptions { patience: Duration::from_secs(60), ..drive::options(target, crowd) }
    }

    fn mebibytes(bytes: Option<u64>) -> f64 {
        bytes.map_or(f64::NAN, |bytes| bytes as f64 / 1_048_576.0)
    }

    fn size(directory: &Path) -> u64 {
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        entries
            .map(|entry| {
                entry.metadata().map_or(0, |data| if data.is_dir() { size(&entry.path()) } else { data.len() })
            })
            .sum()
    }
}
