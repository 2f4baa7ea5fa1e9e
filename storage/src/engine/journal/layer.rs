//! One layer of changes over the map, by their keys. Each is found at once; the order of the keys is made where somebody asks for it and
//! no further. A turn changes a dozen keys, and whoever looks at keys in their order looks at few: of one conversation, or of one table.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::{Bound, Range};
use std::sync::{Arc, Mutex, PoisonError};

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

    /// All its keys in ascending order.
    pub(super) fn keys(&self) -> Vec<Key> {
        self.tables.values().flat_map(Table::keys).collect()
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

    fn keys(&self) -> Vec<Key> {
        let index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let mut keys: Vec<Key> = index.sorted.iter().chain(&index.fresh).map(Arc::clone).collect();
        drop(index);
        keys.sort_unstable();
        keys
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
        assert_eq!((names(&layer.keys()), layer.len()), (vec!["", "a", "b0", "b1", "b2", "b3", "c"], 7));
        assert_eq!((layer.get(b"b3"), layer.get(b"b4")), (Some(&None), None));
    }
}
