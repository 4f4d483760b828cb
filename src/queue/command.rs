//! What can be asked of a queue.

use std::sync::Arc;

use amq_protocol::types::FieldTable;

use super::attempts::{Attempts, Ending, WaitKind};
use super::consumers::PrefetchShare;
use super::happening::Provenance;
use super::ids::{ConnectionId, ConsumerKey, ConsumerName, Handle};
use super::inbox::InboxShare;
use super::log::{CursorChange, FeedRequest, LogNews};
use super::offset_spec::OffsetSpec;
use super::options::{OwnTimeout, QueueOptions};
use super::peek::Peek;
use crate::dedup::DedupKeys;
use crate::message::{Message, Position, QueueId};
use crate::time::Time;

/// What can be asked of a queue.
#[derive(Debug)]
pub enum Command {
    /// Messages of one connection, in order.
    Publish(ConnectionId, Vec<Publish>),
    /// Messages of one connection, in order, that carry deduplication keys.
    PublishDedup(ConnectionId, Vec<DedupPublish>),
    /// Messages that were delayed before they came to any queue; otherwise as `PublishDeadLettered`.
    PublishDue(Vec<Publish>, Provenance),
    /// Messages from the stream that the queue is fed from; otherwise as `PublishDue`.
    PublishFed(Vec<Publish>, Provenance),
    /// Messages dead-lettered to this queue. They are taken whatever its overflow policy says, because there is no publisher to
    /// tell. They may have been in this queue before, and are no duplicates for that.
    PublishDeadLettered(Vec<Publish>, Provenance),
    /// Messages with all that was known of them in another queue, whose place they take as they are.
    Restore(Vec<Restored>),
    /// Settles unacked messages of a connection.
    Settle(Settlement, Vec<Handle>),
    /// A consumer's wish for an unacked message that ack and nack cannot express, with the consumer's error text.
    Dispose(Handle, Disposition, Option<Arc<str>>),
    /// Unacked messages go to other queues, in one store batch with their removal here.
    MoveOut(Vec<MoveOut>),
    /// That many bytes of a consumer's deliveries were written to its socket.
    Written(ConsumerKey, usize),
    /// Adds a consumer. Reply: `Consuming` or `InExclusiveUse`.
    Consume(Box<Consume>),
    /// Removes a consumer; its unacked messages stay with its channel. Reply: `Done`.
    Cancel(ConsumerKey),
    /// As `Cancel`, and not on its client's word: its connection is told, after all that it was given. Reply: `Done` or `NoConsumer`.
    Dismiss(ConsumerKey),
    /// The channel's consumers share this prefetch from now on, or none.
    SetChannelPrefetch(ConnectionId, u16, Option<PrefetchShare>),
    /// It is the queue's turn to take of the channel's prefetch: see [`PrefetchShare`].
    TakeTurn(ConnectionId, u16),
    /// The connection's inbox, in which the queue found no room, has room again: see [`Inbox`](super::inbox::Inbox).
    InboxHasRoom(ConnectionId),
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
    /// The same by hand, for whoever looks at a message or takes it elsewhere: it is no delivery, so neither it nor what becomes of the
    /// message is counted. Reply: `Got` or `Empty`.
    Hold {
        /// The connection that holds it.
        connection: ConnectionId,
        /// The channel.
        channel: u16,
    },
    /// Policies changed: these are the settings from now on. Limits are held at once, TTLs by messages that come.
    Configure(Box<QueueOptions>),
    /// Ends the wait of messages at these positions, delayed or parked: they are ready. Reply: `Released`.
    ReleaseWaiting(Vec<Position>),
    /// Drops messages at these positions that wait. Reply: `Dropped`.
    DropWaiting(Vec<Position>),
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
    /// Asks for counts, and is no use of the queue; as a peek it shows what the batch led to. Reply: `Counts`.
    Count,
    /// Asks for what metrics want, as `Count` does. Reply: `Measured`.
    Measure,
    /// Asks for all that there is to know about the queue, as `Count` does. Reply: `Described`.
    Describe,
    /// Looks at messages; changes nothing, and is no use of the queue. It shows what the batch led to, so the reply comes
    /// when the batch ends. Reply: `Peeked`.
    Peek(Peek),
    /// Messages that were asked for with a [`Load`](super::Load) of this id, ascending.
    Loaded(u64, Vec<LoadedMessage>),
    /// A queue that is fed from this stream says how much it can take.
    Feed(Box<FeedRequest>),
    /// A queue that was fed from this stream is no more.
    FeedGone(QueueId),
    /// The stream that the queue is fed from has come to be.
    SourceIsHere,
    /// Something is done by hand to a cursor of a stream. See [`CursorChange`] for the reply; other queues answer `NoCursor`.
    Cursor(CursorChange),
    /// Asks a stream for a place. Reply: `Located`; other queues answer `NoCursor`.
    Locate(OffsetSpec),
    /// What the store has to say to a stream. Nothing to other queues.
    Log(LogNews),
    /// A test wants it to deliver nothing to consumers, or to go on.
    Pause(bool),
    /// What a crash of the broker does to a queue whose messages are all in memory: those that are not persistent go. Reply: `Done`.
    Crash,
    /// Messages that were asked for cannot be read: why. Nothing is delivered any more until a purge.
    Unreadable(Arc<str>),
}

