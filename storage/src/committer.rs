//! Group commit: one place that writes. It takes a request, gathers what else is waiting, judges each against the disk and the
//! batch so far, writes the batch and syncs once, and only then answers.
//!
//! What conversations want, and everything else that follows from work accepted before, goes ahead of new offers: where the writer
//! is behind, taking more first would put it further behind. A part of each batch is left to offers, so that a STOP still comes in.
//! An offer whose caller has gone is not looked at: nobody was promised anything, and the work would be for nobody.
//!
//! There is no timer: while one sync runs, the next batch gathers. A failed write ends it all, since after a failed sync nobody
//! can say what is on disk. [`run`] is driven by a thread of its own, or by a task where there must be no threads; it neither
//! knows nor cares. It never touches a clock.

mod auditing;
mod commit;
mod draft;
mod erasing;
mod expiring;
mod inboxes;
mod load;
mod marks;
mod opening;
mod pass;
mod prepared;
mod pulse;
mod recent;
mod tide;
mod writer;

use std::collections::VecDeque;

use raconteur_conversation::address::{Address, ConversationKey, Shard};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{Receipt, Sequence};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

use crate::engine::Engine;
use crate::{Accepted, AuditEntry, Claim, Expired, Expiry, ExpiryCursor, Limit, Loaded, Mark, StoreError, Version};

pub(crate) use opening::{FORMAT, Meta, SEQUENCE_MAX};
pub(crate) use prepared::{PreparedStep, PreparedWork};
pub(crate) use pulse::Pulse;
pub(crate) use tide::{Shore, tide};
pub(crate) use writer::{Writer, names};

/// A batch takes no more requests than this; a load, which only reads, counts as [`LOAD_WEIGHT`].
const REQUESTS_MAX: usize = 1_024;

/// Nor more bytes.
const BYTES_MAX: usize = 1 << 20;

/// So that a crowd of conversations that wake up does not hold back commits: 64 loads to a batch.
const LOAD_WEIGHT: usize = 16;

/// Of a batch's requests and bytes, one part in so many is left to offers.
const OFFERS_SHARE: usize = 16;

/// Where the answer to a request goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// Something that wants to be accepted.
pub(crate) struct Offer {
    pub(crate) work: PreparedWork,
    pub(crate) reply: Reply<Accepted>,
}

/// What waits for the committer.
pub(crate) struct Queue {
    pub(crate) requests: mpsc::Receiver<Request>,
    pub(crate) offers: mpsc::Receiver<Offer>,
}

/// Where a round's answers are given.
pub(crate) enum Voice {
    /// By the committer itself.
    Own,
    /// By a task of this runtime, all of a round at once: each caller that is woken from outside of its runtime costs its workers more.
    Task(Handle),
}

impl Voice {
    fn give(&self, answers: Answers) {
        match self {
            Self::Task(runtime) if answers.0.len() > 1 => drop(runtime.spawn(async move { drop(answers) })),
            Self::Task(_) | Self::Own => drop(answers),
        }
    }
}

/// What is durable and may be answered: done when dropped, so that a runtime that is shut down swallows nothing.
struct Answers(Vec<Answer>);

impl Drop for Answers {
    fn drop(&mut self) {
        self.0.drain(..).for_each(|answer| answer());
    }
}

type Answer = Box<dyn FnOnce() + Send>;

