//! STOP, START and HELP: taken at once, ahead of what waits and during a turn. Who has stopped our texts gets none: what is queued is dropped,
//! a running turn commits without its texts, and nothing is asked for him until he wants them again.

use std::time::Duration;

use crate::effect::{Consumed, Effect, Notice, OptedOutBy};
use crate::keyword::{HAS_STOPPED, Keyword, Standing};
use crate::policy::{KeywordHandling, Policy};
use crate::time::UnixMillis;
use crate::words::{OutboundRow, Precedence, Sequence, Work, WorkRecord};
use crate::{Conversation, Step};

/// A START this much older than the STOP before it was not sent after it, however long one of them was under way.
const OUT_OF_ORDER: Duration = Duration::from_secs(60);

impl Conversation {
    /// In which order a record is taken under these rules.
    pub(crate) fn precedence(&self, policy: &Policy, record: &WorkRecord) -> Precedence {
        if self.keyword(policy, record).is_some() { Precedence::Control } else { record.work.precedence() }
    }

    /// The keyword that a text is, if it is to be obeyed. A yes that was said before our texts were stopped was an answer.
    pub(crate) fn keyword(&self, policy: &Policy, record: &WorkRecord) -> Option<Keyword> {
        let Work::Message(message) = &record.work else { return None };
        let standing = self.standing_before(record.sequence);
        let rules = &policy.keywords;
        match rules.handling {
            KeywordHandling::Obeyed => Keyword::of(&message.body, standing).filter(|keyword| {
                *keyword != Keyword::Help || rules.help_message.as_ref().is_some_and(|text| !text.is_empty())
            }),
            // Somebody who has stopped our texts must be able to come back, whatever the rules have become since.
            KeywordHandling::LeftToTheAssistant => {
                let keyword = (standing == Standing::HasStopped).then(|| Keyword::of(&message.body, standing));
                keyword.flatten().filter(|keyword| *keyword == Keyword::Start)
            }
        }
    }
}

impl Step<'_> {
    /// In which order a record is taken.
    pub(crate) fn precedence(&self, record: &WorkRecord) -> Precedence {
        self.conversation.precedence(self.policy, record)
    }

    /// Obeys a keyword, and answers it once.
    pub(crate) fn obey(&mut self, record: WorkRecord, keyword: Keyword) {
        let rules = &self.policy.keywords;
        let (changed, message) = match keyword {
            Keyword::Stop => (self.stop(OptedOutBy::User, (record.sequence, record.accepted_at)), &rules.stop_message),
            Keyword::Start => (self.start(&record), &rules.start_message),
            Keyword::Help => (Changed::Always, &rules.help_message),
        };
        let rows = match (changed, message) {
            (Changed::Always | Changed::Yes, Some(message)) => self.rows_in_any_case(&record, message, &[]),
            (Changed::No, _) | (_, None) => Vec::new(),
        };
        self.queue(&rows, record.seed);
        let consumed = Consumed { rows, ..self.silent(record) };
        self.emit(Effect::Consume(Box::new(consumed)));
    }

    /// What the provider has heard from the user and has answered.
    pub(crate) fn on_preference(&mut self, record: WorkRecord, keyword: Keyword) {
        match keyword {
            Keyword::Stop => {
                self.stop(OptedOutBy::Provider, (record.sequence, record.accepted_at));
            }
            Keyword::Start => {
                self.start(&record);
            }
            Keyword::Help => {}
        }
        self.emit(Effect::Consume(Box::new(self.silent(record))));
    }

    /// The user gets nothing more of what answers this record or an earlier one: what is queued is dropped, but for what the provider may
    /// have already. `at` is when it was said, however long it has waited here: a START that came behind it may have waited as long.
    pub(crate) fn stop(&mut self, by: OptedOutBy, (record, at): (Sequence, UnixMillis)) -> Changed {
        if self.conversation.standing() == Standing::HasStopped {
            return Changed::No;
        }
        self.conversation.durable.stopped_at = Some(at);
        self.conversation.durable.stopped_by = Some(record);
        self.emit(Effect::Report(Notice::OptedOut { by }));
        self.drop_unsent();
        Changed::Yes
    }

    /// A START that is found in the provider's log may be older than the STOP that took it back: then that holds. Where the clock has
    /// gone back since the STOP, times tell nothing. One that a webhook has brought was said when it came.
    fn start(&mut self, record: &WorkRecord) -> Changed {
        let stopped_at = self.conversation.durable.stopped_at;
        let from_log = matches!(&record.work, Work::Message(message) if message.from_log);
        let is_older = |at: UnixMillis| from_log && at <= self.now && at.since(record.accepted_at) > OUT_OF_ORDER;
        if stopped_at.is_none_or(is_older) {
            return Changed::No;
        }
        self.conversation.durable.stopped_at = None;
        self.conversation.durable.stopped_by = None;
        self.emit(Effect::Report(Notice::OptedIn));
        Changed::Yes
    }

    /// A record for which nothing is asked and nothing sent.
    pub(crate) fn withhold(&mut self, record: WorkRecord) {
        self.emit(Effect::Report(Notice::HasStopped { sequence: record.sequence }));
        self.emit_failed(record, HAS_STOPPED);
    }

    /// Rows for a text, unless the user wants none.
    pub(crate) fn rows(&self, record: &WorkRecord, text: &str, media: &[String]) -> Vec<OutboundRow> {
        match self.conversation.standing() {
            Standing::Receives => self.rows_in_any_case(record, text, media),
            Standing::HasStopped => Vec::new(),
        }
    }
}

