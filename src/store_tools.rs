//! What `raconteur store` does: check, export, import, compact, accept-loss; persons in `person.rs`, retention in
//! `expire.rs`. Finds the store, calls the tools of the storage
//! package, and puts what came of it in words.
//!
//! Prints nothing itself but an export. A store that a gateway is using is locked, and none of this touches it.

mod expire;
mod person;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use raconteur_storage::dump::{self, DumpError, Findings, Kind, Tally};
use raconteur_storage::engine::sled::{Compacted, Old, SledEngine, compact};
use raconteur_storage::{StoreError, private};

use crate::cli::{PersonCommand, StoreArgs, StoreCommand};
use crate::config::{Config, StoreKind};

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// What to say of it, with a newline at its end.
    pub text: String,
    /// How to end: 0 well, 1 when something is damaged.
    pub code: u8,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The store cannot be opened, read or written, or an export is not one.
    #[error(transparent)]
    Dump(#[from] DumpError),
    /// A file of the caller's cannot be used.
    #[error("{path}: {error}{advice}")]
    File {
        /// Which.
        path: String,
        /// Why not.
        error: io::Error,
        /// What to do, where it can be told.
        advice: &'static str,
    },
    /// The configuration has no directory.
    #[error("the configuration keeps conversations in memory: name a directory with --store")]
    Memory,
    /// Nothing says what is old.
    #[error(
        "nothing says how long turns are kept: give --older-than 90d, or set transcripts_kept for the number in the configuration"
    )]
    NoRule,
}

impl ToolError {
    /// With which code to end: 2 when the store cannot be opened, else 1.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Dump(DumpError::Store(_) | DumpError::Empty { .. }) => 2,
            Self::Dump(DumpError::Output(_) | DumpError::Input(_) | DumpError::Line { .. })
            | Self::File { .. }
            | Self::Memory
            | Self::NoRule => 1,
        }
    }
}

impl From<StoreError> for ToolError {
    fn from(error: StoreError) -> Self {
        Self::Dump(error.into())
    }
}

/// Does what the command line asks for. An export without a file goes to `out`.
///
/// # Errors
/// When it could not be done.
pub async fn run(args: &StoreArgs, config: &Config, out: &mut dyn Write) -> Result<Done, ToolError> {
    let store = Place { path: directory(args, config)?, cache_bytes: config.store.cache_bytes };
    match &args.command {
        StoreCommand::Check => store.check(),
        StoreCommand::Export { output: None } => store.export(out),
        StoreCommand::Export { output: Some(file) } => store.export_to(file),
        StoreCommand::Import { file } => store.import(file),
        StoreCommand::Compact { discard_old } => store.compact(*discard_old),
        StoreCommand::AcceptLoss => store.accept_loss(),
        StoreCommand::Expire { tenant, older_than } => store.expire(config, tenant.as_ref(), *older_than).await,
        StoreCommand::Person { command: PersonCommand::Export { person, output: None } } => {
            store.export_person(person, out).await
        }
        StoreCommand::Person { command: PersonCommand::Export { person, output: Some(file) } } => {
            store.export_person_to(person, file).await
        }
        StoreCommand::Person { command: PersonCommand::Erase { person } } => store.erase_person(person).await,
    }
}

fn directory(args: &StoreArgs, config: &Config) -> Result<PathBuf, ToolError> {
    match (&args.store, config.store.kind) {
        (Some(path), _) => Ok(path.clone()),
        (None, StoreKind::Sled) => Ok(config.store.path.clone()),
        (None, StoreKind::Memory) => Err(ToolError::Memory),
    }
}

/// Where the store lies.
struct Place {
    path: PathBuf,
    cache_bytes: u64,
}

impl Place {
    fn open(&self) -> Result<SledEngine, ToolError> {
        Ok(SledEngine::open_existing(&self.path, self.cache_bytes)?)
    }

    fn done(text: String) -> Done {
        Done { text, code: 0 }
    }

    fn check(&self) -> Result<Done, ToolError> {
        let engine = self.open()?;
        // What reads badly as a whole has been opened all the same: that is damage, and no other reason to refuse.
        let findings = match dump::check(&engine) {
            Err(DumpError::Store(StoreError::Corrupt { reason, .. })) => {
                let text =
                    format!("DAMAGED: {}\n  it cannot be read to its end: {reason}\n{DAMAGED}", self.path.display());
                return Ok(Done { text, code: 1 });
            }
            found => found?,
        };
        let text = report(&self.path, &findings, engine.disk_bytes()?);
        Ok(Done { text, code: u8::from(!findings.is_healthy()) })
    }

    fn export(&self, out: &mut dyn Write) -> Result<Done, ToolError> {
        let records = dump::export(&self.open()?, &mut BufWriter::new(out))?;
        Ok(Self::done(format!("Exported {records} records from {}.\n", self.path.display())))
    }

    fn export_to(&self, file: &Path) -> Result<Done, ToolError> {
        // Before the file is made: a store that cannot be opened leaves no empty export behind.
        let engine = self.open()?;
        let lost = |error| unusable(file, error);
        let mut out = private::create_file(file).map_err(lost)?;
        let exported = dump::export(&engine, &mut BufWriter::new(&mut out));
        let records = exported.inspect_err(|_| drop(fs::remove_file(file)))?;
        out.sync_all().map_err(lost)?;
        Ok(Self::done(format!("Exported {records} records from {} to {}.\n", self.path.display(), file.display())))
    }

