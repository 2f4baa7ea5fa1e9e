//! From the core's effects to the store's step.

use raconteur_conversation::Effect;
use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::effect::{Consumed, Kind};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{Others, RowState, Sequence};
use raconteur_storage::record::TranscriptRow;
use raconteur_storage::{Answered, DeadLetter, Erase, Mark, Step, TranscriptTurn};

/// How many turns of a transcript are read at once.
pub(crate) const TRANSCRIPT_PAGE: usize = 200;

/// What is to be written for some effects.
pub(crate) struct Changes {
    /// The step, without version and snapshot.
    pub(crate) step: Step,
    /// The snapshot changes.
    pub(crate) snapshot: bool,
    /// It must be durable before anything leaves; otherwise it may follow with the next batch.
    pub(crate) awaited: bool,
}

/// Gathers the changes among some effects.
pub(crate) fn changes(key: &ConversationKey, now: UnixMillis, effects: &[Effect]) -> Changes {
    let mut changes = Changes { step: Step::default(), snapshot: false, awaited: false };
    for effect in effects {
        changes.awaited |= effect.kind() == Kind::Act;
        match effect {
            Effect::Consume(consumed) => {
                changes.step.answered.push(answered(consumed));
                (changes.snapshot, changes.awaited) = (true, true);
            }
            Effect::Enqueue(record) => {
                changes.step.enqueued.push((**record).clone());
                (changes.snapshot, changes.awaited) = (true, true);
            }
            Effect::Save => (changes.snapshot, changes.awaited) = (true, true),
            Effect::SetAside { record, reason } => {
                let (key, work) = (Some(key.clone()), Some(record.work.clone()));
                let reason = reason.clone();
                let letter = DeadLetter { sequence: record.sequence, key, at: now, reason, work, bytes: None };
                changes.step.dead_letters.push(letter);
            }
            Effect::Erase(erasure) => {
                // What was answered before is still counted; nothing else of it is worth writing down.
                let Step { answered, marks, attempts, .. } = std::mem::take(&mut changes.step);
                let erase = Some(Erase { erasure: erasure.clone(), at: now });
                changes.step = Step { answered, marks, attempts, erase, ..Step::default() };
                (changes.snapshot, changes.awaited) = (false, true);
            }
            Effect::Mark { id, state } => mark(&mut changes.step, Mark { id: *id, state: state.clone() }),
            Effect::AskAssistant(_)
            | Effect::CheckMedia { .. }
            | Effect::Forward(_)
            | Effect::RequestSlot { .. }
            | Effect::ReadLog(_)
            | Effect::Send(_)
            | Effect::EndSession(_)
            | Effect::Report(_) => {}
        }
    }
    changes
}

/// Notes what a look into the provider's log needs to know of a text.
pub(crate) fn note(others: &mut Others, row: &TranscriptRow) {
    match &row.row.state {
        RowState::Sent { provider_id } => others.known.push(provider_id.clone()),
        RowState::GivenUp => others.given_up.push(row.row.body.clone()),
        RowState::Queued
        | RowState::Held { .. }
        | RowState::Sending { .. }
        | RowState::Retry { .. }
        | RowState::Unknown { .. }
        | RowState::Failed { .. } => {}
    }
}

fn answered(consumed: &Consumed) -> Answered {
    let Consumed { record, session, asked_at, answered_at, asks, commands, error, answered_with, rows } = consumed;
    let transcript = TranscriptTurn {
        sequence: record.sequence,
        session: *session,
        work: record.work.clone(),
        accepted_at: record.accepted_at,
        asked_at: *asked_at,
        answered_at: *answered_at,
        asks: *asks,
        commands: commands.clone(),
        error: error.clone(),
        answered_with: *answered_with,
        rows: Vec::new(),
    };
    Answered { sequence: record.sequence, rows: rows.clone(), transcript: Some(transcript) }
}

/// The turn that a step belongs to, for whoever follows it: the one that it answers, else the one whose text it moves.
pub(crate) fn turn(effects: &[Effect]) -> Option<Sequence> {
    let answered = effects.iter().find_map(|effect| {
        let Effect::Consume(consumed) = effect else { return None };
        Some(consumed.answered_with.unwrap_or(consumed.record.sequence))
    });
    let moved = |effect: &Effect| if let Effect::Mark { id, .. } = effect { Some(id.turn) } else { None };
    answered.or_else(|| effects.iter().find_map(moved))
}

/// A row that is created and marked in the same step is written once, with its latest state.
fn mark(step: &mut Step, mark: Mark) {
    let created = step.answered.iter_mut().flat_map(|answered| &mut answered.rows).find(|row| row.id == mark.id);
    match created {
        Some(row) if !mark.state.is_settled() => row.state = mark.state,
        _ => {
            step.marks.retain(|earlier| earlier.id != mark.id);
            step.marks.push(mark);
        }
    }
}

