//! Where one tenant's conversations report: counts, and turns what is observed into events of our schema, as far as the queue has
//! room. It is called by the conversations themselves, so it neither waits nor fails.

use std::sync::Arc;

use raconteur_actors::port::Event;
use raconteur_conversation::address::Address;
use raconteur_conversation::effect::Consumed;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::Work;
use tokio::sync::mpsc;

use super::Origin;
use super::event::{self, ReportEvent, What};
use super::loss::{self, Cause};
use super::settings::Rules;
use super::tally::Tally;
use super::texts::Texts;
use crate::board::Happening;

/// See the module.
pub(super) struct Desk {
    tenant: Address,
    origin: Arc<Origin>,
    tally: Arc<Tally>,
    queue: mpsc::Sender<ReportEvent>,
    transcripts: bool,
    happenings: bool,
    texts: Texts,
}

impl Desk {
    pub(super) fn new(
        (tenant, tally): (&Address, &Arc<Tally>),
        origin: &Arc<Origin>,
        queue: &mpsc::Sender<ReportEvent>,
        rules: &Rules,
    ) -> Self {
        Self {
            tenant: tenant.clone(),
            origin: Arc::clone(origin),
            tally: Arc::clone(tally),
            queue: queue.clone(),
            transcripts: rules.transcripts,
            happenings: rules.happenings,
            texts: rules.texts,
        }
    }

    /// Takes down one thing that has happened with this user.
    pub(super) fn observe(&self, user: &Address, event: &Event<'_>) {
        self.tally.count(event);
        if self.happenings
            && let Some(Happening { kind: happening, data }) = Happening::of(event)
        {
            self.put(self.now(), || Some(What::Happened { user: user.clone(), happening, data }));
        }
        if !self.transcripts {
            return;
        }
        let texts = self.texts;
        match event {
            Event::Answered(consumed) => self.answered(user, consumed),
            Event::Settled(id, state) if state.is_settled() => {
                self.put(self.now(), || event::delivery(user, *id, state));
            }
            Event::Settled(..) | Event::Accepted(..) | Event::Receipt(_) => {}
            Event::SessionEnded(end) => self.put(self.now(), || Some(event::session_ended(end))),
            Event::Noted(notice) => self.put(self.now(), || Some(event::noted(user, notice, texts))),
        }
    }

    fn answered(&self, user: &Address, consumed: &Consumed) {
        let (texts, record) = (self.texts, &consumed.record);
        match &record.work {
            Work::Message(message) => {
                self.put(record.accepted_at, || Some(event::inbound(user, consumed, message, texts)));
            }
            Work::DeliveryFailed(failure) => {
                self.put(record.accepted_at, || Some(event::undelivered(user, failure)));
            }
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
        for row in &consumed.rows {
            self.put(consumed.answered_at, || Some(event::outbound(user, consumed.session, row, texts)));
        }
    }

    /// An event is made only where there is room for it.
    fn put(&self, at_ms: UnixMillis, what: impl FnOnce() -> Option<What>) {
        let Ok(room) = self.queue.try_reserve() else {
            return loss::count(&self.origin.losses, Some(&self.tally), (Cause::QueueFull, 1));
        };
        if let Some(what) = what() {
            room.send(ReportEvent { what, event_id: self.origin.next_event(), tenant: self.tenant.clone(), at_ms });
        }
    }

    fn now(&self) -> UnixMillis {
        self.origin.clock.now()
    }
}
