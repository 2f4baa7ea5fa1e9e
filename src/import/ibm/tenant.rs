//! A tenant's own settings: its number, its timeouts, its texts, who may control it.

use std::time::Duration;

use raconteur_conversation::address::Address;

use super::document::{Hidden, Names, TenantPart, control_variable, untitled};
use super::fields::{Fields, Unit};
use super::property::Property;
use super::toml_text::Toml;
use crate::config::duration_text;
use crate::import::note::{Notes, Outcome};

/// The ranges that `src/config/tenant.rs` allows; a test reads both ends of each.
const DAY: Duration = Duration::from_secs(86_400);
const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);
const MESSAGE_MAX: usize = 1_600;
const ASK_RETRIES_MAX: u32 = 100;
const SEND_RETRIES_MAX: u32 = 1_000;
/// No wait between two sends is longer, unless the configuration says so.
const BACKOFF_LONGEST: Duration = Duration::from_secs(300);

/// Fewer digits may lack the country code.
const DIGITS_WITH_COUNTRY: usize = 11;

/// A tenant that cannot be carried over.
pub(super) struct LeftOut {
    /// Where the reason is.
    pub(super) place: String,
    /// The reason, and what to do.
    pub(super) why: String,
}

/// The tenant's number as the provider writes it.
///
/// # Errors
/// When there is none that could be one.
pub(super) fn number(fields: &Fields, notes: &mut Notes) -> Result<Address, LeftOut> {
    let place = fields.place_of(Property::TenantPhoneNumber);
    let Some(given) = fields.get(Property::TenantPhoneNumber) else {
        return Err(LeftOut { place, why: "it is missing: a tenant is known by its number".into() });
    };
    let bare: String = given.text.chars().filter(|letter| !" ()-./".contains(*letter)).collect();
    let digits = bare.strip_prefix('+').unwrap_or(&bare);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let text = match is_number {
        true if bare != digits => bare.clone(),
        true if (DIGITS_WITH_COUNTRY..=15).contains(&digits.len()) && !digits.starts_with('0') => {
            notes.add(Outcome::Changed, &place, "a + was put before it, as providers write numbers with their country");
            format!("+{digits}")
        }
        true => {
            // Short codes are written like this; a number without its country is not.
            if digits.len() > 8 {
                let text = "it has no + and may lack its country: write it as the provider does, such as +15550100";
                notes.add(Outcome::ToDo, &place, text);
            }
            bare.clone()
        }
        false => given.text.clone(),
    };
    if is_number && bare != given.text {
        notes.add(Outcome::Changed, &place, "blanks, brackets and dashes were taken out of it");
    }
    Address::parse(&text).map_err(|error| LeftOut { place, why: error.to_string() })
}

/// Writes `[[tenants]]` with its sections.
pub(super) fn write(
    fields: &Fields,
    (number, index): (&Address, usize),
    names: &Names,
    notes: &mut Notes,
) -> TenantPart {
    let mut toml = Toml::default();
    match fields.get(Property::Description) {
        Some(description) => toml.comment(&description.text),
        None => toml.comment(&untitled(index, number)),
    }
    toml.section("[[tenants]]");
    toml.text("number", number.as_str());
    toml.text("channel", &names.channel);
    toml.text("assistant", &names.assistant);
    if let Some(report) = &names.report {
        toml.text("report", report);
    }
    sessions(&mut toml, fields, notes);
    ask(&mut toml, fields, notes);
    send(&mut toml, fields, notes);
    webhook_credentials(fields, notes);
    let secret = control(&mut toml, (fields, index), notes);
    TenantPart { toml, secret }
}

fn sessions(toml: &mut Toml, fields: &Fields, notes: &mut Notes) {
    let start = fields.flag(Property::AllowSessionCreateViaSms, notes);
    if start.is_none() {
        let text = "IBM's default is false, so a text alone opens no session: set `inbound_start = true` if it shall";
        notes.add(Outcome::Changed, &fields.place_of(Property::AllowSessionCreateViaSms), text);
    }
    toml.bare("inbound_start", start.unwrap_or(false));
    let timeout = fields.span((Property::TimeoutForSession, Unit::Seconds), SECOND..=DAY * 365, notes);
    toml.span("session_timeout", timeout);
    if let Some(notify) = fields.flag(Property::NotifyOnSessionTimeout, notes) {
        toml.bare("timeout_turn", notify);
    }
    let Some(message) = fields.get(Property::FailedReplyMessage) else { return };
    let mut units = 0;
    let fits = |letter: &char| {
        units += letter.len_utf16();
        units <= MESSAGE_MAX
    };
    let cut: String = message.text.chars().take_while(fits).collect();
    if cut != message.text {
        notes.add(Outcome::Changed, &message.place, format!("it was cut to {MESSAGE_MAX} characters"));
    }
    toml.text("failure_message", &cut);
}

