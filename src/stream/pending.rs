//! What is not durable yet.

use crate::message::Message;
use crate::time::Timestamp;

/// A chunk on its way to the disk.
#[derive(Debug)]
pub(super) struct Pending {
    /// When its messages came.
    pub(super) at: Timestamp,
    pub(super) messages: Vec<Message>,
    /// As they are stored, about.
    pub(super) bytes: u64,
    pub(super) begins_segment: bool,
}
