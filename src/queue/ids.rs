//! Names: of connections, of consumers, of deliveries.

use std::sync::Arc;

use crate::message::Position;

/// Names a connection within one run of the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Names a consumer: its connection, its channel, and its number on the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConsumerKey {
    /// The connection.
    pub connection: ConnectionId,
    /// The channel.
    pub channel: u16,
    /// Unique within the connection.
    pub number: u32,
}

/// What people know a consumer by.
#[derive(Clone, Debug, Default)]
pub struct ConsumerName {
    /// Its tag.
    pub tag: Arc<str>,
    /// Its connection's address.
    pub peer: Arc<str>,
}

/// Where an unacked message stands: given out with each delivery, handed back to settle it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle {
    /// Index into the queue's unacked messages.
    pub slot: u32,
    /// Grows with each delivery, so that a late settlement is not taken for one of the same message's next delivery.
    pub turn: u32,
    /// Guards against a slot that was reused for another message.
    pub position: Position,
}
