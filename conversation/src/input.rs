//! Everything that can happen to a conversation.

use crate::words::{
    Answer, AskError, Lookup, MediaVerdict, Others, OutboundId, ProviderId, SendError, Token, WorkRecord,
};

/// One thing that happened.
#[derive(Debug)]
pub enum Input {
    /// A work record is durable. One that was seen before is passed over, so that the whole inbox may be given again.
    WorkAccepted(WorkRecord),
    /// Everything that is unread, in order: as [`Input::WorkAccepted`] for each, but texts that are gathered are seen together.
    InboxRead(Vec<WorkRecord>),
    /// A work record made its conversation fail too often: set it aside and tell the user. Given in place of
    /// [`Input::WorkAccepted`].
    MessageConvicted {
        /// Which.
        record: WorkRecord,
        /// Why, in plain words.
        reason: String,
    },
    /// The assistant answered.
    AssistantReplied {
        /// Which attempt at which turn.
        token: Token,
        /// What it said.
        answer: Box<Answer>,
    },
    /// The assistant did not answer.
    AssistantFailed {
        /// Which attempt at which turn.
        token: Token,
        /// Why.
        error: AskError,
    },
    /// The media of an answer were looked at.
    MediaChecked {
        /// Whose answer: the attempt that brought it.
        token: Token,
        /// For each address that was asked about, in that order.
        verdicts: Vec<MediaVerdict>,
    },
    /// The voice gateway has a text that was forwarded. That it does not comes as [`Input::AssistantFailed`].
    Forwarded {
        /// Which attempt at which turn.
        token: Token,
    },
    /// The tenant's lane has room for this text now.
    SlotGranted {
        /// Which.
        id: OutboundId,
    },
    /// The provider took a text; or a receipt proves that it had.
    TextSent {
        /// Which.
        id: OutboundId,
        /// The provider's id of it.
        provider_id: ProviderId,
    },
    /// The provider did not take a text, or it is unknown whether it did.
    SendFailed {
        /// Which.
        id: OutboundId,
        /// Why.
        error: SendError,
    },
    /// The provider's log was read because a text is in doubt.
    LogRead {
        /// Which.
        id: OutboundId,
        /// What it says.
        lookup: Lookup,
        /// Other texts of this conversation: those are not this one.
        others: Others,
    },
    /// Time has passed: look what is due. Every text that was accepted before is given first.
    DeadlinePassed,
}
