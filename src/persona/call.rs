//! What a client asks for, as far as brokers differ about it.

use std::fmt;

use amq_protocol::types::{AMQPValue, FieldTable};

/// The largest message body of RabbitMQ 4, in bytes; Coney, RabbitMQ 3 and LavinMQ have 128 MiB.
pub const LARGE_BODY_BYTES: u64 = 16 * 1024 * 1024;

/// The type of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueKind {
    /// The default.
    Classic,
    /// `x-queue-type` is `quorum`.
    Quorum,
    /// `x-queue-type` is `stream`.
    Stream,
}

impl QueueKind {
    /// The type with these declare arguments.
    #[must_use]
    pub fn of(arguments: &FieldTable) -> Self {
        match arguments.inner().get("x-queue-type") {
            Some(AMQPValue::LongString(kind)) if kind.as_bytes() == b"quorum" => Self::Quorum,
            Some(AMQPValue::LongString(kind)) if kind.as_bytes() == b"stream" => Self::Stream,
            _ => Self::Classic,
        }
    }

    /// RabbitMQ's name for it in errors.
    #[must_use]
    pub const fn module(self) -> &'static str {
        match self {
            Self::Classic => "rabbit_classic_queue",
            Self::Quorum => "rabbit_quorum_queue",
            Self::Stream => "rabbit_stream_queue",
        }
    }
}

/// A queue or an exchange, by name.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its virtual host.
    pub vhost: &'a str,
}

/// queue.declare, not passive.
#[derive(Clone, Copy, Debug)]
pub struct QueueCall<'a> {
    /// Which.
    pub place: Place<'a>,
    /// Of which type.
    pub kind: QueueKind,
    /// Survives a restart.
    pub durable: bool,
    /// Belongs to its connection.
    pub exclusive: bool,
    /// Goes with its last consumer.
    pub auto_delete: bool,
    /// The broker was to name it.
    pub server_named: bool,
    /// Arguments.
    pub arguments: &'a FieldTable,
}

/// exchange.declare, not passive.
#[derive(Clone, Copy, Debug)]
pub struct ExchangeCall<'a> {
    /// Which.
    pub place: Place<'a>,
    /// The name of its type.
    pub kind: &'a str,
    /// Arguments.
    pub arguments: &'a FieldTable,
}

/// basic.consume, with what basic.qos said before.
#[derive(Clone, Copy, Debug)]
pub struct ConsumeCall<'a> {
    /// From which queue.
    pub place: Place<'a>,
    /// Of which type that is.
    pub kind: QueueKind,
    /// Whether it survives a restart.
    pub durable: bool,
    /// What is sent counts as acked.
    pub no_ack: bool,
    /// Nobody else may consume.
    pub exclusive: bool,
    /// The consumer's prefetch; 0 is none.
    pub prefetch: u16,
    /// Whether the channel has a prefetch of its own (`global`).
    pub channel_prefetch: bool,
    /// Arguments.
    pub arguments: &'a FieldTable,
}

/// Messages of a connection that are not as most are.
#[derive(Clone, Copy, Debug)]
pub struct PublishCall<'a> {
    /// In which virtual host.
    pub vhost: &'a str,
    /// The largest body, in bytes, if one is above [`LARGE_BODY_BYTES`].
    pub large_body: Option<u64>,
    /// Whether something was published to `amq.settle`.
    pub settles: bool,
}

/// The first messages that a connection sends to a queue by basic.publish, outside of transactions.
#[derive(Clone, Copy, Debug)]
pub struct SendCall<'a> {
    /// To which queue.
    pub place: Place<'a>,
    /// Whether it survives a restart.
    pub durable: bool,
    /// Whether it belongs to a connection.
    pub exclusive: bool,
    /// Whether the first message does.
    pub persistent: bool,
    /// Whether its publisher asks for confirms.
    pub confirmed: bool,
}

/// Something that ended after a single publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShortLived {
    /// A connection.
    Connection,
    /// A channel, not the first one of its connection.
    Channel,
}

