//! One reading of a provider's log: from its newest page back to where something may be missing, then forward again, oldest text
//! first, into the inbox.
//!
//! Few pages are kept in memory; those between the newest and these are asked for once more. A conversation that has no room keeps
//! its later texts waiting as well, so that its order holds; a store that has none ends the reading.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use raconteur_conversation::address::Address;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{LogPage, LogUnreadable, LoggedText, Received, Work};
use raconteur_storage::Limit;

use super::{Due, Ended};
use crate::call::LOG_MARGIN;
use crate::inbox::{self, Offer, Outcome, Refused};
use crate::port::{CaughtUp, Incident, Reading};
use crate::runtime::Runtime;
use crate::tenant::Tenant;

/// So many pages are kept in memory.
const PAGES_KEPT: usize = 8;
/// A log is read no further back than this.
const PAGES_MAX: usize = 1_000;
/// How long one page, or the media of one text, may take.
const PAGE_TIMEOUT: Duration = Duration::from_secs(60);
/// So many conversations may be without room before a reading ends.
const HELD_MAX: usize = 1_000;
/// The marks of what was accepted are older than this by the time they are forgotten, however clocks differ; or by a tenth of the
/// time for which they are kept, if that is shorter.
const MARKS_MARGIN: Duration = Duration::from_secs(3_600);

/// A page of the log, and where it begins.
struct Page {
    at: Option<LogPage>,
    texts: Option<Vec<LoggedText>>,
}

/// Why no further page comes.
enum NoPage {
    Unsupported,
    Unreadable(LogUnreadable),
}

/// Reads what was sent to a number since `since`, but for what nobody could know again, and accepts what is missing.
pub(super) async fn read(runtime: &Runtime, tenant: &Tenant, due: &Due) -> Ended {
    match runtime.store.crowded().await {
        Ok(None) => {}
        Ok(Some(_)) | Err(_) => return Ended::Crowded,
    }
    let from = reach(runtime, due);
    let mut feed = Feed { runtime, tenant, from, found: CaughtUp::default(), held: BTreeSet::new(), left: None };
    let ended = match feed.run().await {
        Ok(()) => feed.left.map_or(Ended::Complete, |(since, after)| Ended::Left(since, after)),
        Err(NoPage::Unsupported) => return Ended::Unsupported,
        Err(NoPage::Unreadable(LogUnreadable { reason, after })) => {
            let number = &tenant.number;
            tracing::warn!(tenant = ?number, reason, "the provider's log cannot be read for missing texts; it is tried again");
            Ended::Unreadable(after)
        }
    };
    feed.tell(ended);
    ended
}

/// How far back the log is read: a little further than needed, since clocks differ, and never so far that what was answered long ago
/// would not be known again.
fn reach(runtime: &Runtime, due: &Due) -> UnixMillis {
    let kept = runtime.settings.remember_duplicates;
    let oldest = runtime.now().minus(kept.saturating_sub(MARKS_MARGIN.min(kept / 10)));
    if due.since < oldest {
        tracing::warn!("texts that are missing for longer than duplicates_kept are not looked for");
    }
    let from = due.since.minus(LOG_MARGIN).max(due.floor).max(oldest);
    // Logs count in seconds.
    UnixMillis(from.0 / 1_000 * 1_000)
}

/// What is being taken from one log.
struct Feed<'a> {
    runtime: &'a Runtime,
    tenant: &'a Tenant,
    from: UnixMillis,
    found: CaughtUp,
    /// Users whose conversations have no room.
    held: BTreeSet<Address>,
    /// From when on something is still missing, and how long the provider wants to be left alone.
    left: Option<(UnixMillis, Option<Duration>)>,
}

/// What became of one text.
enum Offered {
    Taken,
    Known,
    /// There is no room in this conversation, or its media cannot be read.
    Later,
    /// There is no room for anything, or the provider wants to be left alone.
    Stop(Option<Duration>),
}

