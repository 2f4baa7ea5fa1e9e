//! Which texts may leave while it is quiet: answers to a user, and what goes with them. What nobody has asked for rests until it is not
//! quiet any more, and is worth sending for as much longer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use raconteur_conversation::policy::Policy;
use raconteur_conversation::quiet::QuietHours;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{OutboundId, OutboundRow, RowState, Within, Work};
use raconteur_storage::TranscriptTurn;
use uuid::Uuid;

use super::SeenStep;
use super::expected::{Checked, expect};

/// See the module.
pub(super) struct Night {
    hours: Option<QuietHours>,
    valid_for: Duration,
    /// When the last text of each session was accepted, and when it was answered.
    texted: BTreeMap<Uuid, (UnixMillis, UnixMillis)>,
    /// Texts that somebody waits for.
    asked_for: BTreeSet<OutboundId>,
}

/// Whether somebody waits for a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    Somebody,
    Nobody,
    /// It became quiet between a text and its answer.
    Unclear,
}

impl Night {
    pub(super) fn new(policy: &Policy) -> Self {
        let (hours, valid_for) = (policy.quiet_hours.clone(), policy.send.valid_for);
        Self { hours, valid_for, texted: BTreeMap::new(), asked_for: BTreeSet::new() }
    }

    /// A record was answered with these texts.
    pub(super) fn page(&mut self, page: &TranscriptTurn, rows: &[OutboundRow]) -> Checked {
        if let (Work::Message(_), Some(session)) = (&page.work, page.session) {
            self.texted.insert(session, (page.accepted_at, page.answered_at));
        }
        let wait = self.wait(page);
        for row in rows {
            let id = row.id;
            let good = match (wait, &self.hours) {
                (Wait::Somebody, _) | (_, None) => !row.unasked,
                (Wait::Nobody, Some(_)) => row.unasked,
                (Wait::Unclear, Some(_)) => true,
            };
            expect(good, || format!("whether anybody has asked for {id}: {wait:?}, and it says: {}", !row.unasked))?;
            if !row.unasked {
                self.asked_for.insert(id);
            }
            let rests = self.is_quiet(page.answered_at) && row.unasked;
            let held = matches!(row.state, RowState::Held { .. });
            // One that leaves in the same step goes with the answer behind it, or not: that is seen when it leaves.
            let leaves = matches!(row.state, RowState::Sending { .. });
            expect(held == rests || leaves, || format!("it is to rest: {rests}, and {id} is {:?}", row.state))?;
            self.rests(&row.state)?;
            let worth = if row.unasked {
                self.loud_between(page.answered_at, row.expires_at)
            } else {
                row.expires_at.since(page.answered_at)
            };
            expect(worth == self.valid_for, || format!("{id} is worth sending for {worth:?}"))?;
        }
        Ok(())
    }

    fn wait(&self, page: &TranscriptTurn) -> Wait {
        match &page.work {
            Work::Start(_) | Work::TimedOut { .. } => Wait::Nobody,
            Work::NoInput { session } if self.texted.contains_key(session) => Wait::Somebody,
            Work::NoInput { .. } => Wait::Nobody,
            Work::Send(send) => match send.within {
                Within::Anywhere => Wait::Nobody,
                Within::Pipe(_) => Wait::Somebody,
                Within::Session => self.talk(page),
            },
            Work::Message(_)
            | Work::End
            | Work::DeliveryFailed(_)
            | Work::OpenPipe(_)
            | Work::ClosePipe { .. }
            | Work::Preference(_)
            | Work::TakeOver(_)
            | Work::HandBack
            | Work::Erase => Wait::Somebody,
        }
    }

    /// The user has texted in the session since it became quiet.
    fn talk(&self, page: &TranscriptTurn) -> Wait {
        let Some((accepted, answered)) = page.session.and_then(|session| self.texted.get(&session)) else {
            return Wait::Nobody;
        };
        let now = page.answered_at;
        let is_since = |then: UnixMillis| then <= now && self.is_quiet(now) && self.loud_between(then, now).is_zero();
        match (is_since(*accepted), is_since(*answered)) {
            _ if *accepted > now || *answered > now => Wait::Unclear,
            (true, true) => Wait::Somebody,
            (false, false) => Wait::Nobody,
            (true, false) | (false, true) => Wait::Unclear,
        }
    }

    /// What rests does so until it stops being quiet.
    fn rests(&self, state: &RowState) -> Checked {
        let RowState::Held { until, .. } = state else { return Ok(()) };
        let good = self.is_quiet(UnixMillis(until.0 - 1)) && !self.is_quiet(*until);
        expect(good, || format!("a text rests until {until:?}, when no quiet hours end"))
    }

    /// After a step: nothing is put to rest before the answer that a user waits for.
    pub(super) fn lets_rest(&self, step: &SeenStep, unsettled: &BTreeSet<OutboundId>) -> Checked {
        let held = step.marks.iter().filter(|mark| matches!(mark.state, RowState::Held { .. }));
        for mark in held {
            self.rests(&mark.state)?;
            let answer = unsettled.iter().find(|id| self.asked_for.contains(id));
            expect(answer.is_none(), || format!("text {} rests, and its user waits for {answer:?}", mark.id))?;
        }
        Ok(())
    }

    /// A call begins.
    pub(super) fn lets_leave(&self, id: OutboundId, at: UnixMillis, unsettled: &BTreeSet<OutboundId>) -> Checked {
        let answers = unsettled.iter().chain([&id]).any(|id| self.asked_for.contains(id));
        expect(answers || !self.is_quiet(at), || {
            format!("text {id} leaves in quiet hours, and nobody has asked for it")
        })
    }

    fn is_quiet(&self, at: UnixMillis) -> bool {
        let Some(QuietHours { from, to, offsets }) = &self.hours else { return false };
        let offset = offsets.iter().rfind(|offset| offset.from <= at).or(offsets.first());
        let seconds = at.0 / 1_000;
        let minute =
            seconds.saturating_add_signed(offset.map_or(0, |offset| i64::from(offset.seconds))) / 60 % (24 * 60);
        let after = |minute: u64, from: u16| (minute + 24 * 60 - u64::from(from)) % (24 * 60);
        after(minute, *from) < after(u64::from(*to), *from)
    }

    /// How much of a span is not quiet: counted second by second.
    fn loud_between(&self, from: UnixMillis, to: UnixMillis) -> Duration {
        let (mut at, mut loud) = (from.0, 0);
        while at < to.0 {
            let next = ((at / 1_000 + 1) * 1_000).min(to.0);
            loud += if self.is_quiet(UnixMillis(at)) { 0 } else { next - at };
            at = next;
        }
        Duration::from_millis(loud)
    }
}
