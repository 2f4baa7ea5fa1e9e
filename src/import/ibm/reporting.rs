//! `reporting`: where transcripts and usage go. A Splunk collector becomes a report of kind "splunk_hec", any other server one of
//! kind "json" if what it is told of us fits.

use super::address;
use super::document::Hidden;
use super::fields::Fields;
use super::property::Property;
use crate::import::note::{Notes, Outcome};

/// What is said of further properties of `reporting`, and of variables that begin like its own.
pub(super) const UNKNOWN: &str = "reports have a schema of their own (docs/reporting.md), in which nothing corresponds to this: set up the receiver for it";

/// A report sink.
#[derive(PartialEq)]
pub(super) struct Report {
    /// `splunk_hec` or `json`.
    pub(super) kind: &'static str,
    /// Where reports are posted.
    pub(super) url: String,
    /// What proves that it is us.
    pub(super) token: Option<Hidden>,
}

/// Maps the report sink, if there is one that can be carried over.
pub(super) fn report(fields: &Fields, notes: &mut Notes) -> Option<Report> {
    let [username, password] =
        [Property::ReportingUsername, Property::ReportingPassword].map(|property| fields.get(property));
    let Some(given) = fields.get(Property::ReportingUrl) else {
        for orphan in [username, password].into_iter().flatten() {
            notes.add(Outcome::Lost, &orphan.place, "not used: without the url of reporting nothing is reported");
        }
        return None;
    };
    let address = match address::read(&given.text) {
        Ok(address) => address,
        Err(why) => {
            notes.add(Outcome::Lost, &given.place, format!("{why}; nothing is reported"));
            return None;
        }
    };
    if address.is_in("cloudant.com") || address.is_in("cloudantnosqldb.appdomain.cloud") {
        let text =
            "reports are not written to Cloudant: put a small service before it that takes them (docs/reporting.md)";
        notes.add(Outcome::Lost, &given.place, text);
        return None;
    }
    if address.login.is_some() || !address.query.is_empty() {
        let text = "credentials and what stands behind ? in the address were left out: a token may go along instead";
        notes.add(Outcome::Lost, &given.place, text);
    }
    let text = "reported in the schema of docs/reporting.md, which is not IBM's: set up the receiver for it";
    notes.add(Outcome::Changed, &given.place, text);
    let segments = address.segments();
    if segments.windows(2).any(|pair| pair == ["services", "collector"]) {
        if let Some(username) = username {
            notes.add(Outcome::Lost, &username.place, "a Splunk collector looks at the token only: not needed");
        }
        let token = Some(Hidden::of(fields, Property::ReportingPassword));
        return Some(Report { kind: "splunk_hec", url: address.whole(), token });
    }
    let token = password.map(|_| Hidden::of(fields, Property::ReportingPassword));
    if let (Some(username), Some(password)) = (username, password) {
        let text =
            "reports go along with a token and not with a name and a password: let the receiver accept the token";
        notes.add(Outcome::Lost, &username.place, text);
        notes.add(Outcome::Changed, &password.place, "became the token of the report");
    }
    Some(Report { kind: "json", url: address.exact(), token })
}
