//! A tenant's rules. Passed by reference into every step and never kept in a snapshot, so that a changed configuration holds at once.

use std::time::Duration;

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

/// How texts are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendPolicy {
    /// How long one call to the provider may take; after that its outcome is unknown.
    pub timeout: Duration,
    /// How long a text is worth delivering.
    pub valid_for: Duration,
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
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            assistant: "assistant".into(),
            session_timeout: Duration::from_secs(3_600),
            failure_message: "We're sorry, but we can't respond to your message right now. Please try again later."
                .into(),
            options_prefix: "%s. ".into(),
            ask: AskPolicy { timeout: Duration::from_secs(30), retries: 2, interval: Duration::from_secs(2) },
            send: SendPolicy {
                timeout: Duration::from_secs(30),
                valid_for: Duration::from_secs(4 * 3_600),
                backoff: Backoff { first: Duration::from_secs(2), longest: Duration::from_secs(300) },
                pause: Duration::from_secs(60),
                reconcile_after: Duration::from_secs(30),
                reconcile_for: Duration::from_secs(600),
                doubt: DoubtPolicy::GiveUp,
                text_max: 1_600,
                media_max: 10,
                repeat: Repeat::AskLog,
            },
            answer_within: Duration::from_secs(12 * 3_600),
            max_context: 256 * 1_024,
            outbox_max: 100,
            poison_attempts: 3,
        }
    }
}
