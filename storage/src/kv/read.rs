//! The reading side: bounded pages, never a full scan, beside the committer.
//!
//! A batch that is applied meanwhile may be seen in part. Where that matters, the record's own checks tell, and it is read again.

use std::ops::{ControlFlow, RangeInclusive};

use raconteur_conversation::address::{Address, ConversationKey, SHARDS, Shard};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{OutboundRow, Sequence};
use serde::de::DeserializeOwned;

use crate::committer;
use crate::engine::{Engine, Order};
use crate::erasure::{self, Veil};
use crate::fetch::{self, FetchError};
use crate::keys::{self, Place, RecordKey};
use crate::record::{self, DeadLetter, TranscriptTurn, WorkHead, WorkKind};
use crate::{Day, Listed, Pending, StoreError, Usage, WorkCursor, WorkPage};

/// A page of work looks at no more values than this, however few of them are due.
const LOOKS_MAX: usize = 4_096;

/// A record that changes under the reader's eyes is read so often.
const READS_MAX: usize = 3;

/// Entries of the deadline index.
pub(super) struct Deadlines {
    pub(super) entries: Vec<(UnixMillis, ConversationKey)>,
    /// Listed, but not known by their conversations.
    pub(super) unknown: Vec<(UnixMillis, ConversationKey)>,
}

pub(super) fn work<E: Engine>(
    engine: &E,
    now: UnixMillis,
    after: Option<WorkCursor>,
    limit: usize,
) -> Result<WorkPage, StoreError> {
    let mut range = keys::works();
    if let Some(WorkCursor(from)) = after {
        range.start = from;
    }
    let mut page = WorkPage::default();
    let (mut looks, mut last) = (0, None);
    // Once a conversation is listed, the rest of its records does not matter.
    let mut listed = None;
    engine.scan(&range, Order::Ascending, &mut |key, value| {
        looks += 1;
        if let Some((place, _, 0)) = keys::read_work(key)
            && listed.as_ref() != Some(&place)
            && is_due(value, now)
        {
            page.keys.extend(place.key());
            listed = Some(place);
        }
        if page.keys.len() < limit && looks < LOOKS_MAX {
            return ControlFlow::Continue(());
        }
        last = Some(key.to_vec());
        ControlFlow::Break(())
    })?;
    page.next = match (last, listed) {
        (None, _) => None,
        (Some(last), Some(place)) if last.starts_with(&keys::works_of(&place).start) => {
            Some(WorkCursor(keys::works_of(&place).end))
        }
        (Some(last), _) => Some(WorkCursor(keys::successor(last))),
    };
    Ok(page)
}

/// Whether somebody has to look at this record by now. Says yes to one that cannot be read, so that it is loaded and set aside.
fn is_due(first: &[u8], now: UnixMillis) -> bool {
    match WorkHead::read(first).map(|head| head.kind) {
        Ok(WorkKind::Answered { due }) => due <= now,
        Ok(WorkKind::Unread { .. }) | Err(_) => true,
    }
}

