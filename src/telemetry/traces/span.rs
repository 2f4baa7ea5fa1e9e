//! From what `tracing` says of one of our spans to what OpenTelemetry's protocol says of it.

use std::fmt::Debug;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use raconteur_conversation::words::Sequence;
use tracing::field::{Field, Visit};

use super::ids::{Sampled, SpanId, Subject, TraceId, traceparent};

/// From this status of HTTP on it is our fault.
const OUR_FAULT: u64 = 500;

/// Which of our spans it is. All others are none of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A provider's request.
    Webhook,
    /// An input is kept.
    Accept,
    /// A receipt is kept.
    Receipt,
    /// A turn, from the acceptance to the commit of its answer.
    Turn,
    /// A question to an assistant.
    Ask,
    /// A text for a voice gateway.
    Forward,
    /// A step is made durable.
    Commit,
    /// A text for a provider.
    Send,
}

impl Kind {
    /// By the name that the span has.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "webhook" => Self::Webhook,
            "accept" => Self::Accept,
            "receipt" => Self::Receipt,
            "turn" => Self::Turn,
            "ask" => Self::Ask,
            "forward" => Self::Forward,
            "commit" => Self::Commit,
            "send" => Self::Send,
            _ => return None,
        })
    }

    fn on_the_wire(self) -> SpanKind {
        match self {
            Self::Webhook => SpanKind::Server,
            Self::Ask | Self::Forward | Self::Send => SpanKind::Client,
            Self::Accept | Self::Receipt | Self::Turn | Self::Commit => SpanKind::Internal,
        }
    }
}

/// A span that is not over, or has not been shown.
pub(super) struct Open {
    kind: Kind,
    name: &'static str,
    started: SystemTime,
    id: SpanId,
    /// The span around it, by the program's own nesting.
    around: Option<SpanId>,
    /// Known at once, or told by the span within it that came to know it.
    place: Option<Place>,
    said: Said,
    ratio: f64,
}

/// Where a span stands.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) trace: TraceId,
    parent: Option<SpanId>,
}

/// What was said of a span.
#[derive(Default)]
struct Said {
    conversation: Option<String>,
    turn: Option<Sequence>,
    began_ms: Option<u64>,
    repeated: bool,
    status: Option<u64>,
    error: Option<String>,
    attributes: Vec<KeyValue>,
}

impl Open {
    pub(super) fn new(kind: Kind, name: &'static str, (around, ratio): (Option<SpanId>, f64)) -> Self {
        let (started, id, said) = (SystemTime::now(), SpanId::random(), Said::default());
        Self { kind, name, started, id, around, place: None, said, ratio }
    }

    /// Hears more of it. When that tells where it stands, the span around it, if that does not know it, stands where this returns.
    pub(super) fn hear(&mut self, record: impl FnOnce(&mut dyn Visit)) -> Option<Place> {
        record(&mut self.said);
        if self.place.is_some() {
            return None;
        }
        let subject = self.said.subject()?;
        let trace = subject.trace();
        let (parent, of_around) = match self.kind {
            Kind::Accept if self.said.repeated => (self.around, Some(subject.acceptance())),
            Kind::Accept => {
                self.id = subject.acceptance();
                (self.around, None)
            }
            Kind::Receipt => (self.around.or(Some(subject.turn())), Some(subject.turn())),
            Kind::Turn => {
                self.id = subject.turn();
                (subject.cause(), None)
            }
            Kind::Webhook | Kind::Ask | Kind::Forward | Kind::Commit | Kind::Send => (Some(subject.turn()), None),
        };
        self.place = Some(Place { trace, parent });
        Some(Place { trace, parent: of_around })
    }

    /// Is told where it stands, unless it knows.
    pub(super) fn stand(&mut self, place: Place) {
        self.place.get_or_insert(place);
    }

    pub(super) fn id(&self) -> SpanId {
        self.id
    }

    /// Its trace, once that is known, and its id in it.
    pub(super) fn ids(&self) -> Option<(TraceId, SpanId)> {
        self.place.map(|place| (place.trace, self.id))
    }

    /// What goes along with a request that is made in it.
    pub(super) fn traceparent(&self) -> Option<http::HeaderValue> {
        let trace = self.place?.trace;
        let sampled = if trace.is_sampled(self.ratio) { Sampled::Yes } else { Sampled::No };
        Some(traceparent(trace, self.id, sampled))
    }

