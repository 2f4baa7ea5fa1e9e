//! Export and import, over engines in memory: what comes back is what was there, and nothing else comes in.

use std::io::BufRead;
use std::ops::ControlFlow;

use raconteur_conversation::address::{Address, ConversationKey};
use raconteur_conversation::effect::{Erasure, Kept, Remains};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{
    InboundMessage, OutboundId, OutboundRow, RowState, Sequence, StartSession, Work, WorkRecord,
};
use serde_json::value::RawValue;

use super::kind::Kind;
use super::line::Line;
use super::*;
use crate::committer::{FORMAT, Meta};
use crate::engine::memory::MemoryEngine;
use crate::engine::{Batch, Engine, Order};
use crate::keys::{self, Place, RecordKey};
use crate::{
    Accepted, Answered, DeadLetter, Erase, KvStore, NewWork, Options, Step, Store, StoreError, TranscriptTurn, Version,
};

fn key(user: u32) -> ConversationKey {
    let address = |text: &str| Address::parse(text).unwrap();
    ConversationKey { tenant: address("+15550100"), user: address(&format!("+1555{user:07}")) }
}

fn message(body: &str) -> Work {
    Work::Message(InboundMessage { body: body.into(), ..InboundMessage::default() })
}

async fn accept(store: &impl Store, (user, id): (u32, &str), work: Work) -> Sequence {
    let new =
        NewWork { key: key(user), id: id.into(), accepted_at: UnixMillis(1_000), seed: 77, content: Some(5), work };
    match store.accept(new).await {
        Ok(Accepted::Fresh { sequence, .. }) => sequence,
        other => panic!("{other:?}"),
    }
}

fn row(turn: Sequence, part: u16, state: RowState) -> OutboundRow {
    let body = "né \u{1f600} \"quoted\"\nline".into();
    OutboundRow {
        id: OutboundId { turn, part },
        body,
        media: Vec::new(),
        expires_at: UnixMillis(9),
        unasked: false,
        state,
    }
}

fn page(sequence: Sequence, body: &str) -> TranscriptTurn {
    TranscriptTurn {
        sequence,
        session: None,
        work: message(body),
        accepted_at: UnixMillis(1),
        asked_at: None,
        commands: Vec::new(),
        answered_at: UnixMillis(2),
        asks: 1,
        answered_with: None,
        error: None,
        rows: Vec::new(),
    }
}

/// An id as providers make them.
const PROVIDERS: &str = "AC0123456789abcdef0123456789abcdef:SMfedcba9876543210fedcba9876543210";

/// A store with records of every kind, some of several chunks.
async fn furnished() -> MemoryEngine {
    furnish(MemoryEngine::new()).await
}

