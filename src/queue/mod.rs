//! The queue: one synchronous state machine per queue, with no IO and no clock.
//!
//! A caller hands it [`Command`]s with the time, calls [`Queue::settle_batch`] once they are all in, and carries out
//! the [`Effects`]. A batch is all the commands that waited in the queue's mailbox: deliveries, confirms and store
//! records leave once per batch, never per message.
//!
//! Invariants:
//! - a message is in exactly one place: ready, unacked, waiting (delayed or parked), or handed out in an effect (delivered without ack, dropped,
//!   dead-lettered);
//! - a [position](crate::message::Position) is never reused, and a requeued message returns to its position;
//! - what is unacked or waits, and is not in memory, has its message again before it goes anywhere, and nothing behind it overtakes it;
//! - what is ready but not in memory ([`Window`]) is known by segments; a segment comes back before anything behind it is
//!   touched, and a command that needs it waits;
//! - a consumer never has more unacked messages than its prefetch, nor more bytes on their way than its window;
//! - same commands and times in, same effects out.

mod absent;
pub mod attempts;
mod consumers;
pub mod dead_letter;
mod delayed;
mod effects;
mod failing;
pub mod failure_options;
mod level;
mod limit;
mod machine;
mod once;
pub mod options;
mod paging;
mod paused;
mod ready;
pub mod retry;
mod seen;
mod segment;
#[cfg(test)]
mod tests;
mod unacked;
mod window;

pub use attempts::{Attempts, Ending, Pause};
pub use consumers::{ConsumerKey, WINDOW_BYTES};
pub use delayed::Due;
pub use effects::{
    DeadLetter, Deliveries, Delivery, Effects, Ended, Load, Page, Range, StoreAppend, TimedOut, delivery_cost,
};
pub use failing::Wish;
pub use failure_options::{AckTimeout, OwnTimeout, TimeoutAction};
pub use limit::ChannelLimit;
pub use machine::{Queue, Restored};
pub use options::{Overflow, QueueOptions};
pub use seen::{Records, Seen};
pub use segment::Stretch;
pub use window::Window;

use std::sync::Arc;

use crate::message::{Message, Position};
use crate::unique::Mark;

/// Names a connection within one run of the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Where an unacked message stands: given out with each delivery, handed back to settle it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle {
    /// Index into the queue's unacked messages.
    pub slot: u32,
    /// Guards against a slot that was reused for the same message: a late settlement is not one of its next delivery.
    pub turn: u32,
    /// Guards against a slot that was reused for another message.
    pub position: Position,
}

/// A message on its way into a queue.
#[derive(Clone, Debug)]
pub struct Publish {
    /// The message.
    pub message: Message,
    /// The publisher's channel.
    pub channel: u16,
    /// Publish sequence number on that channel if the publisher wants a confirm, else 0.
    pub sequence: u64,
    /// The message's own TTL in milliseconds.
    pub ttl_ms: Option<u64>,
    /// The message's priority; 0 if it has none.
    pub priority: u8,
}

/// A message with what its queues know it again by. Apart from others, because few messages have it and it would cost all.
#[derive(Clone, Debug)]
pub struct Marked {
    /// The message.
    pub publish: Publish,
    /// What it is known by.
    pub mark: Arc<Mark>,
}

/// What happens to an unacked message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// basic.ack: it is done with.
    Ack,
    /// basic.nack with requeue, or recover: back to its position.
    Requeue,
    /// basic.reject with requeue: the same, and the consumer failed.
    Fail,
    /// basic.nack or reject without requeue: dead-lettered with reason `rejected`, or dropped.
    Reject,
}

/// A consumer to be added.
#[derive(Clone, Debug)]
pub struct Consume {
    /// Who it is.
    pub key: ConsumerKey,
    /// Deliveries count as acked at once.
    pub no_ack: bool,
    /// No other consumer may be on the queue.
    pub exclusive: bool,
    /// Unacked messages it may have at a time; 0: no limit.
    pub prefetch: u16,
    /// `x-priority`: consumers with a higher one are served first.
    pub priority: i32,
    /// The channel's shared limit (basic.qos with global = true).
    pub limit: Option<Arc<ChannelLimit>>,
    /// How long it may keep a message.
    pub ack_timeout: OwnTimeout,
    /// Its consumer tag and where it is connected from: for whoever has to find out why a message failed.
    pub name: ConsumerName,
}

