//! Keeps the phone on the line: when the stream of events ends it waits a little longer each time and connects again after the last
//! text it got. Posts texts one after the other, so that they are accepted in the order they were typed.

use std::time::Duration;

use futures_util::StreamExt;
use raconteur_conversation::retry::Backoff;
use raconteur_conversation::words::{OutboundId, Sequence};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::model::{Line, News, Outgoing};
use super::wire::{Event, Events, Since, Wire};

/// How much news may wait for the screen.
const NEWS_MAX: usize = 256;

/// How many texts may wait to be posted.
const OUTGOING_MAX: usize = 1_024;

/// The phone's end of the line. Dropping it hangs up.
pub(super) struct Link {
    pub(super) news: mpsc::Receiver<News>,
    outgoing: mpsc::Sender<Outgoing>,
    telling: mpsc::Sender<News>,
    tasks: [tokio::task::JoinHandle<()>; 2],
}

impl Link {
    /// Goes on with a stream that is open already.
    pub(super) fn new(wire: Wire, first: Events, backoff: Backoff) -> Self {
        let (telling, news) = mpsc::channel(NEWS_MAX);
        let (outgoing, to_post) = mpsc::channel(OUTGOING_MAX);
        let listening = tokio::spawn(listen(wire.clone(), first, backoff, telling.clone()));
        let posting = tokio::spawn(post(wire, to_post, telling.clone()));
        Self { news, outgoing, telling, tasks: [listening, posting] }
    }

    /// Puts a text in line to be posted; what became of it comes as news.
    pub(super) fn post(&self, outgoing: Outgoing) {
        if let Err(full) = self.outgoing.try_send(outgoing) {
            let failed = News::Posted(full.into_inner().ticket, Err("too many texts wait to be sent".into()));
            let telling = self.telling.clone();
            tokio::spawn(async move { telling.send(failed).await });
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

async fn post(wire: Wire, mut to_post: mpsc::Receiver<Outgoing>, news: mpsc::Sender<News>) {
    while let Some(outgoing) = to_post.recv().await {
        let outcome = wire.post(&outgoing).await;
        if news.send(News::Posted(outgoing.ticket, outcome)).await.is_err() {
            return;
        }
    }
}

async fn listen(wire: Wire, first: Events, backoff: Backoff, news: mpsc::Sender<News>) {
    let mut heard = Heard { from: Since::Latest, failures: 0 };
    let mut line = Ok(first);
    while !news.is_closed() {
        let reason = match line {
            Ok(events) => heard.follow(events, &news).await,
            Err(error) => format!("{error:#}"),
        };
        heard.failures = heard.failures.saturating_add(1);
        let again_in = backoff.after(heard.failures, Uuid::new_v4().as_u64_pair().0);
        if tell(&news, Line::Lost { reason, again_in }).await.is_none() {
            return;
        }
        tokio::time::sleep(again_in.max(Duration::from_millis(1))).await;
        line = wire.events(heard.from).await;
    }
}

async fn tell(news: &mpsc::Sender<News>, line: Line) -> Option<()> {
    news.send(News::Line(line)).await.ok()
}

/// How far the phone has listened.
struct Heard {
    from: Since,
    failures: u32,
}

impl Heard {
    /// Passes events on until the line is lost; returns why.
    async fn follow(&mut self, mut events: Events, news: &mpsc::Sender<News>) -> String {
        if tell(news, Line::Up).await.is_none() {
            return String::new();
        }
        while let Some(event) = events.next().await {
            let event = match event {
                Ok(event) => event,
                Err(error) => return format!("{error:#}"),
            };
            self.failures = 0;
            match (&event, self.from) {
                (Event::Text { id, .. }, _) => self.from = Since::After(*id),
                // Even without a single text so far, the past must not be told a second time.
                (Event::Live, Since::Latest) => self.from = Since::After(OutboundId { turn: Sequence(0), part: 0 }),
                (Event::Live, Since::After(_)) | (Event::Inbound { .. }, _) => {}
            }
            if news.send(News::Event(event)).await.is_err() {
                break;
            }
        }
        "the gateway hung up".to_owned()
    }
}
