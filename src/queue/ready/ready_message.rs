//! Ready messages as a peek sees them.

use crate::message::Position;
use crate::queue::entry::Entry;
use crate::queue::peek::OnDisk;
use crate::queue::segment::{Segment, State};

/// A ready message, wherever its bytes are.
#[derive(Debug)]
pub(in crate::queue) enum ReadyMessage<'a> {
    /// In memory.
    InMemory(&'a Entry),
    /// In a segment: its entry is not in memory either.
    PagedOut { position: Position, redelivered: bool, may_expire: bool, on_disk: OnDisk },
    /// On its way back from a [bundle](crate::queue::spilled).
    Returning { position: Position, bundle: u32 },
}

impl<'a> ReadyMessage<'a> {
    pub(in crate::queue) const fn position(&self) -> Position {
        match self {
            Self::InMemory(entry) => entry.position,
            Self::PagedOut { position, .. } | Self::Returning { position, .. } => *position,
        }
    }

    /// All messages of a segment, in order.
    pub(super) fn all_of(segment: &'a Segment) -> Vec<Self> {
        if let State::Here(entries) = &segment.state {
            return entries.iter().map(Self::InMemory).collect();
        }
        let Segment { id, stored, paged, .. } = *segment;
        let out = |position| Self::PagedOut {
            position,
            redelivered: segment.is_redelivered(position),
            may_expire: segment.may_expire,
            on_disk: OnDisk { id, stored, paged },
        };
        segment.positions().iter().map(out).collect()
    }
}
