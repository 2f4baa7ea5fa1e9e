//! A file that is written in whole blocks, each call durable when it returns. Where the file system can, it goes past the system's cache:
//! nobody reads the file again while the process lives, and a write with its sync is one call then that costs about half as much.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// What a file is written in, in bytes: every common disk's blocks are as large, or divide it.
pub(super) const BLOCK: usize = 4_096;

/// A file grows by as many bytes as it has, within these bounds: seldom, since a sync then has to wait for the file system's records as
/// well, and not by much where there is little.
const STEP: Range<u64> = 64 << 10..1 << 20;

/// It is filled in pieces of so many bytes.
const PIECE: u64 = 256 << 10;

/// And through the system's cache of so many: of what is written at once a file system keeps one large page, and goes through all of
/// that at each later write.
const CACHED_PIECE: u64 = 16 << 10;

/// A buffer that was larger than this once is given back.
pub(super) const BUFFER_KEPT: usize = 512 << 10;

/// See the module.
pub(super) struct BlockFile {
    file: File,
    path: PathBuf,
    /// Whether it is written past the cache.
    direct: bool,
    /// How far it is filled, be it with zeros.
    filled: u64,
}

/// Room for what is written, at an address from which a disk can take it.
#[derive(Default)]
pub(super) struct Buffer(Vec<u8>);

impl BlockFile {
    /// Opens or creates it.
    ///
    /// # Errors
    /// When that cannot be done.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        match open_direct(path, Waits::ForEach) {
            Ok(file) => Self::new(file, path, true),
            Err(error) if is_unfit(&error) => Self::open_cached(path),
            Err(error) => Err(error),
        }
    }

    fn open_cached(path: &Path) -> io::Result<Self> {
        Self::new(options().open(path)?, path, false)
    }

    fn new(file: File, path: &Path, direct: bool) -> io::Result<Self> {
        let filled = file.metadata()?.len();
        Ok(Self { file, path: path.to_owned(), direct, filled })
    }

    /// Makes what others have written durable.
    ///
    /// # Errors
    /// When that cannot be said.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Writes at the beginning of a block, and zeros up to the end of the last one. Returns when that survives loss of power.
    ///
    /// # Errors
    /// When that cannot be said.
    pub(super) fn write(&mut self, bytes: &[u8], at: u64, buffer: &mut Buffer) -> io::Result<()> {
        let whole = bytes.len().next_multiple_of(BLOCK);
        self.fill_up_to(at + whole as u64, buffer)?;
        self.write_blocks(buffer.blocks(bytes, whole), at)?;
        self.filled = self.filled.max(at + whole as u64);
        buffer.shrink();
        if self.direct { Ok(()) } else { self.file.sync_data() }
    }

    /// A file grows in steps of zeros: writing over bytes that exist needs no change of the file system's own records at each sync.
    fn fill_up_to(&mut self, end: u64, buffer: &mut Buffer) -> io::Result<()> {
        // Whoever wrote it may have died in the middle of a block.
        self.filled = self.filled / BLOCK as u64 * BLOCK as u64;
        if self.filled >= end {
            return Ok(());
        }
        let upto = end.max(self.filled + self.filled.clamp(STEP.start, STEP.end));
        // Each of its writes would wait for the file system's records, so all of a step wait together.
        let waiting = if self.direct { open_direct(&self.path, Waits::No).ok() } else { None };
        let (file, piece) = waiting.as_ref().map_or((&self.file, CACHED_PIECE), |file| (file, PIECE));
        while self.filled < upto {
            let length = (upto - self.filled).min(piece);
            let zeros = buffer.blocks(&[], usize::try_from(length).expect("a piece is short"));
            match file.write_all_at(zeros, self.filled) {
                Ok(()) => self.filled += length,
                // There is no room for more than is needed now, or no way past the cache: writing that will tell.
                Err(error) if is_full(&error) || is_unfit(&error) => break,
                Err(error) => return Err(error),
            }
        }
        waiting.map_or(Ok(()), |file| file.sync_data())
    }

    /// Durable when it returns if that is past the cache.
    fn write_blocks(&mut self, blocks: &[u8], at: u64) -> io::Result<()> {
        if self.direct {
            match self.file.write_all_at(blocks, at) {
                Err(error) if is_unfit(&error) => {
                    tracing::debug!(path = %self.path.display(), %error, "written through the system's cache from now on");
                    (self.file, self.direct) = (options().open(&self.path)?, false);
                }
                written => return written,
            }
        }
        self.file.write_all_at(blocks, at)
    }
}

impl Buffer {
    /// The bytes, and zeros behind them up to that length.
    fn blocks(&mut self, bytes: &[u8], whole: usize) -> &[u8] {
        if self.0.len() < whole + BLOCK {
            self.0.resize(whole + BLOCK, 0);
        }
        // Where the address cannot be told, the file system says that it does not fit.
        let begins = self.0.as_ptr().align_offset(BLOCK).min(BLOCK);
        let room = &mut self.0[begins..begins + whole];
        let (content, rest) = room.split_at_mut(bytes.len());
        content.copy_from_slice(bytes);
        rest.fill(0);
        room
    }

    fn shrink(&mut self) {
        if self.0.len() > BUFFER_KEPT {
            self.0 = Vec::new();
        }
    }
}

/// When what is written past the cache is durable.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waits {
    /// When its call returns.
    ForEach,
    /// With a sync behind it.
    No,
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    options
}

#[cfg(target_os = "linux")]
fn open_direct(path: &Path, waits: Waits) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    // Of libc, since rustix takes O_SYNC for both: then each write also waits for the time of the last one, in another place on the disk.
    let flags = match waits {
        Waits::ForEach => libc::O_DIRECT | libc::O_DSYNC,
        Waits::No => libc::O_DIRECT,
    };
    options().custom_flags(flags).open(path)
}

#[cfg(not(target_os = "linux"))]
fn open_direct(_: &Path, _: Waits) -> io::Result<File> {
    Err(ErrorKind::InvalidInput.into())
}

/// Whether it says that this file cannot be written past the cache, or not in such blocks.
fn is_unfit(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported)
}

fn is_full(error: &io::Error) -> bool {
    use ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull, WriteZero};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge | WriteZero)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn past_the_cache_and_through_it_the_same_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let (direct, cached) = (directory.path().join("direct"), directory.path().join("cached"));
        for path in [&direct, &cached] {
            fs::write(path, vec![7; 5_000]).unwrap();
        }
        let mut files = [BlockFile::open(&direct).unwrap(), BlockFile::open_cached(&cached).unwrap()];
        let mut buffer = Buffer::default();
        for file in &mut files {
            file.write(&[1; 10], 0, &mut buffer).unwrap();
            file.write(&[2; 9_000], 4_096, &mut buffer).unwrap();
            file.write(&[3; 4_096], 8_192, &mut buffer).unwrap();
            file.write(&[4; 300_000], 12_288, &mut buffer).unwrap();
        }
        let mut expected = [vec![1; 10], vec![0; 4_086], vec![2; 4_096], vec![3; 4_096], vec![4; 300_000]].concat();
        let bytes = fs::read(&direct).unwrap();
        expected.resize(bytes.len(), 0);
        assert!(bytes == expected && fs::read(&cached).unwrap() == expected);
    }
}
