//! A consumer of a queue.

use serde::Serialize;

use super::arguments::Table;
use super::overview::Empty;
use crate::broker::overview::ConnectionOverview;
use crate::queue::ConsumerDetails;

/// `/api/consumers`, and `consumer_details` of a queue or a channel.
#[derive(Debug, Serialize)]
pub(in crate::management) struct ConsumerView<'a> {
    pub arguments: Table<'a>,
    pub ack_required: bool,
    pub active: bool,
    pub activity_status: &'static str,
    pub channel_details: ChannelDetails<'a>,
    pub consumer_tag: &'a str,
    /// In milliseconds; 0: for ever.
    pub consumer_timeout: u64,
    pub exclusive: bool,
    /// Messages of a stream that were gone before it came to them. Ours.
    pub messages_missed: u64,
    pub prefetch_count: u32,
    pub queue: QueueName<'a>,
}

/// Which queue.
#[derive(Clone, Copy, Debug, Serialize)]
pub(in crate::management) struct QueueName<'a> {
    pub name: &'a str,
    pub vhost: &'a str,
}

/// Which channel; `{}` of a connection that has just gone.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(in crate::management) enum ChannelDetails<'a> {
    /// Known.
    Known {
        connection_name: String,
        name: String,
        node: &'a str,
        number: u16,
        peer_host: String,
        peer_port: u16,
        user: String,
    },
    /// Gone.
    Unknown(Empty),
}

impl<'a> ChannelDetails<'a> {
    /// Of a connection's channel.
    pub(in crate::management) fn of(
        connection: Option<&ConnectionOverview>,
        number: u16,
        node: &'a str,
    ) -> Self {
        let Some(connection) = connection else { return Self::Unknown(Empty {}) };
        Self::Known {
            connection_name: connection.name(),
            name: channel_name(connection, number),
            node,
            number,
            peer_host: connection.peer.ip().to_string(),
            peer_port: connection.peer.port(),
            user: connection.handshake().user.clone(),
        }
    }
}

/// The name by which RabbitMQ's tools know a channel.
pub(in crate::management) fn channel_name(connection: &ConnectionOverview, number: u16) -> String {
    format!("{} ({number})", connection.name())
}

impl<'a> ConsumerView<'a> {
    /// Of a queue's consumer.
    pub(in crate::management) fn of(
        consumer: &'a ConsumerDetails,
        queue: QueueName<'a>,
        connection: Option<&ConnectionOverview>,
        node: &'a str,
    ) -> Self {
        Self {
            arguments: Table(&consumer.arguments),
            ack_required: !consumer.no_ack,
            active: consumer.is_active,
            activity_status: if consumer.is_active { "up" } else { "waiting" },
            channel_details: ChannelDetails::of(connection, consumer.key.channel, node),
            consumer_tag: &consumer.name.tag,
            consumer_timeout: consumer.ack_timeout_ms.unwrap_or(0),
            exclusive: consumer.exclusive,
            messages_missed: consumer.missed,
            prefetch_count: consumer.prefetch,
            queue,
        }
    }
}
