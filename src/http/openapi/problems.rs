//! What may be wrong with a request, for machines: every code with its meaning, and for each operation the statuses that it may be answered
//! with and the codes that go with each. What may be wrong with every request is named once, below `components/responses`; the rest stands
//! in the operation's own row, so that a generated client can tell one problem from another by its status and its code.
//!
//! `http/control/problem.rs` is where they are answered.

use serde_json::{Map, Value, json};

/// Every code, and when it is answered.
const CODES: &[(&str, &str)] = &[
    ("unauthorized", "no credentials, or wrong ones, or none are configured"),
    ("forbidden", "these credentials may not do that"),
    ("invalid", "the path, the query, a header or the body makes no sense"),
    ("not_found", "there is no such resource"),
    ("no_session", "no session is open for this user"),
    ("session_open", "a session is open, and the request was not to replace it"),
    ("opted_out", "the user has stopped our texts"),
    ("taken_over", "a person has taken the user over, and the assistant is silent"),
    ("not_taken_over", "there is nothing to hand back"),
    ("not_failed", "the text has not failed, and is not sent once more"),
    ("not_retriable", "the dead letter cannot be given to its conversation again"),
    ("no_pipe", "there is no such pipe, or it is closed"),
    ("wrong_method", "the resource does not know that method"),
    ("too_large", "the body is larger than `body_max_bytes`"),
    ("id_reused", "the idempotency key was used before for something else"),
    ("slow_down", "too many requests of this client were refused"),
    ("not_erased", "the erasure failed for good and was set aside; the log says why"),
    ("internal", "the answer cannot be written"),
    ("assistant_failed", "the assistant did not answer; `detail` says why"),
    ("provider_failed", "the provider did not take the text; `detail` says why"),
    ("busy", "a limit is reached, or the gateway starts or stops"),
];

/// What may be wrong with every request that asks who calls: its name below `components/responses`, the status and the code.
const EVERYWHERE: &[(&str, &str, &str)] = &[
    ("Invalid", "400", "invalid"),
    ("Unauthorized", "401", "unauthorized"),
    ("Forbidden", "403", "forbidden"),
    ("TooLarge", "413", "too_large"),
    ("SlowDown", "429", "slow_down"),
    ("Internal", "500", "internal"),
    ("Busy", "503", "busy"),
];

/// What is the same wherever it may be, which is not everywhere.
const HERE_AND_THERE: &[(&str, &str, &str)] = &[("NotFound", "404", "not_found"), ("IdReused", "422", "id_reused")];

/// All codes as a schema.
pub(super) fn codes() -> Value {
    let words = CODES.iter().map(|(code, words)| format!("`{code}`: {words}.")).collect::<Vec<_>>().join(" ");
    let codes: Vec<&str> = CODES.iter().map(|(code, _)| *code).collect();
    json!({"type": "string", "enum": codes, "description": words})
}

/// What is named once, as answers.
pub(super) fn shared() -> Value {
    let all = EVERYWHERE.iter().chain(HERE_AND_THERE);
    let named = all.map(|(name, status, code)| {
        let schema = json!({"$ref": format!("#/components/schemas/{name}")});
        ((*name).to_owned(), answer(status, &[code], &schema))
    });
    Value::Object(named.collect())
}

/// What is named once, as shapes.
pub(super) fn shapes() -> impl Iterator<Item = (String, Value)> {
    let all = EVERYWHERE.iter().chain(HERE_AND_THERE);
    all.map(|(name, status, code)| ((*name).to_owned(), narrowed(status, &[code])))
}

/// Adds to an operation's answers what may be wrong with it: its own, by status and codes, and what may be everywhere.
pub(super) fn add(answers: &mut Map<String, Value>, own: &[(&str, &str)]) {
    let everywhere = EVERYWHERE.iter().map(|(_, status, code)| (*status, *code));
    let mut all: Vec<(&str, Vec<&str>)> = Vec::new();
    for (status, codes) in own.iter().copied().chain(everywhere) {
        let codes = codes.split('|');
        match all.iter_mut().find(|(known, _)| *known == status) {
            Some((_, known)) => known.extend(codes),
            None => all.push((status, codes.collect())),
        }
    }
    for (status, codes) in all {
        let shared =
            EVERYWHERE.iter().chain(HERE_AND_THERE).find(|(_, known, code)| (*known, &[*code][..]) == (status, &codes));
        let answer = match shared {
            Some((name, ..)) => json!({"$ref": format!("#/components/responses/{name}")}),
            None => answer(status, &codes, &narrowed(status, &codes)),
        };
        answers.insert(status.to_owned(), answer);
    }
}

/// A problem with this status and one of these codes: both stand in its shape, so that one tells it from all others.
fn narrowed(status: &str, codes: &[&str]) -> Value {
    let number: u16 = status.parse().unwrap_or_default();
    json!({"allOf": [{"$ref": "#/components/schemas/Problem"}, {
        "type": "object", "required": ["status", "code"], "properties": {
            "status": {"type": "integer", "enum": [number]}, "code": {"type": "string", "enum": codes}},
    }]})
}

fn answer(status: &str, codes: &[&str], schema: &Value) -> Value {
    let when = |code: &str| CODES.iter().find(|(known, _)| *known == code).map_or("", |(_, words)| words);
    let words: Vec<String> = codes.iter().map(|code| format!("`{code}`: {}.", when(code))).collect();
    let content = json!({"application/problem+json": {"schema": schema}});
    let mut answer = json!({"description": words.join(" "), "content": content});
    if let Some((name, kind, words)) = header(status) {
        answer["headers"] = json!({name: {"description": words, "required": true, "schema": {"type": kind}}});
    }
    answer
}

/// The header that goes with a status.
fn header(status: &str) -> Option<(&'static str, &'static str, &'static str)> {
    match status {
        "401" => Some(("WWW-Authenticate", "string", "By which scheme whoever asks may say who he is.")),
        "429" | "503" => Some(("Retry-After", "integer", "After how many seconds it is worth coming again.")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::operations::OPERATIONS;
    use super::*;

    #[test]
    fn what_an_operation_may_be_answered_with_is_told_by_status_and_code() {
        let mut answers = Map::new();
        add(&mut answers, &[("404", "not_found"), ("404", "no_session"), ("422", "id_reused"), ("500", "not_erased")]);
        let codes = |status: &str| {
            answers[status]["content"]["application/problem+json"]["schema"]["allOf"][1]["properties"]["code"]["enum"]
                .clone()
        };
        assert_eq!(codes("404"), json!(["not_found", "no_session"]));
        assert_eq!(codes("500"), json!(["not_erased", "internal"]));
        assert_eq!(answers["422"], json!({"$ref": "#/components/responses/IdReused"}));
        assert_eq!(answers["503"], json!({"$ref": "#/components/responses/Busy"}));
        assert_eq!(answers.len(), EVERYWHERE.len() + 2);
    }

    #[test]
    fn every_code_that_a_row_names_is_explained_here_and_to_people() {
        let pages = [include_str!("../../../docs/rest-api.md"), include_str!("../../../docs/console.md")].concat();
        let rows = OPERATIONS.iter().flat_map(|operation| operation.problems()).flat_map(|(_, codes)| codes.split('|'));
        let shared = EVERYWHERE.iter().chain(HERE_AND_THERE).map(|(.., code)| *code);
        for code in rows.chain(shared) {
            assert!(CODES.iter().any(|(known, _)| *known == code), "{code}");
        }
        for (code, _) in CODES {
            assert!(pages.contains(&format!("`{code}`")), "{code} stands in no table of docs/");
        }
    }
}
