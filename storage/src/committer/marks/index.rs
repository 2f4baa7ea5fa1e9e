//! Which pages may have the mark of an id, in memory: some twenty bytes for each. It may name a page too many, once in thousands
//! of times, and never one too few.

use std::hash::BuildHasher;

use foldhash::quality::FixedState;
use hashbrown::HashTable;
use raconteur_conversation::words::Sequence;
use uuid::Uuid;

/// It is in so many parts: when one of them grows, the writer stands still for a moment, and not for all of them.
const PARTS: usize = 256;

/// A part that holds less than a quarter of what it has room for gives some back, if it has room for more than this.
const ROOM_MIN: usize = 64;

/// A part of an id's hash, and the number of the page in two halves: so it takes twelve bytes and not sixteen.
type Slot = [u32; 3];

/// What is to be taken in at once, of each part.
pub(super) struct Found(Vec<Vec<Slot>>);

impl Default for Found {
    fn default() -> Self {
        Self(vec![Vec::new(); PARTS])
    }
}

/// See the module.
pub(super) struct Index {
    state: FixedState,
    parts: Vec<HashTable<Slot>>,
}

impl Index {
    /// The hashes follow from the store's own random value, so that nobody can choose ids that have the same.
    pub(super) fn new(salt: Uuid) -> Self {
        let (one, other) = salt.as_u64_pair();
        Self { state: FixedState::with_seed(one ^ other), parts: (0..PARTS).map(|_| HashTable::new()).collect() }
    }

    /// The pages that may have the mark of this id.
    pub(super) fn pages(&self, tenant: &str, id: &[u8]) -> impl Iterator<Item = Sequence> {
        let (part, hash) = self.place(tenant, id);
        let candidates = self.parts[part].iter_hash(spread(hash));
        candidates
            .filter(move |slot| slot[0] == hash)
            .map(|slot| Sequence(u64::from(slot[1]) << 32 | u64::from(slot[2])))
    }

    /// Takes in all that is there at the start. In one go, part by part: so each table is made for what it is to hold, and in reach of
    /// the processor while it is filled.
    pub(super) fn fill(&mut self, found: Found) {
        for (part, slots) in self.parts.iter_mut().zip(found.0) {
            let mut table = HashTable::with_capacity(slots.len());
            for slot in slots {
                table.insert_unique(spread(slot[0]), slot, |slot| spread(slot[0]));
            }
            *part = table;
        }
    }

    /// Adds to what is found at the start.
    pub(super) fn find(&self, found: &mut Found, (tenant, id): (&str, &[u8]), page: Sequence) {
        let (part, hash) = self.place(tenant, id);
        found.0[part].push(slot(hash, page));
    }

    pub(super) fn add(&mut self, tenant: &str, id: &[u8], page: Sequence) {
        let (part, hash) = self.place(tenant, id);
        self.parts[part].insert_unique(spread(hash), slot(hash, page), |slot| spread(slot[0]));
    }

    pub(super) fn remove(&mut self, tenant: &str, id: &[u8], page: Sequence) {
        let (part, hash) = self.place(tenant, id);
        let part = &mut self.parts[part];
        if let Ok(found) = part.find_entry(spread(hash), |found| *found == slot(hash, page)) {
            found.remove();
        }
        if part.capacity() > ROOM_MIN && part.len() < part.capacity() / 4 {
            part.shrink_to(2 * part.len(), |slot| spread(slot[0]));
        }
    }

    /// How many marks there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(HashTable::len).sum()
    }

    fn place(&self, tenant: &str, id: &[u8]) -> (usize, u32) {
        let hash = self.state.hash_one((tenant, id));
        (hash as usize % PARTS, (hash >> 32) as u32)
    }
}

fn slot(hash: u32, Sequence(page): Sequence) -> Slot {
    [hash, (page >> 32) as u32, page as u32]
}

/// What a table takes for the hash of a slot: it looks at the highest bits and at the lowest.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(index: &Index, id: &str) -> Vec<u64> {
        let mut pages: Vec<u64> = index.pages("12345", id.as_bytes()).map(|page| page.0).collect();
        pages.sort_unstable();
        pages
    }

    #[test]
    fn an_id_is_found_in_all_its_pages_until_it_is_removed_from_each() {
        let mut index = Index::new(Uuid::from_u128(7));
        for page in [8, 16, u64::MAX] {
            index.add("12345", b"SM1", Sequence(page));
        }
        index.add("+15550100", b"SM1", Sequence(24));
        assert_eq!((pages(&index, "SM1"), pages(&index, "SM2"), index.len()), (vec![8, 16, u64::MAX], vec![], 4));
        index.remove("12345", b"SM1", Sequence(16));
        index.remove("12345", b"SM1", Sequence(17));
        index.remove("12345", b"SM2", Sequence(8));
        assert_eq!((pages(&index, "SM1"), index.len()), (vec![8, u64::MAX], 3));
    }

    #[test]
    fn many_ids_are_found_and_what_they_took_is_given_back() {
        let room = |index: &Index| index.parts.iter().map(HashTable::capacity).sum::<usize>();
        let ids: Vec<String> = (0..100_000).map(|number| format!("SM{number:032x}")).collect();
        let mut index = Index::new(Uuid::from_u128(7));
        let mut found = Found::default();
        for (page, id) in (0..).zip(&ids[..90_000]) {
            index.find(&mut found, ("12345", id.as_bytes()), Sequence(page));
        }
        index.fill(found);
        for (page, id) in (0..).zip(&ids).skip(90_000) {
            index.add("12345", id.as_bytes(), Sequence(page));
        }
        let full = room(&index);
        let too_many: usize = (0..)
            .zip(&ids)
            .map(|(page, id)| {
                let found = pages(&index, id);
                assert!(found.contains(&page), "{id}");
                found.len() - 1
            })
            .sum();
        assert!(too_many < 100, "{too_many}");
        for (page, id) in (0..).zip(&ids).skip(1_000) {
            index.remove("12345", id.as_bytes(), Sequence(page));
        }
        assert_eq!(index.len(), 1_000);
        assert!(room(&index) < full / 4, "{} of {full}", room(&index));
        assert!((0..).zip(&ids[..1_000]).all(|(page, id)| pages(&index, id).contains(&page)));
    }
}
