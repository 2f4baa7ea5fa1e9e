//! A question as a v2 message request: what the pre webhook sees, and what the others see of the question.

use raconteur_conversation::words::Question;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::watson::message::write;
use super::json;

/// A request, in the parts that a webhook may change and those that it may not.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Request {
    /// What was said.
    pub(super) input: Box<RawValue>,
    /// The variables, and what IBM's own channel tells.
    pub(super) context: Box<RawValue>,
    /// Under what the user is counted.
    pub(super) user_id: String,
}

impl Request {
    /// The request of a question, as the Watson assistant itself would write it.
    pub(super) fn of(question: &Question) -> Self {
        serde_json::from_slice(&write(question).body).expect("a request has an input, a context and a user_id")
    }

    /// The same without what IBM keeps out of logs.
    pub(super) fn without_private(&self) -> Self {
        let mut context = self.context.clone();
        for integration in ["text_messaging", "channel"] {
            context = json::edit(&context, &["integrations", integration], &|members| {
                members.remove("private");
            });
        }
        Self { context, ..self.clone() }
    }
}
