//! Pages of transcripts in bundles: put, got and gone through as if each were a value of its own. See [`super::bundle`] for the rule by which
//! a page belongs to one of sled's keys.
//!
//! Pages come in the order of their keys, a conversation's together, each time that the journal is brought to sled. Those that come behind all
//! that sled has of the conversation go into a new bundle; those that are there already are changed in theirs.

use std::ops::Range;
use std::sync::{PoisonError, RwLock};

use super::bundle::{self, Entry, Stored, Suffix};
use super::packed::unpack;
use crate::engine::Order;
use crate::keys;

/// A bundle takes no more pages when these have so many bytes before they are packed.
const FULL: usize = 3 << 10;

/// One that has grown to more than this is parted.
const PARTED: usize = FULL + (1 << 10);

/// Sled's next keys that begin like the conversation's pages.
#[derive(Clone, Default)]
struct Next {
    /// The end of a page's.
    page: Option<Suffix>,
    /// The end of any. Something that is no page may lie between them, and nothing of a bundle behind it.
    any: Option<Vec<u8>>,
}

/// Values from one of sled's keys on, as they will be.
pub(super) struct Open {
    /// What the keys of its conversation's pages share.
    shared: Vec<u8>,
    /// The end of sled's key.
    suffix: Suffix,
    entries: Vec<Entry>,
    /// What comes behind it.
    next: Next,
    is_changed: bool,
}

impl Open {
    /// A page that comes behind all that is there before it, in a key of its own.
    fn new(shared: &[u8], page: Entry, next: Next) -> Self {
        Self { shared: shared.to_vec(), suffix: page.0, entries: vec![page], next, is_changed: true }
    }

    fn owns(&self, shared: &[u8], suffix: &Suffix) -> bool {
        self.shared == shared
            && self.suffix <= *suffix
            && self.next.any.as_ref().is_none_or(|next| suffix.as_slice() < next.as_slice())
    }

    fn key(&self, suffix: &Suffix) -> Vec<u8> {
        [&self.shared[..], suffix].concat()
    }
}

/// Gives a page a value, or removes it, once what is open is written. Puts pages together, and packs one that is alone, only where that is
/// allowed.
pub(super) fn put(
    db: &sled::Db,
    parting: &RwLock<()>,
    open: &mut Option<Open>,
    (key, value, together): (&[u8], Option<&[u8]>, bool),
) -> sled::Result<()> {
    let Some((shared, suffix)) = keys::split_page(key) else {
        return Err(sled::Error::Unsupported("only pages lie in bundles".into()));
    };
    if value.is_some_and(|value| value.len() > usize::from(u16::MAX)) {
        return Err(sled::Error::Unsupported("a page has more than 64 KiB".into()));
    }
    if !open.as_ref().is_some_and(|open| open.owns(shared, &suffix)) {
        write(db, parting, open, together)?;
        *open = find(db, (shared, suffix))?;
    }
    let Some(owner) = open else {
        // Nothing is there to be removed.
        let Some(value) = value else { return Ok(()) };
        let next = following(db, (shared, suffix))?;
        *open = Some(Open::new(shared, (suffix, value.to_vec()), next));
        return Ok(());
    };
    let place = owner.entries.binary_search_by(|(one, _)| one.cmp(&suffix));
    match (place, value) {
        (Ok(place), Some(value)) => owner.entries[place].1 = value.to_vec(),
        (Ok(place), None) => drop(owner.entries.remove(place)),
        (Err(_), None) => return Ok(()),
        (Err(place), Some(value)) => {
            let entry = (suffix, value.to_vec());
            let is_full = !together || room(&owner.entries) + bundle::room(&entry) > FULL;
            // One that has gone leaves its key to none but where there may be bundles.
            let is_left = place > 0 || !together && owner.entries.is_empty();
            if place == owner.entries.len() && is_left && is_full {
                let next = owner.next.clone();
                write(db, parting, open, together)?;
                *open = Some(Open::new(shared, entry, next));
                return Ok(());
            }
            owner.entries.insert(place, entry);
        }
    }
    owner.is_changed = true;
    Ok(())
}

