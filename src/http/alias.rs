//! Further paths under which something of ours is found, as the configuration names them: so that a number whose webhook is known to a
//! provider under an older gateway's path need not be touched there.

use std::collections::BTreeMap;

use axum::body::Body;
use http::Request;
use http::uri::{PathAndQuery, Uri};

use crate::transport::Alias;

/// The request under the path that the alias stands for. Who signs requests signs the address that he knows: it is kept as [`Alias`].
pub(super) fn renamed(mut request: Request<Body>, aliases: &BTreeMap<String, String>) -> Request<Body> {
    let Some(target) = aliases.get(request.uri().path()) else { return request };
    let alias = Alias(request.uri().path().to_owned());
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let Ok(path) = PathAndQuery::try_from(format!("{target}{query}")) else { return request };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = Some(path);
    let Ok(uri) = Uri::from_parts(parts) else { return request };
    *request.uri_mut() = uri;
    request.extensions_mut().insert(alias);
    request
}
