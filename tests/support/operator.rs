//! Who controls sessions by REST: sends requests with credentials and reads JSON answers.

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use super::caller::Caller;
use super::scene::{CONTROL_TOKEN, TENANT};

/// A JSON answer.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Value,
}

impl Told {
    /// Status and code of a problem.
    pub(crate) fn problem(&self) -> (u16, &str) {
        assert_eq!(self.content_type, "application/problem+json", "{self:?}");
        assert!(!self.body["detail"].as_str().unwrap_or_default().is_empty(), "{self:?}");
        (self.status, self.body["code"].as_str().unwrap_or_default())
    }
}

/// A request to a resource of the tenant, with its token.
pub(crate) fn request(caller: &Caller, method: Method, resource: &str) -> RequestBuilder {
    caller.request(method, &format!("/v1/tenants/{TENANT}{resource}")).bearer_auth(CONTROL_TOKEN)
}

/// Sends a request.
pub(crate) async fn told(request: RequestBuilder) -> Told {
    let response = request.send().await.expect("the gateway answers");
    let header = |name| response.headers().get(name).map(|value| value.to_str().expect("it is text").to_owned());
    let (content_type, retry_after) = (header("content-type").unwrap_or_default(), header("retry-after"));
    let status = response.status().as_u16();
    let body = response.text().await.expect("the answer is text");
    Told { status, content_type, retry_after, body: serde_json::from_str(&body).unwrap_or(Value::String(body)) }
}

/// Posts JSON to a resource of the tenant.
pub(crate) async fn post(caller: &Caller, resource: &str, body: &Value) -> Told {
    told(request(caller, Method::POST, resource).body(body.to_string())).await
}

/// Reads a resource of the tenant.
pub(crate) async fn get(caller: &Caller, resource: &str) -> Told {
    told(request(caller, Method::GET, resource)).await
}

/// Deletes a resource of the tenant.
pub(crate) async fn delete(caller: &Caller, resource: &str) -> Told {
    told(request(caller, Method::DELETE, resource)).await
}
