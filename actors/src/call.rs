//! Calls to the outside: one ask, send, look-up or farewell as one task, in the tenant's lane, under a timeout.
//!
//! Whatever happens in such a task, a panic included, comes back to the conversation as one [`Done`], or is lost with a
//! conversation that is itself started again from the store.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use raconteur_conversation::address::ConversationId;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{
    Answer, AskError, Forward, Lookup, MediaVerdict, OutboundId, OutboundMessage, ProviderId, Question, SendError,
    SessionEnd, Token,
};
use ractor::ActorRef;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tracing::{Instrument, Span, field};

use crate::conversation::ConversationMsg;
use crate::lane::Slot;
use crate::port::Timed;
use crate::runtime::Runtime;
use crate::tenant::Tenant;

/// How far before a text's first attempt the provider's log is read back: clocks differ.
pub(crate) const LOG_MARGIN: Duration = Duration::from_secs(300);
/// How long a look at one medium may take.
const MEDIA_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a look into the provider's log may take.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(60);
/// How long an assistant may take to be told that a session is over.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(10);

/// What came of a call.
#[derive(Debug)]
pub(crate) enum Done {
    Asked(Token, Result<Box<Answer>, AskError>),
    Forwarded(Token, Result<(), AskError>),
    MediaChecked(Token, Vec<MediaVerdict>),
    SlotFree(OutboundId, Slot),
    Sent(OutboundId, Result<ProviderId, SendError>),
    /// What the provider's log says, from that time on.
    LogRead(OutboundId, UnixMillis, Lookup),
}

/// From whom a call comes, and to whom what comes of it goes.
pub(crate) struct Caller {
    pub(crate) to: ActorRef<ConversationMsg>,
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) conversation: ConversationId,
}

/// Asks the assistant; the handle takes the question back. What is logged meanwhile, by the assistant's own code as well, carries conversation and turn.
pub(crate) fn ask(caller: Caller, question: Arc<Question>) -> AbortHandle {
    let Caller { to, runtime, tenant, conversation } = caller;
    let work = async move {
        rest(question.delay).await;
        let span = tracing::info_span!("ask", %conversation, turn = %question.token, error = field::Empty);
        let (answer, took) = attempt(&tenant, &question).instrument(span.clone()).await;
        runtime.timed(Timed::Ask(answer.as_ref().map(drop)), took);
        note_failure(&span, &answer);
        drop(span);
        let _ = to.cast(ConversationMsg::Done(Done::Asked(question.token, answer.map(Box::new))));
    };
    tokio::spawn(work).abort_handle()
}

/// What has gone wrong belongs to the span in which it did.
fn note_failure<T, E: std::fmt::Display>(span: &Span, result: &Result<T, E>) {
    if let Err(error) = result {
        span.record("error", field::display(error));
    }
}

/// Waits, if there is anything to wait for: a timer that is due at once still takes up to a millisecond and a wake-up.
async fn rest(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

/// One attempt at a question, in the tenant's lane; and how long it took once there was room.
pub(crate) async fn attempt(tenant: &Tenant, question: &Question) -> (Result<Answer, AskError>, Duration) {
    let _slot = tenant.lane.ask_slot().await;
    let began = Instant::now();
    let asked = AssertUnwindSafe(tenant.assistant.ask(question)).catch_unwind();
    let within = question.timeout.saturating_add(tenant.assistant.allowance());
    let answered = match tokio::time::timeout(within, asked).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_panic)) => Err(AskError::Panicked),
        Err(_elapsed) => Err(AskError::Timeout(question.timeout)),
    };
    (answered, began.elapsed())
}

/// Hands a user's text to a voice gateway; the handle takes it back.
pub(crate) fn forward(caller: Caller, forward: Box<Forward>) -> AbortHandle {
    let Caller { to, runtime, tenant, conversation } = caller;
    let work = async move {
        rest(forward.delay).await;
        let span = tracing::debug_span!("forward", %conversation, turn = %forward.token, error = field::Empty);
        let done = hand_over(&runtime, &tenant, &forward).instrument(span.clone()).await;
        note_failure(&span, &done);
        drop(span);
        let _ = to.cast(ConversationMsg::Done(Done::Forwarded(forward.token, done)));
    };
    tokio::spawn(work).abort_handle()
}

async fn hand_over(runtime: &Runtime, tenant: &Tenant, forward: &Forward) -> Result<(), AskError> {
    let _slot = tenant.lane.ask_slot().await;
    let forwarding = async {
        match &runtime.forwarder {
            Some(forwarder) => forwarder.forward(forward).await,
            None => Err(AskError::Misconfigured { reason: "nothing here forwards texts to voice gateways".into() }),
        }
    };
    match tokio::time::timeout(forward.timeout, AssertUnwindSafe(forwarding).catch_unwind()).await {
        Ok(Ok(done)) => done,
        Ok(Err(_panic)) => Err(AskError::Panicked),
        Err(_elapsed) => Err(AskError::Timeout(forward.timeout)),
    }
}

