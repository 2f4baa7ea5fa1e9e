//! What happens, as server-sent events: each with its id, so that whoever was away goes on where he was. `event: gap` says that some are
//! not told, and `event: hello` that the line is up; a client then looks at everything anew.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use http::Request;
use serde_json::json;

use crate::board::{EventId, Heard};
use crate::http::control::problem::Problem;
use crate::http::control::{Desk, Params, admit};

/// How often a listener who hears nothing is told that the line is up.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) async fn events(state: State<Arc<Desk>>, params: Params, request: Request<Body>) -> Response {
    admit((state, params), request, |desk, admitted| async move {
        let last = admitted.parts.headers.get("last-event-id").and_then(|value| value.to_str().ok());
        let behind = last.filter(|last| !last.is_empty()).map(str::parse::<EventId>).transpose();
        let behind = behind.map_err(|()| Problem::invalid("Last-Event-ID must be the id of an event"))?;
        let listener = desk.staff()?.board.listen(behind).ok_or_else(|| Problem::busy("too many listen already"))?;
        let at = listener.at;
        let hello = Event::default().event("hello").id(at.to_string()).data(json!({"at": at.to_string()}).to_string());
        let hello = stream::iter(behind.is_none().then_some(Ok::<_, Infallible>(hello)));
        let heard = stream::unfold(listener, |mut listener| async move {
            let event = match listener.next().await? {
                Heard::Posted(posted) => {
                    let data = serde_json::to_string(&*posted).expect("words and numbers can be written as JSON");
                    Event::default().event("happened").id(posted.id.to_string()).data(data)
                }
                Heard::Gap => Event::default().event("gap").data("{}"),
            };
            Some((Ok::<_, Infallible>(event), listener))
        });
        Ok(Sse::new(hello.chain(heard)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
    })
    .await
}
