//! The ids of traces and spans, and what of them goes along with a request.
//!
//! The id of a trace follows from the conversation and from the number of what was accepted. So nothing of it is handed from the request
//! of a provider to the turn, or from a process that was killed to the next: whoever works on a turn knows its trace. The same holds for
//! the two spans that others lie below, the acceptance and the turn.

use std::fmt;

use http::HeaderValue;
use raconteur_conversation::words::Sequence;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The id of a trace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::telemetry) struct TraceId(pub(super) [u8; 16]);

/// The id of a span in its trace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::telemetry) struct SpanId(pub(super) [u8; 8]);

/// What a span is about: a conversation, as logs call it, and the number of a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::telemetry) struct Subject {
    pub(super) conversation: String,
    pub(super) turn: Sequence,
}

impl Subject {
    /// The trace of everything that one text has led to.
    pub(in crate::telemetry) fn trace(&self) -> TraceId {
        let hash = self.hash("trace", self.turn.origin());
        TraceId(std::array::from_fn(|place| hash[place]))
    }

    /// The span of its acceptance.
    pub(super) fn acceptance(&self) -> SpanId {
        self.span("accept", self.turn)
    }

    /// The span of the turn itself.
    pub(super) fn turn(&self) -> SpanId {
        self.span("turn", self.turn)
    }

    /// What the turn lies below: the one that has ordered it, else the acceptance. What a silence has led to lies below nothing.
    pub(super) fn cause(&self) -> Option<SpanId> {
        match self.turn.cause() {
            Some(cause) => Some(self.span("turn", cause)),
            None if self.turn.origin().0.is_multiple_of(Sequence::STRIDE) => Some(self.acceptance()),
            None => None,
        }
    }

    fn span(&self, name: &str, turn: Sequence) -> SpanId {
        let hash = self.hash(name, turn);
        SpanId(std::array::from_fn(|place| hash[place]))
    }

    fn hash(&self, name: &str, turn: Sequence) -> [u8; 32] {
        let hash =
            Sha256::new().chain_update(name).chain_update([0]).chain_update(&self.conversation).chain_update([0]);
        hash.chain_update(turn.0.to_be_bytes()).finalize().into()
    }
}

impl TraceId {
    /// Of what leads to no turn.
    pub(super) fn random() -> Self {
        Self(Uuid::new_v4().into_bytes())
    }

    /// Whether it is among this part of all traces, by the rule that others have as well: so a trace is kept whole or not at all, whoever
    /// asks and whenever.
    pub(super) fn is_sampled(self, ratio: f64) -> bool {
        let [.., a, b, c, d, e, f, g, h] = self.0;
        let place = u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1;
        ratio >= 1.0 || (place as f64) < ratio * (1_u64 << 63) as f64
    }
}

impl SpanId {
    pub(super) fn random() -> Self {
        let (high, low) = Uuid::new_v4().as_u64_pair();
        // The bits that say which version a uuid has are not random.
        Self((high ^ low.rotate_left(32)).to_be_bytes())
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Whether a trace is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sampled {
    Yes,
    No,
}

/// What W3C's header says of a span.
pub(super) fn traceparent(trace: TraceId, span: SpanId, sampled: Sampled) -> HeaderValue {
    let flags = match sampled {
        Sampled::Yes => "01",
        Sampled::No => "00",
    };
    HeaderValue::from_str(&format!("00-{trace}-{span}-{flags}")).expect("digits and dashes can be a header")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(turn: u64) -> Subject {
        Subject { conversation: "0123456789ab".into(), turn: Sequence(turn) }
    }

    #[test]
    fn a_text_and_the_turns_that_its_answer_orders_are_one_trace_each_below_the_one_before() {
        let [text, ordered, next] = [80, 81, 82].map(about);
        assert!(text.trace() == ordered.trace() && text.trace() == next.trace());
        assert!(text.cause() == Some(text.acceptance()));
        assert!(ordered.cause() == Some(text.turn()) && next.cause() == Some(ordered.turn()));
        assert!(text.turn() != text.acceptance() && text.turn() != ordered.turn());
    }

    #[test]
    fn what_a_silence_leads_to_is_a_trace_of_its_own() {
        let silence = about(87);
        assert!(silence.trace() != about(80).trace() && silence.cause().is_none());
    }

    #[test]
    fn other_texts_and_other_conversations_have_other_traces() {
        let other = Subject { conversation: "0123456789ac".into(), ..about(80) };
        assert!(about(80).trace() != about(88).trace() && about(80).trace() != other.trace());
        assert!(about(80).turn() != about(88).turn() && about(80).turn() != other.turn());
    }

    #[test]
    fn the_ids_of_a_turn_stay_what_they_are_in_every_version() {
        assert_eq!(about(80).trace().to_string(), "703d3e249a8798751484f91899770e8a");
        assert_eq!(about(80).turn().to_string(), "db898ff0016cf3fa");
    }

    #[test]
    fn a_part_of_all_traces_is_about_that_part_of_them() {
        let kept = |ratio| (0..4_000).filter(|turn| about(turn * 8).trace().is_sampled(ratio)).count();
        assert_eq!((kept(0.0), kept(1.0)), (0, 4_000));
        assert!((800..1_200).contains(&kept(0.25)), "{}", kept(0.25));
        // Whoever keeps more keeps what those keep who keep less.
        let traces: Vec<TraceId> = (0..400).map(|turn| about(turn * 8).trace()).collect();
        assert!(traces.iter().filter(|trace| trace.is_sampled(0.1)).all(|trace| trace.is_sampled(0.2)));
    }

    #[test]
    fn the_header_is_w3cs() {
        let header = traceparent(TraceId([0xab; 16]), SpanId([1; 8]), Sampled::Yes);
        assert_eq!(header, "00-abababababababababababababababab-0101010101010101-01");
        assert!(traceparent(TraceId([1; 16]), SpanId([1; 8]), Sampled::No).to_str().unwrap().ends_with("-00"));
    }
}
