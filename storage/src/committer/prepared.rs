//! What is made of a request before it stands in line: the bytes that depend on nothing which only the writer knows. Whoever asks makes
//! them, where he is: everybody waits for the writer, and for nobody else.

use raconteur_conversation::words::OutboundRow;

use crate::record::{self, TranscriptRow};
use crate::{Answered, NewWork, Step, StoreError};

/// A record as it is written, cut into values.
type Values = Vec<Vec<u8>>;

/// Work that is offered.
pub(crate) struct PreparedWork {
    pub(super) new: NewWork,
    pub(super) values: Values,
}

impl PreparedWork {
    /// Writes its record.
    ///
    /// # Errors
    /// When it is longer than anything that can be kept.
    pub(crate) fn new(new: NewWork) -> Result<Self, StoreError> {
        let values = record::write_unread(&new)?;
        Ok(Self { new, values })
    }
}

/// A step that is to be committed.
pub(crate) struct PreparedStep {
    pub(super) step: Step,
    /// One for each of its answers, in their order.
    pub(super) answers: Vec<PreparedAnswer>,
}

/// What an answer writes.
pub(super) struct PreparedAnswer {
    /// Its rows that are not settled, with a seed still to be filled in; empty when there is none.
    pub(super) rows: Values,
    /// Its page; empty when none is kept.
    pub(super) page: Values,
}

impl PreparedStep {
    /// Writes the records of its answers.
    ///
    /// # Errors
    /// When one is longer than anything that can be kept.
    pub(crate) fn new(mut step: Step) -> Result<Self, StoreError> {
        let answers = step.answered.iter_mut().map(PreparedAnswer::new).collect::<Result<_, _>>()?;
        Ok(Self { step, answers })
    }
}

impl PreparedAnswer {
    /// Writes what an answer needs; a page that lists no rows gets them.
    fn new(answer: &mut Answered) -> Result<Self, StoreError> {
        let Answered { rows, transcript, .. } = answer;
        let page = match transcript {
            None => Values::new(),
            Some(turn) => {
                if turn.rows.is_empty() {
                    let shown = |row: &OutboundRow| TranscriptRow { row: row.clone(), delivery: None, sent_at: None };
                    turn.rows = rows.iter().map(shown).collect();
                }
                record::write_json(turn)?
            }
        };
        Ok(Self { rows: record::write_unsettled(rows, 0)?, page })
    }
}
