//! What a stream and the store tell each other. A stream is an ordered log: its messages have offsets, 0 and up without gaps, which the store gives
//! out when they are durable.

use std::sync::Arc;

use super::filter_set::FilterSet;
use super::ids::{ConsumerKey, ConsumerName};
use super::offset_spec::OffsetSpec;
use super::options::Source;
use crate::message::{LogSegment, Message, QueueId};
use crate::time::Timestamp;

/// Messages that are stored together, under consecutive offsets.
#[derive(Clone, Debug)]
pub struct LogChunk {
    /// The offset of the first.
    pub first: u64,
    /// When they came. Never earlier than that of a chunk before.
    pub at: Timestamp,
    /// Which filter values they have, as [`FilterSet::encode`] writes it; `None` if only they can tell.
    pub filter: Option<Vec<u8>>,
    /// The messages.
    pub messages: Vec<Message>,
}

impl LogChunk {
    /// The offset after its last message.
    #[must_use]
    pub const fn next(&self) -> u64 {
        self.first + self.messages.len() as u64
    }
}

/// A chunk to be stored, under the next offsets that there are then.
#[derive(Clone, Debug)]
pub struct LogAppend {
    /// Comes back with [`LogNews::Committed`].
    pub ticket: u64,
    /// When the messages came.
    pub at: Timestamp,
    /// Which filter values the messages have.
    pub filter: FilterSet,
    /// The messages, at least one.
    pub messages: Vec<Message>,
    /// The segment before it is complete: from here on nothing is added to it.
    pub begins_segment: bool,
}

/// Chunks to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRead {
    /// Comes back with [`LogNews::Read`].
    pub id: u64,
    /// The offset of the first message that is wanted.
    pub from: u64,
    /// So many bytes, or one chunk if that has more.
    pub bytes_max: usize,
}

/// A place by its time: the first chunk among these offsets whose time is at or after the one given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSeek {
    /// Comes back with [`LogNews::Found`].
    pub id: u64,
    /// The first offset where it may be.
    pub first: u64,
    /// The offset behind the last.
    pub next: u64,
    /// The time.
    pub at: Timestamp,
}

/// What a stream asks of the store in a batch.
#[derive(Debug, Default)]
pub struct LogEffects {
    /// Chunks, in their order.
    pub appends: Vec<LogAppend>,
    /// All below this offset goes.
    pub trim: Option<u64>,
    /// Reads.
    pub reads: Vec<LogRead>,
    /// Places to be found.
    pub seeks: Vec<LogSeek>,
}

impl LogEffects {
    /// Whether nothing is asked.
    #[must_use]
    pub const fn is_clear(&self) -> bool {
        let Self { appends, trim, reads, seeks } = self;
        appends.is_empty() && trim.is_none() && reads.is_empty() && seeks.is_empty()
    }
}

/// Messages that were gone, too old or too many, before a consumer came to them.
#[derive(Clone, Debug)]
pub struct LogMissed {
    /// The consumer.
    pub consumer: ConsumerName,
    /// The offset of the first.
    pub first: u64,
    /// The offset that the consumer goes on with.
    pub next: u64,
}

/// What the store has to say to a stream.
#[derive(Debug)]
pub enum LogNews {
    /// The chunk of this ticket is durable, and has the offsets from this one on.
    Committed {
        /// The ticket.
        ticket: u64,
        /// The offset of its first message.
        first: u64,
    },
    /// Chunks that were asked for: from the one that has the offset on, or the next one that is there.
    Read {
        /// The id of the request.
        id: u64,
        /// The chunks.
        chunks: Vec<LogChunk>,
    },
    /// The place that was asked for; the end of where it was looked for if there is none.
    Found {
        /// The id of the request.
        id: u64,
        /// The offset.
        offset: u64,
    },
}

/// What is done by hand to a cursor: a named place in a stream that the broker keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CursorChange {
    /// It goes to a place, and is made if it is not there. Reply: `Located` or `TooManyCursors`.
    Move {
        /// Its name.
        name: Arc<str>,
        /// Where to.
        to: OffsetSpec,
    },
    /// It goes. Reply: `Done`, `NoCursor`, or `InUse` if somebody reads with it.
    Delete {
        /// Its name.
        name: Arc<str>,
    },
}

/// What a queue that is fed from a stream can take. It counts from when the queue's task began, so that a request that comes late, or twice, or
/// to a stream that was made anew, does no harm.
#[derive(Clone, Debug)]
pub struct FeedRequest {
    /// The queue.
    pub queue: QueueId,
    /// Its name.
    pub name: Arc<str>,
    /// What it says of the stream.
    pub source: Source,
    /// It has just been declared: what an earlier queue of its name left is nothing to it.
    pub is_new: bool,
    /// Messages that came to it so far.
    pub taken: FeedCount,
    /// It can take so many in all.
    pub until: FeedCount,
}

/// Messages that a queue was fed, and bytes of their bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedCount {
    /// Messages.
    pub messages: u64,
    /// Bytes.
    pub bytes: u64,
}

impl FeedCount {
    /// The greater of each.
    #[must_use]
    pub fn or_more(self, other: Self) -> Self {
        Self { messages: self.messages.max(other.messages), bytes: self.bytes.max(other.bytes) }
    }
}

/// Messages of a stream for a queue that is fed from it.
#[derive(Debug)]
pub struct Fed {
    /// The queue.
    pub queue: QueueId,
    /// The messages by their offsets; none if all were passed over.
    pub messages: Vec<(u64, Message)>,
    /// The record of the cursor behind them, to be written in one with the queue's own records: key and value.
    pub cursor: (Vec<u8>, Vec<u8>),
}

/// A cursor, for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CursorDetails {
    /// Its name.
    pub name: Arc<str>,
    /// Its floor: the lowest offset that is not done. Who reads with it after a restart begins here.
    pub offset: u64,
    /// How many messages lie between there and the end of the stream.
    pub lag: u64,
    /// Messages that its readers have and have not acked.
    pub unacked: usize,
    /// Who is given messages.
    pub reader: Option<ConsumerKey>,
    /// How many readers wait for their turn.
    pub waiting: usize,
    /// When it last had a reader, or was set.
    pub used_at: Timestamp,
}

/// What there is of a stream, for operators.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogDetails {
    /// The oldest offset; the next one if there is none.
    pub first: u64,
    /// The offset that the next message gets.
    pub next: u64,
    /// How many segments there are.
    pub segments: usize,
    /// The time of the oldest chunk.
    pub first_at: Option<Timestamp>,
    /// The time of the newest chunk.
    pub last_at: Option<Timestamp>,
    /// Its cursors, by name.
    pub cursors: Vec<CursorDetails>,
}

/// What an earlier run left of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveredStream {
    /// Its segments, ascending and without gaps; the last one is open.
    pub segments: Vec<LogSegment>,
    /// The first offset of the last chunk.
    pub last_chunk: u64,
}
