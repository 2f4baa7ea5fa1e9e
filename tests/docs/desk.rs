//! Where a reader sits: a directory with what the document has had him write, a shell, a gateway once he has started one, and stand-ins for
//! whom that gateway speaks to.
//!
//! Commands are run by bash as they stand, but for three things: `raconteur` is the binary that is tested, the gateway's address is the
//! one that it got, and a gateway that somebody asks is started if the document has started none.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::scene::{echo, soon};
use super::shown::{SAMPLE, SECRETS};
use super::twilio::{ACCOUNT, Twilio};
use super::watson::{ASSISTANT, ENVIRONMENT, StandIn};

/// Where documents have the gateway listen.
pub(crate) const ADDRESS: &str = "127.0.0.1:8080";

/// A command that fails, a part of a pipe and a variable that is not set are failures.
const PROLOGUE: &str = "set -euo pipefail\n";

pub(crate) struct Desk {
    directory: TempDir,
    twilio: Twilio,
    watson: StandIn,
    settings: String,
    gateway: Option<Running>,
}

/// A gateway that serves.
struct Running {
    process: Child,
    /// Kept, or it could print no more.
    _out: Lines<BufReader<ChildStdout>>,
    address: String,
}

impl Desk {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().expect("there is room for a directory");
        let desk = Self {
            directory,
            twilio: Twilio::start().await,
            watson: StandIn::start(echo).await,
            settings: String::new(),
            gateway: None,
        };
        desk.write("home/.curlrc", "fail-with-body\nsilent\nshow-error\nmax-time = 60\n");
        desk.write("sample.toml", SAMPLE);
        // What whoever comes from IBM has already.
        desk.write("work/tenants.json", IBM_TENANTS);
        desk.write("work/gateway.env", "LOG_LEVEL=INFO\n");
        let bin = desk.directory.path().join("bin");
        fs::create_dir(&bin).expect("there is room");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_raconteur"), bin.join("raconteur")).expect("it can be linked");
        desk
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::create_dir_all(path.parent().expect("it is in a directory")).expect("there is room");
        fs::write(&path, text).expect("it can be written to");
        path
    }

    /// A file that the document has its reader write.
    pub(crate) fn put(&self, name: &str, text: &str) {
        self.write(&format!("work/{name}"), text);
    }

    /// What holds from now on.
    pub(crate) fn set(&mut self, line: &str) {
        self.settings += &format!("{line}\n");
    }

    /// The environment that leads a configuration to the stand-ins, as far as it has what they stand in for.
    fn detours(&self, configuration: &str) -> Vec<(String, String)> {
        let table: toml::Table = configuration.parse().unwrap_or_default();
        let section = |group: &str, name: &str| table.get(group)?.get(name)?.as_table();
        let mut detours: Vec<(String, String)> = Vec::new();
        let mut lead = |key: &str, value: &str| detours.push((format!("RACONTEUR_{key}"), value.to_owned()));
        if section("channels", "twilio").is_some() {
            lead("CHANNELS__TWILIO__BASE_URL", self.twilio.base_url());
            lead("CHANNELS__TWILIO__ACCOUNT_SID", ACCOUNT);
        }
        if let Some(watson) = section("assistants", "watson").filter(|watson| watson["kind"].as_str() == Some("watson"))
        {
            lead("ASSISTANTS__WATSON__URL", &self.watson.url());
            lead("ASSISTANTS__WATSON__ASSISTANT_ID", ASSISTANT);
            if watson.contains_key("environment_id") {
                lead("ASSISTANTS__WATSON__ENVIRONMENT_ID", ENVIRONMENT);
            }
        }
        detours
    }

    fn configuration(&self) -> String {
        fs::read_to_string(self.directory.path().join("work/raconteur.toml")).unwrap_or_default()
    }

    fn shell(&self, line: &str) -> Command {
        let address = self.gateway.as_ref().map_or(ADDRESS, |gateway| &gateway.address);
        let mut shell = Command::new("bash");
        shell.arg("-c").arg(format!("{PROLOGUE}{}{}", self.settings, line.replace(ADDRESS, address)));
        let path = std::env::var("PATH").unwrap_or_default();
        let home = self.directory.path().join("home");
        shell.current_dir(self.directory.path().join("work")).env_clear().envs(SECRETS);
        shell.env("PATH", format!("{}:{path}", self.directory.path().join("bin").display()));
        shell.env("HOME", &home).env("CURL_HOME", &home).kill_on_drop(true);
        shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        shell
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, line: &str) -> Result<String, String> {
        self.run_with(line, &[]).await
    }

    /// Runs one with further variables.
    pub(crate) async fn run_with(&self, line: &str, variables: &[(String, String)]) -> Result<String, String> {
        let mut shell = self.shell(line);
        shell.envs(variables.iter().cloned());
        let Output { status, stdout, stderr } = soon(line, shell.output()).await.map_err(|error| error.to_string())?;
        let (out, log) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        if status.success() { Ok(out.into_owned()) } else { Err(format!("{line}: {status}\n{out}{log}")) }
    }

    /// Runs an example, which cargo has put beside the binary.
    pub(crate) async fn example(&self, line: &str) -> Result<String, String> {
        let beside = Path::new(env!("CARGO_BIN_EXE_raconteur")).parent().expect("it is in a directory");
        let examples = beside.join("examples");
        let name = line.split(' ').next().unwrap_or_default();
        if !examples.join(name).exists() {
            return Err(format!("there is no example {name}, or it is not built: cargo build --examples"));
        }
        self.run(&format!("'{}'/{line}", examples.display())).await
    }

    /// Asks the gateway that runs, or the sample's.
    pub(crate) async fn ask(&mut self, line: &str) -> Result<String, String> {
        if self.gateway.is_none() {
            let sample = self.directory.path().join("sample.toml").display().to_string();
            let mut variables = self.detours(SAMPLE);
            variables.push(("RACONTEUR_CONFIG".into(), sample));
            self.start("raconteur", &variables).await?;
        }
        let address = self.gateway.as_ref().map(|gateway| gateway.address.clone()).unwrap_or_default();
        self.run_with(line, &[("RACONTEUR_SERVER__LISTEN".into(), address)]).await
    }

    /// Starts a gateway by this command, in the place of the one before.
    pub(crate) async fn serve(&mut self, line: &str) -> Result<String, String> {
        let mut variables = self.detours(&self.configuration());
        variables.push(("RACONTEUR_SERVER__LISTEN".into(), "127.0.0.1:0".into()));
        let said = self.start(line, &variables).await?;
        self.ask("raconteur health").await?;
        Ok(said)
    }

    /// Starts it; what it says by then, with the address that it would have had.
    async fn start(&mut self, line: &str, variables: &[(String, String)]) -> Result<String, String> {
        self.stop().await?;
        let mut shell = self.shell(&format!("exec {line}"));
        shell.envs(variables.iter().cloned());
        let mut process = shell.spawn().map_err(|error| error.to_string())?;
        let mut out = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        let mut said = String::new();
        while !said.ends_with("Stop it with Ctrl-C.\n") {
            let Some(next) = soon(line, out.next_line()).await.map_err(|error| error.to_string())? else { break };
            said += &format!("{next}\n");
        }
        let address = said.lines().next().and_then(|first| first.rsplit_once("is running on http://"));
        let Some(address) = address.map(|(_, address)| address.to_owned()) else {
            let output = soon(line, process.wait_with_output()).await.map_err(|error| error.to_string())?;
            return Err(format!("{line}: it did not start: {said}{}", String::from_utf8_lossy(&output.stderr)));
        };
        let said = said.replace(&address, ADDRESS);
        self.gateway = Some(Running { address, process, _out: out });
        Ok(said)
    }

    /// Stops the gateway that runs, in good order.
    pub(crate) async fn stop(&mut self) -> Result<(), String> {
        let Some(Running { process, _out: mut out, .. }) = self.gateway.take() else { return Ok(()) };
        let id = process.id().ok_or("the gateway has ended by itself")?.to_string();
        let killed = std::process::Command::new("kill").args(["-TERM", &id]).status().expect("there is a kill");
        assert!(killed.success());
        // It goes on printing, and must find somebody who reads.
        let read = async { while let Ok(Some(_)) = out.next_line().await {} };
        let (output, ()) = soon("its end", async { tokio::join!(process.wait_with_output(), read) }).await;
        let output = output.map_err(|error| error.to_string())?;
        let log = String::from_utf8_lossy(&output.stderr);
        if output.status.success() { Ok(()) } else { Err(format!("the gateway ended with {}: {log}", output.status)) }
    }

    /// Runs a tool on a store that no gateway is using, with a conversation in it.
    pub(crate) async fn look_after(&mut self, line: &str) -> Result<String, String> {
        if !self.directory.path().join("work/data").exists() {
            let text = r#"{"from": "+15550199", "to": "+15550100", "text": "hi"}"#;
            self.ask(&format!("curl http://{ADDRESS}/channels/phone/inbound -d '{text}'")).await?;
        }
        self.stop().await?;
        self.run(line).await
    }

    /// The text that a number of ours has sent through Twilio next, after so many others.
    pub(crate) async fn sent(&self, before: usize) -> String {
        let creates = soon("a text by Twilio", self.twilio.creates_arrived(before + 1)).await;
        creates[before].body.clone()
    }
}

/// The tenant JSON of IBM's SMS Gateway.
const IBM_TENANTS: &str = r#"{"tenants": [{
    "tenantPhoneNumber": "+15550100", "allowSessionCreateViaSMS": "true", "timeoutForSession": "3600",
    "conversation": {
        "url": "https://api.us-south.assistant.watson.cloud.ibm.com/instances/i", "workspaceID": "w", "apikey": "watson-secret"
    },
    "smsProvider": {
        "url": "https://api.twilio.com", "username": "AC00000000000000000000000000000000", "password": "twilio-secret"
    }
}]}"#;
