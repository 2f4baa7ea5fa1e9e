//! A tenant's rules. Passed by reference into every step and never kept in a snapshot, so that a changed configuration holds at once.

use std::time::Duration;

use crate::quiet::QuietHours;
use crate::retry::Backoff;
use crate::words::Repeat;

/// How an assistant is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskPolicy {
    /// How long one attempt may take, where the session has no `smsConversationResponseTimeout`.
    pub timeout: Duration,
    /// How many more attempts follow a failed one, where the session has no `smsConversationResponseTimeout` (then: one).
    pub retries: u32,
    /// The wait between two attempts.
    pub interval: Duration,
}

/// What becomes of a text of which nobody can say whether it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoubtPolicy {
    /// It is not sent again and shown as unknown.
    GiveUp,
    /// It is sent again, at the risk that the user gets it twice.
    Resend,
}

/// What a provider takes for a loop: once more than `texts` texts to one user have followed each other, each within `within` of the
/// one before, it fails those that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopGuard {
    /// So many texts are no loop yet.
    pub texts: u16,
    /// After a break of this length it counts anew.
    pub within: Duration,
}

/// How texts are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendPolicy {
    /// How long one call to the provider may take; after that its outcome is unknown.
    pub timeout: Duration,
    /// How long a text is worth delivering.
    pub valid_for: Duration,
    /// How many attempts may follow one that surely was not taken; `None` for as many as fit into `valid_for`.
    pub retries: Option<u32>,
    /// The waits between attempts that surely were not taken.
    pub backoff: Backoff,
    /// How long a number pauses when the provider does not say how long, or an operator must act first.
    pub pause: Duration,
    /// How long after a call began the provider's log is read when the call's outcome is unknown.
    pub reconcile_after: Duration,
    /// How long an unreadable log is tried before [`SendPolicy::doubt`] decides.
    pub reconcile_for: Duration,
    /// What then.
    pub doubt: DoubtPolicy,
    /// The longest text that the transport takes, in UTF-16 code units; longer ones are split at a word.
    pub text_max: usize,
    /// How many media the transport takes with one text.
    pub media_max: usize,
    /// Whether the transport may repeat a send of unknown outcome.
    pub repeat: Repeat,
    /// Whether the transport is asked about media before they are sent.
    pub media_check: MediaCheck,
    /// What the transport's provider takes for a loop; `None` where it does not look.
    pub loop_guard: Option<LoopGuard>,
}

/// How many turns one user may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloodLimit {
    /// So many at once; then one each time this part of `within` has passed.
    pub turns: u32,
    /// How long that many turns are to last.
    pub within: Duration,
}

/// How texts that a user sends one upon the other become one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gather {
    /// A turn waits until the user has sent nothing for so long.
    pub pause: Duration,
    /// It waits no longer than this from his first text on.
    pub at_most: Duration,
}

/// Whether a transport is asked about media before they are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaCheck {
    /// It takes what it is given.
    No,
    /// It takes some and not others.
    Ask,
}

/// Whether a text may open a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InboundStart {
    /// It does.
    Allowed,
    /// Only a request from our side does; a text without a session is dropped and counted.
    Refused,
}

/// How a session begins that a text has opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// The text is answered directly.
    Direct,
    /// The assistant is asked to speak first, and then the text; both answers go out as one.
    Welcome,
}

/// Whether the assistant is told when the user was silent for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutTurn {
    /// The session ends silently.
    No,
    /// One more turn is taken with the text `smsResponseTimeout`, its answer is sent, and then the session ends.
    Yes,
}

/// Whether an assistant understands `smsActSetConversationConfig`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switchable {
    /// It does not: the command is reported and has no effect.
    No,
    /// It does.
    Yes,
}

/// What becomes of STOP, START, HELP and their relatives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeywordPolicy {
    /// Whether they are anything but texts.
    pub handling: KeywordHandling,
    /// What the user gets once when he stops our texts. Nothing, where it is empty, or `None` and the provider answers by itself.
    pub stop_message: Option<String>,
    /// What he gets when he wants them again; the same holds.
    pub start_message: Option<String>,
    /// What he gets for HELP; `None` or empty leaves it to the assistant.
    pub help_message: Option<String>,
}

impl KeywordPolicy {
    /// Sets what a user is to be told by a gateway whose provider does not tell him.
    pub fn fill_in(&mut self) {
        let stopped = "You are unsubscribed and get no more texts from us. Reply START to get them again.";
        self.stop_message.get_or_insert_with(|| stopped.into());
        let started = "You are subscribed again. Reply STOP to get no more texts.";
        self.start_message.get_or_insert_with(|| started.into());
    }
}

