//! The Watson v2 assistant through its public door, against a stand-in on a local port.
//!
//! One module per side of it: what it asks, what it makes of an answer, what it makes of a failure, its sessions and how they are
//! restored, how it does without, how it logs in, its second place, its settings.
//! What it writes into the log is tested in a process of its own, `watson_log`.

#[path = "watson_assistant/answered.rs"]
mod answered;
#[path = "watson_assistant/asked.rs"]
mod asked;
#[path = "watson_assistant/backup.rs"]
mod backup;
#[path = "watson_assistant/failing.rs"]
mod failing;
#[path = "support/iam.rs"]
mod iam;
#[path = "watson_assistant/login.rs"]
mod login;
#[path = "support/questions.rs"]
mod questions;
#[path = "watson_assistant/restoring.rs"]
mod restoring;
#[path = "watson_assistant/sessions.rs"]
mod sessions;
#[path = "watson_assistant/settings.rs"]
mod settings;
#[path = "watson_assistant/shown.rs"]
mod shown;
#[path = "watson_assistant/stateless.rs"]
mod stateless;
#[path = "support/watson.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod watson;

use std::time::Duration;

use questions::{
    SESSION, STATUSES, TENANT, TURN, USER, assistant, class, kept, pass, question, raw, reaching, says, session_end,
    state,
};
use raconteur::assistant::watson::backup::Backup;
use raconteur::assistant::watson::v2::{Mode, Reask, Settings, open};
use raconteur::config::secret::Secret;
use raconteur_conversation::address::Address;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::variable::SmsError;
use raconteur_conversation::words::{
    Answer, AskError, AskInput, Choice, CommandCall, Item, Media, OutboundId, Sequence,
};
use serde_json::{Value, json};
use watson::{ASSISTANT, ENVIRONMENT, Fault, KEY, Operation, Reply, StandIn};

/// Asks in a session of its own.
async fn ask(watson: &StandIn, text: &str) -> Result<Answer, AskError> {
    assistant(watson).ask(&says(text, None)).await
}

fn command(name: &str) -> CommandCall {
    CommandCall { name: name.into(), parameters: Value::Null }
}

/// Settings that keep no context.
fn forgetful(watson: &StandIn) -> Settings {
    Settings { keep_context: false, ..reaching(watson.url()) }
}
