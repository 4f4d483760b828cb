//! Where a stream ends: its next offset, and the segment that is being filled.

use crate::message::LogSegment;
use crate::time::Timestamp;

/// The end of a stream.
#[derive(Clone, Debug, Default)]
pub(in crate::store) struct LogState {
    /// The segment that takes chunks. One without any is at the stream's end.
    pub(super) open: LogSegment,
}

/// A chunk to be placed.
pub(in crate::store) struct NewChunk {
    pub(in crate::store) count: u64,
    pub(in crate::store) bytes: u64,
    pub(in crate::store) at: Timestamp,
    pub(in crate::store) begins_segment: bool,
}

/// Where it was placed.
pub(in crate::store) struct Placed {
    pub(in crate::store) first: u64,
    pub(in crate::store) at: Timestamp,
    pub(in crate::store) sealed: Option<LogSegment>,
}

impl LogState {
    /// The offset of the next message.
    pub(super) const fn next(&self) -> u64 {
        self.open.next
    }

    /// Puts a chunk at the end.
    pub(in crate::store) fn place(&mut self, chunk: &NewChunk) -> Placed {
        let first = self.next();
        // Times never fall, so that one can be looked for.
        let at = chunk.at.max(self.open.last_at);
        let begins = self.open.is_empty() || chunk.begins_segment;
        let before = self.open;
        if begins {
            self.open = LogSegment { first, next: first, bytes: 0, first_at: at, last_at: at };
        }
        self.open.next += chunk.count;
        self.open.bytes += chunk.bytes;
        self.open.last_at = at;
        Placed { first, at, sealed: Some(before).filter(|before| begins && !before.is_empty()) }
    }
}
