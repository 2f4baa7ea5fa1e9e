//! One row for each operation: what it is called, where it is, what it takes and what it answers.

/// See the module.
pub(super) struct Operation {
    pub(super) id: &'static str,
    pub(super) tag: &'static str,
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) summary: &'static str,
    /// Empty where nobody is asked who he is, or not by these means.
    pub(super) scope: &'static str,
    /// Name, shape and explanation.
    pub(super) query: &'static [(&'static str, &'static str, &'static str)],
    pub(super) body: Option<&'static str>,
    /// Status and shape; a type with a slash for what is no JSON; codes for what may be wrong beside what may be with every request.
    pub(super) answers: &'static [(&'static str, &'static str)],
}

impl Operation {
    /// What it answers when all is well, or where nobody is asked who he is: status, and shape or type.
    pub(super) fn results(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.answers.iter().copied().filter(|(_, kind)| !are_codes(kind))
    }

    /// What may be wrong with it in particular: status and codes.
    pub(super) fn problems(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.answers.iter().copied().filter(|(_, kind)| are_codes(kind))
    }

    /// Whether it takes effect once under one `Idempotency-Key`.
    pub(super) fn takes_key(&self) -> bool {
        self.answers.contains(&ID_REUSED)
    }
}

/// A shape begins with a capital letter, and a type has a slash.
fn are_codes(kind: &str) -> bool {
    kind.starts_with(|letter: char| letter.is_ascii_lowercase()) && !kind.contains('/')
}

pub(super) const TAGS: &[(&str, &str)] = &[
    ("conversations", "What was said in all conversations, and stepping in."),
    ("gateway", "How the gateway is: numbers, figures, dead letters, who did what, and a stream of what happens."),
    ("sessions", "What the owner of a number does: sessions, texts, persons, usage."),
    ("pipes", "A voice gateway takes a user's texts."),
    ("health", "For load balancers and supervisors, and for Prometheus."),
];

type Rest = (
    &'static [(&'static str, &'static str, &'static str)],
    Option<&'static str>,
    &'static [(&'static str, &'static str)],
);

const fn op(
    (id, tag): (&'static str, &'static str),
    (method, path): (&'static str, &'static str),
    (summary, scope): (&'static str, &'static str),
    (query, body, answers): Rest,
) -> Operation {
    Operation { id, tag, method, path, summary, scope, query, body, answers }
}

const LIMIT: (&str, &str, &str) = ("limit", "integer:1..200", "How many entries a page has at most: 50 as it stands.");
const MANY: (&str, &str, &str) = ("limit", "integer:1..500", "How many entries a page has at most: 50 as it stands.");
const AFTER: (&str, &str, &str) = ("after", "string", "The `next` of the page before.");
const BEFORE: (&str, &str, &str) = ("before", "string", "The `next` of the page before.");
const FROM: (&str, &str, &str) = ("from", "day", "The first day, as 2026-11-25, in UTC.");
const UNTIL: (&str, &str, &str) = ("until", "day", "The last day.");
const USER: (&str, &str, &str) = ("user", "string", "A number, or a part of one.");
const TENANT: (&str, &str, &str) = ("tenant", "string", "Only conversations with this number of ours.");
const STATE: (&str, &str, &str) = ("state", "any|open|unsettled|stopped|taken_over", "Only conversations that are so.");
const ORDER: (&str, &str, &str) =
    ("order", "recent|stored", "`recent`: the latest that this process has heard of, one page. `stored`: all.");

/// Of everything that takes an `Idempotency-Key`.
const ID_REUSED: (&str, &str) = ("422", "id_reused");

const CHATS: &str = "conversations";
const GATEWAY: &str = "gateway";
const SESSIONS: &str = "sessions";

