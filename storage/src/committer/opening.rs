//! What the writer reads before its first request: whether the store is of a kind it knows, its counters and claims, and what is
//! unread. Marks it as in use, durably, before anything else is written.

use std::ops::ControlFlow;
use std::sync::Arc;

use raconteur_conversation::address::SHARDS;
use raconteur_conversation::words::Sequence;
use uuid::Uuid;

use super::Writer;
use super::erasing::Erasing;
use super::inboxes::{Inboxes, Unread};
use super::marks::Marks;
use super::recent::Recent;
use super::tide::Tide;
use super::writer::Fence;
use crate::engine::{Batch, Engine, Order};
use crate::figures::Figures;
use crate::keys::{self, Ids};
use crate::record::{WorkHead, WorkKind};
use crate::{Opening, Options, StoreError};

/// The newest version of the key table and of what meta holds: longer values may be packed, and marks lie in pages.
pub(crate) const FORMAT: u32 = 4;

/// The version of a store with plain ids, once something was erased. Before that, also versions that know no erasure may use it.
pub(super) const FORMAT_OF_ERASURE: u32 = 2;

/// The version of a store that packs ids in the keys of its marks.
const FORMAT_OF_PACKED_IDS: u32 = 3;

/// What a store says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    /// The version that it needs.
    pub(crate) format: u32,
    /// It was closed by whoever used it last.
    pub(crate) clean: bool,
    pub(crate) salt: Uuid,
    /// Sequences below this are spent or reserved; `None`: none was ever drawn.
    pub(crate) sequence: Option<u64>,
}

impl Meta {
    /// How the store writes the ids of duplicate marks that have a key each; `None` where they lie in pages. A store keeps to what it was
    /// begun with.
    pub(crate) fn ids(format: u32) -> Option<Ids> {
        match format {
            ..=FORMAT_OF_ERASURE => Some(Ids::Plain),
            FORMAT_OF_PACKED_IDS => Some(Ids::Packed),
            _ => None,
        }
    }

    /// Reads it; `None` where nothing was ever begun.
    ///
    /// # Errors
    /// [`StoreError::Newer`], [`StoreError::Incomplete`], [`StoreError::Corrupt`], or what the engine reports.
    pub(crate) fn read<E: Engine>(engine: &E) -> Result<Option<Self>, StoreError> {
        if engine.get(keys::META_IMPORTING)?.is_some() {
            return Err(StoreError::Incomplete { path: engine.describe() });
        }
        let Some(format) = engine.get(keys::META_FORMAT)? else {
            return if is_empty(engine)? { Ok(None) } else { Err(corrupt(engine, "it has records but no format")) };
        };
        let found = format.as_slice().try_into().map(u32::from_be_bytes);
        let found = found.map_err(|_| corrupt(engine, "its format is unreadable"))?;
        if found > FORMAT {
            return Err(StoreError::Newer { found, supported: FORMAT });
        }
        let salt = engine.get(keys::META_SALT)?.and_then(|bytes| Uuid::from_slice(&bytes).ok());
        let salt = salt.ok_or_else(|| corrupt(engine, "its salt is missing"))?;
        let clean = engine.get(keys::META_CLEAN)?.as_deref() == Some(&[1]);
        let sequence = match engine.get(keys::META_SEQUENCE)? {
            None => None,
            Some(bytes) => {
                let counter = bytes.try_into().map(u64::from_be_bytes).ok().filter(|counter| *counter < SEQUENCE_MAX);
                Some(counter.ok_or_else(|| corrupt(engine, "its sequence counter is unreadable"))?)
            }
        };
        Ok(Some(Self { format: found, clean, salt, sequence }))
    }

    /// What is written so that it is read again.
    pub(crate) fn write(&self) -> Batch {
        let sequence = self.sequence.map(|counter| (keys::META_SEQUENCE, counter.to_be_bytes().to_vec()));
        let values = [
            (keys::META_FORMAT, self.format.to_be_bytes().to_vec()),
            (keys::META_CLEAN, vec![u8::from(self.clean)]),
            (keys::META_SALT, self.salt.as_bytes().to_vec()),
        ];
        values.into_iter().chain(sequence).map(|(key, value)| (key.to_vec(), Some(value))).collect()
    }
}

