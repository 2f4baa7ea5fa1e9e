//! Traces of the real binary, as a collector gets them: one for one text, from the provider's request to the provider, also where the
//! process was killed in between.
//!
//! ```text
//! cargo test --features otlp --test traces
//! ```

#[path = "support/caller.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod caller;
#[path = "support/collector.rs"]
mod collector;
#[path = "support/scene.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod scene;
#[path = "support/serving.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod serving;
#[path = "support/twilio.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod twilio;
#[path = "support/watson.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod watson;

use std::path::Path;

use caller::{Caller, INBOUND, text_fields};
use collector::{Collector, Got, text};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use scene::{ADA, Keys, TENANT, configuration, echo, soon};
use serde_json::Value;
use serving::{Serving, directory};
use tempfile::TempDir;
use twilio::Twilio;
use watson::{Fault, Operation, StandIn};

/// The binary between stand-ins, with what it logs and where its traces go.
struct Traced {
    twilio: Twilio,
    watson: StandIn,
    collector: Collector,
    directory: TempDir,
}

impl Traced {
    async fn new(more: &str) -> Self {
        let (twilio, watson, collector) = (Twilio::start().await, StandIn::start(echo).await, Collector::start().await);
        let keys = Keys { ask: "retries = 0", ..Keys::default() };
        let text = configuration(Path::new("data"), (twilio.base_url(), &watson.url()), keys);
        let traces = format!(
            "[traces]\nendpoint = \"{}\"\nheaders = {{ x-collector-key = {{ file = \"key\" }} }}\ninterval = \"10ms\"\n\
             attributes = {{ \"deployment.environment.name\" = \"test\" }}\n{more}\n\
             [log]\nformat = \"json\"\nlevel = \"info,raconteur_actors::report=debug\"\n",
            collector.url
        );
        let directory = directory(&format!("{text}{traces}"));
        std::fs::write(directory.path().join("key"), collector::KEY).expect("it can be written to");
        Self { twilio, watson, collector, directory }
    }

    async fn serve(&self) -> (Serving, Caller) {
        let serving = Serving::start(self.directory.path()).await;
        let caller = Caller::new(serving.address.parse().expect("it says where it is"));
        (serving, caller)
    }

    /// The spans, once there are so many of this name.
    async fn spans(&self, name: &str, count: usize) -> Vec<Got> {
        let enough = |spans: &[Got]| spans.iter().filter(|got| got.name() == name).count() >= count;
        soon(name, self.collector.until(enough)).await
    }

    /// Of which trace the assistant was told with every question.
    fn asked_with(&self) -> Vec<String> {
        let seen = self.watson.seen().into_iter();
        seen.filter(|seen| seen.target.contains("/message")).map(|seen| seen.traceparent).collect()
    }
}

/// The only one of this name.
fn the<'a>(spans: &'a [Got], name: &str) -> &'a Got {
    let found: Vec<&Got> = spans.iter().filter(|got| got.name() == name).collect();
    assert_eq!(found.len(), 1, "{name} in {spans:#?}");
    found[0]
}

async fn stop(serving: Serving) -> String {
    serving.terminate();
    let (code, log) = serving.end().await;
    assert_eq!(code, Some(0), "{log}");
    log
}

