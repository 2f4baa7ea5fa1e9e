//! Traces for an OpenTelemetry collector: from a provider's request over the turn and the assistant to the provider again, as one trace.
//!
//! ```text
//! webhook                        a provider's request, until it is answered
//!   accept                       what it brought is made durable        (REST requests and texts found in a log begin here)
//!     turn                       from the acceptance to the commit of the answer
//!       ask                      one question; its `traceparent` goes along
//!       commit                   a step is made durable
//!       send                     one attempt to hand over a text; its `traceparent` goes along
//!       webhook, receipt         what the provider says of it later
//!       turn                     one that the assistant has ordered without waiting for the user
//! ```
//!
//! The other packages know nothing of this: they make spans with a conversation and a turn among their fields, as logs have them, and the
//! ids of a trace follow from these two (`ids.rs`). So a turn that is resumed after a crash goes on in its trace.

mod courier;
mod ids;
mod layer;
mod span;

use std::time::Duration;

use http::HeaderMap;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::{Span, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::registry::{LookupSpan, Registry, SpanRef};

use crate::client::{ClientError, Outbound, default_connect_timeout};
use crate::config::TracesConfig;
use crate::metrics::Spans;

use self::courier::{Courier, Stage};
use self::layer::SpanLayer;
use self::span::Open;

pub(super) use self::ids::{SpanId, TraceId};
pub(super) use self::span::Fields;

/// By this name others know the span that a request of ours was made in.
const TRACEPARENT: &str = "traceparent";

/// The way out for spans, until it is closed.
pub(super) struct Export {
    close: oneshot::Sender<()>,
    courier: JoinHandle<()>,
}

impl Export {
    /// Hands over what is left, within this time.
    pub(super) async fn close(self, within: Duration) {
        let Self { close, mut courier } = self;
        let _ = close.send(());
        if tokio::time::timeout(within, &mut courier).await.is_err() {
            courier.abort();
            tracing::warn!(?within, "not all traces could be handed over in time");
        }
    }
}

/// Begins to export; `None` where nobody has said where to. What the layer hears goes out from a task of the current runtime.
///
/// # Errors
/// When TLS cannot be set up.
pub(super) fn begin<S>(config: &TracesConfig, counts: &Spans) -> Result<Option<(impl Layer<S>, Export)>, ClientError>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let Some(address) = config.address() else { return Ok(None) };
    let (post, queue) = courier::line(config.queue_max, counts);
    let (close, closing) = oneshot::channel();
    let courier = Courier {
        queue,
        out: Outbound::ours(default_connect_timeout())?,
        address,
        headers: config.header_map().unwrap_or_default(),
        resource: resource(config),
        interval: config.interval,
        timeout: config.timeout,
        counts: counts.clone(),
        closing,
        stage: Stage::Open,
    };
    let courier = tokio::spawn(courier.run());
    let layer = SpanLayer::new(post, config.sample_ratio).with_filter(SpanLayer::interest());
    Ok(Some((layer, Export { close, courier })))
}

/// Who we are. What the operator says goes before what we know.
fn resource(config: &TracesConfig) -> Resource {
    let mut all = config.attributes.clone();
    all.insert("service.name".into(), config.service_name.clone());
    all.entry("service.version".into()).or_insert_with(|| env!("CARGO_PKG_VERSION").into());
    let text = |value: String| Some(AnyValue { value: Some(Value::StringValue(value)) });
    let attribute = |(key, value)| KeyValue { key, value: text(value), ..KeyValue::default() };
    Resource { attributes: all.into_iter().map(attribute).collect(), ..Resource::default() }
}

/// Tells whoever is asked in which span that happens, where it is one of a trace.
pub(crate) fn go_along(headers: &mut HeaderMap) {
    let found = Span::current().with_subscriber(|(id, dispatch)| {
        let span = dispatch.downcast_ref::<Registry>()?.span(id)?;
        innermost(span.scope(), Open::traceparent)
    });
    if let Some(Some(traceparent)) = found {
        headers.insert(TRACEPARENT, traceparent);
    }
}

/// What the innermost span of a trace says.
fn innermost<'a, S, T>(mut scope: impl Iterator<Item = SpanRef<'a, S>>, say: impl Fn(&Open) -> Option<T>) -> Option<T>
where
    S: LookupSpan<'a> + 'a,
{
    scope.find_map(|span| say(span.extensions().get::<Open>()?))
}

/// The trace and the span that a line of the log belongs to.
pub(super) fn around<'a, S>(scope: impl Iterator<Item = SpanRef<'a, S>>) -> Option<(TraceId, SpanId)>
where
    S: LookupSpan<'a> + 'a,
{
    innermost(scope, Open::ids)
}
