//! What a post webhook made of an answer, and the answers that a pre webhook gives itself.
//!
//! An answer that came back as it went is left alone: what is written for a webhook is less than what an assistant may have said.

use raconteur_conversation::words::{Answer, AskError};
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::watson::message::read;
use super::exchange::HookError;
use super::json;
use super::response::Response;

/// Reads the reply to an answer that was sent as `sent`; `None` when it changes nothing. What it leaves out stays as it was, and so does
/// the state, whatever it says.
///
/// # Errors
/// When it makes no sense, saying where.
pub(super) fn edited(answer: &Answer, sent: &Response, body: &[u8]) -> Result<Option<Answer>, HookError> {
    let payload = json::payload(body)?;
    let output = json::member(&payload, "output").unwrap_or(&sent.output);
    let context = json::member(&payload, "context").unwrap_or(&sent.context);
    let says_the_same = json::same(output, &sent.output);
    if says_the_same && json::same(context, &sent.context) {
        return Ok(None);
    }
    let read = response(json::raw(&Edited { output, context }).get().as_bytes())?;
    let items = if says_the_same { answer.items.clone() } else { read.items };
    Ok(Some(Answer { items, state: answer.state.clone(), ..read }))
}

#[derive(Serialize)]
struct Edited<'a> {
    output: &'a RawValue,
    context: &'a RawValue,
}

/// Reads a v2 response.
///
/// # Errors
/// When it is none, saying where.
pub(super) fn response(body: &[u8]) -> Result<Answer, HookError> {
    read(body).map_err(|error| {
        let where_it_stopped = if let AskError::Malformed { reason } = error { reason } else { error.to_string() };
        HookError::nonsense(where_it_stopped)
    })
}
