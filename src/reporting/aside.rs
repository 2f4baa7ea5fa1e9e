//! What a sink refused for good, kept for somebody to look at: one file for each batch, in the form of the spool, so that moving a file
//! back into the spool while the gateway is down has it sent again. Above its limit the oldest file goes.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use raconteur_storage::private;

use super::sink::{Batch, Place};
use super::spool::{remove, size};

/// The files of one sink.
#[derive(Debug)]
pub(super) struct Aside {
    directory: PathBuf,
    max_bytes: u64,
    files: VecDeque<Kept>,
}

#[derive(Debug)]
struct Kept {
    path: PathBuf,
    segment: u64,
    bytes: u64,
}

impl Aside {
    /// Looks for what is there. The directory is made when it is needed.
    pub(super) fn open(directory: &Path, max_bytes: u64) -> io::Result<Self> {
        let mut found = BTreeMap::new();
        if directory.exists() {
            for entry in fs::read_dir(directory)? {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let segment = name.split('-').next().and_then(|digits| digits.parse().ok());
                if let Some(segment) = segment.filter(|_| name.ends_with(".jsonl")) {
                    found.insert(name, Kept { path: entry.path(), segment, bytes: entry.metadata()?.len() });
                }
            }
        }
        Ok(Self { directory: directory.to_owned(), max_bytes, files: found.into_values().collect() })
    }

    /// The highest number of a segment that something was refused of.
    pub(super) fn last_number(&self) -> u64 {
        self.files.iter().map(|kept| kept.segment).max().unwrap_or(0)
    }

    /// Keeps a batch, under the same name if it is refused once more after a crash.
    pub(super) fn keep(&mut self, batch: &Batch) -> io::Result<()> {
        private::create_directory(&self.directory)?;
        let Place { segment, start, end: _ } = batch.place;
        let path = self.directory.join(format!("{segment:020}-{start:06}.jsonl"));
        let lines: String = batch.events.iter().map(|line| line.json.get().to_owned() + "\n").collect();
        let mut file = File::create(&path)?;
        file.write_all(lines.as_bytes()).and_then(|()| file.sync_data())?;
        self.files.retain(|kept| kept.path != path);
        self.files.push_back(Kept { path, segment, bytes: size(lines.as_bytes()) });
        while self.files.len() > 1 && self.files.iter().map(|kept| kept.bytes).sum::<u64>() > self.max_bytes {
            if let Some(oldest) = self.files.pop_front() {
                remove(&oldest.path);
            }
        }
        Ok(())
    }
}
