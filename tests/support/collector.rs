//! A stand-in for an OpenTelemetry collector: takes spans by OTLP over HTTP on a free local port and keeps them.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::sync::Notify;

/// What has to come along with every request.
pub(crate) const KEY: &str = "c0llect";

/// One span, with its ids as they are written.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: String,
    pub(crate) span: Span,
}

impl Got {
    pub(crate) fn name(&self) -> &str {
        &self.span.name
    }

    /// An attribute as text; empty where there is none.
    pub(crate) fn attribute(&self, key: &str) -> String {
        text(&self.span.attributes, key)
    }
}

/// An attribute of these as text.
pub(crate) fn text(attributes: &[KeyValue], key: &str) -> String {
    let value = attributes.iter().find(|attribute| attribute.key == key).and_then(|found| found.value.clone());
    match value {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => text,
        Some(AnyValue { value: Some(Value::IntValue(number)) }) => number.to_string(),
        Some(AnyValue { value: Some(Value::BoolValue(flag)) }) => flag.to_string(),
        _ => String::new(),
    }
}

#[derive(Default)]
struct Shared {
    spans: Mutex<Vec<Got>>,
    resource: Mutex<Vec<KeyValue>>,
    arrived: Notify,
}

/// The running stand-in. Its server ends with the test's runtime.
pub(crate) struct Collector {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a local port is free");
        let url = format!("http://{}/v1/traces", listener.local_addr().expect("a bound listener has an address"));
        let shared = Arc::<Shared>::default();
        let app = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, shared }
    }

    /// Everything that has come so far.
    pub(crate) fn spans(&self) -> Vec<Got> {
        self.shared.spans.lock().expect("nobody panics with the lock held").clone()
    }

    /// What was said of who exports.
    pub(crate) fn resource(&self) -> Vec<KeyValue> {
        self.shared.resource.lock().expect("nobody panics with the lock held").clone()
    }

    /// Waits until what has come is as it should be.
    pub(crate) async fn until(&self, holds: impl Fn(&[Got]) -> bool) -> Vec<Got> {
        loop {
            let arrived = self.shared.arrived.notified();
            let spans = self.spans();
            if holds(&spans) {
                return spans;
            }
            arrived.await;
        }
    }
}

async fn take(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if header("content-type") != Some("application/x-protobuf") || header("x-collector-key") != Some(KEY) {
        return StatusCode::UNAUTHORIZED;
    }
    let Ok(request) = ExportTraceServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
    for spans in request.resource_spans {
        *shared.resource.lock().expect("nobody panics with the lock held") =
            spans.resource.map(|resource| resource.attributes).unwrap_or_default();
        let got = spans.scope_spans.into_iter().flat_map(|spans| spans.spans).map(|span| Got {
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            span,
        });
        shared.spans.lock().expect("nobody panics with the lock held").extend(got);
    }
    shared.arrived.notify_waiters();
    StatusCode::OK
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