fn ask(toml: &mut Toml, fields: &Fields, notes: &mut Notes) {
    let mut section = Toml::default();
    let (low, high) = (MILLISECOND * 100, SECOND * 600);
    section.span("timeout", fields.span((Property::ConvReadTimeout, Unit::Millis), low..=high, notes));
    if let Some(retries) = fields.count(Property::ConvMaxRetryNo, ASK_RETRIES_MAX, notes) {
        section.bare("retries", retries);
    }
    section.span("interval", fields.span((Property::ConvRetryInterval, Unit::Millis), MILLISECOND..=high, notes));
    append(toml, "[tenants.ask]", &section);
}

fn send(toml: &mut Toml, fields: &Fields, notes: &mut Notes) {
    let mut section = Toml::default();
    let low = MILLISECOND * 10;
    section.span("timeout", fields.span((Property::SmsProviderReadTimeout, Unit::Millis), low..=SECOND * 600, notes));
    if let Some(retries) = fields.count(Property::SmsProviderMaxRetryNo, SEND_RETRIES_MAX, notes) {
        section.bare("retries", retries);
    }
    let interval = (Property::SmsProviderRetryInterval, Unit::Millis);
    if let Some(first) = fields.span(interval, low..=SECOND * 3_600, notes) {
        section.span("backoff_first", Some(first));
        let place = fields.place_of(Property::SmsProviderRetryInterval);
        notes.add(
            Outcome::Changed,
            &place,
            "it is the first wait; each further one is twice as long, up to backoff_longest",
        );
        if first > BACKOFF_LONGEST {
            section.span("backoff_longest", Some(first));
            let text =
                format!("longer than any wait is by default: backoff_longest became {} as well", duration_text(first));
            notes.add(Outcome::Changed, &place, text);
        }
    }
    append(toml, "[tenants.send]", &section);
}

fn append(toml: &mut Toml, header: &str, section: &Toml) {
    if !section.0.is_empty() {
        toml.gap();
        toml.section(header);
        toml.0 += &section.0;
    }
}

fn webhook_credentials(fields: &Fields, notes: &mut Notes) {
    let properties = [Property::WebHookUsername, Property::WebHookPassword];
    for given in properties.into_iter().filter_map(|property| fields.get(property)) {
        let text = "not needed: who posts to the webhook proves it by Twilio's signature, so drop user and password from its URL";
        notes.add(Outcome::Lost, &given.place, text);
    }
}

/// `[tenants.control]`, and the variable of its password.
fn control(toml: &mut Toml, (fields, index): (&Fields, usize), notes: &mut Notes) -> Option<(String, Hidden)> {
    let [username, password] =
        [Property::ControlUsername, Property::ControlPassword].map(|property| fields.get(property));
    let (username, other) = match (username, password) {
        (Some(username), Some(_)) => (username, None),
        (Some(half), None) | (None, Some(half)) => {
            (half, Some("half of the credentials is missing, so nobody may control"))
        }
        (None, None) => {
            let text = "not given, which leaves IBM's REST interface open to everybody; here nobody may control sessions until \
                        [tenants.control] says who";
            notes.add(Outcome::Changed, &fields.place_of(Property::ControlUsername), text);
            return None;
        }
    };
    let colon = username.text.contains(':').then_some("a user name has no colon, so nobody may control");
    if let Some(why) = other.or(colon) {
        notes.add(Outcome::Lost, &username.place, format!("{why} the sessions: set both in [tenants.control]"));
        return None;
    }
    let name = control_variable(index);
    let mut section = Toml::default();
    section.text("username", &username.text);
    section.secret("password", &name);
    append(toml, "[tenants.control]", &section);
    Some((name, Hidden::of(fields, Property::ControlPassword)))
}
