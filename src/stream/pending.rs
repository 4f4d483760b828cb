//! What is not durable yet.

use crate::message::Message;
use crate::queue::MessagePlace;
use crate::time::Timestamp;

/// Where messages of a chunk were before, by their place in the chunk, in order. Most have none.
pub(super) type Origins = Vec<(usize, MessagePlace)>;

/// A chunk on its way to the disk.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// When its messages came.
    pub(super) at: Timestamp,
    pub(super) messages: Vec<Message>,
    /// Where some of them were before.
    pub(super) origins: Origins,
    /// As they are stored, about.
    pub(super) bytes: u64,
    pub(super) begins_segment: bool,
}