/// Asks the transport which media it takes. One that is not judged in time is sent as it is.
pub(crate) fn check_media(to: ActorRef<ConversationMsg>, tenant: Arc<Tenant>, token: Token, urls: Vec<String>) {
    tokio::spawn(async move {
        let judge = |url: &String| {
            let (tenant, url) = (Arc::clone(&tenant), url.clone());
            async move {
                let judging = AssertUnwindSafe(tenant.transport.judge_media(&url)).catch_unwind();
                match tokio::time::timeout(MEDIA_TIMEOUT, judging).await {
                    Ok(Ok(verdict)) => verdict,
                    Ok(Err(_)) | Err(_) => MediaVerdict::AsMedia,
                }
            }
        };
        let verdicts = futures_util::future::join_all(urls.iter().map(judge)).await;
        let _ = to.cast(ConversationMsg::Done(Done::MediaChecked(token, verdicts)));
    });
}

/// Waits for room in the lane.
pub(crate) fn wait_for_slot(to: ActorRef<ConversationMsg>, tenant: Arc<Tenant>, id: OutboundId, segments: u32) {
    tokio::spawn(async move {
        let slot = tenant.lane.send_slot(segments).await;
        let _ = to.cast(ConversationMsg::Done(Done::SlotFree(id, slot)));
    });
}

/// Hands a text to the provider. What is logged meanwhile carries conversation and text.
pub(crate) fn send(caller: Caller, message: Box<OutboundMessage>, slot: Slot) {
    let Caller { to, runtime, tenant, conversation } = caller;
    // It may outlive the gateway, and would keep its store open.
    let runtime = Arc::downgrade(&runtime);
    let span = tracing::info_span!("send", %conversation, text = %message.id, error = field::Empty);
    let noted = span.clone();
    let work = async move {
        let (timeout, began) = (tenant.policy.send.timeout, Instant::now());
        let sending = AssertUnwindSafe(tenant.transport.send(&message)).catch_unwind();
        let sent = match tokio::time::timeout(timeout, sending).await {
            Ok(Ok(sent)) => sent,
            Ok(Err(_panic)) => Err(SendError::Unknown { reason: "the transport panicked".into() }),
            Err(_elapsed) => Err(SendError::Unknown { reason: format!("no answer within {timeout:?}") }),
        };
        if let Some(runtime) = runtime.upgrade() {
            runtime.timed(Timed::Send(sent.as_ref().map(drop)), began.elapsed());
        }
        if let Err(error) = &sent {
            note(error, &tenant);
        }
        note_failure(&noted, &sent);
        let _ = to.cast(ConversationMsg::Done(Done::Sent(message.id, sent)));
        drop(slot);
    };
    tokio::spawn(work.instrument(span));
}

/// A number that cannot send just now pauses as a whole.
fn note(error: &SendError, tenant: &Tenant) {
    match error {
        SendError::Pause { after, .. } => {
            tracing::warn!(tenant = ?tenant.number, %error, "the number pauses");
            tenant.lane.pause(after.unwrap_or(tenant.policy.send.pause));
        }
        SendError::Misconfigured { .. } => {
            tracing::error!(tenant = ?tenant.number, %error, "the number cannot send: mend its configuration");
            tenant.lane.pause(tenant.policy.send.pause);
        }
        // Who asks us to come later means the account, not this one text.
        SendError::Retry { after: Some(after), .. } => {
            tracing::warn!(tenant = ?tenant.number, %error, "the number pauses");
            tenant.lane.pause(*after);
        }
        SendError::Retry { after: None, .. } | SendError::Unknown { .. } => {
            tracing::warn!(tenant = ?tenant.number, %error, "not sent")
        }
        SendError::Rejected { .. } | SendError::OptedOut => tracing::info!(tenant = ?tenant.number, %error, "not sent"),
    }
}

/// Reads the provider's log.
pub(crate) fn read_log(to: ActorRef<ConversationMsg>, tenant: Arc<Tenant>, message: Box<OutboundMessage>) {
    tokio::spawn(async move {
        let since: UnixMillis = message.began_at.minus(LOG_MARGIN);
        let finding = AssertUnwindSafe(tenant.transport.find(&message, since)).catch_unwind();
        let lookup = match tokio::time::timeout(LOOKUP_TIMEOUT, finding).await {
            Ok(Ok(lookup)) => lookup,
            Ok(Err(_panic)) => Lookup::Unreadable { reason: "the transport panicked".into() },
            Err(_elapsed) => Lookup::Unreadable { reason: "the provider's log was not read in time".into() },
        };
        let _ = to.cast(ConversationMsg::Done(Done::LogRead(message.id, since, lookup)));
    });
}

/// Tells the assistant that a session is over. Best effort.
pub(crate) fn farewell(tenant: Arc<Tenant>, end: Box<SessionEnd>) {
    tokio::spawn(async move { end_session(&tenant, &end).await });
}

/// As [`farewell`], for whoever waits for it.
pub(crate) async fn end_session(tenant: &Tenant, end: &SessionEnd) {
    let ending = async {
        let _slot = tenant.lane.ask_slot().await;
        tenant.assistant.end(end).await;
    };
    let _ = tokio::time::timeout(FAREWELL_TIMEOUT, AssertUnwindSafe(ending).catch_unwind()).await;
}