pub(super) const OPERATIONS: &[Operation] = &[
    op(
        ("listConversations", CHATS),
        ("get", "/v1/operator/conversations"),
        ("List and search conversations", "read"),
        (&[USER, TENANT, STATE, ORDER, LIMIT, AFTER], None, &[("200", "ConversationPage")]),
    ),
    op(
        ("getConversation", CHATS),
        ("get", "/v1/operator/conversations/{tenant}/{user}"),
        ("One conversation; with its context for who has `control`", "read"),
        (&[], None, &[("200", "Conversation")]),
    ),
    op(
        ("eraseConversation", CHATS),
        ("delete", "/v1/operator/conversations/{tenant}/{user}"),
        ("Erase everything that is kept of a person", "control"),
        (&[], None, &[("200", "Receipt"), ("202", "Receipt"), ID_REUSED, ("500", "not_erased")]),
    ),
    op(
        ("getConversationTranscript", CHATS),
        ("get", "/v1/operator/conversations/{tenant}/{user}/transcript"),
        ("What was said and what became of it, newest first", "read"),
        (&[LIMIT, BEFORE], None, &[("200", "TurnPage")]),
    ),
    op(
        ("exportConversation", CHATS),
        ("get", "/v1/operator/conversations/{tenant}/{user}/export"),
        ("Everything that is kept of a person, as JSON lines", "control"),
        (&[], None, &[("200", "application/x-ndjson")]),
    ),
    op(
        ("sendInConversation", CHATS),
        ("post", "/v1/operator/conversations/{tenant}/{user}/texts"),
        ("Send a text", "send"),
        (&[], Some("Text"), &[("202", "Receipt"), ("409", "opted_out|no_session"), ID_REUSED]),
    ),
    op(
        ("resendText", CHATS),
        ("post", "/v1/operator/conversations/{tenant}/{user}/texts/{text}/resend"),
        ("Send a failed text once more", "control"),
        (&[], None, &[("202", "Receipt"), ("409", "not_failed|opted_out|no_session")]),
    ),
    op(
        ("takeOver", CHATS),
        ("post", "/v1/operator/conversations/{tenant}/{user}/takeover"),
        ("Silence the assistant: a person answers", "control"),
        (&[], Some("TakeOver"), &[("200", "Receipt"), ("202", "Receipt"), ID_REUSED]),
    ),
    op(
        ("handBack", CHATS),
        ("delete", "/v1/operator/conversations/{tenant}/{user}/takeover"),
        ("Let the assistant answer again", "control"),
        (&[], None, &[("200", "Receipt"), ("202", "Receipt"), ("409", "not_taken_over"), ID_REUSED]),
    ),
    op(
        ("endConversationSession", CHATS),
        ("delete", "/v1/operator/conversations/{tenant}/{user}/session"),
        ("End the session", "control"),
        (&[], None, &[("200", "Receipt"), ("202", "Receipt"), ("404", "no_session"), ID_REUSED]),
    ),
    op(
        ("getMe", GATEWAY),
        ("get", "/v1/operator/me"),
        ("Who asks, and what he may", "read"),
        (&[], None, &[("200", "Me")]),
    ),
    op(
        ("getOverview", GATEWAY),
        ("get", "/v1/operator/overview"),
        ("How much goes on, how fast and how well", "read"),
        (&[], None, &[("200", "Overview")]),
    ),
    op(
        ("streamEvents", GATEWAY),
        ("get", "/v1/operator/stream"),
        ("What happens, as server-sent events", "read"),
        (&[], None, &[("200", "text/event-stream")]),
    ),
    op(
        ("listTenants", GATEWAY),
        ("get", "/v1/operator/tenants"),
        ("Our numbers and their settings, without secrets", "read"),
        (&[], None, &[("200", "TenantPage")]),
    ),
    op(
        ("tryProviderOf", GATEWAY),
        ("post", "/v1/operator/tenants/{tenant}/test/provider"),
        ("Send a test text and say what the provider made of it", "control"),
        (&[], Some("Someone"), &[("200", "TrialOfProvider"), ID_REUSED, ("502", "provider_failed")]),
    ),
    op(
        ("tryAssistantOf", GATEWAY),
        ("post", "/v1/operator/tenants/{tenant}/test/assistant"),
        ("Ask the assistant to speak first, to nobody", "control"),
        (&[], None, &[("200", "TrialOfAssistant"), ("502", "assistant_failed")]),
    ),
    op(
        ("listDeadLetters", GATEWAY),
        ("get", "/v1/operator/dead-letters"),
        ("What was set aside, and why, oldest first", "read"),
        (&[LIMIT, AFTER], None, &[("200", "DeadLetterPage")]),
    ),
    op(
        ("retryDeadLetter", GATEWAY),
        ("post", "/v1/operator/dead-letters/{letter}/retry"),
        ("Give it to its conversation once more", "control"),
        (&[], None, &[("202", "Receipt"), ("409", "not_retriable")]),
    ),
    op(
        ("discardDeadLetter", GATEWAY),
        ("delete", "/v1/operator/dead-letters/{letter}"),
        ("Discard it", "control"),
        (&[], None, &[("200", "Discarded")]),
    ),
    op(
        ("listAudit", GATEWAY),
        ("get", "/v1/operator/audit"),
        ("Who has asked for what, newest first", "read"),
        (&[LIMIT, BEFORE], None, &[("200", "AuditPage")]),
    ),
    op(
        ("startSession", SESSIONS),
        ("post", "/v1/tenants/{tenant}/sessions"),
        ("Start a session: the assistant speaks first, or a text of ours is sent", "control"),
        (&[], Some("SessionStart"), &[("202", "Started"), ("409", "session_open|opted_out|taken_over"), ID_REUSED]),
    ),
    op(
        ("listSessions", SESSIONS),
        ("get", "/v1/tenants/{tenant}/sessions"),
        ("Open sessions", "read"),
        (&[MANY, AFTER], None, &[("200", "SessionPage")]),
    ),
    op(
        ("getSession", SESSIONS),
        ("get", "/v1/tenants/{tenant}/sessions/{user}"),
        ("One of them", "read"),
        (&[], None, &[("200", "Session"), ("404", "no_session")]),
    ),
    op(
        ("endSession", SESSIONS),
        ("delete", "/v1/tenants/{tenant}/sessions/{user}"),
        ("End it", "control"),
        (&[], None, &[("200", "Receipt"), ("202", "Receipt"), ("404", "no_session"), ID_REUSED]),
    ),
    op(
        ("sendInSession", SESSIONS),
        ("post", "/v1/tenants/{tenant}/sessions/{user}/texts"),
        ("Send a text in it", "send"),
        (&[], Some("Text"), &[("202", "Receipt"), ("409", "no_session|opted_out"), ID_REUSED]),
    ),
    op(
        ("getTranscript", SESSIONS),
        ("get", "/v1/tenants/{tenant}/sessions/{user}/transcript"),
        ("What was said, newest first", "read"),
        (&[LIMIT, BEFORE], None, &[("200", "PlainTurnPage")]),
    ),
    op(
        ("sendText", SESSIONS),
        ("post", "/v1/tenants/{tenant}/texts"),
        ("Send a text, session or not", "send"),
        (&[], Some("TextTo"), &[("202", "Receipt"), ("409", "opted_out|no_session"), ID_REUSED]),
    ),
    op(
        ("exportPerson", SESSIONS),
        ("get", "/v1/tenants/{tenant}/users/{user}/export"),
        ("Everything that is kept of a person, as JSON lines", "control"),
        (&[], None, &[("200", "application/x-ndjson")]),
    ),
    op(
        ("erasePerson", SESSIONS),
        ("delete", "/v1/tenants/{tenant}/users/{user}"),
        ("Erase it", "control"),
        (&[], None, &[("200", "Receipt"), ("202", "Receipt"), ID_REUSED, ("500", "not_erased")]),
    ),
    op(
        ("getUsage", SESSIONS),
        ("get", "/v1/tenants/{tenant}/usage"),
        ("What was used, by day", "read"),
        (&[FROM, UNTIL], None, &[("200", "UsagePage")]),
    ),
    op(
        ("tryProvider", SESSIONS),
        ("post", "/v1/tenants/{tenant}/test/provider"),
        ("Send a test text and say what the provider made of it", "control"),
        (&[], Some("Someone"), &[("200", "TrialOfProvider"), ID_REUSED, ("502", "provider_failed")]),
    ),
    op(
        ("tryAssistant", SESSIONS),
        ("post", "/v1/tenants/{tenant}/test/assistant"),
        ("Ask the assistant to speak first, to nobody", "control"),
        (&[], None, &[("200", "TrialOfAssistant"), ("502", "assistant_failed")]),
    ),
    op(
        ("openPipe", "pipes"),
        ("post", "/v1/tenants/{tenant}/pipes"),
        ("Open a pipe", "control"),
        (&[], Some("PipeOpening"), &[("201", "OpenedPipe"), ("202", "OpenedPipe"), ID_REUSED]),
    ),
    op(
        ("getPipe", "pipes"),
        ("get", "/v1/tenants/{tenant}/pipes/{pipe}"),
        ("Whether it is open", "read"),
        (&[], None, &[("200", "Pipe"), ("404", "no_pipe")]),
    ),
    op(
        ("closePipe", "pipes"),
        ("delete", "/v1/tenants/{tenant}/pipes/{pipe}"),
        ("Close it", "control"),
        (&[], None, &[("200", "Receipt"), ("202", "Receipt"), ("404", "no_pipe"), ID_REUSED]),
    ),
    op(
        ("sendThroughPipe", "pipes"),
        ("post", "/v1/tenants/{tenant}/pipes/{pipe}/texts"),
        ("Send a text through it", "send"),
        (&[], Some("Text"), &[("202", "Receipt"), ("404", "no_pipe"), ("409", "no_pipe|opted_out"), ID_REUSED]),
    ),
    op(
        ("isLive", "health"),
        ("get", "/health/live"),
        ("Whether the process runs", ""),
        (&[], None, &[("200", "text/plain")]),
    ),
    op(
        ("isReady", "health"),
        ("get", "/health/ready"),
        ("Whether texts are taken", ""),
        (&[], None, &[("200", "text/plain"), ("503", "text/plain")]),
    ),
    op(
        ("getMetrics", "health"),
        ("get", "/metrics"),
        ("Counters for Prometheus; this machine only, or with the metrics_token", ""),
        (&[], None, &[("200", "text/plain"), ("401", "text/plain"), ("403", "text/plain")]),
    ),
];
