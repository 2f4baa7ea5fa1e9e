//! `raconteur store person`: what is kept of one person is written down and deleted in a store at rest, and after a compaction no byte of
//! it is left in any file.

#![cfg(all(target_os = "linux", feature = "cli", feature = "sled", feature = "script"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/binary.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod binary;

use std::fs;
use std::path::Path;

use binary::{Ended, Site};
use raconteur_conversation::address::{Address, ConversationKey};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{InboundMessage, OutboundId, OutboundRow, RowState, Work};
use raconteur_storage::engine::sled::SledEngine;
use raconteur_storage::{
    Accepted, Answered, DeadLetter, KvStore, NewWork, Options, Step, Store, TranscriptTurn, Version,
};
use serde_json::{Value, json};

const ADA: &str = "+15550111";
const BOB: &str = "+15550122";
const ONE: &str = "+15550100";
const TWO: &str = "+15550101";
const WORD: &str = "xylophone";

fn key(tenant: &str, user: &str) -> ConversationKey {
    let address = |text| Address::parse(text).unwrap();
    ConversationKey { tenant: address(tenant), user: address(user) }
}

/// A conversation with everything: a snapshot, turns, an unsent text, an unread one, a dead letter. Ada has stopped the texts of ONE.
async fn furnish(store: &dyn Store, key: &ConversationKey) {
    let claim = store.claim(&[key.shard()]).await.unwrap()[0];
    let mut version = Version(0);
    for n in 0..30 {
        let work =
            Work::Message(InboundMessage { body: format!("{WORD} {n} of {}", key.user), ..InboundMessage::default() });
        let id = format!("{n} {:?}", key.user);
        let new =
            NewWork { key: key.clone(), id, accepted_at: UnixMillis(1), seed: 1, content: None, work: work.clone() };
        let Accepted::Fresh { sequence, .. } = store.accept(new).await.unwrap() else { panic!("it was not taken") };
        if n == 29 {
            break;
        }
        let row = OutboundRow {
            id: OutboundId { turn: sequence, part: 0 },
            body: format!("{WORD} for {}", key.user),
            media: Vec::new(),
            expires_at: UnixMillis(u64::MAX / 4),
            unasked: false,
            state: RowState::Retry { at: UnixMillis(u64::MAX / 4), tries: 1 },
        };
        let (accepted_at, answered_at) = (UnixMillis(1), UnixMillis(2));
        let page = TranscriptTurn {
            sequence,
            session: None,
            work: work.clone(),
            accepted_at,
            asked_at: None,
            commands: Vec::new(),
            answered_at,
            asks: 1,
            error: None,
            answered_with: None,
            rows: Vec::new(),
        };
        let rows = if n == 28 { vec![row] } else { Vec::new() };
        let letter = DeadLetter {
            sequence,
            key: Some(key.clone()),
            at: UnixMillis(3),
            reason: "why".into(),
            work: Some(work),
            bytes: None,
        };
        let step = Step {
            version,
            snapshot: Some(format!("{{\"stopped_at\":{n}7}}").into_bytes()),
            answered: vec![Answered { sequence, rows, transcript: Some(page) }],
            dead_letters: if n == 3 { vec![letter] } else { Vec::new() },
            ..Step::default()
        };
        version = store.commit(claim, key, step).await.unwrap();
    }
}

async fn furnished() -> Site {
    let site = Site::new();
    let engine = SledEngine::open(&site.store(), 16 << 20).unwrap();
    let store = KvStore::open(engine, Options { min_free: 0, ..Options::default() }).unwrap();
    for key in [key(ONE, ADA), key(TWO, ADA), key(ONE, BOB)] {
        furnish(&store, &key).await;
    }
    store.close().await.unwrap();
    site
}

/// How often a word stands in the files below a directory.
fn occurrences(directory: &Path, word: &str) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            count += occurrences(&path, word);
        } else {
            count += fs::read(&path).unwrap().windows(word.len()).filter(|window| *window == word.as_bytes()).count();
        }
    }
    count
}

fn exported(site: &Site, more: &[&str]) -> Vec<Value> {
    let Ended { code, out, log } = site.run(&[&["store", "person", "export", "--store", "data"], more].concat());
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("5550"), "no number in what is said of it: {log}");
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn count(lines: &[Value], kind: &str) -> usize {
    lines.iter().filter(|line| line.get(kind).is_some()).count()
}

#[tokio::test]
async fn a_person_is_exported_from_all_conversations_or_from_one() {
    let site = furnished().await;
    let before = site.exported("data");
    let all = exported(&site, &["--user", ADA]);
    assert_eq!([count(&all, "raconteur_person"), count(&all, "turn"), count(&all, "dead_letter")], [2, 58, 2]);
    assert_eq!([count(&all, "unread"), count(&all, "unsent"), count(&all, "end")], [2, 2, 2]);
    assert!(!format!("{all:?}").contains(BOB));
    let one = exported(&site, &["--user", ADA, "--tenant", TWO]);
    assert_eq!((&one[0]["tenant"], count(&one, "turn")), (&json!(TWO), 29));
    assert_eq!(one[1]["state"]["stopped_at_ms"], 287);
    assert!(exported(&site, &["--user", "+15559999"]).is_empty());
    assert_eq!(site.exported("data"), before, "nothing has changed");
    let Ended { code, .. } =
        site.run(&["store", "person", "export", "--store", "data", "--user", ADA, "--output", "ada"]);
    assert_eq!((code, fs::read_to_string(site.path("ada")).unwrap().lines().count()), (Some(0), all.len()));
    let Ended { code, .. } =
        site.run(&["store", "person", "export", "--store", "data", "--user", ADA, "--output", "ada"]);
    assert_eq!(code, Some(1), "a file that is there is not written over");
}

