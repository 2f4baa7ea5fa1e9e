//! Notes: what became of each piece of the old configuration. They name places and never values, which may be secrets.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// More places than this are counted, not listed.
const PLACES_MAX: usize = 6;

/// What became of it, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// A whole tenant is not in the new configuration.
    LeftOut,
    /// It has no counterpart, or it could not be read.
    Lost,
    /// It was carried over, but not as it stood.
    Changed,
    /// It is carried over once the operator has done something.
    ToDo,
}

const OUTCOMES: [(Outcome, &str); 4] = [
    (Outcome::LeftOut, "Tenants that could not be carried over"),
    (Outcome::Lost, "Not carried over"),
    (Outcome::Changed, "Carried over with a change"),
    (Outcome::ToDo, "To do"),
];

/// One remark on one place of the old configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What became of it.
    pub outcome: Outcome,
    /// `tenants[0].smsProvider.password`, or a variable's name.
    pub place: String,
    /// Why, and what to do.
    pub text: String,
}

/// Collects notes.
#[derive(Default)]
pub(super) struct Notes(pub(super) Vec<Note>);

impl Notes {
    /// Adds one.
    pub(super) fn add(&mut self, outcome: Outcome, place: &str, text: impl Into<String>) {
        self.0.push(Note { outcome, place: place.to_owned(), text: text.into() });
    }
}

/// The notes in words, with a newline at the end; the same remark on several places is made once.
#[must_use]
pub fn listed(notes: &[Note]) -> String {
    let mut text = String::new();
    for (outcome, heading) in OUTCOMES {
        let remarks = remarks(notes.iter().filter(|note| note.outcome == outcome));
        if remarks.is_empty() {
            continue;
        }
        let _ = writeln!(text, "{heading}:");
        for (remark, places) in remarks {
            let shown = places.get(..PLACES_MAX).unwrap_or(&places).join(", ");
            let more = places.len().saturating_sub(PLACES_MAX);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            let _ = writeln!(text, "  {shown}{more}: {remark}");
        }
    }
    text
}

/// Each remark with its places, in the order in which it was first made.
fn remarks<'a>(notes: impl Iterator<Item = &'a Note>) -> Vec<(&'a str, Vec<&'a str>)> {
    let mut remarks: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut known: BTreeMap<&str, usize> = BTreeMap::new();
    for note in notes {
        let index = *known.entry(&note.text).or_insert(remarks.len());
        match remarks.get_mut(index) {
            Some((_, places)) => places.push(&note.place),
            None => remarks.push((&note.text, vec![&note.place])),
        }
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_stands_first_and_a_repeated_remark_is_made_once() {
        let mut notes = Notes::default();
        notes.add(Outcome::Changed, "tenants[0].description", "now a comment");
        notes.add(Outcome::LeftOut, "tenants[2]", "it has no number");
        for tenant in 1..9 {
            notes.add(Outcome::Changed, &format!("tenants[{tenant}].description"), "now a comment");
        }
        assert_eq!(
            listed(&notes.0),
            "Tenants that could not be carried over:\n  tenants[2]: it has no number\n\
             Carried over with a change:\n  \
             tenants[0].description, tenants[1].description, tenants[2].description, tenants[3].description, \
             tenants[4].description, tenants[5].description and 3 more: now a comment\n"
        );
        assert_eq!(listed(&[]), "");
    }
}
