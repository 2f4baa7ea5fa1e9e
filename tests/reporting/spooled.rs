//! What the spool and the waits make of a sink that is away, refuses or hangs. Time is paused: no socket is involved.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use raconteur::reporting::{Rules, Sink, Texts};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::reports::{A, B, Fate, StandIn, open, rules, text, turn, turns, usage};

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn sink(stand_in: &Arc<StandIn>) -> Arc<dyn Sink> {
    Arc::clone(stand_in) as Arc<dyn Sink>
}

fn second() -> Duration {
    Duration::from_secs(1)
}

/// The segments of the spool, oldest first.
fn segments(directory: &TempDir) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory.path().join("spool")).unwrap();
    let mut segments: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .collect();
    segments.sort();
    segments
}

#[tokio::test(start_paused = true)]
async fn batches_have_the_size_that_was_asked_for_and_come_every_interval() {
    let (directory, stand_in) = (directory(), StandIn::new([], Fate::Taken));
    let start = Instant::now();
    let (reporting, _) = open(sink(&stand_in), Rules { batch_max: 2, usage: false, ..rules(directory.path()) });
    (1..=5).for_each(|number| text(&reporting, A, number));
    stand_in.events(5).await;
    assert_eq!((stand_in.sizes(), stand_in.seconds(start)), (vec![2, 2, 1], vec![1, 1, 1]));
    text(&reporting, A, 6);
    stand_in.events(6).await;
    assert_eq!(stand_in.seconds(start)[3], 2);
    reporting.close(second()).await;
    assert_eq!(segments(&directory), [""; 0].map(PathBuf::from), "what was sent is gone");
}

