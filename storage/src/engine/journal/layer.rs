//! One layer of changes over the map, by their keys. Each is found at once; the order of the keys is made where somebody asks for it and
//! no further. A turn changes a dozen keys, and whoever looks at keys in their order looks at few: of one conversation, or of one table.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, Range};
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::HashMap;

use crate::engine::Order;

/// A key, shared by what finds its change and what keeps its place.
pub(super) type Key = Arc<[u8]>;

/// What became of a key: its new value, or `None` where it was removed.
pub(super) type Value = Option<Vec<u8>>;

/// See the module.
#[derive(Default)]
pub(super) struct Layer {
    /// By the first bytes of the keys, so that who asks for the order of one table makes that of no other.
    tables: BTreeMap<Option<u8>, Table>,
}

#[derive(Default)]
struct Table {
    changes: HashMap<Key, Value>,
    index: Mutex<Index>,
}

#[derive(Default)]
struct Index {
    sorted: BTreeSet<Key>,
    /// Those that are not among the sorted ones yet.
    fresh: Vec<Key>,
}

impl Layer {
    pub(super) fn get(&self, key: &[u8]) -> Option<&Value> {
        self.tables.get(&key.first().copied())?.changes.get(key)
    }

    pub(super) fn add(&mut self, changes: impl IntoIterator<Item = (Vec<u8>, Value)>) {
        for (key, value) in changes {
            self.tables.entry(key.first().copied()).or_default().add(key, value);
        }
    }

    /// How many keys it changes.
    pub(super) fn len(&self) -> usize {
        self.tables.values().map(|table| table.changes.len()).sum()
    }

    /// All its changes in ascending order of their keys.
    pub(super) fn sorted(&self) -> impl Iterator<Item = (&Key, &Value)> {
        self.tables.values().flat_map(Table::sorted)
    }

    /// The first `count` keys of a range in that order, or all that there are.
    pub(super) fn first(&self, range: &Range<Vec<u8>>, order: Order, count: usize) -> Vec<Key> {
        let mut found = Vec::new();
        let tables = self.tables.range(range.start.first().copied()..=range.end.first().copied());
        let mut take = |table: &Table| table.first(range, order, count, &mut found);
        match order {
            Order::Ascending => tables.for_each(|(_, table)| take(table)),
            Order::Descending => tables.rev().for_each(|(_, table)| take(table)),
        }
        found
    }
}

impl Table {
    fn add(&mut self, key: Vec<u8>, value: Value) {
        if let Some(earlier) = self.changes.get_mut(key.as_slice()) {
            *earlier = value;
            return;
        }
        let key = Key::from(key);
        self.index.get_mut().unwrap_or_else(PoisonError::into_inner).fresh.push(Arc::clone(&key));
        self.changes.insert(key, value);
    }

    fn sorted(&self) -> impl Iterator<Item = (&Key, &Value)> {
        let mut keys = self.changes.keys();
        let first = keys.next().map(Arc::clone).unwrap_or_default();
        let common = keys.fold(first.len(), |length, key| common(&first[..length], key));
        // Most keys differ within the eight bytes behind what all begin with: those are compared where they are, the others where they lie.
        let mut sorted: Vec<_> = self.changes.iter().map(|(key, value)| (number(&key[common..]), key, value)).collect();
        sorted.sort_unstable_by(|(one, left, _), (other, right, _)| one.cmp(other).then_with(|| left.cmp(right)));
        sorted.into_iter().map(|(_, key, value)| (key, value))
    }

    /// Fills `found` up to `count`.
    fn first(&self, range: &Range<Vec<u8>>, order: Order, count: usize, found: &mut Vec<Key>) {
        let missing = count.saturating_sub(found.len());
        if missing == 0 {
            return;
        }
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = std::mem::take(&mut index.fresh);
        index.sorted.extend(fresh);
        let bounds = (Bound::Included(range.start.as_slice()), Bound::Excluded(range.end.as_slice()));
        let keys = index.sorted.range::<[u8], _>(bounds).map(Arc::clone);
        match order {
            Order::Ascending => found.extend(keys.take(missing)),
            Order::Descending => found.extend(keys.rev().take(missing)),
        }
    }
}

/// How many bytes both begin with.
fn common(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

/// The first eight bytes, so that of two numbers which differ the greater one is that of what comes later in order.
fn number(bytes: &[u8]) -> u64 {
    let mut first = [0; 8];
    let length = bytes.len().min(8);
    first[..length].copy_from_slice(&bytes[..length]);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(layer: &Layer, keys: &[Key]) -> Vec<(String, Value)> {
        let text = |key: &Key| String::from_utf8(key.to_vec()).unwrap();
        keys.iter().map(|key| (text(key), layer.get(key).unwrap().clone())).collect()
    }

    fn names(keys: &[Key]) -> Vec<&str> {
        keys.iter().map(|key| std::str::from_utf8(key).unwrap()).collect()
    }

    fn sorted(layer: &Layer) -> Vec<&str> {
        layer.sorted().map(|(key, _)| std::str::from_utf8(key).unwrap()).collect()
    }

    #[test]
    fn the_whole_order_is_that_of_the_bytes_whatever_keys_begin_with() {
        let mut keys =
            ["a", "a\0", "a\0\0", "common prefix", "common prefix 123456789", "common prefix 12345678", "common"];
        let mut layer = Layer::default();
        layer.add(keys.map(|key| (key.into(), None)));
        layer.add((0..300).map(|n| (format!("t{:03}", n * 7 % 300).into(), None)));
        keys.sort_unstable();
        let found = sorted(&layer);
        assert_eq!(found[..keys.len()], keys);
        assert!(found.is_sorted() && found.len() == keys.len() + 300);
    }

    #[test]
    fn keys_have_their_order_whenever_they_came() {
        let mut layer = Layer::default();
        let change = |key: &str, value: Option<&str>| (key.into(), value.map(Into::into));
        layer.add([change("b2", Some("one")), change("a", None), change("b1", Some("two"))]);
        assert_eq!(names(&layer.first(&(b"a".to_vec()..b"z".to_vec()), Order::Ascending, 2)), ["a", "b1"]);
        layer.add([change("b0", Some("three")), change("c", None), change("b2", None), change("", None)]);
        let everything = Vec::new()..vec![0xff];
        assert_eq!(names(&layer.first(&everything, Order::Ascending, 9)), ["", "a", "b0", "b1", "b2", "c"]);
        assert_eq!(names(&layer.first(&everything, Order::Descending, 3)), ["c", "b2", "b1"]);
        let some = layer.first(&(b"b1".to_vec()..b"c".to_vec()), Order::Descending, 9);
        assert_eq!(pairs(&layer, &some), [("b2".into(), None), ("b1".into(), Some(b"two".to_vec()))]);
        layer.add([change("b3", None)]);
        assert_eq!(sorted(&layer), ["", "a", "b0", "b1", "b2", "b3", "c"]);
        assert_eq!(layer.len(), 7);
        assert_eq!((layer.get(b"b3"), layer.get(b"b4")), (Some(&None), None));
    }
}
