//! Who answers a request: the desk of the channel that it names, or else whoever the router finds.
//!
//! Every text comes to a desk, which needs nothing of what a router has around its routes. To be taken there at once makes a text a few
//! hundredths cheaper.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::Request;
use tower::ServiceExt;

use super::alias::renamed;
use super::webhook::Desk;

/// The whole HTTP side of a gateway. Clones are the same.
#[derive(Clone)]
pub struct App {
    router: Router,
    ways: Arc<Ways>,
}

/// What is looked at before the router.
struct Ways {
    /// Channels of which all is said by their desk, by their names.
    desks: BTreeMap<String, Arc<Desk>>,
    aliases: BTreeMap<String, String>,
}

impl App {
    pub(super) fn new(router: Router, desks: BTreeMap<String, Arc<Desk>>, aliases: BTreeMap<String, String>) -> Self {
        Self { router, ways: Arc::new(Ways { desks, aliases }) }
    }

    /// With further routes.
    #[must_use]
    pub fn merge(self, routes: Router) -> Self {
        Self { router: self.router.merge(routes), ways: self.ways }
    }

    /// Answers one request.
    pub async fn answer(&self, mut request: Request<Body>) -> Response {
        if !self.ways.aliases.is_empty() {
            request = renamed(request, &self.ways.aliases);
        }
        match self.ways.desk(request.uri().path()) {
            Some(desk) => desk.receive(request).await,
            None => self.router.clone().oneshot(request).await.into_response(),
        }
    }
}

/// What has neither channels nor aliases.
impl From<Router> for App {
    fn from(router: Router) -> Self {
        Self::new(router, BTreeMap::new(), BTreeMap::new())
    }
}

impl Ways {
    /// The desk at `/channels/{name}/{place}`.
    fn desk(&self, path: &str) -> Option<&Desk> {
        let (name, place) = path.strip_prefix("/channels/")?.split_once('/')?;
        let is_one = !place.is_empty() && !place.contains('/');
        self.desks.get(name).filter(|_| is_one).map(|desk| &**desk)
    }
}
