//! What IBM's assistants write into the log. Alone in its process: `tracing` remembers for the whole process that nobody listens.

#[path = "support/iam.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod iam;
#[path = "support/log.rs"]
mod log;
#[path = "support/questions.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod questions;
#[path = "support/watson.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod watson;

use std::time::Duration;

use log::Log;
use questions::{assistant, pass, reaching, says, session_end, state};
use raconteur::assistant::watson::backup::Backup;
use raconteur::assistant::watson::v2::{Settings, open};
use serde_json::json;
use tracing::Level;
use watson::{Fault, KEY, Operation, Reply, StandIn};

/// The first place fails and comes back, and a token is refused and not renewed.
async fn changes(first: &StandIn) {
    let (second, iam) = (StandIn::start(|_| Reply::text("x")).await, iam::Iam::start(KEY).await);
    second.accept("Bearer token-2");
    let backup = Backup { iam_url: Some(iam.url()), ..Backup::at(second.url()) };
    let assistant =
        open("care", &Settings { backup: Some(backup), ..reaching(first.url()) }).expect("the settings are right");
    for _ in 0..2 {
        first.fault(Operation::Create, Fault::Status(503, Vec::new(), "the words".into()));
    }
    for _ in 0..4 {
        assistant.ask(&says("the words", None)).await.expect("one of the places answers");
    }
    pass(Duration::from_secs(3_000)).await;
    iam.fault(500, "the words");
    first.fault(Operation::Create, Fault::Status(503, Vec::new(), "the words".into()));
    assistant.ask(&says("the words", None)).await.expect("one of the places answers");
    iam.until_exchanges(3).await;
    assistant.ask(&says("the words", None)).await.expect("one of the places answers");
    pass(Duration::from_secs(61)).await;
    for _ in 0..2 {
        assistant.ask(&says("the words", None)).await.expect("one of the places answers");
    }
}

#[tokio::test]
async fn the_log_has_transactions_but_no_texts_numbers_or_keys() {
    let log = Log::of("raconteur", Level::TRACE);
    let guard = tracing::subscriber::set_default(log.clone());
    let watson =
        StandIn::start(|turn| Reply { user_defined: json!({"smsAction": turn.text}), ..Reply::text("x") }).await;
    let headers = vec![("x-global-transaction-id", "transaction-1")];
    watson.fault(Operation::Message, Fault::Status(400, headers, json!({"error": "the words"}).to_string()));
    let long = "the words ".repeat(300);
    let assistant = assistant(&watson);
    for state in [None, Some(state("{}")), Some(state(r#"{"session_id":"gone"}"#))] {
        let _ = assistant.ask(&says(&long, state.as_ref())).await;
    }
    watson.fault(Operation::Delete, Fault::Status(500, Vec::new(), "the words".into()));
    assistant.end(&session_end(Some(state(r#"{"session_id":"gone"}"#)))).await;
    changes(&watson).await;
    drop(guard);
    let log = log.text();
    let told = [
        "transaction-1",
        "cannot be read",
        "the session was gone",
        "cut a text",
        "not a command",
        "could not end a session",
        "a token was refused",
        "could not renew a token",
    ];
    for expected in told {
        assert!(log.contains(expected), "{expected} is missing in {log}");
    }
    for change in ["questions go to the backup", "questions go back to it"] {
        assert_eq!(log.matches(change).count(), 1, "{change} is said once in {log}");
    }
    assert_eq!(log.matches("cut a text").count(), 1, "said only once");
    for secret in ["words", "5550199", "5550100", KEY, "YXBpa2V5", "Bearer", "token-"] {
        assert!(!log.contains(secret), "{secret} is in {log}");
    }
}
