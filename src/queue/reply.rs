//! What a queue answers, and numbers about it.

use std::sync::Arc;

use super::delivery::Delivery;
use super::details::Details;
use super::peek::Peeked;

/// The answer to a command that has one.
#[derive(Debug)]
pub enum Reply {
    /// Nothing to say.
    Done,
    /// The answer comes with [`Effects::deferred_replies`](super::Effects::deferred_replies), under this ticket: messages have
    /// to come back to memory first, or the batch has to end.
    Deferred(u64),
    /// The consumer was added.
    Consuming,
    /// Refused: the queue has an exclusive consumer, or exclusivity was asked for and there are consumers.
    InExclusiveUse,
    /// Refused: messages of the queue cannot be read. Why.
    Unreadable(Arc<str>),
    /// A message for basic.get.
    Got {
        /// The message; its handle means nothing if it was got with no_ack.
        delivery: Delivery,
        /// Ready messages left.
        remaining: usize,
    },
    /// Nothing ready for basic.get.
    Empty,
    /// That many messages are no longer parked.
    Released(usize),
    /// That many parked messages were dropped.
    Dropped(usize),
    /// Purged that many messages.
    Purged(usize),
    /// Deleted with that many ready messages in it.
    Deleted(usize),
    /// Not deleted: it has consumers.
    InUse,
    /// Not deleted: it has ready messages.
    NotEmpty,
    /// Messages that were looked at.
    Peeked(Vec<Peeked>),
    /// Numbers about the queue.
    Counts(Counts),
    /// All that there is to know about the queue.
    Described(Box<Details>),
}

/// Numbers about a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages ready for delivery.
    pub ready: usize,
    /// Messages delivered and not yet settled.
    pub unacked: usize,
    /// Consumers.
    pub consumers: usize,
    /// Bytes of ready messages' bodies.
    pub ready_bytes: usize,
    /// Messages that wait for their next attempt.
    pub delayed: usize,
    /// Messages that are set aside.
    pub parked: usize,
}

/// A queue's backlog and how fast it is consumed. Flow control decides by these whether publishers wait.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// What its ready messages cost in memory, or would if they were there, in bytes.
    pub backlog: usize,
    /// The same of all messages that ever left: it only grows.
    pub taken: u64,
    /// Consumers at the queue.
    pub consumers: usize,
}
