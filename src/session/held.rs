//! What a client makes its session keep in memory until it has said all of it.

/// Bytes by what they are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Room for the bodies of messages that are not all there.
    pub bodies: usize,
    /// Transactions that are neither committed nor rolled back.
    pub transactions: usize,
}

impl Held {
    /// All of them.
    #[must_use]
    pub const fn total(self) -> usize {
        self.bodies + self.transactions
    }
}
