//! What a provider's log says of texts that users have sent to one of our numbers: how those are found that came while nobody
//! was there to take them.

use std::time::Duration;

use crate::address::ConversationKey;
use crate::time::UnixMillis;
use crate::words::InboundMessage;

/// Where a page of a provider's log begins: the transport's own word, given back to it as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPage(pub String);

/// One text of a user's in a provider's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedText {
    /// When the provider got it.
    pub at: UnixMillis,
    /// Whose conversation.
    pub key: ConversationKey,
    /// The id with which the provider's own request would have brought it: so it is known again, whichever comes first.
    pub id: String,
    /// What it says, with the media that the log lists.
    pub message: InboundMessage,
    /// How many media came with it that the log does not list.
    pub unlisted_media: usize,
}

/// A log, or a part of it, that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogUnreadable {
    /// In words for a log line, without numbers and texts.
    pub reason: String,
    /// How long the provider wants to be left alone.
    pub after: Option<Duration>,
}

/// What a look for texts that users have sent to us has brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// The provider has no such log.
    Unsupported,
    /// One page of it, newest first.
    Readable {
        /// The texts.
        texts: Vec<LoggedText>,
        /// The page behind it; `None` when this one reached back far enough, or was the last.
        next: Option<LogPage>,
    },
    /// It could not be read just now.
    Unreadable(LogUnreadable),
}
