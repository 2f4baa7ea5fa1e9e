//! What must hold when everything is well again and quiet: every acknowledged record is answered or a dead letter, every text is
//! settled as it went, and the counters say what the transcripts say.

use std::collections::{BTreeMap, BTreeSet};

use raconteur_conversation::address::{Address, ConversationKey};
use raconteur_conversation::keyword::HAS_STOPPED;
use raconteur_conversation::policy::DoubtPolicy;
use raconteur_conversation::segment;
use raconteur_conversation::words::{OutboundMessage, Repeat, RowState, Sequence, Work};
use raconteur_storage::{Day, DeadLetter, Store, StoreError, TranscriptRow, TranscriptTurn, Usage};

use super::provider::Provider;
use super::reference::said;
use super::scenario::{Event, Line, Scenario};
use super::store::{is_from_outside, transcript};
use super::world::{State, World};

/// Most dead letters that one seed can have.
const LETTERS_MAX: usize = 10_000;

/// Looks through everything.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn audit(world: &World, store: &dyn Store) -> Result<(), StoreError> {
    let scenario = world.state().scenario.clone();
    let letters = store.dead_letters(None, LETTERS_MAX).await?;
    let mut wrong = letters.iter().filter(|letter| !may_be_blamed(&scenario, letter));
    if let Some(letter) = wrong.next() {
        world.state().violate(|| format!("an innocent record was set aside: {letter:?}"));
    }
    let letters: BTreeSet<Sequence> = letters.into_iter().map(|letter| letter.sequence).collect();
    let mut used: BTreeMap<Address, Usage> = BTreeMap::new();
    for key in &scenario.keys {
        let pages = transcript(store, key).await?;
        let mut state = world.state();
        let line = scenario.line(&key.tenant);
        let checked = conversation(&state, line, key, &pages, &letters);
        state.check(checked.map_err(|wrong| format!("{}: {wrong}", key.user)));
        used.entry(key.tenant.clone()).or_default().add(&usage(&pages));
    }
    for (tenant, transcribed) in used {
        let mut counted = Usage::default();
        for (_, day) in store.usage(&tenant, Day(0)..=Day(u32::MAX)).await? {
            counted.add(&day);
        }
        if counted != transcribed {
            let what =
                || format!("{tenant} has used {counted:?} by the counters and {transcribed:?} by the transcripts");
            world.state().violate(what);
        }
    }
    Ok(())
}

/// Only what is poisonous makes its conversation fail, unless the disk does.
fn may_be_blamed(scenario: &Scenario, letter: &DeadLetter) -> bool {
    let reads_fail = scenario.events.iter().any(|(_, event)| matches!(event, Event::FailRead(_)));
    let is_poison = letter.work.as_ref().is_some_and(|work| said(work).starts_with("poison"));
    is_poison || reads_fail || !letter.reason.contains("its conversation failed")
}

fn conversation(
    state: &State,
    line: &Line,
    key: &ConversationKey,
    pages: &[TranscriptTurn],
    letters: &BTreeSet<Sequence>,
) -> Result<(), String> {
    let acknowledged = state.acknowledged.iter().chain(&state.received.taken).filter(|((of, _), _)| of == key);
    let acknowledged: BTreeMap<Sequence, &String> = acknowledged.map(|((_, id), turn)| (*turn, id)).collect();
    let answered: BTreeSet<Sequence> = pages.iter().map(|page| page.sequence).collect();
    for (turn, id) in &acknowledged {
        if !answered.contains(turn) {
            return Err(format!("{id} was acknowledged as {turn} and is neither answered nor a dead letter"));
        }
    }
    if answered != state.reference.answered(key) {
        return Err("the transcript has other turns than were committed".into());
    }
    for page in pages {
        let (turn, what) = (page.sequence, said(&page.work));
        if is_from_outside(&page.work) && !acknowledged.contains_key(&turn) {
            return Err(format!("turn {turn} {what:?} was delivered by nobody, or twice"));
        }
        failure(state, page, letters).map_err(|wrong| format!("turn {turn} {what:?}: {wrong}"))?;
        for shown in &page.rows {
            row(state, line, shown, pages).map_err(|wrong| format!("text {}: {wrong}", shown.row.id))?;
        }
    }
    state.reference.finished(key)
}

