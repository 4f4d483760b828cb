//! A consumer of a stream: where it reads, and how much it may be given.

use std::sync::Arc;

use amq_protocol::types::FieldTable;

use super::ahead::{Ahead, AheadBytes, Read};
use super::filter::Filter;
use crate::message::{Message, QueueId};
use crate::queue::{
    ConsumerDetails, ConsumerKey, ConsumerName, Effects, FeedCount, InboxShare, Inflow, LogChunk, LogMissed,
    OffsetSpec, WINDOW_BYTES,
};

/// Where a reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At this offset.
    At(u64),
    /// Its place is looked for in the store: the request's id.
    Sought(u64),
    /// It is given nothing: another reads with its cursor, or it only has messages to ack.
    Nowhere,
}

/// What a queue that is fed was given and can take, since its task began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) queue: QueueId,
    pub(super) given: FeedCount,
    pub(super) until: FeedCount,
    /// Messages that were passed over since its cursor was last written.
    pub(super) passed: usize,
}

/// A consumer of a stream.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) key: ConsumerKey,
    /// No other reader of the stream had this number.
    pub(super) turn: u32,
    pub(super) place: Place,
    /// Where it says that it begins.
    pub(super) spec: OffsetSpec,
    /// The cursor that it reads with.
    pub(super) cursor: Option<usize>,
    /// It is no consumer but a queue that is fed.
    pub(super) feeds: Option<Room>,
    /// It was cancelled, and still has messages to ack.
    pub(super) is_leaving: bool,
    pub(super) filter: Option<Filter>,
    pub(super) exclusive: bool,
    prefetch: u32,
    unacked: u32,
    window_used: usize,
    inflow: Inflow,
    name: ConsumerName,
    arguments: Arc<FieldTable>,
    /// Chunks that were read for it.
    chunks: Ahead,
    /// It wants a read, and others have their turn.
    pub(super) waits_to_read: bool,
    /// The read that is under way, and from where.
    pub(super) read: Option<u64>,
    /// Messages that were gone before it came to them.
    missed: u64,
}

/// What a reader is made of.
#[derive(Debug)]
pub(super) struct NewReader {
    pub(super) key: ConsumerKey,
    pub(super) turn: u32,
    pub(super) spec: OffsetSpec,
    pub(super) cursor: Option<usize>,
    pub(super) filter: Option<Filter>,
    pub(super) exclusive: bool,
    pub(super) prefetch: u16,
    pub(super) inbox: Option<InboxShare>,
    pub(super) name: ConsumerName,
    pub(super) arguments: Arc<FieldTable>,
}

impl Reader {
    /// Its consumer's tag.
    pub(super) fn tag(&self) -> Arc<str> {
        Arc::clone(&self.name.tag)
    }

    /// One that is nowhere yet. What is read for it is counted in `ahead`.
    pub(super) fn new(new: NewReader, ahead: AheadBytes) -> Self {
        let NewReader { key, turn, spec, cursor, filter, exclusive, prefetch, inbox, name, arguments } = new;
        Self {
            key,
            turn,
            place: Place::Nowhere,
            spec,
            cursor,
            feeds: None,
            is_leaving: false,
            filter,
            exclusive,
            prefetch: prefetch.into(),
            unacked: 0,
            window_used: 0,
            inflow: Inflow::new(inbox),
            name,
            arguments,
            chunks: Ahead::new(ahead),
            waits_to_read: false,
            read: None,
            missed: 0,
        }
    }

    /// Whether it may be given a message now.
    pub(super) const fn has_credit(&self) -> bool {
        if let Some(room) = &self.feeds {
            return room.given.messages < room.until.messages && room.given.bytes < room.until.bytes;
        }
        self.unacked < self.prefetch && self.window_used < WINDOW_BYTES
    }

    /// Whether what waits for its connection leaves room. If not, the stream hears of it when there is.
    pub(super) fn has_room(&self) -> bool {
        self.inflow.has_room()
    }

    /// What it was given in this batch is handed over.
    pub(super) fn end_batch(&mut self) {
        self.inflow.end_batch();
    }

