//! A whole configured gateway between stand-ins: Twilio on one side, Watson on the other, sled in a temporary directory.
//!
//! The configuration is written to a file and loaded as the binary does. Everything that waits gives up after [`PATIENCE`], so
//! that what never comes fails a test instead of holding it.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use raconteur::{Server, config};
use raconteur_conversation::address::{Address, ConversationKey};
use raconteur_conversation::words::{RowState, Work};
use raconteur_storage::{TranscriptRow, TranscriptTurn};
use serde_json::json;
use tempfile::TempDir;

use super::caller::{Caller, PUBLIC_URL};
use super::twilio::{ACCOUNT, Create, TOKEN, Twilio};
use super::watson::{ASSISTANT, KEY, Reply, StandIn, Turn};

/// The number that Twilio carries.
pub(crate) const TENANT: &str = "+15550100";
/// The number of the simulated phone.
pub(crate) const PHONE: &str = "+15550101";
pub(crate) const ADA: &str = "+15550111";
pub(crate) const BOB: &str = "+15550122";

/// Who controls sessions by REST, and how he proves it.
pub(crate) const OPERATOR: &str = "operator";
pub(crate) const PASSWORD: &str = "let: me in";
pub(crate) const CONTROL_TOKEN: &str = "c0ntrol";

/// What users get when a turn fails.
pub(crate) const SORRY: &str = "Sorry, try again.";

/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// Keys that a test adds to the configuration.
#[derive(Clone, Copy)]
pub(crate) struct Keys {
    pub(crate) server: &'static str,
    pub(crate) store: &'static str,
    pub(crate) ask: &'static str,
    pub(crate) send: &'static str,
    /// Of the tenant as a whole.
    pub(crate) tenant: &'static str,
    /// Of the channel to Twilio.
    pub(crate) channel: &'static str,
}

impl Default for Keys {
    fn default() -> Self {
        Self { server: "", store: "", ask: "", send: "timeout = \"20s\"", tenant: "", channel: "" }
    }
}

/// A running gateway and its neighbours.
pub(crate) struct Scene {
    pub(crate) twilio: Twilio,
    pub(crate) watson: StandIn,
    pub(crate) caller: Caller,
    server: Server,
    directory: TempDir,
}

/// Answers every text with itself.
pub(crate) fn echo(turn: &Turn) -> Reply {
    Reply::text(&format!("echo {}", turn.text))
}

impl Scene {
    /// A gateway whose assistant echoes.
    pub(crate) async fn start() -> Self {
        Self::with(Keys::default(), echo).await
    }

    pub(crate) async fn with(keys: Keys, script: impl Fn(&Turn) -> Reply + Send + Sync + 'static) -> Self {
        let (twilio, watson) = (Twilio::start().await, StandIn::start(script).await);
        let directory = tempfile::tempdir().expect("there is room for a directory");
        let text = configuration(&directory.path().join("data"), (twilio.base_url(), &watson.url()), keys);
        std::fs::write(directory.path().join("raconteur.toml"), text).expect("the directory can be written to");
        let server = start(&directory).await;
        let caller = Caller::new(server.address());
        Self { twilio, watson, caller, server, directory }
    }

    /// Stops the gateway in good order and starts it again on the same store.
    pub(crate) async fn restart(self) -> Self {
        self.restart_after(|_, _| {}).await
    }

    /// As [`Scene::restart`], with something that happens in between.
    pub(crate) async fn restart_after(self, happens: impl FnOnce(&Twilio, &Caller)) -> Self {
        let Self { twilio, watson, caller, server, directory } = self;
        server.stop().await.expect("it stops");
        happens(&twilio, &caller);
        let server = start(&directory).await;
        let caller = Caller::new(server.address());
        Self { twilio, watson, caller, server, directory }
    }

    /// As [`Scene::restart`], with something that is done to the store in between.
    pub(crate) async fn restart_with<F: Future<Output = ()>>(self, happens: impl FnOnce(PathBuf) -> F) -> Self {
        let Self { twilio, watson, server, directory, .. } = self;
        server.stop().await.expect("it stops");
        happens(directory.path().join("data")).await;
        let server = start(&directory).await;
        let caller = Caller::new(server.address());
        Self { twilio, watson, caller, server, directory }
    }

    /// Stops the gateway in good order.
    pub(crate) async fn stop(self) {
        self.server.stop().await.expect("it stops");
    }

    /// A user texts the number that Twilio carries.
    pub(crate) async fn text(&self, user: &str, body: &str) {
        self.caller.text((user, TENANT), body).await;
    }

    /// Waits until so many creates have reached Twilio in all.
    pub(crate) async fn creates(&self, count: usize) -> Vec<Create> {
        soon("creates", self.twilio.creates_arrived(count)).await
    }

    /// What was sent to a user so far.
    pub(crate) fn sent_to(&self, user: &str) -> Vec<String> {
        self.twilio.creates().into_iter().filter(|create| create.to == user).map(|create| create.body).collect()
    }

    /// A text goes in, and its echo comes out next: the gateway lives.
    pub(crate) async fn echoes(&self, user: &str, body: &str) -> Create {
        let before = self.twilio.creates().len();
        self.text(user, body).await;
        let create = self.creates(before + 1).await.pop().expect("it has arrived");
        assert_eq!((create.to.as_str(), create.body.as_str()), (user, format!("echo {body}").as_str()));
        create
    }

