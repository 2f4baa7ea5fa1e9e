//! Doors to what reads the bytes of IBM's services and writes to them what it has read. They are for the fuzz targets alone
//! (`docs/fuzzing.md`) and no part of the public interface.
//!
//! The public way to these readers is [`raconteur_actors::port::Assistant::ask`], with a socket, a client and its tasks in between: a
//! target that went there would try some hundred bodies a second, and learn most about the client.

use std::time::Duration;

use bytes::Bytes;
use raconteur_conversation::words::{Answer, AskError, Question};

use super::context::Tree;
use super::v2::stateless;
use super::{exchange, message, token, v1};

/// The name and the place under which a target's state is kept.
const KEPT: (&str, &str) = ("fuzz", "https://watson.example");

/// What a `watson` assistant with sessions makes of an answer.
///
/// # Errors
/// As [`raconteur_actors::port::Assistant::ask`].
pub fn v2(body: &[u8]) -> Result<Answer, AskError> {
    message::read(body)
}

/// What a `watson` assistant without sessions makes of an answer, with the state that it keeps.
///
/// # Errors
/// As [`raconteur_actors::port::Assistant::ask`].
pub fn v2_stateless(body: &[u8]) -> Result<Answer, AskError> {
    stateless::read(body, KEPT)
}

/// What a `watson_v1` or `soe` assistant makes of an answer, with the state that it keeps.
///
/// # Errors
/// As [`raconteur_actors::port::Assistant::ask`].
pub fn v1(body: &[u8]) -> Result<Answer, AskError> {
    v1::read(body, Tree::default(), KEPT)
}

/// What a `watson` assistant without sessions asks, over the state of an earlier answer.
#[must_use]
pub fn v2_question(question: &Question) -> Bytes {
    stateless::write(question).body
}

/// What a `watson_v1` or `soe` assistant asks, over the state of an earlier answer.
#[must_use]
pub fn v1_question(question: &Question) -> Bytes {
    let variables = v1::request::variables(question);
    v1::request::write(question, &v1::context(question, &variables, KEPT.1)).body
}

/// What is passed on of the words of an error.
#[must_use]
pub fn refusal(body: &[u8]) -> Option<String> {
    exchange::said(body)
}

/// How long a token of the identity service is good for.
///
/// # Errors
/// As [`raconteur_actors::port::Assistant::ask`].
pub fn token(body: &[u8]) -> Result<Duration, AskError> {
    token::read(body).map(|(_, life)| life)
}
