//! Keys and values as bytes: what a chunk of messages looks like in the store.
//!
//! Keys begin with a kind byte; integers are big-endian, so that keys sort as their numbers do.
//! - `00`: heartbeat, `commit number u64 | last synced commit number u64`, the first write of every batch
//! - `01 | queue | first position`: a chunk, `count u32` and then its entries
//! - `02 | queue`: the delivered watermark, a position
//! - `05 | queue | position`: a note on a message, opaque here
//! - `02 | queue | first position`: what is left of a chunk that was partly removed, as [`Runs`]
//!
//! An entry: `flags u8 | position delta varint | [expires at u64] | length varint | encoded message`. The delta
//! counts from the entry before, the first from the position in the key.

use super::index::Runs;
use super::{Error, StoredMessage};
use crate::message::{Message, Position, QueueId};
use crate::time::Timestamp;

/// Version of all of this and of the journal's use of the heartbeat.
pub(super) const FORMAT_VERSION: u32 = 1;

/// A chunk is closed before it grows beyond this: large enough to make the cost per key vanish, small enough to be
/// rewritten by compaction without notice. A single larger message has a chunk of its own.
pub(super) const CHUNK_BYTES_MAX: usize = 64 * 1024;

/// Bytes of the heartbeat's value.
pub(super) const HEARTBEAT_BYTES: usize = 16;

pub(super) const KIND_HEARTBEAT: u8 = 0;
pub(super) const KIND_CHUNK: u8 = 1;
pub(super) const KIND_STATE: u8 = 2;
pub(super) const KIND_NOTE: u8 = 5;

const PERSISTENT: u8 = 1;
const EXPIRES: u8 = 2;
const REDELIVERED: u8 = 4;

/// The key of a chunk.
pub(super) fn chunk_key(queue: QueueId, first: Position) -> Vec<u8> {
    key(KIND_CHUNK, queue, Some(first))
}

/// The key of what is left of a chunk.
pub(super) fn state_key(queue: QueueId, first: Position) -> Vec<u8> {
    key(KIND_STATE, queue, Some(first))
}

/// The key of a note on a message.
pub(super) fn note_key(queue: QueueId, position: Position) -> Vec<u8> {
    key(KIND_NOTE, queue, Some(position))
}

/// The key of a queue's delivered watermark.
pub(super) fn delivered_key(queue: QueueId) -> Vec<u8> {
    key(KIND_STATE, queue, None)
}

fn key(kind: u8, queue: QueueId, first: Option<Position>) -> Vec<u8> {
    let mut key = Vec::with_capacity(17);
    key.push(kind);
    key.extend_from_slice(&queue.0.to_be_bytes());
    if let Some(first) = first {
        key.extend_from_slice(&first.0.to_be_bytes());
    }
    key
}

/// Takes a key of kind 01, 02 or 05 apart; `None` if it is none of them.
pub(super) fn parse_key(key: &[u8]) -> Option<(QueueId, Option<Position>)> {
    let mut reader = Reader(key.get(1..)?);
    let queue = QueueId(reader.u64()?);
    let first = if reader.0.is_empty() { None } else { Some(Position(reader.u64()?)) };
    reader.0.is_empty().then_some((queue, first))
}

/// The heartbeat's value.
pub(super) fn heartbeat(number: u64, synced: u64) -> Vec<u8> {
    [number.to_be_bytes(), synced.to_be_bytes()].concat()
}

/// Commit number and last synced commit number.
pub(super) fn parse_heartbeat(value: &[u8]) -> Option<(u64, u64)> {
    let mut reader = Reader(value);
    let numbers = (reader.u64()?, reader.u64()?);
    reader.0.is_empty().then_some(numbers)
}

/// A chunk ready to be written.
pub(super) struct EncodedChunk {
    pub(super) first: Position,
    pub(super) positions: Runs,
    pub(super) value: Vec<u8>,
}

/// Fills chunks with messages in ascending order.
pub(super) struct ChunkWriter {
    split_at_gaps: bool,
    open: Option<EncodedChunk>,
    count: u32,
    last: Position,
    done: Vec<EncodedChunk>,
}

impl ChunkWriter {
    /// With `split_at_gaps`, a chunk holds consecutive positions only.
    pub(super) const fn new(split_at_gaps: bool) -> Self {
        Self { split_at_gaps, open: None, count: 0, last: Position(0), done: Vec::new() }
    }

