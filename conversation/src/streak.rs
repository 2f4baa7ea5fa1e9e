//! How many texts have followed each other to one user without a break. A provider that takes too many of them for a loop
//! fails what comes behind; the conversation makes the break itself, in time.
//!
//! A text counts from the moment at which its call begins, whether or not the provider takes it: to count one too many costs a
//! pause, one too few costs texts. It is kept in the snapshot, so that a restart is no way around it.

use serde::{Deserialize, Serialize};

use crate::policy::{LoopGuard, SendPolicy};
use crate::time::UnixMillis;

/// So many texts fewer than the provider's limit may follow each other: one that was begun may be missing in a snapshot, and
/// nobody knows exactly when the provider counts.
const SAFE_BELOW: u16 = 2;

/// So much longer than the provider's is our break, in milliseconds: what we send arrives a little later, not always as much.
const SLACK_MS: u64 = 1_000;

/// Texts that have followed each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Streak {
    texts: u16,
    /// When the latest call ended; when it began, as long as it is under way and after a restart.
    last: UnixMillis,
    #[serde(skip, default = "under_way")]
    under_way: bool,
}

impl Streak {
    /// A text is begun.
    pub(crate) fn begin(streak: Option<Self>, now: UnixMillis, send: &SendPolicy, guard: &LoopGuard) -> Self {
        let before = streak.filter(|streak| now < streak.over_at(send, guard)).map_or(0, |streak| streak.texts);
        Self { texts: before.saturating_add(1), last: now, under_way: true }
    }

    /// The call has ended.
    pub(crate) fn end(&mut self, now: UnixMillis) {
        (self.last, self.under_way) = (now, false);
    }

    /// Until when no further text may begin; `None` when one may. A clock that has gone back makes the break no longer than it is.
    pub(crate) fn closed_until(&mut self, now: UnixMillis, send: &SendPolicy, guard: &LoopGuard) -> Option<UnixMillis> {
        self.last = self.last.min(now);
        let most = guard.texts.saturating_sub(SAFE_BELOW).max(1);
        let over_at = self.over_at(send, guard);
        (self.texts >= most && now < over_at).then_some(over_at)
    }

    /// When a further text is the first of another streak.
    fn over_at(&self, send: &SendPolicy, guard: &LoopGuard) -> UnixMillis {
        let from = if self.under_way { self.last.plus(send.timeout) } else { self.last };
        UnixMillis(from.plus(guard.within).0.saturating_add(SLACK_MS))
    }
}

