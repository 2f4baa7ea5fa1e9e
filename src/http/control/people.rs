//! One person: everything that is kept of him in this number's conversation, to be taken along or deleted.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::{HeaderValue, Request, StatusCode, header};
use raconteur_actors::control::Taken;
use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::words::Work;
use tokio::time::Instant;

use super::problem::Problem;
use super::{Admitted, Desk, FIRST_LOOK, OUTCOME_WITHIN, Params, Receipt, admit, json};
use crate::person::Export;

/// The answer is written while it is read, page by page. One that breaks off has no end line.
pub(super) async fn export(state: State<Arc<Desk>>, params: Params, request: Request<Body>) -> Response {
    admit((state, params), request, |desk, admitted| async move {
        let key = admitted.conversation()?;
        desk.write_down(&admitted, ("export", None)).await?;
        tracing::info!(conversation = %desk.control.log_id(&key), "everything that is kept of a user is exported");
        let export = Export::new(Arc::clone(desk.control.store()), key, desk.control.now());
        let lines = stream::try_unfold(export, |mut export| async move {
            let next = export.next().await;
            Ok::<_, raconteur_storage::StoreError>(next.inspect_err(broken_off)?.map(|lines| (lines, export)))
        });
        let mut response = Body::from_stream(lines).into_response();
        let kind = HeaderValue::from_static("application/x-ndjson");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        Ok(response)
    })
    .await
}

fn broken_off(error: &raconteur_storage::StoreError) {
    tracing::error!(%error, "an export has broken off");
}

pub(super) async fn erase(state: State<Arc<Desk>>, params: Params, request: Request<Body>) -> Response {
    admit((state, params), request, |desk, admitted| async move {
        let key = admitted.conversation()?;
        desk.write_down(&admitted, ("erase", None)).await?;
        let taken = desk.take(&admitted, &key, Work::Erase).await?;
        let conversation = desk.control.log_id(&key);
        tracing::info!(%conversation, request = %taken.sequence, repeated = taken.repeated, "an erasure was requested");
        match desk.is_carried_out(&admitted, &key, taken).await {
            true if desk.control.outcome(&key, taken).await.is_ok_and(|page| page.is_some()) => {
                let detail = "the conversation failed again and again at this, and nothing was erased: see the log";
                Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "not_erased", detail))
            }
            true => json(StatusCode::OK, &Receipt::from(taken)),
            false => json(StatusCode::ACCEPTED, &Receipt::from(taken)),
        }
    })
    .await
}

impl Desk {
    /// Whether a request that leaves no page behind is done with, as far as anybody should wait for that.
    async fn is_carried_out(&self, admitted: &Admitted, key: &ConversationKey, taken: Taken) -> bool {
        let mut pause = FIRST_LOOK;
        let looking = async {
            loop {
                match self.control.is_pending(key, taken).await {
                    Ok(false) => return true,
                    Ok(true) => tokio::time::sleep(pause).await,
                    Err(error) => {
                        tracing::warn!(%error, "what came of a request cannot be seen");
                        return false;
                    }
                }
                pause = (pause * 2).min(std::time::Duration::from_millis(200));
            }
        };
        let within = OUTCOME_WITHIN.min(admitted.until.saturating_duration_since(Instant::now()) / 2);
        tokio::time::timeout(within, looking).await.unwrap_or(false)
    }
}
