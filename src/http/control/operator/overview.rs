//! Who asks; and how much goes on, how fast and how well.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{Request, StatusCode};
use raconteur_conversation::time::UnixMillis;
use serde_json::{Value, json};

use crate::config::token::Scope;
use crate::http::control::problem::Problem;
use crate::http::control::{Desk, Params, admit, json};

/// Further conversations that wait, and further dead letters, are not counted.
const COUNTED_MAX: usize = 1_000;

pub(super) async fn me(state: State<Arc<Desk>>, params: Params, request: Request<Body>) -> Response {
    admit((state, params), request, |_, admitted| async move {
        let scopes = [Scope::Read, Scope::Send, Scope::Control].into_iter().filter(|scope| admitted.who.may(*scope));
        let scopes: Vec<&str> = scopes.map(Scope::name).collect();
        json(StatusCode::OK, &json!({"name": admitted.who.name, "scopes": scopes}))
    })
    .await
}

pub(super) async fn overview(state: State<Arc<Desk>>, params: Params, request: Request<Body>) -> Response {
    admit((state, params), request, |desk, _| async move {
        let (staff, store) = (desk.staff()?, desk.control.store());
        let work = store.work(UnixMillis(u64::MAX), None, COUNTED_MAX).await.map_err(Problem::unreadable)?;
        let letters = store.dead_letters(None, COUNTED_MAX).await.map_err(Problem::unreadable)?;
        let limit = store.crowded().await.map_err(Problem::unreadable)?;
        let tenants: Vec<Value> = staff.tenants.iter().map(|tenant| tenant.health(&staff.board)).collect();
        let shown = json!({
            "at_ms": desk.control.now(), "series": staff.board.series(), "totals": staff.board.totals(),
            "conversations": {"in_memory": staff.headcount.inside(), "waiting_for_room": staff.headcount.waiting()},
            "queues": {"unsettled": counted(work.keys.len()), "dead_letters": counted(letters.len()),
                "limit": limit.map(raconteur_actors::inbox::words)},
            "tenants": tenants,
        });
        json(StatusCode::OK, &shown)
    })
    .await
}

/// A number that may be larger.
fn counted(count: usize) -> Value {
    json!({"count": count, "or_more": count >= COUNTED_MAX})
}
