//! Metrics of connections and channels.

use std::sync::Arc;

use super::table::{Row, columns};
use super::text::Labels;
use crate::broker::overview::ConnectionOverview;
use crate::session::ChannelNumbers;
use crate::statistics::{ChannelCounters, ConnectionCounters};

/// The numbers of a connection, or of all together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ConnectionNumbers {
    pub connections: u64,
    pub channels: u64,
    pub counters: ConnectionCounters,
}

/// The numbers of a channel, or of all together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ChannelTally {
    pub consumers: u64,
    pub unacked: u64,
    pub unconfirmed: u64,
    pub uncommitted_publishes: u64,
    pub uncommitted_acks: u64,
    pub prefetch: u64,
    pub global_prefetch: u64,
    /// Channels on which something was published.
    pub publishers: u64,
    pub counters: ChannelCounters,
}

impl ConnectionNumbers {
    /// All of them together. What was counted is not in it: connections that are gone counted, too.
    pub(super) fn together(rows: &[Row<Self>]) -> Self {
        let mut sum = Self::default();
        rows.iter().for_each(|row| sum.include(&row.numbers));
        sum
    }

    fn include(&mut self, numbers: &Self) {
        self.connections += numbers.connections;
        self.channels += numbers.channels;
    }
}

impl ChannelTally {
    fn of(numbers: ChannelNumbers, counters: ChannelCounters) -> Self {
        Self {
            consumers: numbers.consumers.into(),
            unacked: numbers.unacked.into(),
            unconfirmed: numbers.unconfirmed.into(),
            uncommitted_publishes: numbers.uncommitted_publishes.into(),
            uncommitted_acks: numbers.uncommitted_acks.into(),
            prefetch: numbers.prefetch.into(),
            global_prefetch: numbers.global_prefetch.into(),
            publishers: u64::from(counters.published > 0),
            counters,
        }
    }

    /// All of them together. What was counted is not in it: channels that are gone counted, too.
    pub(super) fn together(rows: &[Row<Self>]) -> Self {
        let mut sum = Self::default();
        rows.iter().for_each(|row| sum.include(&row.numbers));
        sum
    }

    fn include(&mut self, numbers: &Self) {
        self.consumers += numbers.consumers;
        self.unacked += numbers.unacked;
        self.unconfirmed += numbers.unconfirmed;
        self.uncommitted_publishes += numbers.uncommitted_publishes;
        self.uncommitted_acks += numbers.uncommitted_acks;
        self.prefetch += numbers.prefetch;
        self.global_prefetch += numbers.global_prefetch;
        self.publishers += numbers.publishers;
    }
}

/// All connections and their channels together, as with `together`: no row is made of each.
pub(super) fn sums(connections: &[Arc<ConnectionOverview>]) -> (ConnectionNumbers, ChannelTally) {
    let (mut sum, mut tally) = (ConnectionNumbers::default(), ChannelTally::default());
    for connection in connections {
        let channels = connection.channels();
        sum.include(&ConnectionNumbers {
            connections: 1,
            channels: channels.len() as u64,
            counters: ConnectionCounters::default(),
        });
        for channel in channels {
            tally.include(&ChannelTally::of(channel.numbers(), channel.statistics.read()));
        }
    }
    (sum, tally)
}

/// A row for each connection. RabbitMQ names connections and channels by their processes; ours have their names, under the same
/// label.
pub(super) fn connections(connections: &[Arc<ConnectionOverview>]) -> Vec<Row<ConnectionNumbers>> {
    let row = |connection: &Arc<ConnectionOverview>| Row {
        labels: Labels::new(&[("channel", &connection.name())]),
        numbers: ConnectionNumbers {
            connections: 1,
            channels: connection.channels().len() as u64,
            counters: connection.statistics.read(),
        },
    };
    connections.iter().map(row).collect()
}

/// A row for each channel.
pub(super) fn channels(connections: &[Arc<ConnectionOverview>]) -> Vec<Row<ChannelTally>> {
    let mut rows = Vec::new();
    for connection in connections {
        let name = connection.name();
        rows.extend(connection.channels().into_iter().map(|channel| Row {
            labels: Labels::new(&[("channel", &format!("{name} ({})", channel.number))]),
            numbers: ChannelTally::of(channel.numbers(), channel.statistics.read()),
        }));
    }
    rows
}

