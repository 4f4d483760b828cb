//! Exact counters that others may read at any time, and their rates over the last seconds.
//!
//! Whoever does the work adds to a [`Recorder`] once per batch. What is read is what happened up to that batch: nothing is
//! sampled by a timer. For rates a recorder keeps a few earlier values (see [`history`](self)), only while something happens.

mod counters;
mod histogram;
mod history;
mod recorder;
mod sum;

pub use counters::{
    BrokerCounters, ChannelCounters, ConnectionCounters, Counters, ExchangeCounters, QueueCounters,
};
pub use histogram::{Buckets, Histogram, SizeCounts, SizeHistogram};
pub use recorder::Recorder;
pub use sum::Sum;

/// Of one queue.
pub type QueueStatistics = Recorder<QueueCounters, { QueueCounters::LEN }>;
/// Of one exchange.
pub type ExchangeStatistics = Recorder<ExchangeCounters, { ExchangeCounters::LEN }>;
/// Of one channel.
pub type ChannelStatistics = Recorder<ChannelCounters, { ChannelCounters::LEN }>;
/// Of one connection.
pub type ConnectionStatistics = Recorder<ConnectionCounters, { ConnectionCounters::LEN }>;
/// Of the whole broker.
pub type BrokerStatistics = Recorder<BrokerCounters, { BrokerCounters::LEN }>;

/// Of all queues of a kind, those that are gone included.
pub type QueueSum = Sum<QueueCounters, { QueueCounters::LEN }>;
/// Of all channels, those that are gone included.
pub type ChannelSum = Sum<ChannelCounters, { ChannelCounters::LEN }>;
/// Of all connections, those that are gone included.
pub type ConnectionSum = Sum<ConnectionCounters, { ConnectionCounters::LEN }>;
