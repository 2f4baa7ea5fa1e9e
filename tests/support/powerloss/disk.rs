//! A disk that loses power: what of a process's deeds is surely there afterwards, and what may be.
//!
//! * Bytes are sure once an `fsync` or `fdatasync` of their file has returned. Without one, each sector of 512 bytes that was written
//!   may be there or not, in any combination, and a file may have grown without what was written into it.
//! * Names are changed in order, as in a file system with a journal: a name is sure once its directory, or its file by `fsync` (not
//!   by `fdatasync`), was synced after it, and so is every change of a name before it. Of the others a beginning is there.
//! * `sync_file_range` is no sync, and closing a file is none.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use super::super::crash::dice::Dice;
use super::trace::Deed;

const SECTOR: usize = 512;

/// How much of what was not synced is there after all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Survives {
    Nothing,
    Everything,
    /// So many sectors of a hundred.
    Percent(u64),
}

/// What counts as a sync of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counts {
    /// `fsync` and `fdatasync`.
    Both,
    /// Only `fsync`: a disk that lies, to see whether a loss is noticed.
    FsyncOnly,
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

#[derive(Default)]
struct Object {
    sure: Vec<u8>,
    unsure: Vec<Change>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Directory,
    File(usize),
}

#[derive(Clone, Debug)]
enum Naming {
    Put(PathBuf, Node),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl Naming {
    fn is_in(&self, directory: &Path) -> bool {
        match self {
            Self::Put(path, _) | Self::Remove(path) => path.parent() == Some(directory),
            Self::Rename(from, to) => from.parent() == Some(directory) || to.parent() == Some(directory),
        }
    }
}

type Names = BTreeMap<PathBuf, Node>;

fn apply(names: &mut Names, naming: &Naming) {
    match naming {
        Naming::Put(path, node) => drop(names.insert(path.clone(), *node)),
        Naming::Remove(path) => drop(names.remove(path)),
        Naming::Rename(from, to) => {
            if let Some(node) = names.remove(from) {
                names.insert(to.clone(), node);
            }
        }
    }
}

/// The disk below one directory.
pub(crate) struct Disk {
    root: PathBuf,
    counts: Counts,
    objects: Vec<Object>,
    by_inode: HashMap<u64, usize>,
    /// As the process sees them.
    names: Names,
    sure: Names,
    unsure: Vec<Naming>,
}

impl Disk {
    pub(crate) fn new(root: &Path, counts: Counts) -> Self {
        Self {
            root: root.to_owned(),
            counts,
            objects: Vec::new(),
            by_inode: HashMap::new(),
            names: Names::new(),
            sure: Names::new(),
            unsure: Vec::new(),
        }
    }

    pub(crate) fn play(&mut self, deed: &Deed) {
        match deed {
            Deed::Create { file, path } => {
                self.objects.push(Object::default());
                let object = self.objects.len() - 1;
                self.by_inode.insert(*file, object);
                self.name(Naming::Put(path.clone(), Node::File(object)));
            }
            Deed::Write { file, offset, bytes } => self.change(*file, Change::Write(*offset, bytes.clone())),
            Deed::Truncate { file, length } => self.change(*file, Change::Truncate(*length)),
            Deed::Sync { file } => {
                let object = self.sync(*file);
                self.sync_names(|names, naming| match naming {
                    Naming::Put(_, node) => *node == Node::File(object),
                    Naming::Rename(_, to) => names.get(to) == Some(&Node::File(object)),
                    Naming::Remove(_) => false,
                });
            }
            Deed::SyncData { file } => match self.counts {
                Counts::Both => drop(self.sync(*file)),
                Counts::FsyncOnly => {}
            },
            Deed::SyncDirectory { path } => self.sync_names(|_, naming| naming.is_in(path)),
            Deed::MakeDirectory { path } => self.name(Naming::Put(path.clone(), Node::Directory)),
            Deed::Rename { from, to } => self.name(Naming::Rename(from.clone(), to.clone())),
            Deed::Remove { path } => self.name(Naming::Remove(path.clone())),
            Deed::Send { .. } => {}
        }
    }

    fn name(&mut self, naming: Naming) {
        apply(&mut self.names, &naming);
        self.unsure.push(naming);
    }

    fn object(&self, file: u64) -> usize {
        *self.by_inode.get(&file).expect("a file is created before it is changed")
    }

    fn change(&mut self, file: u64, change: Change) {
        let object = self.object(file);
        self.objects[object].unsure.push(change);
    }

    fn sync(&mut self, file: u64) -> usize {
        let object = self.object(file);
        let Object { sure, unsure } = &mut self.objects[object];
        for change in unsure.drain(..) {
            put(sure, &change, |_| true);
        }
        object
    }

    /// Makes sure every change of a name up to the last that `meant` says is meant.
    fn sync_names(&mut self, meant: impl Fn(&Names, &Naming) -> bool) {
        let Some(last) = self.unsure.iter().rposition(|naming| meant(&self.names, naming)) else { return };
        for naming in self.unsure.drain(..=last) {
            apply(&mut self.sure, &naming);
        }
    }

    /// Writes what may be found after the power has failed now, below `into` in place of the root.
    pub(crate) fn leave(&self, into: &Path, survives: Survives, dice: &mut Dice) {
        let mut names = self.sure.clone();
        let count = match survives {
            Survives::Nothing => 0,
            Survives::Everything => self.unsure.len(),
            Survives::Percent(_) => usize::try_from(dice.within(0..self.unsure.len() as u64 + 1)).expect("few"),
        };
        self.unsure[..count].iter().for_each(|naming| apply(&mut names, naming));
        for (path, node) in names {
            let path = into.join(path.strip_prefix(&self.root).expect("only what is below the root is traced"));
            let made = match node {
                Node::Directory => fs::create_dir_all(&path),
                Node::File(object) => fs::write(&path, self.objects[object].after(survives, dice)),
            };
            made.expect("there is room for what is left");
        }
    }
}

impl Object {
    fn after(&self, survives: Survives, dice: &mut Dice) -> Vec<u8> {
        let mut bytes = self.sure.clone();
        for change in &self.unsure {
            match survives {
                Survives::Nothing => {}
                Survives::Everything => put(&mut bytes, change, |_| true),
                Survives::Percent(percent) => {
                    // A length is not written sector by sector.
                    if let Change::Truncate(_) = change
                        && dice.within(0..100) >= percent
                    {
                        continue;
                    }
                    if let Change::Write(at, data) = change
                        && dice.once_in(4)
                        && bytes.len() < at + data.len()
                    {
                        bytes.resize(at + data.len(), 0);
                    }
                    put(&mut bytes, change, |_| dice.within(0..100) < percent);
                }
            }
        }
        bytes
    }
}

/// Makes a change, of a write only the sectors that `survives`.
fn put(bytes: &mut Vec<u8>, change: &Change, mut survives: impl FnMut(usize) -> bool) {
    match change {
        Change::Truncate(length) => bytes.resize(*length, 0),
        Change::Write(offset, data) => {
            let mut at = *offset;
            let end = offset + data.len();
            while at < end {
                let next = end.min((at / SECTOR + 1) * SECTOR);
                if survives(at / SECTOR) {
                    if bytes.len() < next {
                        bytes.resize(next, 0);
                    }
                    bytes[at..next].copy_from_slice(&data[at - offset..next - offset]);
                }
                at = next;
            }
        }
    }
}
