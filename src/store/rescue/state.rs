//! How much of a queue can be read.

/// Messages of a queue or stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueState {
    /// Those that can be read.
    pub whole: u64,
    /// Those that are known to have been there, and cannot.
    pub lost: u64,
}
