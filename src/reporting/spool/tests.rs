//! The spool on a real disk, without a clock and without a sink.

use std::fs;
use std::path::Path;

use raconteur_conversation::address::Address;
use raconteur_conversation::time::UnixMillis;
use tempfile::TempDir;
use uuid::Uuid;

use super::super::event::{EventId, ReportEvent, Usage, What};
use super::super::loss::{Cause, Loss};
use super::super::sink::Batch;
use super::{Shelf, Spool};

const A: &str = "+15550100";
const B: &str = "+15550101";

fn event(tenant: &str, at: u64) -> ReportEvent {
    let usage = Usage {
        instance: Uuid::nil(),
        from_ms: UnixMillis(0),
        to_ms: UnixMillis(at),
        inbound: 1,
        outbound: 0,
        failed: 0,
        dropped_events: 0,
        refused_events: 0,
    };
    let event_id = EventId { instance: Uuid::nil(), number: at };
    ReportEvent { what: What::Usage(usage), event_id, tenant: Address::parse(tenant).unwrap(), at_ms: UnixMillis(at) }
}

fn events(tenant: &str, times: std::ops::RangeInclusive<u64>) -> Vec<ReportEvent> {
    times.map(|at| event(tenant, at)).collect()
}

/// How many bytes one of these events takes in the file.
fn line_bytes() -> u64 {
    serde_json::to_vec(&event(A, 1)).unwrap().len() as u64 + 1
}

fn shelf(directory: &Path) -> Shelf {
    Shelf {
        name: "audit".into(),
        instance: Uuid::nil(),
        directory: directory.to_owned(),
        spool_max_bytes: 1 << 20,
        segment_max_bytes: 1 << 20,
    }
}

fn spool(directory: &TempDir) -> Spool {
    Spool::open(shelf(directory.path())).unwrap()
}

fn times(batch: &Batch) -> Vec<u64> {
    batch.events.iter().map(|line| line.at.0).collect()
}

fn next(spool: &mut Spool) -> Option<Batch> {
    let (batch, lost) = spool.next_batch(2);
    assert_eq!(lost, []);
    batch
}

/// Sends everything: the times of each batch.
fn drained(spool: &mut Spool) -> Vec<Vec<u64>> {
    let mut all = Vec::new();
    while let Some(batch) = next(spool) {
        all.push(times(&batch));
        spool.done(batch.place);
    }
    all
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn closed_segments_are_sent_in_order_and_then_removed() {
    let directory = tempfile::tempdir().unwrap();
    let mut spool = spool(&directory);
    assert_eq!(spool.append(&events(A, 1..=3)), []);
    assert!(next(&mut spool).is_none(), "an open segment is not sent");
    spool.rotate();
    spool.append(&events(A, 4..=4));
    spool.rotate();
    spool.rotate();
    assert_eq!(drained(&mut spool), [vec![1, 2], vec![3], vec![4]]);
    assert_eq!(names(directory.path()), ["spool.lock"]);
}

#[test]
fn a_segment_is_closed_at_its_size() {
    let directory = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(Shelf { segment_max_bytes: 2 * line_bytes(), ..shelf(directory.path()) }).unwrap();
    spool.append(&events(A, 1..=5));
    assert_eq!(drained(&mut spool), [vec![1, 2], vec![3, 4]]);
    spool.rotate();
    assert_eq!(drained(&mut spool), [[5]]);
}

#[test]
fn a_process_that_takes_over_goes_on_where_the_sending_was() {
    let directory = tempfile::tempdir().unwrap();
    let mut before = spool(&directory);
    before.append(&events(A, 1..=3));
    before.rotate();
    before.append(&events(B, 4..=4));
    let first = next(&mut before).unwrap();
    assert_eq!(times(&first), [1, 2]);
    before.done(first.place);
    // Another batch was on its way when the process died.
    assert_eq!(times(&next(&mut before).unwrap()), [3]);
    drop(before);
    let mut after = spool(&directory);
    assert_eq!(drained(&mut after), [[3], [4]]);
    after.append(&events(A, 5..=5));
    after.rotate();
    assert_eq!(drained(&mut after), [[5]]);
}

#[test]
fn a_torn_last_line_is_passed_over_and_told() {
    let directory = tempfile::tempdir().unwrap();
    let mut before = spool(&directory);
    before.append(&events(A, 1..=2));
    drop(before);
    let path = directory.path().join("00000000000000000001.jsonl");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 9]).unwrap();
    let mut after = spool(&directory);
    let (batch, lost) = after.next_batch(9);
    assert_eq!(times(&batch.unwrap()), [1]);
    assert_eq!(lost, [Loss { tenant: String::new(), events: 1, cause: Cause::SpoolFailed }]);
}

