//! A consumer, as its session and its queue know it.

use std::sync::Arc;

use crate::message::QueueId;
use crate::queue::{ChannelPrefetch, ConsumerKey};

/// A consumer as its connection knows it.
#[derive(Debug)]
pub(super) struct SessionConsumer {
    pub(super) channel: u16,
    pub(super) tag: String,
    pub(super) no_ack: bool,
    /// `None` for a direct reply-to consumer.
    pub(super) queue: Option<QueueId>,
    /// It reads a stream.
    pub(super) is_stream: bool,
    /// Its number if its acks settle all that it got before, else 0.
    pub(super) cumulative: u32,
    /// Bytes written and not yet given back as credit.
    pub(super) owed: usize,
}

/// What a consumer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The queue.
    pub queue: QueueId,
    /// It is a stream: each delivery says at which offset.
    pub is_stream: bool,
}

/// What a queue needs to know of a new consumer.
#[derive(Clone, Debug)]
pub struct NewConsumer {
    /// Its name for the queue.
    pub key: ConsumerKey,
    /// Its prefetch.
    pub prefetch: u16,
    /// What it shares with its channel's other consumers.
    pub channel_prefetch: Option<Arc<ChannelPrefetch>>,
}

/// How a consumer's deliveries are acked (`x-ack-policy`, after NATS).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckPolicy {
    /// Not at all: no_ack.
    None,
    /// Each by its own ack, or many by one with `multiple`.
    Explicit,
    /// An ack settles all that the consumer got before, too.
    All,
}
