//! How what operators ask for grows with the store: lists, searches, one conversation, the overview. In the suite it is counted, on two small
//! stores, that a page looks at no more conversations when there are ten times as many; the long run measures how long each takes:
//!
//! ```text
//! RACONTEUR_LISTS_STORED=1000,100000,1000000 cargo test --release --test lists long -- --nocapture
//! ```
//!
//! A tenth of the conversations have an open session with a kilobyte of context, a hundredth are another number's, one of 500 has stopped our
//! texts, and a person answers three. docs/console.md has what came of it.

#[path = "lists/asked.rs"]
mod asked;
#[path = "lists/measured.rs"]
mod measured;
#[path = "support/served.rs"]
mod served;
#[path = "support/stored.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod stored;

use std::collections::BTreeSet;
use std::path::Path;

use raconteur::Server;
use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::session::Session;
use raconteur_conversation::words::{InboundMessage, ProviderId, RowState, Work};
use serde_json::{Value, json};
use stored::{Stored, key, now};

use asked::Asker;

const TENANT: &str = "+15550100";
const OTHER_TENANT: &str = "+15550142";

/// Whose conversation has turns, and how many.
const TALKER: &str = "+15559999";
const TURNS: u32 = 60;

/// The numbers of the users, in the order in which they are written.
fn user(number: u32) -> String {
    format!("+1444{number:07}")
}

fn like(number: u32) -> (ConversationKey, Value) {
    let tenant = if number % 100 == 7 { OTHER_TENANT } else { TENANT };
    let mut snapshot = json!({});
    if number % 10 == 3 {
        let mut session = json!(Session::open(u128::from(number), now()));
        session["state"] = json!({"assistant": "demo", "data": {"context": "x".repeat(1_000)}});
        snapshot["session"] = session;
    }
    if number % 500 == 11 {
        snapshot["stopped_at"] = json!(now());
    }
    if number < 3 {
        snapshot["taken_over"] = json!({"by": "Ada", "until": now().0 + 3_600_000});
    }
    (key(tenant, &user(number)), snapshot)
}

/// A conversation of so many turns, each with a text that was sent.
async fn talk(stored: &Stored) {
    let key = key(TENANT, TALKER);
    for turn in 0..TURNS {
        let said = Work::Message(InboundMessage { body: format!("text {turn}"), ..InboundMessage::default() });
        let sent = RowState::Sent { provider_id: ProviderId(format!("p{turn}")) };
        let texts = [("An answer of an ordinary length, as they are.", sent)];
        stored.turn((&key, turn), (said, &texts), |_| ()).await;
    }
}

/// A gateway on a store of so many conversations.
async fn gateway(directory: &Path, conversations: u32) -> Server {
    let store = directory.join("data");
    let stored = Stored::create(&store).await;
    stored.fill(conversations, like).await;
    talk(&stored).await;
    stored.close().await;
    served::demo(directory, &store, "").await
}

/// Which of so many users are as wanted.
fn those(conversations: u32, wanted: impl Fn(u32) -> bool) -> BTreeSet<String> {
    (0..conversations).filter(|number| wanted(*number)).map(user).collect()
}

/// Lists everything in every way, and tells how many conversations the first page of each way has looked at.
async fn looked_at(conversations: u32) -> Vec<u64> {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let server = gateway(directory.path(), conversations).await;
    let asker = Asker::new(server.address());
    let all = asker.everybody("limit=200").await;
    let mut expected = those(conversations, |_| true);
    expected.insert(TALKER.to_owned());
    assert_eq!(all, expected, "everybody is on one page, once");
    for (query, wanted) in [
        ("state=open&limit=7", those(conversations, |number| number % 10 == 3)),
        ("state=stopped&limit=7", those(conversations, |number| number % 500 == 11)),
        ("state=taken_over&limit=2", those(conversations, |number| number < 3)),
        ("tenant=%2B15550142&limit=3", those(conversations, |number| number % 100 == 7)),
        ("user=17&limit=3", those(conversations, |number| user(number).contains("17"))),
        ("user=0000123&limit=3", those(conversations, |number| number == 123)),
    ] {
        assert_eq!(asker.everybody(query).await, wanted, "{query}");
    }
    let mut looked = Vec::new();
    for query in ["limit=20", "state=open&limit=20", "tenant=%2B15550142&limit=2", "user=%2B14440000123"] {
        looked.push(asker.page(query, None).await["looked_at"].as_u64().expect("it is a number"));
    }
    server.stop().await.expect("it stops");
    looked
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_looks_at_no_more_conversations_when_there_are_ten_times_as_many() {
    let (few, many) = (looked_at(300).await, looked_at(3_000).await);
    assert_eq!((few, many), (vec![20, 20, 2, 1], vec![20, 20, 2, 1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_run_measures_what_operators_ask_for() {
    let Ok(sizes) = std::env::var("RACONTEUR_LISTS_STORED") else { return };
    let mut columns = Vec::new();
    for size in sizes.split(',').map(|size| size.trim().parse().expect("sizes are numbers")) {
        // Not below /tmp, which may be memory.
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("there is room for a directory");
        let server = gateway(directory.path(), size).await;
        columns.push((size, measured::everything(&Asker::new(server.address()), size).await));
        server.stop().await.expect("it stops");
    }
    measured::tell(&columns);
}