    fn import(&self, file: &Path) -> Result<Done, ToolError> {
        let open = || File::open(file).map(BufReader::new).map_err(|error| unusable(file, error));
        // Every line, before the directory is touched.
        dump::validate(open()?)?;
        let engine = SledEngine::create(&self.path, self.cache_bytes)?;
        let records = dump::import(&engine, open()?)?;
        Ok(Self::done(format!("Imported {records} records into {}.\n", self.path.display())))
    }

    fn compact(&self, discard_old: bool) -> Result<Done, ToolError> {
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string().replace([':', '-'], "");
        let old = if discard_old { Old::Discard } else { Old::Keep(now) };
        let Compacted { before, after, copied, kept } = compact(&self.path, self.cache_bytes, &old)?;
        let mut text = format!(
            "Compacted {}: {before} bytes before, {after} bytes after, with {} values in {} bytes.\n",
            self.path.display(),
            copied.values,
            copied.bytes
        );
        if after > before {
            text.push_str(
                "It was denser than a new one is: what was deleted is gone for good, but no room was gained.\n",
            );
        }
        if let Some(kept) = kept {
            let _ = writeln!(text, "The old one is kept in {}: remove it when you no longer want it.", kept.display());
        }
        Ok(Self::done(text))
    }

    fn accept_loss(&self) -> Result<Done, ToolError> {
        let missing = SledEngine::accept_loss(&self.path, self.cache_bytes)?;
        let path = self.path.display();
        Ok(Self::done(match missing {
            0 => format!("Nothing is missing in {path}.\n"),
            _ => format!("{path} is taken as it is, without its latest {missing} write(s).\n"),
        }))
    }
}

fn unusable(path: &Path, error: io::Error) -> ToolError {
    let advice = if error.kind() == ErrorKind::AlreadyExists {
        ": name a file that does not exist yet"
    } else if error.kind() == ErrorKind::NotFound {
        ": name a file that is there, in a directory that is there"
    } else {
        ""
    };
    ToolError::File { path: path.display().to_string(), error, advice }
}

const DAMAGED: &str = "\
What to do: copy the directory while nobody uses it, then `raconteur store export` what can be read.
  Damaged conversations and work are set aside as dead letters when they are next loaded; everything else goes on.
  What was lost can only come back from a backup.
";

fn report(path: &Path, findings: &Findings, disk_bytes: u64) -> String {
    let Findings { format, clean, kinds, unread, unsettled, in_doubt, unindexed, live_bytes } = findings;
    let count = |kind| kinds.get(&kind).map_or(0, |tally: &Tally| tally.records);
    let verdict = if findings.is_healthy() { "OK" } else { "DAMAGED" };
    let closed =
        if *clean { "closed in good order" } else { "not closed in good order (the next start looks after that)" };
    let mut text = format!("{verdict}: {}\n  format {format}, {closed}\n", path.display());
    for (kind, what) in COUNTED {
        let _ = writeln!(text, "  {:>9} {what}", count(kind));
        if kind == Kind::Work {
            let _ = writeln!(text, "  {unread:>9}   of them unread");
            let _ = writeln!(text, "  {unsettled:>9}   texts of ours not settled, {in_doubt} of them in doubt");
        }
    }
    for (kind, Tally { damaged, .. }) in kinds.iter().filter(|(_, tally)| tally.damaged > 0) {
        let _ = writeln!(text, "  damaged: {damaged} of kind {}", name(*kind));
    }
    if *unindexed > 0 {
        let _ = writeln!(text, "  damaged: {unindexed} conversation(s) would miss their deadline");
    }
    let _ = writeln!(text, "  {disk_bytes} bytes on disk for {live_bytes} bytes of records");
    if findings.is_healthy() { text } else { text + DAMAGED }
}

const COUNTED: [(Kind, &str); 12] = [
    (Kind::Conversation, "conversations"),
    (Kind::Work, "work records"),
    (Kind::Page, "pages of transcripts"),
    (Kind::Deadline, "deadlines"),
    (Kind::Duplicate, "ids that are remembered"),
    (Kind::DeadLetter, "dead letters"),
    (Kind::Usage, "days of usage"),
    (Kind::Claim, "claims"),
    (Kind::Heard, "numbers whose log is read"),
    (Kind::Erasure, "erasures under way"),
    (Kind::Remains, "remains of erased conversations"),
    (Kind::Audit, "entries of the audit log"),
];

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Conversation => "conversation",
        Kind::Duplicate => "duplicate",
        Kind::Page => "page",
        Kind::Heard => "heard",
        Kind::Claim => "claim",
        Kind::Deadline => "deadline",
        Kind::Usage => "usage",
        Kind::Erasure => "erasure",
        Kind::Remains => "remains",
        Kind::Work => "work",
        Kind::DeadLetter => "dead_letter",
        Kind::Audit => "audit",
        Kind::Unknown => "unknown",
    }
}
