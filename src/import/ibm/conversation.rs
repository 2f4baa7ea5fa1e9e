//! `conversation`: who answers. A workspace of Watson Assistant v1 becomes an assistant of kind "watson_v1", a service
//! orchestration engine one of kind "soe".

use std::time::Duration;

use super::address::{self, Address};
use super::document::Hidden;
use super::fields::{Fields, Given, Unit};
use super::property::Property;
use super::tenant::LeftOut;
use crate::import::note::{Notes, Outcome};

/// The kinds' own limits.
const CONNECT_TIMEOUT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(60));

/// An address of IBM's that answers nobody since 2021.
const SWITCHED_OFF: &str = "watsonplatform.net";

/// Where the path of IBM's token service ends; the rest is its base.
const TOKEN_PATH: [&str; 2] = ["identity", "token"];

/// An assistant of kind "watson_v1" or "soe".
#[derive(PartialEq)]
pub(super) struct Assistant {
    /// `None` for a service orchestration engine.
    pub(super) workspace_id: Option<String>,
    /// The address, without what belongs to a workspace.
    pub(super) url: String,
    /// The API's version, a date, where it is given.
    pub(super) version: Option<String>,
    /// How we say who we are.
    pub(super) login: Login,
    /// Where IAM is, where it is given.
    pub(super) iam_url: Option<String>,
}

/// One way to say who we are.
#[derive(PartialEq)]
pub(super) enum Login {
    None,
    Apikey(Hidden),
    Basic { username: String, password: Hidden },
    Bearer(Hidden),
}

/// Maps the conversation.
///
/// # Errors
/// When nothing says who answers.
pub(super) fn assistant(fields: &Fields, notes: &mut Notes) -> Result<Assistant, LeftOut> {
    let Some(given) = fields.get(Property::ConversationUrl) else {
        let why = "it is missing: without it nothing says who answers the tenant's texts".to_owned();
        return Err(LeftOut { place: fields.place_of(Property::ConversationUrl), why });
    };
    let left_out = |why: &str| LeftOut { place: given.place.clone(), why: why.to_owned() };
    let address = address::read(&given.text).map_err(left_out)?;
    let (url, in_url) = workspace(&address);
    let workspace_id = workspace_id(fields, in_url, notes);
    let watsons = address.is_in("watson.cloud.ibm.com") || address.is_in(SWITCHED_OFF);
    if workspace_id.is_none() && watsons {
        return Err(left_out(
            "this is Watson's own address, and no workspace is named: add conversation.workspaceID and import again",
        ));
    }
    if address.is_in(SWITCHED_OFF) {
        let text =
            "IBM has switched this address off: put the url from the instance's credentials in the new configuration";
        notes.add(Outcome::ToDo, &given.place, text);
    }
    let url = if workspace_id.is_some() { url } else { address.exact() };
    let version = version(fields, (given, &address), notes);
    let login = login(fields, (given, &address), notes);
    let iam_url = iam_url(fields, &login, notes);
    if matches!(login, Login::None) && workspace_id.is_some() {
        let text = "no credentials are given: add apikey, or username and password, to the assistant's section";
        notes.add(Outcome::ToDo, &fields.place_of(Property::ConversationApikey), text);
    }
    Ok(Assistant { workspace_id, url, version, login, iam_url })
}

/// How long a connection to the assistant may take, where it is given.
pub(super) fn connect_timeout(fields: &Fields, notes: &mut Notes) -> Option<Duration> {
    let (low, high) = CONNECT_TIMEOUT;
    fields.span((Property::ConvConnectTimeout, Unit::Millis), low..=high, notes)
}

/// What stands before `/v1/workspaces/{id}/message`, and the id.
fn workspace(address: &Address) -> (String, Option<String>) {
    let segments = address.segments();
    match segments.iter().position(|segment| *segment == "v1") {
        Some(v1) => {
            let id = match segments.get(v1 + 1..) {
                Some(["workspaces", id, ..]) => Some((*id).to_owned()),
                Some(_) | None => None,
            };
            (address.up_to(v1), id)
        }
        None => (address.whole(), None),
    }
}

fn workspace_id(fields: &Fields, in_url: Option<String>, notes: &mut Notes) -> Option<String> {
    let Some(given) = fields.get(Property::ConversationWorkspaceId) else { return in_url };
    if in_url.is_some_and(|id| id != given.text) {
        notes.add(Outcome::Changed, &given.place, "the url names another workspace: this one was taken");
    }
    Some(given.text.clone())
}

