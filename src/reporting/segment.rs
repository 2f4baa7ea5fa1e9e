//! A closed segment of the spool, read for sending: its events by tenant, and how many of them are done.
//!
//! The order is that of the tenants' first events, and within a tenant that of the file. It depends on nothing but the file, which
//! no longer changes, so one number says how far the sending has come, also to a process with other settings.

use std::collections::BTreeMap;

use raconteur_conversation::time::UnixMillis;
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::sink::{Batch, Line, Place};

/// A segment's events.
#[derive(Debug)]
pub(super) struct Segment {
    number: u64,
    lines: Vec<(String, Line)>,
    /// How many of the lines are done.
    sent: usize,
    /// How many lines were no events: torn by a crash, as a rule.
    pub(super) unreadable: usize,
}

/// What must be known of an event to send it.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "type")]
    kind: String,
    tenant: String,
    at_ms: UnixMillis,
}

impl Segment {
    /// Reads a segment of which so many events are done.
    pub(super) fn read(number: u64, bytes: &[u8], sent: usize) -> Self {
        let mut unreadable = 0;
        let mut lines = Vec::new();
        for piece in bytes.split(|byte| *byte == b'\n').filter(|piece| !piece.is_empty()) {
            match line(piece) {
                Some(line) => lines.push(line),
                None => unreadable += 1,
            }
        }
        let mut ranks = BTreeMap::new();
        for (tenant, _) in &lines {
            let next = ranks.len();
            ranks.entry(tenant.clone()).or_insert(next);
        }
        lines.sort_by_key(|(tenant, _)| ranks.get(tenant).copied());
        let sent = sent.min(lines.len());
        Self { number, lines, sent, unreadable }
    }

    /// Its number.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The next events of one tenant, at most so many; `None` at the end.
    pub(super) fn batch(&self, instance: Uuid, most: usize) -> Option<Batch> {
        let rest = &self.lines[self.sent..];
        let (tenant, _) = rest.first()?;
        let events: Vec<Line> =
            rest.iter().take(most.max(1)).take_while(|(own, _)| own == tenant).map(|(_, line)| line.clone()).collect();
        let place = Place { segment: self.number, start: self.sent, end: self.sent + events.len() };
        Some(Batch { instance, tenant: tenant.clone(), events, place })
    }

    /// So many events are done.
    pub(super) fn advance(&mut self, to: usize) {
        self.sent = to.min(self.lines.len());
    }

    /// Nothing is left to send.
    pub(super) fn is_done(&self) -> bool {
        self.sent == self.lines.len()
    }

    /// How many events of each tenant are not done.
    pub(super) fn left(&self) -> BTreeMap<String, u64> {
        let mut left = BTreeMap::new();
        for (tenant, _) in &self.lines[self.sent..] {
            *left.entry(tenant.clone()).or_default() += 1;
        }
        left
    }
}

fn line(bytes: &[u8]) -> Option<(String, Line)> {
    let json: Box<RawValue> = serde_json::from_slice(bytes).ok()?;
    let Head { kind, tenant, at_ms } = serde_json::from_str(json.get()).ok()?;
    Some((tenant, Line { kind, at: at_ms, json }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(tenant: &str, number: u64) -> String {
        format!("{{\"type\":\"notice\",\"tenant\":\"{tenant}\",\"at_ms\":{number}}}\n")
    }

    fn times(batch: &Batch) -> Vec<u64> {
        batch.events.iter().map(|line| line.at.0).collect()
    }

    fn batches(segment: &mut Segment, most: usize) -> Vec<(String, Vec<u64>)> {
        let mut all = Vec::new();
        while let Some(batch) = segment.batch(Uuid::nil(), most) {
            all.push((batch.tenant.clone(), times(&batch)));
            segment.advance(batch.place.end);
        }
        all
    }

    #[test]
    fn events_are_gathered_by_tenant_in_their_order_and_in_batches() {
        let text = [("b", 1), ("a", 2), ("b", 3), ("a", 4), ("b", 5)].map(|(tenant, at)| event(tenant, at)).concat();
        let mut segment = Segment::read(1, text.as_bytes(), 0);
        assert_eq!(segment.left(), BTreeMap::from([("a".into(), 2), ("b".into(), 3)]));
        let expected = [("b", vec![1, 3]), ("b", vec![5]), ("a", vec![2, 4])].map(|(name, at)| (name.to_owned(), at));
        assert_eq!(batches(&mut segment, 2), expected);
        assert!(segment.is_done());
        let mut again = Segment::read(1, text.as_bytes(), 3);
        assert_eq!(batches(&mut again, 500), [("a".to_owned(), vec![2, 4])]);
    }

    #[test]
    fn a_torn_line_is_passed_over_and_counted() {
        let text = format!("{}{{\"type\":\"not", event("a", 1));
        let mut segment = Segment::read(1, text.as_bytes(), 0);
        assert_eq!(segment.unreadable, 1);
        assert_eq!(batches(&mut segment, 9), [("a".to_owned(), vec![1])]);
    }

    #[test]
    fn an_empty_or_overcounted_segment_is_done() {
        assert!(Segment::read(1, b"\n\n", 0).is_done());
        let segment = Segment::read(1, event("a", 1).as_bytes(), 9);
        assert!(segment.is_done() && segment.batch(Uuid::nil(), 1).is_none());
    }
}