fn under_way() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::on::script::{Script, answer, text};
    use crate::words::{SendError, SendText, Within, Work};

    const GUARD: LoopGuard = LoopGuard { texts: 5, within: Duration::from_secs(30) };

    fn guarded() -> Script {
        let mut script = Script::new();
        script.policy.send.loop_guard = Some(GUARD);
        script.policy.outbox_max = 1_000;
        script
    }

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn requested(script: &mut Script, sequences: impl Iterator<Item = u64>) {
        for sequence in sequences {
            let send = SendText { body: "news".into(), media: Vec::new(), within: Within::Anywhere };
            script.accept(sequence, Work::Send(send));
        }
    }

    /// Sends what goes without waiting; returns when each call began, from the first on, in seconds.
    fn send_for(script: &mut Script, span: Duration, pause: Duration) -> Vec<u64> {
        let (began, mut at) = (script.now, Vec::new());
        while script.now.since(began) < span {
            let granted = script.conversation.head_wanting_a_slot();
            if let Some(id) = granted {
                at.push(script.now.since(began).as_secs());
                script.slot(&id);
                script.sent(&id);
            }
            script.advance(pause);
            script.give(crate::Input::DeadlinePassed);
        }
        at
    }

    #[test]
    fn a_streak_ends_below_the_limit_and_goes_on_after_a_break() {
        let mut script = guarded();
        requested(&mut script, (1..=7).map(|n| n * 8));
        let began = send_for(&mut script, seconds(120), seconds(1));
        assert_eq!(began, [0, 1, 2, 33, 34, 35, 66]);
    }

    /// Twilio counts on as long as each text follows the one before within the time, however long that goes on.
    #[test]
    fn slow_texts_are_a_streak_as_well_as_long_as_there_is_no_break() {
        let mut script = guarded();
        requested(&mut script, (1..=6).map(|n| n * 8));
        let began = send_for(&mut script, seconds(300), seconds(20));
        assert_eq!(began, [0, 20, 40, 80, 100, 120]);
        let mut script = guarded();
        requested(&mut script, (1..=6).map(|n| n * 8));
        assert_eq!(send_for(&mut script, seconds(300), seconds(31)), [0, 31, 62, 93, 124, 155]);
    }

    #[test]
    fn who_waits_for_the_break_is_reminded_of_its_end_and_does_not_leave_memory_before() {
        let mut script = guarded();
        requested(&mut script, (1..=4).map(|n| n * 8));
        send_for(&mut script, seconds(3), seconds(1));
        assert!(!script.conversation.is_idle() && script.conversation.is_quiet());
        let at = script.conversation.next_attempt(&script.policy).unwrap();
        assert_eq!(at.since(script.now), seconds(30));
        script.now = UnixMillis(at.0 - 1);
        assert_eq!(script.give(crate::Input::DeadlinePassed), [""; 0]);
        script.now = at;
        assert_eq!(script.give(crate::Input::DeadlinePassed), ["slot 32-0 for 1"]);
    }

    #[test]
    fn a_restart_does_not_begin_another_streak() {
        let mut script = guarded();
        requested(&mut script, (1..=4).map(|n| n * 8));
        send_for(&mut script, seconds(3), seconds(1));
        let left = script.conversation.rows();
        let mut again = Script::restored(Some(&script.conversation.snapshot()), left);
        (again.now, again.policy) = (script.now, script.policy.clone());
        assert_eq!(again.give(crate::Input::DeadlinePassed), [""; 0]);
        // The snapshot says when the last call began, not when it ended.
        let at = again.conversation.next_attempt(&again.policy).unwrap();
        assert_eq!(at.since(again.now), seconds(30) + script.policy.send.timeout);
    }

    /// A conversation that leaves memory after each of its texts would otherwise begin with every one of them.
    #[test]
    fn each_text_is_written_down_in_the_step_that_sends_it() {
        let mut script = guarded();
        script.accept(8, text("hi"));
        script.replied(8, 1, answer("hello"));
        assert_eq!(script.slot("8-0"), ["mark 8-0 sending", "save", "send 8-0 \"hello\""]);
        script.sent("8-0");
        requested(&mut script, [16].into_iter());
        assert_eq!(script.slot("16-0"), ["mark 16-0 sending", "save", "send 16-0 \"news\""]);
    }

    #[test]
    fn without_a_guard_nothing_waits_and_nothing_is_kept() {
        let mut script = guarded();
        script.policy.send.loop_guard = None;
        requested(&mut script, (1..=40).map(|n| n * 8));
        assert_eq!(send_for(&mut script, seconds(40), seconds(1)).len(), 40);
        assert!(!String::from_utf8(script.conversation.snapshot()).unwrap().contains("streak"));
    }

    #[test]
    fn a_clock_that_goes_back_holds_a_text_no_longer_than_one_break() {
        let mut script = guarded();
        requested(&mut script, (1..=4).map(|n| n * 8));
        send_for(&mut script, seconds(3), seconds(1));
        script.now = script.now.minus(seconds(24 * 3_600));
        script.give(crate::Input::DeadlinePassed);
        let at = script.conversation.next_attempt(&script.policy).unwrap();
        assert_eq!(at.since(script.now), seconds(31));
    }

    #[test]
    fn refused_attempts_count_since_nobody_knows_what_the_provider_has_counted() {
        let mut script = guarded();
        requested(&mut script, [8].into_iter());
        for _ in 0..3 {
            script.slot("8-0");
            script.refused("8-0", SendError::Retry { after: None, reason: "503".into() });
            script.advance(seconds(9));
            script.give(crate::Input::DeadlinePassed);
        }
        assert_eq!(script.conversation.head_wanting_a_slot(), None);
    }

    #[test]
    fn a_guard_below_its_margin_still_lets_texts_through() {
        let mut script = guarded();
        script.policy.send.loop_guard = Some(LoopGuard { texts: 0, within: seconds(30) });
        requested(&mut script, (1..=3).map(|n| n * 8));
        assert_eq!(send_for(&mut script, seconds(100), seconds(1)), [0, 31, 62]);
    }
}