fn version(fields: &Fields, (url, address): (&Given, &Address), notes: &mut Notes) -> Option<String> {
    let in_url = address.query.iter().find(|(name, _)| name == "version").map(|(_, value)| value.clone());
    if address.query.iter().any(|(name, _)| name != "version") {
        let text = "what stands behind ? in the address was left out, since it may be a secret: add it if it is none";
        notes.add(Outcome::Lost, &url.place, text);
    }
    let given = fields.get(Property::ConversationApiVersion);
    let place = given.map_or(&url.place, |given| &given.place);
    let version = given.map(|given| given.text.clone()).or(in_url)?;
    if !is_date(&version) {
        notes.add(Outcome::Lost, place, "the version is no date such as 2021-06-14: the default holds");
        return None;
    }
    Some(version)
}

fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return false };
    let number = |part: &str, digits: usize| {
        let plain = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| part.parse::<u32>().ok()).flatten()
    };
    number(year, 4).is_some()
        && number(month, 2).is_some_and(|month| (1..=12).contains(&month))
        && number(day, 2).is_some_and(|day| (1..=31).contains(&day))
}

fn login(fields: &Fields, (url, address): (&Given, &Address), notes: &mut Notes) -> Login {
    let username = fields.get(Property::ConversationUsername);
    let has = |property| fields.get(property).is_some();
    let means_key = username.is_some_and(|username| username.text.eq_ignore_ascii_case("apikey"));
    if address.login.is_some() {
        let text =
            "credentials stood in the address: they were taken out of it, and are used where no others are given";
        notes.add(Outcome::Changed, &url.place, text);
    }
    if has(Property::ConversationApikey) {
        let text = "not used: the apikey goes before it";
        unused(fields, &[Property::ConversationBearerToken, Property::ConversationPassword], (text, notes));
        return Login::Apikey(Hidden::of(fields, Property::ConversationApikey));
    }
    if means_key && has(Property::ConversationPassword) {
        let place = fields.place_of(Property::ConversationPassword);
        notes.add(Outcome::Changed, &place, "the user name `apikey` says that this is an API key: it became `apikey`");
        unused(fields, &[Property::ConversationBearerToken], ("not used: the API key goes before it", notes));
        return Login::Apikey(Hidden::of(fields, Property::ConversationPassword));
    }
    if has(Property::ConversationBearerToken) {
        let text = "not used: the bearer token goes before it";
        unused(fields, &[Property::ConversationPassword], (text, notes));
        return Login::Bearer(Hidden::of(fields, Property::ConversationBearerToken));
    }
    if let Some(username) = username {
        let password = Hidden::of(fields, Property::ConversationPassword);
        return Login::Basic { username: username.text.clone(), password };
    }
    unused(fields, &[Property::ConversationPassword], ("not used: it has no username", notes));
    match &address.login {
        Some((username, password)) if username == "apikey" => Login::Apikey(Hidden::known(&url.place, password)),
        Some((username, password)) => {
            Login::Basic { username: username.clone(), password: Hidden::known(&url.place, password) }
        }
        None => Login::None,
    }
}

fn unused(fields: &Fields, properties: &[Property], (why, notes): (&str, &mut Notes)) {
    for given in properties.iter().filter_map(|property| fields.get(*property)) {
        notes.add(Outcome::Lost, &given.place, why);
    }
}

/// The base of IBM's token service, where tokens are to be fetched.
fn iam_url(fields: &Fields, login: &Login, notes: &mut Notes) -> Option<String> {
    let tokens = fields.flag(Property::ConversationTokenAuthEnabled, notes);
    let given = fields.get(Property::ConversationTokenServiceProviderUrl);
    let flagged = fields.place_of(Property::ConversationTokenAuthEnabled);
    if !matches!(login, Login::Apikey(_)) {
        if let Some(given) = given {
            notes.add(Outcome::Lost, &given.place, "not used: tokens are fetched with an apikey, and none is given");
        }
        if tokens == Some(true) {
            notes.add(Outcome::Lost, &flagged, "not used: tokens are fetched with an apikey, and none is given");
        }
        return None;
    }
    if tokens == Some(false) {
        let text = "tokens are not wanted: iam_url was left out, and the API key goes along with each request";
        notes.add(Outcome::Changed, &flagged, text);
        return None;
    }
    if tokens == Some(true) && given.is_none() {
        let text = "tokens are wanted and no service is named: IBM Cloud's was taken";
        notes.add(Outcome::Changed, &flagged, text);
        return Some("https://iam.cloud.ibm.com".into());
    }
    let given = given?;
    let base = address::read(&given.text).ok().and_then(|address| {
        let segments = address.segments();
        let before = segments.strip_suffix(&TOKEN_PATH).unwrap_or(&segments).len();
        let known = before < segments.len() || segments.is_empty();
        known.then(|| address.up_to(before))
    });
    let Some(base) = base else {
        let text = "this is not the address of IAM (https://iam.cloud.ibm.com/identity/token), and only IAM's tokens are \
                    fetched: left out, the API key goes along with each request";
        notes.add(Outcome::Lost, &given.place, text);
        return None;
    };
    notes.add(Outcome::Changed, &given.place, "became `iam_url`, which has no /identity/token at its end");
    Some(base)
}
