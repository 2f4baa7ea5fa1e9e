//! The reference: what a conversation must do, written from the promises and from nothing else. It is told of every step that the
//! store has made durable, in order, and says what is wrong with it: whether turns are taken in order and once, with the right
//! context, whether sessions end once and not before their time, and what each phone must therefore have seen.
//!
//! It does not guess what chance decides (which ask fails, when a text is taken): it follows what happened and checks that it may.

use std::collections::{BTreeMap, BTreeSet};

use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::policy::{MediaCheck, Policy};
use raconteur_conversation::session::Session;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{OnOpen, OutboundId, OutboundMessage, OutboundRow, Sequence, Work, WorkRecord};
use raconteur_storage::{Mark, TranscriptTurn};
use uuid::Uuid;

use super::keywords::Heed;
use super::scenario::Scenario;

mod dialogue;
mod expected;
mod gathered;
mod night;
mod open;
mod pace;
mod standing;

use dialogue::Dialogue;

/// What the store was given to make durable at once.
#[derive(Clone, Debug, Default)]
pub(super) struct SeenStep {
    pub(super) answered: Vec<(TranscriptTurn, Vec<OutboundRow>)>,
    pub(super) marks: Vec<Mark>,
    pub(super) enqueued: Vec<WorkRecord>,
    pub(super) snapshot: Option<Vec<u8>>,
    pub(super) dead_letters: Vec<Sequence>,
    /// What is attempted again, after a failure that it may be to blame for.
    pub(super) attempted: Vec<Sequence>,
    /// Of the turns, those that were handed to a voice gateway.
    pub(super) forwarded: Vec<Sequence>,
}

/// How a turn came to its end, where its page does not tell.
#[derive(Clone, Copy)]
struct How {
    /// It was set aside as a dead letter.
    is_dead: bool,
    /// It was handed to a voice gateway.
    forwarded: bool,
}

/// A text that a phone must see, or of which it must be known why it does not.
#[derive(Clone, Debug)]
pub(super) struct Promised {
    pub(super) key: ConversationKey,
    pub(super) body: String,
    pub(super) media: Vec<String>,
}

/// See the module.
pub(super) struct Reference {
    dialogues: BTreeMap<ConversationKey, Dialogue>,
    pub(super) rows: BTreeMap<OutboundId, Promised>,
    /// Accepted records that are texts of users.
    texts: BTreeSet<Sequence>,
}

/// The rules that a conversation goes by.
pub(super) struct Rules {
    pub(super) policy: Policy,
    pub(super) judges: MediaCheck,
    pub(super) heed: Heed,
    pub(super) asks_max: usize,
    /// The clock never jumps.
    pub(super) is_steady: bool,
}

