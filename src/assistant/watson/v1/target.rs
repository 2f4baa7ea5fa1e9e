//! Where a v1 question goes: home, as the configuration says, or where a session was switched to.
//!
//! What a switch leaves out is as at home, with one exception: home's credentials never leave home's origin. Whoever writes a dialog may
//! name any address, and would otherwise have them sent there; and what he names is asked by the guarded way. Targets are kept ready for
//! the next question, so many of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http::Uri;
use raconteur_conversation::command::ConversationConfig;
use raconteur_conversation::words::AskError;
use reqwest::Url;

use super::super::address;
use super::super::credentials::{Given, Need};
use super::super::exchange::{Service, Ways};
use crate::client::Outbound;
use crate::config::secret::Secret;
use crate::guard::Exceptions;

/// How many targets are kept ready.
const READY_MAX: usize = 64;

/// What a workspace is asked with where nobody says otherwise. The latest that there is.
pub(super) const VERSION: &str = "2021-11-27";

/// IBM's own token service.
const IAM: &str = "https://iam.cloud.ibm.com";

/// What the configuration says.
#[derive(Clone, Debug)]
pub(in super::super) struct Home {
    /// A service's address, or an engine's.
    pub(in super::super) url: Url,
    /// The workspace; `None` for an engine, whose address is used as it is.
    pub(in super::super) workspace: Option<String>,
    /// The API version.
    pub(in super::super) version: Option<String>,
    /// The credentials.
    pub(in super::super) given: Given,
    /// How long a connection may take to come about.
    pub(in super::super) connect_timeout: Duration,
    /// What a switch may lead to although it is not public.
    pub(in super::super) outbound: Exceptions,
}

/// Who has written an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Author {
    /// The operator, in the configuration.
    Operator,
    /// Whoever writes the dialog.
    Dialog,
}

/// What one question needs to get where it goes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Aim {
    url: Url,
    names: &'static str,
    given: Given,
    connect_timeout: Duration,
    /// Of the address itself, and of the one where tokens are fetched.
    authors: [Author; 2],
    outbound: Exceptions,
}

/// One client for each author's addresses.
#[derive(Clone)]
struct Clients {
    operators: Outbound,
    dialogs: Outbound,
}

impl Clients {
    fn new(connect_timeout: Duration, outbound: &Exceptions) -> Result<Self, String> {
        let operators = Outbound::ours(connect_timeout).map_err(|error| error.to_string())?;
        let dialogs = Outbound::guarded(connect_timeout, outbound).map_err(|error| error.to_string())?;
        Ok(Self { operators, dialogs })
    }

    fn of(&self, author: Author) -> Outbound {
        match author {
            Author::Operator => self.operators.clone(),
            Author::Dialog => self.dialogs.clone(),
        }
    }
}

/// A place that can be asked.
pub(super) struct Target {
    aim: Aim,
    uri: Uri,
    mark: String,
    clients: Clients,
    /// Reaches it.
    pub(super) service: Service,
}

impl Target {
    /// Makes a place ready. The clients of a target with the same timeout are shared, with their connections.
    ///
    /// # Errors
    /// In words, when the address cannot be asked, or TLS or the credentials cannot be set up.
    pub(super) fn new(aim: Aim, sharing: Option<&Self>) -> Result<Self, String> {
        let clients = match sharing.filter(|target| target.aim.connect_timeout == aim.connect_timeout) {
            Some(target) => target.clients.clone(),
            None => Clients::new(aim.connect_timeout, &aim.outbound)?,
        };
        let [messages, tokens] = aim.authors.map(|author| clients.of(author));
        let service = Service::by(Ways { messages, tokens }, &aim.given, aim.names)?;
        let (mark, uri) = (address::mark(&aim.url), address::outgoing(&aim.url)?);
        Ok(Self { aim, uri, mark, clients, service })
    }

    /// The address of a message.
    pub(super) fn uri(&self) -> Uri {
        self.uri.clone()
    }

    /// By which a kept context is known to be this place's.
    pub(super) fn mark(&self) -> &str {
        &self.mark
    }

    /// Whether this is where an aim leads.
    pub(super) fn is(&self, aim: &Aim) -> bool {
        self.aim == *aim
    }
}

impl Home {
    /// Where questions go that nobody has switched.
    pub(super) fn aim(&self) -> Aim {
        let workspace = self.workspace.as_deref();
        Aim {
            url: message_url(&self.url, workspace, self.version.as_deref()),
            names: names(workspace),
            given: self.given.clone(),
            connect_timeout: self.connect_timeout,
            authors: [Author::Operator; 2],
            outbound: self.outbound.clone(),
        }
    }

