//! How many turns one user may have in a time. Who texts faster is slowed down: his texts wait in his inbox, and when that is full
//! the provider is told so. It ends two programs' talk with each other as well, and costs nobody else anything.
//!
//! The count is one point in time: how far his turns have run ahead of their even pace. It is kept in the snapshot.

use std::time::Duration;

use crate::policy::FloodLimit;
use crate::time::UnixMillis;

impl FloodLimit {
    /// From when on the next turn may be taken; `None` for at once. A clock that has gone back costs one turn's time.
    pub(crate) fn closed_until(&self, ahead: UnixMillis, now: UnixMillis) -> Option<UnixMillis> {
        let next = ahead.min(now.plus(self.within)).plus(self.per_turn());
        (next > now.plus(self.within)).then(|| next.minus(self.within))
    }

    /// A turn is taken.
    pub(crate) fn take(&self, ahead: UnixMillis, now: UnixMillis) -> UnixMillis {
        ahead.min(now.plus(self.within)).max(now).plus(self.per_turn())
    }

    fn per_turn(&self) -> Duration {
        self.within / self.turns.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Input;
    use crate::on::script::{Script, answer, text};
    use crate::words::{StartSession, Work};

    /// Three turns at once, then one every ten seconds.
    fn limited() -> Script {
        let mut script = Script::new();
        script.policy.flood = Some(FloodLimit { turns: 3, within: seconds(30) });
        script
    }

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn answered(script: &mut Script, turns: impl IntoIterator<Item = u64>) {
        for turn in turns {
            script.replied(turn, 1, answer("ok"));
        }
    }

    #[test]
    fn who_floods_gets_his_turns_at_an_even_pace_in_order_and_loses_nothing() {
        let mut script = limited();
        let began = script.now;
        for sequence in 1..=6 {
            script.accept(sequence * 8, text("hi"));
        }
        let mut asked = Vec::new();
        for turn in (1..=6).map(|n| n * 8) {
            while script.last_question().token.turn.0 != turn {
                script.now = script.conversation.next_attempt(&script.policy).unwrap();
                script.give(Input::DeadlinePassed);
            }
            asked.push(script.now.since(began).as_secs());
            script.replied(turn, 1, answer("ok"));
            script.slot(&format!("{turn}-0"));
            script.sent(&format!("{turn}-0"));
        }
        assert_eq!(asked, [0, 0, 0, 10, 20, 30]);
    }

    #[test]
    fn a_text_that_waits_for_its_turn_is_reported_once_and_not_forgotten() {
        let mut script = limited();
        for sequence in [8, 16, 24] {
            script.accept(sequence, text("hi"));
        }
        answered(&mut script, [8, 16, 24]);
        assert_eq!(script.accept(32, text("hi")), ["slowed down 32"]);
        assert_eq!(script.accept(40, text("hi")), [""; 0]);
        assert!(!script.conversation.is_idle());
        script.advance(seconds(9));
        assert_eq!(script.give(Input::DeadlinePassed), [""; 0]);
        script.advance(seconds(1));
        assert_eq!(script.give(Input::DeadlinePassed), ["ask 32/1 \"hi\" timeout 30s"]);
    }

    #[test]
    fn a_restart_is_no_way_around_the_limit() {
        let mut script = limited();
        for sequence in [8, 16, 24] {
            script.accept(sequence, text("hi"));
        }
        answered(&mut script, [8, 16, 24]);
        let mut again = Script::restored(Some(&script.conversation.snapshot()), Vec::new());
        again.policy = script.policy.clone();
        assert_eq!(again.accept(32, text("hi")), ["slowed down 32"]);
    }

    #[test]
    fn requests_and_stop_are_not_held_up_by_a_flood() {
        let mut script = limited();
        for sequence in [8, 16, 24] {
            script.accept(sequence, text("hi"));
        }
        answered(&mut script, [8, 16, 24]);
        script.accept(32, text("hi"));
        assert_eq!(script.accept(40, Work::End)[0], "consume 40 asks 0 rows []");
        let effects = script.accept(48, text("STOP"));
        assert!(effects.contains(&"consume 32 asks 0 error rows []".to_owned()), "{effects:?}");
        assert!(script.conversation.next_attempt(&script.policy).is_none());
    }

    #[test]
    fn turns_without_the_user_are_not_counted() {
        let mut script = limited();
        for sequence in (1..=5).map(|n| n * 8) {
            let start = StartSession { text: Some("news".into()), ..StartSession::default() };
            let effects = script.accept(sequence, Work::Start(start));
            assert!(effects.iter().any(|effect| effect.starts_with("consume")), "{effects:?}");
        }
        assert!(script.accept(48, text("hi"))[0].starts_with("ask 48/1"));
    }

    #[test]
    fn a_clock_that_goes_back_holds_up_nobody_for_longer_than_one_turn() {
        let mut script = limited();
        for sequence in [8, 16, 24] {
            script.accept(sequence, text("hi"));
        }
        answered(&mut script, [8, 16, 24]);
        script.now = script.now.minus(seconds(24 * 3_600));
        script.accept(32, text("hi"));
        let at = script.conversation.next_attempt(&script.policy).unwrap();
        assert_eq!(at.since(script.now), seconds(10));
    }

    #[test]
    fn without_a_limit_nothing_waits_and_nothing_is_kept() {
        let mut script = limited();
        script.policy.flood = None;
        for sequence in (1..=100).map(|n| n * 8) {
            script.accept(sequence, text("hi"));
            script.replied(sequence, 1, crate::words::Answer::default());
        }
        assert!(script.conversation.is_idle());
        assert!(!String::from_utf8(script.conversation.snapshot()).unwrap().contains("ahead"));
    }
}
