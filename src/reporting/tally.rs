//! What is counted for one tenant between two usage events. Counted where things happen, so that no full queue makes it wrong.

use std::sync::atomic::{AtomicU64, Ordering};

use raconteur_actors::port::Event;
use raconteur_conversation::words::{RowState, Work};

/// The counters of one tenant.
#[derive(Debug, Default)]
pub(super) struct Tally {
    inbound: AtomicU64,
    outbound: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
    refused: AtomicU64,
}

/// What they stood at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) inbound: u64,
    pub(super) outbound: u64,
    pub(super) failed: u64,
    pub(super) dropped: u64,
    pub(super) refused: u64,
}

impl Tally {
    /// Counts what an event has of texts.
    pub(super) fn count(&self, event: &Event<'_>) {
        match event {
            Event::Answered(consumed) => {
                add(&self.outbound, u64::try_from(consumed.rows.len()).unwrap_or(u64::MAX));
                match &consumed.record.work {
                    Work::Message(_) => add(&self.inbound, 1),
                    Work::DeliveryFailed(_) => add(&self.failed, 1),
                    Work::Start(_)
                    | Work::End
                    | Work::Send(_)
                    | Work::OpenPipe(_)
                    | Work::ClosePipe { .. }
                    | Work::Erase
                    | Work::TakeOver(_)
                    | Work::HandBack
                    | Work::Preference(_)
                    | Work::NoInput { .. }
                    | Work::TimedOut { .. } => {}
                }
            }
            Event::Settled(_, RowState::Failed { .. } | RowState::GivenUp) => add(&self.failed, 1),
            Event::Accepted(..) | Event::Settled(..) | Event::Receipt(_) | Event::SessionEnded(_) | Event::Noted(_) => {
            }
        }
    }

    /// So many events never reach the sink.
    pub(super) fn drop_events(&self, count: u64) {
        add(&self.dropped, count);
    }

    /// So many events were refused by the sink.
    pub(super) fn refuse_events(&self, count: u64) {
        add(&self.refused, count);
    }

    /// Takes what was counted; the counters begin again at zero.
    pub(super) fn take(&self) -> Totals {
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        Totals {
            inbound: take(&self.inbound),
            outbound: take(&self.outbound),
            failed: take(&self.failed),
            dropped: take(&self.dropped),
            refused: take(&self.refused),
        }
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use raconteur_conversation::effect::Consumed;
    use raconteur_conversation::time::UnixMillis;
    use raconteur_conversation::words::{
        DeliveryFailure, InboundMessage, OutboundId, OutboundRow, ProviderId, SendText, Sequence, Within, WorkRecord,
    };

    use super::*;

    const ID: OutboundId = OutboundId { turn: Sequence(8), part: 0 };

    fn consumed(work: Work, rows: u16) -> Consumed {
        let (sequence, accepted_at) = (Sequence(8), UnixMillis(1));
        let record = WorkRecord { sequence, accepted_at, seed: 0, attempts: 0, alone: false, work };
        let row = |part| OutboundRow {
            id: OutboundId { part, ..ID },
            body: "hi".into(),
            media: Vec::new(),
            expires_at: UnixMillis(9),
            unasked: false,
            state: RowState::Queued,
        };
        let rows = (0..rows).map(row).collect();
        Consumed {
            record,
            session: None,
            asked_at: None,
            commands: Vec::new(),
            answered_at: UnixMillis(2),
            asks: 0,
            error: None,
            answered_with: None,
            rows,
        }
    }

    #[test]
    fn texts_both_ways_and_failures_are_counted_whoever_wrote_them() {
        let tally = Tally::default();
        let send = SendText { body: "hi".into(), media: Vec::new(), within: Within::Anywhere };
        let failure = DeliveryFailure { outbound: ID, code: String::new(), reason: String::new() };
        let turns = [
            consumed(Work::Message(InboundMessage::default()), 2),
            consumed(Work::Send(send), 1),
            consumed(Work::DeliveryFailed(failure), 0),
            consumed(Work::End, 0),
        ];
        for turn in &turns {
            tally.count(&Event::Answered(turn));
        }
        let failed = RowState::Failed { code: "1".into(), reason: "no".into() };
        let states = [RowState::Sent { provider_id: ProviderId("SM1".into()) }, failed, RowState::GivenUp];
        for state in &states {
            tally.count(&Event::Settled(ID, state));
        }
        tally.drop_events(5);
        tally.refuse_events(6);
        assert_eq!(tally.take(), Totals { inbound: 1, outbound: 3, failed: 3, dropped: 5, refused: 6 });
        assert_eq!(tally.take(), Totals::default());
    }
}
