//! Log webhooks: told of each question with its answer, after the answer, and never waited for.
//!
//! Each webhook has a queue and one task that empties it in order. When a queue is full, what is new is dropped and counted; that, and
//! that a webhook cannot be told, is logged at most once a minute. The queues are in memory: what is in them is lost with the process.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use raconteur_conversation::words::{Answer, Question};
use serde::Serialize;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::Instant;
use uuid::Uuid;

use super::exchange::Hook;
use super::request::Request;
use super::response::Response;

/// So many messages may wait for one webhook.
const QUEUE_MAX: usize = 1_000;

/// What is lost is logged no more often than this.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// The log webhooks of one assistant.
pub(super) struct Log(Vec<Queue>);

/// One webhook and what waits for it.
struct Queue {
    assistant: String,
    hook: Arc<Hook>,
    /// Made with the first message: assistants are also opened where nothing runs, only to be checked.
    sender: OnceLock<Sender<Entry>>,
    dropped: Mutex<Losses>,
}

/// One message that waits.
struct Entry {
    event: Bytes,
    turn: Uuid,
}

#[derive(Serialize)]
struct Event<'a> {
    event: Name,
    payload: Payload<'a>,
}

#[derive(Serialize)]
struct Name {
    name: &'static str,
}

#[derive(Serialize)]
struct Payload<'a> {
    request: &'a Request,
    response: &'a Response,
    session_id: Uuid,
    turn_id: Uuid,
    at: String,
}

impl Log {
    /// Log webhooks of the assistant that the log calls `name`.
    pub(super) fn new(name: &str, hooks: Vec<Hook>) -> Self {
        let queue = |hook| Queue {
            assistant: name.to_owned(),
            hook: Arc::new(hook),
            sender: OnceLock::new(),
            dropped: Mutex::default(),
        };
        Self(hooks.into_iter().map(queue).collect())
    }

    /// There is nobody to tell.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells all of them of a question and its answer, soon.
    pub(super) fn tell(&self, question: &Question, request: &Request, answer: &Answer) {
        if self.is_empty() {
            return;
        }
        let request = request.without_private();
        let response = Response::of(answer, &request);
        let payload = Payload {
            request: &request,
            response: &response,
            session_id: question.variables.session,
            turn_id: question.turn_id,
            at: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
        };
        let event = Event { event: Name { name: "message_logged" }, payload };
        let event: Bytes = serde_json::to_vec(&event).expect("JSON values with string keys can be written").into();
        for queue in &self.0 {
            queue.add(Entry { event: event.clone(), turn: question.turn_id });
        }
    }
}

impl Queue {
    fn add(&self, entry: Entry) {
        let sender = self.sender.get_or_init(|| {
            let (sender, receiver) = mpsc::channel(QUEUE_MAX);
            tokio::spawn(empty(Arc::clone(&self.hook), self.assistant.clone(), receiver));
            sender
        });
        if sender.try_send(entry).is_ok() {
            return;
        }
        let lost = self.dropped.lock().unwrap_or_else(PoisonError::into_inner).add(Instant::now());
        if let Some(count) = lost {
            tracing::warn!(assistant = self.assistant, count, "a log webhook is too slow: messages are not told to it");
        }
    }
}

/// Tells a webhook what waits for it, until its assistant is gone and nothing waits any more.
async fn empty(hook: Arc<Hook>, assistant: String, mut receiver: Receiver<Entry>) {
    let mut failed = Losses::default();
    while let Some(Entry { event, turn }) = receiver.recv().await {
        if let Err(error) = hook.tell(event, turn).await
            && let Some(count) = failed.add(Instant::now())
        {
            tracing::warn!(assistant, count, "a log webhook {error}: messages are not told to it");
        }
    }
}

/// Counts what is lost and says when to tell of it.
#[derive(Default)]
struct Losses {
    count: u64,
    told: Option<Instant>,
}

impl Losses {
    /// One more; returns how many since it was last told, when it is time to tell.
    fn add(&mut self, now: Instant) -> Option<u64> {
        self.count = self.count.saturating_add(1);
        if self.told.is_some_and(|told| now.duration_since(told) < TOLD_EVERY) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_told_at_once_and_then_once_a_minute_with_their_number() {
        let (mut losses, start) = (Losses::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let told: Vec<_> = [0, 1, 59, 60, 61, 119, 120].map(|seconds| losses.add(at(seconds))).into();
        assert_eq!(told, [Some(1), None, None, Some(3), None, None, Some(3)]);
    }
}
