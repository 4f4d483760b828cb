//! What a connection published last, as far as the next publish may be the same.

use crate::protocol::repeated::RepeatedPublish;
use crate::session::outgoing::Envelope;

/// What was published last on a connection, and what is known of it.
#[derive(Debug, Default)]
pub(super) struct LastPublish {
    pub(super) channel: u16,
    /// Whether one went the usual way on that channel, and nothing has come since that could make the next one another: names, properties, a
    /// route.
    pub(super) is_noted: bool,
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
        self.is_noted = false;
        self.known = None;
    }
}
