//! One line for each shape of a body or an answer: its name, and its fields each with a type. `string?` may be `null`, `name*` may be left
//! out, `[Turn]` is a list, a capital letter begins the name of another shape, `a|b` is one of these words and `=a` this word, `A/string` is
//! either, and `integer:1..200` has bounds; `address`, `url`, `day` and `words` are texts of a certain form. A line without a field is a type by
//! itself; of a line that begins with `!` at least one field must be there.
//!
//! `any` is JSON that is somebody else's: an assistant's context, a business's data. Nothing of ours is (`tests/client.rs`).

use raconteur_conversation::address::ADDRESS_MAX;
use serde_json::{Map, Value, json};

use super::operations::OPERATIONS;
use super::problems;

/// What `Address::parse` takes.
const ADDRESS: &str = "^([a-z]+:)?(\\+[0-9]{5,15}|[A-Za-z0-9][A-Za-z0-9 ._&@-]*)$";

const SHAPES: &[(&str, &str)] = &[
    ("Problem", "status integer, code Code, title string, detail string"),
    ("Receipt", "id string, repeated boolean"),
    ("Scope", "read|send|control"),
    ("Me", "name string, scopes [Scope]"),
    // What was said.
    ("ConversationPage", "conversations [ListedConversation], next string?, looked_at integer"),
    (
        "ListedConversation",
        "tenant string, user string, active_at_ms integer?, stopped_at_ms integer?, session BriefSession?, taken_over TakenOver?, unreadable boolean",
    ),
    ("BriefSession", "session_id string, opened_at_ms integer, ends_at_ms integer, turns integer"),
    ("TakenOver", "by string, until_ms integer"),
    (
        "Conversation",
        "tenant string, user string, active_at_ms integer?, stopped_at_ms integer?, taken_over TakenOver?, pipe_open boolean, session Session?, context Context?, waiting [Waiting], unreadable boolean, known boolean, log_id string",
    ),
    ("Context", "assistant string, data any"),
    (
        "Session",
        "user string, session_id string, opened_at_ms integer, ends_at_ms integer, turns integer, user_data* any, switched boolean, list* [string]",
    ),
    ("Waiting", "unread* Unread, unsent* Unsent"),
    (
        "Unread",
        "id string, accepted_at_ms integer, kind Kind, text* string?, media* [Medium/string], user_data* any, failed_text* FailedText, preference* Keyword, by* string",
    ),
    ("Unsent", "id string, texts [UnsentText]"),
    (
        "UnsentText",
        "id string, text string, media [string], state TextState, until* integer, tries* integer, since* integer, at* integer, provider_id* string, code* string, reason* string",
    ),
    (
        "Kind",
        "text|start|end|delivery_failed|send|open_pipe|close_pipe|erase|preference|take_over|hand_back|no_input|timeout",
    ),
    ("Keyword", "stop|start|help"),
    ("Medium", "url string, content_type string"),
    ("FailedText", "id string, code string, reason string"),
    ("TextState", "queued|held|sending|retry|unknown|sent|failed|given_up"),
    ("DeliveryStatus", "accepted|queued|sending|sent|delivered|undelivered|failed|read"),
    ("TurnPage", "turns [Turn], next string?"),
    (
        "Turn",
        "id string, kind Kind, text* string?, media [Medium/string], user_data* any, failed_text* FailedText, preference* Keyword, by* string, session_id string?, accepted_at_ms integer, asked_at_ms integer?, answered_at_ms integer, asks integer, commands [string], error string?, answered_with* string, texts [SentText]",
    ),
    (
        "SentText",
        "id string, text string, media [string], segments integer, state TextState, until* integer, tries* integer, since* integer, at* integer, provider_id* string, code* string, reason* string, sent_at_ms integer?, expires_at_ms integer, delivery Delivery?, can_be_resent boolean",
    ),
    ("Delivery", "status DeliveryStatus, at_ms integer, code string"),
    ("PlainTurnPage", "turns [PlainTurn], next string?"),
    (
        "PlainTurn",
        "id string, kind Kind, text string?, media integer, session_id string?, accepted_at_ms integer, answered_at_ms integer, asks integer, error string?, answered_with* string, texts [PlainText]",
    ),
    (
        "PlainText",
        "id string, text string, media [string], state TextState, until* integer, tries* integer, since* integer, at* integer, provider_id* string, code* string, reason* string, delivery DeliveryStatus?",
    ),
    // What is asked for, and what is said to it.
    ("TakeOver", "for_s* integer:1..2592000"),
    ("Text", "!text* words, media* [url]"),
    ("TextTo", "user address, text* words, media* [url]"),
    ("Someone", "user address"),
    ("TrialOfProvider", "result =sent, provider_id string"),
    ("TrialOfAssistant", "result =answered, items integer, commands integer"),
    (
        "SessionStart",
        "user address, user_data* any, timeout_s* integer:1..31536000, text* words, on_open* replace|refuse",
    ),
    ("Started", "id string, repeated boolean, user string"),
    ("SessionPage", "sessions [Session], next string?, unreadable integer"),
    ("UsagePage", "from string, until string, total Usage, days [DayOfUsage]"),
    ("DayOfUsage", "day string, usage Usage"),
    ("Usage", "inbound integer, answered integer, outbound integer, outbound_segments integer, failed integer"),
    ("PipeOpening", "user address, webhook url, expires_in_s* integer:1..31536000"),
    ("Pipe", "pipe string, user string, open boolean, expires_at_ms integer?"),
    ("OpenedPipe", "id string, repeated boolean, pipe string, user string, open boolean, expires_at_ms integer?"),
    // How the gateway is.
    ("DeadLetterPage", "dead_letters [DeadLetter], next string?"),
    (
        "DeadLetter",
        "id string, at_ms integer, reason string, tenant string?, user string?, kind* Kind, text* string?, media* [Medium/string], user_data* any, failed_text* FailedText, preference* Keyword, by* string, bytes string?, retriable boolean",
    ),
    ("Discarded", "id string, discarded boolean"),
    ("AuditPage", "entries [AuditEntry], next string?"),
    (
        "AuditEntry",
        "id string, at_ms integer, who string, what Deed, tenant string?, conversation string?, subject string?",
    ),
    ("Deed", "end|take_over|hand_back|send|resend|test_provider|test_assistant|export|erase|retry|discard"),
    ("TenantPage", "tenants [Tenant]"),
    ("Tenant", "number string, channel Channel, assistant Assistant, health Health, rules Rules"),
    ("BriefTenant", "number string, channel Channel, assistant Assistant, health Health"),
    ("Channel", "name string, kind string?, webhook_path string, webhook_url string?"),
    ("Assistant", "name string, kind string?"),
    (
        "Rules",
        "session_timeout_s integer, answer_within_s integer, inbound_start boolean, greeting boolean, timeout_turn boolean, failure_message string, keywords_obeyed boolean, quiet_hours QuietHours?, transcripts_kept_s integer?, gather_ms integer?, ask AskRules, send SendRules, lane LaneRules, report string?, control ControlRules",
    ),
    ("QuietHours", "from string, to string"),
    ("AskRules", "timeout_ms integer, retries integer, interval_ms integer"),
    ("SendRules", "timeout_ms integer, valid_for_s integer, in_doubt resend|give_up"),
    ("LaneRules", "asks_max integer, sends_max integer, segments_per_second number?"),
    ("ControlRules", "password boolean, token boolean, tokens [NamedToken]"),
    ("NamedToken", "name string, scopes [Scope]"),
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
    // What happens.
    ("Happening", "id string, type HappeningType, at_ms integer, tenant string, user string, data HappeningData"),
    ("HookedHappening", "type HappeningType, timestamp string, data HookedData"),
    (
        "HappeningType",
        "text.received|request.received|turn.completed|turn.failed|request.completed|message.sent|message.failed|message.unknown|message.delivered|message.undelivered|message.status|session.started|session.ended|user.opted_out|user.opted_in|user.erased|conversation.taken_over|conversation.handed_back|agent.wanted|notice",
    ),
    (
        "HappeningData",
        "turn* string, session_id* string?, texts* integer, took_ms* integer, text* string, code* string, status* DeliveryStatus, reason* string, by* user|provider, notice* string",
    ),
    (
        "HookedData",
        "tenant string, user string, turn* string, session_id* string?, texts* integer, took_ms* integer, text* string, code* string, status* DeliveryStatus, reason* string, by* user|provider, notice* string",
    ),
];

