//! The inbox of a connection, as far as queues have to know it: what they put there waits until the connection takes it in,
//! and takes memory meanwhile.
//!
//! A consumer's window bounds what waits for it alone, the inbox what waits for all consumers of a connection together. A queue
//! that finds no room stands in line: when there is room it is told by
//! [`Command::InboxHasRoom`](crate::queue::Command::InboxHasRoom).

use std::fmt::Debug;
use std::sync::Arc;

use crate::message::QueueId;

/// Deliveries of a batch are entered in pieces of so many bytes, and what is left of them at its end: seldom enough that it costs
/// nothing per message, often enough that a batch with many consumers does not put far more there than there is room for.
const ENTRY_BYTES: usize = 16 * 1024;

/// What waits for one connection, over all its queues.
pub trait Inbox: Debug + Send + Sync {
    /// Whether there is room. If not, the queue is in line.
    fn has_room(&self, queue: QueueId) -> bool;

    /// Deliveries of so many bytes come. It takes them whether there is room or not.
    fn enter(&self, bytes: usize);

    /// Deliveries of so many bytes that were entered do not come after all.
    fn take_back(&self, bytes: usize);
}

/// The way of a queue to the inbox of a consumer's connection.
#[derive(Clone, Debug)]
pub struct InboxShare {
    inbox: Arc<dyn Inbox>,
    queue: QueueId,
}

impl InboxShare {
    /// The way of the queue with this id.
    #[must_use]
    pub fn new(inbox: Arc<dyn Inbox>, queue: QueueId) -> Self {
        Self { inbox, queue }
    }
}

/// What one consumer is given in a batch, on its way to the inbox.
#[derive(Debug)]
pub(crate) struct Inflow {
    /// `None`: nobody counts what waits there.
    to: Option<InboxShare>,
    /// Bytes that were given and are not entered yet.
    open: usize,
}

impl Inflow {
    pub(crate) const fn new(to: Option<InboxShare>) -> Self {
        Self { to, open: 0 }
    }

    /// Whether the consumer may be given a message: asked at the first of a batch, and of each piece.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.open > 0 || self.to.as_ref().is_none_or(|to| to.inbox.has_room(to.queue))
    }

    /// A delivery of so many bytes was given.
    #[inline]
    pub(crate) fn give(&mut self, bytes: usize) {
        self.open += bytes;
        if self.open >= ENTRY_BYTES {
            self.end_batch();
        }
    }

    /// What was given is handed over.
    pub(crate) fn end_batch(&mut self) {
        let bytes = std::mem::take(&mut self.open);
        if let (Some(to), true) = (&self.to, bytes > 0) {
            to.inbox.enter(bytes);
        }
    }

    /// So many bytes that were given in this batch, which is all of them, are not handed over after all.
    pub(crate) fn take_back(&mut self, bytes: usize) {
        let entered = bytes - std::mem::take(&mut self.open);
        if let (Some(to), true) = (&self.to, entered > 0) {
            to.inbox.take_back(entered);
        }
    }
}
