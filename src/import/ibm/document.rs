//! The new configuration as it is put together: sections that tenants share, the variables of its secrets, and its text.

use std::time::Duration;

use raconteur_conversation::address::Address as Number;

use super::conversation::{self, Assistant, Login};
use super::fields::Fields;
use super::property::Property;
use super::provider::{self, Channel};
use super::reporting::{Proof, Report};
use super::toml_text::Toml;
use crate::config::secret::Secret;
use crate::import::note::{Notes, Outcome};
use crate::import::{Imported, SecretVariable};

/// Where IBM's gateway received texts.
const OLD_PATH: &str = "/sms.receiver/SmsRecv";

const LONGEST: &str = "another tenant of the same section has another one: the longest holds for all of them";

const HEAD: &str = "\
# Made by `raconteur import ibm`. What could not be carried over was told when it was made; raconteur.example.toml explains each
# key. Secrets are read from the variables that are named here. `raconteur check` tells what is still wrong.
";

/// A secret, its place in the old configuration, and its value if that is known. Equal where the values are.
pub(super) struct Hidden {
    place: String,
    value: Option<Secret>,
}

impl PartialEq for Hidden {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Hidden {
    /// The secret that a property holds, or should.
    pub(super) fn of(fields: &Fields, property: Property) -> Self {
        let value = fields.get(property).map(|given| Secret::new(&given.text));
        Self { place: fields.place_of(property), value }
    }

    /// A secret that stood somewhere else.
    pub(super) fn known(place: &str, value: &str) -> Self {
        Self { place: place.to_owned(), value: (!value.trim().is_empty()).then(|| Secret::new(value.trim())) }
    }

    /// One that the old configuration does not have, in words.
    pub(super) fn unknown(what: &str) -> Self {
        Self { place: what.to_owned(), value: None }
    }
}

/// What the sections that a tenant refers to are called.
pub(super) struct Names {
    pub(super) channel: String,
    pub(super) assistant: String,
    pub(super) report: Option<String>,
}

/// What a tenant needs.
pub(super) struct Needs {
    pub(super) channel: Channel,
    pub(super) assistant: Assistant,
    pub(super) report: Option<Report>,
}

/// A tenant's part of the text.
pub(super) struct TenantPart {
    /// `[[tenants]]` and what belongs to it.
    pub(super) toml: Toml,
    /// The variable of the password that controls its sessions.
    pub(super) secret: Option<(String, Hidden)>,
}

/// The new configuration.
pub(super) struct Document {
    public_url: String,
    channels: Vec<Named<Channel>>,
    assistants: Vec<Named<Assistant>>,
    reports: Vec<Named<Report>>,
    tenants: Vec<TenantPart>,
}

/// A section and who refers to it.
struct Named<T> {
    name: String,
    content: T,
    /// How long a connection may take, where one of the tenants says so.
    connect_timeout: Option<Duration>,
    tenants: Vec<String>,
}

impl Document {
    /// An empty one, for a gateway that is reached at `public_url`.
    pub(super) fn new(public_url: String) -> Self {
        let (channels, assistants, reports, tenants) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { public_url, channels, assistants, reports, tenants }
    }

    /// Whether nothing was carried over.
    pub(super) fn is_empty(&self) -> bool {
        self.tenants.is_empty()
    }

    /// Makes the sections that a tenant needs, or finds them where another tenant needs the same.
    pub(super) fn refer(&mut self, fields: &Fields, needs: Needs, notes: &mut Notes) -> Names {
        let Needs { channel, assistant, report } = needs;
        let kind = if assistant.workspace_id.is_some() { "watson" } else { "soe" };
        let [to_provider, to_assistant] =
            [provider::connect_timeout(fields, notes), conversation::connect_timeout(fields, notes)];
        let place = &fields.place;
        let (channel, differs) = name(&mut self.channels, "twilio", (channel, to_provider), place);
        if differs {
            notes.add(Outcome::Changed, &fields.place_of(Property::SmsProviderConnectTimeout), LONGEST);
        }
        let (assistant, differs) = name(&mut self.assistants, kind, (assistant, to_assistant), place);
        if differs {
            notes.add(Outcome::Changed, &fields.place_of(Property::ConvConnectTimeout), LONGEST);
        }
        let report = report.map(|report| name(&mut self.reports, "report", (report, None), place).0);
        Names { channel, assistant, report }
    }

    /// Adds a tenant.
    pub(super) fn tenant(&mut self, part: TenantPart) {
        self.tenants.push(part);
    }

