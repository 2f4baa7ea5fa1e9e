//! watsonx Assistant, v2: with sessions, where Watson keeps the context, or without, where we do.
//!
//! `sessions` and `stateless` are the two ways, each an assistant of its own; `kept` is what they keep between turns, so alike that the way
//! can be changed in the middle of a conversation. How a message is written and read is `message`'s business, `settings`
//! checks the configuration, and a second place is `backup`'s. Nothing here times or repeats a question: the caller does.

mod kept;
mod sessions;
mod settings;
pub(super) mod stateless;

use std::sync::Arc;

use raconteur_actors::port::Assistant;

use self::sessions::Sessions;
pub use self::settings::{Mode, Reask, Settings};
use self::stateless::Stateless;
use super::address::Below;
use super::backup::{self, Backed};
use super::exchange::Service;
use super::{address, text};
use crate::client::{self, Outbound};

/// The keys that say which assistant is asked.
const NAMES: &str = "url, assistant_id and environment_id";

/// Makes an assistant out of its settings; `name` is the one that its state is kept under.
///
/// # Errors
/// Everything that is wrong with the settings, each with what to do.
pub fn open(name: &str, settings: &Settings) -> Result<Arc<dyn Assistant>, Vec<String>> {
    let place = |settings| place(name, settings).map_err(|problem| vec![problem]);
    let Some(rules) = &settings.backup else {
        backup::none_of(settings.problems())?;
        return place(settings);
    };
    let there = settings.at_backup(rules);
    let rule_problems = rules.problems(&["assistant_id", "environment_id"]);
    backup::none_of(backup::all_problems(settings.problems(), there.problems(), rule_problems))?;
    Ok(Arc::new(Backed::new(name, [place(settings)?, place(&there)?], rules)))
}

/// The assistant in one place.
fn place(name: &str, settings: &Settings) -> Result<Arc<dyn Assistant>, String> {
    let url = settings.assistant_url()?;
    if client::is_readable_on_the_way(&url) {
        tracing::warn!(assistant = name, "the url is http: credentials and every text can be read on the way");
    }
    let out = Outbound::ours(settings.connect_timeout).map_err(|error| error.to_string())?;
    let service = Service::new(out, &settings.given(), NAMES)?;
    let (name, cuts, mark) = (name.to_owned(), text::Cuts::default(), address::mark(&url));
    Ok(match settings.mode {
        Mode::Stateless => {
            let messages = address::outgoing(&address::below(&url, ["message"]))?;
            Arc::new(Stateless { name, messages, mark, service, cuts })
        }
        Mode::Stateful => {
            let (sessions, service) = (address::below(&url, ["sessions"]), Arc::new(service));
            let (session, sessions) = (Below::new(&sessions), address::outgoing(&sessions)?);
            Arc::new(Sessions { name, sessions, session, mark, service, keeps: settings.keeps(), cuts })
        }
    })
}
