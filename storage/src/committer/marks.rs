//! Which ids were accepted, and what is remembered of each.

mod index;
mod pages;

use raconteur_conversation::address::Address;
use raconteur_conversation::time::UnixMillis;
use uuid::Uuid;

use self::pages::Pages;
use super::Meta;
use super::pass::Pass;
use crate::StoreError;
use crate::engine::{Batch, Engine};
use crate::fetch::Values;
use crate::keys::{self, Ids};
use crate::marks::{Entry, Mark};

/// The marks of a store, as its format has them.
pub(super) enum Marks {
    Keyed(Keyed),
    Paged(Pages),
}

impl Marks {
    pub(super) fn open<E: Engine>(engine: &E, format: u32, salt: Uuid) -> Result<Self, StoreError> {
        Ok(match Meta::ids(format) {
            Some(ids) => Self::Keyed(Keyed { ids, forgetting: Pass::default() }),
            None => Self::Paged(Pages::open(engine, salt)?),
        })
    }

    /// How this store writes an id, for the two below.
    pub(super) fn name(&self, tenant: &Address, id: &str) -> Vec<u8> {
        match self {
            Self::Keyed(keyed) => keyed.ids.duplicate(tenant, id),
            Self::Paged(_) => Ids::Packed.kept(id),
        }
    }

    /// What is remembered of an id, by its name.
    pub(super) fn find(&self, values: &impl Values, tenant: &Address, name: &[u8]) -> Result<Option<Mark>, StoreError> {
        match self {
            Self::Keyed(_) => Ok(values.value(name)?.as_deref().and_then(Mark::read)),
            Self::Paged(pages) => pages.find(values, tenant.as_str(), name),
        }
    }

    /// Remembers an id with this round, by its name. Marks come in the order of their numbers.
    pub(super) fn remember(&mut self, batch: &mut Batch, (tenant, name): (&Address, Vec<u8>), mark: Mark) {
        match self {
            Self::Keyed(_) => drop(batch.insert(name, Some(mark.write()))),
            Self::Paged(pages) => pages.remember(batch, &Entry { tenant: tenant.as_str(), id: &name, mark }),
        }
    }

    /// Puts into the round's batch what is to be remembered with it and is not there yet.
    pub(super) fn write(&mut self, batch: &mut Batch) {
        if let Self::Paged(pages) = self {
            pages.write(batch);
        }
    }

    /// Forgets what was remembered before `before`, looking at about `limit` marks at most, as part of this round.
    pub(super) fn forget<E: Engine>(
        &mut self,
        engine: &E,
        batch: &mut Batch,
        (before, limit): (UnixMillis, usize),
    ) -> Result<(), StoreError> {
        match self {
            Self::Keyed(keyed) => keyed.forget(engine, batch, (before, limit)),
            Self::Paged(pages) => pages.forget(engine, batch, (before, limit)),
        }
    }
}

/// Marks with a key each, in stores that were begun by versions which knew nothing else.
pub(super) struct Keyed {
    ids: Ids,
    forgetting: Pass,
}

impl Keyed {
    fn forget<E: Engine>(
        &mut self,
        engine: &E,
        batch: &mut Batch,
        (before, limit): (UnixMillis, usize),
    ) -> Result<(), StoreError> {
        self.forgetting.go_on(engine, keys::duplicates(), limit, |key, value| {
            if Mark::read(value).is_none_or(|mark| mark.at < before) {
                batch.insert(key.to_vec(), None);
            }
            1
        })
    }
}