    /// The text, the variables, and what is to be done.
    pub(super) fn finish(self, notes: Notes, left_out: usize) -> Imported {
        let Self { public_url, channels, assistants, reports, tenants } = self;
        let (mut toml, mut secrets, mut notes) = (Toml(HEAD.to_owned()), Vec::new(), notes);
        if let [only] = channels.as_slice() {
            server(&mut toml, &only.name);
        }
        for channel in &channels {
            webhook(channel, &public_url, &mut notes);
        }
        for Named { name, content, connect_timeout, tenants: _ } in channels {
            write_channel(&mut toml, (&name, content, &public_url), &mut secrets);
            toml.span("connect_timeout", connect_timeout);
        }
        for Named { name, content, connect_timeout, tenants: _ } in assistants {
            write_assistant(&mut toml, (&name, content), &mut secrets);
            toml.span("connect_timeout", connect_timeout);
        }
        for Named { name, content, connect_timeout: _, tenants: _ } in reports {
            write_report(&mut toml, (&name, content), &mut secrets);
        }
        let carried = tenants.len();
        for TenantPart { toml: part, secret } in tenants {
            toml.gap();
            toml.0 += &part.0;
            secrets.extend(secret.map(|(name, hidden)| variable(name, hidden)));
        }
        Imported { toml: toml.0, secrets, notes: notes.0, carried, left_out }
    }
}

/// The name of the section with this content, and whether another tenant of it has another time to connect.
fn name<T: PartialEq>(
    sections: &mut Vec<Named<T>>,
    base: &str,
    (content, connect_timeout): (T, Option<Duration>),
    tenant: &str,
) -> (String, bool) {
    if let Some(same) = sections.iter_mut().find(|section| section.content == content) {
        let differs = same.connect_timeout != connect_timeout;
        same.connect_timeout = same.connect_timeout.max(connect_timeout);
        same.tenants.push(tenant.to_owned());
        return (same.name.clone(), differs);
    }
    let alike = sections.iter().filter(|section| section.name.starts_with(base)).count();
    let name = if alike == 0 { base.to_owned() } else { format!("{base}-{}", alike + 1) };
    sections.push(Named { name: name.clone(), content, connect_timeout, tenants: vec![tenant.to_owned()] });
    (name, false)
}

/// The variable of one secret of a section.
fn variable_of(section: &str, key: &str) -> String {
    format!("{section}_{key}").to_uppercase().replace('-', "_")
}

fn variable(name: String, Hidden { place, value }: Hidden) -> SecretVariable {
    SecretVariable { name, place, value }
}

fn server(toml: &mut Toml, channel: &str) {
    toml.gap();
    toml.section("[server]");
    toml.comment("Where IBM's SMS Gateway received texts, for numbers whose webhook is not changed yet.");
    toml.bare("aliases", format!("{{ \"{OLD_PATH}\" = \"/channels/{channel}/inbound\" }}"));
}

fn webhook(channel: &Named<Channel>, public_url: &str, notes: &mut Notes) {
    let name = &channel.name;
    let text = format!(
        "set the number's \"A message comes in\" webhook to POST {public_url}/channels/{name}/inbound#rc=5&rp=all (it was \
         {OLD_PATH} at IBM's gateway; drop the user and the password before its host)"
    );
    channel.tenants.iter().for_each(|tenant| notes.add(Outcome::ToDo, tenant, text.as_str()));
}

fn write_channel(
    toml: &mut Toml,
    (name, channel, public_url): (&str, Channel, &str),
    secrets: &mut Vec<SecretVariable>,
) {
    let mut secret = |toml: &mut Toml, key: &str, hidden: Hidden| {
        let name = variable_of(name, key);
        toml.secret(key, &name);
        secrets.push(variable(name, hidden));
    };
    toml.gap();
    toml.section(&format!("[channels.{name}]"));
    toml.text("kind", "twilio");
    toml.text("account_sid", &channel.account_sid);
    secret(toml, "auth_token", channel.auth_token);
    if let Some((sid, hidden)) = channel.api_key {
        toml.text("api_key_sid", &sid);
        secret(toml, "api_key_secret", hidden);
    }
    toml.comment(
        "Where Twilio reaches this gateway, spelled as in the number's webhook: signatures are checked against it.",
    );
    toml.text("public_url", public_url);
    if let Some(url) = &channel.base_url {
        toml.text("base_url", url);
    }
}

fn write_assistant(toml: &mut Toml, (name, assistant): (&str, Assistant), secrets: &mut Vec<SecretVariable>) {
    let mut secret = |toml: &mut Toml, key: &str, hidden: Hidden| {
        let name = variable_of(name, key);
        toml.secret(key, &name);
        secrets.push(variable(name, hidden));
    };
    toml.gap();
    toml.section(&format!("[assistants.{name}]"));
    toml.text("kind", if assistant.workspace_id.is_some() { "watson_v1" } else { "soe" });
    toml.text("url", &assistant.url);
    if let Some(id) = &assistant.workspace_id {
        toml.text("workspace_id", id);
    }
    if let Some(version) = &assistant.version {
        toml.text("version", version);
    }
    match assistant.login {
        Login::None => {}
        Login::Apikey(hidden) => secret(toml, "apikey", hidden),
        Login::Basic { username, password } => {
            toml.text("username", &username);
            secret(toml, "password", password);
        }
        Login::Bearer(hidden) => secret(toml, "bearer_token", hidden),
    }
    if let Some(url) = &assistant.iam_url {
        toml.text("iam_url", url);
    }
}

fn write_report(toml: &mut Toml, (name, report): (&str, Report), secrets: &mut Vec<SecretVariable>) {
    toml.gap();
    toml.section(&format!("[reports.{name}]"));
    toml.text("kind", report.kind);
    toml.text("url", &report.url);
    let (key, hidden) = match report.proof {
        Proof::None => return,
        Proof::Token(token) => ("token", token),
        Proof::Basic { username, password } => {
            toml.text("username", &username);
            ("password", password)
        }
    };
    let name = variable_of(name, key);
    toml.secret(key, &name);
    secrets.push(variable(name, hidden));
}

/// The variable of the password that controls the sessions of the tenant at `index`.
pub(super) fn control_variable(index: usize) -> String {
    format!("TENANT_{}_CONTROL_PASSWORD", index + 1)
}

/// A comment that tells a tenant apart where it has no description.
pub(super) fn untitled(index: usize, number: &Number) -> String {
    format!("Tenant {} of the old configuration, {number}.", index + 1)
}
