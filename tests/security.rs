//! What keeps a gateway from those who mean it ill, from outside: the threat model in docs/security.md, threat by threat.
//!
//! One module per side of it; `document` holds the threat model to its word. What is logged is tested alone in its process, in
//! `security_log`.

#[path = "support/caller.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod caller;
#[path = "security/document.rs"]
mod document;
#[path = "security/doors.rs"]
mod doors;
#[path = "security/limits.rs"]
mod limits;
#[path = "support/operator.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod operator;
#[path = "security/outbound.rs"]
mod outbound;
#[path = "security/refusals.rs"]
mod refusals;
#[path = "security/routes.rs"]
mod routes;
#[path = "support/scene.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod scene;
#[path = "security/tls.rs"]
mod tls;
#[path = "security/tokens.rs"]
mod tokens;
#[path = "support/twilio.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod twilio;
#[path = "support/voice.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod voice;
#[path = "support/watson.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod watson;
