//! A text's way to the provider: room in the lane, the call, and what came of it; retries, expiry, and texts in doubt.
//!
//! A text whose call may have been taken is never blindly sent again: the provider's log is asked where there is one, and where
//! that cannot decide, the tenant's policy does.

use std::time::Duration;

use crate::Step;
use crate::effect::{Effect, Notice, OptedOutBy};
use crate::keyword::HAS_STOPPED;
use crate::outbox::{Entry, Need, Phase};
use crate::policy::{DoubtPolicy, KeywordHandling};
use crate::segment;
use crate::streak::Streak;
use crate::time::UnixMillis;
use crate::words::{LoggedMessage, Lookup, Others, OutboundId, OutboundMessage, ProviderId, RowState, SendError};

/// How long to wait before an unreadable log is read again.
const LOG_AGAIN: Duration = Duration::from_secs(5);

/// Why a text stays in doubt.
const NO_WORD: &str = "there is no log that could be asked, or it is no longer worth sending again";

/// Why a text stays in doubt that may be one of those that were erased.
const ERASED: &str =
    "what was sent before everything was erased is no longer known, and the log has a text with the same words";

/// A text that is in doubt so soon after an erasure could be taken for one that was sent before it: the log is read back to some minutes
/// before the call, and a call that was under way then may have reached the provider later.
const ERASED_REACH: Duration = Duration::from_secs(3_600);

/// Why a text stays in doubt that the log may or may not have.
const NO_TELLING: &str =
    "another text with the same words was given up, and the log does not tell which of them was taken";

