//! Looking at messages without touching them.

use super::attempts::{Attempts, WaitKind};
use super::ids::{ConnectionId, ConsumerName};
use crate::message::{Message, Position};
use crate::time::Time;

/// Messages that one peek shows at most: so many are answered within a batch.
pub const PEEK_MAX: usize = 100;

/// Which messages a peek is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeekState {
    /// Ready for delivery; in the order in which they would be delivered.
    Ready,
    /// Delivered and not yet settled; those that are held longest first.
    Unacked,
    /// Waiting for their next attempt; those that are due first come first.
    Delayed,
    /// Set aside; those that are due first come first.
    Parked,
    /// Waiting for their time in the queue of a delayed exchange, as far as they are in memory; those that are due first come first.
    Scheduled,
    /// Of a stream: from this offset on. Other queues show nothing.
    From(Position),
    /// The one at this position, whatever its state. The queue looks through all messages for it, at a million at most.
    At(Position),
}

/// Ready messages among which one is looked for by its position: some ten milliseconds.
pub(super) const LOOKED_THROUGH_MAX: usize = 1_000_000;

/// What is to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peek {
    /// Messages in this state.
    pub state: PeekState,
    /// So many are passed over. The queue walks over them, so the cost grows with it.
    pub offset: usize,
    /// At most so many are shown, and never more than [`PEEK_MAX`].
    pub limit: usize,
}

/// A message as a peek finds it.
#[derive(Clone, Debug)]
pub struct Peeked {
    /// Its position.
    pub position: Position,
    /// As its next consumer gets it, or its holder got it; `None` if it is not in memory.
    pub message: Option<Message>,
    /// Where it is to be read, if it is not in memory. The queue reads nothing for a peek.
    pub on_disk: Option<OnDisk>,
    /// Whether it may have been delivered before; of an unacked one: before its present delivery.
    pub redelivered: bool,
    /// When it expires, or [`Time::NEVER`]; `None` if only the message itself tells and it is not in memory.
    pub expires: Option<Time>,
    /// The priority it has in this queue.
    pub priority: u8,
    /// Where it is.
    pub place: PeekedPlace,
    /// What the queue knows of deliveries that failed; `None` if it never came back, or the queue has no failure policy.
    pub attempts: Option<Attempts>,
}

/// Where messages lie that were put out of memory together, in the terms of a [`Load`](super::Load).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OnDisk {
    /// What they are called, and their page, if they have one.
    pub id: u64,
    /// Whether the store has any of them as records of their own.
    pub stored: bool,
    /// Whether any of them are in a page.
    pub paged: bool,
}

/// Where a message is that a peek found.
#[derive(Clone, Debug)]
pub enum PeekedPlace {
    /// Among the ready ones.
    Ready,
    /// With a consumer, or whoever got it.
    Unacked(Holder),
    /// It waits.
    Waiting {
        /// For its next attempt, or parked.
        kind: WaitKind,
        /// When its wait ends; when it expires, if that is earlier.
        due: Time,
    },
}

/// Who has an unacked message.
#[derive(Clone, Debug)]
pub struct Holder {
    /// The connection.
    pub connection: ConnectionId,
    /// The channel.
    pub channel: u16,
    /// The consumer; `None` after basic.get, or when the consumer is gone.
    pub consumer: Option<ConsumerName>,
    /// Since when it has the message, or when it last said that it makes progress.
    pub since: Time,
}
