//! The console in a real browser: Debian's Chromium without a screen, over 100,000 conversations.
//!
//! What is done there stands in `browser/console.mjs`. What drives the browser comes from npm and is installed below `target/` when it is
//! missing (`browser/install`), and so is the browser itself; the pages ask nobody but this machine, which is a part of the test. The
//! pictures of every page are left below `target/tmp/console`.

#[path = "support/kit.rs"]
mod kit;

use std::path::Path;
use std::sync::Arc;

use raconteur::config::token::TokenHash;
use raconteur::{Server, config};
use raconteur_conversation::address::{Address, ConversationKey, SHARDS, Shard};
use raconteur_conversation::session::Session;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{InboundMessage, Sequence, Work};
use raconteur_storage::{Claim, DeadLetter, KvStore, Options, Step, Store, engine};
use serde_json::json;
use tokio::task::JoinSet;

const CONVERSATIONS: u32 = 100_000;
const AT_ONCE: u32 = 1_024;
const TOKEN: &str = "an operator's token";

fn number(text: &str) -> Address {
    Address::parse(text).expect("it is a number")
}

fn key(user: &str) -> ConversationKey {
    ConversationKey { tenant: number("+15550100"), user: number(user) }
}

fn now() -> UnixMillis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is later than 1970");
    UnixMillis(u64::try_from(since.as_millis()).expect("it is not that late"))
}

/// A store of so many conversations, each with an open session, and a dead letter.
async fn furnish(path: &Path) {
    let engine = engine::sled::SledEngine::open(path, 64 << 20).expect("it opens");
    let store = Arc::new(KvStore::open(engine, Options { min_free: 0, ..Options::default() }).expect("it opens"));
    let shards: Vec<Shard> = (0..SHARDS).map(Shard).collect();
    let claims: Arc<Vec<Claim>> = Arc::new(store.claim(&shards).await.expect("nobody else has them"));
    let mut tasks = JoinSet::new();
    for first in 0..AT_ONCE {
        let (store, claims) = (Arc::clone(&store), Arc::clone(&claims));
        tasks.spawn(async move {
            for user in (first..CONVERSATIONS).step_by(AT_ONCE as usize) {
                let key = key(&format!("+1555{user:07}"));
                let session = Session::open(u128::from(user), now());
                let snapshot = Some(json!({"session": session}).to_string().into_bytes());
                let deadline = Some(UnixMillis(now().0 + 3_600_000));
                let claim = claims[usize::from(key.shard().0)];
                let step = Step { snapshot, deadline, ..Step::default() };
                store.commit(claim, &key, step).await.expect("it is written");
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("everything is written");
    }
    let key = key("+15550444");
    let work = Work::Message(InboundMessage { body: "are you there?".into(), ..InboundMessage::default() });
    let (sequence, reason) = (Sequence(8), "its conversation failed 3 times at this message".to_owned());
    let letter = DeadLetter { sequence, key: Some(key.clone()), at: now(), reason, work: Some(work), bytes: None };
    let step = Step { dead_letters: vec![letter], ..Step::default() };
    store.commit(claims[usize::from(key.shard().0)], &key, step).await.expect("it is written");
    store.close().await.expect("it closes");
}

/// A gateway with the simulated phone and the demo bot.
async fn gateway(directory: &Path, more: &str) -> Server {
    let store = json!(directory.join("data").to_str().expect("temporary directories have plain names"));
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n{more}[store]\npath = {store}\nmin_free_bytes = 0\n{}",
        "[channels.phone]\nkind = \"phone\"\n[assistants.demo]\nkind = \"script\"\n[[tenants]]\nnumber = \"+15550100\"\n\
         channel = \"phone\"\nassistant = \"demo\"\n[[tenants]]\nnumber = \"+15550142\"\nchannel = \"phone\"\nassistant = \"demo\"\n"
    );
    let file = directory.join("raconteur.toml");
    std::fs::write(&file, text).expect("the directory can be written to");
    let config = config::load(Some(&file), std::iter::empty()).unwrap_or_else(|problems| panic!("{problems:?}"));
    Server::start(config).await.unwrap_or_else(|error| panic!("{error}"))
}

/// The number of milliseconds that a line tells.
fn milliseconds(said: &str, what: &str) -> u64 {
    let line = said.lines().find_map(|line| line.strip_prefix(what)).unwrap_or_else(|| panic!("no {what} in {said}"));
    line.trim().trim_end_matches(" ms").parse().expect("it is a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn people_work_with_the_console_in_a_real_browser() {
    let directories = [(); 2].map(|()| tempfile::tempdir().expect("there is room for a directory"));
    let kit = kit::installed("browser-kit-1", "browser");
    furnish(&directories[0].path().join("data")).await;
    let open = gateway(directories[0].path(), "").await;
    let hash = TokenHash::of(TOKEN);
    let operators = format!("[[server.operators]]\nname = \"Ada\"\nsha256 = \"{hash}\"\nscopes = [\"control\"]\n");
    let closed = gateway(directories[1].path(), &operators).await;
    let url = |server: &Server| format!("http://{}", server.address());
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("console");
    let mut script = tokio::process::Command::new("node");
    script.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/console.mjs"));
    script.arg(&kit).args([&url(&open), &url(&closed), TOKEN]).arg(&pictures).kill_on_drop(true);
    let output = script.output().await.expect("node is there");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    for what in [
        "text the demo bot and see the answer",
        "take over and hand back",
        "find a conversation among 100,000",
        "end it",
        "see a dead letter and retry it",
        "see the overview with its charts",
        "sign-in is refused without a token",
    ] {
        assert!(said.contains(&format!("did: {what}")), "{what}: {said}");
    }
    assert!(said.contains("judged: 32 pages"), "{said}");
    assert!(said.contains("complaints: []") && said.contains("strangers: []"), "{said}");
    // This is a debug build on a machine that has other things to do: not how fast it is, but that it is not hopeless.
    assert!(milliseconds(&said, "searched:") < 20_000 && milliseconds(&said, "overview:") < 20_000, "{said}");
    for server in [open, closed] {
        server.stop().await.expect("it stops");
    }
}
