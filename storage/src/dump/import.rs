//! Reads an export back into an engine that holds nothing.

use std::io::BufRead;

use serde::de::DeserializeOwned;

use super::DumpError;
use super::export::VERSION;
use super::line::{Header, Line, Pairs};
use crate::StoreError;
use crate::committer::{FORMAT, Meta, SEQUENCE_MAX};
use crate::engine::{Batch, Engine};
use crate::keys;

/// A batch is written when it has so many bytes.
const BATCH_BYTES: usize = 256 << 10;

/// Reads every line, and says how many records an import would write.
///
/// # Errors
/// The first line that is wrong, or [`DumpError::Input`].
pub fn validate(lines: impl BufRead) -> Result<u64, DumpError> {
    Reader::begin(lines)?.read(|_| Ok(()))
}

/// Writes every record of an export into an engine that holds nothing, and returns how many there were. Until the last of them
/// is durable the engine is marked, and no store is opened over it.
///
/// # Errors
/// The first line that is wrong, [`DumpError::Input`], or what the engine reports; what was written by then stays marked.
pub fn import<E: Engine>(engine: &E, lines: impl BufRead) -> Result<u64, DumpError> {
    if Meta::read(engine)?.is_some() {
        let reason = "holds a store already: import into a new or empty directory".into();
        return Err(StoreError::WrongPlace { path: engine.describe(), reason }.into());
    }
    let reader = Reader::begin(lines)?;
    let Header { format, salt, sequence, clean, .. } = reader.header;
    engine.note_format(format);
    let marked = Batch::from([(keys::META_IMPORTING.to_vec(), Some(vec![1]))]);
    engine.apply(marked)?;
    engine.sync()?;
    let (mut batch, mut bytes) = (Batch::new(), 0);
    let records = reader.read(|pairs| {
        bytes += pairs.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
        batch.extend(pairs.into_iter().map(|(key, value)| (key, Some(value))));
        if bytes >= BATCH_BYTES {
            bytes = 0;
            write(engine, std::mem::take(&mut batch))?;
        }
        Ok(())
    })?;
    write(engine, batch)?;
    // What makes it a store goes last, so that also a version that does not know the mark refuses half of one.
    let mut last = Meta { format, clean, salt, sequence }.write();
    last.insert(keys::META_IMPORTING.to_vec(), None);
    engine.apply(last)?;
    engine.sync()?;
    Ok(records)
}

/// Makes a batch durable and reads it back. That is also how sled gets to free what the batch has replaced: it does so while it is
/// being asked for something, a little each time, and an import that only wrote would grow without end.
fn write<E: Engine>(engine: &E, batch: Batch) -> Result<(), StoreError> {
    engine.apply(batch.clone())?;
    engine.sync()?;
    for (key, value) in batch {
        if engine.get(&key)? != value {
            let reason = "what was written does not read back".into();
            return Err(StoreError::Corrupt { path: engine.describe(), reason });
        }
    }
    Ok(())
}

/// Takes lines and checks each against those before it.
struct Reader<L> {
    lines: L,
    header: Header,
    /// The number of the line that was read last.
    number: u64,
    text: String,
}

impl<L: BufRead> Reader<L> {
    fn begin(lines: L) -> Result<Self, DumpError> {
        let header = Header { raconteur_store: 0, format: 0, salt: uuid::Uuid::nil(), sequence: None, clean: false };
        let mut reader = Self { lines, header, number: 0, text: String::new() };
        reader.header = match reader.next::<Header>("the header of an export")? {
            Some(header) => header,
            None => return Err(reader.wrong("the file is empty: name one that `raconteur store export` wrote")),
        };
        let Header { raconteur_store, format, sequence, .. } = reader.header;
        if raconteur_store > VERSION || format > FORMAT {
            return Err(reader.wrong("a newer version wrote this export: import it with that version"));
        }
        if raconteur_store == 0 || format == 0 {
            return Err(reader.wrong("versions begin at 1: take the header as it was exported"));
        }
        if sequence.is_some_and(|sequence| sequence >= SEQUENCE_MAX) {
            return Err(reader.wrong("`sequence` is too high: take the header as it was exported"));
        }
        Ok(reader)
    }

    /// Passes on what lies in an engine for each record, in order.
    fn read(mut self, mut take: impl FnMut(Pairs) -> Result<(), DumpError>) -> Result<u64, DumpError> {
        let mut records = 0;
        let mut latest = Vec::new();
        let ids = Meta::ids(self.header.format);
        loop {
            let Some(line) = self.next::<Line>("a record of an export")? else {
                return Err(self.wrong("the file ends without an end line: it was cut off, export again"));
            };
            if let Line::End { records: expected } = line {
                return self.end(records, expected);
            }
            let drawn = self.header.sequence.unwrap_or_default();
            if line.sequence().is_some_and(|sequence| sequence.0 >= drawn.max(1)) {
                return Err(self.wrong("its sequence is not below that of the header: the two are not of one export"));
            }
            let pairs = line.into_pairs(ids).map_err(|reason| self.wrong(&reason))?;
            for (key, _) in &pairs {
                if *key <= latest {
                    return Err(
                        self.wrong("it does not follow on the line before it: keep every record once, in order")
                    );
                }
                latest.clone_from(key);
            }
            records += 1;
            take(pairs)?;
        }
    }

    fn end(mut self, records: u64, expected: u64) -> Result<u64, DumpError> {
        if records != expected {
            let reason =
                format!("there are {records} records where {expected} were exported: lines are missing or new");
            return Err(self.wrong(&reason));
        }
        match self.text_of_next()? {
            None => Ok(records),
            Some(()) => Err(self.wrong("there is something after the end line: keep one export to a file")),
        }
    }

    fn next<T: DeserializeOwned>(&mut self, what: &str) -> Result<Option<T>, DumpError> {
        if self.text_of_next()?.is_none() {
            return Ok(None);
        }
        match serde_json::from_str(&self.text) {
            Ok(read) => Ok(Some(read)),
            // Its own message may quote what somebody wrote.
            Err(error) => Err(self.wrong(&format!("it is not {what} (column {})", error.column()))),
        }
    }

    /// Reads the next line; `None` at the end.
    fn text_of_next(&mut self) -> Result<Option<()>, DumpError> {
        self.text.clear();
        self.number += 1;
        let read = self.lines.read_line(&mut self.text).map_err(DumpError::Input)?;
        Ok((read > 0).then_some(()))
    }

    fn wrong(&self, reason: &str) -> DumpError {
        DumpError::Line { number: self.number, reason: reason.into() }
    }
}