/// All shapes, by name.
pub(super) fn all() -> Value {
    let shapes = SHAPES.iter().map(|(name, line)| {
        let mut shape = shape(line);
        // A field that nobody knows is an error in what is asked; in what is answered, later versions may have more.
        if OPERATIONS.iter().any(|operation| operation.body == Some(*name)) {
            shape["additionalProperties"] = false.into();
        }
        ((*name).to_owned(), shape)
    });
    let codes = ("Code".to_owned(), problems::codes());
    Value::Object(shapes.chain([codes]).chain(problems::shapes()).collect())
}

/// Whether a body of this shape must be there: whether it has a field that must.
pub(super) fn is_needed(name: &str) -> bool {
    let fields = SHAPES.iter().find(|(known, _)| *known == name).map_or("", |(_, fields)| fields);
    fields.starts_with('!') || fields.split(", ").any(|field| !field.contains("* "))
}

fn shape(line: &str) -> Value {
    if !line.contains(' ') {
        return of(line);
    }
    let (mut properties, mut required) = (Map::new(), Vec::new());
    let fields = line.trim_start_matches('!');
    for field in fields.split(", ") {
        let (name, kind) = field.split_once(' ').unwrap_or((field, "any"));
        let known = name.strip_suffix('*').unwrap_or(name);
        if known == name {
            required.push(known);
        }
        properties.insert(known.to_owned(), of(kind));
    }
    let mut shape = json!({"type": "object", "properties": properties, "required": required});
    if fields != line {
        shape["minProperties"] = 1.into();
    }
    shape
}

