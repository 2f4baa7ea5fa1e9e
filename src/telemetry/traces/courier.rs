//! Hands spans over to a collector: gathers them, posts them, and tries again for a while when nobody is there.
//!
//! Nothing of this may hurt the gateway. Whoever is done with a span puts it into a line of bounded length and goes on; where the line is
//! full the span is dropped. Whatever is dropped, here or by the collector, is counted. Nothing is kept on disk.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use raconteur_conversation::retry::Backoff;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use crate::client::{Ask, Outbound, Reply, Unanswered, retry_after};
use crate::metrics::Spans;

/// How many spans one request has at most.
const BATCH_MAX: usize = 512;

/// How much of an answer is read.
const ANSWER_MAX: usize = 64 * 1_024;

/// How often a batch is tried.
const ATTEMPTS: u32 = 5;

/// The waits between attempts. No collector is believed who asks for a longer one.
const BACKOFF: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(30) };

/// Where spans are put.
pub(super) struct Post {
    line: mpsc::Sender<Span>,
    counts: Spans,
}

impl Post {
    pub(super) fn put(&self, span: Span) {
        if self.line.try_send(span).is_err() {
            self.counts.queue_full.inc();
        }
    }
}

/// A line of this length, from one end to the other.
pub(super) fn line(most: usize, counts: &Spans) -> (Post, mpsc::Receiver<Span>) {
    let (line, queue) = mpsc::channel(most);
    (Post { line, counts: counts.clone() }, queue)
}

/// See the module.
pub(super) struct Courier {
    pub(super) queue: mpsc::Receiver<Span>,
    pub(super) out: Outbound,
    pub(super) address: Uri,
    pub(super) headers: HeaderMap,
    pub(super) resource: Resource,
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    pub(super) counts: Spans,
    /// Resolves when it is to close.
    pub(super) closing: oneshot::Receiver<()>,
    pub(super) stage: Stage,
}

/// Whether more is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Open,
    Closing,
}

/// What came of one attempt.
enum Attempt {
    /// All were taken but so many.
    Taken(u64),
    /// They never will be.
    Refused(String),
    /// Later, perhaps; not before this time is over.
    Later(String, Duration),
}

impl Courier {
    /// Runs until it is told to close and has handed over what is left, or until nobody is left to tell.
    pub(super) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        let mut is_well = true;
        loop {
            if self.is_open() {
                tokio::select! {
                    biased;
                    _ = &mut self.closing => self.stage = Stage::Closing,
                    () = gather(&mut self.queue, &mut batch, self.interval) => {}
                }
            }
            if !self.is_open() {
                self.queue.close();
                while batch.len() < BATCH_MAX
                    && let Ok(span) = self.queue.try_recv()
                {
                    batch.push(span);
                }
            }
            if batch.is_empty() {
                return;
            }
            let spans = std::mem::take(&mut batch);
            let attempt = self.hand_over(&spans).await;
            is_well = self.note(attempt, spans.len() as u64, is_well);
        }
    }

    fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    /// Tries until it is known what became of a batch, or often enough. At the end there is no time to wait: then once more, and no more.
    async fn hand_over(&mut self, spans: &[Span]) -> Attempt {
        let body = Bytes::from(self.request(spans).encode_to_vec());
        let mut failures = 0;
        loop {
            let attempt = self.attempt(body.clone()).await;
            failures += 1;
            let Attempt::Later(_, wait) = &attempt else { return attempt };
            if failures == ATTEMPTS || !self.is_open() {
                return attempt;
            }
            let wait = (*wait).max(BACKOFF.after(failures, 0)).min(BACKOFF.longest);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = &mut self.closing => self.stage = Stage::Closing,
            }
        }
    }

    fn request(&self, spans: &[Span]) -> ExportTraceServiceRequest {
        let (name, version) = ("raconteur".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        let scope = Some(InstrumentationScope { name, version, ..InstrumentationScope::default() });
        let scope_spans = vec![ScopeSpans { scope, spans: spans.to_vec(), ..ScopeSpans::default() }];
        let resource = Some(self.resource.clone());
        ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }],
        }
    }

    async fn attempt(&self, body: Bytes) -> Attempt {
        let mut headers = self.headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let ask = Ask { method: Method::POST, uri: self.address.clone(), headers, body };
        match timeout(self.timeout, self.out.ask(ask, ANSWER_MAX)).await {
            Ok(Ok(reply)) => judge(&reply),
            Ok(Err(Unanswered::Refused(refused))) => Attempt::Refused(refused.to_string()),
            Ok(Err(Unanswered::NotConnected(why) | Unanswered::Lost(why))) => Attempt::Later(why, Duration::ZERO),
            Err(_elapsed) => Attempt::Later(format!("no answer within {:?}", self.timeout), Duration::ZERO),
        }
    }

    /// Counts what came of a batch. A collector that is away is logged of once, and when it is back.
    fn note(&self, attempt: Attempt, count: u64, was_well: bool) -> bool {
        let why = match attempt {
            Attempt::Taken(rejected) => {
                let rejected = rejected.min(count);
                self.counts.exported.inc_by(count - rejected);
                self.counts.refused.inc_by(rejected);
                if !was_well {
                    tracing::info!("traces are handed over again");
                }
                return true;
            }
            Attempt::Refused(why) => {
                self.counts.refused.inc_by(count);
                why
            }
            Attempt::Later(why, _) => {
                self.counts.unreachable.inc_by(count);
                why
            }
        };
        if was_well {
            tracing::warn!(why, "traces cannot be handed over and are dropped");
        }
        false
    }
}

/// Waits for spans, and then until there are enough, the interval is over or no more can come.
async fn gather(queue: &mut mpsc::Receiver<Span>, batch: &mut Vec<Span>, interval: Duration) {
    if queue.recv_many(batch, BATCH_MAX).await == 0 {
        return;
    }
    let until = Instant::now() + interval;
    while batch.len() < BATCH_MAX {
        let room = BATCH_MAX - batch.len();
        match timeout_at(until, queue.recv_many(batch, room)).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// By OTLP's own rules: which statuses are worth another attempt, and that what was taken may have been taken in part.
fn judge(reply: &Reply) -> Attempt {
    let later = [
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::BAD_GATEWAY,
        StatusCode::SERVICE_UNAVAILABLE,
        StatusCode::GATEWAY_TIMEOUT,
    ];
    let status = reply.status;
    if later.contains(&status) {
        return Attempt::Later(format!("status {status}"), retry_after(&reply.headers).unwrap_or_default());
    }
    if !status.is_success() {
        return Attempt::Refused(format!("status {status}"));
    }
    let answer = ExportTraceServiceResponse::decode(reply.body.clone()).unwrap_or_default();
    let rejected = answer.partial_success.map_or(0, |partial| partial.rejected_spans);
    Attempt::Taken(u64::try_from(rejected).unwrap_or(0))
}

#[cfg(test)]
mod tests;
