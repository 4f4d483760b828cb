//! What the committer knows of the stored messages: per queue its chunks, and of each which positions still live.
//!
//! Invariants: `chunks` of one queue do not overlap. `nested` holds the chunks that lie within the span of one of
//! those (a held join came late); they have consecutive positions, so nothing ever lies within them. A position
//! lives in at most one chunk, and a chunk without live positions is on the way out.

use crate::message::runs::Runs;
use crate::message::{Position, QueueId};
use foldhash::HashMap;
use std::collections::{BTreeMap, BTreeSet};

/// A chunk in the store.
#[derive(Debug)]
pub(super) struct Chunk {
    /// The positions still there.
    pub(super) live: Runs,
    /// Whether the store has a record of what is left of it.
    pub(super) has_state: bool,
    /// Bytes of its value.
    pub(super) bytes: usize,
    /// The shared messages that it refers to, once per entry.
    pub(super) bodies: Vec<u64>,
}

/// What has to be written about a chunk.
#[derive(Debug)]
pub(super) enum Change {
    /// It is gone.
    Gone(Chunk),
    /// This is left of it.
    Left(Vec<u8>),
}

/// One queue.
#[derive(Debug, Default)]
pub(super) struct QueueIndex {
    chunks: BTreeMap<Position, Chunk>,
    nested: BTreeMap<Position, Chunk>,
    /// The highest position ever stored.
    highest: Position,
    delivered: Position,
    delivered_written: Option<Position>,
    touched: Vec<Position>,
    /// Messages that have a note.
    notes: BTreeSet<Position>,
    /// The names of the queue's own records.
    records: BTreeSet<Vec<u8>>,
}

impl QueueIndex {
    /// The shared messages that its chunks refer to, once per entry.
    #[cfg(feature = "cluster")]
    pub(super) fn body_numbers(&self) -> impl Iterator<Item = u64> {
        self.chunks.values().chain(self.nested.values()).flat_map(|chunk| chunk.bodies.iter().copied())
    }

    /// The queue has this record from now on, or no more.
    pub(super) fn record(&mut self, name: Vec<u8>, is_there: bool) {
        if is_there {
            self.records.insert(name);
        } else {
            self.records.remove(&name);
        }
    }

    /// The names of all its records.
    pub(super) fn take_records(&mut self) -> BTreeSet<Vec<u8>> {
        std::mem::take(&mut self.records)
    }

    /// A message has a note from now on.
    pub(super) fn note(&mut self, position: Position) {
        self.notes.insert(position);
    }

    /// A message is gone; says whether it had a note.
    pub(super) fn forget_note(&mut self, position: Position) -> bool {
        !self.notes.is_empty() && self.notes.remove(&position)
    }

    /// Forgets the notes of all messages below `before` except those of `keep` (ascending).
    pub(super) fn forget_notes(&mut self, before: Position, keep: &[Position]) -> Vec<Position> {
        let gone = self.notes.range(..before).filter(|position| keep.binary_search(position).is_err());
        let gone: Vec<Position> = gone.copied().collect();
        self.notes.retain(|position| gone.binary_search(position).is_err());
        gone
    }

    /// Whether the store has this message.
    pub(super) fn contains(&self, position: Position) -> bool {
        let in_map = |map: &BTreeMap<Position, Chunk>| {
            map.range(..=position).next_back().is_some_and(|(_, chunk)| chunk.live.contains(position))
        };
        in_map(&self.chunks) || in_map(&self.nested)
    }

    /// Adds a chunk that is in the store, or will be with this commit.
    pub(super) fn insert(&mut self, first: Position, chunk: Chunk) {
        let Some(last) = chunk.live.last() else { return };
        self.highest = self.highest.max(last);
        let inside = self.chunks.range(..first).next_back().and_then(|(_, other)| other.live.last());
        let map = if inside.is_some_and(|end| end > first) { &mut self.nested } else { &mut self.chunks };
        map.insert(first, chunk);
    }

