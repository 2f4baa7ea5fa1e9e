//! The core's notes as log lines. No number and no word of a text is written above debug.

use raconteur_conversation::address::ConversationId;
use raconteur_conversation::effect::{Consumed, Notice};

/// A turn is committed. Its span is over when it is made, since a turn outlives what a process could hold open: it says when it began.
pub(crate) fn answered(conversation: ConversationId, consumed: &Consumed) {
    let Consumed { record, asks, rows, error, answered_with, .. } = consumed;
    let span = tracing::debug_span!(
        "turn", %conversation, turn = %record.sequence, began_ms = record.accepted_at.0, asks = *asks, texts = rows.len(),
        error = error.as_deref(), answered_with = answered_with.map(tracing::field::display)
    );
    let took = consumed.answered_at.since(record.accepted_at);
    span.in_scope(|| tracing::debug!(?took, "answered"));
}

/// Writes one note.
pub(crate) fn notice(conversation: ConversationId, notice: &Notice) {
    match notice {
        Notice::UnknownCommand { name } => {
            tracing::warn!(%conversation, command = name.as_str(), "the assistant ordered an unknown command");
        }
        Notice::MalformedCommand { name, reason } => {
            tracing::warn!(%conversation, command = name.as_str(), reason = reason.as_str(), "a command makes no sense");
        }
        Notice::BadResponseTimeout { value } => tracing::warn!(
            %conversation, value = value.as_str(),
            "smsConversationResponseTimeout must be 100 to 120000 milliseconds; it is ignored"
        ),
        Notice::UnsupportedItem { response_type } => {
            tracing::warn!(%conversation, response_type = response_type.as_str(), "a text message cannot show this item");
        }
        Notice::AgentWanted { .. } => tracing::warn!(%conversation, "the assistant wants a person to take over"),
        Notice::MediaAsLink { reason } => {
            tracing::warn!(%conversation, reason = reason.as_str(), "a medium goes as a link");
        }
        Notice::TooManyChainedTurns => {
            tracing::warn!(%conversation, "the assistant orders one turn after another; the chain is cut at max_chained_turns");
        }
        Notice::CannotSwitch => tracing::warn!(
            %conversation, "smsActSetConversationConfig needs an assistant of kind watson_v1 or soe; it is ignored"
        ),
        Notice::OptedOut { by } => tracing::info!(%conversation, ?by, "the user wants no more texts"),
        Notice::OptedIn => tracing::info!(%conversation, "the user wants texts again"),
        Notice::HasStopped { sequence } => {
            tracing::info!(%conversation, turn = %sequence, "nothing is asked or sent: the user has stopped our texts");
        }
        Notice::NoSession { sequence } => {
            tracing::info!(%conversation, turn = %sequence, "a text came without a session, and inbound_start is false");
        }
        Notice::NothingToActIn { sequence, reason } => {
            tracing::warn!(%conversation, turn = %sequence, reason, "a requested text is not sent");
        }
        Notice::TimeoutTurnSkipped => {
            tracing::info!(%conversation, "a session ends silently: its timeout turn would come too late, or an older version has left it");
        }
        Notice::Erased { sequence } => {
            tracing::info!(%conversation, request = %sequence, "everything that was kept of the user was erased");
        }
        Notice::TakenOver { sequence } => {
            tracing::info!(%conversation, request = %sequence, "a person answers the user from now on");
        }
        Notice::HandedBack { sequence } => {
            tracing::info!(%conversation, request = %sequence, "the assistant answers the user again");
        }
        Notice::Switched => tracing::info!(%conversation, "the session has another assistant configuration"),
        Notice::SlowedDown { sequence } => {
            tracing::info!(%conversation, turn = %sequence, "the user texts faster than turns_max allows: his text waits");
        }
        Notice::LateAnswer { token } => tracing::info!(%conversation, turn = %token, "a late answer was dropped"),
        Notice::AskAgain { token, reason } => {
            tracing::warn!(%conversation, turn = %token, reason = reason.as_str(), "the assistant is asked again");
        }
        Notice::TurnFailed { token, reason } => {
            tracing::error!(%conversation, turn = %token, reason = reason.as_str(), "the turn failed");
        }
        Notice::TextFailed { id, code, reason } => {
            tracing::warn!(%conversation, text = %id, code = code.as_str(), reason = reason.as_str(), "a text failed");
        }
        Notice::TextInDoubt { id, reason } => {
            tracing::warn!(%conversation, text = %id, reason = reason.as_str(), "it is unknown whether a text was sent");
        }
        Notice::SessionStarted { session, by } => tracing::debug!(%conversation, %session, ?by, "a session started"),
    }
}
