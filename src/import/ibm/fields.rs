//! What one tenant is given, wherever it was given, and typed access to it. All of IBM's scalars may be strings.
//!
//! A value that cannot be read is a note, and the default holds. Holds secrets, so nothing here can be printed.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::json::{Json, shown};
use super::property::{self, OBJECTS, Property, Row, plain};
use super::tenant::LeftOut;
use crate::config::duration_text;
use crate::import::Variable;
use crate::import::note::{Notes, Outcome};

/// What is said of a property that nobody knows.
pub(super) const UNKNOWN: &str = "no property of IBM's SMS Gateway is known by this name: nothing was made of it";

const WRONG_SHAPE: &str = "a text, a number, or true or false belongs here: it was left aside";

/// A scalar and where it was given.
pub(super) struct Given {
    /// `tenants[0].smsProvider.url`, or a variable's name.
    pub(super) place: String,
    /// Its text, without white space around it; never empty.
    pub(super) text: String,
}

/// What one tenant is given.
pub(super) struct Fields {
    /// `tenants[0]`, or `environment`.
    pub(super) place: String,
    given: BTreeMap<Property, Given>,
}

/// The unit of a bare number.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    Seconds,
    Millis,
}

impl Fields {
    /// Reads one tenant of the file.
    pub(super) fn of_tenant(place: &str, tenant: Json, notes: &mut Notes) -> Result<Self, LeftOut> {
        let mut fields = Self { place: place.to_owned(), given: BTreeMap::new() };
        let Json::Object(entries) = tenant else {
            let why = "it is no object: write { \"tenantPhoneNumber\": ..., ... }".to_owned();
            return Err(LeftOut { place: fields.place, why });
        };
        for (key, value) in entries {
            let place = format!("{}.{}", fields.place, shown(&key));
            match OBJECTS.iter().find(|object| plain(object) == plain(&key)) {
                Some(object) => fields.object((object, &key), &place, value, notes),
                None => fields.property("", &key, (place, value), notes),
            }
        }
        Ok(fields)
    }

    /// Reads the one tenant of the environment.
    pub(super) fn of_variables(variables: &[Variable], notes: &mut Notes) -> Self {
        let mut fields = Self { place: "environment".into(), given: BTreeMap::new() };
        for variable in variables {
            if let Some(row) = property::of_variable(&variable.name) {
                fields.keep(row, (variable.name.clone(), Json::Scalar(variable.value.clone())), notes);
            }
        }
        fields
    }

    fn object(&mut self, (object, key): (&str, &str), place: &str, value: Json, notes: &mut Notes) {
        if object != key {
            notes.add(Outcome::Changed, place, format!("taken for `{object}`"));
        }
        match value {
            Json::Null => {}
            Json::Object(entries) => {
                for (key, value) in entries {
                    let place = format!("{place}.{}", shown(&key));
                    self.property(object, &key, (place, value), notes);
                }
            }
            Json::Scalar(_) | Json::List(_) => {
                let text = format!("an object belongs here, as in \"{object}\": {{ ... }}: it was left aside");
                notes.add(Outcome::Lost, place, text);
            }
        }
    }

    fn property(&mut self, object: &str, key: &str, (place, value): (String, Json), notes: &mut Notes) {
        let Some(row) = property::of_key(object, key) else {
            notes.add(Outcome::Lost, &place, if object == "reporting" { super::reporting::UNKNOWN } else { UNKNOWN });
            return;
        };
        if row.name != key {
            notes.add(Outcome::Changed, &place, format!("taken for `{}`", row.name));
        }
        self.keep(row, (place, value), notes);
    }

    fn keep(&mut self, row: &Row, (place, value): (String, Json), notes: &mut Notes) {
        let text = match value {
            Json::Null => return,
            Json::Scalar(text) => text.trim().to_owned(),
            Json::List(_) | Json::Object(_) => {
                notes.add(Outcome::Lost, &place, WRONG_SHAPE);
                return;
            }
        };
        if text.is_empty() {
            return;
        }
        if let Some(earlier) = self.given.insert(row.property, Given { place, text }) {
            notes.add(Outcome::Lost, &earlier.place, "it is given twice: the last one holds");
        }
    }

    /// A property, if it is given.
    pub(super) fn get(&self, property: Property) -> Option<&Given> {
        self.given.get(&property)
    }

    /// Where a property is given; where it would be, if it is not.
    pub(super) fn place_of(&self, property: Property) -> String {
        if let Some(given) = self.get(property) {
            return given.place.clone();
        }
        let Some(row) = property::TABLE.iter().find(|row| row.property == property) else { return self.place.clone() };
        match (self.place.as_str(), row.variables.first()) {
            ("environment", Some(variable)) => (*variable).to_owned(),
            (place, _) if row.object.is_empty() => format!("{place}.{}", row.name),
            (place, _) => format!("{place}.{}.{}", row.object, row.name),
        }
    }

    /// A yes or no.
    pub(super) fn flag(&self, property: Property, notes: &mut Notes) -> Option<bool> {
        let given = self.get(property)?;
        let flag = given.text.to_ascii_lowercase().parse().ok();
        if flag.is_none() {
            notes.add(Outcome::Lost, &given.place, "this is neither true nor false: IBM's default was taken");
        }
        flag
    }

    /// A number that must not be above `most`.
    pub(super) fn count(&self, property: Property, most: u32, notes: &mut Notes) -> Option<u32> {
        let given = self.get(property)?;
        let count = whole_number(given, notes)?;
        let within = u32::try_from(count).unwrap_or(u32::MAX).min(most);
        if u64::from(within) != count {
            notes.add(Outcome::Changed, &given.place, format!("more than is taken here: it became {within}"));
        }
        Some(within)
    }

    /// A length of time, brought into `range`.
    pub(super) fn span(
        &self,
        (property, unit): (Property, Unit),
        range: RangeInclusive<Duration>,
        notes: &mut Notes,
    ) -> Option<Duration> {
        let given = self.get(property)?;
        let count = whole_number(given, notes)?;
        let span = match unit {
            Unit::Seconds => Duration::from_secs(count),
            Unit::Millis => Duration::from_millis(count),
        };
        let within = span.clamp(*range.start(), *range.end());
        if within != span {
            let [low, high, within] = [*range.start(), *range.end(), within].map(duration_text);
            let text = format!("outside {low} to {high}, which is what is taken here: it became {within}");
            notes.add(Outcome::Changed, &given.place, text);
        }
        Some(within)
    }
}

/// A number without sign and fraction; one that is too large is the largest.
fn whole_number(given: &Given, notes: &mut Notes) -> Option<u64> {
    let text = given.text.strip_suffix(".0").unwrap_or(&given.text);
    if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        return Some(text.parse().unwrap_or(u64::MAX));
    }
    notes.add(Outcome::Lost, &given.place, "this is no whole number: the default holds");
    None
}
