//! Reads every record of a store and says what is there.

use std::collections::BTreeMap;

use raconteur_conversation::words::RowState;

use super::kind::Kind;
use super::line::Line;
use super::walk::Raw;
use super::{DumpError, walk};
use crate::committer::Meta;
use crate::engine::Engine;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The version of what the store keeps.
    pub format: u32,
    /// It was closed by whoever used it last.
    pub clean: bool,
    /// Records by kind.
    pub kinds: BTreeMap<Kind, Tally>,
    /// Work records that nobody has answered yet.
    pub unread: u64,
    /// Outbound texts of which it is not settled what became of them.
    pub unsettled: u64,
    /// Of these, texts that a provider may have taken already.
    pub in_doubt: u64,
    /// Conversations whose deadline is in no index: they do not wake themselves.
    pub unindexed: u64,
    /// Bytes of all keys and values.
    pub live_bytes: u64,
}

/// Records of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All of them.
    pub records: u64,
    /// Those that do not read well.
    pub damaged: u64,
}

impl Findings {
    /// Everything reads well.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.unindexed == 0 && self.kinds.values().all(|tally| tally.damaged == 0)
    }

    fn take(&mut self, raw: &Raw, line: &Line) {
        self.live_bytes += raw.bytes();
        let tally = self.kinds.entry(Kind::of(raw)).or_default();
        tally.records += 1;
        match line {
            Line::Damaged(_) => tally.damaged += 1,
            Line::Unread(_) => self.unread += 1,
            Line::Answered(answered) => {
                for row in answered.rows() {
                    self.unsettled += 1;
                    self.in_doubt +=
                        u64::from(matches!(row.state, RowState::Sending { .. } | RowState::Unknown { .. }));
                }
            }
            Line::Conversation(_)
            | Line::Duplicate(_)
            | Line::Duplicates(_)
            | Line::Page(_)
            | Line::Heard { .. }
            | Line::Claim { .. }
            | Line::Deadline { .. }
            | Line::Usage(_)
            | Line::Erasure { .. }
            | Line::Remains(_)
            | Line::DeadLetter(_)
            | Line::Audit(_)
            | Line::End { .. } => {}
        }
    }
}

/// Reads every record and checks its hashes and its JSON. Changes nothing.
///
/// # Errors
/// [`DumpError::Empty`], or [`DumpError::Store`] when the store cannot be read.
pub fn check<E: Engine>(engine: &E) -> Result<Findings, DumpError> {
    let Some(meta) = Meta::read(engine)? else { return Err(DumpError::Empty { path: engine.describe() }) };
    let mut findings = Findings { format: meta.format, clean: meta.clean, ..Findings::default() };
    let ids = Meta::ids(meta.format);
    walk::walk(engine, |raw| {
        let line = Line::of(&raw, ids);
        findings.take(&raw, &line);
        if let Line::Conversation(conversation) = &line
            && let Some(entry) = conversation.deadline_key()
            && engine.get(&entry)?.is_none()
        {
            findings.unindexed += 1;
        }
        Ok::<_, DumpError>(())
    })?;
    Ok(findings)
}