impl Command {
    /// Messages of a client that it brings; none if it brings no such.
    pub fn publishes(&self) -> impl Iterator<Item = &Publish> {
        let (plain, with_keys): (&[Publish], &[DedupPublish]) = match self {
            Self::Publish(_, publishes) => (publishes, &[]),
            Self::PublishDedup(_, publishes) => (&[], publishes),
            _ => (&[], &[]),
        };
        plain.iter().chain(with_keys.iter().map(|dedup| &dedup.publish))
    }

    /// Whether somebody waits for an answer that depends on what the commands before it led to. A peek is answered when the
    /// batch has ended anyway.
    pub(super) const fn has_reply(&self) -> bool {
        match self {
            Self::Consume(_)
            | Self::Cancel(_)
            | Self::Dismiss(_)
            | Self::Get { .. }
            | Self::Hold { .. }
            | Self::ReleaseWaiting(_)
            | Self::DropWaiting(_)
            | Self::ReleaseParked
            | Self::DropParked
            | Self::Purge
            | Self::Cursor(_)
            | Self::Locate(_)
            | Self::Delete { .. }
            | Self::Crash
            | Self::Inspect => true,
            Self::Publish(..)
            | Self::PublishDedup(..)
            | Self::PublishDeadLettered(..)
            | Self::PublishDue(..)
            | Self::Restore(_)
            | Self::Settle(..)
            | Self::Dispose(..)
            | Self::MoveOut(_)
            | Self::Written(..)
            | Self::PublishFed(..)
            | Self::Feed(_)
            | Self::FeedGone(_)
            | Self::SourceIsHere
            | Self::Configure(_)
            | Self::SetChannelPrefetch(..)
            | Self::TakeTurn(..)
            | Self::InboxHasRoom(_)
            | Self::ChannelGone(..)
            | Self::ConnectionGone(_)
            | Self::Count
            | Self::Measure
            | Self::Describe
            | Self::Peek(_)
            | Self::Loaded(..)
            | Self::Log(_)
            | Self::Pause(_)
            | Self::Unreadable(_) => false,
        }
    }
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

/// A message with all that was known of it in another queue.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The message.
    pub message: Message,
    /// Its priority.
    pub priority: u8,
    /// When it expires, or [`Time::NEVER`]; in the queue of a delayed exchange: when it is due.
    pub expires: Time,
    /// Whether it may have been delivered before.
    pub redelivered: bool,
    /// What it waits for, if it does, and until when.
    pub wait: Option<(WaitKind, Time)>,
    /// The deliveries that failed.
    pub attempts: Option<Attempts>,
}

/// A message with its deduplication keys. It is a type of its own because few messages have keys, and optional keys in every
/// [`Publish`] would slow down all of them.
#[derive(Clone, Debug)]
pub struct DedupPublish {
    /// The message.
    pub publish: Publish,
    /// Its deduplication keys.
    pub keys: Arc<DedupKeys>,
}

/// An unacked message that leaves the queue for others.
#[derive(Clone, Debug)]
pub struct MoveOut {
    /// Where it stands.
    pub handle: Handle,
    /// The message as it arrives there.
    pub message: Message,
    /// The queues, at least one.
    pub queues: Vec<QueueId>,
}

/// What happens to an unacked message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// basic.ack: it is done with.
    Ack,
    /// basic.nack with requeue, or recover: back to its position.
    Requeue,
    /// basic.reject with requeue: the same, and the consumer failed.
    Fail,
    /// Back to its position as if it had never been delivered: for whoever only looked at it.
    Undo,
    /// basic.nack or reject without requeue: dead-lettered with reason `rejected`, or dropped.
    Reject,
}

/// What a consumer can ask for an unacked message by the settle exchange, beyond basic.ack and basic.nack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Its time for the ack begins anew.
    Progress,
    /// It comes back as a failed attempt: after that many milliseconds, or when the queue's failure policy says.
    Retry(Option<u32>),
    /// It is set aside now, for the queue's parking time.
    Park,
    /// It is dead now.
    Terminate,
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
    /// What its channel's consumers share (basic.qos with global = true).
    pub channel_prefetch: Option<PrefetchShare>,
    /// What its connection's consumers share of the memory; `None` for one that has few messages at a time.
    pub inbox: Option<InboxShare>,
    /// How long it may keep a message.
    pub ack_timeout: OwnTimeout,
    /// Its consumer tag and its client's address. Dead letters carry them, to help find out why a message failed.
    pub name: ConsumerName,
    /// The arguments that it came with.
    pub arguments: Arc<FieldTable>,
    /// It only waits for a message to come: that an auto-delete queue had it does not end the queue when it goes.
    pub is_passing: bool,
}

/// A message that comes back to memory.
#[derive(Clone, Debug)]
pub struct LoadedMessage {
    /// Its position.
    pub position: Position,
    /// The message.
    pub message: Message,
    /// When it expires, or [`Time::NEVER`].
    pub expires: Time,
    /// Its level.
    pub level: u8,
}