    /// Where a question of a switched session goes. An address alone is an engine, with a workspace it is a service; a workspace alone is
    /// another one at home.
    ///
    /// # Errors
    /// [`AskError::Misconfigured`], when the switch makes no sense.
    pub(super) fn switched(&self, config: &ConversationConfig) -> Result<Aim, AskError> {
        let workspace = config.workspace_id.as_deref();
        if workspace.is_some_and(|workspace| !address::is_id(workspace)) {
            return Err(wrong("workspaceID is not an id"));
        }
        let (url, workspace) = match &config.url {
            Some(url) => (address::explicit(url).map_err(|problem| wrong(&problem))?, workspace),
            None => (self.url.clone(), workspace.or(self.workspace.as_deref())),
        };
        let given = self.given_to(&url, config);
        if let Some(problem) = given.problems(Need::Optional).first() {
            return Err(wrong(problem));
        }
        let version = config.api_version.as_deref().or(self.version.as_deref());
        // What is at an origin of the configuration's is the operator's, whoever repeats it.
        let origin = |url: &String| Url::parse(url).ok().map(|url| url.origin());
        let tokens = given.iam_url.as_ref().and_then(origin);
        let is_usual =
            [&self.given.iam_url, &Some(IAM.to_owned())].map(|url| url.as_ref().and_then(origin)).contains(&tokens);
        let author = |is_own: bool| if is_own { Author::Operator } else { Author::Dialog };
        Ok(Aim {
            authors: [author(url.origin() == self.url.origin()), author(tokens.is_none() || is_usual)],
            outbound: self.outbound.clone(),
            url: message_url(&url, workspace, version),
            names: names(workspace),
            given,
            connect_timeout: config.connect_timeout.unwrap_or(self.connect_timeout),
        })
    }

    /// The command's credentials where it has some, else home's at home's origin, else none.
    fn given_to(&self, url: &Url, config: &ConversationConfig) -> Given {
        // IBM's own way to write a key as a name and a password.
        let is_key = config.apikey.is_none() && config.username.as_deref() == Some("apikey");
        let apikey = if is_key { &config.password } else { &config.apikey };
        let apikey = apikey.as_deref().map(Secret::new);
        let is_home = url.origin() == self.url.origin();
        match (apikey, &config.username) {
            (Some(apikey), _) => {
                let usual = self.given.iam_url.clone().filter(|_| is_home);
                let named = config.token_url.clone().or(usual);
                let iam_url = match config.token_auth {
                    Some(true) => Some(named.unwrap_or_else(|| IAM.to_owned())),
                    Some(false) => None,
                    None => named,
                };
                Given { apikey: Some(apikey), iam_url, ..Given::default() }
            }
            (None, Some(username)) => Given {
                username: Some(username.clone()),
                password: Some(Secret::new(config.password.as_deref().unwrap_or_default())),
                ..Given::default()
            },
            (None, None) if is_home => self.given.clone(),
            (None, None) => Given::default(),
        }
    }
}

/// Targets that were used lately, the latest first.
#[derive(Default)]
pub(super) struct Targets(Mutex<VecDeque<Arc<Target>>>);

impl Targets {
    /// The target of an aim, made where it is not ready.
    ///
    /// # Errors
    /// [`AskError::Misconfigured`], when it cannot be made.
    pub(super) fn get(&self, aim: Aim, home: &Target) -> Result<Arc<Target>, AskError> {
        if let Some(target) = self.take(&aim) {
            return Ok(self.keep(target));
        }
        let target = Target::new(aim, Some(home)).map_err(|problem| wrong(&problem))?;
        Ok(self.keep(Arc::new(target)))
    }

    fn take(&self, aim: &Aim) -> Option<Arc<Target>> {
        let mut ready = self.ready();
        let at = ready.iter().position(|target| target.is(aim))?;
        ready.remove(at)
    }

    /// Two who make the same target at once may both keep it: the older one is forgotten in time.
    fn keep(&self, target: Arc<Target>) -> Arc<Target> {
        let mut ready = self.ready();
        ready.push_front(Arc::clone(&target));
        ready.truncate(READY_MAX);
        target
    }

    fn ready(&self) -> MutexGuard<'_, VecDeque<Arc<Target>>> {
        self.0.lock().expect("nobody panics with the targets in hand")
    }
}

fn wrong(problem: &str) -> AskError {
    AskError::Misconfigured { reason: format!("smsActSetConversationConfig: {problem}") }
}

/// The keys that say what is asked.
fn names(workspace: Option<&str>) -> &'static str {
    if workspace.is_some() { "url and workspace_id" } else { "url" }
}

/// The address of a message: below a service's own address for a workspace, whatever path of the API it was given with; as it is for an
/// engine. A version that an engine's address has already stays.
fn message_url(url: &Url, workspace: Option<&str>, version: Option<&str>) -> Url {
    let Some(workspace) = workspace else {
        let mut url = url.clone();
        let has_version = url.query_pairs().any(|(name, _)| name == "version");
        if let Some(version) = version.filter(|_| !has_version) {
            url.query_pairs_mut().append_pair("version", version);
        }
        return url;
    };
    let steps: Vec<String> = url.path_segments().into_iter().flatten().map(str::to_owned).collect();
    let before_api = steps.iter().map(String::as_str).take_while(|step| *step != "v1").filter(|step| !step.is_empty());
    let mut base = url.clone();
    base.set_path("");
    base.set_query(None);
    let mut url = address::below(&base, before_api.chain(["v1", "workspaces", workspace, "message"]));
    url.query_pairs_mut().append_pair("version", version.unwrap_or(VERSION));
    url
}

#[cfg(test)]
mod tests;
