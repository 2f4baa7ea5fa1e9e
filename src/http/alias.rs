//! Further paths under which something of ours is found, as the configuration names them: so that a number whose webhook is known to a
//! provider under an older gateway's path need not be touched there.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::OriginalUri;
use axum::response::{IntoResponse, Response};
use http::Request;
use http::uri::{PathAndQuery, Uri};
use tower::ServiceExt;

use crate::transport::Alias;

/// Lets `app` answer under the aliases as well. Without any it is returned as it is.
pub(super) fn follow(app: Router, aliases: BTreeMap<String, String>) -> Router {
    if aliases.is_empty() {
        return app;
    }
    let aliases = Arc::new(aliases);
    Router::new().fallback(move |request: Request<Body>| {
        let (app, aliases) = (app.clone(), Arc::clone(&aliases));
        async move { ask(app, renamed(request, &aliases)).await }
    })
}

async fn ask(app: Router, request: Request<Body>) -> Response {
    app.oneshot(request).await.into_response()
}

/// The request under the path that the alias stands for. Who signs requests signs the address that he knows: it is kept as [`Alias`].
fn renamed(mut request: Request<Body>, aliases: &BTreeMap<String, String>) -> Request<Body> {
    let Some(target) = aliases.get(request.uri().path()) else { return request };
    let alias = Alias(request.uri().path().to_owned());
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let Ok(path) = PathAndQuery::try_from(format!("{target}{query}")) else { return request };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = Some(path);
    let Ok(uri) = Uri::from_parts(parts) else { return request };
    *request.uri_mut() = uri;
    // The router notes the address by which a request came only where nobody has.
    request.extensions_mut().remove::<OriginalUri>();
    request.extensions_mut().insert(alias);
    request
}
