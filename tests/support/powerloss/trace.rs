//! What a process did to its files and sent to others, in order, as the shim wrote it down.

use std::path::PathBuf;

/// One thing that was done.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// A file that was not there before.
    Create {
        file: u64,
        path: PathBuf,
    },
    Write {
        file: u64,
        offset: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        file: u64,
        length: usize,
    },
    /// `fsync` of a file.
    Sync {
        file: u64,
    },
    /// `fdatasync` of a file.
    SyncData {
        file: u64,
    },
    SyncDirectory {
        path: PathBuf,
    },
    MakeDirectory {
        path: PathBuf,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Remove {
        path: PathBuf,
    },
    /// Bytes that are about to be sent to the socket with this port.
    Send {
        port: u16,
        bytes: Vec<u8>,
    },
}

impl Deed {
    /// For whoever looks into a failure.
    pub(crate) fn in_short(&self) -> String {
        match self {
            Self::Write { file, offset, bytes } => format!("write {file} at {offset}, {} bytes", bytes.len()),
            Self::Send { port, bytes } => format!("send to {port}: {}", String::from_utf8_lossy(bytes)),
            other @ (Self::Create { .. }
            | Self::Truncate { .. }
            | Self::Sync { .. }
            | Self::SyncData { .. }
            | Self::SyncDirectory { .. }
            | Self::MakeDirectory { .. }
            | Self::Rename { .. }
            | Self::Remove { .. }) => format!("{other:?}"),
        }
    }
}

/// Reads a whole trace.
pub(crate) fn read(mut rest: &[u8]) -> Vec<Deed> {
    let mut deeds = Vec::new();
    while !rest.is_empty() {
        let (head, tail) = rest.split_first_chunk::<32>().expect("a trace ends with a whole record");
        let number = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("8 bytes"));
        let path_length = u32::from_le_bytes(head[4..8].try_into().expect("4 bytes"));
        let (path, tail) = tail.split_at(usize::try_from(path_length).expect("it is short"));
        let length =
            if matches!(head[0], b'W' | b'A') { usize::try_from(number(24)).expect("it was written") } else { 0 };
        let (bytes, tail) = tail.split_at(length);
        rest = tail;
        deeds.extend(deed(head[0], path, (number(8), number(16)), bytes));
    }
    deeds
}

fn deed(kind: u8, path: &[u8], (file, offset): (u64, u64), bytes: &[u8]) -> Option<Deed> {
    let name = |bytes: &[u8]| PathBuf::from(String::from_utf8(bytes.to_vec()).expect("tests have plain names"));
    let offset = usize::try_from(offset).expect("files are small");
    Some(match kind {
        b'O' => Deed::Create { file, path: name(path) },
        b'W' => Deed::Write { file, offset, bytes: bytes.to_vec() },
        b'T' => Deed::Truncate { file, length: offset },
        b'S' => Deed::Sync { file },
        b'D' => Deed::SyncData { file },
        b'F' => Deed::SyncDirectory { path: name(path) },
        b'M' => Deed::MakeDirectory { path: name(path) },
        b'U' | b'R' => Deed::Remove { path: name(path) },
        b'N' => {
            let middle = path.iter().position(|byte| *byte == 0).expect("two names");
            Deed::Rename { from: name(&path[..middle]), to: name(&path[middle + 1..]) }
        }
        b'A' => Deed::Send { port: u16::try_from(file).expect("a port"), bytes: bytes.to_vec() },
        // A file that was there is opened.
        b'o' => return None,
        other => panic!("{other} is no deed"),
    })
}
