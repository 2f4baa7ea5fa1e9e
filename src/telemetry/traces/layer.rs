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