pub(super) fn deadlines<E: Engine>(
    engine: &E,
    until: UnixMillis,
    after: Option<(UnixMillis, ConversationKey)>,
    limit: usize,
) -> Result<Deadlines, StoreError> {
    let after = after.map(|(at, key)| (at, Place::of(&key)));
    let mut range = keys::deadlines(until, after.as_ref().map(|(at, place)| (*at, place)));
    let mut listed = Deadlines { entries: Vec::new(), unknown: Vec::new() };
    // Entries that are unknown are rare, and a short page must mean that there are no more.
    while listed.entries.len() < limit {
        let missing = limit - listed.entries.len();
        let mut found = Vec::new();
        let mut last = None;
        engine.scan(&range, Order::Ascending, &mut |key, _| {
            found.extend(keys::read_deadline(key));
            last = Some(key.to_vec());
            if found.len() < missing { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        let Some(last) = last else { break };
        range.start = keys::successor(last);
        for (at, place) in found {
            let Some(key) = place.key() else { continue };
            let first = engine.get(&RecordKey::conversation(&place).chunk(0))?;
            let known = committer::names(first.as_deref(), at);
            if known { &mut listed.entries } else { &mut listed.unknown }.push((at, key));
        }
    }
    Ok(listed)
}

pub(super) fn transcript<E: Engine>(
    engine: &E,
    key: &ConversationKey,
    before: Option<Sequence>,
    limit: usize,
) -> Result<Vec<TranscriptTurn>, StoreError> {
    let place = Place::of(key);
    let mut range = keys::transcript(&place, before);
    if let Some(reach) = erasure::under_way(engine, &place)? {
        range.start = keys::transcript_between(&place, None, reach.upto).end;
    }
    let mut turns = Vec::new();
    for sequence in sequences(engine, &range, Order::Descending, limit)? {
        turns.extend(unless_newer(page(engine, &place, sequence))?);
    }
    Ok(turns)
}

/// A page with its rows as they are now: states of unsettled rows lie in the work record.
fn page<E: Engine>(engine: &E, place: &Place, turn: Sequence) -> Result<Option<TranscriptTurn>, StoreError> {
    let record = RecordKey::transcript(place, turn);
    let Some(mut page) = json::<_, TranscriptTurn>(engine, &record)? else { return Ok(None) };
    if page.rows.iter().all(|row| row.row.state.is_settled()) {
        return Ok(Some(page));
    }
    let rows = unsettled(engine, place, turn)?;
    let mut settled_meanwhile = false;
    for shown in page.rows.iter_mut().filter(|shown| !shown.row.state.is_settled()) {
        match rows.iter().find(|row| row.id == shown.row.id) {
            Some(row) => shown.row.state = row.state.clone(),
            None => settled_meanwhile = true,
        }
    }
    if !settled_meanwhile {
        return Ok(Some(page));
    }
    // It settled between the two reads: then the page has it by now.
    let Some(again) = json::<_, TranscriptTurn>(engine, &record)? else { return Ok(Some(page)) };
    for shown in page.rows.iter_mut().filter(|shown| !shown.row.state.is_settled()) {
        if let Some(row) = again.rows.iter().find(|row| row.row.id == shown.row.id && row.row.state.is_settled()) {
            *shown = row.clone();
        }
    }
    Ok(Some(page))
}

fn unsettled<E: Engine>(engine: &E, place: &Place, turn: Sequence) -> Result<Vec<OutboundRow>, StoreError> {
    let rows = fetched(engine, &RecordKey::work(place, turn), record::read_answered)?;
    Ok(rows.unwrap_or_default())
}

pub(super) fn snapshot<E: Engine>(engine: &E, key: &ConversationKey) -> Result<Option<Vec<u8>>, StoreError> {
    stable(|| Ok(fetch::snapshot(engine, &Place::of(key))?.map(|(_, snapshot)| snapshot)))
}

pub(super) fn pending<E: Engine>(
    engine: &E,
    key: &ConversationKey,
    after: Option<Sequence>,
    limit: usize,
) -> Result<Vec<Pending>, StoreError> {
    let (place, mut pending, mut after) = (Place::of(key), Vec::new(), after);
    // A short page must mean that there are no more: what is damaged, or gone meanwhile, is passed over.
    while pending.len() < limit {
        let wanted = limit - pending.len();
        let found = sequences(engine, &keys::works_behind(&place, after), Order::Ascending, wanted)?;
        for sequence in &found {
            let read = |whole: &[u8]| match WorkHead::read(whole)?.kind {
                WorkKind::Unread { .. } => record::read_unread(*sequence, whole).map(Pending::Unread),
                WorkKind::Answered { .. } => {
                    record::read_answered(whole).map(|rows| Pending::Unsettled { sequence: *sequence, rows })
                }
            };
            pending.extend(fetched(engine, &RecordKey::work(&place, *sequence), read)?);
        }
        if found.len() < wanted {
            break;
        }
        after = found.last().copied();
    }
    Ok(pending)
}

/// What a conversation says, or what remains of it.
pub(super) fn snapshot_or_remains<E: Engine>(
    engine: &E,
    veil: Veil,
    key: &ConversationKey,
) -> Result<Option<Vec<u8>>, StoreError> {
    match snapshot(engine, key)? {
        Some(snapshot) => Ok(Some(snapshot)),
        None => Ok(veil.left(engine, &Place::of(key))?.map(|left| left.remains.snapshot)),
    }
}

/// Shard by shard, so that other tenants' conversations are not even looked at.
pub(super) fn conversations<E: Engine>(
    engine: &E,
    tenant: &Address,
    after: Option<&Address>,
    limit: usize,
) -> Result<Vec<Listed>, StoreError> {
    let after = after.map(|user| ConversationKey { tenant: tenant.clone(), user: user.clone() });
    let first = after.as_ref().map_or(Shard(0), ConversationKey::shard);
    let mut after = after.as_ref().map(Place::of);
    let mut listed = Vec::new();
    for shard in (first.0..SHARDS).map(Shard) {
        if listed.len() < limit {
            let found = places(engine, &keys::conversations(shard, tenant, after.as_ref()), limit - listed.len())?;
            for key in found.iter().filter_map(Place::key) {
                // A record that a newer version wrote is one conversation's affair: it must not hide the others.
                let snapshot = unless_newer(snapshot(engine, &key))?;
                listed.push(Listed { key, snapshot });
            }
        }
        after = None;
    }
    Ok(listed)
}

/// The first `most` conversations of a range of their records.
fn places<E: Engine>(engine: &E, range: &std::ops::Range<Vec<u8>>, most: usize) -> Result<Vec<Place>, StoreError> {
    let mut found = Vec::new();
    engine.scan(range, Order::Ascending, &mut |key, _| {
        found.extend(keys::read_conversation(key));
        if found.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(found)
}

/// Until when nothing is missing of what was sent to each number. One that cannot be read counts as not noted.
pub(super) fn heard<E: Engine>(engine: &E) -> Result<Vec<(Address, UnixMillis)>, StoreError> {
    let mut heard = Vec::new();
    engine.scan(&keys::all_heard(), Order::Ascending, &mut |key, value| {
        let at = value.try_into().map(|bytes| UnixMillis(u64::from_be_bytes(bytes))).ok();
        heard.extend(keys::read_heard(key).zip(at));
        ControlFlow::Continue(())
    })?;
    Ok(heard)
}

pub(super) fn usage<E: Engine>(
    engine: &E,
    tenant: &Address,
    days: &RangeInclusive<Day>,
) -> Result<Vec<(Day, Usage)>, StoreError> {
    let mut used = Vec::new();
    engine.scan(&keys::usages(tenant, days), Order::Ascending, &mut |key, value| {
        used.extend(keys::read_usage(key).map(|day| (day, Usage::read(value))));
        ControlFlow::Continue(())
    })?;
    Ok(used)
}

pub(super) fn dead_letters<E: Engine>(
    engine: &E,
    after: Option<Sequence>,
    limit: usize,
) -> Result<Vec<DeadLetter>, StoreError> {
    let (mut letters, mut after) = (Vec::new(), after);
    // A short page must mean that there are no more: what is hidden is passed over.
    while letters.len() < limit {
        let wanted = limit - letters.len();
        let found = sequences(engine, &keys::dead_letters(after), Order::Ascending, wanted)?;
        for sequence in &found {
            let letter = unless_newer(json::<_, DeadLetter>(engine, &RecordKey::dead_letter(*sequence)))?;
            if let Some(letter) = letter
                && !is_erased(engine, &letter)?
            {
                letters.push(letter);
            }
        }
        if found.len() < wanted {
            break;
        }
        after = found.last().copied();
    }
    Ok(letters)
}

fn is_erased<E: Engine>(engine: &E, letter: &DeadLetter) -> Result<bool, StoreError> {
    let Some(key) = &letter.key else { return Ok(false) };
    Ok(erasure::under_way(engine, &Place::of(key))?.is_some_and(|reach| reach.covers(letter)))
}

/// The first `limit` sequences of a range of records.
pub(super) fn sequences<E: Engine>(
    engine: &E,
    range: &std::ops::Range<Vec<u8>>,
    order: Order,
    limit: usize,
) -> Result<Vec<Sequence>, StoreError> {
    let mut found = Vec::new();
    engine.scan(range, order, &mut |key, _| {
        if found.len() >= limit {
            return ControlFlow::Break(());
        }
        found.extend(keys::read_tail(key).filter(|(_, chunk)| *chunk == 0).map(|(sequence, _)| sequence));
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

pub(super) fn json<E: Engine, T: DeserializeOwned>(engine: &E, record: &RecordKey) -> Result<Option<T>, StoreError> {
    fetched(engine, record, |whole| record::read_json(whole, 0))
}

/// What a list has of a record: nothing where a newer version wrote it, so that one of them does not hide all others.
pub(super) fn unless_newer<T>(read: Result<Option<T>, StoreError>) -> Result<Option<T>, StoreError> {
    if let Err(StoreError::Newer { found, .. }) = read {
        tracing::warn!(found, "a record that a newer version wrote is not listed");
        return Ok(None);
    }
    read
}

/// Reads a record, more than once when it makes no sense: it may have been rewritten meanwhile.
fn fetched<E: Engine, T>(
    engine: &E,
    record: &RecordKey,
    read: impl Fn(&[u8]) -> Result<T, crate::chunks::Damage>,
) -> Result<Option<T>, StoreError> {
    stable(|| match fetch::record(engine, record)? {
        Some((whole, _)) => Ok(Some(read(&whole)?)),
        None => Ok(None),
    })
}

fn stable<T>(once: impl Fn() -> Result<Option<T>, FetchError>) -> Result<Option<T>, StoreError> {
    let mut tries = 1;
    loop {
        match once() {
            Err(FetchError::Damage(_)) if tries < READS_MAX => tries += 1,
            read => return fetch::skip_garbage(read),
        }
    }
}
