//! Writes a store as JSON lines.

use std::io::Write;

use serde::Serialize;

use super::line::{Header, Line};
use super::{DumpError, walk};
use crate::committer::Meta;
use crate::engine::Engine;

/// The version of what an export looks like.
pub(super) const VERSION: u32 = 1;

/// Writes everything that the store keeps, and returns how many records that was. Works as well on a store that nobody closed, and
/// on one with damaged records. Changes nothing.
///
/// # Errors
/// [`DumpError::Store`], [`DumpError::Empty`] or [`DumpError::Output`]; what was written by then has no end line.
pub fn export<E: Engine>(engine: &E, out: &mut impl Write) -> Result<u64, DumpError> {
    let Some(Meta { format, clean, salt, sequence }) = Meta::read(engine)? else {
        return Err(DumpError::Empty { path: engine.describe() });
    };
    put(out, &Header { raconteur_store: VERSION, format, salt, sequence, clean })?;
    let (ids, mut records) = (Meta::ids(format), 0);
    walk::walk(engine, |raw| {
        records += 1;
        put(out, &Line::of(&raw, ids))
    })?;
    put(out, &Line::End { records })?;
    out.flush().map_err(DumpError::Output)?;
    Ok(records)
}

fn put(out: &mut impl Write, line: &impl Serialize) -> Result<(), DumpError> {
    serde_json::to_writer(&mut *out, line).map_err(|error| DumpError::Output(error.into()))?;
    out.write_all(b"\n").map_err(DumpError::Output)
}
