//! Puts records of several values together, from whatever the values are read from: the engine, or the engine under a batch
//! that is being built.

use crate::chunks::{self, Damage, Head};
use crate::engine::Engine;
use crate::keys::{Place, RecordKey};
use crate::{StoreError, Version};

/// Where values come from.
pub(crate) trait Values {
    /// The value of one key.
    fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
}

impl<E: Engine> Values for E {
    fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.get(key)
    }
}

/// Why a record was not read.
#[derive(Debug)]
pub(crate) enum FetchError {
    /// The engine could not read.
    Store(StoreError),
    /// What it read makes no sense.
    Damage(Damage),
}

impl From<StoreError> for FetchError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Damage> for FetchError {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}

/// A framed record, with the number of its values.
pub(crate) fn record(values: &impl Values, record: &RecordKey) -> Result<Option<(Vec<u8>, u16)>, FetchError> {
    match values.value(&record.chunk(0))? {
        Some(first) => rest(values, record, first).map(Some),
        None => Ok(None),
    }
}

/// The rest of a framed record whose first value is there already.
pub(crate) fn rest(values: &impl Values, record: &RecordKey, first: Vec<u8>) -> Result<(Vec<u8>, u16), FetchError> {
    let count = chunks::frame_count(&first)?;
    let mut whole = first;
    for index in 1..count {
        let value = values.value(&record.chunk(index))?.ok_or_else(|| missing(index))?;
        whole.extend_from_slice(&value);
    }
    Ok((whole, count))
}

/// The latest snapshot of a conversation and its version.
pub(crate) fn snapshot(values: &impl Values, place: &Place) -> Result<Option<(Version, Vec<u8>)>, FetchError> {
    let record = RecordKey::conversation(place);
    let Some(first) = values.value(&record.chunk(0))? else { return Ok(None) };
    let (head, inline) = Head::read(&first)?;
    let mut snapshot = inline.to_vec();
    for (index, hash) in (1..).zip(&head.hashes) {
        let chunk = values.value(&record.chunk(index))?.ok_or_else(|| missing(index))?;
        if chunks::hash(&chunk) != *hash {
            return Err(Damage::garbage(format_args!("its chunk {index} has changed")).into());
        }
        snapshot.extend_from_slice(&chunk);
    }
    Ok(Some((Version(head.version), snapshot)))
}

/// One chunk is not there.
pub(crate) fn missing(index: u16) -> Damage {
    Damage::garbage(format_args!("its chunk {index} is missing"))
}

/// The error for a damage that cannot be put aside because a later version may read it.
pub(crate) fn newer(found: u8) -> StoreError {
    StoreError::Newer { found: found.into(), supported: chunks::FORMAT.into() }
}

/// `None` for a record that makes no sense: the next load of its conversation sets it aside.
pub(crate) fn skip_garbage<T>(fetched: Result<Option<T>, FetchError>) -> Result<Option<T>, StoreError> {
    match fetched {
        Ok(found) => Ok(found),
        Err(FetchError::Store(error)) => Err(error),
        Err(FetchError::Damage(Damage::Newer(found))) => Err(newer(found)),
        Err(FetchError::Damage(Damage::Garbage(reason))) => {
            tracing::warn!(reason, "a record is damaged and was passed over");
            Ok(None)
        }
    }
}
