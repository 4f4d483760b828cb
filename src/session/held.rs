//! What a client makes its session keep in memory until it has said all of it.

/// Bytes by what they are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Room for the bodies of messages that are not all there.
    pub bodies: usize,
    /// Transactions that are neither committed nor rolled back.
    pub transactions: usize,
    /// What is noted, here and by their queues, about messages that are not acked; as of the last report of each channel.
    pub deliveries: usize,
}

impl Held {
    /// What grows by what the client sends.
    #[must_use]
    pub const fn sent(self) -> usize {
        self.bodies + self.transactions
    }
}
