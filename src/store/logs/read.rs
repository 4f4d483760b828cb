//! What is read of a stream while the store runs, and what the librarian is asked.

use crate::message::{Message, QueueId};
use crate::store::load::Unreadable;
use crate::time::Timestamp;
use std::fmt;

/// Chunks to be read: from the one that holds an offset on, or the first after it.
pub struct LogRead {
    /// The stream.
    pub stream: QueueId,
    /// The offset. Below the stream's first one a read may take long, or find chunks that are about to go.
    pub from: u64,
    /// How many bytes of chunks, at most; but at least one chunk if there is any.
    pub bytes_max: usize,
    /// Gets them in their order, none at the stream's end; or why the first one cannot be read. On a thread of the store: must be
    /// quick and not block. If the store fails this is dropped.
    pub done: Box<dyn FnOnce(Result<Vec<LogChunk>, Unreadable>) + Send>,
}

/// A chunk of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogChunk {
    /// The offset of its first message; the others follow without gaps.
    pub first: u64,
    /// When it came.
    pub at: Timestamp,
    /// As it was given.
    pub filter: Vec<u8>,
    /// Its messages, in one block.
    pub entries: Vec<Message>,
}

/// A place in a stream to be found by its time: the first offset of the first chunk in `first..next` that came at `at` or
/// later, or else `next`.
pub struct LogSeek {
    /// The stream.
    pub stream: QueueId,
    /// The first offset of a chunk.
    pub first: u64,
    /// The offset after the last one.
    pub next: u64,
    /// The time.
    pub at: Timestamp,
    /// Gets the offset, or why it cannot be found. As with a [`LogRead`].
    pub done: Box<dyn FnOnce(Result<u64, Unreadable>) + Send>,
}

impl fmt::Debug for LogRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogRead")
            .field("stream", &self.stream)
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for LogSeek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogSeek").field("stream", &self.stream).field("at", &self.at).finish_non_exhaustive()
    }
}

/// What the librarian is asked.
pub(in crate::store) enum LogRequest {
    Read(LogRead),
    Seek(LogSeek),
    Close,
}