impl Step<'_> {
    /// Gives the head of the outbox what it needs.
    pub(crate) fn tend_outbox(&mut self) {
        loop {
            match self.conversation.outbox.need(self.now, self.policy) {
                Need::Nothing => return,
                Need::Slot if self.is_head_unwanted() => self.withdraw_head(),
                Need::Slot => {
                    return match self.paused_until() {
                        Some(until) => self.pause_head(until),
                        None => self.request_slot(),
                    };
                }
                Need::Log => return self.read_log(),
                Need::Rest(until) => return self.rest_head(until),
                Need::Leave(until) => return self.leave_head(until),
                Need::Expire => self.fail_head("expired", "it could not be sent while it was worth sending"),
                Need::Verdict => self.judge_head(NO_WORD),
            }
        }
    }

    pub(crate) fn on_slot_granted(&mut self, id: OutboundId) {
        let now = self.now;
        let Some(entry) = self.conversation.outbox.head_is(id).filter(|entry| entry.phase == Phase::AwaitingSlot)
        else {
            return;
        };
        entry.phase = Phase::Idle;
        let expired = now >= entry.row.expires_at;
        if expired || self.is_head_unwanted() || self.conversation.outbox.rests_until(now, self.policy).is_some() {
            return;
        }
        let Some(entry) = self.conversation.outbox.head() else { return };
        (entry.phase, entry.tried) = (Phase::Calling, true);
        entry.row.state = RowState::Sending { since: now };
        let message = self.message(now);
        self.emit(Effect::Mark { id, state: RowState::Sending { since: now } });
        self.count_into_streak();
        self.emit(Effect::Send(Box::new(message)));
    }

    pub(crate) fn on_text_sent(&mut self, id: OutboundId, provider_id: ProviderId) {
        // A text that was never tried cannot have been taken, whatever a receipt says.
        if let Some(entry) = self.conversation.outbox.head_is(id).filter(|entry| entry.tried) {
            let was_calling = entry.phase == Phase::Calling;
            self.conversation.outbox.pop();
            if was_calling {
                self.end_call();
            }
            self.emit(Effect::Mark { id, state: RowState::Sent { provider_id } });
        }
    }

    pub(crate) fn on_send_failed(&mut self, id: OutboundId, error: SendError) {
        let now = self.now;
        let Some(entry) = self.conversation.outbox.head_is(id).filter(|entry| entry.phase == Phase::Calling) else {
            return;
        };
        entry.phase = Phase::Idle;
        let (wait, pause) = (entry.wait(&self.policy.send.backoff), self.policy.send.pause);
        let is_last = self.policy.send.retries.is_some_and(|most| entry.tries >= most);
        self.end_call();
        match error {
            SendError::Retry { reason, .. } if is_last => self.fail_head("retries_exhausted", &reason),
            SendError::Retry { after, .. } => self.retry_head(wait.max(after.unwrap_or_default())),
            SendError::Pause { after, .. } => self.retry_head(after.unwrap_or(pause)),
            SendError::Misconfigured { .. } => self.retry_head(pause),
            SendError::Rejected { code, reason } => self.fail_head(&code, &reason),
            SendError::OptedOut => {
                self.fail_head("opted_out", "the user has opted out");
                // Where keywords are not ours, whoever has them knows when the user wants texts again; we should never hear of it.
                if self.policy.keywords.handling == KeywordHandling::Obeyed {
                    let seen = self.conversation.seen.unwrap_or(id.turn);
                    self.stop(OptedOutBy::Provider, (seen, self.now));
                }
            }
            SendError::Unknown { reason } => {
                let Some(entry) = self.conversation.outbox.head() else { return };
                let since = entry.began(now);
                entry.row.state = RowState::Unknown { since };
                self.emit(Effect::Mark { id, state: RowState::Unknown { since } });
                self.emit(Effect::Report(Notice::TextInDoubt { id, reason }));
            }
        }
    }

    pub(crate) fn on_log_read(&mut self, id: OutboundId, lookup: Lookup, others: &Others) {
        let (now, erased_at) = (self.now, self.conversation.durable.erased_at);
        let Some(entry) = self.conversation.outbox.head_is(id).filter(|entry| entry.phase == Phase::ReadingLog) else {
            return;
        };
        entry.phase = Phase::Idle;
        let is_strange = erased_at.is_some_and(|at| entry.began(now) < at.plus(ERASED_REACH));
        match lookup {
            Lookup::Readable(logged) => match matching(&entry.row.body, logged, others) {
                Match::This(_) if is_strange => self.judge_head(ERASED),
                Match::This(provider_id) => self.on_text_sent(id, provider_id),
                Match::Nothing => self.queue_again(),
                Match::Perhaps => self.judge_head(NO_TELLING),
            },
            Lookup::Unreadable { reason } => {
                entry.look_at = now.plus(LOG_AGAIN);
                if now >= entry.began(now).plus(self.policy.send.reconcile_for) {
                    self.judge_head(&reason);
                }
            }
            Lookup::Unsupported => self.judge_head(NO_WORD),
        }
    }

    /// Its user has stopped our texts since it was written.
    fn is_head_unwanted(&self) -> bool {
        let (head, stop) = (self.conversation.outbox.head_id(), self.conversation.durable.stopped_by);
        head.zip(stop).is_some_and(|(head, stop)| head.turn < stop)
    }

    /// The head is not sent, or not once more.
    fn withdraw_head(&mut self) {
        let Some(entry) = self.conversation.outbox.head() else { return };
        match &entry.row.state {
            RowState::Sending { .. } | RowState::Unknown { .. } => self.give_up_head(HAS_STOPPED),
            RowState::Queued
            | RowState::Held { .. }
            | RowState::Retry { .. }
            | RowState::Sent { .. }
            | RowState::Failed { .. }
            | RowState::GivenUp => self.fail_head("opted_out", HAS_STOPPED),
        }
    }

    fn request_slot(&mut self) {
        let Some(entry) = self.conversation.outbox.head() else { return };
        entry.phase = Phase::AwaitingSlot;
        let (id, segments) = (entry.row.id, segment::count(&entry.row.body));
        self.emit(Effect::RequestSlot { id, segments });
    }

    fn read_log(&mut self) {
        let now = self.now;
        let Some(entry) = self.conversation.outbox.head() else { return };
        entry.phase = Phase::ReadingLog;
        let began = entry.began(now);
        let message = self.message(began);
        self.emit(Effect::ReadLog(Box::new(message)));
    }

    fn message(&mut self, began_at: UnixMillis) -> OutboundMessage {
        let key = self.conversation.key.clone();
        let row = &self.conversation.outbox.head().expect("only called for a head").row;
        let (body, media) = (row.body.clone(), row.media.clone());
        OutboundMessage { id: row.id, key, body, media, expires_at: row.expires_at, began_at }
    }

    fn retry_head(&mut self, wait: Duration) {
        let now = self.now;
        let Some(entry) = self.conversation.outbox.head() else { return };
        entry.tries = entry.tries.saturating_add(1);
        entry.row.state = RowState::Retry { at: now.plus(wait), tries: entry.tries };
        let (id, state) = (entry.row.id, entry.row.state.clone());
        self.emit(Effect::Mark { id, state });
    }

    /// The log proves that the text was not taken.
    fn queue_again(&mut self) {
        let Some(entry) = self.conversation.outbox.head() else { return };
        entry.row.state = RowState::Queued;
        let id = entry.row.id;
        self.emit(Effect::Mark { id, state: RowState::Queued });
    }

    /// Nobody can say whether the text was taken: the tenant's policy decides.
    fn judge_head(&mut self, why: &str) {
        match self.policy.send.doubt {
            DoubtPolicy::Resend if self.is_head_unwanted() => self.give_up_head(HAS_STOPPED),
            DoubtPolicy::Resend => self.queue_again(),
            DoubtPolicy::GiveUp => self.give_up_head(why),
        }
    }

    fn give_up_head(&mut self, why: &str) {
        let Some(entry) = self.conversation.outbox.pop() else { return };
        let id = entry.row.id;
        self.emit(Effect::Mark { id, state: RowState::GivenUp });
        self.note_failed_text(id, "unknown".into(), format!("it is unknown whether it was sent: {why}"));
        self.emit(Effect::Save);
    }

    /// The head will not be sent, and neither will what is left of the same answer: half an answer misleads.
    fn fail_head(&mut self, code: &str, reason: &str) {
        let Some(entry) = self.conversation.outbox.pop() else { return };
        let id = entry.row.id;
        self.emit(Effect::Mark { id, state: failed(code, reason) });
        self.drop_rest_of(id);
        self.note_failed_text(id, code.to_owned(), reason.to_owned());
        self.emit(Effect::Save);
    }
}