/// A turn fails only for a reason.
fn failure(state: &State, page: &TranscriptTurn, letters: &BTreeSet<Sequence>) -> Result<(), String> {
    let Some(error) = &page.error else { return Ok(()) };
    let known = ["by request", "inbound_start", "answer_within", "no session is open", "the pipe is closed", "on_open"];
    let explained = known.iter().any(|known| error.contains(known))
        || error == HAS_STOPPED
        || letters.contains(&page.sequence)
        || state.failed.contains_key(&page.answered_with.unwrap_or(page.sequence));
    if explained { Ok(()) } else { Err(format!("it has failed for no reason: {error}")) }
}

/// Another text with the same words was given up: then the log need not tell which of them was taken.
fn has_twin(shown: &TranscriptRow, pages: &[TranscriptTurn]) -> bool {
    let is_twin = |other: &TranscriptRow| {
        other.row.id != shown.row.id && other.row.state == RowState::GivenUp && other.row.body == shown.row.body
    };
    pages.iter().flat_map(|page| &page.rows).any(is_twin)
}

/// A text is settled, and as it went.
fn row(state: &State, line: &Line, shown: &TranscriptRow, pages: &[TranscriptTurn]) -> Result<(), String> {
    let (id, provider) = (shown.row.id, &state.provider);
    let taken = provider.taken.iter().filter(|message| message.id == id).count();
    let resends = line.policy.send.doubt == DoubtPolicy::Resend;
    match &shown.row.state {
        RowState::Sent { provider_id } => {
            // Where a text was sent again that had been taken, nobody knows the first one's id: the log has one too many of its words.
            let is_same = |message: &OutboundMessage| resends && taken > 0 && message.body == shown.row.body;
            let is_it = |(index, message): (usize, &OutboundMessage)| {
                (message.id == id || is_same(message)) && Provider::id(index) == *provider_id
            };
            if !provider.taken.iter().enumerate().any(is_it) {
                return Err(format!("it stands as sent as {}, and its phone has not seen it so", provider_id.0));
            }
        }
        RowState::Failed { code, .. } if taken > 0 && !resends => {
            return Err(format!("it stands as failed ({code}), and its phone has seen it"));
        }
        RowState::Failed { .. } => {}
        RowState::GivenUp => {
            let is_known = line.repeat == Repeat::AskLog && !provider.unreadable.contains(&id);
            if is_known && !has_twin(shown, pages) {
                return Err("it was given up, and the log could have told".into());
            }
        }
        RowState::Queued
        | RowState::Held { .. }
        | RowState::Sending { .. }
        | RowState::Retry { .. }
        | RowState::Unknown { .. } => {
            return Err(format!("it is not settled: {:?}", shown.row.state));
        }
    }
    if provider.strayed.contains(&id) {
        return Ok(());
    }
    let told = provider.told.get(&id).map(|status| status.rank());
    let known = shown.delivery.as_ref().map(|delivery| delivery.status.rank());
    if told == known { Ok(()) } else { Err(format!("the highest word on it was {told:?}, and it has {known:?}")) }
}

/// What the pages of one conversation come to.
fn usage(pages: &[TranscriptTurn]) -> Usage {
    let mut usage = Usage::default();
    for page in pages {
        if let Work::Message(_) = page.work {
            usage.inbound += 1;
            usage.answered += u64::from(page.error.is_none());
        }
        for shown in &page.rows {
            match &shown.row.state {
                RowState::Sent { .. } => {
                    usage.outbound += 1;
                    usage.outbound_segments += u64::from(segment::count(&shown.row.body).max(1));
                }
                RowState::Failed { .. } | RowState::GivenUp => usage.failed += 1,
                RowState::Queued
                | RowState::Held { .. }
                | RowState::Sending { .. }
                | RowState::Retry { .. }
                | RowState::Unknown { .. } => {}
            }
        }
    }
    usage
}
