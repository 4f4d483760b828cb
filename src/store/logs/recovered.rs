//! What a start finds of a stream.

use crate::message::LogSegment;

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
