//! A log that writes down what is logged, spans included, for tests of what may stand in it.

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

/// What has been logged. Clones are the same log.
#[derive(Clone)]
pub(crate) struct Log {
    lines: Arc<Mutex<String>>,
    target: &'static str,
    level: Level,
}

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{field}={value:?} ").expect("a string takes everything");
    }
}

impl Log {
    /// Of whatever has a target that begins so, at this level and above.
    pub(crate) fn of(target: &'static str, level: Level) -> Self {
        Self { lines: Arc::default(), target, level }
    }

    pub(crate) fn text(&self) -> String {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, record: impl FnOnce(&mut Line<'_>)) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        record(&mut Line(&mut lines));
        lines.push('\n');
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with(self.target) && *metadata.level() <= self.level
    }

    fn event(&self, event: &Event<'_>) {
        self.add(|line| event.record(line));
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        self.add(|line| attributes.record(line));
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        self.add(|line| values.record(line));
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
