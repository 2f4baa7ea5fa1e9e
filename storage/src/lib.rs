//! Durable state: the [`Store`] trait and its contract.
//!
//! A store keeps, per conversation, one record (an opaque snapshot with a version), its work records (accepted and not yet
//! answered, then answered with outbound texts not yet settled), one deadline, and its transcript; and for all together a
//! list of dead letters. It keeps bytes and order; it knows no rules of conversation.
//!
//! # Contract
//!
//! * When [`Store::accept`] or [`Store::commit`] returns `Ok`, what it wrote survives the death of the process and loss of power.
//! * A commit is all or nothing. It is refused as [`StoreError::Fenced`] when its claim was lost and as [`StoreError::Stale`] when
//!   the conversation has another version than the one the step came from; a refused commit changes nothing.
//! * Duplicates, fences and versions are judged against what is on disk plus everything submitted before; a
//!   [`Accepted::Duplicate`] is answered only when the record that it repeats is durable.
//! * [`Store::load`] sees every commit and settlement of that conversation submitted before it.
//! * What is read is durable: nothing is returned that a loss of power could take back.
//! * [`Store::settle`] returns when the settlement is in line, not when it is on disk: losing one costs a look-up, never a text.
//! * Sequences are drawn from one counter that never goes back, also across restarts; drawn numbers are multiples of
//!   [`Sequence::STRIDE`].
//! * What [`Store::note_heard`] is told is written with something else, and is never ahead of what was submitted before it.
//! * What a step erases is out of sight with it, whole or not at all, and surely deleted once [`Store::remove_erased`] says so, however often
//!   the process dies in between. Ids that were accepted stay known, and what remains is found by the same numbers only.
//! * After a failed write, or one that does not end in time, nothing more is accepted or committed: [`Store::failed`] resolves, and
//!   the process must end.
//!
//! [`KvStore`] keeps all this over an ordered map of bytes, the [`engine::Engine`]; the `conformance` suite (a feature) asserts it of any store.

mod audit;
mod background;
mod chunks;
mod committer;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod dump;
pub mod engine;
mod erasure;
mod error;
mod expiry;
mod fetch;
pub mod figures;
mod find;
mod keys;
mod kv;
mod marks;
pub mod private;
pub mod record;
pub mod usage;

use std::ops::RangeInclusive;

use async_trait::async_trait;
use raconteur_conversation::address::{Address, ConversationKey, Shard};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{OutboundId, OutboundRow, Receipt, RowState, Sequence, Work, WorkRecord};
use uuid::Uuid;

pub use audit::AuditEntry;
pub use chunks::SNAPSHOT_MAX;
pub use erasure::Erase;
pub use error::StoreError;
pub use expiry::{Expired, Expiry, ExpiryCursor};
pub use find::{Found, Search};
pub use kv::{KvStore, Options};
pub use record::{DeadLetter, Delivery, TranscriptRow, TranscriptTurn};
pub use usage::{Day, Usage};

/// The right to run one shard's conversations, until a later claim takes it away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// Which shard.
    pub shard: Shard,
    /// The fence: a commit under an older epoch is refused.
    pub epoch: u64,
}

/// The version of a conversation's record: zero before the first commit, then one more with each snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

/// Something to be accepted.
#[derive(Clone, Debug)]
pub struct NewWork {
    /// Whose conversation.
    pub key: ConversationKey,
    /// The provider's id or the caller's idempotency key, unique per tenant.
    pub id: String,
    /// Now.
    pub accepted_at: UnixMillis,
    /// Fresh random bits, kept in the record.
    pub seed: u128,
    /// A hash of what was asked for, where the id was chosen by a caller who may use it twice for different things; then the second
    /// is [`Accepted::Conflict`]. `None` where the id alone decides.
    pub content: Option<u64>,
    /// What it is.
    pub work: Work,
}

