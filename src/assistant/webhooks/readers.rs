//! Doors to what reads the replies of an assistant's webhooks. They are for the fuzz targets alone (`docs/fuzzing.md`) and no part of the
//! public interface, which leads here only through a socket.

use bytes::Bytes;
use raconteur_conversation::words::{Answer, Question};

use super::exchange::{self, HookError};
use super::request::Request;
use super::response::Response;
use super::{after, before};

/// What the pre webhook is told.
#[must_use]
pub fn received(question: &Question) -> Bytes {
    exchange::event("message_received", &Request::of(question))
}

/// What the post webhook is told.
#[must_use]
pub fn processed(question: &Question, answer: &Answer) -> Bytes {
    exchange::event("message_processed", &Response::of(answer, &Request::of(question)))
}

/// What a pre webhook's reply makes of a question; `None` when it stays as it is.
///
/// # Errors
/// When it makes no sense, saying where.
pub fn pre(question: &Question, reply: &[u8]) -> Result<Option<Question>, String> {
    let edits = before::edits(question, &Request::of(question), reply).map_err(|error| words(&error))?;
    Ok(edits.apply(question))
}

/// What a pre webhook answers in the assistant's stead.
///
/// # Errors
/// When it makes no sense, saying where.
pub fn pre_answer(reply: &[u8]) -> Result<Answer, String> {
    after::response(reply).map_err(|error| words(&error))
}

/// What a post webhook's reply makes of an answer; `None` when it stays as it is.
///
/// # Errors
/// When it makes no sense, saying where.
pub fn post(question: &Question, answer: &Answer, reply: &[u8]) -> Result<Option<Answer>, String> {
    after::edited(answer, &Response::of(answer, &Request::of(question)), reply).map_err(|error| words(&error))
}

fn words(error: &HookError) -> String {
    error.to_string()
}
