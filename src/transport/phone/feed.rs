//! What one phone is shown, in order, without gaps and without doubles: first from the transcript, then live.
//!
//! It listens before it reads, so that nothing falls between the two, and remembers the ids it has shown, so that nothing comes
//! twice. A phone that fell behind reads the transcript again. [`super::events`] puts this on the wire.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use raconteur_actors::inbox::Inbox;
use raconteur_actors::inbox::Refused;
use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{Arrival, DeliveryStatus, Media, OutboundId, Receipt, RowState, Sequence, Work};
use raconteur_storage::TranscriptTurn;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::sync::broadcast::error::RecvError;

use super::live::{Listener, Text};
use super::provider_id;

/// How many turns are read from the transcript at a time.
const PAGE: usize = 50;

/// How many ids of shown texts are remembered.
const SHOWN_MAX: usize = 4_096;

/// How many receipts may be on their way into the inbox; beyond that they are left out.
const RECEIPTS_MAX: usize = 64;

/// Where the past is read and receipts go.
#[async_trait]
pub(super) trait Log: Send + Sync + 'static {
    /// Turns of the transcript, newest first, from before `before` on.
    async fn page(
        &self,
        key: &ConversationKey,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Vec<TranscriptTurn>, Refused>;

    /// A phone was shown this text. Best effort.
    fn delivered(&self, key: &ConversationKey, id: OutboundId);
}

/// The gateway's inbox as a [`Log`].
pub(super) struct GatewayLog {
    inbox: Inbox,
    receipts: Arc<Semaphore>,
}

impl GatewayLog {
    pub(super) fn new(inbox: Inbox) -> Self {
        Self { inbox, receipts: Arc::new(Semaphore::new(RECEIPTS_MAX)) }
    }
}

#[async_trait]
impl Log for GatewayLog {
    async fn page(
        &self,
        key: &ConversationKey,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Vec<TranscriptTurn>, Refused> {
        self.inbox.transcript(key, before, limit).await
    }

    fn delivered(&self, key: &ConversationKey, id: OutboundId) {
        let Ok(permit) = Arc::clone(&self.receipts).try_acquire_owned() else { return };
        let receipt = Receipt {
            outbound: id,
            provider_id: provider_id(id),
            status: DeliveryStatus::Delivered,
            code: String::new(),
            reason: String::new(),
        };
        let (inbox, arrival) = (self.inbox.clone(), Arrival::Receipt { key: key.clone(), receipt });
        tokio::spawn(async move {
            if let Err(refused) = inbox.accept(arrival).await {
                tracing::debug!(text = %id, "a phone's receipt was not taken: {refused}");
            }
            drop(permit);
        });
    }
}

/// What a phone is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PhoneEvent {
    /// A text of ours.
    Text(Arc<Text>),
    /// What the user said, as the transcript has it.
    Inbound(SaidText),
    /// All of the past was told.
    Live,
}

/// A text of the user's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct SaidText {
    pub(super) turn: Sequence,
    pub(super) body: String,
    pub(super) media: Vec<Media>,
    pub(super) at: UnixMillis,
}

/// From where on a phone wants to know the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// The latest turns, with what the user said.
    Latest,
    /// Texts of ours after this one.
    After(OutboundId),
}

/// One phone's stream of events.
pub(super) struct Feed {
    key: ConversationKey,
    listener: Listener,
    log: Arc<dyn Log>,
    history_max: usize,
    shown: Shown,
    ready: VecDeque<PhoneEvent>,
    /// Given out, and not known to be taken until the next one is asked for.
    unconfirmed: Option<OutboundId>,
}

impl Feed {
    /// Reads the past. `listener` must have been listening before.
    pub(super) async fn open(
        key: ConversationKey,
        from: Since,
        listener: Listener,
        (log, history_max): (Arc<dyn Log>, usize),
    ) -> Result<Self, Refused> {
        let (shown, ready) = (Shown::default(), VecDeque::new());
        let mut feed = Self { key, listener, log, history_max, shown, ready, unconfirmed: None };
        feed.read_past(from).await?;
        feed.ready.push_back(PhoneEvent::Live);
        Ok(feed)
    }

