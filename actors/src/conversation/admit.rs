//! How a conversation begins: with what is unread, and with a verdict on a message that may be to blame for a failure.
//!
//! The first attempt is free. Each further one is counted on the record before it runs. After a failure of the conversation
//! itself, `poison_attempts` failures convict. After the death of the process nobody knows which message is to blame: one with
//! that many attempts runs alone, after the others, and is convicted only when the process has died as often while it did. Fewer
//! would convict the innocent: a process that is killed again and again always has somebody's message under way.
//! A message that cannot run, because the outbox is full, the user's turn has not come or more of his texts may follow, is not attempted: it is neither counted nor given the room to run alone.

use std::sync::Arc;

use raconteur_conversation::words::{Precedence, Work, WorkRecord};
use raconteur_conversation::{Effect, Input};
use raconteur_storage::{DeadLetter, DeadlineIndex, Step, StoreError};
use ractor::ActorRef;

use super::{Admission, Beginning, ConversationMsg, Reason, Resident, Trial};

/// What is to be done with the message at the head of the inbox.
enum Verdict {
    /// Let it run.
    Run,
    /// Count one more attempt, then let it run.
    Again(u8),
    /// Let it run when it is alone, and count that.
    RunAlone,
    /// Set it aside, for this reason.
    Convict(String),
}

impl Resident {
    /// Looks at what was loaded.
    pub(super) async fn begin(&mut self, myself: &ActorRef<ConversationMsg>) -> Result<(), StoreError> {
        let Some(beginning) = self.pending.take() else { return Ok(()) };
        let Beginning { loaded, reason, index, _looked_at } = *beginning;
        self.set_snapshot_aside().await?;
        let mut unread = spared(loaded.unread);
        let Some(head) = self.suspect(&unread, &reason) else { return self.take(myself, unread, index).await };
        match self.judge(&unread[head], reason) {
            Verdict::Run => self.take(myself, unread, index).await,
            Verdict::Again(attempts) => {
                let sequence = unread[head].sequence;
                self.count(&mut unread[head], attempts, false).await?;
                self.trial = Some((sequence, Trial::Together(self.runtime.recovery.suspect())));
                self.take_apart(myself, (unread, head), Input::WorkAccepted, index).await
            }
            // While it waits it is not attempted: a death then is not counted.
            Verdict::RunAlone => {
                self.wait_alone(myself);
                Ok(())
            }
            Verdict::Convict(reason) => {
                let convicted = |record| Input::MessageConvicted { record, reason };
                self.take_apart(myself, (unread, head), convicted, index).await
            }
        }
    }

    /// Takes what is unread in order of acceptance, since the core passes over what is older than what it has seen, and the suspect apart
    /// from what comes behind it. If it is innocent it is done with, and not suspected again for the sake of those; and one of them that is
    /// poisonous as well does not take the verdict with it.
    async fn take_apart(
        &mut self,
        myself: &ActorRef<ConversationMsg>,
        (mut unread, suspect): (Vec<WorkRecord>, usize),
        verdict: impl FnOnce(WorkRecord) -> Input,
        index: DeadlineIndex,
    ) -> Result<(), StoreError> {
        let behind = unread.split_off(suspect + 1);
        let suspect = unread.pop().map(verdict);
        let inputs = std::iter::once(Input::InboxRead(unread)).chain(suspect).collect();
        self.run(myself, inputs, DeadlineIndex::Lazy).await?;
        self.take(myself, behind, index).await
    }

    /// A snapshot that cannot be read goes whole to the dead letters; the conversation has started empty.
    async fn set_snapshot_aside(&mut self) -> Result<(), StoreError> {
        let Some((bytes, error)) = self.unreadable.take().map(|unreadable| *unreadable) else { return Ok(()) };
        let letter = DeadLetter {
            sequence: DeadLetter::FRESH,
            key: Some(self.conversation.key().clone()),
            at: self.runtime.now(),
            reason: error.to_string(),
            work: None,
            bytes: Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        };
        let snapshot = Some(self.conversation.snapshot());
        let step = Step { version: self.version, snapshot, dead_letters: vec![letter], ..Step::default() };
        self.version = self.runtime.store.commit(self.claim, self.conversation.key(), step).await?;
        self.is_recorded = true;
        Ok(())
    }

    /// Its time to run alone has come.
    pub(super) async fn on_admitted(
        &mut self,
        myself: &ActorRef<ConversationMsg>,
        Admission(alone): Admission,
    ) -> Result<(), StoreError> {
        self.waiting_alone = false;
        let most = self.runtime.settings.unread_max;
        let loaded = self.runtime.store.load(self.claim, self.conversation.key(), most).await?;
        let mut unread = spared(loaded.unread);
        let Some(position) = unread.iter().position(is_question) else {
            return self.take(myself, unread, DeadlineIndex::Lazy).await;
        };
        let head = &mut unread[position];
        let first = self.tenant.policy.poison_attempts.max(1);
        let attempts = if head.alone { head.attempts.saturating_add(1) } else { first };
        self.count(head, attempts, true).await?;
        self.trial = Some((head.sequence, Trial::Alone(alone)));
        self.take_apart(myself, (unread, position), Input::WorkAccepted, DeadlineIndex::Lazy).await
    }