/// A provider that stops what looks like a loop.
impl Step<'_> {
    /// Until when the next text must wait, so that the provider takes none for part of a loop.
    fn paused_until(&mut self) -> Option<UnixMillis> {
        let guard = self.policy.send.loop_guard.as_ref()?;
        self.conversation.durable.streak.as_mut()?.closed_until(self.now, &self.policy.send, guard)
    }

    fn pause_head(&mut self, until: UnixMillis) {
        if let Some(entry) = self.conversation.outbox.head() {
            entry.phase = Phase::Pausing { until };
        }
    }

    /// Written down in the step that sends it, which the ordinary turn writes anyway.
    fn count_into_streak(&mut self) {
        let Some(guard) = &self.policy.send.loop_guard else { return };
        let streak = self.conversation.durable.streak;
        self.conversation.durable.streak = Some(Streak::begin(streak, self.now, &self.policy.send, guard));
        self.emit(Effect::Save);
    }

    fn end_call(&mut self) {
        if let Some(streak) = &mut self.conversation.durable.streak {
            streak.end(self.now);
        }
    }
}

impl Step<'_> {
    /// Nothing that waits is sent, unless it is with the provider already or may have been.
    pub(crate) fn drop_unsent(&mut self) {
        self.drop_where(|_| true, &failed("opted_out", "the user has opted out"));
    }

    /// What is left of an answer of which one part has failed is not sent, unless it may be with the provider already.
    pub(crate) fn drop_rest_of(&mut self, id: OutboundId) {
        let state = failed("part_failed", "an earlier part of the same answer could not be sent");
        self.drop_where(|other| other.turn == id.turn && other.part > id.part, &state);
    }

    fn drop_where(&mut self, is_meant: impl Fn(OutboundId) -> bool, state: &RowState) {
        for entry in self.conversation.outbox.take_unsent(is_meant) {
            self.emit(Effect::Mark { id: entry.row.id, state: state.clone() });
        }
    }
}

fn failed(code: &str, reason: &str) -> RowState {
    RowState::Failed { code: code.to_owned(), reason: reason.to_owned() }
}

impl Entry {
    /// When the call began whose outcome is in doubt.
    fn began(&self, now: UnixMillis) -> UnixMillis {
        if let RowState::Sending { since } | RowState::Unknown { since } = self.row.state { since } else { now }
    }

    fn wait(&self, backoff: &crate::retry::Backoff) -> Duration {
        let random = u64::try_from(self.seed & u128::from(u64::MAX)).unwrap_or_default();
        backoff.after(self.tries.saturating_add(1), random)
    }
}

/// What a provider's log says of one text.
enum Match {
    /// It was taken as this.
    This(ProviderId),
    /// It was not taken.
    Nothing,
    /// One with the same words was taken, which may be this one or one that was given up.
    Perhaps,
}

/// The logged message that is this text: the oldest with the same words that is not another text. Of those that were given up each
/// may or may not be in the log.
fn matching(body: &str, logged: Vec<LoggedMessage>, others: &Others) -> Match {
    let wanted = normalised(body);
    let is_same =
        |message: &LoggedMessage| !others.known.contains(&message.provider_id) && normalised(&message.body) == wanted;
    let same: Vec<LoggedMessage> = logged.into_iter().rev().filter(is_same).collect();
    let given_up = others.given_up.iter().filter(|body| normalised(body) == wanted).count();
    match (same.is_empty(), same.into_iter().nth(given_up)) {
        (true, _) => Match::Nothing,
        (false, Some(message)) => Match::This(message.provider_id),
        (false, None) => Match::Perhaps,
    }
}

/// Providers trim texts and fold white space; that makes them no other texts.
fn normalised(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[path = "delivery_tests.rs"]
mod tests;