    /// The next event; `None` when the phone must connect again.
    pub(super) async fn next(&mut self) -> Option<PhoneEvent> {
        if let Some(id) = self.unconfirmed.take() {
            self.log.delivered(&self.key, id);
        }
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            match self.listener.heard().await {
                Ok(text) if self.shown.is_new(text.id) => {
                    self.unconfirmed = Some(text.id);
                    return Some(PhoneEvent::Text(text));
                }
                // The past had it, or it was sent again: it is on the phone.
                Ok(text) => self.log.delivered(&self.key, text.id),
                Err(RecvError::Lagged(_)) => self.catch_up().await?,
                Err(RecvError::Closed) => return None,
            }
        }
    }

    async fn catch_up(&mut self) -> Option<()> {
        let from = self.shown.last.map_or(Since::After(OutboundId { turn: Sequence(0), part: 0 }), Since::After);
        let read = self.read_past(from).await;
        read.inspect_err(|error| tracing::warn!("a phone was hung up because it cannot catch up: {error}")).ok()
    }

    async fn read_past(&mut self, from: Since) -> Result<(), Refused> {
        let turns = self.turns(from).await?;
        let answered = |id: OutboundId| turns.iter().find(|turn| turn.sequence == id.turn).map(|turn| turn.answered_at);
        for turn in turns.iter().rev() {
            let later = match from {
                Since::Latest => {
                    self.ready.extend(said(turn));
                    true
                }
                // STOP and its kind are answered ahead of texts that came before them.
                Since::After(id) => answered(id).is_some_and(|at| turn.answered_at > at),
            };
            for row in turn.rows.iter().map(|row| &row.row) {
                let wanted = later || from.is_before(row.id);
                if wanted && on_its_way(&row.state) && self.shown.is_new(row.id) {
                    let (body, media) = (row.body.clone(), row.media.clone());
                    let text = Text { id: row.id, body, media, at: turn.answered_at };
                    self.ready.push_back(PhoneEvent::Text(Arc::new(text)));
                }
            }
        }
        Ok(())
    }

    /// At most `history_max` turns, newest first, back to the one that `from` names.
    async fn turns(&self, from: Since) -> Result<Vec<TranscriptTurn>, Refused> {
        let mut turns: Vec<TranscriptTurn> = Vec::new();
        loop {
            let limit = PAGE.min(self.history_max - turns.len());
            let before = turns.last().map(|turn| turn.sequence);
            let page = self.log.page(&self.key, before, limit).await?;
            let ended = page.len() < limit;
            turns.extend(page.into_iter().take(limit));
            let far_enough = match from {
                Since::Latest => false,
                Since::After(id) => turns.last().is_some_and(|turn| turn.sequence < id.turn),
            };
            if ended || far_enough || turns.len() >= self.history_max {
                return Ok(turns);
            }
        }
    }
}

impl Since {
    fn is_before(self, id: OutboundId) -> bool {
        match self {
            Self::Latest => true,
            Self::After(after) => id > after,
        }
    }
}

fn said(turn: &TranscriptTurn) -> Option<PhoneEvent> {
    match &turn.work {
        Work::Message(message) => Some(PhoneEvent::Inbound(SaidText {
            turn: turn.sequence,
            body: message.body.clone(),
            media: message.media.clone(),
            at: turn.accepted_at,
        })),
        Work::Start(_)
        | Work::End
        | Work::DeliveryFailed(_)
        | Work::Send(_)
        | Work::OpenPipe(_)
        | Work::ClosePipe { .. }
        | Work::Erase
        | Work::TakeOver(_)
        | Work::HandBack
        | Work::Preference(_)
        | Work::NoInput { .. }
        | Work::TimedOut { .. } => None,
    }
}

/// Whether a row's text was shown to whoever listened, or will be. The state on disk may be a little old, so a queued row may have
/// been shown already: it counts, and is recognised by its id should it come live as well.
fn on_its_way(state: &RowState) -> bool {
    match state {
        RowState::Queued
        | RowState::Held { .. }
        | RowState::Sending { .. }
        | RowState::Retry { .. }
        | RowState::Unknown { .. }
        | RowState::Sent { .. } => true,
        RowState::Failed { .. } | RowState::GivenUp => false,
    }
}

/// The texts that a phone has.
#[derive(Default)]
struct Shown {
    ids: BTreeSet<OutboundId>,
    last: Option<OutboundId>,
}

impl Shown {
    fn is_new(&mut self, id: OutboundId) -> bool {
        let new = self.ids.insert(id);
        if new {
            self.last = Some(id);
        }
        if self.ids.len() > SHOWN_MAX {
            self.ids.pop_first();
        }
        new
    }
}

#[cfg(test)]
pub(super) mod tests;
