//! What a turn must have said: words and media, however they were cut into texts.

use raconteur_conversation::policy::MediaCheck;
use raconteur_conversation::words::OutboundRow;

use crate::simulation::speech::{self, Speech};

/// Good, or what is wrong.
pub(super) type Checked = Result<(), String>;

/// What a turn must have said.
#[derive(Default)]
pub(super) struct Expected {
    pub(super) text: String,
    pub(super) media: Vec<String>,
}

impl Expected {
    /// The assistant has said this as well.
    pub(super) fn add(&mut self, said: Speech, judges: MediaCheck) {
        self.line(&said.text);
        for (n, choice) in (1..).zip(said.choices) {
            self.line(&format!("{n}. {choice}"));
        }
        if let Some(url) = said.picture {
            match judges {
                MediaCheck::Ask if speech::goes_as_link(&url) => self.line(&url),
                MediaCheck::Ask | MediaCheck::No => self.media.push(url),
            }
        }
    }

    /// And this line.
    pub(super) fn line(&mut self, line: &str) {
        self.text.push(' ');
        self.text.push_str(line);
    }
}

/// The rows hold what is expected, however it was cut.
pub(super) fn same(rows: &[OutboundRow], expected: &Expected) -> Checked {
    let bodies: Vec<&str> = rows.iter().flat_map(|row| row.body.split_whitespace()).collect();
    let media: Vec<&String> = rows.iter().flat_map(|row| &row.media).collect();
    let wanted: Vec<&str> = expected.text.split_whitespace().collect();
    let good = bodies == wanted && media == expected.media.iter().collect::<Vec<_>>();
    expect(good, || {
        format!("it says {:?} {media:?}, not {:?} {:?}", bodies.join(" "), wanted.join(" "), expected.media)
    })
}

/// There are no rows.
pub(super) fn silent(rows: &[OutboundRow]) -> Checked {
    expect(rows.is_empty(), || format!("it says something: {:?}", rows.first().map(|row| &row.body)))
}

/// It is good, or this is wrong.
pub(super) fn expect(good: bool, otherwise: impl FnOnce() -> String) -> Checked {
    if good { Ok(()) } else { Err(otherwise()) }
}
