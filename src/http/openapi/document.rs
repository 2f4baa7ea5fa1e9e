//! The whole document, put together from the rows of `operations.rs`, the lines of `shapes.rs` and the codes of `problems.rs`. It is the same
//! for as long as the process lives.

use serde_json::{Map, Value, json};

use super::operations::{OPERATIONS, Operation, TAGS};
use super::{problems, shapes};

const ABOUT: &str = "Operators' requests are below `/v1/operator` and want an operator's token as Bearer, or this machine where there \
                     are no operators; those of one number's owner are below `/v1/tenants/{tenant}` and want that number's credentials. \
                     Times are Unix milliseconds. What is wrong is told by a status and a code that stay the same for ever. A request that \
                     takes an `Idempotency-Key` takes effect once, however often it is repeated under the same key.";

const HOOKED: &str = "One request for each event, signed as Standard Webhooks has it: `webhook-id`, `webhook-timestamp` and \
                      `webhook-signature` are in its headers. Any 2xx takes it; what is not taken is told again under the same id.";

/// See the module.
pub(super) fn document() -> Value {
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
        "webhooks": {"happened": {"post": hooked()}},
        "components": {"schemas": shapes::all(), "responses": problems::shared(), "securitySchemes": {
            "token": bearer, "password": {"type": "http", "scheme": "basic"}}},
    })
}

fn described(operation: &Operation) -> Value {
    let is_owners = operation.path.starts_with("/v1/tenants/");
    let security = match (is_owners, operation.scope) {
        (_, "") => json!([]),
        (true, _) => json!([{"token": []}, {"password": []}]),
        (false, _) => json!([{"token": []}, {}]),
    };
    let mut shown = json!({
        "operationId": operation.id, "tags": [operation.tag], "summary": operation.summary, "parameters": parameters(operation),
        "responses": responses(operation), "security": security,
    });
    if !operation.scope.is_empty() {
        shown["x-scope"] = operation.scope.into();
        shown["description"] = format!("Wants the scope `{}`.", operation.scope).into();
    }
    if let Some(body) = operation.body {
        let required = shapes::is_needed(body);
        shown["requestBody"] = json!({"required": required, "content": {"application/json": {"schema": shape(body)}}});
    }
    shown
}

fn shape(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn parameters(operation: &Operation) -> Vec<Value> {
    let mut parameters: Vec<Value> = in_path(operation.path).map(path_parameter).collect();
    parameters.extend(operation.query.iter().map(|(name, kind, words)| {
        json!({"name": name, "in": "query", "required": false, "schema": shapes::of(kind), "description": words})
    }));
    if operation.takes_key() {
        parameters.push(json!({"name": "Idempotency-Key", "in": "header", "required": false,
            "schema": {"type": "string", "minLength": 1, "maxLength": 128},
            "description": "New with each request: a repeat under the same key takes no effect."}));
    }
    if operation.path.ends_with("/stream") {
        parameters
            .push(json!({"name": "Last-Event-ID", "in": "header", "required": false, "schema": {"type": "string"},
            "description": "The id of the last event that was heard."}));
    }
    parameters
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
    let kind = if matches!(name, "tenant" | "user") { "address" } else { "string" };
    json!({"name": name, "in": "path", "required": true, "schema": shapes::of(kind), "description": words})
}

fn responses(operation: &Operation) -> Value {
    let mut responses = Map::new();
    for (status, kind) in operation.results() {
        let content = match kind {
            "text/event-stream" => json!({kind: {"schema": {"type": "string"}, "x-data": shape("Happening")}}),
            kind if kind.contains('/') => json!({kind: {"schema": {"type": "string"}}}),
            name => json!({"application/json": {"schema": shape(name)}}),
        };
        let words = if status == "202" { "It is on disk and will be carried out." } else { "Done." };
        responses.insert(status.to_owned(), json!({"description": words, "content": content}));
    }
    if !operation.scope.is_empty() {
        let mut own: Vec<(&str, &str)> = operation.problems().collect();
        // What an operator names may be nobody's; who is not let in at a number does not learn whether it is ours.
        if operation.path.starts_with("/v1/operator/") && operation.path.contains('{') {
            own.insert(0, ("404", "not_found"));
        }
        problems::add(&mut responses, &own);
    }
    Value::Object(responses)
}

/// What a server of the integrator's own is told, where `[reports]` names it.
fn hooked() -> Value {
    json!({
        "operationId": "happened", "tags": ["gateway"], "summary": "Something has happened", "description": HOOKED,
        "requestBody": {"required": true, "content": {"application/json": {"schema": shape("HookedHappening")}}},
        "responses": {"2XX": {"description": "Taken."}},
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::board::Happening;

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
        let there: BTreeSet<String> = ["schemas", "responses"]
            .into_iter()
            .flat_map(|kind| {
                let all = document["components"][kind].as_object().unwrap();
                all.keys().map(move |name| format!("#/components/{kind}/{name}"))
            })
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

    #[test]
    fn every_kind_of_event_is_named() {
        let kinds = shapes::all()["HappeningType"]["enum"].clone();
        assert_eq!(kinds, json!(Happening::KINDS));
    }
}
