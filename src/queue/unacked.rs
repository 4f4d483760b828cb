//! Messages that were delivered and are not yet settled.

use slab::Slab;

use super::ready::Entry;
use super::{ConnectionId, Handle};

/// A delivered message and who has it.
#[derive(Debug)]
pub(super) struct Unacked {
    pub(super) entry: Entry,
    pub(super) connection: ConnectionId,
    pub(super) channel: u16,
    /// Number of the consumer it went to; `None` for basic.get.
    pub(super) consumer: Option<u32>,
}

/// Unacked messages by slot: constant time whatever order they are acked in.
#[derive(Debug, Default)]
pub(super) struct UnackedSet {
    slots: Slab<Unacked>,
}

impl UnackedSet {
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn insert(&mut self, unacked: Unacked) -> Handle {
        let position = unacked.entry.position;
        Handle { slot: self.slots.insert(unacked) as u32, position }
    }

    /// Takes a message out; `None` if the handle is of a message that is gone.
    pub(super) fn remove(&mut self, handle: Handle) -> Option<Unacked> {
        let slot = handle.slot as usize;
        self.slots.get(slot).filter(|unacked| unacked.entry.position == handle.position)?;
        self.slots.try_remove(slot)
    }

    /// Takes out what a connection has, or just one of its channels, oldest first.
    pub(super) fn remove_of(&mut self, connection: ConnectionId, channel: Option<u16>) -> Vec<Unacked> {
        let has = |unacked: &Unacked| {
            unacked.connection == connection && channel.is_none_or(|channel| channel == unacked.channel)
        };
        let slots: Vec<usize> =
            self.slots.iter().filter(|(_, unacked)| has(unacked)).map(|(slot, _)| slot).collect();
        let mut taken: Vec<Unacked> =
            slots.into_iter().filter_map(|slot| self.slots.try_remove(slot)).collect();
        taken.sort_unstable_by_key(|unacked| unacked.entry.position);
        if self.slots.is_empty() {
            self.slots.shrink_to_fit();
        }
        taken
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Unacked> {
        self.slots.iter().map(|(_, unacked)| unacked)
    }
}
