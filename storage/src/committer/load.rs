//! Reads a conversation for its owner, and sets aside what cannot be read: whole, as a dead letter, so that the rest goes on.

use std::ops::ControlFlow;
use std::time::{SystemTime, UNIX_EPOCH};

use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::Sequence;

use super::Writer;
use crate::chunks::{Damage, Head, NOT_INDEXED};
use crate::engine::{Engine, Order};
use crate::fetch::{self, FetchError};
use crate::keys::{self, Place, RecordKey};
use crate::record::{self, DeadLetter, WorkHead, WorkKind};
use crate::{Claim, Loaded, StoreError};

/// All values of one work record as they were found.
struct Raw {
    sequence: Sequence,
    values: Vec<(u16, Vec<u8>)>,
}

impl<E: Engine> Writer<E> {
    /// Reads from the disk: the round's batch must have been written.
    pub(super) fn load(
        &mut self,
        claim: Claim,
        key: &ConversationKey,
        unread_max: usize,
    ) -> Result<Loaded, StoreError> {
        self.check(claim, key)?;
        let place = Place::of(key);
        let mut loaded = Loaded::default();
        match fetch::snapshot(&*self.engine, &place) {
            Ok(Some((version, snapshot))) => {
                loaded.version = version;
                loaded.snapshot = Some(snapshot);
            }
            Ok(None) => {
                if let Some(left) = self.erasing.veil.left(&*self.engine, &place)? {
                    (loaded.version, loaded.snapshot) = (left.version, Some(left.remains.snapshot));
                    loaded.is_remains = true;
                }
            }
            Err(error) => {
                let reason = garbage(error)?;
                self.set_conversation_aside(key, &place, &reason)?;
                loaded.damaged += 1;
            }
        }
        for raw in works(&*self.engine, &place)? {
            if let Err(error) = read_work(&raw, unread_max, &mut loaded) {
                let reason = garbage(error.into())?;
                self.set_work_aside(key, &place, raw, &reason)?;
                loaded.damaged += 1;
            }
        }
        Ok(loaded)
    }

    fn set_conversation_aside(&mut self, key: &ConversationKey, place: &Place, reason: &str) -> Result<(), StoreError> {
        let record = RecordKey::conversation(place);
        let mut pairs = Vec::new();
        self.engine.scan(&record.range(), Order::Ascending, &mut |key, value| {
            pairs.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })?;
        let head = pairs.first().and_then(|(_, first)| Head::read(first).ok()).map(|(head, _)| head);
        let bytes = pairs.iter().flat_map(|(_, value)| value).copied().collect::<Vec<u8>>();
        let letter = self.letter(key, format!("the conversation's record is damaged: {reason}"), &bytes);
        let mut draft = self.draft();
        draft.dead_letter(&letter)?;
        for (key, _) in pairs {
            draft.remove(key);
        }
        // An entry that an unreadable head does not tell is found and removed when it comes up.
        if let Some(indexed) = head.map(|head| head.indexed).filter(|indexed| *indexed != NOT_INDEXED) {
            draft.remove(keys::deadline(UnixMillis(indexed), place));
        }
        let changes = draft.into_changes();
        self.take(changes);
        Ok(())
    }

    fn set_work_aside(
        &mut self,
        key: &ConversationKey,
        place: &Place,
        raw: Raw,
        reason: &str,
    ) -> Result<(), StoreError> {
        let record = RecordKey::work(place, raw.sequence);
        let bytes = raw.values.iter().flat_map(|(_, value)| value).copied().collect::<Vec<u8>>();
        let letter = self.letter(key, format!("work record {} is damaged: {reason}", raw.sequence), &bytes);
        let mut draft = self.draft();
        draft.dead_letter(&letter)?;
        for (index, _) in raw.values {
            draft.remove(record.chunk(index));
        }
        let changes = draft.into_changes();
        self.take(changes);
        self.recent.forget(raw.sequence);
        self.inboxes.remove(place, raw.sequence);
        Ok(())
    }

    fn letter(&mut self, key: &ConversationKey, reason: String, bytes: &[u8]) -> DeadLetter {
        tracing::error!(reason, "a record was set aside as a dead letter");
        // The only time that the store is not told: damage is found by reading, and whoever reads brings none along.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        DeadLetter {
            sequence: self.draw(),
            key: Some(key.clone()),
            at: UnixMillis(0).plus(now),
            reason,
            work: None,
            bytes: Some(record::hexadecimal(bytes)),
        }
    }
}

/// What is damaged, where something is; other errors are passed on, and so is a record of a later version.
fn garbage(error: FetchError) -> Result<String, StoreError> {
    match error {
        FetchError::Damage(Damage::Garbage(reason)) => Ok(reason),
        FetchError::Damage(Damage::Newer(found)) => Err(fetch::newer(found)),
        FetchError::Store(error) => Err(error),
    }
}

fn works<E: Engine>(engine: &E, place: &Place) -> Result<Vec<Raw>, StoreError> {
    let mut found: Vec<Raw> = Vec::new();
    engine.scan(&keys::works_of(place), Order::Ascending, &mut |key, value| {
        if let Some((_, sequence, index)) = keys::read_work(key) {
            match found.last_mut().filter(|raw| raw.sequence == sequence) {
                Some(raw) => raw.values.push((index, value.to_vec())),
                None => found.push(Raw { sequence, values: vec![(index, value.to_vec())] }),
            }
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

fn read_work(raw: &Raw, unread_max: usize, loaded: &mut Loaded) -> Result<(), Damage> {
    let Some((0, first)) = raw.values.first() else { return Err(fetch::missing(0)) };
    let head = WorkHead::read(first)?;
    let unread = match head.kind {
        WorkKind::Unread { .. } => true,
        WorkKind::Answered { .. } => false,
    };
    if unread && loaded.unread.len() >= unread_max {
        return Ok(());
    }
    let mut whole = first.clone();
    for index in 1..head.chunks {
        let value = raw.values.get(usize::from(index)).filter(|(found, _)| *found == index);
        whole.extend_from_slice(&value.ok_or_else(|| fetch::missing(index))?.1);
    }
    if unread {
        loaded.unread.push(record::read_unread(raw.sequence, &whole)?);
    } else {
        loaded.unsettled.extend(record::read_answered(&whole)?.into_iter().map(|row| (row, head.seed)));
    }
    Ok(())
}
