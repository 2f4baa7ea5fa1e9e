//! Lines of the log as JSON, with the trace that they belong to.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::traces::{self, Fields};

/// Lines as `Within` writes them, one JSON object each, and in it the ids of the trace and the span.
pub(super) struct Traced<Within>(pub(super) Within);

impl<S, N, Within> FormatEvent<S, N> for Traced<Within>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    Within: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        let mut fields = Fields::default();
        event.record(&mut fields);
        let around = context.event_scope().and_then(traces::around);
        // A line that names a turn itself may be about another one than that in whose span it was written.
        let span = around.filter(|(trace, _)| fields.trace().is_none_or(|own| own == *trace)).map(|(_, span)| span);
        let trace = fields.trace().or(around.map(|(trace, _)| trace));
        match (trace, line.strip_suffix("}\n")) {
            (Some(trace), Some(open)) => {
                write!(out, "{open},\"trace_id\":\"{trace}\"")?;
                if let Some(span) = span {
                    write!(out, ",\"span_id\":\"{span}\"")?;
                }
                out.write_str("}\n")
            }
            (None, _) | (_, None) => out.write_str(&line),
        }
    }
}
