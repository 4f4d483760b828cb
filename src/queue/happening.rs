//! What a queue says it did with its messages, for the journal.

use std::sync::Arc;

use super::ids::ConnectionId;

/// Who had a message when something happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBy {
    /// The connection.
    pub connection: ConnectionId,
    /// The channel.
    pub channel: u16,
    /// The consumer's tag; `None` after basic.get, and for a consumer that is gone.
    pub tag: Option<Arc<str>>,
}
