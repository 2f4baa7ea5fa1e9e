//! The console in a real browser: Debian's Chromium without a screen, over 100,000 conversations.
//!
//! What is done there stands in `browser/console.mjs`. What drives the browser comes from npm and is installed below `target/` when it is
//! missing (`browser/install`), and so is the browser itself; the pages ask nobody but this machine, which is a part of the test. The
//! pictures of every page are left below `target/tmp/console`.

#[path = "support/kit.rs"]
mod kit;
#[path = "support/stored.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod stored;

use std::path::Path;

use raconteur::config::token::TokenHash;
use raconteur::{Server, config};
use raconteur_conversation::session::Session;
use raconteur_conversation::words::{InboundMessage, Sequence, Work};
use raconteur_storage::{DeadLetter, Step};
use serde_json::json;
use stored::{Stored, key, now};

const CONVERSATIONS: u32 = 100_000;
const TOKEN: &str = "an operator's token";

/// A store of so many conversations, each with an open session, and a dead letter.
async fn furnish(path: &Path) {
    let stored = Stored::create(path).await;
    let like = |user| {
        let session = Session::open(u128::from(user), now());
        (key("+15550100", &format!("+1555{user:07}")), json!({"session": session}))
    };
    stored.fill(CONVERSATIONS, like).await;
    let key = key("+15550100", "+15550444");
    let work = Work::Message(InboundMessage { body: "are you there?".into(), ..InboundMessage::default() });
    let (sequence, reason) = (Sequence(8), "its conversation failed 3 times at this message".to_owned());
    let letter = DeadLetter { sequence, key: Some(key.clone()), at: now(), reason, work: Some(work), bytes: None };
    stored.commit(&key, Step { dead_letters: vec![letter], ..Step::default() }).await;
    stored.close().await;
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