/// A type as JSON Schema has it.
pub(super) fn of(kind: &str) -> Value {
    if let Some(inner) = kind.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return json!({"type": "array", "items": of(inner)});
    }
    if let Some(inner) = kind.strip_suffix('?') {
        return nullable(of(inner));
    }
    if let Some(word) = kind.strip_prefix('=') {
        return json!({"type": "string", "enum": [word]});
    }
    if let Some((plain, bounds)) = kind.split_once(':') {
        return bounded(plain, bounds);
    }
    match kind {
        "any" => json!({}),
        "integer" => json!({"type": "integer", "format": "int64"}),
        "address" => json!({"type": "string", "maxLength": ADDRESS_MAX, "pattern": ADDRESS}),
        "url" => json!({"type": "string", "format": "uri", "maxLength": 2_048, "pattern": "^https?://[^\\s]+$"}),
        "day" => json!({"type": "string", "format": "date"}),
        "words" => json!({"type": "string", "maxLength": 16_000, "pattern": "\\S"}),
        either if either.contains('/') => json!({"anyOf": either.split('/').map(of).collect::<Vec<_>>()}),
        words if words.contains('|') => json!({"type": "string", "enum": words.split('|').collect::<Vec<_>>()}),
        name if name.starts_with(char::is_uppercase) => json!({"$ref": format!("#/components/schemas/{name}")}),
        plain => json!({"type": plain}),
    }
}

/// The same or `null`.
fn nullable(mut inner: Value) -> Value {
    match inner.get("type").and_then(Value::as_str).map(ToOwned::to_owned) {
        Some(plain) if inner.get("enum").is_none() => {
            inner["type"] = json!([plain, "null"]);
            inner
        }
        Some(_) | None => json!({"anyOf": [inner, {"type": "null"}]}),
    }
}

/// A number from one to another.
fn bounded(plain: &str, bounds: &str) -> Value {
    let mut schema = of(plain);
    let (least, most) = bounds.split_once("..").unwrap_or((bounds, bounds));
    for (name, bound) in [("minimum", least), ("maximum", most)] {
        schema[name] = bound.parse::<u64>().map_or(Value::Null, Value::from);
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_a_schema() {
        let shape = shape(
            "!a string, b* [Turn], c integer?, d Turn?, e one|two, f any, g =one, h one|two?, i [Turn/string], j integer:1..9",
        );
        let expected = json!({
            "type": "object", "minProperties": 1, "required": ["a", "c", "d", "e", "f", "g", "h", "i", "j"],
            "properties": {
                "a": {"type": "string"}, "b": {"type": "array", "items": {"$ref": "#/components/schemas/Turn"}},
                "c": {"type": ["integer", "null"], "format": "int64"},
                "d": {"anyOf": [{"$ref": "#/components/schemas/Turn"}, {"type": "null"}]},
                "e": {"type": "string", "enum": ["one", "two"]}, "f": {}, "g": {"type": "string", "enum": ["one"]},
                "h": {"anyOf": [{"type": "string", "enum": ["one", "two"]}, {"type": "null"}]},
                "i": {"type": "array", "items": {"anyOf": [{"$ref": "#/components/schemas/Turn"}, {"type": "string"}]}},
                "j": {"type": "integer", "format": "int64", "minimum": 1, "maximum": 9},
            },
        });
        assert_eq!(shape, expected);
        assert!(is_needed("TextTo") && is_needed("Text") && !is_needed("TakeOver"));
    }
}
