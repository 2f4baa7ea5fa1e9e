//! A provider's log of what users have sent, for the stories in which texts are missing.

use std::time::Duration;

use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{LogPage, LogUnreadable, LoggedText, Media, Received};
use tokio::time::Instant;

/// A provider's log of what users have sent.
#[derive(Default)]
pub(crate) struct ReceivedLog {
    pub(crate) texts: Vec<LoggedText>,
    /// So many texts are on a page; zero for all.
    pub(crate) page: usize,
    /// How it fails, as long as it does.
    pub(crate) fails: Option<Fails>,
    /// Since when it was read, page by page; and when.
    pub(crate) reads: Vec<(UnixMillis, usize, Instant)>,
    /// The media of any text; `None` while they cannot be read.
    pub(crate) media: Option<Vec<Media>>,
    /// Whose media were asked for.
    pub(crate) media_asked: Vec<String>,
}

/// How a log is not read.
#[derive(Clone, Copy)]
pub(crate) enum Fails {
    Plainly,
    AskingFor(Duration),
    Panicking,
    Hanging,
    Unsupported,
}

impl Fails {
    pub(super) async fn now(self) -> Received {
        match self {
            Self::Plainly => unreadable(None),
            Self::AskingFor(wait) => unreadable(Some(wait)),
            Self::Panicking => panic!("the transport was told to panic"),
            Self::Hanging => std::future::pending().await,
            Self::Unsupported => Received::Unsupported,
        }
    }
}

fn unreadable(after: Option<Duration>) -> Received {
    Received::Unreadable(LogUnreadable { reason: "as the test asked".into(), after })
}

impl ReceivedLog {
    pub(super) fn page(&mut self, since: UnixMillis, page: Option<&LogPage>) -> Received {
        let from = page.map_or(0, |page| page.0.parse().unwrap());
        self.reads.push((since, from, Instant::now()));
        let mut newest_first: Vec<LoggedText> = self.texts.iter().rev().cloned().collect();
        newest_first.sort_by_key(|text| std::cmp::Reverse(text.at));
        let to = if self.page == 0 { newest_first.len() } else { (from + self.page).min(newest_first.len()) };
        let texts = newest_first[from.min(to)..to].to_vec();
        let reached = texts.iter().any(|text| text.at < since) || to == newest_first.len();
        Received::Readable { texts, next: (!reached).then(|| LogPage(to.to_string())) }
    }
}