/// One thing to be written, or read in order with what is written.
pub(crate) enum Request {
    Claim(Vec<Shard>, Reply<Vec<Claim>>),
    Release(Vec<Claim>, Reply<()>),
    Load(Load),
    Commit(Claim, ConversationKey, Box<PreparedStep>, Reply<Version>),
    Settle(Claim, ConversationKey, Vec<Mark>),
    Receipt(ConversationKey, Receipt, UnixMillis, Reply<bool>),
    ForgetDuplicates(UnixMillis, usize, Reply<()>),
    IsKnown(Address, String, Reply<bool>),
    RemoveErased(usize, Reply<bool>),
    Expire(Expiry, Option<ExpiryCursor>, usize, Reply<Expired<ExpiryCursor>>),
    ExpireLetters(Vec<(Address, UnixMillis)>, Option<Sequence>, usize, Reply<Expired<Sequence>>),
    /// Entries of the deadline index that their conversations do not know.
    DropDeadlines(Vec<(UnixMillis, ConversationKey)>),
    /// Until when nothing is missing of what was sent to these numbers.
    NoteHeard(Vec<(Address, UnixMillis)>),
    Audit(AuditEntry, Reply<Sequence>),
    Discard(Sequence, Reply<bool>),
    Crowded(Reply<Option<Limit>>),
    Close(Reply<()>),
}

/// A conversation to be read once everything before is written.
pub(crate) struct Load {
    pub(crate) claim: Claim,
    pub(crate) key: ConversationKey,
    pub(crate) unread_max: usize,
    pub(crate) reply: Reply<Loaded>,
}

/// Whether the committer still takes requests.
#[derive(Clone, Debug)]
pub(crate) enum Health {
    Open,
    Closed,
    Failed(StoreError),
}

/// What one round has judged and not yet answered.
#[derive(Default)]
struct Round {
    weight: usize,
    requests: usize,
    answers: Vec<Answer>,
    loads: VecDeque<Load>,
    close: Option<Reply<()>>,
}

impl Round {
    /// Whether there is room for another request in this part of a batch.
    fn has_room<E: Engine>(&self, writer: &Writer<E>, part: (usize, usize)) -> bool {
        let (of, all) = part;
        self.weight < REQUESTS_MAX / all * of && writer.bytes() < BYTES_MAX / all * of && self.close.is_none()
    }

    fn begin_request(&mut self) {
        self.weight += 1;
        self.requests += 1;
    }

    fn answer<T: Send + 'static>(&mut self, reply: Reply<T>, result: Result<T, StoreError>) {
        // Whoever asked may have gone: that changes nothing of what was written.
        self.answers.push(Box::new(move || drop(reply.send(result))));
    }
}

/// Says so when the committer ends in a way that nobody foresaw.
struct Alarm(watch::Sender<Health>);

impl Drop for Alarm {
    fn drop(&mut self) {
        self.0.send_if_modified(|health| {
            let open = matches!(health, Health::Open);
            if open {
                *health = Health::Failed(StoreError::Unusable("the store's writer has stopped".into()));
            }
            open
        });
    }
}

/// Serves requests until the last sender is gone, the store is closed, or a write fails.
pub(crate) async fn run<E: Engine>(
    mut writer: Writer<E>,
    mut queue: Queue,
    health: watch::Sender<Health>,
    (pulse, voice): (Pulse, Voice),
) {
    let alarm = Alarm(health);
    while let Some(first) = queue.next().await {
        let beat = pulse.begin();
        let mut round = gather(&mut writer, first, &mut queue);
        if let Err(error) = write(&mut writer, &mut round, &voice) {
            tracing::error!(%error, "the store cannot be written and takes nothing more");
            // Before the round is dropped: whoever waits for an answer finds the reason here when its reply goes.
            alarm.0.send_replace(Health::Failed(error));
            return;
        }
        pulse.end(beat);
        if let Some(reply) = round.close {
            alarm.0.send_replace(Health::Closed);
            drop(reply.send(Ok(())));
            return;
        }
    }
}

/// What a round begins with.
enum First {
    Request(Request),
    Offer(Offer),
}

impl Queue {
    /// The next thing to do; `None` when nobody can ask any more.
    async fn next(&mut self) -> Option<First> {
        tokio::select! {
            biased;
            Some(request) = self.requests.recv() => Some(First::Request(request)),
            Some(offer) = self.offers.recv() => Some(First::Offer(offer)),
            else => None,
        }
    }
}