    pub(super) const fn unacked(&self) -> u32 {
        self.unacked
    }

    /// A consumer that can still be given messages.
    pub(super) const fn is_consumer(&self) -> bool {
        self.feeds.is_none() && !self.is_leaving
    }

    /// It is given a message of so many bytes.
    pub(super) fn take(&mut self, bytes: usize) {
        self.unacked += 1;
        self.inflow.give(bytes);
        self.window_used += bytes;
    }

    /// It is done with a message.
    pub(super) const fn settle(&mut self) {
        self.unacked = self.unacked.saturating_sub(1);
    }

    /// So many bytes of its deliveries were written.
    pub(super) const fn written(&mut self, bytes: usize) {
        self.window_used = self.window_used.saturating_sub(bytes);
    }

    /// Chunks were read for it.
    pub(super) fn push(&mut self, chunks: Vec<LogChunk>) {
        self.chunks.extend(chunks);
    }

    /// Goes to an offset, and lets go of what lies before it.
    pub(super) fn go_to(&mut self, offset: u64) {
        self.place = Place::At(offset);
        while self.chunks.front().is_some_and(|chunk| chunk.next() <= offset) {
            self.chunks.pop_front();
        }
    }

    /// Goes to an offset wherever it is, and forgets what was read ahead.
    pub(super) fn jump(&mut self, offset: u64) {
        self.place = Place::At(offset);
        self.chunks.clear();
        self.read = None;
    }

    /// It is given nothing more.
    pub(super) fn leave(&mut self) {
        self.place = Place::Nowhere;
        self.is_leaving = true;
        self.chunks.clear();
        self.read = None;
    }

    /// Goes to an offset if that is before its place.
    pub(super) fn go_back(&mut self, offset: u64) {
        if matches!(self.place, Place::At(at) if offset < at) {
            self.jump(offset);
        }
    }

    pub(super) const fn key(&self) -> ConsumerKey {
        self.key
    }

    /// Goes on with an offset, for what lies before it is gone.
    pub(super) fn miss(&mut self, first: u64, next: u64, effects: &mut Effects) {
        self.missed += next - first;
        effects.counted.missed += next - first;
        effects.missed.push(LogMissed { consumer: self.name.clone(), first, next });
        self.go_to(next);
    }

    /// The chunk with this offset, if it was read; what is left of it has to be put back.
    pub(super) fn take_chunk(&mut self, offset: u64) -> Option<Read> {
        let is_in = self.chunks.front().is_some_and(|chunk| chunk.first <= offset && offset < chunk.next());
        if is_in { self.chunks.pop_front() } else { None }
    }

    /// Keeps a chunk that it has not gone behind yet.
    pub(super) fn put_back(&mut self, read: Read) {
        if matches!(self.place, Place::At(at) if at < read.chunk.next()) {
            self.chunks.push_front(read);
        }
    }

    /// The offset behind what was read.
    pub(super) fn read_up_to(&self) -> Option<u64> {
        self.chunks.back().map(LogChunk::next)
    }

    /// How many chunks were read and not delivered yet.
    pub(super) fn chunks_ahead(&self) -> usize {
        self.chunks.len()
    }

    /// Forgets what was read.
    pub(super) fn forget_chunks(&mut self) {
        self.chunks.clear();
    }

    pub(super) fn wants(&self, message: &Message) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.matches(message))
    }

    pub(super) fn may_want(&self, chunk: &LogChunk) -> bool {
        let (Some(filter), Some(set)) = (&self.filter, &chunk.filter) else { return true };
        filter.may_match(set)
    }

    pub(super) fn details(&self) -> ConsumerDetails {
        ConsumerDetails {
            key: self.key,
            name: self.name.clone(),
            no_ack: false,
            exclusive: self.exclusive,
            prefetch: self.prefetch,
            unacked: self.unacked,
            missed: self.missed,
            priority: 0,
            is_active: self.place != Place::Nowhere,
            ack_timeout_ms: None,
            arguments: Arc::clone(&self.arguments),
        }
    }
}
