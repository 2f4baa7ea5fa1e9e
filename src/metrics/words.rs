//! The words that labels have: a closed set for each, so that the number of series is fixed, and nothing tells who talks.

use raconteur_conversation::effect::Consumed;
use raconteur_conversation::words::{AskError, DeliveryStatus, EndReason, Precedence, RowState, SendError, Work};

pub(super) const OUTCOMES: [&str; 3] = ["answered", "failed", "dropped"];

/// What became of a turn; `None` for what is none, such as a request to end a session.
pub(super) fn outcome(consumed: &Consumed) -> Option<&'static str> {
    match consumed.record.work.precedence() {
        Precedence::Control => return None,
        Precedence::InTurn | Precedence::Own => {}
    }
    let is_text = matches!(consumed.record.work, Work::Message(_));
    match &consumed.error {
        None => Some("answered"),
        // Nobody was asked and nobody was told: a text that may open no session.
        Some(_) if is_text && consumed.asks == 0 && consumed.rows.is_empty() => Some("dropped"),
        Some(_) => Some("failed"),
    }
}

pub(super) const STATES: [&str; 3] = ["sent", "failed", "given_up"];

/// How a text of ours ended; `None` while it has not.
pub(crate) fn settled(state: &RowState) -> Option<&'static str> {
    match state {
        RowState::Sent { .. } => Some("sent"),
        RowState::Failed { .. } => Some("failed"),
        RowState::GivenUp => Some("given_up"),
        RowState::Queued
        | RowState::Held { .. }
        | RowState::Sending { .. }
        | RowState::Retry { .. }
        | RowState::Unknown { .. } => None,
    }
}

pub(super) const END_REASONS: [&str; 4] = ["timeout", "terminated", "requested", "replaced"];

/// Why a session ended, in one word.
pub(crate) fn end_reason(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Timeout => "timeout",
        EndReason::Terminated => "terminated",
        EndReason::Requested => "requested",
        EndReason::Replaced => "replaced",
    }
}

pub(super) const ASKED: [&str; 7] =
    ["answered", "timeout", "unavailable", "rejected", "misconfigured", "malformed", "panicked"];

/// What came of a question.
pub(super) fn asked(result: Result<(), &AskError>) -> &'static str {
    match result {
        Ok(()) => "answered",
        Err(AskError::Timeout(_)) => "timeout",
        Err(AskError::Unavailable { .. }) => "unavailable",
        Err(AskError::Rejected { .. }) => "rejected",
        Err(AskError::Misconfigured { .. }) => "misconfigured",
        Err(AskError::Malformed { .. }) => "malformed",
        Err(AskError::Panicked) => "panicked",
    }
}

pub(super) const SENT: [&str; 7] = ["sent", "retry", "pause", "rejected", "opted_out", "misconfigured", "unknown"];

/// What came of handing a text over.
pub(super) fn sent(result: Result<(), &SendError>) -> &'static str {
    match result {
        Ok(()) => "sent",
        Err(SendError::Retry { .. }) => "retry",
        Err(SendError::Pause { .. }) => "pause",
        Err(SendError::Rejected { .. }) => "rejected",
        Err(SendError::OptedOut) => "opted_out",
        Err(SendError::Misconfigured { .. }) => "misconfigured",
        Err(SendError::Unknown { .. }) => "unknown",
    }
}

pub(super) const DELIVERIES: [&str; 8] =
    ["accepted", "queued", "sending", "sent", "delivered", "undelivered", "failed", "read"];

/// How far a text has come, by the provider's word.
pub(super) fn delivery(status: DeliveryStatus) -> &'static str {
    match status {
        DeliveryStatus::Accepted => "accepted",
        DeliveryStatus::Queued => "queued",
        DeliveryStatus::Sending => "sending",
        DeliveryStatus::Sent => "sent",
        DeliveryStatus::Delivered => "delivered",
        DeliveryStatus::Undelivered => "undelivered",
        DeliveryStatus::Failed => "failed",
        DeliveryStatus::Read => "read",
    }
}

pub(super) const CLASSES: [&str; 3] = ["2xx", "4xx", "5xx"];

/// The class of a status: nothing here answers with any other.
pub(super) fn class(status: u16) -> &'static str {
    match status {
        ..400 => "2xx",
        400..500 => "4xx",
        500.. => "5xx",
    }
}
