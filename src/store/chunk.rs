//! Keys and values as bytes: what a chunk of messages looks like in the store.
//!
//! Keys begin with a kind byte; integers are big-endian, so that keys sort as their numbers do.
//! - `00`: heartbeat, `commit number u64 | last synced commit number u64`, the first write of every batch
//! - `01 | queue | first position`: a chunk, `count u32` and then its entries
//! - `02 | queue`: the delivered watermark, a position
//! - `04 | number`: a message that several queues share, in its encoded form (see `bodies`)
//! - `05 | queue | position`: a note on a message, opaque here
//! - `02 | queue | first position`: what is left of a chunk that was partly removed, as [`Runs`]
//! - `07 | queue | key`: one of a queue's own records, key and value opaque here
//! - `06 | queue | first position`: the [`Summary`] of a chunk, written and removed with it: a start reads these instead
//!   of the messages
//! - `08`: padding, which fills a journal up and means nothing; removed by a batch soon after
//! - `09` and `0a`: streams, see `logs/keys`, in a keyspace of their own. There `00` is `commit number u64 | u64`, the number of this commit
//!   and of the one before that had anything for streams
//!
//! An entry: `flags u8 | position delta varint | [level u8] | [expires at u64] | length varint | encoded message`. The
//! delta counts from the entry before, the first from the position in the key. In the entry of a shared message the number
//! of its record, a u64, stands for length and message.
//!
//! A page (see `pages`) holds entries in the same form, the first delta counting from 0.

use super::error::Error;
pub(super) use super::heartbeat::{heartbeat, parse_heartbeat};
use super::recovered::StoredSegment;
use super::shared_body::Reference;
use super::submission::StoredMessage;
use crate::message::packed::{Reader, push_varint};
use crate::message::runs::Runs;
use crate::message::{FinishedBlock, Message, Position, QueueId};
use crate::time::Timestamp;

/// Version of all of this and of the journal's use of the heartbeat.
pub(super) const FORMAT_VERSION: u32 = 4;
/// The same of a store that has no streams, which earlier versions of Coney can read.
pub(super) const FORMAT_WITHOUT_STREAMS: u32 = 3;

/// A chunk is closed before it grows beyond this: large enough to make the cost per key vanish, small enough to be
/// rewritten by compaction without notice. A single larger message has a chunk of its own. Shared messages count as if
/// they were in it: what is left of a chunk should not keep more than that of others.
pub(super) const CHUNK_BYTES_MAX: usize = 64 * 1024;

/// Bytes of the heartbeat's value.
pub(super) const HEARTBEAT_BYTES: usize = 16;

pub(super) const KIND_HEARTBEAT: u8 = 0;
pub(super) const KIND_CHUNK: u8 = 1;
pub(super) const KIND_STATE: u8 = 2;
pub(super) const KIND_BODY: u8 = 4;
pub(super) const KIND_NOTE: u8 = 5;
pub(super) const KIND_SUMMARY: u8 = 6;
pub(super) const KIND_RECORD: u8 = 7;
pub(super) const KIND_PADDING: u8 = 8;

const PERSISTENT: u8 = 1;
const EXPIRES: u8 = 2;
const REDELIVERED: u8 = 4;
const LEVEL: u8 = 8;
const SHARED: u8 = 16;
const DEAD_LETTERED: u8 = 32;
const HAS_BCC: u8 = 64;
const ALL_FLAGS: u8 = MESSAGE_FLAGS | EXPIRES | REDELIVERED | LEVEL | SHARED;
/// Those that say something of the message itself.
pub(super) const MESSAGE_FLAGS: u8 = PERSISTENT | DEAD_LETTERED | HAS_BCC;

/// The key of a chunk.
pub(super) fn chunk_key(queue: QueueId, first: Position) -> Vec<u8> {
    key(KIND_CHUNK, queue, Some(first))
}

/// The key of a chunk's summary.
pub(super) fn summary_key(queue: QueueId, first: Position) -> Vec<u8> {
    key(KIND_SUMMARY, queue, Some(first))
}

