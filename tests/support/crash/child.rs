//! The real binary as a child process: started, killed with SIGKILL, or asked to stop; and the directory that all its lives
//! share: configuration, script, store, and what the latest of them wrote to standard error.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::texts::FAILED;
use crate::support::twilio::{ACCOUNT, TOKEN};

/// The logs of so many lives are kept.
const LIVES_KEPT: usize = 4;

/// So many lines of each are told when a run fails.
const LINES_TOLD: usize = 60;

/// A start or a stop that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the runs differ in.
pub(crate) struct Setup<'a> {
    /// Our number, another one in each test: a text that goes astray to another test's process is refused there.
    pub(crate) tenant: &'a str,
    pub(crate) session_timeout: &'a str,
    /// Where the stand-in for Twilio is.
    pub(crate) twilio: &'a str,
}

/// The directory.
pub(crate) struct Place {
    directory: TempDir,
    lives: usize,
    seed: u64,
}

/// What a failed run leaves behind.
impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.directory.disable_cleanup(true);
            self.tell_last_words();
        }
    }
}

impl Place {
    pub(crate) fn new(setup: &Setup<'_>, script: &str, seed: u64) -> Self {
        let directory = tempfile::tempdir().expect("there is room for a directory");
        let place = Self { directory, lives: 0, seed };
        place.write("token", TOKEN);
        place.write("bot.rhai", script);
        place.write("raconteur.toml", &place.config(setup));
        place
    }

    /// Tight limits, but `reconcile_after`: it must be far above the time that the stand-in lets a create wait before it takes
    /// it (10 ms), plus the commit that lies between a row's time and its call. Only then no create of a dead process can be
    /// taken after its successor has read the log, and every second create is a fault of ours. The stand-in watches over it.
    fn config(&self, Setup { tenant, session_timeout, twilio }: &Setup<'_>) -> String {
        let (store, token, script) = (self.store(), self.path("token"), self.path("bot.rhai"));
        format!(
            r#"
            server.listen = "127.0.0.1:0"
            store = {{ path = {store:?}, min_free_bytes = 0, journal_bytes = 1000000 }}
            engine.idle_after = "300ms"

            [channels.twilio]
            kind = "twilio"
            account_sid = "{ACCOUNT}"
            auth_token = {{ file = {token:?} }}
            public_url = "https://sms.example.com"
            base_url = "{twilio}"
            # Users here talk faster than people do.
            loop_guard_texts = 0

            [assistants.bot]
            kind = "script"
            file = {script:?}

            [[tenants]]
            number = "{tenant}"
            channel = "twilio"
            assistant = "bot"
            turns_max = 0
            session_timeout = "{session_timeout}"
            failure_message = "{FAILED}"

            [tenants.send]
            timeout = "1s"
            backoff_first = "50ms"
            reconcile_after = "250ms"
            "#
        )
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path("data")
    }

    fn log(&self, life: usize) -> PathBuf {
        self.path(&format!("stderr.{}", life % LIVES_KEPT))
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file can be written");
    }

    #[expect(clippy::print_stderr, reason = "it is for whoever looks into the failure")]
    fn tell_last_words(&self) {
        eprintln!("seed {}; everything is left in {}", self.seed, self.directory.path().display());
        for life in self.lives.saturating_sub(LIVES_KEPT) + 1..=self.lives {
            let words = fs::read_to_string(self.log(life)).unwrap_or_default();
            let lines: Vec<&str> = words.lines().collect();
            eprintln!("--- life {life}\n{}", lines[lines.len().saturating_sub(LINES_TOLD)..].join("\n"));
        }
    }

    /// Starts the binary, and does not wait for anything.
    pub(crate) fn spawn(&mut self) -> Life {
        self.lives += 1;
        let log = File::create(self.log(self.lives)).expect("a log can be written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_raconteur"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("RACONTEUR_") {
                command.env_remove(name);
            }
        }
        command.arg("--config").arg(self.path("raconteur.toml"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        let process = command.spawn().expect("the binary can be started");
        Life { process, born: Instant::now() }
    }

    /// Starts the binary and waits until it takes texts. Returns where.
    pub(crate) async fn start(&mut self) -> (Life, SocketAddr) {
        let mut life = self.spawn();
        match timeout(PATIENCE, life.ready()).await.ok().flatten() {
            Some(address) => (life, address),
            None => panic!("it did not start"),
        }
    }
}

/// One life of the binary.
pub(crate) struct Life {
    process: Child,
    pub(crate) born: Instant,
}

impl Life {
    /// Reads the address from its first line.
    async fn ready(&mut self) -> Option<SocketAddr> {
        let mut lines = BufReader::new(self.process.stdout.as_mut()?).lines();
        let line = lines.next_line().await.ok()??;
        line.rsplit_once("http://")?.1.parse().ok()
    }

    /// `kill -9`; returns when it is dead.
    pub(crate) async fn kill(mut self) {
        assert_eq!(self.process.try_wait().ok().flatten(), None, "it must live until it is killed");
        self.process.kill().await.expect("a child of ours can be killed");
    }

    /// SIGTERM; returns when it has drained.
    pub(crate) async fn stop(mut self) {
        let id = self.process.id().expect("it has not ended").to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().await;
        assert!(told.expect("there is a kill").success());
        let ended = timeout(PATIENCE, self.process.wait()).await.expect("it stops when it is told to");
        assert!(ended.expect("its end can be waited for").success(), "it ends well");
    }
}
