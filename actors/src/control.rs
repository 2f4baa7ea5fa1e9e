//! The other door: requests from our side. They become work records like everything else, under the caller's idempotency key, and
//! are carried out by the conversation itself. What is only looked at comes from the store.
//!
//! It knows no HTTP and asks nobody who he is: `src/http/control` does.

use std::ops::RangeInclusive;
use std::sync::Arc;

use raconteur_conversation::address::{Address, ConversationId, ConversationKey};
use raconteur_conversation::session::Session;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{Answer, AskError, EndReason, Pipe, Question, Sequence, SessionEnd, Work};
use raconteur_conversation::{Conversation, View};
use raconteur_storage::{Day, DeadLetter, Store, TranscriptTurn, Usage};
use uuid::Uuid;

use crate::call;
use crate::inbox::{self, Offer, Outcome, Refused};
use crate::runtime::Runtime;
use crate::tenant::Tenant;

/// How many conversations one page of open sessions looks at.
const LOOKS_MAX: usize = 4_096;
/// After so many bytes of snapshots a page ends.
const BYTES_MAX: usize = 4 << 20;
/// How many conversations are read at once: each may have as much as `max_context` and more.
const READ_AT_ONCE: usize = 16;

/// A request from our side.
#[derive(Clone, Debug)]
pub struct Request {
    /// Whose conversation.
    pub key: ConversationKey,
    /// The caller's idempotency key, unique per tenant: a repeat takes no effect. `None` for a request that is never repeated.
    pub id: Option<String>,
    /// A hash of what was asked for: the same id for something else is refused.
    pub content: u64,
    /// What is to be done.
    pub work: Work,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Its number.
    pub sequence: Sequence,
    /// It was taken before under the same id.
    pub repeated: bool,
}

/// An open session, as a list shows it.
#[derive(Clone, Debug)]
pub struct OpenSession {
    /// Whose.
    pub key: ConversationKey,
    /// The session.
    pub session: Session,
    /// When it ends unless the user texts.
    pub ends_at: UnixMillis,
}

/// One page of open sessions.
#[derive(Clone, Debug, Default)]
pub struct SessionPage {
    /// In an order of the store's own.
    pub sessions: Vec<OpenSession>,
    /// The user to go on behind; `None` when this was the last page.
    pub next: Option<Address>,
    /// How many conversations were passed over because their records cannot be read: a newer version may have written them.
    pub unreadable: usize,
}

/// The way in for requests from our side. Cheap to clone.
#[derive(Clone)]
pub struct Control {
    runtime: Arc<Runtime>,
}

impl Control {
    pub(crate) fn new(runtime: Arc<Runtime>) -> Self {
        Self { runtime }
    }

    /// Takes a request. When this returns `Ok`, it is durable and will be carried out.
    ///
    /// # Errors
    /// When nothing was kept.
    pub async fn request(&self, request: Request) -> Result<Taken, Refused> {
        inbox::check_running(&self.runtime)?;
        self.tenant(&request.key.tenant)?;
        let content = request.id.is_some().then_some(request.content);
        let id = request.id.unwrap_or_else(|| Uuid::from_u128(self.runtime.clock.seed()).to_string());
        // Not to be mistaken for a provider's id.
        let offer = Offer { key: request.key, id: format!("request:{id}"), content, work: request.work, at: None };
        self.take(offer).await
    }

    async fn take(&self, offer: Offer) -> Result<Taken, Refused> {
        match inbox::accept(&self.runtime, offer).await? {
            Outcome::Duplicate(sequence) => Ok(Taken { sequence, repeated: true }),
            Outcome::Accepted(sequence) => Ok(Taken { sequence, repeated: false }),
            Outcome::Noted | Outcome::Unknown => Err(Refused::NotRunning),
        }
    }

    /// Gives a message that was set aside to its conversation once more, and removes it from the dead letters. However often this is
    /// asked for, it is given once.
    ///
    /// # Errors
    /// When nothing was kept; then it is still among the dead letters.
    pub async fn retry(&self, letter: &DeadLetter, key: ConversationKey, work: Work) -> Result<Taken, Refused> {
        inbox::check_running(&self.runtime)?;
        self.tenant(&key.tenant)?;
        let id = format!("retried:{}", letter.sequence);
        let taken = self.take(Offer { key, id, content: None, work, at: None }).await?;
        self.runtime.store.discard(letter.sequence).await?;
        Ok(taken)
    }

    /// Whether a number is one of ours.
    #[must_use]
    pub fn is_ours(&self, number: &Address) -> bool {
        self.runtime.directory.find(number).is_some()
    }

    /// The open session of a snapshot, unless its time has come.
    #[must_use]
    pub fn open_session(&self, key: &ConversationKey, session: Option<Session>) -> Option<OpenSession> {
        self.open(&*self.runtime.directory.find(&key.tenant)?, key.clone(), session)
    }

    /// What a conversation is, by its last commit. Where there is none, or it cannot be read, it is empty.
    ///
    /// # Errors
    /// When the tenant is unknown or the store cannot be read.
    pub async fn conversation(&self, key: &ConversationKey) -> Result<View, Refused> {
        self.tenant(&key.tenant)?;
        let snapshot = self.runtime.store.snapshot(key).await?;
        Ok(snapshot.and_then(|snapshot| Conversation::view(&snapshot).ok()).unwrap_or_default())
    }

    /// The open session of a conversation.
    ///
    /// # Errors
    /// As [`Control::conversation`].
    pub async fn session(&self, key: &ConversationKey) -> Result<Option<OpenSession>, Refused> {
        let tenant = self.tenant(&key.tenant)?;
        let view = self.conversation(key).await?;
        Ok(self.open(&tenant, key.clone(), view.session))
    }

