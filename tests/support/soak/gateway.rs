//! The real binary under a long load: its directory, its start and its end, and what the machine and it itself tell of it meanwhile.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use reqwest::Client;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::support::twilio::{ACCOUNT, TOKEN};

/// Our number.
pub(crate) const TENANT: &str = "+15550100";

/// Whoever has this may send texts.
pub(crate) const CONTROL: &str = "c0ntrol";

/// A start or a stop that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a run's gateway is set to.
#[derive(Clone, Copy)]
pub(crate) struct Setup<'a> {
    /// How many conversations may be in memory.
    pub(crate) max_resident: usize,
    /// How long a session lasts that nobody goes on with.
    pub(crate) session_timeout: &'a str,
    /// Further keys of the tenant, one a line.
    pub(crate) keys: &'a str,
}

/// A running gateway.
pub(crate) struct Gateway {
    process: Child,
    directory: TempDir,
    pub(crate) address: SocketAddr,
}

/// What the machine tells of the process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held {
    /// Memory, in KiB.
    pub(crate) resident_kib: u64,
    pub(crate) threads: u64,
    pub(crate) descriptors: u64,
    /// Bytes of all files of the store.
    pub(crate) disk_bytes: u64,
    /// How many files these are.
    pub(crate) files: u64,
}

/// What the process tells of itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    /// Conversations in memory.
    pub(crate) residents: u64,
    /// Turns that were taken.
    pub(crate) turns: u64,
    /// Of these, turns that failed or were dropped.
    pub(crate) failed: u64,
    /// Texts of ours that the provider has taken.
    pub(crate) sent: u64,
    /// Texts of ours that were not sent, or of which nobody knows.
    pub(crate) unsent: u64,
    /// Sessions that ended because nobody went on.
    pub(crate) timeouts: u64,
}

impl Drop for Gateway {
    #[expect(clippy::print_stderr, reason = "it is for whoever looks into the failure")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.directory.disable_cleanup(true);
            eprintln!("everything is left in {}", self.directory.path().display());
        }
    }
}

impl Gateway {
    /// Starts it between these stand-ins, for Twilio and for an assistant, and waits until it takes texts.
    pub(crate) async fn start(neighbours: [&str; 2], setup: &Setup<'_>) -> Self {
        let directory = tempfile::tempdir().expect("there is room for a directory");
        let text = configuration(directory.path(), neighbours, setup);
        fs::write(directory.path().join("raconteur.toml"), text).expect("a file can be written");
        let mut process = spawn(directory.path());
        let address = ready(&mut process).await;
        let log = || fs::read_to_string(directory.path().join("stderr")).unwrap_or_default();
        let address = address.unwrap_or_else(|| panic!("it did not start:\n{}", log()));
        Self { process, directory, address }
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// What the machine tells of it.
    pub(crate) fn held(&self) -> Held {
        let id = self.process.id().expect("it lives");
        let descriptors = fs::read_dir(format!("/proc/{id}/fd")).expect("it lives").count() as u64;
        let [resident_kib, threads] = ["VmRSS:", "Threads:"].map(|name| status(&self.process, name));
        let (disk_bytes, files) = size(&self.store());
        Held { resident_kib, threads, descriptors, disk_bytes, files }
    }

    /// What it tells of itself.
    pub(crate) async fn told(&self, client: &Client) -> Told {
        let address = format!("http://{}/metrics", self.address);
        // A connection that was idle may be closed at the moment when it is used again.
        let response = match client.get(&address).send().await {
            Err(error) if error.is_request() => client.get(&address).header("connection", "close").send().await,
            answered => answered,
        };
        let text = response.expect("it answers").text().await.expect("the metrics are text");
        let all = |start: &str| -> u64 {
            let of =
                |line: &str| line.starts_with(start).then(|| line.rsplit_once(' ')?.1.parse::<u64>().ok()).flatten();
            text.lines().filter_map(of).sum()
        };
        Told {
            residents: all("raconteur_conversations{place=\"memory\"}"),
            turns: all("raconteur_turns_total{"),
            failed: all("raconteur_turns_total{outcome=\"failed\"}")
                + all("raconteur_turns_total{outcome=\"dropped\"}"),
            sent: all("raconteur_texts_total{state=\"sent\"}"),
            unsent: all("raconteur_texts_total{state=\"failed\"}") + all("raconteur_texts_total{state=\"given_up\"}"),
            timeouts: all("raconteur_sessions_ended_total{reason=\"timeout\"}"),
        }
    }

    /// SIGTERM; returns its directory when it has drained.
    pub(crate) async fn stop(mut self) -> Stopped {
        stop(&mut self.process).await;
        Stopped(self)
    }
}

/// A gateway that has stopped; its store is free.
pub(crate) struct Stopped(Gateway);

/// The binary in this directory, with what it says going to a file.
fn spawn(directory: &Path) -> Child {
    let log = File::create(directory.join("stderr")).expect("a log can be written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_raconteur"));
    command.arg("--config").arg(directory.join("raconteur.toml")).env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
    command.spawn().expect("the binary can be started")
}

