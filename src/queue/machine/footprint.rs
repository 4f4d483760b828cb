//! How much memory a queue takes beside the bytes of its messages.

use super::queue::Queue;
use crate::queue::attempts::Attempts;
use crate::queue::entry::Entry;

/// A queue with nothing in it, its task and its mailbox included (measured with 5,000 of them: 3.9 KiB, 4.2 if they are durable, names and
/// tables elsewhere included).
const QUEUE_BYTES: usize = 5 * 1024;
/// A consumer, and what its place in turn costs.
const CONSUMER_BYTES: usize = 512;
/// What an entry of a hash table or a tree takes beside its value.
const LINK_BYTES: usize = 48;

impl Queue {
    /// Bytes of memory that it takes without those of its messages: an estimate, by what it has how many of. What it notes
    /// about those that are not acked is counted with the clients that they are with.
    #[must_use]
    pub fn footprint(&self) -> usize {
        QUEUE_BYTES
            + self.consumers.len() * CONSUMER_BYTES
            + self.ready.footprint()
            + self.waiting.len() * (size_of::<Entry>() + LINK_BYTES)
            + self.schedule.footprint()
            + self.attempts.len() * (size_of::<Attempts>() + LINK_BYTES)
            + self.dedup.footprint()
    }
}
