//! What the store is told: operations on messages and definitions, which of them belong together, and who waits for them.

use super::logs::LogAppend;
use super::shared_body;
use crate::message::{Message, Position, QueueId};
use crate::time::Timestamp;
use std::fmt;
use std::sync::Arc;

/// A message in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its place in the queue.
    pub position: Position,
    /// The message.
    pub message: Message,
    /// Which of the queue's levels it is in: its priority, where the queue has any.
    pub level: u8,
    /// When its TTL ends, if it has one.
    pub expires_at: Option<Timestamp>,
    /// Whether it may have been delivered before.
    pub redelivered: bool,
}

/// No definition has this name.
const BEAT_KEY: &str = "~beat";

/// A change of what is stored.
#[derive(Clone, Debug)]
pub enum Op {
    /// Adds messages to a durable queue: positions ascending, all above earlier ones of that queue (except for those
    /// that wait in a [`Join`]).
    Append {
        /// The queue.
        queue: QueueId,
        /// The messages.
        entries: Vec<StoredMessage>,
    },
    /// Acked, expired, dropped: gone. Any order; unknown positions are ignored.
    Remove {
        /// The queue.
        queue: QueueId,
        /// The messages.
        positions: Vec<Position>,
    },
    /// Everything at or below this was delivered at least once: comes back redelivered after a crash.
    Delivered {
        /// The queue.
        queue: QueueId,
        /// The highest position delivered.
        up_to: Position,
    },
    /// Sets what is noted on a message; it goes with the message.
    Note {
        /// The queue.
        queue: QueueId,
        /// The message.
        position: Position,
        /// The note; what is in it is not the store's business.
        note: Vec<u8>,
    },
    /// Sets one of a queue's own records, or removes it. They are what a queue remembers beside its messages: a purge
    /// leaves them, and they go with the queue.
    Record {
        /// The queue.
        queue: QueueId,
        /// Names it within the queue; at most 65,000 bytes, an engine limit.
        key: Vec<u8>,
        /// What is in it is not the store's business; `None` removes it.
        value: Option<Vec<u8>>,
    },
    /// Removes all below `before` except `keep` (ascending; the unacked ones).
    Purge {
        /// The queue.
        queue: QueueId,
        /// The first position that stays.
        before: Position,
        /// Positions below it that stay, too.
        keep: Vec<Position>,
    },
    /// Adds a chunk to a stream.
    AppendLog(LogAppend),
    /// All below an offset of a stream goes. It counts with its commit; space comes back bit by bit.
    TrimLog {
        /// The stream.
        stream: QueueId,
        /// The first offset of a segment that somebody was told of.
        before: u64,
    },
    /// The messages of a queue or stream are gone (its definition is a separate [`Op::RemoveDefinition`]).
    DeleteQueue {
        /// The queue.
        queue: QueueId,
    },
    /// Sets a definition.
    PutDefinition {
        /// Its name; at most 65,000 bytes, an engine limit.
        key: String,
        /// Its value.
        value: Vec<u8>,
    },
    /// Removes a definition, if it is there.
    RemoveDefinition {
        /// Its name.
        key: String,
    },
}

impl Op {
    /// What this costs in memory while it is pending, in bytes.
    fn cost(&self) -> usize {
        /// Of an operation or an entry, besides its bytes.
        const FIXED: usize = 64;
        FIXED
            + match self {
                Self::Append { entries, .. } => {
                    entries.iter().map(|entry| FIXED + shared_body::share(&entry.message)).sum()
                }
                Self::AppendLog(append) => {
                    let entries = append.entries.iter();
                    append.filter.len() + entries.map(|entry| FIXED + entry.encoded_len()).sum::<usize>()
                }
                Self::Remove { positions, .. } => size_of_val(positions.as_slice()),
                Self::Note { note, .. } => note.len(),
                Self::Record { key, value, .. } => key.len() + value.as_ref().map_or(0, Vec::len),
                Self::Purge { keep, .. } => size_of_val(keep.as_slice()),
                Self::PutDefinition { key, value } => key.len() + value.len(),
                Self::RemoveDefinition { key } => key.len(),
                Self::Delivered { .. } | Self::TrimLog { .. } | Self::DeleteQueue { .. } => 0,
            }
    }
}

/// All submissions with one `id` form one atomic unit; it is held until `parts` of them came. For moves between
/// queues: with a crash before the last part came, none of them happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Join {
    /// From [`StoreHandle::next_join_id`](super::StoreHandle::next_join_id).
    pub id: u64,
    /// How many submissions it has; 0 counts as 1.
    pub parts: u32,
}

/// Takes the confirms of one connection. Called on the committer's thread: must be quick and not block.
pub trait ConfirmSink: Send + Sync {
    /// The publishes `first..=last` of this channel are durable.
    fn confirmed(&self, channel: u16, first: u64, last: u64);
}

/// Publishes to be confirmed once they are durable.
#[derive(Clone)]
pub struct Confirm {
    /// Whom to tell.
    pub sink: Arc<dyn ConfirmSink>,
    /// The channel.
    pub channel: u16,
    /// The first publish sequence number.
    pub first: u64,
    /// The last one, included.
    pub last: u64,
}

/// Operations that take effect together, and who waits for them.
#[derive(Default)]
pub struct Submission {
    /// The operations, in order.
    pub ops: Vec<Op>,
    /// Which other submissions this one belongs with.
    pub join: Option<Join>,
    /// The confirms wait for all units that this queue takes part in, too, and that miss other parts.
    pub after: Option<QueueId>,
    /// Confirms to release when this is durable.
    pub confirms: Vec<Confirm>,
    /// Called when this is durable, on the committer's thread: must be quick and not block.
    pub done: Option<Box<dyn FnOnce() + Send>>,
}

impl Submission {
    /// A submission of one operation that nobody waits for.
    #[must_use]
    pub fn of(op: Op) -> Self {
        Self { ops: vec![op], ..Self::default() }
    }

    /// One that changes nothing, and yet goes all the way: whoever waits for it knows that the committer and its engine get on.
    #[must_use]
    pub fn beat() -> Self {
        Self::of(Op::RemoveDefinition { key: BEAT_KEY.to_owned() })
    }

    /// The same with a callback for when it is durable.
    #[must_use]
    pub fn with_done(mut self, done: impl FnOnce() + Send + 'static) -> Self {
        self.done = Some(Box::new(done));
        self
    }

    /// Whether it neither changes anything nor is waited for. A part of a join is never empty: it is counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty() && self.join.is_none() && self.confirms.is_empty() && self.done.is_none()
    }

    /// What this costs in memory while it is pending, in bytes.
    pub(super) fn cost(&self) -> usize {
        self.ops.iter().map(Op::cost).sum()
    }
}

impl fmt::Debug for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submission")
            .field("ops", &self.ops)
            .field("join", &self.join)
            .field("confirms", &self.confirms.len())
            .field("done", &self.done.is_some())
            .finish()
    }
}
