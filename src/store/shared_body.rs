//! Which messages are stored once for several queues, and how their entries refer to them.

use crate::message::Message;

/// Below this a record of its own costs more than the copies: a key-value pair costs about as much as copying this.
const MESSAGE_BYTES_MIN: usize = 1024;
/// The copies that are saved have to be worth it.
const SAVED_BYTES_MIN: usize = 4 * 1024;

/// Whether this message is stored apart from its queues' chunks.
pub(super) fn is_shared(message: &Message) -> bool {
    let copies = usize::from(message.queues()).saturating_sub(1);
    copies > 0
        && message.encoded_len() >= MESSAGE_BYTES_MIN
        && copies * message.encoded_len() >= SAVED_BYTES_MIN
}

/// What one queue's share of a message is, in bytes.
pub(super) fn share(message: &Message) -> usize {
    let queues = if is_shared(message) { usize::from(message.queues()) } else { 1 };
    message.encoded_len() / queues
}

/// A reference to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// The record's number.
    pub(super) number: u64,
    /// Bytes of its value.
    pub(super) bytes: u32,
}