async fn furnish(engine: MemoryEngine) -> MemoryEngine {
    let store = KvStore::open_in_task(engine.clone(), Options::default()).unwrap();
    store.note_heard(vec![(key(1).tenant, UnixMillis(700))]).await;
    let claims = store.claim(&[1, 2, 3].map(|user| key(user).shard())).await.unwrap();
    let claim = |user| *claims.iter().find(|claim| claim.shard == key(user).shard()).unwrap();
    let first = accept(&store, (1, "a"), message("hello")).await;
    accept(&store, (2, PROVIDERS), message("hi")).await;
    accept(&store, (1, &"long".repeat(200)), message(&"x".repeat(10_000))).await;
    let user_data = Some(RawValue::from_string("{\n  \"a\": [1,\r\n 2.50]}".into()).unwrap());
    accept(&store, (2, "start"), Work::Start(StartSession { user_data, ..StartSession::default() })).await;
    let rows = vec![
        row(first, 0, RowState::Sending { since: UnixMillis(3) }),
        row(first, 1, RowState::Retry { at: UnixMillis(50), tries: 1 }),
    ];
    let own = WorkRecord {
        sequence: first.chained().unwrap(),
        accepted_at: UnixMillis(4),
        seed: 9,
        attempts: 0,
        alone: false,
        work: Work::End,
    };
    let letter = DeadLetter {
        sequence: DeadLetter::FRESH,
        key: Some(key(1)),
        at: UnixMillis(5),
        reason: "a test".into(),
        work: Some(message("poison")),
        bytes: None,
    };
    let step = Step {
        snapshot: Some(format!("{{\"context\":\"{}\"}}", "c".repeat(9_000)).into()),
        deadline: Some(UnixMillis(60_000)),
        answered: vec![Answered { sequence: first, rows, transcript: Some(page(first, &"said ".repeat(2_000))) }],
        enqueued: vec![own],
        dead_letters: vec![letter],
        ..Step::default()
    };
    store.commit(claim(1), &key(1), step).await.unwrap();
    let opaque = Step { snapshot: Some(b"\0 no JSON".to_vec()), ..Step::default() };
    assert_eq!(store.commit(claim(2), &key(2), opaque).await, Ok(Version(1)));
    let remains = Remains { snapshot: b"{}".to_vec(), kept: Kept::Lastingly };
    let erase = Some(Erase { erasure: Erasure { upto: first, remains }, at: UnixMillis(6) });
    assert_eq!(store.commit(claim(3), &key(3), Step { erase, ..Step::default() }).await, Ok(Version(1)));
    drop(store);
    engine
}

fn everything(engine: &impl Engine) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    let mut visit = |key: &[u8], value: &[u8]| {
        found.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    };
    engine.scan(&keys::everything(), Order::Ascending, &mut visit).unwrap();
    found
}

fn put(engine: &impl Engine, key: Vec<u8>, value: &[u8]) {
    engine.apply(Batch::from([(key, Some(value.to_vec()))])).unwrap();
}

fn exported(engine: &impl Engine) -> String {
    let mut out = Vec::new();
    let records = export(engine, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.lines().count() as u64, records + 2);
    text
}

fn refused(text: &str) -> String {
    let error = validate(text.as_bytes()).unwrap_err();
    let engine = MemoryEngine::new();
    assert_eq!(import(&engine, text.as_bytes()).unwrap_err().to_string(), error.to_string());
    // Only when the header is wrong nothing was written; otherwise what was written is refused.
    let opened = KvStore::open_in_task(engine.clone(), Options::default()).err();
    let marked = Some(StoreError::Incomplete { path: "memory".into() });
    assert!(opened == marked || everything(&engine).len() <= 3, "{opened:?}");
    error.to_string()
}

fn replaced_line(text: &str, number: usize, line: Option<&str>) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    match line {
        Some(line) => lines[number - 1] = line,
        None => drop(lines.remove(number - 1)),
    }
    lines.join("\n") + "\n"
}

#[tokio::test]
async fn what_was_exported_comes_back_byte_for_byte_but_for_line_breaks_in_json() {
    let engine = furnished().await;
    let text = exported(&engine);
    let kinds =
        ["conversation", "duplicates", "page", "claim", "deadline", "usage", "unread", "answered", "dead_letter"];
    for kind in kinds.into_iter().chain(["erasure", "remains"]) {
        assert!(text.contains(&format!("\n{{\"{kind}\":{{")), "{kind} is missing in {text}");
    }
    assert!(!text.contains("\"damaged\""), "{text}");
    let back = MemoryEngine::new();
    assert_eq!(import(&back, text.as_bytes()).unwrap(), validate(text.as_bytes()).unwrap());
    let (before, after) = (everything(&engine), everything(&back));
    let differing: Vec<_> = before.iter().zip(&after).filter(|(one, other)| one != other).collect();
    assert_eq!((before.len(), differing.len()), (after.len(), 1), "only the one with line breaks");
    assert_eq!(differing[0].0.0, differing[0].1.0);
    assert_eq!(exported(&back), text);
}