columns! {
    /// What is counted of connections.
    CONNECTION_COLUMNS: ConnectionNumbers {
        ["connection_coarse_metrics"] Rabbit Counter "connection_incoming_bytes_total"
            "Bytes read from clients" |c| c.counters.bytes_in;
        ["connection_coarse_metrics"] Rabbit Counter "connection_outgoing_bytes_total"
            "Bytes written to clients" |c| c.counters.bytes_out;
        ["connection_metrics"] Rabbit Counter "connection_incoming_packets_total"
            "Frames read from clients" |c| c.counters.frames_in;
        ["connection_metrics"] Rabbit Counter "connection_outgoing_packets_total"
            "Frames written to clients" |c| c.counters.frames_out;
        ["connection_metrics"] Rabbit Gauge "connection_channels"
            "Channels of connections" |c| c.channels;
    }
}

columns! {
    /// What is counted of channels.
    CHANNEL_COLUMNS: ChannelTally {
        ["channel_metrics"] Rabbit Gauge "channel_consumers"
            "Consumers of channels" |c| c.consumers;
        ["channel_metrics"] Rabbit Gauge "channel_messages_unacked"
            "Messages delivered on channels and not settled" |c| c.unacked;
        ["channel_metrics"] Rabbit Gauge "channel_messages_unconfirmed"
            "Messages published and not yet confirmed" |c| c.unconfirmed;
        ["channel_metrics"] Rabbit Gauge "channel_messages_uncommitted"
            "Messages published in transactions that are not committed" |c| c.uncommitted_publishes;
        ["channel_metrics"] Rabbit Gauge "channel_acks_uncommitted"
            "Acks in transactions that are not committed" |c| c.uncommitted_acks;
        ["channel_metrics"] Rabbit Gauge "consumer_prefetch"
            "Unacked messages that each consumer of a channel may have" |c| c.prefetch;
        ["channel_metrics"] Rabbit Gauge "channel_prefetch"
            "Unacked messages that a channel may have" |c| c.global_prefetch;
        ["channel_exchange_metrics"] Rabbit Counter "channel_messages_published_total"
            "Messages published" |c| c.counters.published;
        ["channel_exchange_metrics"] Rabbit Counter "channel_messages_confirmed_total"
            "Messages confirmed to their publisher" |c| c.counters.confirmed;
        ["channel_exchange_metrics"] Rabbit Counter "channel_messages_unroutable_returned_total"
            "Mandatory messages that went nowhere and were returned" |c| c.counters.returned;
        ["channel_exchange_metrics"] Rabbit Counter "channel_messages_unroutable_dropped_total"
            "Messages that went nowhere and were dropped" |c| c.counters.dropped;
        ["channel_queue_metrics"] Rabbit Counter "channel_get_ack_total"
            "Messages got by basic.get that are to be acked" |c| c.counters.got;
        ["channel_queue_metrics"] Rabbit Counter "channel_get_total"
            "Messages got by basic.get without acks" |c| c.counters.got_no_ack;
        ["channel_queue_metrics"] Rabbit Counter "channel_messages_delivered_ack_total"
            "Messages delivered to consumers that ack" |c| c.counters.delivered;
        ["channel_queue_metrics"] Rabbit Counter "channel_messages_delivered_total"
            "Messages delivered to consumers that do not ack" |c| c.counters.delivered_no_ack;
        ["channel_queue_metrics"] Rabbit Counter "channel_messages_redelivered_total"
            "Messages delivered again" |c| c.counters.redelivered;
        ["channel_queue_metrics"] Rabbit Counter "channel_messages_acked_total"
            "Messages acked" |c| c.counters.acked;
        ["channel_queue_metrics"] Rabbit Counter "channel_get_empty_total"
            "basic.get that found no message" |c| c.counters.got_empty;
        ["channel_exchange_metrics"] Coney Counter "channel_messages_refused_total"
            "Messages that a queue refused: nacked to their publisher" |c| c.counters.refused;
        ["channel_queue_metrics"] Coney Counter "channel_messages_rejected_total"
            "Messages nacked or rejected by consumers" |c| c.counters.rejected;
    }
}