impl Reference {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let dialogue = |key: &ConversationKey| {
            let line = scenario.line(&key.tenant);
            let (policy, is_steady) = (line.policy.clone(), scenario.is_steady());
            let (judges, heed, asks_max) = (line.media_check, line.heed, line.lane.asks_max);
            let rules = Rules { policy, judges, heed, asks_max, is_steady };
            (key.clone(), Dialogue::new(rules))
        };
        Self { dialogues: scenario.keys.iter().map(dialogue).collect(), rows: BTreeMap::new(), texts: BTreeSet::new() }
    }

    fn dialogue(&mut self, key: &ConversationKey) -> &mut Dialogue {
        self.dialogues.get_mut(key).expect("only scripted users text")
    }

    /// Something was offered that may open a session: its seed decides which.
    pub(super) fn offered(&mut self, key: &ConversationKey, seed: u128, work: &Work) {
        let session = Session::open(seed, UnixMillis(0)).id;
        // Where that was ended before the record was answered, the record opens another.
        let another = Session::open(session.as_u128(), UnixMillis(0)).id;
        match work {
            Work::Message(_) => [session, another].into_iter().for_each(|id| self.dialogue(key).may_open(id, false)),
            Work::Start(start) => {
                let replaces = start.on_open == OnOpen::Replace;
                [session, another].into_iter().for_each(|id| self.dialogue(key).may_open(id, replaces));
            }
            Work::End
            | Work::DeliveryFailed(_)
            | Work::Send(_)
            | Work::OpenPipe(_)
            | Work::ClosePipe { .. }
            | Work::Preference(_)
            | Work::Erase
            | Work::TakeOver(_)
            | Work::HandBack
            | Work::NoInput { .. }
            | Work::TimedOut { .. } => {}
        }
    }

    /// A step is durable. `latest` is the latest time that the clock has shown.
    pub(super) fn committed(
        &mut self,
        key: &ConversationKey,
        step: SeenStep,
        latest: UnixMillis,
    ) -> Result<(), String> {
        let dialogue = self.dialogue(key);
        dialogue.settle(&step.marks);
        dialogue.attempted.extend(&step.attempted);
        dialogue.standing.hear_provider(&step);
        for (page, rows) in &step.answered {
            let how = How {
                is_dead: step.dead_letters.contains(&page.sequence),
                forwarded: step.forwarded.contains(&page.sequence),
            };
            dialogue
                .page(page, rows, latest, how)
                .map_err(|wrong| format!("{}: turn {} {:?}: {wrong}", key.user, page.sequence, said(&page.work)))?;
            let night = dialogue.night.page(page, rows);
            night.map_err(|wrong| format!("{}: turn {}: {wrong}", key.user, page.sequence))?;
            dialogue.queue(rows);
        }
        dialogue.is_whole().map_err(|wrong| format!("{}: {wrong}", key.user))?;
        dialogue.settle(&step.marks);
        dialogue.standing.lets_leave(&step).map_err(|wrong| format!("{}: {wrong}", key.user))?;
        dialogue.lets_rest(&step).map_err(|wrong| format!("{}: {wrong}", key.user))?;
        for own in &step.enqueued {
            dialogue.promises_itself(own).map_err(|wrong| format!("{}: {wrong}", key.user))?;
        }
        if let Some(snapshot) = &step.snapshot {
            dialogue.compare(snapshot, latest).map_err(|wrong| format!("{}: the snapshot: {wrong}", key.user))?;
        }
        for row in step.answered.into_iter().flat_map(|(_, rows)| rows) {
            let id = row.id;
            let promised = Promised { key: key.clone(), body: row.body, media: row.media };
            if self.rows.insert(id, promised).is_some() {
                return Err(format!("{}: text {id} was written twice", key.user));
            }
        }
        Ok(())
    }

    /// Some texts of a conversation have come to their end.
    pub(super) fn settled(&mut self, key: &ConversationKey, marks: &[Mark]) {
        self.dialogue(key).settle(marks);
    }

    /// The store has only these as not settled: receipts settle texts as well.
    pub(super) fn unsettled(&mut self, key: &ConversationKey, unsettled: &BTreeSet<OutboundId>) {
        self.dialogue(key).unsettled(unsettled);
    }

    /// The provider has refused a text, since its user wants none.
    pub(super) fn opted_out(&mut self, key: &ConversationKey, id: OutboundId) {
        self.dialogue(key).standing.refused(id);
    }

    /// A text begins to leave.
    pub(super) fn leaves(&self, message: &OutboundMessage) -> Result<(), String> {
        let Some(dialogue) = self.dialogues.get(&message.key) else { return Ok(()) };
        let checked = dialogue.lets_leave(message.id, message.began_at);
        checked.map_err(|wrong| format!("{}: {wrong}", message.key.user))
    }

    /// Something was accepted.
    pub(super) fn accepted(&mut self, sequence: Sequence, work: &Work) {
        if let Work::Message(_) = work {
            self.texts.insert(sequence);
        }
    }

    /// A turn is opened, perhaps of the user's.
    pub(super) fn opened(&mut self, key: &ConversationKey, turn: Sequence, at: UnixMillis) -> Result<(), String> {
        if !self.texts.contains(&turn) {
            return Ok(());
        }
        self.dialogue(key).opens(turn, at).map_err(|wrong| format!("{}: {wrong}", key.user))
    }

    /// Which turns of a conversation were answered.
    pub(super) fn answered(&self, key: &ConversationKey) -> BTreeSet<Sequence> {
        self.dialogues.get(key).map(|dialogue| dialogue.answered.clone()).unwrap_or_default()
    }

    /// Its texts, in the order in which they must leave.
    pub(super) fn texts(&self, key: &ConversationKey) -> &[OutboundId] {
        self.dialogues.get(key).map_or(&[], |dialogue| &dialogue.rows)
    }

    /// What must be so at the end, when everything is quiet and every session has had the time to end.
    pub(super) fn finished(&self, key: &ConversationKey) -> Result<(), String> {
        self.dialogues.get(key).map_or(Ok(()), Dialogue::finished)
    }

    /// A session that was ended, told to the assistant and the observers: once.
    pub(super) fn told_of_end(&mut self, key: &ConversationKey, session: Uuid) -> Result<(), String> {
        self.dialogue(key).told_of_end(session).map_err(|wrong| format!("{}: {wrong}", key.user))
    }
}

/// What a work record says, for a report.
pub(super) fn said(work: &Work) -> String {
    match work {
        Work::Message(message) => message.body.clone(),
        Work::Send(send) => send.body.clone(),
        Work::Start(_)
        | Work::End
        | Work::DeliveryFailed(_)
        | Work::OpenPipe(_)
        | Work::ClosePipe { .. }
        | Work::Preference(_)
        | Work::Erase
        | Work::TakeOver(_)
        | Work::HandBack
        | Work::NoInput { .. }
        | Work::TimedOut { .. } => {
            let shown = format!("{work:?}");
            shown.split(['(', ' ']).next().unwrap_or_default().to_owned()
        }
    }
}
