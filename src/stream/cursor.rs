//! A cursor: a named place in a stream that the broker keeps, so that whoever reads with it goes on where the reader before it stopped. It is the
//! consumer group's committed offset of other logs, with the difference that it moves by acks.
//!
//! Invariants:
//! - all below the floor is done: acked, or not wanted by the filter, or gone by retention;
//! - the floor never goes beyond a message that a reader has and has not acked;
//! - one reader at a time is given messages, the others wait in the order in which they came;
//! - what is done is not delivered again as long as its record is there.

use std::collections::VecDeque;
use std::sync::Arc;

use super::cursor_name::RESERVED_PREFIX;
use super::held::Held;
use crate::message::Position;
use crate::message::packed::{self, push_varint};
use crate::message::runs::Runs;
use crate::time::Timestamp;

/// What is acked above the floor is kept as so many ranges at most. With more, nothing new is delivered until the floor moves.
const RANGES_MAX: usize = 500;
/// Of a cursor's record.
const VERSION: u8 = 1;

/// The first byte of the keys of cursors' records; what a queue remembers to recognise duplicates has others.
const RECORD: u8 = b'c';

/// Whether a record of a queue's own is a cursor's.
#[must_use]
pub fn is_cursor_record(key: &[u8]) -> bool {
    key.first() == Some(&RECORD)
}

/// The key of the record of the cursor with this name.
pub(super) fn record_key(name: &str) -> Vec<u8> {
    [&[RECORD], name.as_bytes()].concat()
}

/// The cursors that an earlier run left.
#[derive(Debug, Default)]
pub struct RecoveredCursors(pub(super) Vec<Cursor>);

impl RecoveredCursors {
    /// Of their records; `None` if one cannot be read.
    #[must_use]
    pub fn restored(records: &[(Vec<u8>, Vec<u8>)]) -> Option<Self> {
        let restored = |(key, value): &(Vec<u8>, Vec<u8>)| {
            let name = std::str::from_utf8(key.strip_prefix(&[RECORD])?).ok()?;
            Cursor::restored(name.into(), value)
        };
        records.iter().map(restored).collect::<Option<_>>().map(Self)
    }
}

/// A named place in a stream.
#[derive(Debug)]
pub(super) struct Cursor {
    pub(super) name: Arc<str>,
    /// Until its first reader knows where to begin there is none.
    floor: Option<u64>,
    /// What is done above the floor.
    done: Runs,
    held: Held,
    /// All below was delivered before, or passed over.
    delivered: u64,
    /// Where its readers are: the first is given messages, the others wait.
    readers: VecDeque<usize>,
    /// When it last had a reader, or was set.
    pub(super) used_at: Timestamp,
}

impl Cursor {
    pub(super) fn new(name: Arc<str>, now: Timestamp) -> Self {
        let (done, held, readers) = (Runs::default(), Held::default(), VecDeque::new());
        Self { name, floor: None, done, held, delivered: 0, readers, used_at: now }
    }

    /// What [`encode`](Self::encode) wrote; `None` if it cannot be read.
    pub(super) fn restored(name: Arc<str>, record: &[u8]) -> Option<Self> {
        let (&VERSION, rest) = record.split_first()? else { return None };
        let mut reader = packed::Reader(rest);
        let (floor, delivered) = (reader.varint()?, reader.varint()?);
        let used_at = Timestamp::from_millis(reader.varint()?);
        let done = Runs::decode(Position(floor), reader.0)?;
        let (held, readers) = (Held::default(), VecDeque::new());
        Some(Self { name, floor: Some(floor), done, held, delivered, readers, used_at })
    }

    /// Whether it is of a queue that is fed: its record is written with what the queue was given, and not without.
    pub(super) fn is_of_queue(&self) -> bool {
        self.name.starts_with(RESERVED_PREFIX)
    }