/// What became of an offer to accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is durable and will be worked on.
    Fresh {
        /// Its number.
        sequence: Sequence,
        /// The highest number of another unread record in its inbox: who has that one in hand knows all that is unread.
        behind: Option<Sequence>,
    },
    /// It was accepted before, under this sequence.
    Duplicate(Sequence),
    /// Something else was accepted before under this id, and this was not. The caller answers 422.
    Conflict(Sequence),
    /// A limit is reached; nothing was kept. The caller answers 503.
    Full(Limit),
}

/// Which limit refused an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// This conversation has `inbox_max` unread records.
    Inbox,
    /// All conversations together have `backlog_max` unread records.
    Backlog,
    /// The disk has less than `min_free` bytes left.
    Disk,
}

/// One atomic change of a conversation.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// The version of the snapshot that this step came from.
    pub version: Version,
    /// The new snapshot; `None` leaves record and version as they are.
    pub snapshot: Option<Vec<u8>>,
    /// When the conversation next wakes itself; `None` never. Looked at only with a snapshot.
    pub deadline: Option<UnixMillis>,
    /// How exactly the list of deadlines follows `deadline`. Looked at only with a snapshot.
    pub index: DeadlineIndex,
    /// Work records that are answered: each is replaced by its outbound rows, or removed when there are none.
    pub answered: Vec<Answered>,
    /// Outbound rows whose state changes.
    pub marks: Vec<Mark>,
    /// Unread records whose attempt counters change: the sequence, the new `attempts`, the new `alone`.
    pub attempts: Vec<(Sequence, u8, bool)>,
    /// What the conversation tells itself: kept as if it had been accepted, without a mark and beyond every limit. Their numbers are
    /// not drawn; they follow from what caused them ([`Sequence::chained`], [`Sequence::of_timeout`]).
    pub enqueued: Vec<WorkRecord>,
    /// What is added to the dead letters.
    pub dead_letters: Vec<DeadLetter>,
    /// Everything that is kept of the conversation goes, and what the rest of the step adds to it before `upto` goes along.
    pub erase: Option<Erase>,
}

/// How exactly [`Store::deadlines`] follows the deadline of a step. Most deadlines only move later, and an entry that is too
/// early costs one idle wake-up, less than rewriting it with every turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeadlineIndex {
    /// The entry moves only when the new deadline is earlier or none is listed; a later one, or none, leaves it as it is.
    #[default]
    Lazy,
    /// The entry becomes the deadline, or goes with it. For the step that a fired entry leads to, so that it does not fire again.
    Exact,
}

/// One work record, answered.
#[derive(Clone, Debug)]
pub struct Answered {
    /// Which.
    pub sequence: Sequence,
    /// What is to be sent for it, in order.
    pub rows: Vec<OutboundRow>,
    /// Its page in the transcript; `None` keeps none. A page that lists no rows gets those above.
    pub transcript: Option<TranscriptTurn>,
}

/// A new state of one outbound row. A settled state removes the row from the work record, and with the last row the record;
/// the transcript keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Which row.
    pub id: OutboundId,
    /// Its new state.
    pub state: RowState,
}

/// A conversation as it is found on disk.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The version of `snapshot`.
    pub version: Version,
    /// What the last commit wrote; `None` for a conversation that has none, or whose record could not be read.
    pub snapshot: Option<Vec<u8>>,
    /// `snapshot` is what remains of an erased conversation: there is no record of it.
    pub is_remains: bool,
    /// Unread records, in order of acceptance, at most the number asked for.
    pub unread: Vec<WorkRecord>,
    /// Outbound rows that are not settled, in order, each with the random seed of the work record it answers.
    pub unsettled: Vec<(OutboundRow, u128)>,
    /// Records that could not be read: each was set aside as a dead letter.
    pub damaged: usize,
}

/// A conversation as a list has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Whose.
    pub key: ConversationKey,
    /// Its latest snapshot; `None` where its record cannot be read, because it is damaged or a newer version wrote it.
    pub snapshot: Option<Vec<u8>>,
}

/// Work that is not done with.
#[derive(Clone, Debug)]
pub enum Pending {
    /// Nobody has answered it yet.
    Unread(WorkRecord),
    /// Its answer is on its way.
    Unsettled {
        /// What it answers.
        sequence: Sequence,
        /// The texts that are not settled.
        rows: Vec<OutboundRow>,
    },
}