    /// Adds a message; its position is above all before.
    pub(super) fn push(&mut self, entry: &StoredMessage) {
        if self.must_close_for(entry) {
            self.close();
        }
        let chunk = self.open.get_or_insert_with(|| {
            self.last = entry.position;
            EncodedChunk { first: entry.position, positions: Runs::default(), value: vec![0; 4] }
        });
        encode_entry(&mut chunk.value, entry, entry.position.0 - self.last.0);
        chunk.positions.push(entry.position);
        self.last = entry.position;
        self.count += 1;
    }

    /// The chunks.
    pub(super) fn finish(mut self) -> Vec<EncodedChunk> {
        self.close();
        self.done
    }

    fn must_close_for(&self, entry: &StoredMessage) -> bool {
        self.open.as_ref().is_some_and(|chunk| {
            chunk.value.len() + entry.message.encoded_len() + ENTRY_OVERHEAD_MAX > CHUNK_BYTES_MAX
                || (self.split_at_gaps && entry.position != self.last.next())
        })
    }

    fn close(&mut self) {
        if let Some(mut chunk) = self.open.take() {
            if let Some(count) = chunk.value.first_chunk_mut::<4>() {
                *count = self.count.to_be_bytes();
            }
            self.count = 0;
            self.done.push(chunk);
        }
    }
}

/// Flags, two varints, a time.
const ENTRY_OVERHEAD_MAX: usize = 1 + 10 + 8 + 5;

fn encode_entry(out: &mut Vec<u8>, entry: &StoredMessage, delta: u64) {
    let encoded = entry.message.encoded();
    let mut flags = 0;
    for (flag, set) in [
        (PERSISTENT, entry.message.is_persistent()),
        (EXPIRES, entry.expires_at.is_some()),
        (REDELIVERED, entry.redelivered),
    ] {
        flags |= if set { flag } else { 0 };
    }
    out.push(flags);
    push_varint(out, delta);
    if let Some(at) = entry.expires_at {
        out.extend_from_slice(&at.as_millis().to_be_bytes());
    }
    push_varint(out, encoded.len() as u64);
    out.extend_from_slice(encoded);
}

/// The messages of a chunk.
///
/// # Errors
/// [`Error::Damaged`] if the value is not a chunk.
pub(super) fn decode_chunk(
    queue: QueueId,
    first: Position,
    value: &[u8],
) -> Result<Vec<StoredMessage>, Error> {
    decode_entries(first, value).ok_or_else(|| {
        Error::damaged(format!("the record of queue {} at position {} is unreadable", queue.0, first.0))
    })
}

fn decode_entries(first: Position, value: &[u8]) -> Option<Vec<StoredMessage>> {
    let mut reader = Reader(value);
    let count = u32::from_be_bytes(*reader.take(4)?.first_chunk()?) as usize;
    // An entry has at least nine bytes: a damaged count must not allocate more than the chunk could hold.
    let mut entries = Vec::with_capacity(count.min(value.len() / 9));
    let mut last = first;
    for _ in 0..count {
        let entry = decode_entry(&mut reader, last)?;
        last = entry.position;
        entries.push(entry);
    }
    (reader.0.is_empty() && count > 0).then_some(entries)
}

fn decode_entry(reader: &mut Reader<'_>, last: Position) -> Option<StoredMessage> {
    let flags = reader.u8()?;
    if flags & !(PERSISTENT | EXPIRES | REDELIVERED) != 0 {
        return None;
    }
    let position = Position(last.0.checked_add(reader.varint()?)?);
    let expires_at = match flags & EXPIRES {
        0 => None,
        _ => Some(Timestamp::from_millis(reader.u64()?)),
    };
    let length = usize::try_from(reader.varint()?).ok()?;
    let message = Message::from_encoded(reader.take(length)?, flags & PERSISTENT != 0)?;
    Some(StoredMessage { position, message, expires_at, redelivered: flags & REDELIVERED != 0 })
}

/// Appends seven bits a byte, low bits first; the high bit says that more follow.
pub(super) fn push_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number as u8 & 0x7f) | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes values off the front of bytes; `None` when they do not suffice.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(*self.take(8)?.first_chunk()?))
    }

    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return None;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }
}
