//! The small sets that routing is made of. Invariants: adding and removing are O(1), iteration is over a slice, and the
//! same operations give the same order.

use std::collections::HashMap;
use std::hash::Hash;

use foldhash::fast::FixedState;

use crate::message::QueueId;

/// A hash map with a fixed seed: the same history gives the same iteration order in every run.
pub(super) type Map<K, V> = HashMap<K, V, FixedState>;

/// Indices into the topology's slabs.
pub(super) type ExchangeIndex = usize;
pub(super) type BindingIndex = usize;

/// Where a binding leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Target {
    Queue(QueueId),
    Exchange(ExchangeIndex),
}

/// A binding as routing sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Edge {
    pub binding: BindingIndex,
    pub target: Target,
}

/// Above this many items a set keeps an index of positions; below, a scan is as fast and costs no memory.
const SCANNED_MAX: usize = 16;

/// A set over a vector. Removing moves the last item into the gap.
#[derive(Debug)]
pub(super) struct VecSet<T> {
    items: Vec<T>,
    positions: Option<Box<Map<T, usize>>>,
}

impl<T> Default for VecSet<T> {
    fn default() -> Self {
        Self { items: Vec::new(), positions: None }
    }
}

impl<T: Copy + Eq + Hash> VecSet<T> {
    /// Adds an item that is not in the set.
    pub fn insert(&mut self, item: T) {
        let position = self.items.len();
        self.items.push(item);
        if let Some(positions) = &mut self.positions {
            positions.insert(item, position);
        } else if position >= SCANNED_MAX {
            let index = self.items.iter().enumerate().map(|(position, item)| (*item, position));
            self.positions = Some(Box::new(index.collect()));
        }
    }

    /// Removes an item if it is there.
    pub fn remove(&mut self, item: T) {
        let position = match &mut self.positions {
            Some(positions) => positions.remove(&item),
            None => self.items.iter().position(|other| *other == item),
        };
        let Some(position) = position else { return };
        self.items.swap_remove(position);
        if let (Some(positions), Some(moved)) = (&mut self.positions, self.items.get(position)) {
            positions.insert(*moved, position);
        }
        if self.items.is_empty() {
            *self = Self::default();
        }
    }

    pub fn as_slice(&self) -> &[T] {
        &self.items
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

/// A set of small indices that is cleared in the time it took to fill.
#[derive(Debug, Default)]
pub(super) struct IndexSet {
    bits: Vec<u64>,
    /// In the order in which they came.
    members: Vec<usize>,
}

impl IndexSet {
    /// Adds an index; false if it was there.
    pub fn insert(&mut self, index: usize) -> bool {
        let (word, bit) = (index / 64, 1_u64 << (index % 64));
        if word >= self.bits.len() {
            self.bits.resize(word + 1, 0);
        }
        let Some(bits) = self.bits.get_mut(word) else { return false };
        if *bits & bit != 0 {
            return false;
        }
        *bits |= bit;
        self.members.push(index);
        true
    }

    /// Its members, in the order in which they came.
    pub fn as_slice(&self) -> &[usize] {
        &self.members
    }

    pub fn clear(&mut self) {
        for index in self.members.drain(..) {
            if let Some(bits) = self.bits.get_mut(index / 64) {
                *bits = 0;
            }
        }
    }
}

/// Collects what routing one message finds.
pub(super) struct Matches<'a> {
    pub queues: &'a mut Vec<QueueId>,
    pub exchanges: &'a mut Vec<ExchangeIndex>,
    /// Whether any binding of the exchange at hand matched.
    pub any: bool,
}

impl Matches<'_> {
    pub fn add_all(&mut self, edges: &VecSet<Edge>) {
        edges.as_slice().iter().for_each(|edge| self.add(edge.target));
    }

    pub fn add(&mut self, target: Target) {
        self.any = true;
        match target {
            Target::Queue(id) => self.queues.push(id),
            Target::Exchange(index) => self.exchanges.push(index),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_survives_removal_in_any_order() {
        for count in [1, SCANNED_MAX, SCANNED_MAX + 1, 200] {
            let mut set = VecSet::default();
            (0..count).for_each(|item| set.insert(item));
            for removed in (0..count).step_by(2) {
                set.remove(removed);
                set.remove(removed);
            }
            let mut left = set.as_slice().to_vec();
            left.sort_unstable();
            assert_eq!(left, (1..count).step_by(2).collect::<Vec<_>>());
            (1..count).step_by(2).for_each(|item| set.remove(item));
            assert!(set.is_empty());
        }
    }

    #[test]
    fn an_index_is_added_once_until_the_set_is_cleared() {
        let mut set = IndexSet::default();
        assert!(set.insert(3) && set.insert(64) && set.insert(1000));
        assert!(!set.insert(64));
        assert_eq!(set.as_slice(), [3, 64, 1000]);
        set.clear();
        assert!(set.insert(64) && set.insert(3));
    }
}
