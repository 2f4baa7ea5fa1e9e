//! What operators see and do, over all numbers: what the console works with. Everything is below `/v1/operator` and wants an operator's
//! token, or this machine where there are no operators.
//!
//! ```text
//! GET    /me                                             who asks, and what he may
//! GET    /overview                                       how much goes on, how fast and how well
//! GET    /stream                                         what happens, as server-sent events
//! GET    /tenants                                        our numbers and their settings
//! POST   /tenants/{tenant}/test/provider                 as for those who control the number     /test/assistant  as well
//! GET    /conversations                                  list and search, in pages
//! GET    /conversations/{tenant}/{user}                  one of them                             DELETE: erase it
//! GET    /conversations/{tenant}/{user}/transcript       what was said and what became of it, in pages
//! GET    /conversations/{tenant}/{user}/export           everything that is kept of a person
//! POST   /conversations/{tenant}/{user}/texts            send a text
//! POST   /conversations/{tenant}/{user}/texts/{text}/resend
//! POST   /conversations/{tenant}/{user}/takeover         the assistant is silent                 DELETE: hand back
//! DELETE /conversations/{tenant}/{user}/session          end the session
//! GET    /dead-letters                                   what was set aside, and why, in pages
//! POST   /dead-letters/{letter}/retry                    DELETE /dead-letters/{letter}: discard it
//! GET    /audit                                          who has asked for what, in pages
//! ```

mod actions;
mod conversations;
mod cursor;
mod deeds;
mod events;
mod letters;
mod overview;
mod shown;
mod tenants;

use std::sync::Arc;

use axum::Router;
use axum::routing::{delete, get, post};
use http::HeaderMap;
use raconteur_actors::Headcount;
use tokio::sync::Semaphore;

use super::access::{self, Key, Who};
use super::problem::Problem;
use super::{Desk, Gate, people, requests, trying};
use crate::board::Board;
use crate::config::Config;
use crate::config::token::{Credential, Scope};
use crate::http::caller::Place;
use tenants::TenantSettings;

/// The name in the audit log of whoever needs no token.
const LOOPBACK: &str = "loopback";

/// How many searches through all conversations go on at once: each keeps a thread busy.
const SEARCHES_MAX: usize = 4;

/// What operators see beside the store, and who they are.
pub struct Operating {
    board: Arc<Board>,
    operators: Vec<Credential>,
    tenants: Vec<TenantSettings>,
    headcount: Headcount,
}

impl Operating {
    /// Those of a configuration. The board must hang on the gateway whose headcount this is.
    #[must_use]
    pub fn new(config: &Config, board: Arc<Board>, headcount: Headcount) -> Self {
        let tenants = config.tenants.iter().map(|tenant| TenantSettings::of(config, tenant)).collect();
        Self { board, operators: config.server.operators.clone(), tenants, headcount }
    }
}

/// The same at work.
pub(super) struct Staff {
    keys: Vec<Key>,
    board: Arc<Board>,
    tenants: Vec<TenantSettings>,
    headcount: Headcount,
    searches: Semaphore,
}

impl Staff {
    pub(super) fn new(Operating { board, operators, tenants, headcount }: Operating) -> Self {
        let keys = access::scoped(operators).collect();
        Self { keys, board, tenants, headcount, searches: Semaphore::new(SEARCHES_MAX) }
    }

    /// Who asks, if he may do this.
    pub(super) fn check(&self, place: Place, headers: &HeaderMap, needed: Scope) -> Result<Who, Problem> {
        let who = match (self.keys.is_empty(), place) {
            (true, Place::Here) => Some(Who { name: LOOPBACK.into(), scopes: vec![Scope::Control] }),
            (true, Place::Beyond) => None,
            (false, Place::Here | Place::Beyond) => access::prove(&self.keys, headers),
        };
        match who {
            Some(who) if who.may(needed) => Ok(who),
            Some(_) => Err(Problem::forbidden(needed)),
            None => Err(Problem::stranger()),
        }
    }
}

impl Desk {
    fn staff(&self) -> Result<&Staff, Problem> {
        match &self.gate {
            Gate::Operators(staff) => Ok(staff),
            Gate::Tenants(_) => Err(Problem::not_found("this is for operators")),
        }
    }
}

pub(super) fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/me", get(overview::me))
        .route("/overview", get(overview::overview))
        .route("/stream", get(events::events))
        .route("/tenants", get(tenants::tenants))
        .route("/tenants/{tenant}/test/provider", post(trying::provider))
        .route("/tenants/{tenant}/test/assistant", post(trying::assistant))
        .route("/conversations", get(conversations::list))
        .route("/conversations/{tenant}/{user}", get(conversations::one).delete(people::erase))
        .route("/conversations/{tenant}/{user}/transcript", get(conversations::transcript))
        .route("/conversations/{tenant}/{user}/export", get(people::export))
        .route("/conversations/{tenant}/{user}/texts", post(actions::send))
        .route("/conversations/{tenant}/{user}/texts/{text}/resend", post(actions::resend))
        .route("/conversations/{tenant}/{user}/takeover", post(actions::take_over).delete(actions::hand_back))
        .route("/conversations/{tenant}/{user}/session", delete(requests::end))
        .route("/dead-letters", get(letters::list))
        .route("/dead-letters/{letter}/retry", post(letters::retry))
        .route("/dead-letters/{letter}", delete(letters::discard))
        .route("/audit", get(deeds::list))
        .with_state(desk)
}
