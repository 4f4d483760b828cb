//! Ready messages as a peek meets them.

use crate::message::Position;
use crate::queue::entry::Entry;
use crate::queue::segment::{Segment, State};

/// A ready message, wherever its bytes are.
#[derive(Debug)]
pub(in crate::queue) enum Sighting<'a> {
    /// In memory.
    Here(&'a Entry),
    /// In a segment: its entry is not in memory either.
    Out { position: Position, redelivered: bool, may_expire: bool },
    /// On its way back from a [bundle](crate::queue::spilled).
    Returning { position: Position, bundle: u32 },
}

impl<'a> Sighting<'a> {
    pub(in crate::queue) const fn position(&self) -> Position {
        match self {
            Self::Here(entry) => entry.position,
            Self::Out { position, .. } | Self::Returning { position, .. } => *position,
        }
    }

    /// All messages of a segment, in order.
    pub(super) fn all_of(segment: &'a Segment) -> Vec<Self> {
        if let State::Here(entries) = &segment.state {
            return entries.iter().map(Self::Here).collect();
        }
        let out = |position| Self::Out {
            position,
            redelivered: segment.is_redelivered(position),
            may_expire: segment.may_expire,
        };
        segment.positions().iter().map(out).collect()
    }
}