#[tokio::test(start_paused = true)]
async fn waits_grow_while_the_sink_is_away_and_nothing_is_lost_or_moved() {
    let (directory, stand_in) = (directory(), StandIn::new(vec![Fate::Away(None); 4], Fate::Taken));
    let start = Instant::now();
    let (reporting, _) = open(sink(&stand_in), Rules { usage: false, ..rules(directory.path()) });
    for number in 1..=4 {
        text(&reporting, A, number);
        stand_in.batches(usize::try_from(number).unwrap()).await;
    }
    let events = stand_in.events(4).await;
    assert_eq!(turns(&events), [1, 2, 3, 4]);
    assert_eq!(stand_in.seconds(start)[..5], [1, 2, 4, 8, 16]);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_says_how_long_is_left_alone_for_that_long_but_not_for_ever() {
    let (minute, day) = (Duration::from_secs(60), Duration::from_secs(86_400));
    let script = [Fate::Away(Some(minute)), Fate::Away(Some(day))];
    let (directory, stand_in) = (directory(), StandIn::new(script, Fate::Taken));
    let start = Instant::now();
    let (reporting, _) = open(sink(&stand_in), Rules { usage: false, ..rules(directory.path()) });
    text(&reporting, A, 1);
    stand_in.events(1).await;
    assert_eq!(stand_in.seconds(start), [1, 61, 3_661]);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_does_not_answer_in_time_is_asked_again() {
    let (directory, stand_in) = (directory(), StandIn::new([Fate::Hangs], Fate::Taken));
    let start = Instant::now();
    let (reporting, _) = open(sink(&stand_in), Rules { usage: false, ..rules(directory.path()) });
    text(&reporting, A, 1);
    stand_in.events(1).await;
    assert_eq!(stand_in.seconds(start), [1, 12]);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_takes_over_sends_what_was_left_first() {
    let (directory, away) = (directory(), StandIn::new([], Fate::Away(None)));
    let (reporting, _) = open(sink(&away), Rules { usage: false, ..rules(directory.path()) });
    (1..=3).for_each(|number| text(&reporting, A, number));
    reporting.close(second()).await;
    assert!(!segments(&directory).is_empty(), "everything is on disk");
    let up = StandIn::new([], Fate::Taken);
    let (reporting, _) = open(sink(&up), Rules { usage: false, ..rules(directory.path()) });
    text(&reporting, A, 4);
    assert_eq!(turns(&up.events(4).await), [1, 2, 3, 4]);
    drop(reporting);
}

#[tokio::test(start_paused = true)]
async fn the_half_line_of_a_process_that_died_is_passed_over() {
    let (directory, away) = (directory(), StandIn::new([], Fate::Away(None)));
    let (reporting, _) = open(sink(&away), Rules { usage: false, ..rules(directory.path()) });
    (1..=2).for_each(|number| text(&reporting, A, number));
    reporting.close(second()).await;
    let segment = segments(&directory).pop().unwrap();
    let whole = fs::read(&segment).unwrap();
    fs::write(&segment, &whole[..whole.len() - 20]).unwrap();
    let up = StandIn::new([], Fate::Taken);
    let (reporting, metrics) = open(sink(&up), Rules { usage: false, ..rules(directory.path()) });
    text(&reporting, A, 3);
    assert_eq!(turns(&up.events(2).await), [1, 3]);
    let lost = "raconteur_report_events_dropped_total{reason=\"spool_failed\"} 1\n";
    assert!(metrics.exposition().contains(lost));
}

#[tokio::test(start_paused = true)]
async fn a_full_spool_drops_the_oldest_and_tells_how_many() {
    let (directory, stand_in) = (directory(), StandIn::new([], Fate::Away(None)));
    let limits = Rules { spool_max_bytes: 4_096, segment_max_bytes: 1_024, ..rules(directory.path()) };
    let (reporting, metrics) = open(sink(&stand_in), Rules { interval: 3_600 * second(), ..limits });
    (1..=100).for_each(|number| text(&reporting, A, number));
    stand_in.batches(1).await;
    stand_in.becomes(Fate::Taken);
    reporting.close(second()).await;
    let events = stand_in.taken();
    let arrived = turns(&events);
    let dropped = 100 - u64::try_from(arrived.len()).unwrap();
    assert!(dropped > 50 && arrived.len() > 5, "{arrived:?}");
    assert_eq!(arrived, (dropped + 1..=100).collect::<Vec<_>>(), "the newest are left, in order");
    assert_eq!(usage(&events)["dropped_events"], dropped);
    let counted = format!("raconteur_report_events_dropped_total{{reason=\"spool_full\"}} {dropped}\n");
    assert!(metrics.exposition().contains(&counted), "{}", metrics.exposition());
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_put_aside_and_told_and_the_rest_goes_on() {
    let (directory, stand_in) = (directory(), StandIn::new([Fate::Refused], Fate::Taken));
    let (reporting, metrics) = open(sink(&stand_in), rules(directory.path()));
    text(&reporting, A, 1);
    text(&reporting, B, 2);
    stand_in.events(2).await;
    reporting.close(second()).await;
    let events = stand_in.taken();
    assert_eq!(turns(&events), [2]);
    let told = events.iter().find(|event| event["tenant"] == A).expect("a usage event tells of it");
    // The text, and the usage event that was in the same batch.
    assert_eq!((&told["type"], &told["refused_events"], &told["inbound"]), (&json!("usage"), &json!(2), &json!(0)));
    let aside: Vec<_> = fs::read_dir(directory.path().join("spool/refused")).unwrap().collect();
    let kept = fs::read_to_string(aside.into_iter().next().unwrap().unwrap().path()).unwrap();
    let kept: Vec<Value> = kept.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((turns(&kept), kept.len()), (vec![1], 2));
    assert!(metrics.exposition().contains("raconteur_report_events_dropped_total{reason=\"refused\"} 2\n"));
}

#[tokio::test(start_paused = true)]
async fn what_comes_faster_than_it_can_be_written_is_dropped_and_counted() {
    let (directory, stand_in) = (directory(), StandIn::new([], Fate::Taken));
    let (reporting, metrics) = open(sink(&stand_in), Rules { queue_max: 3, ..rules(directory.path()) });
    // There is one thread, and it is here: nobody empties the queue meanwhile.
    (1..=5).for_each(|number| text(&reporting, A, number));
    let events = stand_in.events(4).await;
    assert_eq!(turns(&events), [1, 2, 3]);
    assert_eq!((&usage(&events)["dropped_events"], &usage(&events)["inbound"]), (&json!(2), &json!(5)));
    assert!(metrics.exposition().contains("raconteur_report_events_dropped_total{reason=\"queue_full\"} 2\n"));
}

#[tokio::test(start_paused = true)]
async fn texts_are_masked_or_left_out_as_asked() {
    for (texts, expected) in [(Texts::Masked, json!("card ####-####")), (Texts::None, Value::Null)] {
        let (directory, stand_in) = (directory(), StandIn::new([], Fate::Taken));
        let (reporting, _) = open(sink(&stand_in), Rules { texts, ..rules(directory.path()) });
        turn(&reporting, (A, 8), ("card 4111-1111", "card 4111-1111"));
        let events = stand_in.events(3).await;
        let bodies = [&events[0]["body"], &events[1]["body"]];
        assert_eq!(bodies, [&expected, &expected]);
        reporting.close(second()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn transcripts_and_usage_can_be_had_without_each_other() {
    for (transcripts, usage, expected) in [(true, false, "transcription"), (false, true, "usage")] {
        let (directory, stand_in) = (directory(), StandIn::new([], Fate::Taken));
        let (reporting, _) = open(sink(&stand_in), Rules { transcripts, usage, ..rules(directory.path()) });
        text(&reporting, A, 1);
        reporting.close(second()).await;
        let kinds: Vec<Value> = stand_in.taken().iter().map(|event| event["type"].clone()).collect();
        assert_eq!(kinds, [expected]);
    }
}

#[tokio::test(start_paused = true)]
async fn closing_hands_over_what_is_queued_with_the_last_totals() {
    let (directory, stand_in) = (directory(), StandIn::new([], Fate::Taken));
    let (reporting, _) = open(sink(&stand_in), rules(directory.path()));
    text(&reporting, A, 1);
    reporting.close(second()).await;
    let events = stand_in.taken();
    assert_eq!((turns(&events), &usage(&events)["inbound"]), (vec![1], &json!(1)));
    // Nobody is there any more; a conversation that still tells something is not held up.
    text(&reporting, A, 2);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_hangs_holds_up_the_end_no_longer_than_it_may() {
    let (directory, stand_in) = (directory(), StandIn::new([], Fate::Hangs));
    let (reporting, _) = open(sink(&stand_in), rules(directory.path()));
    text(&reporting, A, 1);
    let start = Instant::now();
    reporting.close(3 * second()).await;
    assert_eq!(start.elapsed().as_secs(), 3);
    assert_eq!(segments(&directory).len(), 1, "it is sent after the next start");
}

#[tokio::test(start_paused = true)]
async fn a_report_that_is_dropped_without_being_closed_is_still_written_down() {
    let (directory, away) = (directory(), StandIn::new([], Fate::Away(None)));
    let (reporting, _) = open(sink(&away), Rules { usage: false, ..rules(directory.path()) });
    (1..=3).for_each(|number| text(&reporting, A, number));
    drop(reporting);
    away.batches(1).await;
    let left = fs::read_to_string(&segments(&directory)[0]).unwrap();
    let left: Vec<Value> = left.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(turns(&left), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn two_sinks_do_not_share_a_spool() {
    let (directory, stand_in) = (directory(), StandIn::new([], Fate::Taken));
    let (reporting, _) = open(sink(&stand_in), rules(directory.path()));
    let report = raconteur::reporting::Report {
        name: "other".into(),
        sink: sink(&stand_in),
        rules: rules(directory.path()),
        tenants: Vec::new(),
    };
    let origin = raconteur::reporting::Origin::new(raconteur::metrics::Metrics::new().losses());
    let error = raconteur::reporting::Reporting::open(vec![report], origin).err().unwrap();
    assert!(error.to_string().contains("other cannot be used: it is in use"), "{error}");
    reporting.close(second()).await;
}