/// Writes what is open.
pub(super) fn write(db: &sled::Db, parting: &RwLock<()>, open: &mut Option<Open>, packs: bool) -> sled::Result<()> {
    let Some(mut open) = open.take().filter(|open| open.is_changed) else { return Ok(()) };
    if open.entries.is_empty() {
        // Between the two, whoever goes through pages could see what was hidden.
        let _alone = parting.write().unwrap_or_else(PoisonError::into_inner);
        unhide(db, (&open.shared, &open.suffix))?;
        return db.remove(open.key(&open.suffix)).map(drop);
    }
    let parts = parts(&mut open);
    // While it is parted, whoever goes through pages backwards could miss some.
    let _alone = (parts.len() > 1).then(|| parting.write().unwrap_or_else(PoisonError::into_inner));
    for (suffix, entries) in parts {
        db.insert(open.key(&suffix), bundle::write(suffix, &entries, packs))?;
    }
    Ok(())
}

/// Takes out of the bundle before this key, which goes, what the key hid of it: where parting was cut off, and what is in the key alone
/// came again, the bundle still has that.
fn unhide(db: &sled::Db, (shared, suffix): (&[u8], &Suffix)) -> sled::Result<()> {
    let before = db.range(shared.to_vec()..[shared, suffix].concat());
    let Some((own, stored)) = last_page(before)? else { return Ok(()) };
    if bundle::last(&stored).is_none_or(|last| last < *suffix) {
        return Ok(());
    }
    let key = [shared, &own].concat();
    let mut entries = Stored::read(&stored).into_entries(own);
    entries.retain(|(one, _)| one < suffix);
    if !entries.is_empty() {
        return db.insert(key, bundle::write(own, &entries, true)).map(drop);
    }
    unhide(db, (shared, &own))?;
    db.remove(key).map(drop)
}

/// What is to be written of it, under keys with these ends, and in this order: a part is there, and hides what the one
/// before it still has, before that one loses it.
fn parts(open: &mut Open) -> Vec<(Suffix, Vec<Entry>)> {
    let mut parts = Vec::new();
    let mut entries = std::mem::take(&mut open.entries);
    if room(&entries) > PARTED {
        while entries.len() > 1 && room(&entries) > FULL {
            let part = entries.split_off(last_part(&entries));
            parts.extend(part.first().map(|(suffix, _)| *suffix).map(|suffix| (suffix, part)));
        }
    }
    parts.push((open.suffix, entries));
    parts
}

fn room(entries: &[Entry]) -> usize {
    entries.iter().map(bundle::room).sum()
}

/// Where the last entries begin that fill a bundle; there is one before them.
fn last_part(entries: &[Entry]) -> usize {
    let mut at = entries.len() - 1;
    while at > 1 && room(&entries[at - 1..]) <= FULL {
        at -= 1;
    }
    at
}

/// What this page belongs to; `None` where it comes behind all that is there before it, or first.
fn find(db: &sled::Db, (shared, suffix): (&[u8], Suffix)) -> sled::Result<Option<Open>> {
    let Some((own, stored)) = owner(db, (shared, suffix))? else { return Ok(None) };
    let next = following(db, (shared, suffix))?;
    let mut entries = Stored::read(&stored).into_entries(own);
    entries.retain(|(one, _)| next.page.is_none_or(|page| *one < page));
    Ok(Some(Open { shared: shared.to_vec(), suffix: own, entries, next, is_changed: false }))
}

/// The greatest of sled's keys that is not greater than this page's, by its end, and what is there; `None` where that ends before the page.
fn owner(db: &sled::Db, (shared, suffix): (&[u8], Suffix)) -> sled::Result<Option<(Suffix, sled::IVec)>> {
    let found = last_page(db.range(shared.to_vec()..=[shared, &suffix].concat()))?;
    Ok(found.filter(|(own, stored)| bundle::last(stored).unwrap_or(*own) >= suffix))
}

/// The last of sled's keys here that is a page's, by its end, and what is there.
fn last_page(pairs: sled::Iter) -> sled::Result<Option<(Suffix, sled::IVec)>> {
    for pair in pairs.rev() {
        let (key, stored) = pair?;
        if let Some((_, own)) = keys::split_page(&key) {
            return Ok(Some((own, stored)));
        }
    }
    Ok(None)
}

/// Sled's keys behind that of a page.
fn following(db: &sled::Db, (shared, suffix): (&[u8], Suffix)) -> sled::Result<Next> {
    let mut next = Next::default();
    let behind = [shared, &suffix, &[0]].concat();
    for key in db.range(behind..=[shared, &[u8::MAX; 10]].concat()).keys() {
        let key = key?;
        next.any.get_or_insert_with(|| key[shared.len()..].to_vec());
        next.page = keys::split_page(&key).map(|(_, own)| own);
        if next.page.is_some() {
            break;
        }
    }
    Ok(next)
}