#[test]
fn above_the_limit_the_oldest_unsent_events_make_room_and_are_told_by_tenant() {
    let directory = tempfile::tempdir().unwrap();
    let line = line_bytes();
    let limits = Shelf { segment_max_bytes: 3 * line, spool_max_bytes: 7 * line, ..shelf(directory.path()) };
    let mut spool = Spool::open(limits).unwrap();
    let mut first = events(A, 1..=2);
    first.extend(events(B, 3..=3));
    assert_eq!(spool.append(&first), []);
    assert_eq!(spool.append(&events(A, 4..=6)), []);
    let batch = spool.next_batch(1).0.unwrap();
    spool.done(batch.place);
    let lost = spool.append(&events(A, 7..=8));
    let loss = |tenant: &str| Loss { tenant: tenant.into(), events: 1, cause: Cause::SpoolFull };
    assert_eq!(lost, [loss(A), loss(B)], "the first of the three was sent");
    spool.rotate();
    assert_eq!(drained(&mut spool), [vec![4, 5], vec![6], vec![7, 8]]);
}

#[test]
fn a_segment_that_made_room_while_it_was_on_its_way_spoils_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let line = line_bytes();
    let limits = Shelf { segment_max_bytes: 2 * line, spool_max_bytes: 3 * line, ..shelf(directory.path()) };
    let mut spool = Spool::open(limits).unwrap();
    spool.append(&events(A, 1..=2));
    let on_its_way = next(&mut spool).unwrap();
    spool.append(&events(A, 3..=4));
    spool.done(on_its_way.place);
    assert_eq!(drained(&mut spool), [[3, 4]]);
}

#[test]
fn what_is_refused_is_kept_aside_and_can_be_put_back() {
    let directory = tempfile::tempdir().unwrap();
    let mut spool = spool(&directory);
    spool.append(&events(A, 1..=3));
    spool.rotate();
    let batch = next(&mut spool).unwrap();
    spool.refuse(&batch);
    assert_eq!(drained(&mut spool), [[3]]);
    drop(spool);
    let refused = directory.path().join("refused");
    assert_eq!(names(&refused), ["00000000000000000001-000000.jsonl"]);
    let mut spool = self::spool(&directory);
    spool.append(&events(A, 4..=4));
    spool.rotate();
    drop(spool);
    assert!(names(directory.path()).contains(&"00000000000000000002.jsonl".to_owned()), "no number comes twice");
    let name = "00000000000000000001-000000.jsonl";
    fs::rename(refused.join(name), directory.path().join("00000000000000000001.jsonl")).unwrap();
    assert_eq!(drained(&mut self::spool(&directory)), [vec![1, 2], vec![4]]);
}

#[test]
fn what_is_kept_aside_has_the_spools_limit() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Shelf { spool_max_bytes: 5 * line_bytes(), ..shelf(directory.path()) };
    let mut spool = Spool::open(limits).unwrap();
    for at in [1, 3, 5] {
        spool.append(&events(A, at..=at + 1));
        spool.rotate();
        let batch = next(&mut spool).unwrap();
        spool.refuse(&batch);
    }
    let kept = names(&directory.path().join("refused"));
    assert_eq!(kept, ["00000000000000000002-000000.jsonl", "00000000000000000003-000000.jsonl"]);
}

#[test]
fn a_directory_serves_one_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let first = spool(&directory);
    let error = Spool::open(shelf(directory.path())).unwrap_err();
    assert!(error.to_string().starts_with("it is in use"), "{error}");
    drop(first);
    spool(&directory);
}

#[test]
fn events_that_cannot_be_written_are_told_and_later_ones_are_written() {
    let directory = tempfile::tempdir().unwrap();
    let mut spool = spool(&directory);
    // The name that the next segment would have is taken by something else.
    let taken = directory.path().join("00000000000000000001.jsonl");
    fs::create_dir(&taken).unwrap();
    let mut both = events(A, 1..=2);
    both.extend(events(B, 3..=3));
    let loss = |tenant: &str, events| Loss { tenant: tenant.into(), events, cause: Cause::SpoolFailed };
    assert_eq!(spool.append(&both), [loss(A, 2), loss(B, 1)]);
    assert_eq!(spool.append(&events(A, 4..=4)), []);
    spool.rotate();
    assert_eq!(drained(&mut spool), [[4]]);
}

#[test]
fn marks_without_a_segment_and_foreign_files_do_no_harm() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("00000000000000000005.sent"), "7").unwrap();
    fs::write(directory.path().join("notes.jsonl"), "x").unwrap();
    let mut spool = spool(&directory);
    assert_eq!(names(directory.path()), ["notes.jsonl", "spool.lock"]);
    assert!(next(&mut spool).is_none());
}

#[cfg(unix)]
#[test]
fn nobody_else_on_the_machine_can_read_a_spool() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let deep = directory.path().join("a/b");
    Spool::open(shelf(&deep)).unwrap();
    assert_eq!(fs::metadata(&deep).unwrap().permissions().mode() & 0o777, 0o700);
}
