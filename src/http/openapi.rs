//! What the HTTP interface is, for machines: OpenAPI 3.1 at `/v1/openapi.json`, put together from one row for each operation
//! (`openapi/operations.rs`) and one line for each shape (`openapi/shapes.rs`); and a page at `/v1/docs` that reads it to people.
//!
//! A test walks the routes in the sources: none is left out here, and none is here that is not there (`tests/security/routes.rs`).

mod operations;
mod shapes;

use std::sync::LazyLock;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue, header};
use serde_json::{Map, Value, json};

use self::operations::{OPERATIONS, Operation, TAGS};
use super::console;

static DOCUMENT: LazyLock<String> = LazyLock::new(|| document().to_string());

pub(super) fn router() -> Router {
    let page = |headers: HeaderMap| std::future::ready(console::show("docs.html", &headers));
    Router::new().route("/v1/openapi.json", get(|| std::future::ready(shown()))).route("/v1/docs", get(page))
}

fn shown() -> Response {
    let mut response = DOCUMENT.as_str().into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

const ABOUT: &str = "Operators' requests are below `/v1/operator` and want an operator's token as Bearer, or this machine where there \
                     are no operators; those of one number's owner are below `/v1/tenants/{tenant}` and want that number's credentials. \
                     Times are Unix milliseconds. Every POST and DELETE of a number's owner takes an `Idempotency-Key`.";

/// The whole document.
fn document() -> Value {
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = described(operation);
    }
    let bearer = json!({"type": "http", "scheme": "bearer", "description": "A token that `raconteur token` has made."});
    let tags: Vec<Value> = TAGS.iter().map(|(name, words)| json!({"name": name, "description": words})).collect();
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Raconteur", "version": env!("CARGO_PKG_VERSION"), "description": ABOUT,
            "license": {"name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT"}},
        "tags": tags,
        "paths": paths,
        "components": {"schemas": shapes::all(), "securitySchemes": {
            "token": bearer, "password": {"type": "http", "scheme": "basic"}}},
    })
}

fn described(operation: &Operation) -> Value {
    let mut parameters: Vec<Value> = in_path(operation.path).map(path_parameter).collect();
    parameters.extend(operation.query.iter().map(|(name, kind, words)| {
        json!({"name": name, "in": "query", "required": false, "schema": shapes::of(kind), "description": words})
    }));
    let is_owners = operation.path.starts_with("/v1/tenants/");
    if is_owners && operation.method != "get" {
        parameters.push(json!({"name": "Idempotency-Key", "in": "header", "required": false,
            "schema": {"type": "string", "minLength": 1, "maxLength": 128},
            "description": "New with each request: a repeat under the same key takes no effect."}));
    }
    if operation.path.ends_with("/stream") {
        parameters
            .push(json!({"name": "Last-Event-ID", "in": "header", "required": false, "schema": {"type": "string"},
            "description": "The id of the last event that was heard."}));
    }
    let security = match (is_owners, operation.scope) {
        (_, "") => json!([]),
        (true, _) => json!([{"token": []}, {"password": []}]),
        (false, _) => json!([{"token": []}, {}]),
    };
    let mut shown = json!({
        "operationId": operation.id, "tags": [operation.tag], "summary": operation.summary, "parameters": parameters,
        "responses": responses(operation), "security": security,
    });
    if !operation.scope.is_empty() {
        shown["x-scope"] = operation.scope.into();
        shown["description"] = format!("Wants the scope `{}`.", operation.scope).into();
    }
    if let Some(body) = operation.body {
        let schema = json!({"$ref": format!("#/components/schemas/{body}")});
        let required = shapes::is_needed(body);
        shown["requestBody"] = json!({"required": required, "content": {"application/json": {"schema": schema}}});
    }
    shown
}

/// The names of the parameters in a path, in order.
fn in_path(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn path_parameter(name: &str) -> Value {
    let words = match name {
        "tenant" => "One of our numbers, as the configuration writes it.",
        "user" => "The person's number.",
        "text" => "The id of a text of ours, such as 123-0.",
        "letter" => "The id of a dead letter.",
        "pipe" => "The id of a pipe.",
        _ => "A name of the configuration's.",
    };
    json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}, "description": words})
}

fn responses(operation: &Operation) -> Value {
    let mut responses = Map::new();
    for (status, shape) in operation.answers {
        let content = match *shape {
            "" => json!({}),
            kind if kind.contains('/') => json!({kind: {"schema": {"type": "string"}}}),
            shape => json!({"application/json": {"schema": {"$ref": format!("#/components/schemas/{shape}")}}}),
        };
        let words = if *status == "202" { "It is on disk and will be carried out." } else { "Done." };
        responses.insert((*status).to_owned(), json!({"description": words, "content": content}));
    }
    if !operation.scope.is_empty() {
        let problem = json!({"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}});
        responses.insert(
            "default".to_owned(),
            json!({"description": "What is wrong, with a code that stays the same for ever.",
            "content": problem}),
        );
    }
    Value::Object(responses)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every `$ref` in a value.
    fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|inner| references(inner, found));
            }
            Value::Array(list) => list.iter().for_each(|inner| references(inner, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn every_shape_that_is_named_is_there_and_every_one_that_is_there_is_named() {
        let document = document();
        let mut named = BTreeSet::new();
        references(&document, &mut named);
        let there: BTreeSet<String> = document["components"]["schemas"]
            .as_object()
            .unwrap()
            .keys()
            .map(|name| format!("#/components/schemas/{name}"))
            .collect();
        assert_eq!(named.into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), there);
    }

    #[test]
    fn every_operation_has_a_name_of_its_own_and_a_tag_that_is_explained() {
        let ids: BTreeSet<&str> = OPERATIONS.iter().map(|operation| operation.id).collect();
        assert_eq!(ids.len(), OPERATIONS.len());
        for operation in OPERATIONS {
            assert!(TAGS.iter().any(|(name, _)| *name == operation.tag), "{}", operation.id);
            assert!(operation.answers.iter().any(|(status, _)| status.starts_with('2')), "{}", operation.id);
        }
    }
}
