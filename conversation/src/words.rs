//! Every word that crosses a port: what arrives, what is asked and answered, what is sent and what became of it.
//!
//! These types have no behaviour beyond reading and writing themselves. Where an item or a command sits in some wire format
//! is the business of the assistant or transport that speaks it; what it *means* is the business of `on/`.

mod answer;
mod inbound;
mod outbound;
mod question;
mod received;

pub use answer::{AgentRequest, Answer, AskError, AssistantState, Choice, CommandCall, Item, MediaItem};
pub use inbound::{
    Arrival, DeliveryFailure, InboundMessage, Media, OnOpen, Pipe, Precedence, SESSION_OPEN, SendText, Sequence,
    StartSession, TAKEN_OVER, TakeOver, Within, Work, WorkRecord,
};
pub use outbound::{
    DeliveryStatus, LoggedMessage, Lookup, Others, OutboundId, OutboundIdError, OutboundMessage, OutboundRow,
    ProviderId, Receipt, Repeat, RowState, SendError,
};
pub use question::{AskInput, EndReason, Forward, MediaVerdict, Question, SessionEnd, Signal, Token};
pub use received::{LogPage, LogUnreadable, LoggedText, Received};
