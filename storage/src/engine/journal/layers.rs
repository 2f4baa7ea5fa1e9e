//! What is in the journal and not surely in the map: two layers over it, the younger one above.
//!
//! While a scan runs no layer may leave, or what it has not yet passed could be in neither at the moment when it looks.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use super::layer::{Key, Layer, Value};
use crate::engine::{Batch, Order, Visit};

/// How many changes a scan takes from the layers at once.
const PAGE: usize = 128;

/// See the module.
#[derive(Default)]
pub(super) struct Layers {
    both: RwLock<Both>,
    scans: RwLock<()>,
}

#[derive(Default)]
struct Both {
    young: Layer,
    /// On its way to the map.
    old: Option<Arc<Layer>>,
}

impl Layers {
    fn read(&self) -> RwLockReadGuard<'_, Both> {
        self.both.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps both layers here as long as it lives.
    pub(super) fn hold(&self) -> RwLockReadGuard<'_, ()> {
        self.scans.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key's value, or that it has none; `None` where only the map can tell.
    pub(super) fn get(&self, key: &[u8]) -> Option<Value> {
        let both = self.read();
        both.young.get(key).or_else(|| both.old.as_ref()?.get(key)).cloned()
    }

    /// Begins with an old layer.
    pub(super) fn begin(&self, old: Layer) {
        self.both.write().unwrap_or_else(PoisonError::into_inner).old = Some(Arc::new(old));
    }

    pub(super) fn add(&self, batch: Batch) {
        self.both.write().unwrap_or_else(PoisonError::into_inner).young.add(batch);
    }

    /// The young layer becomes the old one. There must be no old one.
    pub(super) fn age(&self) {
        let mut both = self.both.write().unwrap_or_else(PoisonError::into_inner);
        debug_assert!(both.old.is_none(), "the old layer has not left yet");
        both.old = Some(Arc::new(std::mem::take(&mut both.young)));
    }

    pub(super) fn old(&self) -> Option<Arc<Layer>> {
        self.read().old.clone()
    }

    /// The map has what the old layer has.
    pub(super) fn retire(&self) {
        let no_scan = self.scans.write().unwrap_or_else(PoisonError::into_inner);
        let old = self.both.write().unwrap_or_else(PoisonError::into_inner).old.take();
        drop(no_scan);
        drop(old);
    }
}

/// The changes of both layers in a range, in order, for a scan that goes through the map at the same time.
pub(super) struct Recent<'a> {
    layers: &'a Layers,
    /// What is still to be taken.
    range: Range<Vec<u8>>,
    order: Order,
    page: VecDeque<(Key, Value)>,
}

impl<'a> Recent<'a> {
    pub(super) fn new(layers: &'a Layers, range: Range<Vec<u8>>, order: Order) -> Self {
        Self { layers, range, order, page: VecDeque::new() }
    }

    /// Visits what comes before a pair of the map, then the pair itself, or what has taken its place.
    pub(super) fn up_to(&mut self, key: &[u8], value: &[u8], visit: &mut Visit<'_>) -> ControlFlow<()> {
        let order = self.order;
        while let Some((next, _)) = self.peek() {
            match compare(order, next, key) {
                Ordering::Less => self.pop(visit)?,
                Ordering::Equal => return self.pop(visit),
                Ordering::Greater => break,
            }
        }
        visit(key, value)
    }

    /// Visits what comes behind everything in the map.
    pub(super) fn rest(&mut self, visit: &mut Visit<'_>) {
        while self.peek().is_some() {
            if self.pop(visit).is_break() {
                return;
            }
        }
    }

    fn peek(&mut self) -> Option<&(Key, Value)> {
        if self.page.is_empty() && !self.range.is_empty() {
            self.turn();
        }
        self.page.front()
    }

    fn pop(&mut self, visit: &mut Visit<'_>) -> ControlFlow<()> {
        match self.page.pop_front() {
            Some((key, Some(value))) => visit(&key, &value),
            Some((_, None)) | None => ControlFlow::Continue(()),
        }
    }

    /// Takes the next page.
    fn turn(&mut self) {
        let both = self.layers.read();
        let first = |layer: &Layer| layer.first(&self.range, self.order, PAGE);
        let (young, old) = (first(&both.young), both.old.as_deref().map(first).unwrap_or_default());
        for key in merge(self.order, &young, &old) {
            let value = both.young.get(key).or_else(|| both.old.as_deref()?.get(key));
            self.page.extend(value.map(|value| (Arc::clone(key), value.clone())));
        }
        match (self.page.back(), self.order) {
            (Some((last, _)), Order::Ascending) if self.page.len() == PAGE => {
                self.range.start = last.to_vec();
                self.range.start.push(0);
            }
            (Some((last, _)), Order::Descending) if self.page.len() == PAGE => self.range.end = last.to_vec(),
            // All of it was taken.
            (Some(_) | None, _) => self.range.end.clone_from(&self.range.start),
        }
    }
}

fn compare(order: Order, one: &[u8], other: &[u8]) -> Ordering {
    match order {
        Order::Ascending => one.cmp(other),
        Order::Descending => other.cmp(one),
    }
}

/// A page of the keys of two layers, each key once.
fn merge<'k>(order: Order, mut young: &'k [Key], mut old: &'k [Key]) -> Vec<&'k Key> {
    let mut merged = Vec::new();
    while merged.len() < PAGE {
        let first = match (young.first(), old.first()) {
            (Some(one), Some(other)) => compare(order, one, other),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => break,
        };
        if first.is_le() {
            merged.extend(young.split_off_first());
        }
        if first.is_ge() {
            let passed = old.split_off_first();
            merged.extend(passed.filter(|_| first.is_gt()));
        }
    }
    merged
}
