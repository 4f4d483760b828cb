//! What others may know of a session and its channels, as plain numbers.

use super::exception::Exception;
use crate::message::{Message, QueueId};
use crate::protocol::method::MethodId;
use crate::protocol::reply::ReplyCode;
use crate::statistics::{ChannelCounters, SizeCounts};

/// How publishes on a channel are confirmed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum ChannelMode {
    /// Not at all.
    #[default]
    Plain,
    /// By publisher confirms (confirm.select).
    Confirm,
    /// In transactions (tx.select).
    Transaction,
}

/// A channel's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelNumbers {
    /// How its publishes are confirmed.
    pub mode: ChannelMode,
    /// Unacked messages that each of its next consumers may have; 0: no limit.
    pub prefetch: u16,
    /// Unacked messages that the channel may have; 0: no limit.
    pub global_prefetch: u16,
    /// Consumers.
    pub consumers: u32,
    /// Messages delivered and not yet settled.
    pub unacked: u32,
    /// Publishes that wait for their confirm.
    pub unconfirmed: u32,
    /// Publishes that wait for a commit.
    pub uncommitted_publishes: u32,
    /// Settlements that wait for a commit.
    pub uncommitted_acks: u32,
}

/// What was published that is not as most is: some brokers do not take it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unusual {
    /// The largest body above [`LARGE_BODY_BYTES`](crate::persona::LARGE_BODY_BYTES), in bytes.
    pub large_body: Option<u64>,
    /// Whether something went to `amq.settle`.
    pub settles: bool,
    /// Channels that were closed after a single publish, each connection's first left out.
    pub short_channels: u64,
}

/// A channel on which something was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelReport {
    /// Its number on the connection.
    pub number: u16,
    /// Tells it from earlier channels of that number.
    pub incarnation: u64,
    /// Its numbers; `None` once it is closed.
    pub numbers: Option<ChannelNumbers>,
    /// What happened on it since the last report.
    pub counted: ChannelCounters,
}

/// What others may want to hear of a session's channels, each when it happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelChange {
    /// The channel of this number was opened.
    Opened(u16),
    /// The channel of this number is closed.
    Closed(u16),
    /// A consumer of a queue is gone, for whatever reason.
    ConsumerGone {
        /// Its number.
        number: u32,
        /// Its channel.
        channel: u16,
        /// Its tag.
        tag: String,
    },
}

/// What a session counts: what happened on all its channels, and its channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionCounters {
    /// What happened on its channels, those that are closed included.
    pub messages: ChannelCounters,
    /// Sizes of the messages published.
    pub sizes: SizeCounts,
    /// Channels opened.
    pub channels_opened: u64,
    /// Channels closed, also by the connection's end.
    pub channels_closed: u64,
}

/// Publishes that matched no queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unrouted {
    /// The publisher's channel.
    pub channel: u16,
    /// The exchange.
    pub exchange: Vec<u8>,
    /// The routing key.
    pub routing_key: Vec<u8>,
    /// The message id of the first.
    pub message_id: Option<Vec<u8>>,
    /// Whether they went back to their publisher: they were mandatory.
    pub is_returned: bool,
    /// How many they were.
    pub count: u64,
}

impl Unrouted {
    /// Whether this is the same but for the message id.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        (self.channel, self.is_returned) == (other.channel, other.is_returned)
            && self.routing_key == other.routing_key
            && self.exchange == other.exchange
    }
}

/// A publish in a vhost that is traced and that went to no queue, or waits for the commit of its transaction.
#[derive(Clone, Debug)]
pub struct Traced {
    /// The publisher's channel.
    pub channel: u16,
    /// The message.
    pub message: Message,
    /// The queues that it is for.
    pub queues: Vec<QueueId>,
}

/// An exception that closed a channel or the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raised {
    /// The channel; `None`: the connection.
    pub channel: Option<u16>,
    /// The reply text, as the client was told.
    pub text: String,
    /// Whether it is one because the client may not publish.
    pub refuses_publish: bool,
}

impl Raised {
    pub(super) fn new(channel: Option<u16>, exception: &Exception) -> Self {
        let is_publish = exception.method == Some(MethodId::BASIC_PUBLISH);
        let refuses_publish = is_publish && exception.code == ReplyCode::AccessRefused;
        Self { channel, text: exception.reply_text(), refuses_publish }
    }
}
