//! What was read from the store for a reader and is not delivered yet.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::message::Message;
use crate::queue::LogChunk;

/// A chunk with the bytes of its messages.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) chunk: LogChunk,
    bytes: usize,
}

impl Read {
    fn new(chunk: LogChunk) -> Self {
        let bytes = chunk.messages.iter().map(Message::encoded_len).sum();
        Self { chunk, bytes }
    }
}

/// Bytes that were read ahead for all readers of a stream.
pub(super) type AheadBytes = Arc<AtomicUsize>;

/// Chunks that were read ahead for one reader, in their order, and counted with those of the others.
#[derive(Debug)]
pub(super) struct Ahead {
    reads: VecDeque<Read>,
    total: AheadBytes,
}

impl Ahead {
    pub(super) const fn new(total: AheadBytes) -> Self {
        Self { reads: VecDeque::new(), total }
    }

    pub(super) fn extend(&mut self, chunks: Vec<LogChunk>) {
        for read in chunks.into_iter().map(Read::new) {
            self.total.fetch_add(read.bytes, Ordering::Relaxed);
            self.reads.push_back(read);
        }
    }

    pub(super) fn front(&self) -> Option<&LogChunk> {
        self.reads.front().map(|read| &read.chunk)
    }

    pub(super) fn back(&self) -> Option<&LogChunk> {
        self.reads.back().map(|read| &read.chunk)
    }

    pub(super) fn len(&self) -> usize {
        self.reads.len()
    }

    pub(super) fn pop_front(&mut self) -> Option<Read> {
        let read = self.reads.pop_front()?;
        self.total.fetch_sub(read.bytes, Ordering::Relaxed);
        Some(read)
    }

    pub(super) fn push_front(&mut self, read: Read) {
        self.total.fetch_add(read.bytes, Ordering::Relaxed);
        self.reads.push_front(read);
    }

    pub(super) fn clear(&mut self) {
        while self.pop_front().is_some() {}
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.clear();
    }
}
