//! What a connection published last, as far as the next publish may be the same.

use crate::protocol::repeated::RepeatedPublish;
use crate::session::outgoing::Envelope;

/// What was published last on a connection, and what is known of it.
#[derive(Debug, Default)]
pub(super) struct LastPublish {
    pub(super) channel: u16,
    /// Whether it had the same exchange, key and properties as the one before it, on the same channel.
    pub(super) is_repeated: bool,
    pub(super) known: Option<Box<Known>>,
}

/// All that does not depend on the body, of a message without headers that was routed to queues.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) frames: RepeatedPublish,
    /// The message as it is encoded, up to its body.
    pub(super) head: Vec<u8>,
    pub(super) persistent: bool,
    pub(super) envelope: Envelope,
}

impl LastPublish {
    /// The next one is another.
    #[inline]
    pub(super) fn forget(&mut self) {
        self.is_repeated = false;
        self.known = None;
    }
}