/// The key of what is left of a chunk.
pub(super) fn state_key(queue: QueueId, first: Position) -> Vec<u8> {
    key(KIND_STATE, queue, Some(first))
}

/// The key of a note on a message.
pub(super) fn note_key(queue: QueueId, position: Position) -> Vec<u8> {
    key(KIND_NOTE, queue, Some(position))
}

/// The key of a shared message.
pub(super) fn body_key(number: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(9);
    key.push(KIND_BODY);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// The key of one of a queue's own records.
pub(super) fn record_key(queue: QueueId, name: &[u8]) -> Vec<u8> {
    let mut key = key(KIND_RECORD, queue, None);
    key.extend_from_slice(name);
    key
}

/// Takes the key of one of a queue's own records apart.
pub(super) fn parse_record_key(key: &[u8]) -> Option<(QueueId, &[u8])> {
    let mut reader = Reader(key.get(1..)?);
    let queue = QueueId(reader.u64()?);
    Some((queue, reader.0))
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

/// Takes the key of anything that belongs to a queue apart; `None` if it is no such key.
pub(super) fn parse_key(key: &[u8]) -> Option<(QueueId, Option<Position>)> {
    let mut reader = Reader(key.get(1..)?);
    let queue = QueueId(reader.u64()?);
    let first = if reader.0.is_empty() { None } else { Some(Position(reader.u64()?)) };
    reader.0.is_empty().then_some((queue, first))
}

/// What a start needs to know of a chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    /// Bytes of the chunk's value.
    pub(super) bytes: usize,
    /// The shared messages that it refers to, once per entry.
    pub(super) bodies: Vec<Reference>,
    /// Its messages by level, in the order in which the levels came.
    pub(super) segments: Vec<StoredSegment>,
}

impl Summary {
    fn add(&mut self, entry: &StoredMessage) {
        let level = entry.level;
        match self.segments.iter_mut().find(|segment| segment.level == level) {
            Some(segment) => segment.add(entry),
            None => {
                let mut segment = StoredSegment { level, ..StoredSegment::default() };
                segment.add(entry);
                self.segments.push(segment);
            }
        }
    }

    /// The positions of all levels.
    pub(super) fn positions(&self) -> Runs {
        let mut segments = self.segments.iter();
        let mut positions = segments.next().map(|segment| segment.positions.clone()).unwrap_or_default();
        segments.for_each(|segment| positions.merge(&segment.positions));
        positions
    }

    /// As bytes.
    pub(super) fn encode(&self, first: Position) -> Vec<u8> {
        let mut out = Vec::with_capacity(32);
        push_varint(&mut out, self.bytes as u64);
        push_varint(&mut out, self.bodies.len() as u64);
        let mut last = 0;
        for Reference { number, bytes } in &self.bodies {
            // Mostly the one after the last.
            push_varint(&mut out, number.wrapping_sub(last));
            push_varint(&mut out, u64::from(*bytes));
            last = *number;
        }
        for segment in &self.segments {
            out.push(segment.level);
            out.push(u8::from(segment.may_expire));
            push_varint(&mut out, segment.body_bytes);
            push_varint(&mut out, segment.encoded_bytes);
            let runs = segment.positions.encode(first);
            push_varint(&mut out, runs.len() as u64);
            out.extend_from_slice(&runs);
        }
        out
    }

    /// From bytes; `None` if they are not [encoded](Self::encode).
    pub(super) fn decode(first: Position, bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let mut summary = Self { bytes: reader.varint()? as usize, ..Self::default() };
        let mut last = 0_u64;
        for _ in 0..reader.varint()? {
            last = last.wrapping_add(reader.varint()?);
            let bytes = u32::try_from(reader.varint()?).ok()?;
            summary.bodies.push(Reference { number: last, bytes });
        }
        while !reader.0.is_empty() {
            let (level, may_expire) = (reader.u8()?, reader.u8()? == 1);
            let (body_bytes, encoded_bytes) = (reader.varint()?, reader.varint()?);
            let runs = usize::try_from(reader.varint()?).ok()?;
            let positions = Runs::decode(first, reader.take(runs)?)?;
            summary.segments.push(StoredSegment { level, positions, body_bytes, encoded_bytes, may_expire });
        }
        Some(summary)
    }

    /// The same chunk with only these entries left.
    pub(super) fn with_left(self, entries: &[StoredMessage]) -> Self {
        let mut left = Self { segments: Vec::new(), ..self };
        entries.iter().for_each(|entry| left.add(entry));
        left
    }

    /// The same chunk with only these positions left, if nobody can tell how many bytes they have: as many as the others.
    pub(super) fn estimate(mut self, left: &Runs) -> Self {
        for segment in &mut self.segments {
            let before = segment.positions.len().max(1);
            segment.positions =
                segment.positions.iter().filter(|position| left.contains(*position)).collect();
            let share = |bytes: u64| bytes / before * segment.positions.len();
            (segment.body_bytes, segment.encoded_bytes) =
                (share(segment.body_bytes), share(segment.encoded_bytes));
        }
        self.segments.retain(|segment| !segment.positions.is_empty());
        self
    }

    /// The records that it refers to.
    pub(super) fn body_numbers(&self) -> Vec<u64> {
        self.bodies.iter().map(|reference| reference.number).collect()
    }
}

impl StoredSegment {
    fn add(&mut self, entry: &StoredMessage) {
        self.positions.push(entry.position);
        self.body_bytes += entry.message.body_len() as u64;
        self.encoded_bytes += entry.message.encoded_len() as u64;
        self.may_expire |= entry.expires_at.is_some();
    }
}

/// A chunk ready to be written.
pub(super) struct EncodedChunk {
    pub(super) first: Position,
    pub(super) summary: Summary,
    pub(super) value: Vec<u8>,
}

/// Fills chunks with messages in ascending order.
pub(super) struct ChunkWriter {
    split_at_gaps: bool,
    open: Option<EncodedChunk>,
    count: u32,
    /// Bytes of the shared messages in the open chunk.
    shared_bytes: usize,
    last: Position,
    done: Vec<EncodedChunk>,
}

impl ChunkWriter {
    /// With `split_at_gaps`, a chunk holds consecutive positions only.
    pub(super) const fn new(split_at_gaps: bool) -> Self {
        Self { split_at_gaps, open: None, count: 0, shared_bytes: 0, last: Position(0), done: Vec::new() }
    }

    /// Adds a message, or a reference to it; its position is above all before.
    pub(super) fn push(&mut self, entry: &StoredMessage, shared: Option<Reference>) {
        if self.must_close_for(entry) {
            self.close();
        }
        let chunk = self.open.get_or_insert_with(|| {
            self.last = entry.position;
            EncodedChunk { first: entry.position, summary: Summary::default(), value: vec![0; 4] }
        });
        encode_entry(&mut chunk.value, entry, entry.position.0 - self.last.0, shared);
        chunk.summary.add(entry);
        chunk.summary.bodies.extend(shared);
        self.shared_bytes += shared.map_or(0, |reference| reference.bytes as usize);
        self.last = entry.position;
        self.count += 1;
    }

    /// The chunks.
    pub(super) fn finish(mut self) -> Vec<EncodedChunk> {
        self.close();
        self.done
    }

    fn must_close_for(&self, entry: &StoredMessage) -> bool {
        let Some(chunk) = &self.open else { return false };
        let filled = chunk.value.len() + self.shared_bytes;
        filled + entry.message.encoded_len() + ENTRY_OVERHEAD_MAX > CHUNK_BYTES_MAX
            || (self.split_at_gaps && entry.position != self.last.next())
    }

    fn close(&mut self) {
        if let Some(mut chunk) = self.open.take() {
            if let Some(count) = chunk.value.first_chunk_mut::<4>() {
                *count = self.count.to_be_bytes();
            }
            (self.count, self.shared_bytes) = (0, 0);
            chunk.summary.bytes = chunk.value.len();
            self.done.push(chunk);
        }
    }
}

/// Flags, two varints, a level, a time.
const ENTRY_OVERHEAD_MAX: usize = 1 + 10 + 1 + 8 + 5;

/// Appends an entry; of a shared message only the reference.
pub(super) fn encode_entry(out: &mut Vec<u8>, entry: &StoredMessage, delta: u64, shared: Option<Reference>) {
    let encoded = entry.message.encoded();
    let flags = flags_of([
        (EXPIRES, entry.expires_at.is_some()),
        (REDELIVERED, entry.redelivered),
        (LEVEL, entry.level != 0),
        (SHARED, shared.is_some()),
    ]);
    out.push(flags | message_flags(&entry.message));
    push_varint(out, delta);
    if entry.level != 0 {
        out.push(entry.level);
    }
    if let Some(at) = entry.expires_at {
        out.extend_from_slice(&at.as_millis().to_be_bytes());
    }
    if let Some(Reference { number, .. }) = shared {
        out.extend_from_slice(&number.to_be_bytes());
        return;
    }
    push_varint(out, encoded.len() as u64);
    out.extend_from_slice(encoded);
}

/// What an entry's flags say of the message itself.
pub(super) fn message_flags(message: &Message) -> u8 {
    flags_of([
        (PERSISTENT, message.is_persistent()),
        (DEAD_LETTERED, message.is_dead_lettered()),
        (HAS_BCC, message.has_bcc()),
    ])
}

fn flags_of<const N: usize>(flags: [(u8, bool); N]) -> u8 {
    flags.into_iter().fold(0, |all, (flag, set)| if set { all | flag } else { all })
}

/// The message of an entry with these flags, whose encoded form stands at this place of a block.
pub(super) fn message_in(block: &FinishedBlock, start: usize, len: usize, flags: u8) -> Option<Message> {
    let message = block.encoded_message(start, len, flags & PERSISTENT != 0)?;
    Some(message.with_dead_lettered(flags & DEAD_LETTERED != 0).with_bcc(flags & HAS_BCC != 0))
}

/// Reads the record of a shared message by its number.
pub(super) type ReadBody<'a> = dyn Fn(u64) -> Result<Option<Vec<u8>>, Error> + 'a;

/// The messages of a chunk that are wanted; all without a wish. They share one block, but for the shared ones.
///
/// # Errors
/// [`Error::Damaged`] if the value is not a chunk, or a shared message is missing; what `read_body` fails with.
pub(super) fn decode_chunk(
    queue: QueueId,
    first: Position,
    value: Vec<u8>,
    wanted: Option<&Runs>,
    read_body: &ReadBody<'_>,
) -> Result<Vec<StoredMessage>, Error> {
    let count = value.first_chunk().map_or(0, |count| u32::from_be_bytes(*count));
    let entries = decode_entries(first, value, 4, count as usize, wanted, read_body)?;
    entries.filter(|_| count > 0).ok_or_else(|| {
        Error::damaged(format!("the record of queue {} at position {} is unreadable", queue.0, first.0))
    })
}

/// The wanted ones of `count` entries, which begin at `start` of the block; `None` if they are unreadable.
///
/// # Errors
/// What `read_body` fails with.
pub(super) fn decode_entries(
    first: Position,
    value: Vec<u8>,
    start: usize,
    count: usize,
    wanted: Option<&Runs>,
    read_body: &ReadBody<'_>,
) -> Result<Option<Vec<StoredMessage>>, Error> {
    let block = FinishedBlock::of(value);
    let mut reader = Reader(block.bytes().get(start..).unwrap_or_default());
    // An entry has at least nine bytes: a damaged count must not allocate more than the chunk could hold.
    let mut entries = Vec::with_capacity(count.min(block.bytes().len() / 9));
    let mut wanted = wanted.map(Runs::ascending);
    let mut last = first;
    for _ in 0..count {
        let Some((header, place)) = Header::decode(&mut reader, last, block.bytes().len()) else {
            return Ok(None);
        };
        last = header.position;
        if wanted.as_mut().is_some_and(|wanted| !wanted.contains(last)) {
            continue;
        }
        let message = match place {
            Place::Here { start, len } => message_in(&block, start, len, header.flags),
            Place::Shared(number) => read_body(number)?.and_then(|bytes| {
                let len = bytes.len();
                message_in(&FinishedBlock::of(bytes), 0, len, header.flags)
            }),
        };
        let Some(message) = message else { return Ok(None) };
        entries.push(header.with_message(message));
    }
    Ok(reader.0.is_empty().then_some(entries))
}

/// The positions of all entries of a chunk, and the numbers of the shared messages that they refer to, once per entry.
pub(super) fn outline(first: Position, value: &[u8]) -> Option<(Runs, Vec<u64>)> {
    let count = u32::from_be_bytes(*value.first_chunk()?);
    let mut reader = Reader(value.get(4..)?);
    let (mut last, mut positions, mut numbers) = (first, Runs::default(), Vec::new());
    for _ in 0..count {
        let (header, place) = Header::decode(&mut reader, last, value.len())?;
        last = header.position;
        positions.push(last);
        if let Place::Shared(number) = place {
            numbers.push(number);
        }
    }
    Some((positions, numbers))
}

/// The same chunk with other numbers of shared messages; `None` if it is no chunk, or one of them has no other number.
#[cfg(feature = "cluster")]
pub(super) fn renumbered(
    first: Position,
    mut value: Vec<u8>,
    other: &dyn Fn(u64) -> Option<u64>,
) -> Option<Vec<u8>> {
    const NUMBER_BYTES: usize = 8;
    let (count, end) = (u32::from_be_bytes(*value.first_chunk()?), value.len());
    let mut reader = Reader(value.get(4..)?);
    let (mut last, mut numbers) = (first, Vec::new());
    for _ in 0..count {
        let (header, place) = Header::decode(&mut reader, last, end)?;
        last = header.position;
        if let Place::Shared(number) = place {
            numbers.push((end - reader.0.len() - NUMBER_BYTES, other(number)?));
        }
    }
    for (at, number) in numbers {
        value.get_mut(at..at + NUMBER_BYTES)?.copy_from_slice(&number.to_be_bytes());
    }
    Some(value)
}

/// An entry without its message.
struct Header {
    flags: u8,
    position: Position,
    level: u8,
    expires_at: Option<Timestamp>,
}

/// Where the message of an entry is.
enum Place {
    /// In the block.
    Here { start: usize, len: usize },
    /// In a record of this number.
    Shared(u64),
}

impl Header {
    /// Takes an entry off the reader, which ends where the block does, at `end`.
    fn decode(reader: &mut Reader<'_>, last: Position, end: usize) -> Option<(Self, Place)> {
        let flags = reader.u8()?;
        if flags & !ALL_FLAGS != 0 {
            return None;
        }
        let position = Position(last.0.checked_add(reader.varint()?)?);
        let level = if flags & LEVEL == 0 { 0 } else { reader.u8()? };
        let expires_at = match flags & EXPIRES {
            0 => None,
            _ => Some(Timestamp::from_millis(reader.u64()?)),
        };
        let header = Self { flags, position, level, expires_at };
        if flags & SHARED != 0 {
            return Some((header, Place::Shared(reader.u64()?)));
        }
        let len = usize::try_from(reader.varint()?).ok()?;
        let start = end - reader.0.len();
        reader.take(len)?;
        Some((header, Place::Here { start, len }))
    }

    const fn with_message(self, message: Message) -> StoredMessage {
        let Self { flags, position, level, expires_at } = self;
        StoredMessage { position, message, level, expires_at, redelivered: flags & REDELIVERED != 0 }
    }
}
