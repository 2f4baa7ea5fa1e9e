//! IBM's SMS Gateway: the tenants of `MULTI_TENANT_CONFIG_FILE`, or the one tenant of the environment, become ours.
//!
//! `property.rs` is the table of what IBM's configuration may hold; `fields.rs` reads it, tolerating what IBM's own pages
//! misspell; `tenant.rs`, `provider.rs`, `conversation.rs` and `reporting.rs` each map one part; `document.rs` writes TOML.

mod address;
mod conversation;
mod deployment;
mod document;
mod fields;
mod json;
mod property;
mod provider;
mod reporting;
mod tenant;
#[cfg(test)]
mod tests;
mod toml_text;

use std::collections::BTreeMap;

use raconteur_conversation::address::Address;

use super::note::{Notes, Outcome};
use super::{Imported, Variable};
use crate::config::Problem;
use document::{Document, Needs};
use fields::Fields;
use json::Json;
use tenant::LeftOut;

/// The largest tenant file that is read, in bytes: some thousand tenants.
pub const FILE_MAX: usize = 8 * 1_024 * 1_024;

/// What stands in the configuration until the operator says where the provider reaches the gateway.
const PUBLIC_URL: &str = "https://sms.example.com";

/// What there is of IBM's configuration.
pub struct Input<'a> {
    /// The name and the text of the tenant file.
    pub tenants: Option<(&'a str, &'a [u8])>,
    /// The variables of the gateway's container.
    pub variables: &'a [Variable],
    /// The URL under which the provider reaches the new gateway, where it is known.
    pub public_url: Option<&'a str>,
}

/// Whether a variable belongs to IBM's SMS Gateway, by its name.
#[must_use]
pub fn is_ibms(name: &str) -> bool {
    property::of_variable(name).is_some() || deployment::remark(name).is_some()
}

/// Carries over what can be, and notes the rest. A tenant that cannot be carried over does not hold up the others.
///
/// # Errors
/// When there is nothing to carry over, or it cannot be read at all.
pub fn import(input: &Input<'_>) -> Result<Imported, Problem> {
    let public_url = match input.public_url {
        Some(url) => address::public_url(url).map_err(|message| problem("--public-url", message))?,
        None => PUBLIC_URL.to_owned(),
    };
    let mut notes = Notes::default();
    let tenants = match input.tenants {
        Some((name, bytes)) => from_file(name, bytes, &mut notes)?,
        None => Vec::from([Ok(from_environment(input.variables, &mut notes)?)]),
    };
    deployment::note(input.variables, input.tenants.is_some(), &mut notes);
    let mut document = Document::new(public_url);
    let (mut numbers, mut left_out) = (BTreeMap::new(), 0);
    for (index, fields) in tenants.into_iter().enumerate() {
        let made = notes.0.len();
        let added = fields.and_then(|fields| add(&fields, index, &mut numbers, (&mut document, &mut notes)));
        if let Err(LeftOut { place, why }) = added {
            left_out += 1;
            // What would have been changed in it is of no interest now.
            notes.0.truncate(made);
            notes.add(Outcome::LeftOut, &place, why);
        }
    }
    if input.public_url.is_none() && !document.is_empty() {
        let text = format!("not given: put the gateway's own in place of {PUBLIC_URL}, which only stands for it");
        notes.add(Outcome::ToDo, "--public-url", text);
    }
    Ok(document.finish(notes, left_out))
}

/// The numbers of the tenants so far, with the place of each.
type Numbers = BTreeMap<Address, String>;

fn add(
    fields: &Fields,
    index: usize,
    numbers: &mut Numbers,
    (document, notes): (&mut Document, &mut Notes),
) -> Result<(), LeftOut> {
    let number = tenant::number(fields, notes)?;
    if let Some(first) = numbers.get(&number) {
        let why = format!("its number is the one of {first} too: give each tenant its own, or take one of the two out");
        return Err(LeftOut { place: fields.place.clone(), why });
    }
    let channel = provider::channel(fields, notes)?;
    let assistant = conversation::assistant(fields, notes)?;
    let report = reporting::report(fields, notes);
    let names = document.refer(fields, Needs { channel, assistant, report }, notes);
    let part = tenant::write(fields, (&number, index), &names, notes);
    document.tenant(part);
    numbers.insert(number, fields.place.clone());
    Ok(())
}

/// The tenants of the file, each with its fields or with why it has none.
fn from_file(name: &str, bytes: &[u8], notes: &mut Notes) -> Result<Vec<Result<Fields, LeftOut>>, Problem> {
    let whole = |message: &str| problem(name, message.to_owned());
    let Json::Object(entries) = json::parse(name, bytes, notes)? else {
        return Err(whole(
            "this is no object: give the file that MULTI_TENANT_CONFIG_FILE names, {\"tenants\": [...]}",
        ));
    };
    let mut tenants = None;
    for (key, value) in entries {
        match property::plain(&key) == "tenants" {
            true => tenants = Some(value),
            false => notes.add(Outcome::Lost, &json::shown(&key), fields::UNKNOWN),
        }
    }
    let Some(tenants) = tenants else {
        return Err(whole("there is no `tenants` in it: give the file that MULTI_TENANT_CONFIG_FILE names"));
    };
    let Json::List(tenants) = tenants else {
        return Err(whole("`tenants` is no list: write {\"tenants\": [ {...}, {...} ]}"));
    };
    if tenants.is_empty() {
        return Err(whole("the list of `tenants` is empty: there is nothing to carry over"));
    }
    let read = |(index, tenant)| Fields::of_tenant(&format!("tenants[{index}]"), tenant, notes);
    Ok(tenants.into_iter().enumerate().map(read).collect())
}

/// The one tenant of the environment.
fn from_environment(variables: &[Variable], notes: &mut Notes) -> Result<Fields, Problem> {
    let set = |variable: &&Variable| !variable.value.trim().is_empty();
    if let Some(file) = variables.iter().filter(set).find(|variable| deployment::names_the_file(&variable.name)) {
        let message = "it names a tenant file, which goes before the tenant's variables: give that file as FILE";
        return Err(problem(&file.name, message.to_owned()));
    }
    if !variables.iter().filter(set).any(|variable| property::of_variable(&variable.name).is_some()) {
        let message = "no variable of a tenant is set: give the tenant file, or a file of variables with --env";
        return Err(problem("environment", message.to_owned()));
    }
    Ok(Fields::of_variables(variables, notes))
}

fn problem(place: &str, message: String) -> Problem {
    Problem { place: place.to_owned(), message }
}
