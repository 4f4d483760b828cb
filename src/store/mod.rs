//! What outlives the process: messages of durable queues, and definitions.
//!
//! Everything is written by one committer, which takes [`Submission`]s from any number of [`StoreHandle`]s, commits
//! what is there as one batch (one fdatasync), and then releases the publisher confirms and callbacks that wait
//! for it. Nothing waits inside [`StoreHandle::submit`].
//!
//! Messages come back by [`StoreHandle::load`]: those of durable queues out of their chunks, and any others out of the
//! pages that their queue wrote with [`StoreHandle::write_page`], which last no longer than the process. The pager, a
//! thread of its own, reads and writes for both, so that a slow read delays no commit.
//!
//! Invariants:
//! - Submissions take effect in the order in which they were submitted, each as a whole; those of one [`Join`]
//!   together, when the last of them came.
//! - What was confirmed, or whose `done` was called, survives the death of the machine. What was only removed or
//!   marked as delivered survives the death of the process; losing that is a redelivery.
//! - A load finds everything that was submitted, or written to its page, before it.
//! - Only `fjall_engine` knows fjall and only `journal_check` its journal format. Nothing here knows tokio.

mod bodies;
mod chunk;
mod committer;
mod confirms;
mod engine;
mod ephemeral;
mod error;
mod fjall_engine;
mod handle;
mod index;
mod journal_check;
mod memory;
mod pager;
mod pages;
mod recovery;
#[cfg(test)]
mod tests;
mod thread;

pub use engine::{Durability, Engine, Reader, Space, Visitor, Write, WriteBatch};
pub use error::Error;
pub use handle::{Stats, StoreHandle};
pub use memory::{MemoryDisk, MemoryEngine};
pub use thread::{ManualCommitter, OpenOptions, Store, open, open_manual};

use crate::message::runs::Runs;
use crate::message::{Message, Position, QueueId};
use crate::time::Timestamp;
use handle::Shared;
use std::collections::{BTreeMap, HashMap};
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
    /// The queue's messages are gone (its definition is a separate [`Op::RemoveDefinition`]).
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
                    entries.iter().map(|entry| FIXED + bodies::share(entry)).sum()
                }
                Self::Remove { positions, .. } => size_of_val(positions.as_slice()),
                Self::Note { note, .. } => note.len(),
                Self::Record { key, value, .. } => key.len() + value.as_ref().map_or(0, Vec::len),
                Self::Purge { keep, .. } => size_of_val(keep.as_slice()),
                Self::PutDefinition { key, value } => key.len() + value.len(),
                Self::RemoveDefinition { key } => key.len(),
                Self::Delivered { .. } | Self::DeleteQueue { .. } => 0,
            }
    }
}

/// All submissions with one `id` form one atomic unit; it is held until `parts` of them came. For moves between
/// queues: with a crash before the last part came, none of them happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Join {
    /// From [`StoreHandle::next_join_id`].
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

    fn cost(&self) -> usize {
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

/// What was found at start.
#[derive(Debug, Default)]
pub struct Recovered {
    /// All definitions.
    pub definitions: BTreeMap<String, Vec<u8>>,
    /// The queues that have messages or records. Some may have no definition any more: delete those.
    pub queues: HashMap<QueueId, RecoveredQueue>,
    /// Queue ids from here on were never used.
    pub first_queue_id: u64,
    /// Where queues without messages go on.
    pub next_position: Position,
    /// What was cut off a journal, for the log.
    pub healed: Option<String>,
}

/// What was found of a queue. The messages themselves are not read at a start.
#[derive(Clone, Debug, Default)]
pub struct RecoveredQueue {
    /// Its messages, by ascending first position; two stretches can interleave.
    pub stretches: Vec<Stretch>,
    /// Everything at or below this may have been delivered before.
    pub delivered: Position,
    /// What was noted on some of them, ascending.
    pub notes: Vec<(Position, Vec<u8>)>,
    /// Its own records, by ascending keys.
    pub records: Vec<(Vec<u8>, Vec<u8>)>,
    /// Positions from here on were never used.
    pub next_position: Position,
}

/// Messages of one level of a queue that are stored together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// The level.
    pub level: u8,
    /// The messages.
    pub positions: Runs,
    /// Bytes of their bodies.
    pub body_bytes: u64,
    /// Bytes of their encoded forms.
    pub encoded_bytes: u64,
    /// Whether any of them has a TTL.
    pub may_expire: bool,
}

/// Messages to be read.
pub struct Load {
    /// The queue.
    pub queue: QueueId,
    /// Which of its messages: they must not be removed before they came.
    pub positions: Runs,
    /// Whether any of them is in a chunk.
    pub stored: bool,
    /// The page that has the others; it is gone when it was read, unless it is kept.
    pub page: Option<u64>,
    /// Whether the page is kept.
    pub keeps_page: bool,
    /// Gets them, ascending; on a thread of the store: must be quick and not block. If they cannot be read the store
    /// fails, and this is dropped.
    pub done: Box<dyn FnOnce(Vec<StoredMessage>) + Send>,
}

impl fmt::Debug for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Load").field("queue", &self.queue).field("page", &self.page).finish_non_exhaustive()
    }
}
