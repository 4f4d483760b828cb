//! Segments of a stream, and what a start finds of one.

use crate::time::Timestamp;

/// A run of chunks that are trimmed together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogSegment {
    /// Its first offset.
    pub first: u64,
    /// The first offset after it.
    pub next: u64,
    /// Bytes of its chunks in the store.
    pub bytes: u64,
    /// When its first chunk came.
    pub first_at: Timestamp,
    /// When its last chunk came.
    pub last_at: Timestamp,
}

impl LogSegment {
    /// Whether it has no messages.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.next <= self.first
    }
}

/// What was found of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredLog {
    /// The full segments, ascending.
    pub sealed: Vec<LogSegment>,
    /// The one that takes chunks.
    pub open: LogSegment,
    /// The first offset of the last chunk; `next` if there is no chunk.
    pub last_chunk: u64,
    /// The offset of the next message.
    pub next: u64,
}