    /// The chunks that may have any of these positions.
    pub(super) fn chunks_with(&self, positions: &Runs) -> Vec<Position> {
        let Some((first, last)) = positions.first().zip(positions.last()) else { return Vec::new() };
        let mut found = Vec::new();
        for map in [&self.chunks, &self.nested] {
            let before = map.range(..first).next_back();
            let before = before.filter(|(_, chunk)| chunk.live.last().is_some_and(|end| end >= first));
            let within = map.range(first..=last);
            found.extend(before.into_iter().chain(within).map(|(first, _)| *first));
        }
        found
    }

    /// Bytes of all chunks.
    pub(super) fn bytes(&self) -> u64 {
        self.chunks.values().chain(self.nested.values()).map(|chunk| chunk.bytes as u64).sum()
    }

    /// The highest position that was ever stored.
    pub(super) const fn highest(&self) -> Position {
        self.highest
    }

    /// Takes a message out; `false` if it is not here.
    pub(super) fn remove(&mut self, position: Position) -> bool {
        for map in [&mut self.chunks, &mut self.nested] {
            if let Some((first, chunk)) = map.range_mut(..=position).next_back()
                && chunk.live.remove(position)
            {
                if self.touched.last() != Some(first) {
                    self.touched.push(*first);
                }
                return true;
            }
        }
        false
    }

    /// Takes all below `before` out except those of `keep` (ascending).
    pub(super) fn purge(&mut self, before: Position, keep: &[Position]) {
        for map in [&mut self.chunks, &mut self.nested] {
            for (first, chunk) in map.range_mut(..before) {
                if chunk.live.purge(before, keep) {
                    self.touched.push(*first);
                }
            }
        }
    }

    /// All up to here was delivered.
    pub(super) fn delivered(&mut self, up_to: Position) {
        self.delivered = self.delivered.max(up_to);
    }

    /// The watermark as it was found in the store.
    pub(super) fn recovered_delivered(&mut self, up_to: Position) {
        self.delivered = up_to;
        self.delivered_written = Some(up_to);
    }

    /// The delivered watermark, if the store needs to learn it: nothing at or below it, nothing to mark.
    pub(super) fn delivered_to_write(&mut self) -> Option<Position> {
        let news = self.delivered_written.is_none_or(|written| written < self.delivered);
        let matters = news && self.first_live().is_some_and(|first| first <= self.delivered);
        if matters {
            self.delivered_written = Some(self.delivered);
        }
        matters.then_some(self.delivered)
    }

    /// Whether the store has a delivered watermark for this queue.
    pub(super) const fn has_delivered(&self) -> bool {
        self.delivered_written.is_some()
    }

    fn first_live(&self) -> Option<Position> {
        let first = |map: &BTreeMap<Position, Chunk>| map.first_key_value().and_then(|(_, c)| c.live.first());
        [first(&self.chunks), first(&self.nested)].into_iter().flatten().min()
    }

    /// What has to be written about the chunks touched since the last call; the gone ones are forgotten.
    pub(super) fn take_changes(&mut self) -> Vec<(Position, Change)> {
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        let mut changes = Vec::with_capacity(touched.len());
        for first in touched {
            let map = if self.chunks.contains_key(&first) { &mut self.chunks } else { &mut self.nested };
            if let Some(change) = take_change(map, first) {
                changes.push((first, change));
            }
        }
        changes
    }

    /// All chunks, for a queue that is deleted.
    pub(super) fn into_chunks(self) -> impl Iterator<Item = (Position, Chunk)> {
        self.chunks.into_iter().chain(self.nested)
    }
}

fn take_change(map: &mut BTreeMap<Position, Chunk>, first: Position) -> Option<Change> {
    let chunk = map.get_mut(&first)?;
    if !chunk.live.is_empty() {
        chunk.has_state = true;
        return Some(Change::Left(chunk.live.encode(first)));
    }
    map.remove(&first).map(Change::Gone)
}

/// All queues that have something stored.
pub(super) type Index = HashMap<QueueId, QueueIndex>;
