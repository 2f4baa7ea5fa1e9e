//! Watson Assistant v1 and service orchestration engines through their public doors, against a stand-in on a local port.
//!
//! One module per side of it: what is asked, what is made of an answer, what of a failure, where a session is switched to, the
//! second place, the settings.

#[path = "watson_classic/answered.rs"]
mod answered;
#[path = "watson_classic/asked.rs"]
mod asked;
#[path = "watson_classic/backup.rs"]
mod backup;
#[path = "support/classic.rs"]
mod classic;
#[path = "watson_classic/failing.rs"]
mod failing;
#[path = "support/iam.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod iam;
#[path = "support/questions.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod questions;
#[path = "watson_classic/settings.rs"]
mod settings;
#[path = "watson_classic/switching.rs"]
mod switching;
#[path = "support/watson.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod watson;

use std::sync::Arc;
use std::time::Duration;

use classic::{Classic, Fault, KEY, Reply, WORKSPACE};
use questions::{SESSION, STATUSES, TENANT, USER, class, kept, pass, question, raw, says, state};
use raconteur::assistant::watson::backup::Backup;
use raconteur::assistant::watson::{soe, v1};
use raconteur::config::secret::Secret;
use raconteur::guard::{Exception, Exceptions};
use raconteur_actors::port::Assistant;
use raconteur_conversation::command::ConversationConfig;
use raconteur_conversation::policy::Switchable;
use raconteur_conversation::words::{Answer, AskError, AskInput, AssistantState, Choice, CommandCall, Item};
use serde_json::{Value, json};

const BASIC: &str = "Basic YXBpa2V5Om9wZW4tc2VzYW1l";

/// Sessions are switched to stand-ins on this machine.
fn loopback() -> Exceptions {
    Exceptions::new(["127.0.0.0/8", "localhost"].map(|text| Exception::parse(text).expect("it is an exception")))
}

fn reaching(url: String) -> v1::Settings {
    v1::Settings { outbound: loopback(), ..classic::reaching(url) }
}

fn engine(url: String) -> soe::Settings {
    soe::Settings {
        url,
        version: None,
        apikey: None,
        iam_url: None,
        username: None,
        password: None,
        bearer_token: None,
        connect_timeout: Duration::from_secs(5),
        backup: None,
        outbound: loopback(),
    }
}

fn workspace(classic: &Classic) -> Arc<dyn Assistant> {
    v1::open("care", &reaching(classic.url())).expect("the settings are right")
}

/// A dialog that learns a name and counts its turns.
async fn dialog() -> Classic {
    Classic::start(|turn| match turn.text.strip_prefix("I am ") {
        Some(name) => Reply { context: json!({"name": name}), ..Reply::text("hello") },
        None => {
            let name = turn.context["name"].as_str().unwrap_or_default();
            Reply::text(&format!("[{name}] in turn {}", turn.number))
        }
    })
    .await
}

fn said(answer: &Answer) -> &str {
    let [Item::Text(text)] = &answer.items[..] else { panic!("{answer:?} is not one text") };
    text
}