/// Whether a keyword changed anything: a second STOP is not answered once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    Yes,
    No,
    /// There is nothing to change, and it is answered every time.
    Always,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Input;
    use crate::on::script::{Script, answer, command, minutes, ordering, text};
    use crate::words::{InboundMessage, SendError, SendText, StartSession, Within};

    fn script() -> Script {
        let mut script = Script::new();
        script.policy.keywords.stop_message = Some("You get no more texts.".into());
        script.policy.keywords.start_message = Some("Welcome back.".into());
        script
    }

    #[test]
    fn stop_goes_ahead_of_what_waits_and_the_running_turn_commits_without_its_texts() {
        let mut script = script();
        script.accept(8, text("hi"));
        script.accept(16, text("more"));
        let effects = script.accept(24, text("Stop"));
        let expected =
            ["opted out by User", "consume 24 asks 0 rows [24-0 \"You get no more texts.\"]", "slot 24-0 for 1"];
        assert_eq!(effects, expected);
        let effects = script.replied(8, 1, answer("hello"));
        let expected = ["consume 8 asks 1 rows []", "has stopped 16", "consume 16 asks 0 error rows []"];
        assert_eq!(effects, expected);
    }

    #[test]
    fn what_is_queued_is_dropped_and_what_the_provider_has_goes_its_way() {
        let mut script = script();
        script.policy.send.text_max = 5;
        script.accept(8, text("hi"));
        script.replied(8, 1, answer("aaaa bbbb cccc"));
        script.slot("8-0");
        let effects = script.accept(16, text("STOP"));
        let expected = ["opted out by User", "mark 8-1 failed opted_out", "mark 8-2 failed opted_out"];
        assert_eq!(effects[..3], expected);
        assert_eq!(script.sent("8-0")[0], "mark 8-0 sent SM8-0");
    }

    #[test]
    fn nothing_is_asked_or_sent_until_the_user_wants_texts_again() {
        let mut script = script();
        script.accept(8, text("stop"));
        script.slot("8-0");
        script.sent("8-0");
        assert_eq!(script.accept(16, text("hm")), ["has stopped 16", "consume 16 asks 0 error rows []"]);
        let start = StartSession { text: Some("news!".into()), ..StartSession::default() };
        assert_eq!(script.accept(24, Work::Start(start))[1], "consume 24 asks 0 error rows []");
        let send = SendText { body: "news!".into(), media: Vec::new(), within: Within::Anywhere };
        let effects = script.accept(32, Work::Send(send));
        assert_eq!(effects[1], "consume 32 asks 0 error rows []", "{effects:?}");
        assert_eq!(script.accept(40, text("STOP")), ["consume 40 asks 0 rows []"]);
        let effects = script.accept(48, text("yes"));
        assert_eq!(effects[..2], ["opted in", "consume 48 asks 0 rows [48-0 \"Welcome back.\"]"]);
        assert!(script.accept(56, text("yes")).iter().any(|effect| effect.starts_with("ask 56/1 \"yes\"")));
    }

    #[test]
    fn a_yes_that_was_said_before_a_stop_does_not_undo_it() {
        let mut script = script();
        script.accept(8, text("hi"));
        script.accept(16, text("yes"));
        let effects = script.accept(24, text("STOP"));
        assert!(!effects.contains(&"opted in".to_owned()), "{effects:?}");
        let mut again = Script::restored(Some(&script.conversation.snapshot()), Vec::new());
        let withheld = ["has stopped 16", "consume 16 asks 0 error rows []"];
        assert_eq!(script.replied(8, 1, answer("Shall I?"))[1..], withheld);
        assert_eq!(again.accept(16, text("yes")), withheld);
        assert_eq!(again.accept(32, text("yes"))[0], "opted in");
    }

    #[test]
    fn no_turn_without_the_user_is_taken_for_who_has_stopped() {
        let forced = || ordering("One moment.", vec![command("smsActForceNoInputTurn", serde_json::Value::Null)]);
        let mut script = script();
        script.accept(8, text("order"));
        script.accept(16, text("stop"));
        assert_eq!(script.replied(8, 1, forced()), ["consume 8 asks 1 rows []", "has stopped 8"]);
        // One that had been ordered before.
        let mut script = Script::new();
        script.accept(8, text("order"));
        script.replied(8, 1, forced());
        script.accept(16, text("stop"));
        let session = script.conversation.session().unwrap().id;
        let mut again = Script::restored(Some(&script.conversation.snapshot()), Vec::new());
        assert_eq!(again.accept(9, Work::NoInput { session }), ["consume 9 asks 0 rows []"]);
    }

    #[test]
    fn the_session_of_who_has_stopped_ends_without_a_word_to_the_assistant() {
        let mut script = script();
        script.policy.timeout_turn = crate::policy::TimeoutTurn::Yes;
        script.accept(8, text("hi"));
        script.replied(8, 1, answer("hello"));
        script.accept(16, text("stop"));
        script.advance(minutes(60));
        let effects = script.give(crate::Input::DeadlinePassed);
        assert_eq!(effects, ["save", "end session Timeout"]);
    }

    #[test]
    fn a_start_of_the_log_that_is_older_than_the_stop_brings_nothing_back() {
        let mut script = script();
        script.accept(8, text("stop"));
        let sent = |script: &Script, sequence, before| {
            let logged = InboundMessage { body: "START".into(), from_log: true, ..InboundMessage::default() };
            let record = script.record(sequence, Work::Message(logged));
            Input::WorkAccepted(WorkRecord {
                accepted_at: record.accepted_at.minus(Duration::from_secs(before)),
                ..record
            })
        };
        let older = sent(&script, 16, 61);
        assert_eq!(script.give(older), ["consume 16 asks 0 rows []"]);
        assert_eq!(script.accept(24, text("hm"))[0], "has stopped 24");
        let together = sent(&script, 32, 60);
        assert_eq!(script.give(together)[0], "opted in", "nobody knows which came first");
    }

    #[test]
    fn a_start_counts_though_both_it_and_the_stop_before_it_have_waited_for_long() {
        let mut script = script();
        let stop = Input::WorkAccepted(script.record(8, text("stop")));
        let start = Input::WorkAccepted(script.record(16, text("START")));
        script.advance(minutes(5));
        assert_eq!(script.give(stop)[0], "opted out by User");
        assert_eq!(script.give(start)[0], "opted in");
    }

    #[test]
    fn a_start_counts_though_the_clock_has_gone_back_since_the_stop() {
        let mut script = script();
        script.accept(8, text("stop"));
        script.now = script.now.minus(minutes(20));
        assert_eq!(script.accept(16, text("START"))[0], "opted in");
    }

    #[test]
    fn a_start_that_a_webhook_has_brought_counts_though_the_clock_has_gone_back_and_forth() {
        let mut script = script();
        script.accept(8, text("stop"));
        script.now = script.now.minus(minutes(20));
        let start = Input::WorkAccepted(script.record(16, text("START")));
        script.advance(minutes(30));
        assert_eq!(script.give(start)[0], "opted in");
    }

    #[test]
    fn a_stop_outlives_the_process() {
        let mut script = script();
        script.accept(8, text("stop"));
        let mut again = Script::restored(Some(&script.conversation.snapshot()), Vec::new());
        assert_eq!(again.accept(16, text("hm")), ["has stopped 16", "consume 16 asks 0 error rows []"]);
    }

    #[test]
    fn the_provider_may_know_it_first() {
        let mut script = script();
        script.accept(8, text("hi"));
        script.replied(8, 1, answer("hello"));
        script.slot("8-0");
        let effects = script.refused("8-0", SendError::OptedOut);
        assert!(effects.contains(&"opted out by Provider".to_owned()), "{effects:?}");
        assert_eq!(script.accept(16, text("hm"))[0], "has stopped 16");
        assert_eq!(script.accept(24, Work::Preference(Keyword::Start)), ["opted in", "consume 24 asks 0 rows []"]);
        assert_eq!(
            script.accept(32, Work::Preference(Keyword::Stop)),
            ["opted out by Provider", "consume 32 asks 0 rows []"]
        );
        assert_eq!(script.accept(40, Work::Preference(Keyword::Help)), ["consume 40 asks 0 rows []"]);
    }

    #[test]
    fn help_is_the_assistants_unless_the_tenant_has_an_answer_to_it() {
        let mut script = script();
        assert!(script.accept(8, text("help")).iter().any(|effect| effect.starts_with("ask 8/1")));
        script.policy.keywords.help_message = Some("We are Acme. Reply STOP to stop.".into());
        let effects = script.accept(16, text("HELP"));
        assert_eq!(effects[0], "consume 16 asks 0 rows [16-0 \"We are Acme. Reply STOP to stop.\"]");
        script.accept(24, text("stop"));
        let effects = script.accept(32, text("help"));
        assert_eq!(effects[0], "consume 32 asks 0 rows [32-0 \"We are Acme. Reply STOP to stop.\"]");
    }

    #[test]
    fn keywords_may_be_left_to_the_assistant() {
        let mut script = script();
        script.policy.keywords.handling = KeywordHandling::LeftToTheAssistant;
        assert!(script.accept(8, text("STOP")).iter().any(|effect| effect.starts_with("ask 8/1 \"STOP\"")));
    }

    #[test]
    fn who_has_stopped_can_come_back_after_keywords_were_left_to_the_assistant() {
        let mut script = script();
        script.accept(8, text("STOP"));
        script.policy.keywords.handling = KeywordHandling::LeftToTheAssistant;
        script.accept(16, text("START"));
        assert!(script.accept(24, text("hi")).iter().any(|effect| effect.starts_with("ask 24/1 \"hi\"")));
    }

    #[test]
    fn a_refusal_for_one_who_has_opted_out_stops_nothing_where_keywords_are_left_to_the_assistant() {
        let mut script = script();
        script.policy.keywords.handling = KeywordHandling::LeftToTheAssistant;
        script.accept(8, text("hi"));
        script.replied(8, 1, answer("hello"));
        script.slot("8-0");
        script.refused("8-0", SendError::OptedOut);
        assert!(script.accept(16, text("more")).iter().any(|effect| effect.starts_with("ask 16/1 \"more\"")));
    }
}
