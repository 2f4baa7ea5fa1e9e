//! Tests of a tenant's configuration against the real provider and the real assistant.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{Request, StatusCode};
use raconteur_actors::control::Taken;
use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::words::{RowState, SendText, Within, Work};
use serde_json::json;

use super::body::Fields;
use super::problem::Problem;
use super::{Desk, Params, admit, json};

/// What the provider is given to send, in IBM's words.
const TEST_TEXT: &str = "Test Connection message from SMS Gateway";

const TRY: &str = r#"{"user": "+15550199"}"#;

/// How long the provider's verdict is waited for, and how often it is looked at.
const VERDICT_WITHIN: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Sends a text the whole way and says what the provider made of it.
pub(super) async fn provider(state: State<Arc<Desk>>, params: Params, request: Request<Body>) -> Response {
    admit((state, params), request, |desk, admitted| async move {
        let fields = Fields::read(&admitted.body, &["user"], TRY)?;
        let key = ConversationKey { tenant: admitted.tenant()?.clone(), user: fields.user()? };
        desk.note(&admitted, ("test_provider", None)).await?;
        let text = SendText { body: TEST_TEXT.into(), media: Vec::new(), within: Within::Anywhere };
        let taken = desk.take(&admitted, &key, Work::Send(text)).await?;
        let verdict = tokio::time::timeout(VERDICT_WITHIN, desk.verdict(&key, taken)).await;
        match verdict {
            Ok(state) => match state? {
                RowState::Sent { provider_id } => {
                    json(StatusCode::OK, &json!({"result": "sent", "provider_id": provider_id}))
                }
                RowState::Failed { code, reason } => Err(failed(format!("{reason} ({code})"))),
                RowState::GivenUp => Err(failed("it is unknown whether the text was sent".into())),
                RowState::Held { .. } => {
                    Err(failed("it is quiet: the text is held until the quiet hours are over".into()))
                }
                RowState::Queued | RowState::Sending { .. } | RowState::Retry { .. } | RowState::Unknown { .. } => {
                    Err(failed("the text is still on its way".into()))
                }
            },
            Err(_elapsed) => {
                Err(failed("the provider has not taken the text yet; it is tried again: see the log for why".into()))
            }
        }
    })
    .await
}

fn failed(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_GATEWAY, "provider_failed", detail)
}

impl Desk {
    /// Waits until the only text of a request has settled, or rests.
    async fn verdict(&self, key: &ConversationKey, taken: Taken) -> Result<RowState, Problem> {
        loop {
            let turn = self.control.outcome(key, taken).await?;
            let row = turn.and_then(|turn| turn.rows.into_iter().next());
            if let Some(row) = row.filter(|row| row.row.state.is_settled() || row.row.held_until().is_some()) {
                return Ok(row.row.state);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Asks the assistant to speak first, to nobody.
pub(super) async fn assistant(state: State<Arc<Desk>>, params: Params, request: Request<Body>) -> Response {
    admit((state, params), request, |desk, admitted| async move {
        Fields::read(&admitted.body, &[], "no body")?;
        admitted.id()?;
        desk.note(&admitted, ("test_assistant", None)).await?;
        let answered = desk.control.try_assistant(admitted.tenant()?).await?;
        match answered {
            Ok(answer) => {
                let (items, commands) = (answer.items.len(), answer.commands.len());
                json(StatusCode::OK, &json!({"result": "answered", "items": items, "commands": commands}))
            }
            Err(error) => Err(Problem::new(StatusCode::BAD_GATEWAY, "assistant_failed", error.to_string())),
        }
    })
    .await
}
