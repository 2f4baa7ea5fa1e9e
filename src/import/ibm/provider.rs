//! `smsProvider`: who carries the texts. Twilio, or whoever imitates its REST API closely enough, becomes a channel of kind
//! "twilio"; others cannot be carried over.

use std::time::Duration;

use super::address::{self, Address};
use super::document::Hidden;
use super::fields::{Fields, Given, Unit};
use super::property::Property;
use super::tenant::LeftOut;
use crate::import::note::{Notes, Outcome};

/// Twilio's REST API, which a channel need not name.
const TWILIO: &str = "https://api.twilio.com";

/// Providers of whom it is known that they do not speak as Twilio does.
const OTHERS: [&str; 5] = ["restcomm.com", "nexmo.com", "vonage.com", "intelepeer.com", "plivo.com"];

/// The channel's own limits.
const CONNECT_TIMEOUT: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(60));

/// A channel of kind "twilio".
#[derive(PartialEq)]
pub(super) struct Channel {
    /// `AC` and 32 hexadecimal digits.
    pub(super) account_sid: String,
    /// Signs Twilio's requests, and authorises ours where there is no API key.
    pub(super) auth_token: Hidden,
    /// An API key and its secret.
    pub(super) api_key: Option<(String, Hidden)>,
    /// Where the API is, if it is not Twilio's.
    pub(super) base_url: Option<String>,
}

/// What the address says.
struct Place {
    base_url: Option<String>,
    account_sid: Option<String>,
}

/// Maps the provider.
///
/// # Errors
/// When it is not Twilio, or its account is not known.
pub(super) fn channel(fields: &Fields, notes: &mut Notes) -> Result<Channel, LeftOut> {
    let place = place(fields, notes)?;
    let Some(username) = fields.get(Property::ProviderUsername) else {
        let why = "it is missing: give Twilio's account SID (AC and 32 hexadecimal digits)".to_owned();
        return Err(LeftOut { place: fields.place_of(Property::ProviderUsername), why });
    };
    let password = Hidden::of(fields, Property::ProviderPassword);
    let (account_sid, auth_token, api_key) = account(username, place.account_sid, password, notes)?;
    Ok(Channel { account_sid, auth_token, api_key, base_url: place.base_url })
}

/// How long a connection to the provider may take, where it is given.
pub(super) fn connect_timeout(fields: &Fields, notes: &mut Notes) -> Option<Duration> {
    let (low, high) = CONNECT_TIMEOUT;
    fields.span((Property::SmsProviderConnectTimeout, Unit::Millis), low..=high, notes)
}

/// The account's SID, the token that signs, and the API key where one is used.
type Account = (String, Hidden, Option<(String, Hidden)>);

fn account(username: &Given, in_url: Option<String>, password: Hidden, notes: &mut Notes) -> Result<Account, LeftOut> {
    if is_sid(&username.text, "AC") {
        return Ok(match in_url {
            Some(other) if other != username.text => {
                let text =
                    "the address names another account, which then is the one that signs: give its own auth token";
                notes.add(Outcome::ToDo, &username.place, text);
                (other, Hidden::unknown("the auth token of the account in the address of smsProvider"), None)
            }
            Some(_) | None => (username.text.clone(), password, None),
        });
    }
    if !is_sid(&username.text, "SK") {
        let why = "this is no account SID of Twilio's (AC and 32 hexadecimal digits): correct it and import again; an \
                   account of another provider cannot be carried over";
        return Err(LeftOut { place: username.place.clone(), why: why.into() });
    }
    let Some(account_sid) = in_url else {
        let why = "this is an API key, and nothing names its account: put the account SID (AC...) here with the auth token \
                   as password, or write explicitURL as https://api.twilio.com/2010-04-01/Accounts/AC.../Messages.json";
        return Err(LeftOut { place: username.place.clone(), why: why.into() });
    };
    let text = "an API key sends, but Twilio signs its webhooks with the account's auth token: give that one as well";
    notes.add(Outcome::ToDo, &username.place, text);
    let token = Hidden::unknown("the account's auth token, on the first page of Twilio's console");
    Ok((account_sid, token, Some((username.text.clone(), password))))
}

fn place(fields: &Fields, notes: &mut Notes) -> Result<Place, LeftOut> {
    let (explicit, url) = (fields.get(Property::ProviderExplicitUrl), fields.get(Property::ProviderUrl));
    if let (Some(_), Some(url)) = (explicit, url) {
        notes.add(Outcome::Lost, &url.place, "explicitURL goes before it, as it does for IBM's gateway");
    }
    let Some(given) = explicit.or(url) else {
        let place = fields.place_of(Property::ProviderUrl);
        notes.add(Outcome::Changed, &place, format!("not given: {TWILIO} was taken"));
        return Ok(Place { base_url: None, account_sid: None });
    };
    let left_out = |why: &str| LeftOut { place: given.place.clone(), why: why.to_owned() };
    let address = address::read(&given.text).map_err(left_out)?;
    if address.login.is_some() || !address.query.is_empty() {
        let text =
            "credentials and what stands behind ? in the address were left out: the account is that of smsProvider";
        notes.add(Outcome::Lost, &given.place, text);
    }
    if OTHERS.iter().any(|domain| address.is_in(domain)) {
        return Err(left_out(
            "this provider does not speak as Twilio does, and there is no channel for it: move the number to Twilio",
        ));
    }
    let twilios = address.is_in("twilio.com");
    let (base, account_sid) = match parts(&address) {
        Some(parts) => parts,
        None if twilios => (address.up_to(0), None),
        None if explicit.is_some() => {
            return Err(left_out(
                "only an address that ends in /2010-04-01/Accounts/AC.../Messages.json can be carried over: the gateway speaks \
                 Twilio's REST API and no other",
            ));
        }
        None => (address.whole(), None),
    };
    if !twilios {
        let text = "not Twilio's own address: texts are sent there, which works as far as it imitates Twilio's REST API, and \
                    are taken from it if it signs them as Twilio does (X-Twilio-Signature)";
        notes.add(Outcome::Changed, &given.place, text);
    }
    Ok(Place { base_url: (address.host() != "api.twilio.com").then_some(base), account_sid })
}

/// What stands before Twilio's path, and the account in it; `None` if Twilio's path is not there.
fn parts(address: &Address) -> Option<(String, Option<String>)> {
    let segments = address.segments();
    let version = segments.iter().position(|segment| *segment == "2010-04-01")?;
    let account = match segments.get(version + 1..)? {
        [] => None,
        ["Accounts", sid, rest @ ..] if is_sid(sid, "AC") && is_messages(rest) => Some((*sid).to_owned()),
        _ => return None,
    };
    Some((address.up_to(version), account))
}

fn is_messages(rest: &[&str]) -> bool {
    let rest = if let ["SMS", rest @ ..] = rest { rest } else { rest };
    matches!(rest, [] | ["Messages" | "Messages.json"])
}

fn is_sid(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|digits| {
        digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    })
}