#[cfg(test)]
mod tests {
    use raconteur_conversation::address::Address;
    use raconteur_conversation::effect::{Erasure, Kept, Remains};
    use raconteur_conversation::words::{InboundMessage, OutboundId, OutboundRow, ProviderId, Work, WorkRecord};

    use super::*;

    fn key() -> ConversationKey {
        let number = |text| Address::parse(text).unwrap();
        ConversationKey { tenant: number("+15550100"), user: number("+15550199") }
    }

    fn id(part: u16) -> OutboundId {
        OutboundId { turn: Sequence(1), part }
    }

    fn consumed(parts: u16) -> Effect {
        let row = |part| OutboundRow {
            id: id(part),
            body: "hi".into(),
            media: Vec::new(),
            expires_at: UnixMillis(9),
            unasked: false,
            state: RowState::Queued,
        };
        let work = Work::Message(InboundMessage::default());
        let record =
            WorkRecord { sequence: Sequence(1), accepted_at: UnixMillis(1), seed: 0, attempts: 0, alone: false, work };
        let rows = (0..parts).map(row).collect();
        Effect::Consume(Box::new(Consumed {
            record,
            session: None,
            asked_at: None,
            commands: Vec::new(),
            answered_at: UnixMillis(2),
            asks: 1,
            error: None,
            answered_with: None,
            rows,
        }))
    }

    #[test]
    fn a_text_that_leaves_with_its_turn_is_written_once_as_being_sent() {
        let sending = RowState::Sending { since: UnixMillis(2) };
        let effects = [consumed(2), Effect::Mark { id: id(0), state: sending.clone() }];
        let changes = changes(&key(), UnixMillis(2), &effects);
        assert!(changes.step.marks.is_empty() && changes.awaited && changes.snapshot);
        let states: Vec<&RowState> = changes.step.answered[0].rows.iter().map(|row| &row.state).collect();
        assert_eq!(states, [&sending, &RowState::Queued]);
    }

    #[test]
    fn a_step_belongs_to_the_turn_that_it_answers_before_the_one_whose_text_it_moves() {
        let moved = || {
            let id = OutboundId { turn: Sequence(7), part: 0 };
            Effect::Mark { id, state: RowState::Queued }
        };
        assert_eq!(turn(&[moved(), consumed(1)]), Some(Sequence(1)));
        assert_eq!(turn(&[Effect::Save, moved()]), Some(Sequence(7)));
        assert_eq!(turn(&[Effect::Save]), None);
    }

    #[test]
    fn a_settled_mark_alone_may_follow_later() {
        let sent = RowState::Sent { provider_id: ProviderId("SM1".into()) };
        let changes = changes(&key(), UnixMillis(2), &[Effect::Mark { id: id(0), state: sent.clone() }]);
        assert!(!changes.awaited && !changes.snapshot);
        assert_eq!(changes.step.marks, [Mark { id: id(0), state: sent }]);
    }

    #[test]
    fn an_erasure_writes_nothing_that_came_before_it_and_everything_that_comes_behind() {
        let remains = Remains { snapshot: b"{}".to_vec(), kept: Kept::ForAWhile };
        let erasure = Erasure { upto: Sequence(1), remains };
        let letter = || {
            let work = Work::End;
            let sequence = Sequence(1);
            let record = WorkRecord { sequence, accepted_at: UnixMillis(1), seed: 0, attempts: 0, alone: false, work };
            Effect::SetAside { record: Box::new(record), reason: "poison".into() }
        };
        let before = [letter(), Effect::Save, Effect::Erase(erasure.clone())];
        let erased = changes(&key(), UnixMillis(2), &before);
        assert_eq!(erased.step.erase, Some(Erase { erasure, at: UnixMillis(2) }));
        assert!(erased.awaited && !erased.snapshot && erased.step.dead_letters.is_empty());
        let [.., erase] = before;
        let behind = changes(&key(), UnixMillis(2), &[erase, consumed(1), letter()]);
        assert!(behind.snapshot && behind.step.answered.len() == 1 && behind.step.dead_letters.len() == 1);
    }

    #[test]
    fn of_two_marks_of_one_row_the_later_counts() {
        let marks = [RowState::Queued, RowState::Sending { since: UnixMillis(2) }];
        let effects = marks.map(|state| Effect::Mark { id: id(0), state });
        let changes = changes(&key(), UnixMillis(2), &effects);
        assert_eq!(changes.step.marks, [Mark { id: id(0), state: RowState::Sending { since: UnixMillis(2) } }]);
    }
}