impl Pending {
    /// Its place in the order of acceptance.
    #[must_use]
    pub fn sequence(&self) -> Sequence {
        match self {
            Self::Unread(record) => record.sequence,
            Self::Unsettled { sequence, .. } => *sequence,
        }
    }
}

/// One page of what needs doing.
#[derive(Clone, Debug, Default)]
pub struct WorkPage {
    /// Conversations with unread records, or with rows that are due.
    pub keys: Vec<ConversationKey>,
    /// Where the next page begins; `None` when this was the last.
    pub next: Option<WorkCursor>,
}

/// A place in the list of pending work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkCursor(pub(crate) Vec<u8>);

impl WorkCursor {
    /// The place behind all work of one conversation.
    #[must_use]
    pub fn behind(key: &ConversationKey) -> Self {
        Self(keys::works_of(&keys::Place::of(key)).end)
    }
}

/// What the store found when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The last process to use it did not close it.
    pub unclean: bool,
    /// Records with a lower sequence were accepted by an earlier process.
    pub first_sequence: Sequence,
    /// A random value of this store's, for names in logs.
    pub salt: Uuid,
}

/// Durable state of many conversations. See the crate's contract.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// What was found at opening.
    fn opening(&self) -> Opening;

    /// Keeps an input, once. Any process may call this, whether it owns the conversation or not.
    ///
    /// # Errors
    /// [`StoreError::Unusable`]; then nothing was promised and the caller answers 503.
    async fn accept(&self, new: NewWork) -> Result<Accepted, StoreError>;

    /// Takes the shards that nobody else holds, with a new epoch each.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
    async fn claim(&self, shards: &[Shard]) -> Result<Vec<Claim>, StoreError>;

    /// Gives claims back. One that was lost already is passed over.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
    async fn release(&self, claims: &[Claim]) -> Result<(), StoreError>;

    /// Reads a conversation with at most `unread_max` unread records.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] or [`StoreError::Unusable`]. An unreadable record is no error: see [`Loaded::damaged`].
    async fn load(&self, claim: Claim, key: &ConversationKey, unread_max: usize) -> Result<Loaded, StoreError>;

    /// Makes one step durable. Returns the version that the next step carries.
    ///
    /// # Errors
    /// [`StoreError::Fenced`], [`StoreError::Stale`] or [`StoreError::Unusable`]; the step then had no effect.
    async fn commit(&self, claim: Claim, key: &ConversationKey, step: Step) -> Result<Version, StoreError>;

    /// Notes what became of outbound rows, with the next batch. A mark for a row that is settled already changes nothing.
    async fn settle(&self, claim: Claim, key: &ConversationKey, marks: Vec<Mark>);

    /// Keeps a provider's word on a text in the transcript, with the next batch. The highest rank wins.
    /// Returns whether the text is one that we know.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
    async fn receipt(&self, key: &ConversationKey, receipt: &Receipt, at: UnixMillis) -> Result<bool, StoreError>;

    /// Lists conversations with unread records, with rows in doubt, or with rows due by `now`; at most `limit`, from `after` on.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
    async fn work(&self, now: UnixMillis, after: Option<WorkCursor>, limit: usize) -> Result<WorkPage, StoreError>;

    /// Lists deadlines that fall before `until`, earliest first, at most `limit`, beginning after `after`.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
    async fn deadlines(
        &self,
        until: UnixMillis,
        after: Option<(UnixMillis, ConversationKey)>,
        limit: usize,
    ) -> Result<Vec<(UnixMillis, ConversationKey)>, StoreError>;

    /// Forgets duplicate marks from before `before`; looks at no more than `limit` of them, going on where it stopped.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
    async fn forget_duplicates(&self, before: UnixMillis, limit: usize) -> Result<(), StoreError>;

    /// Whether a tenant's id was accepted before, and is remembered.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
    async fn is_known(&self, tenant: &Address, id: &str) -> Result<bool, StoreError>;

    /// Which limit of all conversations together is reached, or nearly: so that what was refused is not offered again too soon.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
    async fn crowded(&self) -> Result<Option<Limit>, StoreError>;

    /// Until when nothing is missing of what was sent to a number, as it was noted last; a number of which nothing was noted is
    /// not listed.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
    async fn heard(&self) -> Result<Vec<(Address, UnixMillis)>, StoreError>;

    /// Notes until when nothing is missing of what was sent to these numbers. Written with the next batch that is written for
    /// something else: it costs no sync of its own, and may be lost.
    async fn note_heard(&self, heard: Vec<(Address, UnixMillis)>);

    /// Deletes what was erased and is only hidden yet, at most `limit` values. Returns whether there may be more.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
    async fn remove_erased(&self, limit: usize) -> Result<bool, StoreError>;

    /// Deletes what is old of one tenant's conversations in one shard, from `from` on; looks at no more than `limit` records.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
    async fn expire(
        &self,
        expiry: Expiry,
        from: Option<ExpiryCursor>,
        limit: usize,
    ) -> Result<Expired<ExpiryCursor>, StoreError>;

    /// Deletes dead letters that are older than their tenant's rule says, from after `after` on; looks at no more than `limit` of them.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
    async fn expire_dead_letters(
        &self,
        rules: &[(Address, UnixMillis)],
        after: Option<Sequence>,
        limit: usize,
    ) -> Result<Expired<Sequence>, StoreError>;

    /// Pages of a conversation's transcript, newest first, at most `limit`, from before `before` on.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
    async fn transcript(
        &self,
        key: &ConversationKey,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Vec<TranscriptTurn>, StoreError>;

    /// Work of a conversation that is not done with, for those who only look: in order of acceptance, at most `limit`, from after `after` on.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
    async fn pending(
        &self,
        key: &ConversationKey,
        after: Option<Sequence>,
        limit: usize,
    ) -> Result<Vec<Pending>, StoreError>;

    /// The latest snapshot of a conversation, for those who only look, or what remains of it; `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
    async fn snapshot(&self, key: &ConversationKey) -> Result<Option<Vec<u8>>, StoreError>;

    /// Conversations of one tenant that have a record, in an order of the store's own, at most `limit`, beginning after the
    /// conversation with the user `after`.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
    async fn conversations(
        &self,
        tenant: &Address,
        after: Option<&Address>,
        limit: usize,
    ) -> Result<Vec<Listed>, StoreError>;

    /// Conversations of all tenants that have a record and match a search, in an order of the store's own, at most `limit`, beginning
    /// after `after`. Looks at no more than [`Search::looks`] of them.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
    async fn find(&self, search: &Search, after: Option<&ConversationKey>, limit: usize) -> Result<Found, StoreError>;

    /// What one tenant has used, for each day on which it used anything, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
    async fn usage(&self, tenant: &Address, days: RangeInclusive<Day>) -> Result<Vec<(Day, Usage)>, StoreError>;

    /// Messages that were set aside, oldest first, at most `limit`, from after `after` on.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
    async fn dead_letters(&self, after: Option<Sequence>, limit: usize) -> Result<Vec<DeadLetter>, StoreError>;

    /// Removes a dead letter. Returns whether it was there.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
    async fn discard(&self, letter: Sequence) -> Result<bool, StoreError>;

    /// Keeps an entry of the audit log, under a number of its own. What is older than [`AuditEntry::KEPT`] goes with time.
    ///
    /// # Errors
    /// [`StoreError::Unusable`]; then what it tells of must not be done.
    async fn audit(&self, entry: AuditEntry) -> Result<Sequence, StoreError>;

    /// The audit log, newest first, at most `limit` entries, from before `before` on.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
    async fn audits(&self, before: Option<Sequence>, limit: usize) -> Result<Vec<(Sequence, AuditEntry)>, StoreError>;

    /// Writes everything out and marks the store as closed cleanly.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
    async fn close(&self) -> Result<(), StoreError>;

    /// Resolves when the store can no longer be used, with the reason. Pending otherwise.
    async fn failed(&self) -> StoreError;
}