/// Whether keywords are anything but texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeywordHandling {
    /// They are obeyed.
    Obeyed,
    /// They are texts like any other: somebody else sees to it that users can stop them.
    LeftToTheAssistant,
}

impl Default for KeywordPolicy {
    fn default() -> Self {
        Self { handling: KeywordHandling::Obeyed, stop_message: None, start_message: None, help_message: None }
    }
}

/// All rules of one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The configured name of the tenant's assistant: state written by another is not handed to it.
    pub assistant: String,
    /// How long the user may be silent before the session ends.
    pub session_timeout: Duration,
    /// What the user gets when a turn fails.
    pub failure_message: String,
    /// What stands before each entry of a list; `%s` becomes its number.
    pub options_prefix: String,
    /// The same for a list of suggestions.
    pub suggestions_prefix: String,
    /// Whether a text may open a session.
    pub inbound_start: InboundStart,
    /// How a session begins that a text has opened.
    pub greeting: Greeting,
    /// Whether the assistant is told when the user was silent for too long.
    pub timeout_turn: TimeoutTurn,
    /// A timeout turn that would come later than this is left out, and the session ends silently.
    pub timeout_turn_grace: Duration,
    /// How many turns without the user's input may follow one of his texts; at most 6.
    pub max_chained_turns: u8,
    /// Whether the assistant understands `smsActSetConversationConfig`.
    pub switchable: Switchable,
    /// What becomes of STOP, START and HELP.
    pub keywords: KeywordPolicy,
    /// How the assistant is asked.
    pub ask: AskPolicy,
    /// How texts are sent.
    pub send: SendPolicy,
    /// An unread text older than this gets the failure message without the assistant being asked.
    pub answer_within: Duration,
    /// An assistant's state larger than this, in bytes, fails the turn; the old state stays.
    pub max_context: usize,
    /// At this many unsent texts a conversation asks no more questions until some have gone.
    pub outbox_max: usize,
    /// At this many failed attempts a message is set aside.
    pub poison_attempts: u8,
    /// How many turns one user may have; further texts of his wait. `None` for as many as he likes.
    pub flood: Option<FloodLimit>,
    /// How texts that a user sends one upon the other become one turn; `None` where each is its own.
    pub gather: Option<Gather>,
    /// When users are texted only if they have texted first; `None` for never.
    pub quiet_hours: Option<QuietHours>,
    /// How long answered turns and dead letters are kept; `None` for ever.
    pub transcripts_kept: Option<Duration>,
}

impl Policy {
    /// How long an answered turn is kept; `None` for ever. As long as its texts may be on their way, others must be told from them.
    #[must_use]
    pub fn turns_kept(&self) -> Option<Duration> {
        self.transcripts_kept.map(|kept| kept.max(self.sent_within()))
    }

    /// No text is sent later than this after it was committed.
    #[must_use]
    pub fn sent_within(&self) -> Duration {
        let valid_for = self.send.valid_for;
        self.quiet_hours.as_ref().map_or(valid_for, |quiet| quiet.longest(valid_for).max(valid_for))
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            assistant: "assistant".into(),
            session_timeout: Duration::from_secs(3_600),
            failure_message: "We're sorry, but we can't respond to your message right now. Please try again later."
                .into(),
            options_prefix: "%s. ".into(),
            suggestions_prefix: "%s. ".into(),
            inbound_start: InboundStart::Allowed,
            greeting: Greeting::Direct,
            timeout_turn: TimeoutTurn::No,
            timeout_turn_grace: Duration::from_secs(300),
            max_chained_turns: 5,
            switchable: Switchable::No,
            keywords: KeywordPolicy::default(),
            ask: AskPolicy { timeout: Duration::from_secs(30), retries: 2, interval: Duration::from_secs(2) },
            send: SendPolicy {
                timeout: Duration::from_secs(30),
                valid_for: Duration::from_secs(4 * 3_600),
                retries: None,
                backoff: Backoff { first: Duration::from_secs(2), longest: Duration::from_secs(300) },
                pause: Duration::from_secs(60),
                reconcile_after: Duration::from_secs(30),
                reconcile_for: Duration::from_secs(600),
                doubt: DoubtPolicy::GiveUp,
                text_max: 1_600,
                media_max: 10,
                repeat: Repeat::AskLog,
                media_check: MediaCheck::No,
                loop_guard: None,
            },
            answer_within: Duration::from_secs(12 * 3_600),
            max_context: 256 * 1_024,
            outbox_max: 100,
            poison_attempts: 3,
            flood: Some(FloodLimit { turns: 60, within: Duration::from_secs(600) }),
            gather: None,
            quiet_hours: None,
            transcripts_kept: None,
        }
    }
}