/// Whether an id of a provider's is known, in a store that is opened over this engine.
async fn knows(engine: &MemoryEngine) -> bool {
    let store = KvStore::open_in_task(engine.clone(), Options::default()).unwrap();
    assert!(!store.is_known(&key(1).tenant, &PROVIDERS.replace("SMfe", "SMff")).await.unwrap());
    store.is_known(&key(1).tenant, PROVIDERS).await.unwrap()
}

#[tokio::test]
async fn a_store_keeps_to_how_it_was_begun_to_remember_ids() {
    for (begun, ends, line) in [(1, 2, "duplicate"), (3, 3, "duplicate"), (FORMAT, FORMAT, "duplicates")] {
        let engine = MemoryEngine::new();
        let meta = Meta { format: begun, clean: true, salt: uuid::Uuid::nil(), sequence: None };
        engine.apply(meta.write()).unwrap();
        engine.sync().unwrap();
        let engine = furnish(engine).await;
        let ids = |engine: &MemoryEngine| -> Vec<Vec<u8>> {
            everything(engine).into_iter().map(|(key, _)| key).filter(|key| matches!(key[0], b'd' | b'k')).collect()
        };
        let kept = ids(&engine);
        let plain = kept.iter().any(|key| key.ends_with(PROVIDERS.as_bytes()));
        assert_eq!(
            (kept.len(), plain, knows(&engine).await),
            (if line == "duplicate" { 4 } else { 1 }, begun == 1, true)
        );
        let text = exported(&engine);
        assert!(text.contains(&format!("\"format\":{ends},")) && text.contains(PROVIDERS), "{text}");
        assert!(text.contains(&format!("{{\"{line}\":")), "{text}");
        let back = MemoryEngine::new();
        import(&back, text.as_bytes()).unwrap();
        assert_eq!((ids(&back), knows(&back).await), (kept, true));
        // The header says how; lines of the other kind are of another store.
        let other = if begun == FORMAT { 3 } else { FORMAT };
        let other = text.replacen(&format!("\"format\":{ends},"), &format!("\"format\":{other},"), 1);
        assert!(refused(&other).contains("take the header as it was exported"));
    }
}

#[tokio::test]
async fn a_store_goes_on_where_the_exported_one_was() {
    let engine = furnished().await;
    let text = exported(&engine);
    let back = MemoryEngine::new();
    import(&back, text.as_bytes()).unwrap();
    let (old, new) = (
        KvStore::open_in_task(engine.crash(), Options::default()).unwrap(),
        KvStore::open_in_task(back.clone(), Options::default()).unwrap(),
    );
    assert_eq!(old.opening(), new.opening());
    assert!(new.opening().unclean, "nobody closed it");
    let again = NewWork {
        key: key(1),
        id: "a".into(),
        accepted_at: UnixMillis(7),
        seed: 1,
        content: Some(5),
        work: message("hello"),
    };
    assert_eq!(new.accept(again.clone()).await, old.accept(again.clone()).await);
    let fresh = NewWork { id: "fresh".into(), ..again };
    assert_eq!(new.accept(fresh.clone()).await, old.accept(fresh).await, "the same sequence is next");
    let deadlines = new.deadlines(UnixMillis(u64::MAX), None, 10).await.unwrap();
    assert_eq!(deadlines, [(UnixMillis(60_000), key(1))]);
    let claim = new.claim(&[key(1).shard()]).await.unwrap()[0];
    assert_eq!(claim.epoch, old.claim(&[key(1).shard()]).await.unwrap()[0].epoch, "fences go on");
    let loaded = new.load(claim, &key(1), 100).await.unwrap();
    assert_eq!((loaded.version, loaded.damaged), (Version(1), 0));
    assert_eq!((loaded.unread.len(), loaded.unsettled.len()), (3, 2));
}

