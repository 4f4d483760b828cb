//! What a queue answers.

use std::sync::Arc;

use super::counts::{Counts, Measures};
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
    /// The queue has no such consumer.
    NoConsumer,
    /// The stream has no such cursor.
    NoCursor,
    /// A place in a stream, or where a cursor is now: the offset.
    Located(u64),
    /// Refused: the stream has as many cursors as it may have.
    TooManyCursors(usize),
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
    /// What metrics want.
    Measured(Measures),
    /// All that there is to know about the queue.
    Described(Box<Details>),
}
