//! What reporting writes into the log when everything goes wrong. Alone in its process: the spool writes from threads of its own, so
//! the log must be everybody's.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/log.rs"]
mod log;
#[path = "support/reports.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod reports;

use std::sync::Arc;
use std::time::Duration;

use log::Log;
use raconteur::reporting::{Rules, Sink};
use reports::{A, Fate, StandIn, open, rules, turn};
use tracing::Level;

#[tokio::test(start_paused = true)]
async fn the_log_tells_what_happens_to_reports_but_no_text_and_no_number() {
    let log = Log::of("raconteur", Level::INFO);
    tracing::subscriber::set_global_default(log.clone()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let limits = Rules { spool_max_bytes: 2_048, segment_max_bytes: 512, ..rules(directory.path()) };
    let stand_in = StandIn::new([Fate::Away(None), Fate::Away(None), Fate::Refused], Fate::Taken);
    let spool = directory.path().join("spool");
    std::fs::create_dir_all(&spool).unwrap();
    std::fs::write(spool.join("00000000000000000001.jsonl"), "half an event about the words").unwrap();
    let (reporting, _) = open(Arc::clone(&stand_in) as Arc<dyn Sink>, limits);
    (1..=20).for_each(|number| turn(&reporting, (A, number), ("the words", "the words")));
    stand_in.batches(4).await;
    reporting.close(Duration::from_secs(1)).await;
    let log = log.text();
    let told = [
        "the spool has lines that are no events",
        "the spool is full: its oldest events were dropped",
        "the sink takes no reports; they wait in the spool",
        "the sink refuses events; they are kept aside",
        "the sink takes reports again",
    ];
    for expected in told {
        assert_eq!(log.matches(expected).count().min(1), 1, "{expected} is missing in {log}");
    }
    assert_eq!(log.matches("takes no reports").count(), 1, "an outage is told once");
    for secret in ["words", "5550100", "5550111"] {
        assert!(!log.contains(secret), "{secret} is in {log}");
    }
}