/// Waits for the first line, which says where it listens.
async fn ready(process: &mut Child) -> Option<SocketAddr> {
    let mut lines = BufReader::new(process.stdout.as_mut().expect("it is piped")).lines();
    let line = timeout(PATIENCE, lines.next_line()).await.expect("it starts in time").expect("it can be read");
    line?.rsplit_once("http://")?.1.parse().ok()
}

/// SIGTERM; returns when it has ended, and ended well.
async fn stop(process: &mut Child) {
    let id = process.id().expect("it has not ended").to_string();
    let told = Command::new("kill").args(["-TERM", &id]).status().await;
    assert!(told.expect("there is a kill").success());
    let ended = timeout(PATIENCE, process.wait()).await.expect("it stops when it is told to");
    assert!(ended.expect("its end can be waited for").success(), "it ends well");
}

/// What a line of the kernel's account of a process says.
fn status(process: &Child, name: &str) -> u64 {
    let id = process.id().expect("it lives");
    let status = fs::read_to_string(format!("/proc/{id}/status")).expect("it lives");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel tells");
    line.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number")
}

impl Stopped {
    pub(crate) fn store(&self) -> PathBuf {
        self.0.store()
    }

    /// Bytes of all files of the store.
    pub(crate) fn disk_bytes(&self) -> u64 {
        size(&self.0.store()).0
    }

    /// How much memory a new process takes that has done nothing yet but open the store, in KiB.
    pub(crate) async fn reopened_kib(&self) -> u64 {
        let mut process = spawn(self.0.directory.path());
        ready(&mut process).await.expect("it starts again");
        let resident_kib = status(&process, "VmRSS:");
        stop(&mut process).await;
        resident_kib
    }

    /// Runs one of the store's tools.
    pub(crate) async fn tool(&self, name: &str) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_raconteur"));
        command.args(["store", name, "--store"]).arg(self.0.store()).env_clear();
        let output = command.output().await.expect("the binary can be started");
        let words = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{words}\n{}", String::from_utf8_lossy(&output.stderr));
        words
    }
}

/// Bytes and number of all files below a directory. One that goes meanwhile counts as nothing.
fn size(directory: &Path) -> (u64, u64) {
    let (mut bytes, mut files) = (0, 0);
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        let (more, count) = if metadata.is_dir() { size(&entry.path()) } else { (metadata.len(), 1) };
        bytes += more;
        files += count;
    }
    (bytes, files)
}

fn configuration(directory: &Path, [provider, assistant]: [&str; 2], setup: &Setup<'_>) -> String {
    let Setup { max_resident, session_timeout, keys } = setup;
    let [store, token, control] = ["data", "token", "control"].map(|name| directory.join(name));
    fs::write(&token, TOKEN).expect("a file can be written");
    fs::write(&control, CONTROL).expect("a file can be written");
    format!(
        r#"
        server.listen = "127.0.0.1:0"
        store = {{ path = {store:?}, min_free_bytes = 0, cache_bytes = 33554432, duplicates_kept = "1m" }}
        engine = {{ idle_after = "2s", max_resident = {max_resident}, expire_every = "1m" }}
        log.level = "warn"

        [channels.twilio]
        kind = "twilio"
        account_sid = "{ACCOUNT}"
        auth_token = {{ file = {token:?} }}
        public_url = "https://sms.example.com"
        base_url = "{provider}"
        media_check = false
        # Users say here in minutes what takes others a day.
        loop_guard_texts = 0

        [assistants.bot]
        kind = "soe"
        url = "{assistant}"

        [[tenants]]
        number = "{TENANT}"
        channel = "twilio"
        assistant = "bot"
        session_timeout = "{session_timeout}"
        turns_max = 0
        control.token = {{ file = {control:?} }}
        {keys}
        "#
    )
}