/// What a client asks for.
#[derive(Clone, Copy, Debug)]
pub enum Call<'a> {
    /// queue.declare.
    Queue(QueueCall<'a>),
    /// exchange.declare.
    Exchange(ExchangeCall<'a>),
    /// basic.consume.
    Consume(ConsumeCall<'a>),
    /// basic.publish.
    Publish(PublishCall<'a>),
    /// basic.publish, as its queue sees it.
    Send(SendCall<'a>),
    /// queue.declare, passive.
    Find(Place<'a>),
    /// The end of something in that virtual host.
    End(ShortLived, &'a str),
}

impl<'a> Call<'a> {
    /// It as a declare of a queue of one of these types.
    pub(super) fn queue(&self, kinds: &[QueueKind]) -> Option<QueueCall<'a>> {
        match self {
            Self::Queue(call) if kinds.contains(&call.kind) => Some(*call),
            _ => None,
        }
    }

    /// It as a consumer of a queue of one of these types.
    pub(super) fn consume(&self, kinds: &[QueueKind]) -> Option<ConsumeCall<'a>> {
        match self {
            Self::Consume(call) if kinds.contains(&call.kind) => Some(*call),
            _ => None,
        }
    }

    /// It as the first messages to a queue.
    pub(super) const fn send(&self) -> Option<SendCall<'a>> {
        match self {
            Self::Send(call) => Some(*call),
            _ => None,
        }
    }

    /// It as a declare of an exchange.
    pub(super) const fn exchange(&self) -> Option<ExchangeCall<'a>> {
        match self {
            Self::Exchange(call) => Some(*call),
            _ => None,
        }
    }

    /// What RabbitMQ's errors call it: `queue 'q' in vhost '/'`.
    pub(super) fn thing(&self) -> String {
        let (what, place) = match self {
            Self::Queue(QueueCall { place, .. })
            | Self::Consume(ConsumeCall { place, .. })
            | Self::Send(SendCall { place, .. })
            | Self::Find(place) => ("queue", place),
            Self::Exchange(ExchangeCall { place, .. }) => ("exchange", place),
            Self::Publish(PublishCall { vhost, .. }) | Self::End(_, vhost) => {
                return format!("vhost '{vhost}'");
            }
        };
        format!("{what} '{}' in vhost '{}'", place.name, place.vhost)
    }

    /// The module of RabbitMQ's that serves the type of its queue.
    pub(super) const fn module(&self) -> &'static str {
        match self {
            Self::Queue(QueueCall { kind, .. }) | Self::Consume(ConsumeCall { kind, .. }) => kind.module(),
            Self::Exchange(_) | Self::Publish(_) | Self::Send(_) | Self::Find(_) | Self::End(..) => "",
        }
    }
}

/// What it is about, in a few words: `queue 'tmp'`. Names that a broker made up would be another one each time.
impl fmt::Display for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue(QueueCall { server_named: true, .. }) => f.write_str("a queue that the broker names"),
            Self::Consume(ConsumeCall { place, .. }) if is_made_up(place) => {
                f.write_str("consumer of a queue that the broker named")
            }
            Self::Send(SendCall { place, .. }) | Self::Find(place) if is_made_up(place) => {
                f.write_str("a queue that the broker named")
            }
            Self::Queue(QueueCall { place, .. }) | Self::Send(SendCall { place, .. }) | Self::Find(place) => {
                write!(f, "queue '{}'", place.name)
            }
            Self::Consume(ConsumeCall { place, .. }) => write!(f, "consumer of queue '{}'", place.name),
            Self::Exchange(ExchangeCall { place, .. }) => write!(f, "exchange '{}'", place.name),
            Self::Publish(_) => f.write_str("messages"),
            Self::End(ShortLived::Connection, _) => f.write_str("connections"),
            Self::End(ShortLived::Channel, _) => f.write_str("channels"),
        }
    }
}

fn is_made_up(place: &Place<'_>) -> bool {
    place.name.starts_with("amq.gen-")
}

/// The first of these arguments that is there.
pub(super) fn first_of(arguments: &FieldTable, keys: &[&str]) -> Option<String> {
    keys.iter().find(|key| arguments.inner().contains_key(**key)).map(|key| (*key).to_owned())
}
