//! The gateway under load: one that runs already, or one of our own that is started with a store and stand-ins of its own and ended
//! when it is dropped.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::process::Process;
use super::run::LoadError;
use super::{LoadOptions, OwnStore, Target, Wire};

/// How long a gateway of our own may take to start.
const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// The environment variable by which a gateway of our own learns its token.
const TOKEN: &str = "LOAD_AUTH_TOKEN";

/// What texts are signed for, where the gateway is our own.
pub(super) const PUBLIC_URL: &str = "https://load.example";

/// A gateway under load.
pub(super) struct Gateway {
    /// Where it is.
    pub(super) url: String,
    /// Its process, where that is known.
    pub(super) process: Option<Process>,
    /// How long one of our own took until it was running.
    pub(super) started_in: Option<Duration>,
    own: Option<Own>,
}

/// Ends with its handle; its directory after it.
struct Own {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    home: TempDir,
}

impl Gateway {
    /// Finds the gateway, or starts one that speaks to these stand-ins.
    ///
    /// # Errors
    /// When a gateway of our own does not start.
    pub(super) async fn of(options: &LoadOptions, assistant: &str, provider: &str) -> Result<Self, LoadError> {
        match &options.target {
            Target::Running { url, process } => {
                let url = url.trim_end_matches('/').to_owned();
                Ok(Self { url, process: process.map(Process), started_in: None, own: None })
            }
            Target::Own { binary, store, settings } => {
                let home =
                    tempfile::Builder::new().prefix("raconteur-load-").tempdir_in(".").map_err(LoadError::Files)?;
                let text = configuration(options, (store, home.path()), assistant, provider);
                let token = match &options.wire {
                    Wire::Twilio { auth_token, .. } => auth_token.expose(),
                    Wire::Phone => "",
                };
                start(command(binary, settings, token), home, &text).await
            }
        }
    }

    /// Ends one of our own in good order and says so when it does not.
    pub(super) async fn stop(self) -> Result<(), LoadError> {
        let Some(Own { mut child, mut lines, home }) = self.own else { return Ok(()) };
        if let Some(id) = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
        while let Ok(Some(_)) = lines.next_line().await {}
        let ended = child.wait().await.map_err(LoadError::Files)?;
        if ended.success() { Ok(()) } else { Err(LoadError::Gateway(log(home.path()))) }
    }
}

/// The gateway's command, with no settings from the environment but these.
fn command(binary: &Path, settings: &[(String, String)], token: &str) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("RACONTEUR_")) {
        command.env_remove(name);
    }
    for (name, value) in settings {
        command.env(format!("RACONTEUR_{}", name.replace('.', "__").to_uppercase()), value);
    }
    command.env(TOKEN, token).env("LOAD_PASSWORD", "load").kill_on_drop(true);
    command
}

async fn start(mut command: Command, home: TempDir, text: &str) -> Result<Gateway, LoadError> {
    let file = home.path().join("raconteur.toml");
    std::fs::write(&file, text).map_err(LoadError::Files)?;
    let errors = std::fs::File::create(home.path().join("log")).map_err(LoadError::Files)?;
    command.arg("--config").arg(&file).arg("serve").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
    let began = Instant::now();
    let mut child = command.spawn().map_err(LoadError::Files)?;
    let stdout = child.stdout.take().expect("it is piped");
    let mut lines = BufReader::new(stdout).lines();
    let first = tokio::time::timeout(STARTS_WITHIN, lines.next_line()).await;
    let Ok(Ok(Some(line))) = first else { return Err(LoadError::Gateway(log(home.path()))) };
    let Some((_, address)) = line.rsplit_once("http://") else { return Err(LoadError::Gateway(log(home.path()))) };
    let (url, process) = (format!("http://{address}"), child.id().map(Process));
    Ok(Gateway { url, process, started_in: Some(began.elapsed()), own: Some(Own { child, lines, home }) })
}

/// The last lines of what it has logged.
fn log(home: &Path) -> String {
    let text = std::fs::read_to_string(home.join("log")).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(20).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

/// Limits far above what a load reaches: what is measured is the gateway, not its patience.
fn configuration(options: &LoadOptions, (store, home): (&OwnStore, &Path), assistant: &str, provider: &str) -> String {
    let LoadOptions { channel, tenant, crowd, wire, .. } = options;
    let most = crowd.texters.max(1_000) * 4;
    let on_disk = |path: &Path| format!("kind = \"sled\"\npath = {}", quoted(&path.to_string_lossy()));
    let store = match store {
        OwnStore::Sled => on_disk(&home.join("store")),
        OwnStore::Kept(path) => on_disk(path),
        OwnStore::Memory => "kind = \"memory\"".into(),
    };
    let channel_keys = match wire {
        Wire::Phone => format!("kind = \"phone\"\nphones_max = {}", crowd.texters.clamp(1, 100_000)),
        Wire::Twilio { account_sid, .. } => format!(
            "kind = \"twilio\"\naccount_sid = {}\nauth_token = {{ env = \"{TOKEN}\" }}\npublic_url = \"{PUBLIC_URL}\"\nbase_url = {}\nloop_guard_texts = 0",
            quoted(account_sid),
            quoted(provider)
        ),
    };
    let mut text = String::new();
    let _ = write!(
        text,
        r#"[server]
listen = "127.0.0.1:0"
requests_max = {requests}
connections_max = {connections}

[store]
{store}

[log]
level = "warn"

[channels.{channel}]
{channel_keys}

[assistants.load]
kind = "watson"
url = {assistant}
assistant_id = "load"
environment_id = "load"
username = "load"
password = {{ env = "LOAD_PASSWORD" }}

[[tenants]]
number = {tenant}
channel = "{channel}"
assistant = "load"
turns_max = 0

[tenants.lane]
asks_max = {lane}
sends_max = {lane}
"#,
        requests = most.min(100_000),
        connections = most.min(100_000),
        lane = most.min(10_000),
        assistant = quoted(assistant),
        tenant = quoted(tenant.as_str()),
    );
    text
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
