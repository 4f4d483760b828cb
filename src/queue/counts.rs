//! Numbers about a queue.

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