    /// The open pipe of a conversation.
    ///
    /// # Errors
    /// As [`Control::conversation`].
    pub async fn pipe(&self, key: &ConversationKey) -> Result<Option<Pipe>, Refused> {
        let view = self.conversation(key).await?;
        Ok(view.pipe.filter(|pipe| pipe.is_open(self.runtime.now())))
    }

    /// Whether the user has stopped our texts.
    ///
    /// # Errors
    /// As [`Control::conversation`].
    pub async fn has_stopped(&self, key: &ConversationKey) -> Result<bool, Refused> {
        Ok(self.conversation(key).await?.stopped_at.is_some())
    }

    /// Open sessions of a tenant, at most `limit`, from behind the user `after` on. A page may have fewer and still not be the last.
    ///
    /// # Errors
    /// As [`Control::conversation`].
    pub async fn sessions(
        &self,
        number: &Address,
        mut after: Option<Address>,
        limit: usize,
    ) -> Result<SessionPage, Refused> {
        let tenant = self.tenant(number)?;
        let mut page = SessionPage::default();
        let (mut looks, mut bytes) = (0, 0);
        while looks < LOOKS_MAX && bytes < BYTES_MAX {
            let read = self.runtime.store.conversations(number, after.as_ref(), READ_AT_ONCE).await?;
            looks += READ_AT_ONCE;
            bytes += read.iter().flat_map(|listed| &listed.snapshot).map(Vec::len).sum::<usize>();
            let is_last = read.len() < READ_AT_ONCE;
            for listed in read {
                after = Some(listed.key.user.clone());
                let view = listed.snapshot.and_then(|snapshot| Conversation::view(&snapshot).ok());
                page.unreadable += usize::from(view.is_none());
                let session = view.and_then(|view| view.session);
                page.sessions.extend(self.open(&tenant, listed.key, session));
                if page.sessions.len() >= limit {
                    page.next = after;
                    return Ok(page);
                }
            }
            if is_last {
                return Ok(page);
            }
        }
        page.next = after;
        Ok(page)
    }

    /// A session whose time has come counts as over, though nobody may have looked yet.
    fn open(&self, tenant: &Tenant, key: ConversationKey, session: Option<Session>) -> Option<OpenSession> {
        let session = session?;
        let ends_at = session.deadline(&tenant.policy);
        (self.runtime.now() <= ends_at).then_some(OpenSession { key, session, ends_at })
    }

    /// Pages of a conversation's transcript, newest first, at most `limit`, from before `before` on.
    ///
    /// # Errors
    /// When the tenant is unknown or the store cannot be read.
    pub async fn transcript(
        &self,
        key: &ConversationKey,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Vec<TranscriptTurn>, Refused> {
        self.tenant(&key.tenant)?;
        Ok(self.runtime.store.transcript(key, before, limit).await?)
    }

    /// One page of a transcript: what came of a request; `None` as long as it is not answered.
    ///
    /// # Errors
    /// As [`Control::transcript`].
    pub async fn outcome(&self, key: &ConversationKey, taken: Taken) -> Result<Option<TranscriptTurn>, Refused> {
        let behind = Sequence(taken.sequence.0.saturating_add(1));
        let page = self.transcript(key, Some(behind), 1).await?.into_iter().next();
        Ok(page.filter(|page| page.sequence == taken.sequence))
    }

    /// Whether a request waits to be carried out.
    ///
    /// # Errors
    /// As [`Control::transcript`].
    pub async fn is_pending(&self, key: &ConversationKey, taken: Taken) -> Result<bool, Refused> {
        self.tenant(&key.tenant)?;
        let before = Sequence(taken.sequence.0.saturating_sub(1));
        let next = self.runtime.store.pending(key, Some(before), 1).await?;
        Ok(next.first().is_some_and(|next| next.sequence() == taken.sequence))
    }

    /// The store, for reading.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.runtime.store
    }

    /// A conversation's name in the log.
    #[must_use]
    pub fn log_id(&self, key: &ConversationKey) -> ConversationId {
        self.runtime.log_id(key)
    }

    /// What a tenant has used, by day.
    ///
    /// # Errors
    /// As [`Control::transcript`].
    pub async fn usage(&self, number: &Address, days: RangeInclusive<Day>) -> Result<Vec<(Day, Usage)>, Refused> {
        self.tenant(number)?;
        Ok(self.runtime.store.usage(number, days).await?)
    }

    /// Asks a tenant's assistant to speak first, in a session that is ended at once and belongs to nobody's conversation.
    ///
    /// # Errors
    /// When the tenant is unknown; then what the assistant said, or why it did not.
    pub async fn try_assistant(&self, number: &Address) -> Result<Result<Answer, AskError>, Refused> {
        let tenant = self.tenant(number)?;
        let seed = Uuid::from_u128(self.runtime.clock.seed());
        let question = Question::trial(number, seed, tenant.policy.ask.timeout);
        let (answered, _) = call::attempt(&tenant, &question).await;
        if let Ok(answer) = &answered {
            let (key, session) = (question.key, question.variables.session);
            let end = SessionEnd { key, session, reason: EndReason::Requested, state: answer.state.clone() };
            call::end_session(&tenant, &end).await;
        }
        Ok(answered)
    }

    /// The gateway's time.
    #[must_use]
    pub fn now(&self) -> UnixMillis {
        self.runtime.now()
    }

    /// A random value of the store's own, the same as long as the store lives.
    #[must_use]
    pub fn salt(&self) -> Uuid {
        self.runtime.opening.salt
    }

    fn tenant(&self, number: &Address) -> Result<Arc<Tenant>, Refused> {
        let unknown = || Refused::UnknownTenant { channel: "any".into(), configured: "others".into() };
        self.runtime.directory.find(number).ok_or_else(unknown)
    }
}