    /// As it is written; nothing as long as it has no place.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let floor = self.floor?;
        let mut record = vec![VERSION];
        push_varint(&mut record, floor);
        push_varint(&mut record, self.delivered);
        push_varint(&mut record, self.used_at.as_millis());
        record.extend(self.done.encode(Position(floor)));
        Some(record)
    }

    /// The lowest offset that is not done.
    pub(super) const fn floor(&self) -> Option<u64> {
        self.floor
    }

    /// Goes to an offset: everything from there on is to be delivered, and nothing below.
    pub(super) fn place(&mut self, offset: u64) {
        self.floor = Some(offset);
        self.delivered = offset;
        self.done = Runs::default();
        self.held = Held::default();
    }

    /// What to do with the message at an offset: `None` if it is done, or somebody has it; else whether it was delivered before.
    pub(super) fn wants(&self, offset: u64) -> Option<bool> {
        if offset >= self.delivered {
            return Some(false);
        }
        let is_done = self.floor.is_some_and(|floor| offset < floor) || self.done.contains(Position(offset));
        (!is_done && !self.held.has(offset)).then_some(true)
    }

    /// Whether it can note more that is done above its floor.
    pub(super) fn has_room(&self) -> bool {
        self.done.ranges() < RANGES_MAX
    }

    /// The reader of this turn is given a message.
    pub(super) fn give(&mut self, offset: u64, turn: u32) {
        self.held.add(offset, turn);
        self.delivered = self.delivered.max(offset + 1);
    }

    /// Messages that its reader does not want.
    pub(super) fn pass(&mut self, from: u64, next: u64) {
        if from < next {
            self.delivered = self.delivered.max(next);
            self.finish(from, next - 1);
        }
    }

    /// The reader of this turn is done with a message; `false` if it does not have it.
    pub(super) fn settle(&mut self, offset: u64, turn: u32) -> bool {
        let had = self.held.remove(offset, turn);
        if had {
            self.finish(offset, offset);
        }
        had
    }

    /// The reader of this turn gives a message back; `false` if it does not have it.
    pub(super) fn give_back(&mut self, offset: u64, turn: u32) -> bool {
        self.held.remove(offset, turn)
    }

    /// The reader of this turn gives all back that it has. The lowest offset, if it has any.
    pub(super) fn give_all_back(&mut self, turn: u32) -> Option<u64> {
        self.held.remove_all(turn)
    }

    fn finish(&mut self, first: u64, last: u64) {
        let Some(floor) = self.floor else { return };
        if first > floor {
            self.done.insert(Position(first), Position(last));
        } else if last >= floor {
            self.floor = Some(self.done.take_up_to(Position(last + 1)).0);
        }
    }

    /// All below an offset is gone.
    pub(super) fn trim(&mut self, first: u64) {
        self.delivered = self.delivered.max(first);
        if self.floor.is_some_and(|floor| floor < first) {
            self.floor = Some(self.done.take_up_to(Position(first)).0);
        }
    }

    /// The reader that is given messages, by its place.
    pub(super) fn active(&self) -> Option<usize> {
        self.readers.front().copied()
    }

    /// How many readers wait until it is their turn.
    pub(super) fn waiting(&self) -> usize {
        self.readers.len().saturating_sub(1)
    }

    /// Messages that readers have.
    pub(super) fn unacked(&self) -> usize {
        self.held.len()
    }

    /// A reader comes; whether it is given messages at once.
    pub(super) fn add_reader(&mut self, slot: usize) -> bool {
        self.readers.push_back(slot);
        self.readers.len() == 1
    }

    /// A reader is given no more; whether another is from now on.
    pub(super) fn remove_reader(&mut self, slot: usize) -> bool {
        let was_active = self.active() == Some(slot);
        self.readers.retain(|reader| *reader != slot);
        was_active && !self.readers.is_empty()
    }

    /// All its readers are gone.
    pub(super) fn forget_readers(&mut self) {
        self.readers.clear();
        self.held = Held::default();
    }

    /// Nobody reads with it, and nobody has to ack what was read.
    pub(super) fn is_unused(&self) -> bool {
        self.readers.is_empty() && self.held.len() == 0
    }

    /// Bytes of memory that it takes, about.
    pub(super) fn footprint(&self) -> usize {
        size_of::<Self>() + self.name.len() + self.done.ranges() * 16 + self.held.len() * 16
    }
}
