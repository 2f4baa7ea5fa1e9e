//! The real binary as a process: run to its end, or serving until it is told to stop.

use std::path::Path;
use std::process::{Output, Stdio};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::scene::{secrets, soon};

/// The binary, in a directory and with an environment of its own.
pub(crate) fn raconteur(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_raconteur"));
    command.args(arguments).current_dir(directory).env_clear().envs(secrets()).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it to its end: the code, what it printed, what it complained of.
pub(crate) async fn run(directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        soon("the end", raconteur(directory, arguments).output()).await.expect("it can be run");
    let text = |bytes| String::from_utf8(bytes).expect("it prints text");
    (status.code(), text(stdout), text(stderr))
}

pub(crate) fn directory(configuration: &str) -> TempDir {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    std::fs::write(directory.path().join("raconteur.toml"), configuration).expect("it can be written to");
    directory
}

/// A gateway that serves.
pub(crate) struct Serving {
    pub(crate) child: Child,
    out: Lines<BufReader<ChildStdout>>,
    pub(crate) address: String,
}

impl Serving {
    pub(crate) async fn start(directory: &Path) -> Self {
        let mut child = raconteur(directory, &["serve"]).spawn().expect("it can be started");
        let stdout = child.stdout.take().expect("it is piped");
        let mut out = BufReader::new(stdout).lines();
        let first = soon("the address", out.next_line()).await.expect("it can be read").unwrap_or_default();
        let address = first.split_once("is running on http://").map(|(_, address)| address.to_owned());
        let Some(address) = address else {
            let (_, complaint) = soon("the end", ended(child)).await;
            panic!("it did not start: {first} {complaint}");
        };
        Self { child, out, address }
    }

    pub(crate) fn terminate(&self) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = std::process::Command::new("kill").args(["-TERM", &id]).status().expect("there is a kill");
        assert!(sent.success());
    }

    /// Reads what it prints up to a line with these words.
    pub(crate) async fn prints(&mut self, words: &str) {
        loop {
            let line = soon(words, self.out.next_line()).await.expect("it can be read");
            let line = line.unwrap_or_else(|| panic!("it ended without saying {words:?}"));
            if line.contains(words) {
                return;
            }
        }
    }

    pub(crate) async fn end(self) -> (Option<i32>, String) {
        soon("the end", ended(self.child)).await
    }
}

/// The code with which it ends and all that it logged.
async fn ended(mut child: Child) -> (Option<i32>, String) {
    let mut log = String::new();
    child.stderr.take().expect("it is piped").read_to_string(&mut log).await.expect("it logs text");
    (child.wait().await.expect("it ends").code(), log)
}