#[tokio::test]
async fn after_an_erasure_and_a_compaction_no_byte_is_left_but_that_she_has_stopped_our_texts() {
    let site = furnished().await;
    assert!(occurrences(&site.store(), ADA) > 0);
    let Ended { code, log, .. } = site.run(&["store", "person", "erase", "--store", "data", "--user", ADA]);
    assert!(code == Some(0) && log.contains("Erased 2 conversation(s)") && log.contains("compact"), "{log}");
    assert!(!log.contains("5550"), "{log}");
    let left = exported(&site, &["--user", ADA]);
    assert_eq!((count(&left, "state"), count(&left, "turn"), left.len()), (2, 0, 6));
    assert_eq!(left[1]["state"]["stopped_at_ms"], 287);
    let check = site.run(&["store", "check", "--store", "data"]);
    assert!(check.code == Some(0) && check.log.contains("2 remains of erased conversations"), "{}", check.log);
    assert!(check.log.contains("closed in good order") && !check.log.contains("not closed"), "{}", check.log);
    let Ended { code, log, .. } = site.run(&["store", "compact", "--discard-old", "--store", "data"]);
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(occurrences(&site.path("."), &ADA[1..]), 0);
    assert!(occurrences(&site.store(), &format!("{WORD} for {BOB}")) > 0);
    let again = site.run(&["store", "person", "erase", "--store", "data", "--user", ADA]);
    assert!(again.code == Some(0) && again.log.contains("Nothing is kept"), "{}", again.log);
    assert_eq!(count(&exported(&site, &["--user", BOB]), "turn"), 29);
}

#[tokio::test]
async fn a_person_is_erased_from_one_conversation_only_where_one_is_named() {
    let site = furnished().await;
    let erase = ["store", "person", "erase", "--store", "data", "--user", ADA, "--tenant", ONE];
    assert!(site.run(&erase).log.contains("Erased 1 conversation(s)"));
    assert_eq!(count(&exported(&site, &["--user", ADA]), "turn"), 29);
    assert_eq!(count(&exported(&site, &["--user", ADA, "--tenant", ONE]), "turn"), 0);
}

#[tokio::test]
async fn old_turns_and_letters_go_by_the_configuration_or_the_command_line_and_unsent_texts_stay() {
    let site = furnished().await;
    let refused = site.run(&["store", "expire", "--store", "data"]);
    assert!(refused.code == Some(1) && refused.log.contains("--older-than 90d"), "{}", refused.log);
    let kept = site.run(&["store", "expire", "--store", "data", "--older-than", "100y"]);
    assert!(kept.code == Some(0) && kept.log.contains("Removed 0 record(s)"), "{}", kept.log);
    let one = site.run(&["store", "expire", "--store", "data", "--older-than", "90d", "--tenant", TWO]);
    assert!(one.log.contains("Removed 29 record(s)"), "{}", one.log);
    let lines = exported(&site, &["--user", ADA, "--tenant", TWO]);
    assert_eq!(["turn", "unread", "unsent", "dead_letter"].map(|kind| count(&lines, kind)), [1, 1, 1, 0]);
    assert_eq!(count(&exported(&site, &["--user", BOB]), "turn"), 29);
    let configured = "[channels.phone]\nkind = \"phone\"\n[assistants.demo]\nkind = \"script\"\n[[tenants]]\nnumber = \"+15550100\"\n\
                      channel = \"phone\"\nassistant = \"demo\"\ntranscripts_kept = \"90d\"\n";
    fs::write(site.path("raconteur.toml"), configured).unwrap();
    let rest = site.run(&["store", "expire", "--store", "data"]);
    assert!(rest.code == Some(0) && rest.log.contains("Removed 58 record(s)"), "{}", rest.log);
    assert_eq!(count(&exported(&site, &["--user", BOB]), "turn"), 1);
}

#[tokio::test]
async fn a_store_that_is_in_use_or_is_none_is_left_alone() {
    let site = furnished().await;
    let engine = SledEngine::open(&site.store(), 16 << 20).unwrap();
    for what in ["export", "erase"] {
        let Ended { code, log, .. } = site.run(&["store", "person", what, "--store", "data", "--user", ADA]);
        assert!(code == Some(2) && log.contains("in use by another process"), "{log}");
        let Ended { code, .. } = site.run(&["store", "person", what, "--store", "nowhere", "--user", ADA]);
        assert_eq!(code, Some(2));
    }
    drop(engine);
    assert_eq!(count(&exported(&site, &["--user", ADA]), "turn"), 58);
}
