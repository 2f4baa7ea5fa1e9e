//! `/metrics` of a running gateway: what a bot orders wrongly is counted, and the exposition can be read.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use raconteur::{Server, config};
use serde_json::json;

const BOT: &str = r#"
fn turn(message) {
    command("flyToTheMoon");
    command("smsActSendMedia", #{mediaURL: "no address"});
    reply("ok");
}
"#;

/// Every sample by its name and labels. Each must belong to a family that was declared above it.
fn samples(exposition: &str) -> BTreeMap<String, f64> {
    let mut families: Vec<(String, String)> = Vec::new();
    let mut samples = BTreeMap::new();
    for line in exposition.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (family, kind) = declared.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            families.push((family.to_owned(), kind.to_owned()));
        } else if !line.starts_with("# HELP ") {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            let (family, kind) = families.last().unwrap();
            let suffixes: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(suffixes.iter().any(|suffix| format!("{family}{suffix}") == name), "{line} is not of {family}");
            assert!(samples.insert(series.to_owned(), value.parse().unwrap()).is_none(), "{series} comes twice");
        }
    }
    samples
}

#[tokio::test]
async fn an_unknown_and_a_malformed_command_are_counted_where_prometheus_looks() {
    let directory = tempfile::tempdir().unwrap();
    let bot = directory.path().join("bot.rhai");
    std::fs::write(&bot, BOT).unwrap();
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[store]\nkind = \"memory\"\n[channels.phone]\nkind = \"phone\"\n\
         [assistants.bot]\nkind = \"script\"\nfile = {}\n\
         [[tenants]]\nnumber = \"+15550100\"\nchannel = \"phone\"\nassistant = \"bot\"\n",
        json!(bot.to_str().unwrap())
    );
    let file = directory.path().join("raconteur.toml");
    std::fs::write(&file, text).unwrap();
    let server = Server::start(config::load(Some(&file), std::iter::empty()).unwrap()).await.unwrap();
    let http = raconteur::client::client(Duration::from_secs(5)).unwrap();
    let at = |path: &str| format!("http://{}{path}", server.address());
    let said = json!({"from": "+15550111", "to": "+15550100", "text": "hi"}).to_string();
    assert_eq!(http.post(at("/channels/phone/inbound")).body(said).send().await.unwrap().status(), 200);
    let counted = async {
        loop {
            let response = http.get(at("/metrics")).send().await.unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
            let samples = samples(&response.text().await.unwrap());
            if samples["raconteur_texts_total{state=\"sent\"}"] > 0.0 {
                return samples;
            }
            tokio::task::yield_now().await;
        }
    };
    let samples = tokio::time::timeout(Duration::from_secs(60), counted).await.unwrap();
    let expected = [
        ("raconteur_notices_total{kind=\"unknown_command\"}", 1.0),
        ("raconteur_notices_total{kind=\"malformed_command\"}", 1.0),
        ("raconteur_notices_total{kind=\"session_started\"}", 1.0),
        ("raconteur_notices_total{kind=\"turn_failed\"}", 0.0),
        ("raconteur_turns_total{outcome=\"answered\"}", 1.0),
        ("raconteur_turns_total{outcome=\"failed\"}", 0.0),
        ("raconteur_turn_seconds_count", 1.0),
        ("raconteur_turn_seconds_bucket{le=\"+Inf\"}", 1.0),
        ("raconteur_sessions_ended_total{reason=\"terminated\"}", 0.0),
        ("raconteur_report_events_dropped_total{reason=\"queue_full\"}", 0.0),
    ];
    for (series, value) in expected {
        assert_eq!(samples.get(series), Some(&value), "{series}: {samples:#?}");
    }
    server.stop().await.unwrap();
}
