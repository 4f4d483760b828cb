//! How much of a queue is kept in memory.

/// Beyond this a queue that nobody empties is a backlog, and its middle leaves memory. Far more than what stands in a
/// queue whose consumers keep up with bursts, so that those never touch the disk; little enough for a small machine.
const START_BYTES: usize = 16 * 1024 * 1024;
/// What stays at the head of a backlog: some ten milliseconds of the fastest consumers, longer than a page takes to come.
const HEAD_BYTES: usize = 4 * 1024 * 1024;
/// A segment: enough to make a read or a write cheap per message.
const SEGMENT_BYTES: usize = 1024 * 1024;

/// The parts of a backlog that are in memory, in bytes of what messages cost there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// A queue starts to put messages out of memory when it has more than this.
    pub start_bytes: usize,
    /// Then this much stays at its head.
    pub head_bytes: usize,
    /// The rest goes in segments of this size; less than two of them stay at its tail.
    pub segment_bytes: usize,
}

impl Window {
    /// Everything stays in memory.
    pub const UNLIMITED: Self = Self { start_bytes: usize::MAX, ..Self::STANDARD };
    /// For a broker with a disk.
    pub const STANDARD: Self =
        Self { start_bytes: START_BYTES, head_bytes: HEAD_BYTES, segment_bytes: SEGMENT_BYTES };

    /// The share of one of so many priority levels.
    pub(super) fn share(self, levels: usize) -> Self {
        let levels = levels.max(1);
        Self {
            head_bytes: self.head_bytes / levels,
            segment_bytes: self.segment_bytes / levels.min(8),
            ..self
        }
    }
}

impl Default for Window {
    fn default() -> Self {
        Self::UNLIMITED
    }
}