/// No counter that was counted up to is as high.
pub(crate) const SEQUENCE_MAX: u64 = u64::MAX / 2;

fn is_empty<E: Engine>(engine: &E) -> Result<bool, StoreError> {
    let mut empty = true;
    engine.scan(&keys::everything(), Order::Ascending, &mut |_, _| {
        empty = false;
        ControlFlow::Break(())
    })?;
    Ok(empty)
}

impl<E: Engine> Writer<E> {
    /// Opens the store that lies in `engine`, or begins one in an empty engine.
    ///
    /// # Errors
    /// [`StoreError::Newer`], [`StoreError::Corrupt`], or what the engine reports.
    pub(crate) fn open(engine: Arc<E>, options: Options, tide: Tide) -> Result<(Self, Opening), StoreError> {
        let (opening, format) = match Meta::read(&*engine)? {
            Some(meta) => (go_on(&*engine, meta)?, meta.format),
            None => (begin(&*engine, &options)?, FORMAT),
        };
        engine.note_format(format);
        let figures = Arc::<Figures>::default();
        engine.report_to(&figures);
        engine.free_bytes().into_iter().for_each(|free| figures.free_bytes.set(free));
        let writer = Self {
            figures,
            fences: fences(&*engine)?,
            inboxes: inboxes(&*engine)?,
            erasing: Erasing::open(&*engine, opening.salt)?,
            marks: Marks::open(&*engine, format, opening.salt)?,
            format,
            engine,
            tide,
            options,
            batch: Batch::new(),
            bytes: 0,
            next: opening.first_sequence,
            reserved: opening.first_sequence,
            short: None,
            heard: Batch::new(),
            recent: Recent::default(),
        };
        writer.figures.unread.set(writer.inboxes.total() as u64);
        Ok((writer, opening))
    }
}

fn begin<E: Engine>(engine: &E, options: &Options) -> Result<Opening, StoreError> {
    let salt = options.salt.unwrap_or_else(Uuid::new_v4);
    engine.apply(Meta { format: FORMAT, clean: false, salt, sequence: None }.write())?;
    engine.sync()?;
    Ok(Opening { unclean: false, first_sequence: Sequence(Sequence::STRIDE), salt })
}

fn go_on<E: Engine>(engine: &E, meta: Meta) -> Result<Opening, StoreError> {
    let first_sequence = match meta.sequence {
        None => Sequence(Sequence::STRIDE),
        Some(counter) => Sequence(counter.next_multiple_of(Sequence::STRIDE)),
    };
    engine.apply(Batch::from([(keys::META_CLEAN.to_vec(), Some(vec![0]))]))?;
    engine.sync()?;
    Ok(Opening { unclean: !meta.clean, first_sequence, salt: meta.salt })
}

fn corrupt<E: Engine>(engine: &E, reason: &str) -> StoreError {
    StoreError::Corrupt { path: engine.describe(), reason: reason.into() }
}

fn fences<E: Engine>(engine: &E) -> Result<Vec<Fence>, StoreError> {
    let mut fences = vec![Fence::default(); usize::from(SHARDS)];
    let mut readable = true;
    engine.scan(&keys::shards(), Order::Ascending, &mut |key, value| {
        let fence = keys::read_shard(key).and_then(|shard| fences.get_mut(usize::from(shard.0)));
        match (fence, value.try_into().map(u64::from_be_bytes)) {
            (Some(fence), Ok(epoch)) => fence.epoch = epoch,
            (None, _) | (_, Err(_)) => readable = false,
        }
        ControlFlow::Continue(())
    })?;
    if readable { Ok(fences) } else { Err(corrupt(engine, "a claim is unreadable")) }
}

fn inboxes<E: Engine>(engine: &E) -> Result<Inboxes, StoreError> {
    let mut inboxes = Inboxes::default();
    engine.scan(&keys::works(), Order::Ascending, &mut |key, value| {
        // What cannot be read here is set aside when its conversation is loaded.
        if let Some((place, sequence, 0)) = keys::read_work(key)
            && let Ok(WorkHead { kind: WorkKind::Unread { .. }, seed, chunks }) = WorkHead::read(value)
        {
            inboxes.add(place, Unread { sequence, seed, chunks });
        }
        ControlFlow::Continue(())
    })?;
    Ok(inboxes)
}