#[tokio::test(flavor = "multi_thread")]
async fn one_text_is_one_trace_from_the_providers_request_to_its_receipt() {
    let traced = Traced::new("service_name = \"sms\"").await;
    let (serving, caller) = traced.serve().await;
    caller.text((ADA, TENANT), "my secret words").await;
    let create = soon("the answer", traced.twilio.creates_arrived(1)).await.remove(0);
    traced.spans("send", 1).await;
    assert_eq!(caller.receipt(&create, "delivered", "").await.status, 200);
    let spans = traced.spans("webhook", 2).await;

    let [accept, turn, ask, send, receipt] = ["accept", "turn", "ask", "send", "receipt"].map(|name| the(&spans, name));
    let webhooks: Vec<&Got> = spans.iter().filter(|got| got.name() == "webhook").collect();
    let [brought, told] = webhooks[..] else { panic!("{spans:#?}") };
    assert!(spans.iter().all(|got| got.trace == turn.trace && got.trace.len() == 32), "{spans:#?}");
    let above = [brought, accept, turn, ask, send, told, receipt].map(|got| got.parent.as_str());
    assert_eq!(above, ["", &brought.id, &accept.id, &turn.id, &turn.id, &turn.id, &told.id], "{spans:#?}");
    let commits: Vec<&Got> = spans.iter().filter(|got| got.name() == "commit").collect();
    assert!(!commits.is_empty() && commits.iter().all(|commit| commit.parent == turn.id), "{spans:#?}");
    let mut ids: Vec<&str> = spans.iter().map(|got| got.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), spans.len(), "no two spans have the same id: {spans:#?}");

    let kind = |got: &Got| got.span.kind;
    assert_eq!(
        (kind(brought), kind(ask), kind(send)),
        (SpanKind::Server as i32, SpanKind::Client as i32, SpanKind::Client as i32)
    );
    assert_eq!(
        (brought.attribute("http.response.status_code"), brought.attribute("raconteur.channel")),
        ("200".into(), "twilio".into())
    );
    assert!(
        turn.span.start_time_unix_nano <= ask.span.start_time_unix_nano
            && ask.span.end_time_unix_nano <= send.span.end_time_unix_nano
    );
    assert_eq!(traced.asked_with(), [format!("00-{}-{}-01", turn.trace, ask.id)]);
    assert_eq!(create.traceparent, format!("00-{}-{}-01", turn.trace, send.id));
    let resource = traced.collector.resource();
    assert_eq!(
        (text(&resource, "service.name"), text(&resource, "deployment.environment.name")),
        ("sms".into(), "test".into())
    );

    let shown = format!("{spans:?}{resource:?}");
    let log = stop(serving).await;
    for secret in ["5550111", "5550100", "secret", twilio::TOKEN, watson::KEY, collector::KEY] {
        assert!(!shown.contains(secret) && !log.contains(secret), "{secret} is in {shown} or in {log}");
    }
    let lines =
        log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("no JSON: {line}")));
    let answered = lines.into_iter().find(|line| line["message"] == "answered").unwrap_or_else(|| panic!("{log}"));
    assert_eq!((answered["trace_id"].as_str(), answered["span_id"].as_str()), (Some(&*turn.trace), Some(&*turn.id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_is_resumed_after_the_process_was_killed_goes_on_in_its_trace() {
    let traced = Traced::new("").await;
    let (mut serving, caller) = traced.serve().await;
    traced.watson.hold("wait");
    caller.text((ADA, TENANT), "wait for it").await;
    soon("the question", traced.watson.until_asked("wait for it", 1)).await;
    let before = traced.spans("webhook", 1).await;
    serving.child.kill().await.expect("it can be killed");
    assert!(before.iter().all(|got| got.name() != "turn"), "it was not over: {before:#?}");

    let (serving, _) = traced.serve().await;
    soon("the question again", traced.watson.until_asked("wait for it", 2)).await;
    traced.watson.let_through(2);
    soon("the answer", traced.twilio.creates_arrived(1)).await;
    let spans = traced.spans("send", 1).await;
    let (accept, turn, ask) = (the(&spans, "accept"), the(&spans, "turn"), the(&spans, "ask"));
    assert!(spans.iter().all(|got| got.trace == accept.trace), "{spans:#?}");
    assert_eq!([&turn.parent, &ask.parent, &the(&spans, "send").parent], [&accept.id, &turn.id, &turn.id]);
    let asked = traced.asked_with();
    let [first, again] = &asked[..] else { panic!("{asked:?}") };
    assert!([first, again].iter().all(|header| header.starts_with(&format!("00-{}-", accept.trace))), "{asked:?}");
    assert!(first != again && again.contains(&ask.id), "each attempt is a span of its own: {asked:?}");
    stop(serving).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_an_error_in_its_trace_and_what_is_refused_or_repeated_has_its_place() {
    let traced = Traced::new("").await;
    let (serving, caller) = traced.serve().await;
    let forged = text_fields(&caller.fresh_sid(), (ADA, TENANT), "my secret words");
    assert_eq!(caller.post(INBOUND, &forged, "forged").await.status, 403);
    let refused = the(&traced.spans("webhook", 1).await, "webhook").clone();
    assert_eq!((refused.attribute("http.response.status_code"), refused.parent.as_str()), ("403".into(), ""));

    traced.watson.fault(Operation::Message, Fault::Status(500, Vec::new(), "no, +15550111".into()));
    let fields = text_fields(&caller.fresh_sid(), (ADA, TENANT), "my secret words");
    assert_eq!(caller.signed(INBOUND, &fields).await.status, 200);
    soon("the apology", traced.twilio.creates_arrived(1)).await;
    let spans = traced.spans("send", 1).await;
    let (accept, turn, ask) = (the(&spans, "accept").clone(), the(&spans, "turn"), the(&spans, "ask"));
    let code = |got: &Got| got.span.status.as_ref().map_or(0, |status| status.code);
    assert_eq!(
        [turn, ask, &accept].map(code),
        [StatusCode::Error as i32, StatusCode::Error as i32, StatusCode::Unset as i32]
    );
    assert!(refused.trace != accept.trace, "nothing came of it: {spans:#?}");

    assert_eq!(caller.signed(INBOUND, &fields).await.status, 200, "the provider comes again");
    let spans = traced.spans("webhook", 3).await;
    let repeated = spans.iter().find(|got| got.attribute("raconteur.repeated") == "true").expect("it is shown");
    let around = spans.iter().find(|got| got.id == repeated.parent).expect("so is the request");
    assert_eq!((&repeated.trace, &around.trace, &around.parent), (&accept.trace, &accept.trace, &accept.id));
    assert!(!format!("{spans:?}").contains("5550111"), "{spans:#?}");
    stop(serving).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_never_answers_costs_spans_and_neither_texts_nor_the_end() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a local port is free");
    let traced = Traced::new("queue_max = 1").await;
    let file = traced.directory.path().join("raconteur.toml");
    let text = std::fs::read_to_string(&file).expect("it is there");
    let deaf = format!("http://{}/v1/traces", silent.local_addr().expect("it is bound"));
    std::fs::write(&file, text.replace(&traced.collector.url, &deaf)).expect("it can be written to");
    let (serving, caller) = traced.serve().await;
    for (number, body) in ["one", "two", "three"].iter().enumerate() {
        caller.text((ADA, TENANT), body).await;
        soon("the answer", traced.twilio.creates_arrived(number + 1)).await;
    }
    let shown = caller::answered(caller.request(reqwest::Method::GET, "/metrics")).await.body;
    let dropped =
        shown.lines().find_map(|line| line.strip_prefix("raconteur_trace_spans_total{outcome=\"queue_full\"} "));
    assert!(dropped.is_some_and(|count| count != "0"), "{shown}");
    let log = stop(serving).await;
    assert!(log.contains("not all traces could be handed over in time"), "{log}");
}
