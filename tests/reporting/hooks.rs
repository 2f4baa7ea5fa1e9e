//! A server that is told of what happens: each event in a POST of its own, signed, and again until it is taken.

use base64::prelude::{BASE64_STANDARD, Engine};
use hmac::{Hmac, KeyInit, Mac};
use raconteur::Server;
use raconteur::config::{self, Config};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::gateway::{says, settled};
use crate::reports::{A, ADA, Collector, Seen};

const KEY: [u8; 32] = [7; 32];

/// The simulated phone and the demo bot; `audit` gets transcripts, `hook` is told of what happens.
fn configuration(directory: &std::path::Path, (audit, hook): (&Collector, &Collector)) -> Config {
    let store = json!(directory.join("data").to_str().unwrap());
    let secret = format!("whsec_{}", BASE64_STANDARD.encode(KEY));
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[store]\nkind = \"memory\"\npath = {store}\n[channels.phone]\nkind = \"phone\"\n\
         [assistants.demo]\nkind = \"script\"\n[reports.audit]\nkind = \"json\"\nurl = \"{}\"\n[reports.hook]\nkind = \"webhook\"\n\
         url = \"{}\"\nsecret = {{ env = \"HOOK\" }}\ninterval = \"1s\"\n[[tenants]]\nnumber = \"{A}\"\nchannel = \"phone\"\n\
         assistant = \"demo\"\nreport = \"audit\"\nevents = \"hook\"\n",
        audit.url("/in"),
        hook.url("/hook"),
    );
    let file = directory.join("raconteur.toml");
    std::fs::write(&file, text).unwrap();
    config::load(Some(&file), [("HOOK".to_owned(), secret)].into_iter()).unwrap()
}

/// Whether an event is signed as the standard has it.
fn is_genuine(seen: &Seen) -> bool {
    let mut mac = Hmac::<Sha256>::new_from_slice(&KEY).unwrap();
    mac.update(format!("{}.{}.{}", seen.header("webhook-id"), seen.header("webhook-timestamp"), seen.body).as_bytes());
    seen.header("webhook-signature") == format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
}

fn kinds(seen: &[Seen]) -> Vec<String> {
    seen.iter().map(|seen| seen.json()["type"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_server_is_told_of_each_thing_that_happens_in_a_signed_post_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let (audit, hook) = (Collector::start().await, Collector::start().await);
    hook.answers(503, &[]);
    let server = Server::start(configuration(directory.path(), (&audit, &hook))).await.unwrap();
    says(&server, "bye").await;
    settled(&server, 1).await;
    let seen = hook.requests(6).await;
    assert!(seen.iter().all(is_genuine), "{seen:#?}");
    assert_eq!(
        seen[0].header("webhook-id"),
        seen[1].header("webhook-id"),
        "what was not taken is told again, as the same"
    );
    let kinds = kinds(&seen[1..]);
    for kind in ["text.received", "session.started", "turn.completed", "session.ended", "message.sent"] {
        assert!(kinds.iter().any(|found| found == kind), "{kind}: {kinds:?}");
    }
    let told: Value = seen[1].json();
    assert_eq!((&told["data"]["user"], &told["data"]["tenant"]), (&json!(ADA), &json!(A)));
    assert!(!seen.iter().any(|seen| seen.body.contains("bye")), "nothing that was said is told");
    server.stop().await.unwrap();
    assert!(!audit.seen().is_empty(), "and transcripts go where they went");
}
