//! The console in a real browser: Debian's Chromium without a screen, over 100,000 conversations.
//!
//! What is done there stands in `browser/console.mjs`. What drives the browser comes from npm and is installed below `target/` when it is
//! missing (`browser/install`), and so is the browser itself; the pages ask nobody but this machine, which is a part of the test. The
//! pictures of every page are left below `target/tmp/console`, each in every state that matters, light and dark, wide and narrow
//! (`browser/pages.mjs`).

#[path = "browser/furnished.rs"]
mod furnished;
#[path = "support/kit.rs"]
mod kit;
#[path = "support/served.rs"]
mod served;
#[path = "support/stored.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod stored;

use std::path::Path;

use raconteur::Server;
use raconteur::config::token::TokenHash;

const TOKEN: &str = "an operator's token";

/// What the first page may take over the wire.
const FIRST_PAGE_BYTES: u64 = 150_000;

/// The overview of 100,000 conversations answers a click so soon after a browser has begun with nothing: in a build as it is run. Others are
/// slow, and beside other tests; there it is only not hopeless.
const SOON_MS: u64 = if cfg!(debug_assertions) { 10_000 } else { 1_000 };

/// A gateway with the simulated phone and the demo bot.
async fn gateway(directory: &Path, more: &str) -> Server {
    served::demo(directory, &directory.join("data"), more).await
}

/// The number that a line tells, of whatever it is.
fn number(said: &str, what: &str) -> u64 {
    let line = said.lines().find_map(|line| line.strip_prefix(what)).unwrap_or_else(|| panic!("no {what} in {said}"));
    line.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("no number in {line}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn people_work_with_the_console_in_a_real_browser() {
    let directories = [(); 2].map(|()| tempfile::tempdir().expect("there is room for a directory"));
    let kit = kit::installed("browser-kit-1", "browser");
    furnished::crowd(&directories[0].path().join("data")).await;
    furnished::letters(&directories[1].path().join("data")).await;
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
    assert!(said.contains("judged: 80 pages"), "{said}");
    assert!(said.contains("complaints: []") && said.contains("strangers: []"), "{said}");
    assert!(number(&said, "first page:") < FIRST_PAGE_BYTES, "{said}");
    assert!(number(&said, "searched:") < 10 * SOON_MS && number(&said, "overview:") < SOON_MS, "{said}");
    for server in [open, closed] {
        server.stop().await.expect("it stops");
    }
}
