//! Goes through all records of an engine in the order of their keys, each with all its values. In pages, between which the
//! engine may be asked for other things.

use std::ops::ControlFlow;

use crate::StoreError;
use crate::engine::{Engine, Order};
use crate::keys::{self, Name};

/// A page ends with the first record after so many bytes.
const PAGE_BYTES: usize = 1 << 20;

/// One record as it was found, or one value that belongs to none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Raw {
    /// The key of the first of its values, taken apart; `None` where it is not in the table.
    pub(super) name: Option<Name>,
    /// Keys and values, in order.
    pub(super) pairs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Raw {
    fn begin(key: &[u8], value: &[u8]) -> Self {
        Self { name: Name::read(key), pairs: vec![(key.to_vec(), value.to_vec())] }
    }

    /// Whether the key belongs to another chunk of this record.
    fn owns(&self, key: &[u8]) -> bool {
        let chunked = |name: &Option<Name>| name.as_ref().is_some_and(|name| name.chunk().is_some());
        let first = &self.pairs[0].0;
        chunked(&self.name)
            && first.len() == key.len()
            && first[..first.len() - 2] == key[..key.len() - 2]
            && chunked(&Name::read(key))
    }

    /// Its values in one piece, if they are numbered from 0 without a gap.
    pub(super) fn whole(&self) -> Option<Vec<u8>> {
        let numbered = (0..=u16::MAX).zip(&self.pairs).all(|(index, (key, _))| key.ends_with(&index.to_be_bytes()));
        numbered.then(|| self.pairs.iter().flat_map(|(_, value)| value).copied().collect())
    }

    pub(super) fn bytes(&self) -> u64 {
        self.pairs.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum()
    }
}

/// Shows every record to `visit`, but not what the store says of itself.
///
/// # Errors
/// The first of `visit`, or when something cannot be read.
pub(super) fn walk<E: Engine, X: From<StoreError>>(
    engine: &E,
    mut visit: impl FnMut(Raw) -> Result<(), X>,
) -> Result<(), X> {
    let mut range = keys::everything();
    loop {
        let (page, next) = page(engine, &range)?;
        for raw in page {
            if !raw.pairs[0].0.starts_with(b"m") {
                visit(raw)?;
            }
        }
        match next {
            Some(next) => range.start = next,
            None => return Ok(()),
        }
    }
}

/// Whole records, and the key of the first that is not among them.
fn page<E: Engine>(engine: &E, range: &std::ops::Range<Vec<u8>>) -> Result<(Vec<Raw>, Option<Vec<u8>>), StoreError> {
    let mut found: Vec<Raw> = Vec::new();
    let mut bytes = 0;
    let mut next = None;
    engine.scan(range, Order::Ascending, &mut |key, value| {
        match found.last_mut().filter(|raw| raw.owns(key)) {
            Some(raw) => raw.pairs.push((key.to_vec(), value.to_vec())),
            None if bytes >= PAGE_BYTES => {
                next = Some(key.to_vec());
                return ControlFlow::Break(());
            }
            None => found.push(Raw::begin(key, value)),
        }
        bytes += key.len() + value.len();
        ControlFlow::Continue(())
    })?;
    Ok((found, next))
}
