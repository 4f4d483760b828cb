//! Messages on their way to consumers.

use super::ids::{ConsumerKey, Handle};
use crate::message::Message;

/// What a delivery costs beyond its encoded message: frame envelopes, tags, bookkeeping.
const DELIVERY_OVERHEAD_BYTES: usize = 64;

/// The bytes a delivery counts for in its consumer's window.
#[must_use]
pub const fn delivery_cost(message: &Message) -> usize {
    message.encoded_len() + DELIVERY_OVERHEAD_BYTES
}

/// A message for a consumer.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// To settle it with; means nothing to a consumer with no_ack.
    pub handle: Handle,
    /// The message.
    pub message: Message,
    /// Whether it may have been delivered before.
    pub redelivered: bool,
    /// The id of the [`ChannelPrefetch`](crate::queue::ChannelPrefetch) that it was counted for; 0: none.
    pub counted_by: u32,
}

impl Delivery {
    /// The bytes it counts for in its consumer's window.
    #[must_use]
    pub const fn cost(&self) -> usize {
        delivery_cost(&self.message)
    }
}

/// Deliveries of one batch to one consumer.
#[derive(Debug)]
pub struct Deliveries {
    /// The consumer.
    pub consumer: ConsumerKey,
    /// The messages, in order.
    pub deliveries: Vec<Delivery>,
}
