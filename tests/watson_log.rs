//! What the Watson v2 assistant writes into the log. Alone in its process: `tracing` remembers for the whole process that nobody listens.

#[path = "support/questions.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod questions;
#[path = "support/watson.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod watson;

use std::fmt::Write;
use std::sync::{Arc, Mutex};

use questions::{assistant, says, session_end, state};
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};
use watson::{Fault, KEY, Operation, Reply, StandIn};

/// Writes every event of this package down, whatever its level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{field}={value:?} ").expect("a string takes everything");
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("raconteur")
    }

    fn event(&self, event: &Event<'_>) {
        let mut log = self.0.lock().expect("nobody panics with the log in hand");
        event.record(&mut Line(&mut log));
        log.push('\n');
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn the_log_has_transactions_but_no_texts_numbers_or_keys() {
    let log = Log::default();
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
    drop(guard);
    let log = log.0.lock().unwrap();
    let told = [
        "transaction-1",
        "cannot be read",
        "the session was gone",
        "cut a text",
        "not a command",
        "could not end a session",
    ];
    for expected in told {
        assert!(log.contains(expected), "{expected} is missing in {log}");
    }
    assert_eq!(log.matches("cut a text").count(), 1, "said only once");
    for secret in ["words", "5550199", "5550100", KEY, "YXBpa2V5"] {
        assert!(!log.contains(secret), "{secret} is in {log}");
    }
}