#[tokio::test]
async fn damaged_records_are_exported_in_digits_and_come_back_as_they_were() {
    let engine = furnished().await;
    let place = Place::of(&key(1));
    put(&engine, RecordKey::conversation(&place).chunk(1), b"garbage");
    put(&engine, RecordKey::work(&place, Sequence(99)).chunk(3), b"without a beginning");
    put(&engine, b"?".to_vec(), b"who knows");
    let text = exported(&engine);
    assert_eq!(text.matches("{\"damaged\":").count(), 3, "{text}");
    let back = MemoryEngine::new();
    import(&back, text.as_bytes()).unwrap();
    assert_eq!(exported(&back), text);
    let findings = check(&back).unwrap();
    assert!(!findings.is_healthy());
    let damaged: Vec<_> =
        findings.kinds.iter().filter(|(_, tally)| tally.damaged == 1).map(|(kind, _)| *kind).collect();
    assert_eq!(damaged, [Kind::Conversation, Kind::Work, Kind::Unknown]);
}

#[tokio::test]
async fn a_record_of_a_newer_version_is_kept_as_it_is() {
    let engine = furnished().await;
    let record = RecordKey::conversation(&Place::of(&key(2))).chunk(0);
    let mut value = engine.get(&record).unwrap().unwrap();
    value[0] = 2;
    put(&engine, record.clone(), &value);
    let text = exported(&engine);
    assert!(text.contains("it is of format 2, which a newer version wrote"), "{text}");
    let back = MemoryEngine::new();
    import(&back, text.as_bytes()).unwrap();
    assert_eq!(back.get(&record).unwrap(), Some(value));
}

#[tokio::test]
async fn a_check_counts_what_is_there() {
    let engine = furnished().await;
    let findings = check(&engine).unwrap();
    assert!(findings.is_healthy() && !findings.clean, "{findings:?}");
    let count = |kind| findings.kinds.get(&kind).copied().unwrap_or_default().records;
    let kinds = [Kind::Conversation, Kind::Duplicate, Kind::Page, Kind::Deadline, Kind::Work, Kind::DeadLetter];
    assert_eq!(kinds.map(count), [2, 1, 1, 1, 5, 1], "four ids lie in one page");
    assert_eq!([Kind::Erasure, Kind::Remains].map(count), [1, 1]);
    assert_eq!((findings.unread, findings.unsettled, findings.in_doubt), (4, 2, 1));
    engine.apply(Batch::from([(keys::deadline(UnixMillis(60_000), &Place::of(&key(1))), None)])).unwrap();
    let findings = check(&engine).unwrap();
    assert_eq!((findings.unindexed, findings.is_healthy()), (1, false), "it will not wake itself");
}

