//! One line for each shape of a body or an answer: its name, and its fields each with a type. `string?` may be `null`, `name*` may be left
//! out, `[Turn]` is a list, a capital letter begins the name of another shape, `a|b` is one of these words.

use serde_json::{Map, Value, json};

const SHAPES: &[(&str, &str)] = &[
    ("Problem", "status integer, code string, title string, detail string"),
    ("Receipt", "id string, repeated boolean"),
    ("Me", "name string, scopes [string]"),
    ("ConversationPage", "conversations [ListedConversation], next string?, looked_at integer"),
    (
        "ListedConversation",
        "tenant string, user string, active_at_ms integer?, stopped_at_ms integer?, session BriefSession?, taken_over TakenOver?, unreadable boolean",
    ),
    ("BriefSession", "session_id string, opened_at_ms integer, ends_at_ms integer, turns integer"),
    ("TakenOver", "by string, until_ms integer"),
    (
        "Conversation",
        "tenant string, user string, active_at_ms integer?, stopped_at_ms integer?, taken_over TakenOver?, pipe_open boolean, session Session?, context Context?, waiting [any], unreadable boolean, known boolean, log_id string",
    ),
    ("Context", "assistant string, data any"),
    (
        "Session",
        "user string, session_id string, opened_at_ms integer, ends_at_ms integer, turns integer, user_data* any, switched boolean, list* [string]",
    ),
    ("TurnPage", "turns [Turn], next string?"),
    (
        "Turn",
        "id string, kind string, text* string?, media any, session_id string?, accepted_at_ms integer, asked_at_ms integer?, answered_at_ms integer, asks integer, commands [string], error string?, answered_with* string, texts [SentText]",
    ),
    (
        "SentText",
        "id string, text string, media [string], segments integer, state string, sent_at_ms integer?, expires_at_ms integer, delivery Delivery?, can_be_resent boolean, code* string, reason* string",
    ),
    ("Delivery", "status string, at_ms integer, code string"),
    ("PlainTurnPage", "turns [PlainTurn], next string?"),
    (
        "PlainTurn",
        "id string, kind string, text string?, media integer, session_id string?, accepted_at_ms integer, answered_at_ms integer, asks integer, error string?, answered_with* string, texts [PlainText]",
    ),
    ("PlainText", "id string, text string, media [string], state string, delivery string?"),
    ("TakeOver", "for_s* integer"),
    ("Text", "text* string, media* [string]"),
    ("TextTo", "user string, text* string, media* [string]"),
    ("Someone", "user string"),
    ("TrialOfProvider", "result string, provider_id string"),
    ("TrialOfAssistant", "result string, items integer, commands integer"),
    ("SessionStart", "user string, user_data* any, timeout_s* integer, text* string, on_open* replace|refuse"),
    ("Started", "id string, repeated boolean, user string"),
    ("SessionPage", "sessions [Session], next string?, unreadable integer"),
    ("UsagePage", "from string, until string, total Usage, days [DayOfUsage]"),
    ("DayOfUsage", "day string, usage Usage"),
    ("Usage", "inbound integer, answered integer, outbound integer, outbound_segments integer, failed integer"),
    ("PipeOpening", "user string, webhook string, expires_in_s* integer"),
    ("Pipe", "pipe string, open boolean, id* string, repeated* boolean"),
    ("DeadLetterPage", "dead_letters [DeadLetter], next string?"),
    (
        "DeadLetter",
        "id string, at_ms integer, reason string, tenant string?, user string?, kind* string, text* string?, bytes string?, retriable boolean",
    ),
    ("Discarded", "id string, discarded boolean"),
    ("AuditPage", "entries [AuditEntry], next string?"),
    (
        "AuditEntry",
        "id string, at_ms integer, who string, what string, tenant string?, conversation string?, subject string?",
    ),
    ("TenantPage", "tenants [Tenant]"),
    ("Tenant", "number string, channel any, assistant any, health Health, rules any"),
    ("BriefTenant", "number string, channel any, assistant any, health Health"),
    ("Health", "assistant Side, provider Side"),
    (
        "Side",
        "ok integer, failed integer, failed_in_a_row integer, last_ok_at_ms integer?, last_failed_at_ms integer?, last_failure string?",
    ),
    (
        "Overview",
        "at_ms integer, series Series, totals Totals, conversations Heads, queues Queues, tenants [BriefTenant]",
    ),
    (
        "Series",
        "step_s integer, at_ms [integer], received [integer], answered [integer], turns_failed [integer], sent [integer], send_failed [integer], turn_p50_ms [integer?], turn_p95_ms [integer?], turn_p99_ms [integer?]",
    ),
    (
        "Totals",
        "received integer, answered integer, turns_failed integer, sent integer, send_failed integer, delivered integer, undelivered integer, sessions_started integer, sessions_ended integer, opted_out integer, opted_in integer",
    ),
    ("Heads", "in_memory integer, waiting_for_room integer"),
    ("Queues", "unsettled Counted, dead_letters Counted, limit string?"),
    ("Counted", "count integer, or_more boolean"),
];

/// All shapes, by name.
pub(super) fn all() -> Value {
    let shapes = SHAPES.iter().map(|(name, fields)| ((*name).to_owned(), object(fields)));
    Value::Object(shapes.collect())
}

/// Whether a body of this shape must be there: whether it has a field that must.
pub(super) fn is_needed(name: &str) -> bool {
    let fields = SHAPES.iter().find(|(known, _)| *known == name).map_or("", |(_, fields)| fields);
    fields.split(", ").any(|field| !field.contains("* "))
}

fn object(fields: &str) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for field in fields.split(", ") {
        let (name, kind) = field.split_once(' ').unwrap_or((field, "any"));
        let known = name.strip_suffix('*').unwrap_or(name);
        if known == name {
            required.push(known);
        }
        properties.insert(known.to_owned(), of(kind));
    }
    json!({"type": "object", "properties": properties, "required": required})
}

/// A type as JSON Schema has it.
pub(super) fn of(kind: &str) -> Value {
    if let Some(inner) = kind.strip_suffix('?') {
        let inner = of(inner);
        return match inner.get("type").and_then(Value::as_str) {
            Some(plain) => json!({"type": [plain, "null"]}),
            None => json!({"anyOf": [inner, {"type": "null"}]}),
        };
    }
    if let Some(inner) = kind.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return json!({"type": "array", "items": of(inner)});
    }
    match kind {
        "any" => json!({}),
        words if words.contains('|') => json!({"type": "string", "enum": words.split('|').collect::<Vec<_>>()}),
        name if name.starts_with(char::is_uppercase) => json!({"$ref": format!("#/components/schemas/{name}")}),
        plain => json!({"type": plain}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_a_schema() {
        let shape = object("a string, b* [Turn], c integer?, d Turn?, e one|two, f any");
        let expected = json!({
            "type": "object", "required": ["a", "c", "d", "e", "f"],
            "properties": {
                "a": {"type": "string"}, "b": {"type": "array", "items": {"$ref": "#/components/schemas/Turn"}},
                "c": {"type": ["integer", "null"]},
                "d": {"anyOf": [{"$ref": "#/components/schemas/Turn"}, {"type": "null"}]},
                "e": {"type": "string", "enum": ["one", "two"]}, "f": {},
            },
        });
        assert_eq!(shape, expected);
        assert!(is_needed("TextTo") && !is_needed("Text"));
    }
}
