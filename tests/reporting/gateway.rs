//! A whole configured gateway that reports: from a text at the phone's webhook to the sink, and what a wrong configuration is told.

use std::path::Path;
use std::time::Duration;

use raconteur::config::{self, Config};
use raconteur::{Server, ServerError};
use raconteur_conversation::address::ConversationKey;
use raconteur_storage::TranscriptTurn;
use serde_json::{Value, json};

use crate::reports::{A, ADA, Collector, number};

/// A gateway with a phone and the demo bot.
fn configuration(directory: &Path, report: &str) -> Config {
    let store = json!(directory.join("data").to_str().unwrap());
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[store]\nkind = \"memory\"\npath = {store}\n[channels.phone]\nkind = \"phone\"\n\
         [assistants.demo]\nkind = \"script\"\n[reports.audit]\n{report}\n\
         [[tenants]]\nnumber = \"{A}\"\nchannel = \"phone\"\nassistant = \"demo\"\nreport = \"audit\"\n"
    );
    let file = directory.join("raconteur.toml");
    std::fs::write(&file, text).unwrap();
    config::load(Some(&file), std::iter::empty()).unwrap()
}

pub(crate) async fn says(server: &Server, text: &str) {
    let http = raconteur::client::client(Duration::from_secs(5)).unwrap();
    let url = format!("http://{}/channels/phone/inbound", server.address());
    let body = json!({"from": ADA, "to": A, "text": text}).to_string();
    assert_eq!(http.post(url).body(body).send().await.unwrap().status(), 200);
}

/// Waits until so many turns are answered and all their texts are sent.
pub(crate) async fn settled(server: &Server, count: usize) -> Vec<TranscriptTurn> {
    let key = ConversationKey { tenant: number(A), user: number(ADA) };
    let holding = async {
        loop {
            let turns = server.gateway().store().transcript(&key, None, 100).await.unwrap();
            let is_settled = |turn: &TranscriptTurn| turn.rows.iter().all(|row| row.row.state.is_settled());
            if turns.len() == count && turns.iter().all(is_settled) {
                return turns;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), holding).await.unwrap()
}

fn of_kind<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["type"] == kind).collect()
}

#[tokio::test]
async fn a_conversation_is_reported_from_end_to_end() {
    let (directory, collector) = (tempfile::tempdir().unwrap(), Collector::start().await);
    let keys = format!("kind = \"json\"\nurl = \"{}\"\ninterval = \"1h\"", collector.url("/in"));
    let server = Server::start(configuration(directory.path(), &keys)).await.unwrap();
    says(&server, "my name is Ada").await;
    settled(&server, 1).await;
    says(&server, "bye").await;
    let turns = settled(&server, 2).await;
    server.stop().await.unwrap();
    let batches: Vec<Value> = collector.seen().iter().map(|request| request.json()).collect();
    assert_eq!(batches.len(), 1, "one batch at the end: {batches:#?}");
    let events = batches[0]["events"].as_array().unwrap();
    let rows: Vec<_> = turns.iter().rev().flat_map(|turn| &turn.rows).collect();
    let texts = of_kind(events, "transcription");
    let told = |direction: &str| -> Vec<String> {
        let ours = texts.iter().filter(|text| text["direction"] == direction && text["user"] == ADA);
        ours.map(|text| text["body"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(told("inbound"), ["my name is Ada", "bye"]);
    assert_eq!(told("outbound"), rows.iter().map(|row| row.row.body.clone()).collect::<Vec<_>>());
    let deliveries = of_kind(events, "delivery");
    let ids: Vec<String> = rows.iter().map(|row| row.row.id.to_string()).collect();
    assert_eq!(deliveries.iter().map(|delivery| delivery["id"].clone()).collect::<Vec<_>>(), ids);
    assert!(deliveries.iter().all(|delivery| delivery["state"] == "sent"), "{deliveries:?}");
    let notices: Vec<&Value> = of_kind(events, "notice").iter().map(|notice| &notice["kind"]).collect();
    assert_eq!(notices, ["session_started"]);
    assert_eq!(of_kind(events, "session_ended")[0]["reason"], "terminated");
    let usage = of_kind(events, "usage");
    let totals = ["inbound", "outbound", "failed", "dropped_events"].map(|name| usage[0][name].as_u64().unwrap());
    assert_eq!((usage.len(), totals), (1, [2, u64::try_from(rows.len()).unwrap(), 0, 0]));
    assert!(directory.path().join("data.reports/audit").is_dir(), "the spool is beside the store");
}

#[tokio::test]
async fn a_sink_that_is_not_there_slows_no_turn_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    // Bound but not listening: the port stays ours, and every connection to it is refused.
    let nowhere = tokio::net::TcpSocket::new_v4().unwrap();
    nowhere.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}/in", nowhere.local_addr().unwrap());
    let keys = format!("kind = \"json\"\nurl = \"{url}\"");
    let server = Server::start(configuration(directory.path(), &keys)).await.unwrap();
    says(&server, "hi").await;
    settled(&server, 1).await;
    server.stop().await.unwrap();
    let collector = Collector::start().await;
    let keys = format!("kind = \"json\"\nurl = \"{}\"", collector.url("/in"));
    let server = Server::start(configuration(directory.path(), &keys)).await.unwrap();
    let seen = collector.requests(1).await;
    let bodies: Vec<Value> = seen[0].json()["events"].as_array().unwrap().clone();
    assert!(of_kind(&bodies, "transcription").iter().any(|text| text["body"] == "hi"), "{bodies:#?}");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_wrong_report_is_told_with_all_other_problems_each_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let keys = "kind = \"json\"\nurl = \"ftp://r.example\"\nbatch_max = 0\n[reports.other]\nkind = \"jason\"\n\
                [channels.fax]\nkind = \"fax\"";
    let Err(ServerError::Config(problems)) = Server::start(configuration(directory.path(), keys)).await else {
        panic!("it must not start");
    };
    let told: Vec<String> = problems
        .iter()
        .map(|problem| format!("{}: {}", problem.place.rsplit('/').next().unwrap(), problem.message))
        .collect();
    assert_eq!(
        told,
        [
            "raconteur.toml:17:8: unknown kind `fax`: use one of phone, twilio",
            "raconteur.toml:12:7: url must begin with https://",
            "raconteur.toml:13:13: batch_max is out of range: choose between 1 and 10000",
            "raconteur.toml:15:8: unknown kind `jason`: did you mean `json`?",
        ]
    );
}

#[tokio::test]
async fn a_spool_that_cannot_be_used_is_a_problem_at_its_key() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), "").unwrap();
    let spool = json!(directory.path().join("file/spool").to_str().unwrap());
    let keys = format!("kind = \"json\"\nurl = \"https://r.example/\"\nspool = {spool}");
    let Err(ServerError::Config(problems)) = Server::start(configuration(directory.path(), &keys)).await else {
        panic!("it must not start");
    };
    assert!(problems[0].place.ends_with("raconteur.toml:13:9"), "{problems:?}");
    assert!(problems[0].message.starts_with("spool cannot be used: "), "{problems:?}");
}
