//! The newest messages, in memory: who reads at the end needs no disk.

use std::collections::VecDeque;

use crate::message::Message;
use crate::queue::LogChunk;
use crate::time::Timestamp;

/// What a message costs beside its bytes.
const MESSAGE_BYTES: usize = 64;

/// The newest chunks, without a gap.
#[derive(Debug)]
pub(super) struct Tail {
    chunks: VecDeque<LogChunk>,
    bytes: usize,
    bytes_max: usize,
}

impl Tail {
    pub(super) const fn new(bytes_max: usize) -> Self {
        Self { chunks: VecDeque::new(), bytes: 0, bytes_max }
    }

    pub(super) fn push(&mut self, chunk: LogChunk) {
        self.bytes += cost(&chunk);
        self.chunks.push_back(chunk);
        while self.bytes > self.bytes_max && self.chunks.len() > 1 {
            self.pop();
        }
    }

    /// Lets go of all below an offset, which is the first of a chunk.
    pub(super) fn trim(&mut self, before: u64) {
        while self.chunks.front().is_some_and(|chunk| chunk.first < before) {
            self.pop();
        }
    }

    fn pop(&mut self) {
        if let Some(gone) = self.chunks.pop_front() {
            self.bytes -= cost(&gone);
        }
    }

    /// The chunk with this offset.
    pub(super) fn chunk(&self, offset: u64) -> Option<&LogChunk> {
        let behind = self.chunks.partition_point(|chunk| chunk.first <= offset);
        self.chunks.get(behind.checked_sub(1)?).filter(|chunk| offset < chunk.next())
    }

    /// The message with this offset.
    pub(super) fn message(&self, offset: u64) -> Option<&Message> {
        let chunk = self.chunk(offset)?;
        chunk.messages.get(usize::try_from(offset - chunk.first).ok()?)
    }

    /// The first offset of the first chunk whose time is at or after this one, if it is here. Only an older chunk before it tells that it is
    /// the first.
    pub(super) fn first_at_or_after(&self, at: Timestamp) -> Option<u64> {
        let older = self.chunks.partition_point(|chunk| chunk.at < at);
        self.chunks.get(older).filter(|_| older > 0).map(|chunk| chunk.first)
    }

    /// The first offset that is here.
    pub(super) fn first(&self) -> Option<u64> {
        self.chunks.front().map(|chunk| chunk.first)
    }

    /// What it takes in memory, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}

fn cost(chunk: &LogChunk) -> usize {
    chunk.messages.iter().map(|message| MESSAGE_BYTES + message.encoded_len()).sum()
}
