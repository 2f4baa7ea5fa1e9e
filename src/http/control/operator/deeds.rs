//! The audit log: everything that is asked for and is more than a look, written down before it is done.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{Request, StatusCode};
use raconteur_conversation::address::ConversationKey;
use raconteur_storage::AuditEntry;
use serde_json::{Value, json};

use crate::http::control::problem::Problem;
use crate::http::control::{Admitted, Desk, Gate, Params, admit, json, next_of};

/// What is done, in a word, and to what exactly.
type Deed = (&'static str, Option<String>);

pub(super) async fn list(state: State<Arc<Desk>>, params: Params, request: Request<Body>) -> Response {
    admit((state, params), request, |desk, admitted| async move {
        let (limit, before) = (admitted.limit(50, 200)?, admitted.sequence("before")?);
        let entries = desk.control.store().audits(before, limit).await.map_err(Problem::unreadable)?;
        let next = next_of(&entries, limit, |(id, _)| *id);
        let shown = entries.iter().map(|(id, entry)| {
            let AuditEntry { at, who, what, tenant, conversation, subject } = entry;
            json!({"id": id.to_string(), "at_ms": at, "who": who, "what": what, "tenant": tenant,
                "conversation": conversation, "subject": subject})
        });
        json(StatusCode::OK, &json!({"entries": shown.collect::<Vec<Value>>(), "next": next}))
    })
    .await
}

impl Desk {
    /// Writes down what an operator asks for. Those who control a number's sessions do so by thousands: that is in the transcripts.
    pub(in crate::http::control) async fn note(&self, admitted: &Admitted, deed: Deed) -> Result<(), Problem> {
        match &self.gate {
            Gate::Operators(_) => self.write_down(admitted, deed).await,
            Gate::Tenants(_) => Ok(()),
        }
    }

    /// Writes down what anybody asks for, with the conversation that the path names.
    pub(in crate::http::control) async fn write_down(&self, admitted: &Admitted, deed: Deed) -> Result<(), Problem> {
        let named = if admitted.param("user").is_empty() { None } else { Some(admitted.conversation()?) };
        self.write_down_of(admitted, named.as_ref(), deed).await
    }

    /// Nothing is done that is not written down.
    pub(super) async fn write_down_of(
        &self,
        admitted: &Admitted,
        key: Option<&ConversationKey>,
        (what, subject): Deed,
    ) -> Result<(), Problem> {
        let entry = AuditEntry {
            at: self.control.now(),
            who: admitted.who.name.clone(),
            what: what.to_owned(),
            tenant: key.map(|key| key.tenant.clone()).or_else(|| admitted.tenant.clone()),
            conversation: key.map(|key| self.control.log_id(key).to_string()),
            subject,
        };
        self.control.store().audit(entry).await.map(drop).map_err(Problem::unreadable)
    }
}
