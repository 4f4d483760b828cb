//! The keys of streams, and the small records under them. Integers are big-endian.
//!
//! - `09 | stream | first offset | count u32 | bytes u32 | at u64`: a chunk with so many messages, a value of so many bytes,
//!   which came so many milliseconds after the epoch. All that a start, a trim and a search by time need of chunks is here, so
//!   that none of them reads messages.
//! - `0a | stream | first offset`: a segment that is full, `next u64 | bytes u64 | first at u64 | last at u64`
//! - `0a | stream`: the stream's front, `front u64 | removed to u64`: below the front nothing counts, and below the other
//!   nothing is left. A front of 2^64 - 1: the stream was deleted.

use crate::message::packed::Reader;
use crate::message::{LogSegment, QueueId};
use crate::time::Timestamp;

/// Kind of the keys of chunks.
pub(in crate::store) const CHUNKS: u8 = 9;
/// Kind of the keys of segments and fronts.
pub(in crate::store) const SEGMENTS: u8 = 10;

/// What the key of a chunk says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct ChunkKey {
    pub(in crate::store) stream: QueueId,
    pub(in crate::store) first: u64,
    pub(in crate::store) count: u32,
    /// Of the value.
    pub(in crate::store) bytes: u32,
    pub(in crate::store) at: Timestamp,
}

impl ChunkKey {
    pub(in crate::store) fn encode(&self) -> Vec<u8> {
        let mut key = Vec::with_capacity(33);
        key.extend_from_slice(&chunks_from(self.stream, self.first));
        key.extend_from_slice(&self.count.to_be_bytes());
        key.extend_from_slice(&self.bytes.to_be_bytes());
        key.extend_from_slice(&self.at.as_millis().to_be_bytes());
        key
    }

    /// `None` if it is no such key.
    pub(in crate::store) fn parse(key: &[u8]) -> Option<Self> {
        let mut reader = Reader(key.strip_prefix(&[CHUNKS])?);
        let (stream, first, sizes) = (QueueId(reader.u64()?), reader.u64()?, reader.u64()?);
        let at = Timestamp::from_millis(reader.u64()?);
        let (count, bytes) = ((sizes >> 32) as u32, sizes as u32);
        let is_whole = reader.0.is_empty() && count > 0 && first.checked_add(u64::from(count)).is_some();
        is_whole.then_some(Self { stream, first, count, bytes, at })
    }

    /// The first offset after it.
    pub(in crate::store) const fn next(&self) -> u64 {
        self.first + self.count as u64
    }
}

/// The key that is not above that of any chunk from an offset on, and above those of all before.
pub(in crate::store) fn chunks_from(stream: QueueId, first: u64) -> Vec<u8> {
    of_kind(CHUNKS, stream, Some(first))
}

/// The key above those of all chunks.
pub(in crate::store) fn chunks_end(stream: QueueId) -> Vec<u8> {
    end_of(CHUNKS, stream)
}

/// The key of a full segment.
pub(in crate::store) fn segment_key(stream: QueueId, first: u64) -> Vec<u8> {
    of_kind(SEGMENTS, stream, Some(first))
}

/// The key above those of all segments.
pub(in crate::store) fn segments_end(stream: QueueId) -> Vec<u8> {
    end_of(SEGMENTS, stream)
}

/// The key of a stream's front.
pub(in crate::store) fn front_key(stream: QueueId) -> Vec<u8> {
    of_kind(SEGMENTS, stream, None)
}

/// The stream to which a key of these kinds belongs.
pub(in crate::store) fn stream_of(key: &[u8]) -> Option<QueueId> {
    Reader(key.get(1..)?).u64().map(QueueId)
}

/// The first key of all streams but the ones up to this one.
pub(in crate::store) fn end_of(kind: u8, stream: QueueId) -> Vec<u8> {
    match stream.0.checked_add(1) {
        Some(next) => of_kind(kind, QueueId(next), None),
        None => vec![kind + 1],
    }
}

fn of_kind(kind: u8, stream: QueueId, first: Option<u64>) -> Vec<u8> {
    let mut key = Vec::with_capacity(17);
    key.push(kind);
    key.extend_from_slice(&stream.0.to_be_bytes());
    if let Some(first) = first {
        key.extend_from_slice(&first.to_be_bytes());
    }
    key
}

/// The value of a full segment.
pub(in crate::store) fn segment_value(segment: &LogSegment) -> Vec<u8> {
    let LogSegment { next, bytes, first_at, last_at, .. } = segment;
    [*next, *bytes, first_at.as_millis(), last_at.as_millis()].map(u64::to_be_bytes).concat()
}

/// A full segment from its key and value.
pub(in crate::store) fn parse_segment(key: &[u8], value: &[u8]) -> Option<LogSegment> {
    let mut reader = Reader(key.get(9..)?);
    let first = reader.u64().filter(|_| reader.0.is_empty())?;
    let mut reader = Reader(value);
    let (next, bytes) = (reader.u64()?, reader.u64()?);
    let (first_at, last_at) = (Timestamp::from_millis(reader.u64()?), Timestamp::from_millis(reader.u64()?));
    let segment = LogSegment { first, next, bytes, first_at, last_at };
    (reader.0.is_empty() && !segment.is_empty()).then_some(segment)
}

/// What is left of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct Front {
    /// Offsets below are gone.
    pub(in crate::store) front: u64,
    /// Their keys are removed up to here.
    pub(in crate::store) removed_to: u64,
}

/// The front of a stream that was deleted.
pub(in crate::store) const DELETED: u64 = u64::MAX;

impl Front {
    pub(in crate::store) fn encode(&self) -> Vec<u8> {
        [self.front, self.removed_to].map(u64::to_be_bytes).concat()
    }

    pub(in crate::store) fn parse(value: &[u8]) -> Option<Self> {
        let mut reader = Reader(value);
        let front = Self { front: reader.u64()?, removed_to: reader.u64()? };
        (reader.0.is_empty() && front.removed_to <= front.front).then_some(front)
    }

    /// Whether keys are left to be removed.
    pub(in crate::store) const fn is_trimming(&self) -> bool {
        self.removed_to < self.front
    }

    /// Whether there is no such stream any more.
    pub(in crate::store) const fn is_deleted(&self) -> bool {
        self.front == DELETED
    }
}