impl Feed<'_> {
    async fn run(&mut self) -> Result<(), NoPage> {
        let mut pages = self.pages().await?;
        while let Some(Page { at, texts }) = pages.pop() {
            let mut texts = match texts {
                Some(texts) => texts,
                None => self.page(at.as_ref()).await?.0,
            };
            texts.retain(|text| text.at >= self.from && text.key.tenant == self.tenant.number);
            texts.reverse();
            texts.sort_by_key(|text| text.at);
            for text in texts {
                if self.take(text).await.is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// All pages back to where something may be missing, the oldest last; the texts of the last few of them.
    async fn pages(&self) -> Result<Vec<Page>, NoPage> {
        let (mut pages, mut at) = (Vec::new(), None);
        loop {
            let (texts, next) = self.page(at.as_ref()).await?;
            pages.push(Page { at, texts: Some(texts) });
            if let Some(page) = pages.len().checked_sub(PAGES_KEPT + 1).and_then(|index| pages.get_mut(index)) {
                page.texts = None;
            }
            if next.is_some() && pages.len() == PAGES_MAX {
                let tenant = &self.tenant.number;
                tracing::error!(
                    ?tenant,
                    PAGES_MAX,
                    "the provider's log has more pages than are read: older texts are missing"
                );
                return Ok(pages);
            }
            match next {
                Some(next) => at = Some(next),
                None => return Ok(pages),
            }
        }
    }

    async fn page(&self, at: Option<&LogPage>) -> Result<(Vec<LoggedText>, Option<LogPage>), NoPage> {
        let reading = self.tenant.transport.received_since(&self.tenant.number, self.from, at);
        match guarded(reading).await {
            Ok(Received::Readable { texts, next }) => Ok((texts, next)),
            Ok(Received::Unsupported) => Err(NoPage::Unsupported),
            Ok(Received::Unreadable(why)) | Err(why) => Err(NoPage::Unreadable(why)),
        }
    }

    async fn take(&mut self, text: LoggedText) -> ControlFlow<()> {
        let (at, user) = (text.at, text.key.user.clone());
        let offered = if self.held.contains(&user) { Offered::Later } else { self.offer(text).await };
        match offered {
            Offered::Taken => self.found.taken += 1,
            Offered::Known => self.found.known += 1,
            Offered::Later => {
                self.leave(at, None);
                self.held.insert(user);
                if self.held.len() >= HELD_MAX {
                    return ControlFlow::Break(());
                }
            }
            Offered::Stop(after) => {
                self.leave(at, after);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    fn leave(&mut self, at: UnixMillis, after: Option<Duration>) {
        self.found.left += 1;
        // They come oldest first: what is left first is missing longest.
        let since = self.left.map_or(at, |(since, _)| since);
        self.left = Some((since, after));
    }

    async fn offer(&self, text: LoggedText) -> Offered {
        if inbox::check_running(self.runtime).is_err() {
            return Offered::Stop(None);
        }
        let mut message = text.message.clone();
        if text.unlisted_media > 0 {
            // Asking for media costs a call each, and most of what a log has is known.
            match self.runtime.store.is_known(&text.key.tenant, &text.id).await {
                Ok(true) => return Offered::Known,
                Ok(false) => {}
                Err(_) => return Offered::Stop(None),
            }
            match guarded(self.tenant.transport.media_of(&text)).await {
                Ok(Ok(media)) => message.media.extend(media),
                Ok(Err(LogUnreadable { after: Some(after), .. })) => return Offered::Stop(Some(after)),
                Ok(Err(LogUnreadable { reason, after: None })) | Err(LogUnreadable { reason, .. }) => {
                    let tenant = &self.tenant.number;
                    tracing::warn!(?tenant, reason, "the media of a missing text cannot be read; it is tried again");
                    return Offered::Later;
                }
            }
        }
        message.from_log = true;
        let LoggedText { at, key, id, .. } = text;
        let offer = Offer { key, id, content: None, work: Work::Message(message), at: Some(at) };
        match inbox::accept(self.runtime, offer).await {
            Ok(Outcome::Accepted(_)) => Offered::Taken,
            Ok(Outcome::Duplicate(_) | Outcome::Noted | Outcome::Unknown) => Offered::Known,
            Err(Refused::Full(Limit::Inbox)) => Offered::Later,
            Err(Refused::Full(Limit::Backlog | Limit::Disk) | Refused::NotRunning | Refused::Store(_)) => {
                Offered::Stop(None)
            }
            // Its id stands for something else that was accepted; its number is this tenant's.
            Err(Refused::Conflict | Refused::UnknownTenant { .. }) => Offered::Known,
        }
    }

    fn tell(&self, ended: Ended) {
        let outcome = match ended {
            Ended::Complete => Reading::Complete,
            Ended::Left(..) => Reading::Partial,
            Ended::Unreadable(_) | Ended::Crowded | Ended::Unsupported => Reading::Unreadable,
        };
        let found = CaughtUp { outcome, ..self.found };
        self.runtime.incident(&Incident::CaughtUp(found));
        let (tenant, CaughtUp { taken, known, left, .. }) = (&self.tenant.number, found);
        if taken + left > 0 {
            tracing::info!(?tenant, taken, known, left, "the provider's log had texts that were missing");
        } else {
            tracing::debug!(?tenant, known, "the provider's log was read for missing texts");
        }
    }
}

/// One call to the transport: bounded in time, its panics caught.
async fn guarded<T>(call: impl Future<Output = T>) -> Result<T, LogUnreadable> {
    let unread = |reason: &str| LogUnreadable { reason: reason.into(), after: None };
    match tokio::time::timeout(PAGE_TIMEOUT, AssertUnwindSafe(call).catch_unwind()).await {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(_panic)) => Err(unread("the transport panicked")),
        Err(_elapsed) => Err(unread("it did not answer in time")),
    }
}
