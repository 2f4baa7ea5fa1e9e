//! The one door: whatever a channel receives comes in here. [`Inbox::accept`] returns when it is durable; only then does it
//! wake the conversation, and only then may the provider be told 2xx.

use std::sync::Arc;
use std::time::Duration;

use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{Arrival, DeliveryFailure, Receipt, Sequence, Work, WorkRecord};
use raconteur_storage::{Accepted, Limit, NewWork, StoreError, TranscriptTurn};
use tracing::{Instrument, Span, field};

use crate::conversation::Fresh;
use crate::port::{Event, Incident, Timed, TurnedAway};
use crate::runtime::{Runtime, Stage};
use crate::shard::ShardMsg;

/// The door of one channel. Cheap to clone.
#[derive(Clone)]
pub struct Inbox {
    runtime: Arc<Runtime>,
    channel: Arc<str>,
}

/// What became of an arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is durable and will be answered.
    Accepted(Sequence),
    /// It was accepted before; nothing more will come of it.
    Duplicate(Sequence),
    /// A receipt that was noted.
    Noted,
    /// A receipt for a text that we do not know.
    Unknown,
}

/// Why an arrival was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No tenant of this channel has that number. The provider is told 403.
    #[error("no tenant of channel {channel} has the number that was texted; configured: {configured}")]
    UnknownTenant {
        /// The channel.
        channel: String,
        /// The last digits of the numbers that are configured.
        configured: String,
    },
    /// A limit is reached. The provider is told 503.
    #[error("a limit is reached: {}", words(*.0))]
    Full(Limit),
    /// The gateway is starting, stopping or broken. The provider is told 503.
    #[error("the gateway is not running")]
    NotRunning,
    /// The caller has used this id for something else before. He is told 422.
    #[error("the idempotency key was used before for another request")]
    Conflict,
    /// The store failed. The provider is told 503.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Refused {
    /// Why it was turned away, although it may come again.
    fn turned_away(&self) -> Option<TurnedAway> {
        match self {
            Self::Full(Limit::Inbox) => Some(TurnedAway::Inbox),
            Self::Full(Limit::Backlog) => Some(TurnedAway::Backlog),
            Self::Full(Limit::Disk) => Some(TurnedAway::Disk),
            Self::Store(_) => Some(TurnedAway::Store),
            // What came before the gateway ran, or when it ran no more, is looked for after the next start.
            Self::NotRunning | Self::UnknownTenant { .. } | Self::Conflict => None,
        }
    }
}

/// A limit in words.
#[must_use]
pub fn words(limit: Limit) -> &'static str {
    match limit {
        Limit::Inbox => "the conversation has inbox_max unread texts",
        Limit::Backlog => "there are backlog_max unread texts",
        Limit::Disk => "the disk has less than min_free_bytes left",
    }
}

impl Inbox {
    pub(crate) fn new(runtime: Arc<Runtime>, channel: Arc<str>) -> Self {
        Self { runtime, channel }
    }

    /// The name of the channel that this door belongs to.
    #[must_use]
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// Takes an arrival. When this returns `Ok`, it survives the death of the process and loss of power.
    ///
    /// # Errors
    /// When nothing was kept: see [`Refused`] for what to tell the provider.
    pub async fn accept(&self, arrival: Arrival) -> Result<Outcome, Refused> {
        check_running(&self.runtime)?;
        // A text is in the provider's log from before it was offered here.
        let now = self.runtime.now();
        let (texted, accepted) = match arrival {
            Arrival::Work { key, id, work } => (Some(key.tenant.clone()), self.accept_work(key, id, work).await),
            Arrival::Receipt { key, receipt } => (None, self.accept_receipt(key, receipt).await),
        };
        if let Some(why) = accepted.as_ref().err().and_then(Refused::turned_away) {
            self.runtime.incident(&Incident::TurnedAway(why));
            texted.into_iter().for_each(|number| self.runtime.catch_up.owe(&number, now));
        }
        accepted
    }