/// What people know a consumer by.
#[derive(Clone, Debug, Default)]
pub struct ConsumerName {
    /// Its tag.
    pub tag: Arc<str>,
    /// Its connection's address.
    pub peer: Arc<str>,
}

/// What can be asked of a queue.
#[derive(Debug)]
pub enum Command {
    /// Messages of one connection, in order.
    Publish(ConnectionId, Vec<Publish>),
    /// Messages of one connection, in order, each to come in once.
    PublishMarked(ConnectionId, Vec<Marked>),
    /// Messages that were delayed before they came to any queue; otherwise as `Adopt`.
    AdoptNew(Vec<Publish>),
    /// Messages dead-lettered to this queue: taken whatever its overflow policy, for nobody could be told. They may well
    /// have been here before.
    Adopt(Vec<Publish>),
    /// Settles unacked messages of a connection.
    Settle(Verb, Vec<Handle>),
    /// What a consumer wishes for a message it has, and what it found wrong with it.
    Grant(Handle, Wish, Option<Arc<str>>),
    /// That many bytes of a consumer's deliveries were written to its socket.
    Written(ConsumerKey, usize),
    /// Adds a consumer. Reply: `Consuming` or `InExclusiveUse`.
    Consume(Consume),
    /// Removes a consumer; its unacked messages stay with its channel. Reply: `Done`.
    Cancel(ConsumerKey),
    /// The channel's consumers share this limit from now on, or it has room again.
    Limit(ConnectionId, u16, Arc<ChannelLimit>),
    /// A channel was closed: its consumers go, its unacked messages are requeued.
    ChannelGone(ConnectionId, u16, Ending),
    /// A connection was lost: as for each of its channels.
    ConnectionGone(ConnectionId),
    /// basic.get. Reply: `Got` or `Empty`.
    Get {
        /// The asking connection.
        connection: ConnectionId,
        /// The asking channel.
        channel: u16,
        /// The message counts as acked at once.
        no_ack: bool,
    },
    /// Policies changed: these are the settings from now on. Limits are held at once, TTLs by messages that come.
    Configure(Box<QueueOptions>),
    /// Makes all parked messages ready. Reply: `Released`.
    ReleaseParked,
    /// Drops all parked messages. Reply: `Dropped`.
    DropParked,
    /// Drops all ready and waiting messages. Reply: `Purged`.
    Purge,
    /// Deletes the queue. Reply: `Deleted`, `InUse` or `NotEmpty`.
    Delete {
        /// Only if it has no consumers.
        if_unused: bool,
        /// Only if it has no ready messages.
        if_empty: bool,
    },
    /// Asks for counts; counts as a use of the queue. Reply: `Counts`.
    Inspect,
    /// Messages that were asked for with a [`Load`] of this id, ascending.
    Loaded(u64, Vec<Restored>),
}

impl Command {
    /// Whether somebody waits for the answer.
    const fn has_reply(&self) -> bool {
        match self {
            Self::Consume(_)
            | Self::Cancel(_)
            | Self::Get { .. }
            | Self::ReleaseParked
            | Self::DropParked
            | Self::Purge
            | Self::Delete { .. }
            | Self::Inspect => true,
            Self::Publish(..)
            | Self::PublishMarked(..)
            | Self::Adopt(_)
            | Self::AdoptNew(_)
            | Self::Settle(..)
            | Self::Grant(..)
            | Self::Written(..)
            | Self::Configure(_)
            | Self::Limit(..)
            | Self::ChannelGone(..)
            | Self::ConnectionGone(_)
            | Self::Loaded(..) => false,
        }
    }
}

/// How much waits in a queue, and how fast it goes: what publishers are held back by.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// What its ready messages cost in memory, or would if they were there, in bytes.
    pub backlog: usize,
    /// The same of all messages that ever left: it only grows.
    pub taken: u64,
    /// Consumers at the queue.
    pub consumers: usize,
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

/// The answer to a command that has one.
#[derive(Debug)]
pub enum Reply {
    /// Nothing to say.
    Done,
    /// The answer comes with [`Effects::answers`], under this ticket: messages have to come back to memory first.
    Later(u64),
    /// The consumer was added.
    Consuming,
    /// Refused: the queue has an exclusive consumer, or exclusivity was asked for and there are consumers.
    InExclusiveUse,
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
    /// Numbers about the queue.
    Counts(Counts),
}
