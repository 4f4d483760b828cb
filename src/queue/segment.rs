//! A run of ready messages that are not in memory.
//!
//! A segment knows the position of each of its messages, in one or two bytes a message at worst and a few bytes in all at best.
//! Nothing else about a single message is needed until it comes near the head of the queue.

use std::collections::VecDeque;

use super::entry::{ENTRY_BYTES, Entry, cost};
use crate::message::Position;
use crate::message::runs::Runs;

/// Where the messages of a segment are.
#[derive(Debug)]
pub(super) enum State {
    /// In the store.
    Out,
    /// Asked for.
    Loading,
    /// Here, but segments before this one are not.
    Here(Vec<Entry>),
}

/// Messages that are not in memory.
#[derive(Debug)]
pub(super) struct Segment {
    /// Names it within its queue.
    pub(super) id: u64,
    pub(super) first: Position,
    pub(super) last: Position,
    /// [`Runs`], encoded.
    positions: Box<[u8]>,
    /// Positions that may have been delivered before. Positions of other segments may be among them.
    redelivered: Runs,
    pub(super) count: usize,
    /// Bytes of bodies.
    pub(super) body_bytes: usize,
    /// What its messages cost in memory.
    pub(super) cost: usize,
    /// Whether the store has any of them as records of their own.
    pub(super) stored: bool,
    /// Whether any of them are in a page.
    pub(super) paged: bool,
    /// Whether any of them has a TTL.
    pub(super) may_expire: bool,
    pub(super) state: State,
}

/// Messages of a durable queue that an earlier run left in the store.
#[derive(Clone, Debug, Default)]
pub struct RecoveredSegment {
    /// Their level.
    pub level: u8,
    /// Their positions.
    pub positions: Runs,
    /// Bytes of their bodies.
    pub body_bytes: u64,
    /// Bytes of their encoded forms.
    pub encoded_bytes: u64,
    /// Whether any of them has a TTL.
    pub may_expire: bool,
}

impl RecoveredSegment {
    fn cost(&self) -> usize {
        self.encoded_bytes as usize + self.positions.len() as usize * ENTRY_BYTES
    }

    /// Whether a segment should end before `next`: it is full, and `next` lies wholly behind it.
    pub(super) fn ends_before(&self, next: &Self, segment_bytes: usize) -> bool {
        self.cost() + next.cost() > segment_bytes && self.positions.last() < next.positions.first()
    }

    /// Takes another one in.
    pub(super) fn merge(&mut self, next: &Self) {
        self.positions.merge(&next.positions);
        self.body_bytes += next.body_bytes;
        self.encoded_bytes += next.encoded_bytes;
        self.may_expire |= next.may_expire;
    }
}

impl Segment {
    /// Of entries in order; there has to be one.
    pub(super) fn of<'a>(id: u64, entries: impl Iterator<Item = &'a Entry> + Clone) -> Option<Self> {
        let positions: Runs = entries.clone().map(|entry| entry.position).collect();
        let redelivered = entries.clone().filter(|entry| entry.redelivered).map(|entry| entry.position);
        let mut segment = Self::at(id, &positions)?;
        segment.redelivered = redelivered.collect();
        for entry in entries {
            segment.body_bytes += entry.message.body_len();
            segment.cost += cost(entry);
            segment.stored |= entry.stored;
            segment.paged |= !entry.stored;
            segment.may_expire |= entry.expires != crate::time::Time::NEVER;
        }
        Some(segment)
    }

    /// Of what an earlier run left, delivered up to a position.
    pub(super) fn restored(id: u64, recovered: &RecoveredSegment, delivered: Position) -> Option<Self> {
        let mut segment = Self::at(id, &recovered.positions)?;
        let reached = recovered.positions.iter().next().filter(|first| *first <= delivered);
        if let Some(first) = reached {
            segment.redelivered = Runs::span(first, delivered);
        }
        segment.body_bytes = recovered.body_bytes as usize;
        segment.cost = recovered.cost();
        segment.stored = true;
        segment.may_expire = recovered.may_expire;
        Some(segment)
    }

    fn at(id: u64, positions: &Runs) -> Option<Self> {
        let (first, last) = positions.first().zip(positions.last())?;
        Some(Self {
            id,
            first,
            last,
            positions: positions.encode(first).into_boxed_slice(),
            redelivered: Runs::default(),
            count: positions.len() as usize,
            body_bytes: 0,
            cost: 0,
            stored: false,
            paged: false,
            may_expire: false,
            state: State::Out,
        })
    }

    /// Its positions.
    pub(super) fn positions(&self) -> Runs {
        // They were encoded here.
        Runs::decode(self.first, &self.positions).unwrap_or_default()
    }

    /// Whether a message of it may have been delivered before.
    pub(super) fn is_redelivered(&self, position: Position) -> bool {
        self.redelivered.contains(position)
    }

    /// Merges entries in order into others in order.
    pub(super) fn merge_into(front: &mut VecDeque<Entry>, entries: Vec<Entry>) {
        let Some(first) = entries.first().map(|entry| entry.position) else { return };
        let behind = front.partition_point(|entry| entry.position < first);
        let requeued = front.split_off(behind);
        front.extend(entries);
        if !requeued.is_empty() {
            front.extend(requeued);
            // Two sorted runs: the sort sees that and merges them.
            front.make_contiguous().sort_by_key(|entry| entry.position);
        }
    }
}
