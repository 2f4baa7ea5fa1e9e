//! Erasures: what a step deletes at once, and what is deleted behind it in bounded batches. Between the two, the mark of the erasure
//! keeps it out of sight, and a restart goes on from there.

use std::ops::ControlFlow;

use raconteur_conversation::effect::Kept;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::Sequence;
use uuid::Uuid;

use super::Writer;
use super::draft::Draft;
use super::opening::FORMAT_OF_ERASURE;
use super::pass::Pass;
use crate::chunks::{Head, NOT_INDEXED};
use crate::engine::{Engine, Order};
use crate::erasure::{Left, Reach, Veil};
use crate::fetch::{self, Values};
use crate::keys::{self, Place, RecordKey};
use crate::record::{self, DeadLetter};
use crate::{Erase, StoreError, Usage};

/// What the writer knows of erasures.
pub(crate) struct Erasing {
    pub(super) veil: Veil,
    /// Something may be hidden that is not deleted yet.
    pub(super) is_under_way: bool,
    /// Whose dead letters are looked for, and behind which of all.
    letters: Option<(Place, Option<Sequence>)>,
    /// Where forgetting what remains goes on.
    forgetting: Pass,
}

impl Erasing {
    pub(super) fn open<E: Engine>(engine: &E, salt: Uuid) -> Result<Self, StoreError> {
        Ok(Self {
            veil: Veil::new(salt),
            is_under_way: first(engine)?.is_some(),
            letters: None,
            forgetting: Pass::default(),
        })
    }
}

/// A key and its value.
type Pair = (Vec<u8>, Vec<u8>);

/// The first erasure that is not carried out to its end.
fn first<E: Engine>(engine: &E) -> Result<Option<Pair>, StoreError> {
    let mut first = None;
    engine.scan(&keys::erasures(), Order::Ascending, &mut |key, value| {
        first = Some((key.to_vec(), value.to_vec()));
        ControlFlow::Break(())
    })?;
    Ok(first)
}

impl<E: Engine> Writer<E> {
    /// How far an erasure reaches. From here on only versions may open the store that know of erasures: to others the deleted would
    /// come back, and a user who has stopped our texts would get them.
    pub(super) fn reach(&mut self, erase: &Erase) -> Reach {
        let letters = self.draw();
        self.erasing.is_under_way = true;
        // It reaches further than one that is under way: letters that were passed over may go now.
        self.erasing.letters = None;
        if self.format < FORMAT_OF_ERASURE {
            self.format = FORMAT_OF_ERASURE;
            self.batch.insert(keys::META_FORMAT.to_vec(), Some(FORMAT_OF_ERASURE.to_be_bytes().to_vec()));
        }
        Reach { upto: erase.erasure.upto.min(Sequence(letters.0 - 1)), letters }
    }

    /// Deletes what is hidden, one erasure after another: first its pages, then its letters, at last its mark.
    pub(super) fn remove_erased(&mut self, limit: usize) -> Result<bool, StoreError> {
        let Some((mark, value)) = first(&*self.engine)? else {
            // One that is in this very round is found by the next.
            self.erasing.is_under_way = self.batch.range(keys::erasures()).any(|(_, value)| value.is_some());
            return Ok(self.erasing.is_under_way);
        };
        let Some((place, reach)) = keys::read_erasure(&mark).zip(Reach::read(&value)) else {
            tracing::error!("the mark of an erasure is damaged and was removed: erase again");
            self.take([(mark, None)].into());
            return Ok(true);
        };
        let mut gone = Vec::new();
        self.engine.scan(&keys::transcript_between(&place, None, reach.upto), Order::Ascending, &mut |key, _| {
            if gone.len() == limit {
                return ControlFlow::Break(());
            }
            gone.push((key.to_vec(), None));
            ControlFlow::Continue(())
        })?;
        let left = limit - gone.len();
        self.take(gone.into_iter().collect());
        // A second erasure in this very round reaches further: it goes on with the new mark.
        if left > 0 && self.remove_letters(&place, reach, left)? && self.draft().value(&mark)? == Some(value) {
            self.take([(mark, None)].into());
        }
        Ok(true)
    }

