//! Copies an engine's records as they are, and compares two engines.

use std::ops::ControlFlow;

use crate::StoreError;
use crate::engine::{Batch, Engine, Order};
use crate::keys;

/// A batch is written when it has so many bytes.
const BATCH_BYTES: u64 = 1 << 20;

/// How much was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Values.
    pub values: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

/// Copies everything that `from` keeps to `to`, which holds nothing, and makes it durable.
///
/// # Errors
/// What either of them reports.
pub fn copy<F: Engine, T: Engine>(from: &F, to: &T) -> Result<Copied, StoreError> {
    let mut copied = Copied::default();
    let mut next = Some(Vec::new());
    while let Some(start) = next.take() {
        let (page, after) = page(from, start)?;
        for (key, value) in &page {
            copied.values += 1;
            copied.bytes += (key.len() + value.len()) as u64;
        }
        to.apply(page.into_iter().map(|(key, value)| (key, Some(value))).collect::<Batch>())?;
        to.sync()?;
        next = after;
    }
    Ok(copied)
}

/// Whether both keep the same.
///
/// # Errors
/// What either of them reports.
pub fn same<F: Engine, T: Engine>(one: &F, other: &T) -> Result<bool, StoreError> {
    let mut next = Some(Vec::new());
    while let Some(start) = next.take() {
        let (left, after) = page(one, start.clone())?;
        let (right, after_right) = page(other, start)?;
        if left != right || after != after_right {
            return Ok(false);
        }
        next = after;
    }
    Ok(true)
}

type Page = Vec<(Vec<u8>, Vec<u8>)>;

/// Pairs from `start` on, and the key of the first that is not among them.
fn page<E: Engine>(engine: &E, start: Vec<u8>) -> Result<(Page, Option<Vec<u8>>), StoreError> {
    let range = start..keys::everything().end;
    let mut found = Page::new();
    let mut bytes = 0;
    let mut next = None;
    engine.scan(&range, Order::Ascending, &mut |key, value| {
        if bytes >= BATCH_BYTES {
            next = Some(key.to_vec());
            return ControlFlow::Break(());
        }
        bytes += (key.len() + value.len()) as u64;
        found.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    })?;
    Ok((found, next))
}
