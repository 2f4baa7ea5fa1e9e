//! Whether the user of one conversation wants our texts, as he and his provider have said. The last word counts, in the order of
//! acceptance; who has stopped our texts gets none but the answer to a keyword, and nothing is asked for him.

use std::collections::BTreeSet;

use raconteur_conversation::keyword::Keyword;
use raconteur_conversation::policy::{KeywordHandling, KeywordPolicy};
use raconteur_conversation::words::{OutboundId, OutboundRow, RowState, Sequence, Work};
use raconteur_storage::{Mark, TranscriptTurn};

use super::SeenStep;
use crate::simulation::keywords::{Heed, Wish, wish};

/// See the module.
pub(super) struct Standing {
    rules: KeywordPolicy,
    stopped: Option<Stopped>,
    /// Texts of which the provider has said that their user wants none.
    refused: BTreeSet<OutboundId>,
    /// Answers to keywords.
    answers: BTreeSet<OutboundId>,
}

/// Who has stopped our texts.
#[derive(Clone, Copy)]
enum Stopped {
    /// The user, with this record.
    By(Sequence),
    /// The provider has said so, and nobody knows since when.
    Provider,
}

impl Standing {
    pub(super) fn new(mut rules: KeywordPolicy, heed: Heed) -> Self {
        match heed {
            Heed::Nobody => rules.fill_in(),
            Heed::Provider | Heed::ProviderTells => {}
        }
        Self { rules, stopped: None, refused: BTreeSet::new(), answers: BTreeSet::new() }
    }

    pub(super) fn has_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// What was said before a stop does not undo it.
    fn may_undo(&self, sequence: Sequence) -> bool {
        match self.stopped {
            Some(Stopped::By(stop)) => sequence > stop,
            Some(Stopped::Provider) => true,
            None => false,
        }
    }

    /// What a text must do about our texts as such, if it is more than a text.
    pub(super) fn wish(&self, page: &TranscriptTurn, body: &str) -> Option<Wish> {
        let wish = wish(body).filter(|_| page.error.is_none())?;
        let obeyed = match (self.rules.handling, wish) {
            (KeywordHandling::Obeyed, Wish::Stop | Wish::Start) => true,
            (KeywordHandling::Obeyed, Wish::Help) => {
                self.rules.help_message.as_ref().is_some_and(|text| !text.is_empty())
            }
            // Of who had not stopped when it was asked it was an answer.
            (KeywordHandling::Obeyed, Wish::Yes) | (KeywordHandling::LeftToTheAssistant, Wish::Start | Wish::Yes) => {
                page.asks == 0 && self.may_undo(page.sequence)
            }
            (KeywordHandling::LeftToTheAssistant, Wish::Stop | Wish::Help) => false,
        };
        obeyed.then_some(wish)
    }

    /// Follows a keyword, and returns what its user must be told.
    pub(super) fn obey(&mut self, page: &TranscriptTurn, rows: &[OutboundRow], wish: Wish) -> String {
        self.answers.extend(rows.iter().map(|row| row.id));
        let (changed, message) = match wish {
            Wish::Stop => (self.stop(page.sequence), &self.rules.stop_message),
            Wish::Start | Wish::Yes => (self.start(), &self.rules.start_message),
            Wish::Help => (true, &self.rules.help_message),
        };
        message.clone().filter(|_| changed).unwrap_or_default()
    }

    /// The provider has told us what the user wants.
    pub(super) fn prefer(&mut self, page: &TranscriptTurn, keyword: Keyword) {
        match keyword {
            Keyword::Stop => self.stop(page.sequence),
            Keyword::Start => self.start(),
            Keyword::Help => false,
        };
    }

    fn stop(&mut self, sequence: Sequence) -> bool {
        let changes = self.stopped.is_none();
        self.stopped = Some(Stopped::By(sequence));
        changes
    }

    fn start(&mut self) -> bool {
        self.stopped.take().is_some()
    }

    /// The provider has refused a text since its user wants none.
    pub(super) fn refused(&mut self, id: OutboundId) {
        self.refused.insert(id);
    }

    /// Where keywords are obeyed, the provider's word counts as the user's, once it has become durable. A text may also be dropped
    /// because its user has said so himself.
    pub(super) fn hear_provider(&mut self, step: &SeenStep) {
        let obeyed = self.rules.handling == KeywordHandling::Obeyed;
        let is_stop = |(page, _): &(TranscriptTurn, Vec<OutboundRow>)| match &page.work {
            Work::Message(message) => wish(&message.body) == Some(Wish::Stop),
            Work::Preference(keyword) => *keyword == Keyword::Stop,
            Work::Start(_) | Work::End | Work::DeliveryFailed(_) | Work::Send(_) | Work::OpenPipe(_) => false,
            Work::ClosePipe { .. } | Work::NoInput { .. } | Work::TimedOut { .. } | Work::Erase => false,
            Work::TakeOver(_) | Work::HandBack => false,
        };
        let is_dropped = |mark: &Mark| {
            self.refused.contains(&mark.id)
                && matches!(&mark.state, RowState::Failed { code, .. } if code == "opted_out")
        };
        if obeyed && self.stopped.is_none() && step.marks.iter().any(is_dropped) && !step.answered.iter().any(is_stop) {
            self.stopped = Some(Stopped::Provider);
        }
    }

    /// A record may be passed over only if its user wants nothing of us, and has not just said otherwise.
    pub(super) fn passes_over(&self, page: &TranscriptTurn) -> Result<(), String> {
        if self.stopped.is_none() {
            return Err("its user has not stopped our texts".into());
        }
        let Work::Message(message) = &page.work else { return Ok(()) };
        let is_stop_obeyed = self.rules.handling == KeywordHandling::Obeyed && wish(&message.body) == Some(Wish::Stop);
        let is_start = matches!(wish(&message.body), Some(Wish::Start | Wish::Yes));
        let undoes = is_start && matches!(self.stopped, Some(Stopped::By(stop)) if page.sequence > stop);
        if is_stop_obeyed || undoes { Err("it was a word that counts".into()) } else { Ok(()) }
    }

    /// After a step: nothing has begun to leave for who has stopped our texts.
    pub(super) fn lets_leave(&self, step: &SeenStep) -> Result<(), String> {
        let leaves = |state: &RowState| matches!(state, RowState::Sending { .. });
        let rows = step.answered.iter().flat_map(|(_, rows)| rows).filter(|row| leaves(&row.state)).map(|row| row.id);
        let marks = step.marks.iter().filter(|mark| leaves(&mark.state)).map(|mark| mark.id);
        let mut leaving = rows.chain(marks).filter(|id| !self.answers.contains(id));
        match leaving.next().filter(|_| self.has_stopped()) {
            Some(id) => Err(format!("text {id} leaves, and its user has stopped our texts")),
            None => Ok(()),
        }
    }
}