    /// Once the suspected message is answered, the next one may have its trial.
    pub(super) fn end_trial(&mut self, effects: &[Effect]) {
        let Some((suspect, _)) = &self.trial else { return };
        let is_answer = |effect: &Effect| {
            if let Effect::Erase(erasure) = effect {
                return *suspect <= erasure.upto;
            }
            if let Effect::Consume(consumed) = effect { consumed.record.sequence == *suspect } else { false }
        };
        if effects.iter().any(is_answer) {
            self.trial = None;
        }
    }

    /// Which record would be to blame. Requests and receipts are taken before texts, so after a failure of the conversation the
    /// first of them is suspected first; the process dies only of what asks the assistant. A text of ours that waits for room has done
    /// nothing yet, but may be taken in the very step that makes room, and take that step with it for ever: it is suspected last.
    fn suspect(&self, unread: &[WorkRecord], reason: &Reason) -> Option<usize> {
        let may_begin =
            |at: &usize| self.conversation.may_begin(self.runtime.now(), &self.tenant.policy, &unread[*at..]);
        let question = || unread.iter().position(is_question).filter(may_begin);
        match reason {
            Reason::Woken => question(),
            Reason::Failed(_) => {
                let taken = unread.iter().position(|record| !is_question(record) && self.is_taken(record));
                let waiting = || unread.iter().position(|record| !is_question(record));
                taken.or_else(question).or_else(waiting)
            }
        }
    }

    /// A text of ours that waits for room in the outbox has done nothing yet.
    fn is_taken(&self, record: &WorkRecord) -> bool {
        if let Work::Send(_) = record.work { self.conversation.may_request(&self.tenant.policy) } else { true }
    }

    fn judge(&self, head: &WorkRecord, reason: Reason) -> Verdict {
        let most = self.tenant.policy.poison_attempts.max(1);
        let attempts = head.attempts.saturating_add(1);
        let opening = self.runtime.opening;
        match reason {
            // The first time it may have run together with others that were gathered with it; a suspect is taken apart from them.
            Reason::Failed(why) if attempts >= most && (head.attempts > 0 || self.tenant.policy.gather.is_none()) => {
                Verdict::Convict(format!("its conversation failed {attempts} times, at last with: {why}"))
            }
            Reason::Failed(_) => Verdict::Again(attempts),
            Reason::Woken if head.sequence >= opening.first_sequence => Verdict::Run,
            // It will not be alone this time: a later death must not be laid at its door.
            Reason::Woken if !opening.unclean && head.alone => Verdict::Again(head.attempts),
            Reason::Woken if !opening.unclean => Verdict::Run,
            Reason::Woken if head.alone && self.runs_alone(head) >= most => {
                Verdict::Convict(format!("the process died {most} times while it ran alone"))
            }
            Reason::Woken if head.alone || attempts >= most => Verdict::RunAlone,
            Reason::Woken => Verdict::Again(attempts),
        }
    }

    /// How often a message that is marked as running alone has done so: counted on from `poison_attempts`.
    fn runs_alone(&self, head: &WorkRecord) -> u8 {
        head.attempts.saturating_sub(self.tenant.policy.poison_attempts.max(1)).saturating_add(1)
    }

    async fn count(&mut self, head: &mut WorkRecord, attempts: u8, alone: bool) -> Result<(), StoreError> {
        (head.attempts, head.alone) = (attempts, alone);
        let attempts = vec![(head.sequence, attempts, alone)];
        let step = Step { version: self.version, attempts, ..Step::default() };
        self.version = self.runtime.store.commit(self.claim, self.conversation.key(), step).await?;
        Ok(())
    }

    async fn take(
        &mut self,
        myself: &ActorRef<ConversationMsg>,
        unread: Vec<WorkRecord>,
        index: DeadlineIndex,
    ) -> Result<(), StoreError> {
        self.run(myself, vec![Input::InboxRead(unread), Input::DeadlinePassed], index).await
    }

    fn wait_alone(&mut self, myself: &ActorRef<ConversationMsg>) {
        self.waiting_alone = true;
        let (runtime, myself) = (Arc::clone(&self.runtime), myself.clone());
        tokio::spawn(async move {
            let alone = runtime.recovery.alone().await;
            let _ = myself.cast(ConversationMsg::Admitted(Admission(alone)));
        });
    }
}

/// What is unread, from the latest request to erase on: what stands before it goes with it, and nobody is asked it.
pub(super) fn spared(mut unread: Vec<WorkRecord>) -> Vec<WorkRecord> {
    let erasure = unread.iter().rposition(|record| matches!(record.work, Work::Erase));
    unread.split_off(erasure.unwrap_or(0))
}

/// It asks the assistant.
fn is_question(record: &WorkRecord) -> bool {
    match record.work.precedence() {
        Precedence::InTurn | Precedence::Own => true,
        Precedence::Control => false,
    }
}