    /// Pages of a conversation's transcript, newest first, at most `limit`, from before `before` on. A channel sees only its own
    /// tenants' conversations.
    ///
    /// # Errors
    /// When the tenant is another channel's, or the store cannot be read.
    pub async fn transcript(
        &self,
        key: &ConversationKey,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Vec<TranscriptTurn>, Refused> {
        self.check_tenant(key)?;
        Ok(self.runtime.store.transcript(key, before, limit).await?)
    }

    /// The gateway's time.
    #[must_use]
    pub fn now(&self) -> UnixMillis {
        self.runtime.now()
    }

    /// Notes with which status of HTTP a provider's request was answered, and how long that took.
    pub fn answered(&self, status: u16, took: Duration) {
        self.runtime.timed(Timed::Request(status), took);
    }

    /// Notes that a provider's request was turned away before anybody knew what it brought. Where the provider keeps a log, what was in
    /// it is looked for there later.
    pub fn turned_away(&self, why: TurnedAway) {
        self.runtime.incident(&Incident::TurnedAway(why));
        self.may_have_missed();
    }

    /// Notes that requests of the provider's may have been lost before anybody saw them.
    pub fn may_have_missed(&self) {
        for number in self.runtime.directory.numbers(&self.channel) {
            self.runtime.catch_up.owe(&number, self.runtime.now());
        }
    }

    async fn accept_work(&self, key: ConversationKey, id: String, work: Work) -> Result<Outcome, Refused> {
        self.check_tenant(&key)?;
        accept(&self.runtime, Offer { key, id, content: None, work, at: None }).await
    }

    /// A receipt that settles a doubtful text is passed on at once; one that says that a text failed is work for the
    /// conversation, durable like any other.
    async fn accept_receipt(&self, key: ConversationKey, receipt: Receipt) -> Result<Outcome, Refused> {
        self.check_tenant(&key)?;
        let span = tracing::debug_span!(
            "receipt", conversation = %self.runtime.log_id(&key), text = %receipt.outbound, status = ?receipt.status
        );
        let noted = self.runtime.store.receipt(&key, &receipt, self.runtime.now()).instrument(span).await;
        if !noted? {
            return Ok(Outcome::Unknown);
        }
        self.runtime.observed(&key, &Event::Receipt(&receipt));
        let Receipt { outbound, provider_id, status, code, reason } = receipt;
        self.runtime.tell(&key, ShardMsg::Taken(key.clone(), outbound, provider_id));
        if !status.is_failure() {
            return Ok(Outcome::Noted);
        }
        let reason = if reason.is_empty() { "the provider could not deliver it".to_owned() } else { reason };
        let work = Work::DeliveryFailed(DeliveryFailure { outbound, code, reason });
        self.accept_work(key, format!("failed:{outbound}"), work).await
    }

    fn check_tenant(&self, key: &ConversationKey) -> Result<(), Refused> {
        let tenant = self.runtime.directory.find(&key.tenant);
        if tenant.is_some_and(|tenant| tenant.channel == self.channel) {
            return Ok(());
        }
        let configured = self.runtime.directory.last_digits(&self.channel).join(", ");
        Err(Refused::UnknownTenant { channel: self.channel.to_string(), configured })
    }
}

/// Something that somebody wants accepted.
pub(crate) struct Offer {
    pub(crate) key: ConversationKey,
    pub(crate) id: String,
    /// What the id stands for, where the caller chose it.
    pub(crate) content: Option<u64>,
    pub(crate) work: Work,
    /// When the provider got it, where that was long before now.
    pub(crate) at: Option<UnixMillis>,
}

pub(crate) fn check_running(runtime: &Runtime) -> Result<(), Refused> {
    match runtime.stage() {
        Stage::Running => Ok(()),
        Stage::Starting | Stage::Draining | Stage::Stopped | Stage::Failed(_) => Err(Refused::NotRunning),
    }
}

/// Keeps what is offered, once, and wakes its conversation.
pub(crate) async fn accept(runtime: &Runtime, offer: Offer) -> Result<Outcome, Refused> {
    let span = tracing::debug_span!(
        "accept", conversation = %runtime.log_id(&offer.key), turn = field::Empty, repeated = field::Empty
    );
    keep(runtime, offer, &span).instrument(span.clone()).await
}

async fn keep(runtime: &Runtime, offer: Offer, span: &Span) -> Result<Outcome, Refused> {
    let Offer { key, id, content, work, at } = offer;
    let (now, seed) = (runtime.now(), runtime.clock.seed());
    let accepted_at = at.unwrap_or(now).min(now);
    let new = NewWork { key: key.clone(), id, accepted_at, seed, content, work: work.clone() };
    match runtime.store.accept(new).await? {
        Accepted::Fresh { sequence, behind } => {
            span.record("turn", field::display(sequence));
            tracing::debug!(conversation = %runtime.log_id(&key), %sequence, "accepted");
            runtime.observed(&key, &Event::Accepted(sequence, &work));
            let record = WorkRecord { sequence, accepted_at, seed, attempts: 0, alone: false, work };
            runtime.wake(key, Box::new(Fresh { record, behind }));
            Ok(Outcome::Accepted(sequence))
        }
        Accepted::Duplicate(sequence) => {
            span.record("repeated", true).record("turn", field::display(sequence));
            Ok(Outcome::Duplicate(sequence))
        }
        Accepted::Conflict(_) => Err(Refused::Conflict),
        Accepted::Full(limit) => {
            tracing::warn!(conversation = %runtime.log_id(&key), limit = words(limit), "a text was refused");
            Err(Refused::Full(limit))
        }
    }
}