    /// Looks at so many dead letters, and removes this conversation's. Returns whether none is left to look at.
    fn remove_letters(&mut self, place: &Place, reach: Reach, limit: usize) -> Result<bool, StoreError> {
        let behind = self.erasing.letters.take().filter(|(whose, _)| whose == place).and_then(|(_, behind)| behind);
        let numbers = self.letters_behind(behind, limit)?;
        let key = place.key();
        for sequence in &numbers {
            let whose = |letter: &DeadLetter| letter.key == key && reach.covers(letter);
            self.remove_letter(*sequence, whose)?;
        }
        if numbers.len() < limit {
            return Ok(true);
        }
        self.erasing.letters = Some((place.clone(), numbers.last().copied()));
        Ok(false)
    }

    /// The next dead letters, on disk.
    pub(super) fn letters_behind(&self, behind: Option<Sequence>, limit: usize) -> Result<Vec<Sequence>, StoreError> {
        let mut numbers = Vec::new();
        self.engine.scan(&keys::dead_letters(behind), Order::Ascending, &mut |key, _| {
            if numbers.len() == limit {
                return ControlFlow::Break(());
            }
            numbers.extend(keys::read_tail(key).filter(|(_, chunk)| *chunk == 0).map(|(sequence, _)| sequence));
            ControlFlow::Continue(())
        })?;
        Ok(numbers)
    }

    /// Removes a dead letter, if it is meant. Returns whether it was.
    pub(super) fn remove_letter(
        &mut self,
        sequence: Sequence,
        is_meant: impl Fn(&DeadLetter) -> bool,
    ) -> Result<bool, StoreError> {
        let record = RecordKey::dead_letter(sequence);
        let fetched = fetch::record(&*self.engine, &record)
            .and_then(|found| Ok(found.map(|(whole, _)| record::read_json::<DeadLetter>(&whole, 0)).transpose()?));
        let goes = fetch::skip_garbage(fetched)?.is_some_and(|letter| is_meant(&letter));
        if goes {
            let keys = self.draft().keys_in(&record.range())?;
            self.take(keys.into_iter().map(|key| (key, None)).collect());
        }
        Ok(goes)
    }

    /// Forgets what was to remain for a while, and has.
    pub(super) fn forget_remains(&mut self, before: UnixMillis, limit: usize) -> Result<(), StoreError> {
        let mut old = Vec::new();
        self.erasing.forgetting.go_on(&*self.engine, keys::all_remains(), limit, |key, value| {
            let is_old = |left: Left| left.remains.kept == Kept::ForAWhile && left.at < before;
            if Left::read(value).is_ok_and(is_old) {
                old.push(key.to_vec());
            }
            1
        })?;
        for key in old {
            // One that was written anew in this very round stays.
            if !self.batch.contains_key(&key) {
                self.take([(key, None)].into());
            }
        }
        Ok(())
    }
}

impl<E: Engine> Draft<'_, E> {
    /// Removes a conversation's record and leaves what remains of it.
    pub(super) fn leave(&mut self, place: &Place, head: &Head, left: &Left) -> Result<(), StoreError> {
        if head.indexed != NOT_INDEXED {
            self.remove(keys::deadline(UnixMillis(head.indexed), place));
        }
        for key in self.keys_in(&RecordKey::conversation(place).range())? {
            self.remove(key);
        }
        self.put(self.left_at(place), left.write()?);
        Ok(())
    }

    /// Removes work, answered or not, with what this very step has made of it, and hides the rest. Texts of ours that were on their
    /// way count as texts of which nobody knows.
    pub(super) fn erase(&mut self, place: &Place, at: UnixMillis, reach: Reach) -> Result<(), StoreError> {
        let mut failed = 0;
        for key in self.keys_in(&keys::works_of(place))? {
            let Some((_, sequence, chunk)) = keys::read_work(&key).filter(|(_, sequence, _)| *sequence <= reach.upto)
            else {
                continue;
            };
            if chunk == 0 {
                failed += self.outbox(place, sequence)?.map_or(0, |outbox| outbox.rows.len());
            }
            self.remove(key);
        }
        self.count(at, Usage { failed: failed as u64, ..Usage::default() });
        self.put(keys::erasure(place), reach.write());
        Ok(())
    }
}