    /// A user's transcript, oldest first.
    pub(crate) async fn transcript(&self, user: &str) -> Vec<TranscriptTurn> {
        let number = |text| Address::parse(text).expect("it is a number");
        let key = ConversationKey { tenant: number(TENANT), user: number(user) };
        let mut turns = self.server.gateway().store().transcript(&key, None, 1_000).await.expect("the store is well");
        turns.reverse();
        turns
    }

    /// Waits until a user's transcript is as it should be.
    pub(crate) async fn until(&self, user: &str, holds: impl Fn(&[TranscriptTurn]) -> bool) -> Vec<TranscriptTurn> {
        let mut turns = Vec::new();
        let holding = async {
            loop {
                turns = self.transcript(user).await;
                if holds(&turns) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let held = tokio::time::timeout(PATIENCE, holding).await;
        assert!(held.is_ok(), "the transcript never became what it should: {turns:#?}");
        turns
    }

    /// Waits until the last text to a user has come to an end, and says to which.
    pub(crate) async fn settled(&self, user: &str) -> TranscriptRow {
        let turns = self.until(user, |turns| last_row(turns).is_some_and(|row| row.row.state.is_settled())).await;
        last_row(&turns).expect("it is there").clone()
    }
}

/// The latest text of ours in a transcript.
pub(crate) fn last_row(turns: &[TranscriptTurn]) -> Option<&TranscriptRow> {
    turns.iter().rev().find_map(|turn| turn.rows.last())
}

/// What the user said in a turn.
pub(crate) fn said(turn: &TranscriptTurn) -> &str {
    if let Work::Message(message) = &turn.work { &message.body } else { "" }
}

/// The code with which a text failed; empty if it did not.
pub(crate) fn failure(row: &TranscriptRow) -> &str {
    if let RowState::Failed { code, .. } = &row.row.state { code } else { "" }
}

/// Waits for something that must come.
pub(crate) async fn soon<T>(what: &str, coming: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, coming).await.unwrap_or_else(|_| panic!("{what}: this never came"))
}

/// The secrets that the configuration names.
pub(crate) fn secrets() -> impl Iterator<Item = (String, String)> {
    let secrets = [
        ("TWILIO_AUTH_TOKEN", TOKEN),
        ("WATSON_APIKEY", KEY),
        ("CONTROL_PASSWORD", PASSWORD),
        ("CONTROL_TOKEN", CONTROL_TOKEN),
    ];
    secrets.map(|(name, value)| (name.into(), value.into())).into_iter()
}

async fn start(directory: &TempDir) -> Server {
    let file: PathBuf = directory.path().join("raconteur.toml");
    let config = config::load(Some(&file), secrets()).unwrap_or_else(|problems| panic!("{problems:?}"));
    Server::start(config).await.unwrap_or_else(|error| panic!("{error}"))
}

/// A configuration with the waits of a test. Media are not looked at: tests name hosts that no test may ask.
pub(crate) fn configuration(store: &std::path::Path, (twilio, watson): (&str, &str), keys: Keys) -> String {
    let Keys { server, store: more, ask, send, tenant: rules, channel } = keys;
    // A JSON string of these characters is a TOML string as well.
    let store = json!(store.to_str().expect("temporary directories have plain names"));
    let reconcile = if send.contains("reconcile_after") { "" } else { "reconcile_after = \"20ms\"\n" };
    // Users here talk faster than people do.
    let guard = if channel.contains("loop_guard") { "" } else { "loop_guard_texts = 0\n" };
    // Voice gateways are stand-ins on this machine.
    let allow = if server.contains("outbound_allow") { "" } else { "outbound_allow = [\"127.0.0.0/8\"]\n" };
    let tenant = format!(
        "assistant = \"watson\"\nfailure_message = \"{SORRY}\"\n{rules}\n\
         [tenants.control]\nusername = \"{OPERATOR}\"\npassword = {{ env = \"CONTROL_PASSWORD\" }}\n\
         token = {{ env = \"CONTROL_TOKEN\" }}\n[tenants.ask]\ninterval = \"10ms\"\n{ask}\n[tenants.send]\n\
         backoff_first = \"10ms\"\n{reconcile}{send}\n"
    );
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n{allow}{server}\n[store]\npath = {store}\nmin_free_bytes = 0\n{more}\n\
         [channels.twilio]\nkind = \"twilio\"\naccount_sid = \"{ACCOUNT}\"\nauth_token = {{ env = \"TWILIO_AUTH_TOKEN\" }}\n\
         public_url = \"{PUBLIC_URL}\"\nbase_url = \"{twilio}\"\nmedia_check = false\n{guard}{channel}\n\
         [channels.phone]\nkind = \"phone\"\n\
         [assistants.watson]\nkind = \"watson\"\nurl = \"{watson}\"\nassistant_id = \"{ASSISTANT}\"\n\
         apikey = {{ env = \"WATSON_APIKEY\" }}\n\
         [[tenants]]\nnumber = \"{TENANT}\"\nchannel = \"twilio\"\n{tenant}\
         [[tenants]]\nnumber = \"{PHONE}\"\nchannel = \"phone\"\n{tenant}"
    )
}
