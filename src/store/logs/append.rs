//! What is added to a stream, and what is heard of it.

use crate::message::{Message, QueueId};
use crate::time::Timestamp;
use std::fmt;
use std::sync::Arc;

/// One chunk of a stream. The committer gives it the stream's next offsets when its unit is whole and its drain is written.
#[derive(Clone)]
pub struct LogAppend {
    /// The stream.
    pub stream: QueueId,
    /// When it came. Where a chunk before it is later, as one that waited in a join may be, it counts as that.
    pub at: Timestamp,
    /// Tells readers what is in it; opaque here.
    pub filter: Vec<u8>,
    /// The messages; at least one. They are read together: some 256 KiB are best.
    pub entries: Vec<Message>,
    /// Whether the segment before ends here. The first chunk of a stream begins one in any case.
    pub begins_segment: bool,
    /// Names it within the stream, for as long as the process lives; ascending.
    pub ticket: u64,
    /// Hears of it. Not if the stream is deleted first.
    pub sink: Arc<dyn LogSink>,
}

impl fmt::Debug for LogAppend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogAppend")
            .field("stream", &self.stream)
            .field("ticket", &self.ticket)
            .field("entries", &self.entries)
            .finish_non_exhaustive()
    }
}

/// Hears what became of a stream's appends. Called on the committer's thread, after the commit that holds them was synced
/// and before its confirms go out, in the order of offsets: must be quick and not block.
pub trait LogSink: Send + Sync {
    /// It is durable.
    fn committed(&self, committed: LogCommitted);
}

/// The place of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogCommitted {
    /// Which one.
    pub ticket: u64,
    /// The offset of its first message; the others follow.
    pub first: u64,
}
