//! Numbers about a queue.

use crate::time::Time;

/// Numbers about a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages ready for delivery.
    pub ready: usize,
    /// Messages delivered and not yet settled.
    pub unacked: usize,
    /// Consumers.
    pub consumers: usize,
    /// Bytes of ready messages' bodies.
    pub ready_bytes: usize,
    /// Messages that wait for their next attempt.
    pub delayed: usize,
    /// Messages that are set aside.
    pub parked: usize,
}

/// What metrics want to know about a queue: what costs no look at its messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    /// How many messages there are in which state.
    pub counts: Counts,
    /// When the oldest ready message came, to within a second or a sixteenth of its age; for one that an earlier run left, when
    /// the broker started.
    pub oldest_ready: Option<Time>,
    /// Since when the message that is unacked longest is with its consumer.
    pub oldest_unacked: Option<Time>,
    /// What the queue takes in memory beside its messages, in bytes: an estimate.
    pub overhead_bytes: usize,
    /// Whether messages of it cannot be read from the store.
    pub is_unreadable: bool,
}

/// A queue's backlog and how fast it is consumed. Flow control decides by these whether publishers wait.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// What its ready messages cost in memory, or would if they were there, in bytes.
    pub backlog: usize,
    /// The same of all messages that ever left: it only grows.
    pub taken: u64,
    /// Consumers at the queue.
    pub consumers: usize,
}
