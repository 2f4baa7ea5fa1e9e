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
    pub(super) proof: Proof,
}

/// How the receiver knows us.
#[derive(PartialEq)]
pub(super) enum Proof {
    None,
    Token(Hidden),
    Basic { username: String, password: Hidden },
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
        let text = "credentials and what stands behind ? in the address were left out: those of reporting are used";
        notes.add(Outcome::Lost, &given.place, text);
    }
    let text = "reported in the schema of docs/reporting.md, which is not IBM's: set up the receiver for it";
    notes.add(Outcome::Changed, &given.place, text);
    let secret = Hidden::of(fields, Property::ReportingPassword);
    let splunks = address.segments().windows(2).any(|pair| pair == ["services", "collector"]);
    if splunks {
        if let Some(username) = username {
            notes.add(Outcome::Lost, &username.place, "a Splunk collector looks at the token only: not needed");
        }
        return Some(Report { kind: "splunk_hec", url: address.whole(), proof: Proof::Token(secret) });
    }
    let proof = match (username, password) {
        (Some(username), _) if username.text.contains(':') => {
            notes.add(Outcome::Lost, &username.place, "a user name has no colon: reports go out without credentials");
            Proof::None
        }
        (Some(username), _) => Proof::Basic { username: username.text.clone(), password: secret },
        (None, Some(password)) => {
            notes.add(Outcome::Changed, &password.place, "there is no username with it: it became the report's token");
            Proof::Token(secret)
        }
        (None, None) => Proof::None,
    };
    Some(Report { kind: "json", url: address.exact(), proof })
}
