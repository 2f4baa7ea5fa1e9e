//! Listens to spans of ours, and to nothing else: what is logged is somebody else's.

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use super::courier::Post;
use super::span::{Kind, Open};

/// All of our packages begin so.
const OURS: &str = "raconteur";

/// See the module.
pub(in crate::telemetry) struct SpanLayer {
    post: Post,
    ratio: f64,
}

impl SpanLayer {
    pub(super) fn new(post: Post, ratio: f64) -> Self {
        Self { post, ratio }
    }

    /// What it wants to hear of. Whatever else is logged at these levels stays as cheap as it is without it.
    pub(super) fn interest() -> FilterFn {
        let is_wanted: fn(&Metadata<'_>) -> bool = |metadata| {
            metadata.is_span() && metadata.target().starts_with(OURS) && Kind::named(metadata.name()).is_some()
        };
        FilterFn::new(is_wanted).with_max_level_hint(LevelFilter::DEBUG)
    }

    fn hear<'a, S: LookupSpan<'a>>(span: &SpanRef<'a, S>, record: impl FnOnce(&mut dyn tracing::field::Visit)) {
        let place = span.extensions_mut().get_mut::<Open>().and_then(|open| open.hear(record));
        if let (Some(place), Some(around)) = (place, span.parent()) {
            around.extensions_mut().get_mut::<Open>().into_iter().for_each(|open| open.stand(place));
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for SpanLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let Some(kind) = Kind::named(span.name()) else { return };
        let around = span.parent().and_then(|around| Some(around.extensions().get::<Open>()?.id()));
        span.extensions_mut().insert(Open::new(kind, span.name(), (around, self.ratio)));
        Self::hear(&span, |visit| attributes.values().record(visit));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            Self::hear(&span, |visit| values.record(visit));
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let open = context.span(&id).and_then(|span| span.extensions_mut().remove::<Open>());
        if let Some(span) = open.and_then(Open::close) {
            self.post.put(span);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http::{HeaderMap, Method};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tracing::Instrument;
    use tracing_subscriber::layer::SubscriberExt;

    use super::super::courier::line;
    use super::*;
    use crate::client::{Ask, Outbound};
    use crate::guard::{Exception, Exceptions};
    use crate::metrics::Spans;

    /// The head of the request that one ask makes.
    async fn heard(out: &Outbound) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let ask = Ask { method: Method::GET, uri, headers: HeaderMap::new(), body: Bytes::new() };
        let hear = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 2_048];
            let count = stream.read(&mut head).await.unwrap();
            stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await.unwrap();
            String::from_utf8(head[..count].to_vec()).unwrap()
        };
        let (asked, head) = tokio::join!(out.ask(ask, 0), hear);
        assert_eq!(asked.unwrap().status, 204);
        head
    }

    #[tokio::test]
    async fn only_the_operators_own_addresses_are_told_of_a_trace() {
        let (post, mut shown) = line(8, &Spans::default());
        let layer = SpanLayer::new(post, 1.0).with_filter(SpanLayer::interest());
        let _listening = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        let ours = Outbound::ours(Duration::from_secs(5)).unwrap();
        let exceptions = Exceptions::new(Exception::parse("127.0.0.0/8"));
        let guarded = Outbound::guarded(Duration::from_secs(5), &exceptions).unwrap();
        let span = tracing::info_span!("ask", conversation = "0123456789ab", turn = "80/1");
        let within = heard(&ours).instrument(span.clone()).await;
        assert!(!heard(&guarded).instrument(span.clone()).await.contains("traceparent"));
        assert!(!heard(&ours).await.contains("traceparent"), "nothing is asked in a trace");
        drop(span);
        let shown = shown.try_recv().unwrap();
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let expected = format!("traceparent: 00-{}-{}-01\r\n", hex(&shown.trace_id), hex(&shown.span_id));
        assert!(within.contains(&expected), "{expected}: {within}");
    }

    #[test]
    fn what_is_no_span_of_ours_is_not_listened_to() {
        let (post, mut shown) = line(8, &Spans::default());
        let layer = SpanLayer::new(post, 1.0).with_filter(SpanLayer::interest());
        let registry = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(registry, || {
            drop(tracing::info_span!(target: "hyper", "ask", conversation = "0123456789ab", turn = "80"));
            drop(tracing::info_span!("other", conversation = "0123456789ab", turn = "80"));
            drop(tracing::debug_span!("turn", conversation = "0123456789ab", turn = "80"));
        });
        assert_eq!(shown.try_recv().unwrap().name, "turn");
        assert!(shown.try_recv().is_err());
    }
}
