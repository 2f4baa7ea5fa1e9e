//! Texts that were asked about together: which they may be, how long they must have waited, and that none of them is answered without
//! the others.

use raconteur_conversation::policy::Gather;
use raconteur_conversation::words::{OutboundRow, Sequence, Work};
use raconteur_storage::TranscriptTurn;

use super::expected::{Checked, expect, silent};
use crate::simulation::speech;

/// The texts of one turn but for the last, as far as a step has shown them.
#[derive(Default)]
pub(super) struct Gathered(Vec<TranscriptTurn>);

impl Gathered {
    /// A text is answered with a later one.
    pub(super) fn join(&mut self, page: &TranscriptTurn, rows: &[OutboundRow], with: Sequence) -> Checked {
        expect(with > page.sequence, || format!("it was answered with the earlier {with}"))?;
        expect(self.0.iter().all(|other| other.answered_with == Some(with)), || "two turns were mixed".into())?;
        self.0.push(page.clone());
        silent(rows)
    }

    pub(super) fn first(&self) -> Option<&TranscriptTurn> {
        self.0.first()
    }

    /// The last text of a turn is answered. Returns what the user has said in all of them, each on a line of its own.
    pub(super) fn complete(
        &mut self,
        (page, body): (&TranscriptTurn, &str),
        gather: Option<Gather>,
        offered: &[&str],
    ) -> Result<String, String> {
        let joined = std::mem::take(&mut self.0);
        let Some(first) = joined.first() else { return Ok(body.to_owned()) };
        expect(gather.is_some(), || "texts were gathered, and each is to be a turn of its own".into())?;
        let together = joined.iter().all(|other| {
            (other.answered_with, other.asks, &other.error) == (Some(page.sequence), page.asks, &page.error)
        });
        expect(together, || "what was gathered was not answered as one turn".into())?;
        let mut bodies = Vec::new();
        for other in &joined {
            let Work::Message(message) = &other.work else { return Err("what is no text was gathered".into()) };
            bodies.push(message.body.as_str());
        }
        bodies.push(body);
        let picks = bodies.iter().any(|body| speech::picks(body, offered));
        expect(!picks, || format!("one of text {} and those behind it picks from a list", first.sequence))?;
        Ok(bodies.join("\n"))
    }

    /// After a step: all texts of a turn were answered with it.
    pub(super) fn is_whole(&self) -> Checked {
        expect(self.0.is_empty(), || format!("texts were answered without the rest of their turn: {:?}", self.0))
    }
}

/// A turn was asked about only when its texts had waited as long as they must: nothing has come for the pause, or the first of them
/// has waited long enough. Only where the clock never goes back, which ends the wait.
pub(super) fn has_waited(page: &TranscriptTurn, first: &TranscriptTurn, gather: Gather) -> Checked {
    let until = page.accepted_at.plus(gather.pause).min(first.accepted_at.plus(gather.at_most));
    expect(page.answered_at >= until, || format!("it was answered at {:?}, and more might have come", page.answered_at))
}
