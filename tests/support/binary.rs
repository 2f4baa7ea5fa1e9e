//! The real binary for tests of its store: a demo gateway with a simulated phone in a directory of its own, and the tools. Plain
//! threads and sockets, so that a test reads from top to bottom.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// Nothing takes longer unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

const CONFIGURATION: &str = "[server]\nlisten = \"127.0.0.1:0\"\n[store]\nmin_free_bytes = 0\n";

/// A directory with a configuration, and with a store in `data` once a gateway has run.
pub(crate) struct Site(TempDir);

impl Site {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("there is room for a directory");
        fs::write(directory.path().join("raconteur.toml"), CONFIGURATION).expect("it can be written to");
        Self(directory)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().expect("it is there").join(name)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path("data")
    }

    /// The binary with these arguments, in this directory.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(env!("CARGO_BIN_EXE_raconteur"), arguments)
    }

    /// Another program that runs the binary, say with less rights.
    pub(crate) fn command_of(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.0.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        ended(self.command(arguments))
    }

    /// The store as the tool exports it.
    pub(crate) fn exported(&self, store: &str) -> String {
        let Ended { code, out, log } = self.run(&["store", "export", "--store", store]);
        assert_eq!(code, Some(0), "{log}");
        out
    }

    /// Ids that the store knows as accepted.
    pub(crate) fn kept(&self) -> BTreeSet<String> {
        let read = |line: &str| serde_json::from_str::<Value>(line).expect("every line is JSON");
        let lines: Vec<Value> = self.exported("data").lines().map(read).collect();
        let marks = lines.iter().filter_map(|line| line["duplicates"]["marks"].as_array()).flatten();
        marks.filter_map(|mark| mark["id"].as_str().map(str::to_owned)).collect()
    }

    /// A store with some texts, left by a gateway that was killed. Returns the ids that were acknowledged.
    pub(crate) fn furnish(&self, texts: usize) -> BTreeSet<String> {
        let gateway = Gateway::start(self.command(&["serve"]));
        let accepted = (0..texts).map(|number| gateway.text(number).expect("it takes the text")).collect();
        gateway.kill();
        accepted
    }
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) log: String,
}

pub(crate) fn ended(mut command: Command) -> Ended {
    let Output { status, stdout, stderr } = command.output().expect("it can be run");
    let text = |bytes| String::from_utf8(bytes).expect("it prints text");
    Ended { code: status.code(), out: text(stdout), log: text(stderr) }
}

/// A gateway that serves.
pub(crate) struct Gateway {
    process: Child,
    address: String,
}

impl Gateway {
    /// Starts it, or panics with what it said instead.
    pub(crate) fn start(command: Command) -> Self {
        Self::try_start(command).unwrap_or_else(|ended| panic!("it did not start: {ended:?}"))
    }

    /// Starts it, or tells how it ended instead.
    pub(crate) fn try_start(mut command: Command) -> Result<Self, Ended> {
        let mut process = command.spawn().expect("it can be started");
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().expect("it is piped")).read_line(&mut line).expect("it can be read");
        match line.trim().rsplit_once("http://") {
            Some((_, address)) => Ok(Self { address: address.to_owned(), process }),
            None => Err(Self { address: String::new(), process }.end()),
        }
    }

    /// A text with this number; its id when it is acknowledged.
    pub(crate) fn text(&self, number: usize) -> io::Result<String> {
        let from = format!("+155501{:02}", number % 20);
        let id = format!("t{number}");
        let body = serde_json::json!({"from": from, "to": "+15550100", "text": "x".repeat(900), "id": id}).to_string();
        let head = "POST /channels/phone/inbound HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n";
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if answer.starts_with("HTTP/1.1 200 ") { Ok(format!("{from}/{id}")) } else { Err(io::Error::other(answer)) }
    }

    pub(crate) fn kill(mut self) {
        self.process.kill().expect("it can be killed");
        self.process.wait().expect("it ends");
    }

    pub(crate) fn stop(self) -> Ended {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("there is a kill").success());
        self.end()
    }

    /// Waits until it has ended by itself.
    pub(crate) fn end(mut self) -> Ended {
        let (mut out, mut log) = (String::new(), String::new());
        self.process.stderr.take().expect("it is piped").read_to_string(&mut log).expect("it logs text");
        self.process.stdout.take().expect("it is piped").read_to_string(&mut out).expect("it prints text");
        Ended { code: self.process.wait().expect("it ends").code(), out, log }
    }
}

/// Copies a store as it lies there.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("there is room");
    for entry in fs::read_dir(from).expect("it is there").map(|entry| entry.expect("it can be read")) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("there is room");
        }
    }
}