/// The value of a page.
pub(super) fn get(db: &sled::Db, key: &[u8]) -> sled::Result<Option<Vec<u8>>> {
    let Some((shared, suffix)) = keys::split_page(key) else { return Ok(None) };
    let Some((own, stored)) = owner(db, (shared, suffix))? else { return Ok(None) };
    let mut entries = Stored::read(&stored).into_entries(own);
    let place = entries.binary_search_by(|(one, _)| one.cmp(&suffix));
    Ok(place.ok().map(|place| entries.swap_remove(place).1))
}

/// A key and its value.
type Pair = (Vec<u8>, Vec<u8>);

/// Goes through a range that has pages in it, and may have other things.
pub(super) struct Scan<'a> {
    db: &'a sled::Db,
    pairs: sled::Iter,
    order: Order,
    range: &'a Range<Vec<u8>>,
    /// What sled has next, in ascending order.
    held: Option<(sled::IVec, sled::IVec)>,
    /// Sled's key before, in descending order.
    before: Option<sled::IVec>,
    /// What is to be shown next, the first of it last.
    found: Vec<Pair>,
}

impl<'a> Scan<'a> {
    pub(super) fn new(db: &'a sled::Db, range: &'a Range<Vec<u8>>, order: Order) -> sled::Result<Self> {
        let from = first_of(db, &range.start)?.unwrap_or_else(|| range.start.clone());
        let pairs = db.range(from..range.end.clone());
        let mut scan = Self { db, pairs, order, range, held: None, before: None, found: Vec::new() };
        if order == Order::Ascending {
            scan.held = scan.pairs.next().transpose()?;
        }
        Ok(scan)
    }

    pub(super) fn next(&mut self) -> sled::Result<Option<Pair>> {
        loop {
            if let Some(pair) = self.found.pop() {
                return Ok(Some(pair));
            }
            let (key, stored) = match self.order {
                Order::Ascending => {
                    let Some(pair) = self.held.take() else { return Ok(None) };
                    self.held = self.pairs.next().transpose()?;
                    pair
                }
                Order::Descending => {
                    let Some(pair) = self.pairs.next_back().transpose()? else { return Ok(None) };
                    pair
                }
            };
            self.show(&key, &stored)?;
            if self.order == Order::Descending {
                self.before = Some(key);
            } else {
                self.found.reverse();
            }
        }
    }

    /// Finds what is in the range of one of sled's values, in ascending order.
    fn show(&mut self, key: &sled::IVec, stored: &[u8]) -> sled::Result<()> {
        let bundle = keys::split_page(key).filter(|_| bundle::last(stored).is_some());
        let Some((shared, own)) = bundle else {
            if self.range.contains(&key.to_vec()) {
                let value = unpack(stored).unwrap_or_else(|| stored.to_vec());
                self.found.push((key.to_vec(), value));
            }
            return Ok(());
        };
        let neighbour = match self.order {
            Order::Ascending => self.held.as_ref().map(|(key, _)| key),
            Order::Descending => self.before.as_ref(),
        };
        let upper = match neighbour {
            Some(next) if next.starts_with(shared) => match keys::split_page(next) {
                Some((_, upper)) => Some(upper),
                // Something between pages that is none.
                None => following(self.db, (shared, own))?.page,
            },
            Some(_) | None => None,
        };
        for (suffix, value) in Stored::read(stored).into_entries(own) {
            let key = [shared, &suffix].concat();
            if upper.is_none_or(|upper| suffix < upper) && self.range.contains(&key) {
                self.found.push((key, value));
            }
        }
        Ok(())
    }
}

/// Sled's key before `start` under which values from `start` on lie.
fn first_of(db: &sled::Db, start: &[u8]) -> sled::Result<Option<Vec<u8>>> {
    let Some(shared) = keys::shared_by_pages(start) else { return Ok(None) };
    let before = last_page(db.range(shared.to_vec()..start.to_vec()))?;
    let reaches = |stored: &[u8]| bundle::last(stored).is_some_and(|last| [shared, &last].concat().as_slice() >= start);
    Ok(before.filter(|(_, stored)| reaches(stored)).map(|(own, _)| [shared, &own].concat()))
}

#[cfg(test)]
mod tests;
