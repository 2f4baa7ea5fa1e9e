//! What a v2 assistant keeps between turns: Watson's session, where it is, and the context that it can be restored from.

use raconteur_conversation::words::{AssistantState, Question};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::address;
use super::super::context::{Tree, raw};

/// Names a session to Watson. Made only of characters that cannot change the meaning of an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct SessionId(String);

impl SessionId {
    /// The id, fit to stand in an address.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SessionId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if address::is_id(&text) { Ok(Self(text)) } else { Err("not a session id") }
    }
}

/// What is kept. An unknown member tells that another kind of assistant has written it, before its section was given this kind.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept<'a> {
    /// Without sessions there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) session_id: Option<SessionId>,
    /// The place that wrote it, and has the session: with a backup there are two. Absent in what older versions have kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) place: Option<String>,
    /// Everything that Watson knew after the turn, its own state included.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) context: Option<&'a RawValue>,
}

impl<'a> Kept<'a> {
    /// What an earlier turn has left. What cannot be read counts as nothing: a new session answers the user all the same.
    pub(super) fn of(state: Option<&'a AssistantState>) -> Self {
        let Some(state) = state else { return Self::default() };
        match serde_json::from_str::<Self>(state.data.get()) {
            Ok(kept) if kept.session_id.is_some() || kept.context.is_some() => kept,
            Ok(_) | Err(_) => {
                tracing::warn!(assistant = state.assistant, "the kept session cannot be read: it counts as none");
                Self::default()
            }
        }
    }

    /// The session, if it is in this place.
    pub(super) fn session_in(&self, mark: &str) -> Option<&SessionId> {
        self.session_id.as_ref().filter(|_| self.place.as_deref().is_none_or(|place| place == mark))
    }

    /// The context for a session that is not the one it was in: that session's id does not belong there.
    pub(super) fn restored(&self) -> Tree<'a> {
        let mut context = self.echoed();
        context.within("global", |global| global.remove("session_id"));
        context
    }

    /// The context, whole.
    pub(super) fn echoed(&self) -> Tree<'a> {
        self.context.map(Tree::kept).unwrap_or_default()
    }

    /// As the state of an assistant.
    pub(super) fn state(&self, assistant: &str) -> AssistantState {
        AssistantState { assistant: assistant.to_owned(), data: raw(self) }
    }

    /// Whether a question was put before and there is something to start afresh from.
    pub(super) fn can_restart(&self, question: &Question) -> bool {
        question.repeated && self.context.is_some()
    }
}