fn gather<E: Engine>(writer: &mut Writer<E>, first: First, queue: &mut Queue) -> Round {
    let mut round = Round::default();
    writer.begin();
    match first {
        First::Request(request) => judge(writer, request, &mut round),
        First::Offer(offer) => judge_offer(writer, offer, &mut round),
    }
    while round.has_room(writer, (OFFERS_SHARE - 1, OFFERS_SHARE)) {
        let Ok(next) = queue.requests.try_recv() else { break };
        judge(writer, next, &mut round);
    }
    while round.has_room(writer, (1, 1)) {
        let Ok(next) = queue.offers.try_recv() else { break };
        judge_offer(writer, next, &mut round);
    }
    writer.note_round(round.requests);
    round
}

fn judge_offer<E: Engine>(writer: &mut Writer<E>, Offer { work, reply }: Offer, round: &mut Round) {
    if reply.is_closed() {
        return;
    }
    round.begin_request();
    round.answer(reply, writer.accept(work));
}

fn judge<E: Engine>(writer: &mut Writer<E>, request: Request, round: &mut Round) {
    round.begin_request();
    match request {
        Request::Claim(shards, reply) => round.answer(reply, Ok(writer.claim(&shards))),
        Request::Release(claims, reply) => {
            writer.release(&claims);
            round.answer(reply, Ok(()));
        }
        Request::Load(load) => {
            round.weight += LOAD_WEIGHT - 1;
            round.loads.push_back(load);
        }
        Request::Commit(claim, key, step, reply) => round.answer(reply, writer.commit(claim, &key, *step)),
        Request::Settle(claim, key, marks) => {
            if let Err(error) = writer.settle(claim, &key, &marks) {
                tracing::warn!(%error, "what became of a text was not noted and will be looked up");
            }
        }
        Request::Receipt(key, receipt, at, reply) => round.answer(reply, writer.receipt(&key, &receipt, at)),
        Request::ForgetDuplicates(before, limit, reply) => {
            round.answer(reply, writer.forget_duplicates(before, limit));
        }
        Request::IsKnown(tenant, id, reply) => round.answer(reply, writer.is_known(&tenant, &id)),
        Request::RemoveErased(limit, reply) => round.answer(reply, writer.remove_erased(limit)),
        Request::Expire(expiry, from, limit, reply) => round.answer(reply, writer.expire(&expiry, from, limit)),
        Request::ExpireLetters(rules, after, limit, reply) => {
            round.answer(reply, writer.expire_dead_letters(&rules, after, limit));
        }
        Request::DropDeadlines(entries) => {
            if let Err(error) = writer.drop_deadlines(&entries) {
                tracing::warn!(%error, "deadlines that nobody knows were not removed");
            }
        }
        Request::Audit(entry, reply) => round.answer(reply, writer.audit(&entry)),
        Request::Discard(letter, reply) => round.answer(reply, writer.remove_letter(letter, |_| true)),
        Request::NoteHeard(heard) => writer.note_heard(heard),
        Request::Crowded(reply) => {
            let limit = writer.crowded();
            round.answer(reply, Ok(limit));
        }
        Request::Close(reply) => round.close = Some(reply),
    }
}

/// Writes the round's batch, then answers, then serves the round's loads from what is now on disk; closes the store last.
fn write<E: Engine>(writer: &mut Writer<E>, round: &mut Round, voice: &Voice) -> Result<(), StoreError> {
    writer.write_out()?;
    voice.give(Answers(std::mem::take(&mut round.answers)));
    writer.engine.tidy()?;
    while let Some(load) = round.loads.pop_front() {
        let loaded = writer.load(load.claim, &load.key, load.unread_max);
        // Nothing to write unless something damaged was set aside.
        if let Err(error) = writer.write_out() {
            round.loads.push_front(load);
            return Err(error);
        }
        drop(load.reply.send(loaded));
    }
    if round.close.is_some() { writer.close() } else { Ok(()) }
}