#[tokio::test]
async fn lines_that_are_wrong_are_told_by_their_number_and_not_quoted() {
    let text = exported(&furnished().await);
    let unread = 1 + text.lines().position(|line| line.starts_with("{\"unread\"")).unwrap();
    let last = text.lines().count();
    let cases = [
        (replaced_line(&text, unread, Some("secret words")), format!("line {unread}: it is not a record")),
        (
            replaced_line(&text, unread, Some(r#"{"unread":{"secret":1}}"#)),
            format!("line {unread}: it is not a record"),
        ),
        (replaced_line(&text, unread, None), format!("line {}: there are ", last - 1)),
        (replaced_line(&text, last, None), format!("line {last}: the file ends without an end line")),
        (text.clone() + "\n", format!("line {}: there is something after the end line", last + 1)),
        (replaced_line(&text, 3, text.lines().nth(1)), "line 3: it does not follow on the line before it".into()),
        (replaced_line(&text, 1, None), "line 1: it is not the header of an export".into()),
        (replaced_line(&text, 1, Some("{}")), "line 1: it is not the header of an export".into()),
        (
            text.replacen(&format!("\"format\":{FORMAT}"), &format!("\"format\":{}", FORMAT + 1), 1),
            "line 1: a newer version wrote this export".into(),
        ),
        (
            text.replacen("\"sequence\":", "\"sequence\":1,\"x\":", 1),
            "line 1: it is not the header of an export".into(),
        ),
        (text.replacen("\"snapshot_hex\":\"0", "\"snapshot_hex\":\"g", 1), "hexadecimal digits".into()),
        (String::new(), "line 1: the file is empty".into()),
    ];
    for (text, expected) in cases {
        let error = refused(&text);
        assert!(error.contains(&expected) && !error.contains("secret"), "{error} is not {expected}");
    }
    let low = text.lines().next().unwrap().replace("\"sequence\":32776", "\"sequence\":8");
    assert!(refused(&replaced_line(&text, 1, Some(&low))).contains("not of one export"));
}

#[tokio::test]
async fn every_line_that_is_cut_off_is_refused() {
    let text = exported(&furnished().await);
    for length in (0..text.len() - 2).step_by(97) {
        let mut end = length;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        assert!(validate(&text.as_bytes()[..end]).is_err(), "cut off after {end}");
    }
}

#[tokio::test]
async fn an_import_into_a_store_that_is_used_is_refused() {
    let engine = furnished().await;
    let text = exported(&engine);
    let before = everything(&engine);
    let error = import(&engine, text.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("holds a store already"), "{error}");
    assert_eq!(everything(&engine), before);
}

#[tokio::test]
async fn an_import_that_was_cut_off_at_any_write_is_no_store() {
    let text = exported(&furnished().await);
    let whole = MemoryEngine::new();
    import(&whole, text.as_bytes()).unwrap();
    for fail in [MemoryEngine::fail_apply, MemoryEngine::fail_sync] {
        for nth in 1..=whole.applies().min(whole.syncs()) {
            let engine = MemoryEngine::new();
            fail(&engine, nth);
            assert!(import(&engine, text.as_bytes()).is_err());
            let left = engine.crash();
            match KvStore::open_in_task(left.clone(), Options::default()).err() {
                // Nothing of it was durable yet: it is as if it had not begun.
                None => assert_eq!(nth, 1),
                Some(error) => assert!(matches!(error, StoreError::Incomplete { .. }), "{error}"),
            }
        }
    }
}

#[test]
fn nothing_is_exported_where_nothing_was_ever_kept() {
    let error = export(&MemoryEngine::new(), &mut Vec::new()).unwrap_err();
    assert!(matches!(error, DumpError::Empty { .. }), "{error}");
}

#[tokio::test]
async fn a_copy_is_the_same_until_something_changes() {
    let engine = furnished().await;
    let other = MemoryEngine::new();
    let copied = copy(&engine, &other).unwrap();
    assert_eq!(copied.values as usize, everything(&engine).len());
    assert_eq!(same(&engine, &other), Ok(true));
    put(&other, b"zzz".to_vec(), b"");
    assert_eq!(same(&engine, &other), Ok(false));
}

/// More than a page and more than a batch: nothing is lost or doubled where one ends.
#[tokio::test]
async fn many_records_go_through_in_pages() {
    let engine = MemoryEngine::new();
    let options = Options { inbox_max: 10_000, ..Options::default() };
    let store = KvStore::open_in_task(engine.clone(), options).unwrap();
    for number in 0..900 {
        let work = message(&"y".repeat(4_000 + number));
        accept(&store, (u32::try_from(number % 7).unwrap(), &number.to_string()), work).await;
    }
    let text = exported(&engine);
    let unread = text.as_bytes().lines().filter(|line| line.as_ref().unwrap().starts_with("{\"unread\"")).count();
    assert_eq!(unread, 900);
    let back = MemoryEngine::new();
    import(&back, text.as_bytes()).unwrap();
    assert_eq!(same(&engine, &back), Ok(true));
    let line: Line = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let Line::End { records } = line else { panic!("{line:?}") };
    assert!((910..950).contains(&records), "{records}: the texts, and pages with the ids of some forty of them each");
}
