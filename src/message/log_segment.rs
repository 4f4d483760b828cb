//! Segments of a stream's log, which the stream and the store both speak of.

use crate::time::Timestamp;

/// A run of a stream's chunks. They go together when they are too old, or there is too much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogSegment {
    /// Its first offset.
    pub first: u64,
    /// The offset after its last.
    pub next: u64,
    /// Bytes of its chunks as they are stored.
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