    /// It is over; `None` where it belongs to no trace that is kept. A request that led to nothing is a trace of its own.
    pub(super) fn close(mut self) -> Option<Span> {
        let is_alone = self.kind == Kind::Webhook;
        let alone = || is_alone.then(|| Place { trace: TraceId::random(), parent: None });
        let Place { trace, parent } = self.place.or_else(alone)?;
        if !trace.is_sampled(self.ratio) {
            return None;
        }
        let began = self.said.began_ms.map(|ms| UNIX_EPOCH + Duration::from_millis(ms));
        let status = self.said.status();
        Some(Span {
            trace_id: trace.0.to_vec(),
            span_id: self.id.0.to_vec(),
            parent_span_id: parent.map_or_else(Vec::new, |parent| parent.0.to_vec()),
            flags: 1,
            name: self.name.to_owned(),
            kind: self.kind.on_the_wire() as i32,
            start_time_unix_nano: nanos(began.unwrap_or(self.started)),
            end_time_unix_nano: nanos(SystemTime::now()),
            attributes: self.said.attributes,
            status: Some(status),
            ..Span::default()
        })
    }
}

impl Said {
    pub(super) fn subject(&self) -> Option<Subject> {
        Some(Subject { conversation: self.conversation.clone()?, turn: self.turn? })
    }

    fn status(&mut self) -> Status {
        let is_our_fault = self.status.is_some_and(|status| status >= OUR_FAULT);
        match self.error.take() {
            Some(message) => Status { message, code: StatusCode::Error as i32 },
            None if is_our_fault => Status { message: String::new(), code: StatusCode::Error as i32 },
            None => Status::default(),
        }
    }

    fn attribute(&mut self, field: &str, value: Value) {
        let key = if field == "status" && matches!(value, Value::IntValue(_)) {
            "http.response.status_code".to_owned()
        } else {
            format!("raconteur.{field}")
        };
        self.attributes.push(KeyValue { key, value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() });
    }

    fn text(&mut self, field: &str, text: String) {
        match field {
            "error" => {
                self.error = Some(text);
                return;
            }
            "conversation" => self.conversation = Some(text.clone()),
            "turn" | "text" => self.turn = self.turn.or_else(|| leading_number(&text)),
            _ => {}
        }
        self.attribute(field, Value::StringValue(text));
    }
}

/// The turn in the name of an attempt (`80/1`), of a text (`80-0`) or of the turn itself.
fn leading_number(text: &str) -> Option<Sequence> {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok().map(Sequence)
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.text(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field.name(), value.to_owned());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "began_ms" => self.began_ms = Some(value),
            name => {
                if name == "status" {
                    self.status = Some(value);
                }
                self.attribute(name, Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)));
            }
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.attribute(field.name(), Value::IntValue(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.repeated |= value && field.name() == "repeated";
        self.attribute(field.name(), Value::BoolValue(value));
    }
}

/// What a line of the log is about, if its own fields say so.
#[derive(Default)]
pub(in crate::telemetry) struct Fields(Said);

impl Fields {
    pub(in crate::telemetry) fn trace(&self) -> Option<TraceId> {
        Some(self.0.subject()?.trace())
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if matches!(field.name(), "conversation" | "turn" | "text") {
            self.0.record_debug(field, value);
        }
    }
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_turn_is_read_from_every_name_that_begins_with_it() {
        for (text, turn) in [("80", Some(80)), ("80/2", Some(80)), ("80-1", Some(80)), ("x", None), ("", None)] {
            assert_eq!(leading_number(text), turn.map(Sequence), "{text}");
        }
    }

    #[test]
    fn a_request_that_led_to_nothing_is_a_trace_of_its_own_and_our_faults_are_errors() {
        let closed = |status| {
            let mut open = Open::new(Kind::Webhook, "webhook", (None, 1.0));
            open.said.status = Some(status);
            open.close().unwrap()
        };
        let (first, second) = (closed(503), closed(403));
        assert!(first.parent_span_id.is_empty() && first.trace_id != second.trace_id);
        let code = |span: &Span| span.status.as_ref().unwrap().code;
        assert_eq!((code(&first), code(&second)), (StatusCode::Error as i32, StatusCode::Unset as i32));
    }

    #[test]
    fn a_span_without_a_turn_and_one_of_a_trace_that_is_not_kept_are_not_shown() {
        assert!(Open::new(Kind::Commit, "commit", (None, 1.0)).close().is_none());
        assert!(Open::new(Kind::Webhook, "webhook", (None, 0.0)).close().is_none());
    }
}
