//! What arrives over HTTP: whole bodies, headers, and what our side makes of the answers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use raconteur::actors::port::{Event, Observer};
use raconteur::config::{self, Section};
use raconteur::conversation::address::ConversationKey;
use raconteur::conversation::effect::Notice;
use raconteur::conversation::words::{EndReason, OutboundId, ProviderId, RowState, Sequence, SessionEnd};
use raconteur::reporting::{self, Batch, PostError, Reporting, Rules, Sink};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::reports::{A, ADA, B, Collector, number, open, rules, turn};

const GUID: &str = "00000000-0000-0000-0000-000000000001";
const PROCESS: &str = "00000000-0000-0000-0000-000000000007";

fn section(directory: &TempDir, text: &str) -> Section {
    let file = directory.path().join("r.toml");
    std::fs::write(&file, format!("[reports.audit]\n{text}\n")).unwrap();
    let secrets = [("TOKEN", "t-1"), ("PASSWORD", "sesame")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let reading = config::read(Some(&file), secrets.into_iter());
    assert_eq!(reading.problems, []);
    reading.config.reports.into_iter().next().unwrap()
}

fn sink(directory: &TempDir, text: &str) -> Arc<dyn Sink> {
    let section = section(directory, text);
    (reporting::kind(&section).unwrap().open)(&section).unwrap().1
}

/// Rules by which everything is handed over at the end, however slow the machine is.
fn at_the_end(directory: &TempDir) -> Rules {
    Rules { interval: Duration::from_secs(3_600), ..rules(directory.path()) }
}

/// Rules that report at once: sockets know nothing of a paused clock.
fn soon(directory: &TempDir) -> Rules {
    Rules { interval: Duration::from_millis(20), ..rules(directory.path()) }
}

fn everything_happens(reporting: &Reporting) {
    let key = ConversationKey { tenant: number(A), user: number(ADA) };
    turn(reporting, (A, 8), ("hi", "hello"));
    let sent = RowState::Sent { provider_id: ProviderId("SM1".into()) };
    reporting.observe(&key, &Event::Settled(OutboundId { turn: Sequence(8), part: 0 }, &sent));
    reporting.observe(&key, &Event::Noted(&Notice::UnknownCommand { name: "fly".into() }));
    let (session, reason) = (Uuid::from_u128(1), EndReason::Terminated);
    reporting.observe(&key, &Event::SessionEnded(&SessionEnd { key: key.clone(), session, reason, state: None }));
    turn(reporting, (B, 16), ("hey", ""));
}

fn event(number: u64, tenant: &str, at_ms: u64, more: &Value) -> Value {
    let mut event = json!({"event_id": format!("{PROCESS}-{number}"), "tenant": tenant, "at_ms": at_ms});
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event
}

fn transcription(id: &str, turn: u64, direction: &str, body: &str) -> Value {
    json!({
        "type": "transcription", "id": id, "user": ADA, "session": GUID, "turn": turn, "direction": direction,
        "body": body, "media": [], "segments": 1,
    })
}

fn usage(inbound: u64, outbound: u64) -> Value {
    json!({
        "type": "usage", "instance": PROCESS, "from_ms": 10_000, "to_ms": 10_000, "inbound": inbound,
        "outbound": outbound, "failed": 0, "dropped_events": 0, "refused_events": 0,
    })
}

fn events_of_a() -> Vec<Value> {
    let end = json!({"type": "session_ended", "user": ADA, "session": GUID, "reason": "terminated"});
    vec![
        event(1, A, 1_008, &transcription("8-in", 8, "inbound", "hi")),
        event(2, A, 2_008, &transcription("8-0", 8, "outbound", "hello")),
        event(
            3,
            A,
            10_000,
            &json!({"type": "delivery", "id": "8-0", "user": ADA, "state": "sent", "provider_id": "SM1"}),
        ),
        event(4, A, 10_000, &json!({"type": "notice", "user": ADA, "kind": "unknown_command", "command": "fly"})),
        event(5, A, 10_000, &end),
        event(7, A, 10_000, &usage(1, 1)),
    ]
}

#[tokio::test]
async fn json_batches_are_of_one_tenant_each_and_in_the_schema() {
    let (directory, collector) = (tempfile::tempdir().unwrap(), Collector::start().await);
    let url = collector.url("/in?team=sms");
    let sink = sink(&directory, &format!("kind = \"json\"\nurl = \"{url}\"\ntoken = {{ env = \"TOKEN\" }}"));
    let (reporting, _) = open(sink, at_the_end(&directory));
    everything_happens(&reporting);
    reporting.close(Duration::from_secs(60)).await;
    let seen = collector.seen();
    assert_eq!(seen.len(), 2);
    let envelope = |tenant: &str, events: Vec<Value>| json!({"schema": 1, "instance": PROCESS, "tenant": tenant, "events": events});
    let events_of_b =
        vec![event(6, B, 1_016, &transcription("16-in", 16, "inbound", "hey")), event(8, B, 10_000, &usage(1, 0))];
    assert_eq!(seen[0].json(), envelope(A, events_of_a()));
    assert_eq!(seen[1].json(), envelope(B, events_of_b));
    for request in &seen {
        assert_eq!(request.path, "/in?team=sms");
        assert_eq!(
            (request.header("authorization"), request.header("content-type")),
            ("Bearer t-1", "application/json")
        );
    }
}

#[tokio::test]
async fn a_name_and_a_password_go_as_basic_authorisation() {
    let (directory, collector) = (tempfile::tempdir().unwrap(), Collector::start().await);
    let url = collector.url("/");
    let keys = format!("kind = \"json\"\nurl = \"{url}\"\nusername = \"ada\"\npassword = {{ env = \"PASSWORD\" }}");
    let (reporting, _) = open(sink(&directory, &keys), soon(&directory));
    turn(&reporting, (A, 8), ("hi", ""));
    assert_eq!(collector.requests(1).await[0].header("authorization"), "Basic YWRhOnNlc2FtZQ==");
}

#[tokio::test]
async fn splunks_collector_gets_its_frame_around_the_same_events() {
    let (directory, collector) = (tempfile::tempdir().unwrap(), Collector::start().await);
    let url = collector.url("/services/collector/event");
    let keys = format!(
        "kind = \"splunk_hec\"\nurl = \"{url}\"\ntoken = {{ env = \"TOKEN\" }}\nindex = \"sms\"\nhost = \"gw-1\""
    );
    let (reporting, _) = open(sink(&directory, &keys), at_the_end(&directory));
    everything_happens(&reporting);
    reporting.close(Duration::from_secs(60)).await;
    let seen = collector.seen();
    assert_eq!((seen[0].path.as_str(), seen[0].header("authorization")), ("/services/collector/event", "Splunk t-1"));
    let frames: Vec<Value> =
        serde_json::Deserializer::from_str(&seen[0].body).into_iter().collect::<Result<_, _>>().unwrap();
    let frame = |event: Value| {
        let kind = event["type"].as_str().unwrap();
        let time = event["at_ms"].as_f64().unwrap() / 1_000.0;
        json!({
            "time": time, "host": "gw-1", "source": "raconteur", "sourcetype": format!("raconteur:{kind}"),
            "index": "sms", "event": event,
        })
    };
    assert_eq!(frames, events_of_a().into_iter().map(frame).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_sink_that_is_down_gets_everything_in_order_when_it_is_up_again() {
    let (directory, collector) = (tempfile::tempdir().unwrap(), Collector::start().await);
    for status in [503, 500, 429] {
        collector.answers(status, &[]);
    }
    let sink = sink(&directory, &format!("kind = \"json\"\nurl = \"{}\"", collector.url("/")));
    let mut rules = Rules { usage: false, ..soon(&directory) };
    rules.backoff.first = Duration::from_millis(5);
    let (reporting, _) = open(sink, rules);
    for number in 1..=3 {
        turn(&reporting, (A, number), ("hi", ""));
        collector.requests(usize::try_from(number).unwrap()).await;
    }
    let mut taken = Vec::new();
    let mut count = 3;
    while taken.len() < 3 {
        count += 1;
        let seen = collector.requests(count).await;
        taken.extend(seen[count - 1].json()["events"].as_array().unwrap().clone());
    }
    let ids: Vec<&str> = taken.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["1-in", "2-in", "3-in"]);
}

/// Passes everything on and notes what came of it.
struct Tapped {
    sink: Arc<dyn Sink>,
    outcomes: Mutex<Vec<Result<(), PostError>>>,
}

#[async_trait]
impl Sink for Tapped {
    async fn post(&self, batch: &Batch) -> Result<(), PostError> {
        let outcome = self.sink.post(batch).await;
        self.outcomes.lock().unwrap().push(outcome.clone());
        outcome
    }
}

#[tokio::test]
async fn a_busy_sink_says_how_long_to_wait_and_a_refusing_one_what_it_answered() {
    let (directory, collector) = (tempfile::tempdir().unwrap(), Collector::start().await);
    collector.answers(400, &[]);
    collector.answers(429, &[("Retry-After", "7")]);
    let sink = sink(&directory, &format!("kind = \"json\"\nurl = \"{}\"", collector.url("/")));
    let tapped = Arc::new(Tapped { sink, outcomes: Mutex::default() });
    let (reporting, _) = open(Arc::clone(&tapped) as Arc<dyn Sink>, Rules { batch_max: 1, ..soon(&directory) });
    turn(&reporting, (A, 8), ("hi", "hello"));
    while tapped.outcomes.lock().unwrap().len() < 2 {
        tokio::task::yield_now().await;
    }
    // The last attempt of all, in spite of the seven seconds.
    reporting.close(Duration::from_secs(5)).await;
    let outcomes = tapped.outcomes.lock().unwrap().clone();
    let refused = PostError::Refused { reason: "the sink answered 400".into() };
    let busy = PostError::Retry { after: Some(Duration::from_secs(7)), reason: "the sink answered 429".into() };
    assert_eq!(outcomes[..2], [Err(refused), Err(busy)]);
    assert_eq!(outcomes[2..], [Ok(()), Ok(()), Ok(())], "the answer, and the usage before and after the refusal");
}
